package rows

import (
	"bytes"
	"errors"
	"io"
	"os"
	"slices"
	"strings"

	"github.com/go-json-experiment/json"
	"github.com/go-json-experiment/json/jsontext"
)

// jsonFile reads JSON Lines: an object a line, in UTF-8. The columns are all names of members
// that some line has, so the file is read twice.
type jsonFile struct {
	lines *lines
	raw   *counted
	size  int64
	names []string
}

func openJSON(f *os.File, c Config) (source, error) {
	info, err := f.Stat()
	if err != nil {
		return nil, err
	}
	if c.Encoding != "" && c.Encoding != UTF8 {
		return nil, refuse(EncodingUnknown)
	}
	names, err := membersOf(f, c)
	if err != nil {
		return nil, err
	}
	text, raw, err := decoded(f, UTF8)
	if err != nil {
		return nil, err
	}
	return &jsonFile{newLines(text, c.MaxRow), raw, info.Size(), names}, nil
}

// membersOf returns the names of all members, in the order in which they come first.
func membersOf(f *os.File, c Config) (names []string, err error) {
	text, _, err := decoded(f, UTF8)
	if err != nil {
		return nil, err
	}
	l := newLines(text, c.MaxRow)
	known := map[string]bool{}
	for {
		one, err := l.next()
		if errors.Is(err, io.EOF) {
			break
		}
		if err != nil {
			return nil, err
		}
		if one.long {
			continue
		}
		members, ok := object(one.text)
		if !ok {
			continue
		}
		for _, m := range members {
			if !known[m.name] {
				known[m.name], names = true, append(names, m.name)
			}
		}
		if len(names) > c.MaxColumns {
			return nil, refuse(ColumnsMany)
		}
	}
	if len(names) == 0 {
		return nil, refuse(HeadingMissing)
	}
	return names, nil
}

type member struct {
	name  string
	value jsontext.Value
}

// object returns the members of an object, in their order, and false for anything else.
func object(text []byte) (members []member, ok bool) {
	d := jsontext.NewDecoder(bytes.NewReader(text))
	if t, err := d.ReadToken(); err != nil || t.Kind() != '{' {
		return nil, false
	}
	for d.PeekKind() != '}' {
		name, err := d.ReadToken()
		if err != nil {
			return nil, false
		}
		m := member{name: name.String()} // the token is gone when the value is read
		value, err := d.ReadValue()
		if err != nil {
			return nil, false
		}
		m.value = value.Clone()
		members = append(members, m)
	}
	if _, err := d.ReadToken(); err != nil {
		return nil, false
	}
	_, err := d.ReadToken()
	return members, errors.Is(err, io.EOF)
}

func (s *jsonFile) headings() []string { return s.names }

func (s *jsonFile) position() (done, total int64) { return s.raw.n, s.size }

func (s *jsonFile) close() error { return nil }

func (s *jsonFile) next() (Row, error) {
	for {
		one, err := s.lines.next()
		if err != nil {
			return Row{}, err
		}
		if len(bytes.TrimSpace(one.text)) == 0 && !one.long {
			continue
		}
		return s.row(one), nil
	}
}

func (s *jsonFile) row(one line) Row {
	row := Row{Line: one.number, Cells: make([]string, len(s.names))}
	if one.long {
		row.Cells[0], row.Defects = string(bytes.ToValidUTF8(one.text[:min(shownOfLarge, len(one.text))], nil)), []Defect{{TooLarge, -1}}
		return row
	}
	members, ok := object(one.text)
	if !ok {
		row.Cells[0], row.Defects = string(bytes.ToValidUTF8(one.text, []byte("\uFFFD"))), []Defect{{Malformed, -1}}
		return row
	}
	for _, m := range members {
		i := slices.Index(s.names, m.name)
		text, wrong := textOf(m.value)
		if i < 0 {
			continue // the file was changed after its names were read
		}
		if row.Cells[i] = text; wrong != "" {
			row.Defects = append(row.Defects, Defect{wrong, i})
		}
	}
	return row
}

// textOf returns a member's value as a cell, and what is wrong with it: a string, a number without
// an exponent, nothing for null. Whoever wrote a number of many digits may have rounded it, as
// JavaScript does.
func textOf(v jsontext.Value) (text string, wrong Reason) {
	switch v.Kind() {
	case '"':
		if err := json.Unmarshal(v, &text); err != nil || strings.ContainsRune(text, '\uFFFD') {
			return text, Malformed
		}
		return text, ""
	case '0':
		text, ok := plain(string(v))
		if !ok {
			return text, Rounded
		}
		return text, ""
	case 'n':
		return "", ""
	}
	return string(v), Malformed
}
