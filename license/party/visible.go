package party

import (
	"unicode"
	"unicode/utf8"
)

// Visible reports whether a reader can see everything in a text: it has no control or formatting characters, and
// no space at either end. Private-use characters pass: rare names are written with them.
func Visible(s string) bool {
	if !utf8.ValidString(s) {
		return false
	}
	last := ' '
	for i, r := range s {
		if Hidden(r) || i == 0 && unicode.IsSpace(r) {
			return false
		}
		last = r
	}
	return s == "" || !unicode.IsSpace(last)
}
