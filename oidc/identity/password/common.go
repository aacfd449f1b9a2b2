package password

import (
	_ "embed"
	"regexp"
	"strings"
	"sync"
	"unicode"
)

// commonList has the words of which common passwords are made.
//
//go:embed common.txt
var commonList string

// commonWords returns the words of the list, and the length of the longest one in characters.
var commonWords = sync.OnceValues(func() (map[string]bool, int) {
	words, longest := map[string]bool{}, 0
	for line := range strings.Lines(commonList) {
		if strings.HasPrefix(line, "#") {
			continue
		}
		for word := range strings.FieldsSeq(line) {
			words[word] = true
			longest = max(longest, len([]rune(word)))
		}
	}
	return words, longest
})

// Bounds of what is common.
const (
	commonParts = 2 // words, dates and runs together
	commonRuns  = 4 // runs alone
	commonGlue  = 2 // other characters between them
)

// common reports whether a password is among the first that are tried. It is if it is made
// of a few words of the list (also with digits or signs in place of letters), runs along the
// alphabet or the keyboard, and dates, or if it repeats itself. Examples are woaini1314,
// 1qaz2wsx, Passw0rd!2024 and zhang19900101.
func common(password string) bool {
	text := []rune(strings.ToLower(password))
	return repeated(text) || runs(undoubled(text)) || newParts(text).few()
}

// repeated reports whether a text only repeats a part of at most four characters.
func repeated(text []rune) bool {
	for unit := 1; unit <= 4 && unit*2 <= len(text); unit++ {
		same := true
		for i := unit; i < len(text) && same; i++ {
			same = text[i] == text[i-unit]
		}
		if same {
			return true
		}
	}
	return false
}

// undoubled returns a text with each row of equal characters reduced to one of them.
func undoubled(text []rune) []rune {
	var out []rune
	for i, r := range text {
		if i == 0 || text[i-1] != r {
			out = append(out, r)
		}
	}
	return out
}

// runs reports whether a text is one run, such as 11223344 after undoubled.
func runs(text []rune) bool { return len(text) >= 3 && longestRun(unshifted(text)) == len(text) }

// parts finds out whether a text consists of few common parts.
type parts struct {
	text, keys []rune   // the text in lower case, and the same with signs replaced by the digits on their keys
	read       [][]rune // readings of the text, with letters for digits and signs
	words      map[string]bool
	longest    int
}

func newParts(text []rune) *parts {
	p := &parts{text: text, keys: unshifted(text), read: [][]rune{text}}
	for _, one := range []rune{'i', 'l'} {
		p.read = append(p.read, unleet(text, one))
	}
	p.words, p.longest = commonWords()
	return p
}

// few reports whether the text consists of few enough common parts.
func (p *parts) few() bool {
	return p.cover(true, commonParts) || p.cover(false, commonRuns)
}

// cover reports whether the text consists of no more than most parts, with no more than
// commonGlue other characters. The parts are words, dates and runs, or runs alone if words is
// false.
func (p *parts) cover(words bool, most int) bool {
	// reached[i][n][g]: the text up to i can consist of n parts and g other characters.
	type state [commonRuns + 1][commonGlue + 1]bool
	reached := make([]state, len(p.text)+1)
	reached[0][0][0] = true
	for i := range p.text {
		ends := p.ends(i, words)
		for n := range most + 1 {
			for g := range commonGlue + 1 {
				if !reached[i][n][g] {
					continue
				}
				if g < commonGlue {
					reached[i+1][n][g+1] = true
				}
				for _, end := range ends {
					if n < most {
						reached[end][n+1][g] = true
					}
				}
			}
		}
	}
	for n := 1; n <= most; n++ {
		for g := range commonGlue + 1 {
			if reached[len(p.text)][n][g] {
				return true
			}
		}
	}
	return false
}

// ends returns the ends of all common parts that begin at i.
func (p *parts) ends(i int, words bool) []int {
	var ends []int
	for n := longestRun(p.keys[i:]); n >= 3; n-- {
		ends = append(ends, i+n)
	}
	if !words {
		return ends
	}
	for _, n := range []int{4, 6, 8, 11} {
		if i+n <= len(p.text) && dateOrPhone.MatchString(string(p.text[i:i+n])) {
			ends = append(ends, i+n)
		}
	}
	for _, text := range p.read {
		for n := 2; n <= min(p.longest, len(text)-i); n++ {
			if p.words[string(text[i:i+n])] {
				ends = append(ends, i+n)
			}
		}
	}
	return ends
}

// dateOrPhone matches years, dates with and without the century, and the
// mainland's mobile numbers.
var dateOrPhone = regexp.MustCompile(`^(?:(?:19|20)\d\d|(?:(?:19|20)?\d\d)?(?:0\d|1[0-2])[0-3]\d|(?:[0-3]\d(?:0\d|1[0-2])(?:19|20)\d\d)|1[3-9]\d{9})$`)

// unleet replaces digits and signs in a text by the letters for which they stand. one is the
// letter for 1, ! and |.
func unleet(text []rune, one rune) []rune {
	out := make([]rune, len(text))
	for i, r := range text {
		switch r {
		case '@', '4':
			r = 'a'
		case '0':
			r = 'o'
		case '3':
			r = 'e'
		case '$', '5':
			r = 's'
		case '7':
			r = 't'
		case '1', '!', '|':
			r = one
		}
		out[i] = r
	}
	return out
}

// unshifted replaces signs in a text by the digits on the same keys.
func unshifted(text []rune) []rune {
	const signs, digits = "!@#$%^&*()", "1234567890"
	out := make([]rune, len(text))
	for i, r := range text {
		if at := strings.IndexRune(signs, r); at >= 0 {
			r = rune(digits[at])
		}
		out[i] = r
	}
	return out
}

// keyboard has the rows and columns of the keyboard and the number pad along which fingers
// run, and sequences that alternate between two of them.
var keyboard = [][]rune{
	[]rune("1234567890"), []rune("qwertyuiop"), []rune("asdfghjkl"), []rune("zxcvbnm"), []rune("qwertzuiop"), []rune("azertyuiop"),
	[]rune("1qaz"), []rune("2wsx"), []rune("3edc"), []rune("4rfv"), []rune("5tgb"), []rune("6yhn"), []rune("7ujm"), []rune("8ik,"), []rune("9ol."),
	[]rune("zse4"), []rune("xdr5"), []rune("cft6"), []rune("147"), []rune("258"), []rune("369"), []rune("159"), []rune("357"),
	[]rune("1q2w3e4r5t6y7u8i9o0p"), []rune("q1w2e3r4t5y6u7i8o9p0"), []rune("a1b2c3d4e5f6g7h8i9"), []rune("1a2b3c4d5e6f7g8h9i"),
	[]rune("qawsedrftgyhujikolp"), []rune("qazwsxedcrfvtgbyhnujm"),
}

// longestRun returns how many characters at the beginning of a text form one run: equal
// characters, neighbors in the alphabet or among the digits, every second of these, or
// neighbors on the keyboard. A single character is a run.
func longestRun(text []rune) int {
	longest := min(len(text), 1)
	for _, step := range []rune{0, 1, -1, 2, -2} {
		longest = max(longest, stepRun(text, step))
	}
	for _, row := range keyboard {
		longest = max(longest, rowRun(text, row, 1), rowRun(text, row, -1))
	}
	return longest
}

func stepRun(text []rune, step rune) int {
	n := 1
	for n < len(text) && text[n] == text[n-1]+step && (step == 0 || alike(text[n], text[n-1])) {
		n++
	}
	return min(n, len(text))
}

// alike reports whether two characters are both digits or both letters.
func alike(a, b rune) bool {
	return unicode.IsDigit(a) && unicode.IsDigit(b) || a >= 'a' && a <= 'z' && b >= 'a' && b <= 'z'
}

func rowRun(text, row []rune, step int) int {
	longest := 0
	for at, r := range row {
		if len(text) == 0 || r != text[0] {
			continue
		}
		n := 1
		for n < len(text) && at+n*step >= 0 && at+n*step < len(row) && row[at+n*step] == text[n] {
			n++
		}
		longest = max(longest, n)
	}
	return longest
}
