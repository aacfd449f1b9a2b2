package party

import (
	"fmt"
	"maps"
	"slices"
	"strings"
)

// Names are the names of something in languages other than Chinese, by language tag (BCP 47): "en", "bo",
// "en-GB". The Chinese name stands beside them, and is what is signed. Nil means that there are none.
type Names map[string]string

// MaxNames is the greatest number of languages beside Chinese in which something can be named.
const MaxNames = 20

// NamesError says which of several names was refused, and why. Reason is
// names_count, names_language, names_chinese, or one of [NameError]'s.
type NamesError struct{ Language, Reason string }

// Error says in which language the name was refused.
func (e *NamesError) Error() string {
	return fmt.Sprintf("names: %.35q: %s", e.Language, e.Reason)
}

// CheckLanguage returns why a language tag can't be that of a name beside the
// Chinese one, as the Reason of a [NamesError], or "". A tag is a language with,
// perhaps, a script and a region, written as registered: en, zh-Hant, pt-BR. Chinese
// as the mainland writes it is refused: a second Chinese name could differ from the
// signed one.
func CheckLanguage(tag string) string {
	parts := strings.Split(tag, "-")
	if n := len(parts[0]); n < 2 || n > 3 || !within(parts[0], 'a', 'z') {
		return "names_language"
	}
	script, region := "", ""
	rest := parts[1:]
	if len(rest) > 0 && len(rest[0]) == 4 {
		script, rest = rest[0], rest[1:]
		if !within(script[:1], 'A', 'Z') || !within(script[1:], 'a', 'z') {
			return "names_language"
		}
	}
	if len(rest) > 0 {
		region, rest = rest[0], rest[1:]
		if letters := len(region) == 2 && within(region, 'A', 'Z'); !letters && (len(region) != 3 || !within(region, '0', '9')) {
			return "names_language"
		}
	}
	switch {
	case len(rest) > 0:
		return "names_language"
	case parts[0] == "zh" && script == "Hans", parts[0] == "zh" && script == "" && (region == "" || region == "CN" || region == "SG"):
		return "names_chinese"
	}
	return ""
}

// within reports whether all bytes of s are from first to last.
func within(s string, first, last byte) bool {
	for i := range len(s) {
		if s[i] < first || s[i] > last {
			return false
		}
	}
	return true
}

// ParseNames checks names that are to be stored, each as [ParseName] does. It returns nil if there are none.
// Errors are [*NamesError].
func ParseNames(names Names) (Names, error) {
	if len(names) == 0 {
		return nil, nil
	}
	if len(names) > MaxNames {
		return nil, &NamesError{"", "names_count"}
	}
	out := make(Names, len(names))
	for _, tag := range names.Languages() {
		if reason := CheckLanguage(tag); reason != "" {
			return nil, &NamesError{tag, reason}
		}
		name, err := ParseName(names[tag])
		if err != nil {
			return nil, &NamesError{tag, err.(*NameError).Reason} // ParseName has no other
		}
		out[tag] = name
	}
	return out, nil
}

// Languages returns the tags, in order.
func (n Names) Languages() []string { return slices.Sorted(maps.Keys(n)) }

// Beside returns the names, and those of others in languages that the names lack.
func (n Names) Beside(others Names) Names {
	if len(others) == 0 {
		return n
	}
	all := maps.Clone(others)
	maps.Copy(all, n)
	return all
}

// In returns the name in a language: that of the tag itself, or of the next shorter tag (RFC 4647 section 3.4),
// or of the first regional tag of the same language, or else the Chinese name. For a zh tag that isn't named
// here, it returns the Chinese name.
func (n Names) In(tag, chinese string) string {
	for t := tag; t != ""; {
		if name, ok := n[t]; ok {
			return name
		}
		i := strings.LastIndexByte(t, '-')
		t = t[:max(i, 0)]
	}
	language, _, _ := strings.Cut(tag, "-")
	if language == "zh" {
		return chinese
	}
	for _, t := range n.Languages() {
		if strings.HasPrefix(t, language+"-") {
			return n[t]
		}
	}
	return chinese
}
