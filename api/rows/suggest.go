package rows

import (
	"fmt"
	"slices"
	"strings"
	"unicode"

	"golang.org/x/text/unicode/norm"
)

// Field is something that is to be read from a column.
type Field struct {
	Name     string
	Required bool
	Words    []string // what columns of it are called elsewhere
}

// Mapping says from which column fields are read: a heading by the field's name.
type Mapping map[string]string

// MappingReason says what is wrong with a mapping.
type MappingReason string

// The reasons of a [MappingError].
const (
	FieldUnknown    MappingReason = "field_unknown"    // there is no such field
	ColumnUnknown   MappingReason = "column_unknown"   // the file has no such column
	ColumnAmbiguous MappingReason = "column_ambiguous" // the file has two columns of that name
	ColumnMissing   MappingReason = "column_missing"   // no column is there for a field that is needed
)

// MappingError says what is wrong with a mapping. It names fields and headings.
type MappingError struct {
	Reason MappingReason
	Name   string
}

// Error returns the reason and the name.
func (e *MappingError) Error() string { return fmt.Sprintf("%s: %s", e.Reason, e.Name) }

// Columns returns for each field its column, or -1. A field that the mapping doesn't name is read
// from the column of its own name. The error is a *MappingError.
func (m Mapping) Columns(headings []string, fields []Field) ([]int, error) {
	for name := range m {
		if !slices.ContainsFunc(fields, func(f Field) bool { return f.Name == name }) {
			return nil, &MappingError{FieldUnknown, name}
		}
	}
	columns := make([]int, len(fields))
	for i, f := range fields {
		heading, mapped := m[f.Name]
		if !mapped {
			heading = f.Name
		}
		switch columns[i] = slices.Index(headings, heading); {
		case columns[i] >= 0 && slices.Contains(headings[columns[i]+1:], heading):
			return nil, &MappingError{ColumnAmbiguous, heading}
		case columns[i] < 0 && mapped:
			return nil, &MappingError{ColumnUnknown, heading}
		case columns[i] < 0 && f.Required:
			return nil, &MappingError{ColumnMissing, f.Name}
		}
	}
	return columns, nil
}

// Suggest proposes from which columns fields are read, by what they are called. It decides
// nothing: somebody who knows the file looks at the proposal.
func Suggest(headings []string, fields []Field) Mapping {
	m := Mapping{}
	used := make([]bool, len(headings))
	take := func(fits func(heading, word string) bool) {
		for _, f := range fields {
			if _, done := m[f.Name]; done {
				continue
			}
			if i := columnOf(headings, used, f, fits); i >= 0 {
				m[f.Name], used[i] = headings[i], true
			}
		}
	}
	take(func(heading, word string) bool { return heading == word })
	take(strings.HasSuffix) // 联系人手机号码
	take(strings.Contains)
	return m
}

// columnOf returns the first column that fits one of a field's words, the earlier words first, or -1.
func columnOf(headings []string, used []bool, f Field, fits func(heading, word string) bool) int {
	for _, word := range append([]string{f.Name}, f.Words...) {
		for i, heading := range headings {
			if h := folded(heading); !used[i] && h != "" && fits(h, folded(word)) {
				return i
			}
		}
	}
	return -1
}

// folded returns a heading without case, width, remarks in brackets, and whatever is no letter or digit.
func folded(s string) string {
	s = strings.ToLower(norm.NFKC.String(s))
	if i := strings.IndexAny(s, "(（[【"); i > 0 {
		s = s[:i]
	}
	return strings.Map(func(r rune) rune {
		if unicode.IsLetter(r) || unicode.IsDigit(r) {
			return r
		}
		return -1
	}, s)
}
