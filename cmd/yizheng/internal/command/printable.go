package command

import (
	"strconv"
	"strings"
	"unicode"
)

// Printable returns a text from outside as a terminal may show it: control,
// invisible and bidirectional characters are escaped, so that nothing can move
// the cursor or reverse what stands beside it. Rare and private-use characters
// stay: names are written with them.
func Printable(s string) string {
	odd := func(r rune) bool {
		return r == unicode.ReplacementChar || unicode.In(r, unicode.Cc, unicode.Cf, unicode.Zl, unicode.Zp)
	}
	if !strings.ContainsFunc(s, odd) {
		return s
	}
	var b strings.Builder
	for _, r := range s {
		if odd(r) {
			b.WriteString(strings.Trim(strconv.QuoteRuneToASCII(r), "'"))
			continue
		}
		b.WriteRune(r)
	}
	return b.String()
}

// OrDash returns a text, or a dash for an empty one.
func OrDash(s string) string {
	if s == "" {
		return "-"
	}
	return s
}
