package password

import (
	_ "embed"
	"regexp"
	"strings"
	"sync"
	"unicode"
)

// commonList is what passwords are made of, as words.
//
//go:embed common.txt
var commonList string

// commonWords returns the words of the list and the length of its longest, in characters.
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

// Bounds of what is common: so many words, dates and runs together, or so many
// runs alone, and so many signs or letters between them.
const (
	commonParts = 2
	commonRuns  = 4
	commonGlue  = 2
)

// common reports whether a password is among the first that are tried: made of
// a few words of the list, whatever digits stand for their letters, of runs
// along the alphabet or the keyboard, of dates, and of repetitions. So
// woaini1314, 1qaz2wsx, Passw0rd!2024 and zhang19900101 are.
func common(password string) bool {
	text := []rune(strings.ToLower(password))
	return repeated(text) || runs(undoubled(text)) || newParts(text).few()
}

// repeated reports whether a text is a part of at most four characters over and over.
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

// undoubled returns a text with one of each row of the same character.
func undoubled(text []rune) []rune {
	var out []rune
	for i, r := range text {
		if i == 0 || text[i-1] != r {
			out = append(out, r)
		}
	}
	return out
}

// runs reports whether a text is one run, as 11223344 is when undoubled.
func runs(text []rune) bool { return len(text) >= 3 && longestRun(unshifted(text)) == len(text) }

// parts finds the least number of common parts that a text falls into.
type parts struct {
	text, keys []rune   // as typed, and with the keys' upper signs lowered
	read       [][]rune // with what digits and signs stand for
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

// few reports whether the text falls into few enough parts.
func (p *parts) few() bool {
	return p.cover(true, commonParts) || p.cover(false, commonRuns)
}

// cover reports whether at most so many parts, with little between them, make up
// the text: words, dates and runs, or runs alone.
func (p *parts) cover(words bool, most int) bool {
	// reached[n][g]: the text up to here is n parts and g characters of glue.
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

// ends returns where the common parts end that begin at i.
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

// unleet returns a text with the letters for which signs stand.
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

// unshifted returns a text with the digits on whose keys signs stand.
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

// keyboard is the rows and columns along which fingers run, on the keyboard and
// on the number pad, and what alternates between two.
var keyboard = [][]rune{
	[]rune("1234567890"), []rune("qwertyuiop"), []rune("asdfghjkl"), []rune("zxcvbnm"), []rune("qwertzuiop"), []rune("azertyuiop"),
	[]rune("1qaz"), []rune("2wsx"), []rune("3edc"), []rune("4rfv"), []rune("5tgb"), []rune("6yhn"), []rune("7ujm"), []rune("8ik,"), []rune("9ol."),
	[]rune("zse4"), []rune("xdr5"), []rune("cft6"), []rune("147"), []rune("258"), []rune("369"), []rune("159"), []rune("357"),
	[]rune("1q2w3e4r5t6y7u8i9o0p"), []rune("q1w2e3r4t5y6u7i8o9p0"), []rune("a1b2c3d4e5f6g7h8i9"), []rune("1a2b3c4d5e6f7g8h9i"),
	[]rune("qawsedrftgyhujikolp"), []rune("qazwsxedcrfvtgbyhnujm"),
}

// longestRun returns how many characters from the beginning on are one run:
// the same one, neighbors in the alphabet or among the digits, every second of
// them, or neighbors on the keyboard. One or two are a run of any kind.
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
