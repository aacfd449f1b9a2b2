package document

import (
	"encoding/json"
	"slices"
	"strings"
	"unicode/utf8"

	"yizheng.internal/signing/sdjwt"
)

// readPlain is ReadPlain for a document whose size was checked, with at most so many values.
func readPlain(raw string, most int) (sdjwt.Members, bool) {
	r := plainReader{raw}
	if !r.take('{') {
		return nil, false
	}
	const usual = 16
	fields, texts := make(sdjwt.Members, 0, usual), make([]string, 0, usual)
	for more := true; more; more = r.take(',') {
		name, ok := r.text()
		if !ok || !r.take(':') || len(fields) == most-1 {
			return nil, false
		}
		var value any
		if r.at('"') {
			var text string
			if text, ok = r.text(); ok {
				texts = append(texts, text)
				value = &texts[len(texts)-1]
			}
		} else {
			value, ok = r.word()
		}
		if !ok {
			return nil, false
		}
		fields = append(fields, sdjwt.Member{Name: name, Value: value, Selective: true})
	}
	if !r.take('}') || !r.done() {
		return nil, false
	}
	byName := func(a, b sdjwt.Member) int { return strings.Compare(a.Name, b.Name) }
	if !slices.IsSortedFunc(fields, byName) {
		slices.SortFunc(fields, byName)
	}
	for i := range len(fields) - 1 {
		if fields[i].Name == fields[i+1].Name {
			return nil, false
		}
	}
	return fields, true
}

// plainReader reads the tokens of plain JSON.
type plainReader struct{ rest string }

// skip passes over white space.
func (r *plainReader) skip() {
	for r.rest != "" && strings.IndexByte(" \t\r\n", r.rest[0]) >= 0 {
		r.rest = r.rest[1:]
	}
}

// done reports whether nothing is left.
func (r *plainReader) done() bool {
	r.skip()
	return r.rest == ""
}

// at reports whether a character of JSON's structure comes next.
func (r *plainReader) at(c byte) bool {
	r.skip()
	return r.rest != "" && r.rest[0] == c
}

// take passes over a character of JSON's structure, and reports whether it was there.
func (r *plainReader) take(c byte) bool {
	if !r.at(c) {
		return false
	}
	r.rest = r.rest[1:]
	return true
}

// text reads a string without escapes.
func (r *plainReader) text() (string, bool) {
	if !r.take('"') {
		return "", false
	}
	end := strings.IndexByte(r.rest, '"')
	if end < 0 {
		return "", false
	}
	s := r.rest[:end]
	r.rest = r.rest[end+1:]
	for i := range len(s) {
		if s[i] < ' ' || s[i] == '\\' {
			return "", false
		}
	}
	return s, utf8.ValidString(s)
}

// word reads a whole number or a truth value.
func (r *plainReader) word() (any, bool) {
	end := strings.IndexAny(r.rest, ",} \t\r\n")
	if end < 0 {
		return nil, false
	}
	word := r.rest[:end]
	r.rest = r.rest[end:]
	switch word {
	case "true":
		return true, true
	case "false":
		return false, true
	}
	if digits := strings.TrimPrefix(word, "-"); digits == "" || len(digits) > 1 && digits[0] == '0' || strings.Trim(digits, "0123456789") != "" {
		return nil, false
	}
	return json.Number(word), true
}
