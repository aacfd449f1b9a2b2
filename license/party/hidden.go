package party

import "unicode"

// Hidden reports whether a reader can't see a character, or whether it changes how others are read: control and
// formatting characters, those that turn the direction of writing, line and paragraph separators, fillers and
// other characters that have no shape, noncharacters, and U+FFFD, which stands where a character was lost. Spaces
// aren't hidden, nor are variation selectors, which pick a shape, nor private-use characters, with which rare
// names are written. The two joiners are hidden, but names may have them, because some scripts need them.
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
