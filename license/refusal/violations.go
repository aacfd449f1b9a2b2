package refusal

import (
	"fmt"
	"strings"
	"unicode/utf8"

	"yizheng.internal/license/party"
	"yizheng.internal/license/schema"
)

// Violations collects everything wrong with an input.
type Violations []schema.Violation

// Add adds what is wrong at a place, a JSON Pointer. The keyword is the reason code if nothing else is wrong.
func (vs *Violations) Add(pointer, keyword, message string) {
	*vs = append(*vs, schema.Violation{Pointer: pointer, Keyword: keyword, Message: message})
}

// When is Add, if something is wrong.
func (vs *Violations) When(wrong bool, pointer, keyword, message string) {
	if wrong {
		vs.Add(pointer, keyword, message)
	}
}

// Text checks a text for people: its length in characters, and that nothing in it is invisible.
func (vs *Violations) Text(pointer, s string, least, most int) {
	if n := utf8.RuneCountInString(s); n < least || n > most {
		vs.Add(pointer, "length", fmt.Sprintf("must have %d to %d characters", least, most))
	}
	vs.When(!party.Visible(s), pointer, "characters", "must have no control or invisible formatting characters, nor space at an end")
}

// Names checks the names that something has in languages other than Chinese.
func (vs *Violations) Names(at string, names party.Names, most int) {
	if len(names) > party.MaxNames {
		vs.Add(at, "count", fmt.Sprintf("must be at most %d languages", party.MaxNames))
		return
	}
	for _, tag := range names.Languages() {
		here := at + schema.Pointer([]string{tag})
		switch party.CheckLanguage(tag) {
		case "":
		case "names_chinese":
			vs.Add(here, "language_chinese", "must not be given: the Chinese one stands beside it, and is what is signed")
			continue
		default:
			vs.Add(here, "language", "must be a language tag such as en, bo or zh-Hant")
			continue
		}
		before := len(*vs)
		if vs.Text(here, names[tag], 1, most); len(*vs) == before {
			_, err := party.ParseName(names[tag])
			vs.When(err != nil, here, "characters", "must have a visible character")
		}
	}
}

// AreaCode checks an area code, which may be missing.
func (vs *Violations) AreaCode(code string) {
	n := len(code)
	vs.When(n > 0 && (strings.Trim(code, "0123456789") != "" || n != 6 && n != 9 && n != 12),
		"/area_code", "area_code", "must be 6, 9 or 12 digits (GB/T 2260, GB/T 10114)")
}

// Err returns nil if nothing is wrong, or an [*Error]. A lone violation gives its keyword
// as the reason; several share the general one.
func (vs Violations) Err(reason Reason, detail string) error {
	switch len(vs) {
	case 0:
		return nil
	case 1:
		return Invalid(Reason(vs[0].Keyword), vs[0].Pointer+" "+vs[0].Message, vs...)
	}
	return Invalid(reason, detail, vs...)
}

// VisibleASCII reports whether a text has only visible ASCII characters, and no space.
func VisibleASCII(s string) bool {
	for i := range len(s) {
		if s[i] <= ' ' || s[i] > '~' {
			return false
		}
	}
	return true
}
