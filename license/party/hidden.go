package party

import "unicode"

// Hidden reports whether a character is none that a reader can see, or changes
// how others are read: control and formatting characters, those that turn the
// direction of writing, line and paragraph separators, fillers and other
// characters that have no shape, noncharacters, and U+FFFD, in whose place a
// character was lost. Spaces aren't hidden, nor are variation selectors, which
// pick a shape, nor private-use characters, which rare names are written with.
// The two joiners are: some scripts need them, so names may have them all the same.
func Hidden(r rune) bool {
	switch {
	case r < 0x7f:
		return r < ' '
	case r >= 0x3400 && r <= 0x9fff, r >= 0xe000 && r <= 0xf8ff: // ideographs; private use
		return false
	case r == '\u2800', // Braille without dots
		r == unicode.ReplacementChar,
		r&0xfffe == 0xfffe, r >= 0xfdd0 && r <= 0xfdef: // noncharacters
		return true
	}
	return unicode.In(r, unicode.Cc, unicode.Cf, unicode.Zl, unicode.Zp, unicode.Other_Default_Ignorable_Code_Point)
}
