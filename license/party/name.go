package party

import (
	"strings"
	"unicode"
	"unicode/utf8"

	"golang.org/x/text/unicode/norm"
	"golang.org/x/text/width"
)

// NameError says why a name was refused. Reason is one of: name_empty,
// name_length, name_encoding (not UTF-8), name_character. The name isn't kept.
type NameError struct{ Reason string }

func (e *NameError) Error() string { return "party name: " + e.Reason }

// maxName is the longest name, in characters.
const maxName = 200

// ParseName checks a name that is to be stored, and removes the spaces around it. It changes nothing else: a name
// is kept as its owner writes it, and [NameKey] compares.
//
// A name has 1 to 200 characters. Control, bidirectional and other invisible
// characters are refused, apart from the two joiners that some scripts need.
// Characters that Unicode assigned after this program was built, and private-use
// ones, are welcome: they are how rare names get through. Errors are
// [*NameError].
func ParseName(s string) (string, error) {
	if len(s) > 8*maxName { // spaces around it included
		return "", &NameError{"name_length"}
	}
	if !utf8.ValidString(s) {
		return "", &NameError{"name_encoding"}
	}
	s = strings.TrimSpace(s)
	seen := false
	for _, r := range s {
		if !stored(r) {
			return "", &NameError{"name_character"}
		}
		seen = seen || !invisible(r) && !unicode.IsSpace(r) && !unicode.Is(unicode.M, r)
	}
	if !seen {
		return "", &NameError{"name_empty"}
	}
	if utf8.RuneCountInString(s) > maxName {
		return "", &NameError{"name_length"}
	}
	return s, nil
}

const (
	joinerNot = '\u200c' // zero width non-joiner
	joiner    = '\u200d' // zero width joiner
)

// stored reports whether a character is allowed in a stored name or code.
func stored(r rune) bool {
	return r == joiner || r == joinerNot || !Hidden(r)
}

// invisible reports whether a character at most affects how others look: joiners, marks of format, and variation
// selectors, which pick a shape of the same ideograph.
func invisible(r rune) bool {
	return unicode.Is(unicode.Cf, r) || unicode.Is(unicode.Variation_Selector, r)
}

// NameKey returns a key that is equal for two spellings of one name. It is only for comparing, never for display.
//
//   - Full-width and half-width forms are one; accents are composed.
//   - The dots that stand in names of minorities and foreigners (· • ・ ‧ ∙ ． .)
//     are one, and so is the space around them.
//   - Runs of spaces are one space, and none between ideographs: forms pad names
//     of two characters.
//   - Case, joiners and variation selectors don't count.
//   - Private-use characters of GBK become the characters they stand for; all
//     others stay.
//   - Radicals of the Kangxi block, which come from copying out of PDF files,
//     become the ideographs.
//
// Ideographs are never merged. Unicode's own normalization would: it maps the
// compatibility ideographs to others (U+F92C 郎 to U+90CE 郎) that GBK and the
// population registers tell apart. So those are left as they are.
func NameKey(name string) string {
	var b strings.Builder
	b.Grow(len(name))
	var last rune // the last character written
	space := false
	for _, r := range compose(strings.ToValidUTF8(name, "\ufffd")) {
		switch {
		case unicode.IsSpace(r):
			space = true
			continue
		case isDot(r):
			r = '·'
		default:
			r = unicode.ToLower(unicode.ToUpper(r)) // both ways: ς and σ are one
		}
		if space && last != 0 && last != '·' && r != '·' && !(wide(last) && wide(r)) {
			b.WriteByte(' ')
		}
		space = false
		b.WriteRune(r)
		last = r
	}
	return compose(b.String()) // again: a small letter may compose where the capital doesn't (ẙ)
}

// compose drops what is invisible, folds width and old characters, and composes
// what isn't a compatibility ideograph.
func compose(s string) string {
	if isASCII(s) {
		return s
	}
	s = strings.Map(func(r rune) rune {
		switch {
		case invisible(r):
			return -1 // removed first: characters that it separates could otherwise compose only the next time
		case r >= firstPrivate && r < firstPrivate+rune(len(gbkPrivate)):
			return gbkPrivate[r-firstPrivate]
		case r >= 0x2f00 && r <= 0x2fd5: // Kangxi radicals: their one ideograph
			d := norm.NFKC.PropertiesString(string(r)).Decomposition()
			if c, n := utf8.DecodeRune(d); n == len(d) {
				return c
			}
		}
		return r
	}, s)
	s = width.Fold.String(s)
	var b strings.Builder
	start := 0
	for i, r := range s {
		if compatibility(r) {
			b.WriteString(norm.NFC.String(s[start:i]))
			b.WriteRune(r)
			start = i + utf8.RuneLen(r)
		}
	}
	b.WriteString(norm.NFC.String(s[start:]))
	return b.String()
}

// compatibility reports whether r is in a block of compatibility ideographs.
func compatibility(r rune) bool {
	return r >= 0xf900 && r <= 0xfaff || r >= 0x2f800 && r <= 0x2fa1f
}

// wide reports whether r is an ideograph, also a private-use one or one that is newer than this program: the
// ideographic planes contain nothing else.
func wide(r rune) bool {
	return unicode.Is(unicode.Han, r) || unicode.Is(unicode.Co, r) || r >= 0x20000 && r <= 0x3ffff
}

// isDot reports whether r is used for the dot between the parts of a name. Width
// is folded already, so the full-width ones have become '.' and '･'.
func isDot(r rune) bool {
	switch r {
	case '·', '.', '•', '‧', '∙', '⋅', '・', '･', '\u2024', '\u2e31', '\u2e33', '\u25cf', '\u0387':
		return true
	}
	return false
}

// MaskName returns a person's name as it may be shown to others, with a star for
// each hidden character: of a name with ideographs the last character, of others
// the first letter of each word. Dots and spaces stay, and a name of one
// character is hidden whole: 张小䶮 is **䶮, 买买提·艾力 is ***·*力, John Smith is
// J*** S****.
//
// Names of organizations are public and need no mask.
func MaskName(name string) string {
	cs := characters(name)
	if len(cs) < 2 {
		return strings.Repeat("*", len(cs))
	}
	ideographs := strings.ContainsFunc(name, wide)
	var b strings.Builder
	wordStart := true
	for i, c := range cs {
		r, _ := utf8.DecodeRuneInString(c)
		separator := unicode.IsSpace(r) || isDot(r) || r == '．'
		shown := !ideographs && wordStart || ideographs && i == len(cs)-1
		if separator || shown {
			b.WriteString(c)
		} else {
			b.WriteByte('*')
		}
		wordStart = separator
	}
	return b.String()
}

// characters splits a name into what its owner calls characters: a mark or a variation selector belongs to the
// character before it.
func characters(s string) []string {
	var cs []string
	for _, r := range s {
		if len(cs) > 0 && (unicode.Is(unicode.M, r) || invisible(r)) {
			cs[len(cs)-1] += string(r)
			continue
		}
		cs = append(cs, string(r))
	}
	return cs
}
