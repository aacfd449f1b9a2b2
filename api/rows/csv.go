package rows

import (
	"bytes"
	"errors"
	"io"
	"os"
	"strings"
	"unicode/utf8"
)

// csvFile reads CSV (RFC 4180). It is stricter than encoding/csv where a shifted column would
// go unseen: each row has as many cells as the heading, and a quote stands around a whole cell
// or is doubled inside one. A row that isn't so is malformed, and the next one begins on the
// next line. But where a quote stays open over lines nobody can tell what of them is a row and what
// somebody wrote into a cell: if it doesn't close as it should, the reading ends there.
type csvFile struct {
	lines     *lines
	raw       *counted
	size      int64
	max       int
	separator byte
	names     []string
}

func openCSV(f *os.File, c Config) (source, error) {
	info, err := f.Stat()
	if err != nil {
		return nil, err
	}
	if c.Encoding == "" {
		if c.Encoding, err = detect(f); err != nil {
			return nil, err
		}
	}
	text, raw, err := decoded(f, c.Encoding)
	if err != nil {
		return nil, err
	}
	s := &csvFile{lines: newLines(text, c.MaxRow), raw: raw, size: info.Size(), max: c.MaxRow}
	for len(s.names) == 0 {
		first, err := s.lines.next()
		if errors.Is(err, io.EOF) {
			return nil, refuse(HeadingMissing)
		}
		if err != nil {
			return nil, err
		}
		if len(bytes.TrimSpace(first.text)) == 0 {
			continue
		}
		if s.separator = byte(c.Separator); s.separator == 0 {
			s.separator = separatorOf(first.text)
		}
		row, err := s.row(first)
		if err != nil {
			return nil, err
		}
		if len(row.Defects) > 0 || empty(row.Cells) {
			return nil, refuse(HeadingInvalid)
		}
		s.names = trimmed(row.Cells)
	}
	return s, nil
}

// separatorOf returns what separates the cells of a heading: what is most frequent outside quotes.
func separatorOf(heading []byte) byte {
	best, most := byte(','), 0
	for _, s := range []byte(",;\t") {
		n, quoted := 0, false
		for _, b := range heading {
			switch {
			case b == '"':
				quoted = !quoted
			case b == s && !quoted:
				n++
			}
		}
		if n > most {
			best, most = s, n
		}
	}
	return best
}

func (s *csvFile) headings() []string { return s.names }

func (s *csvFile) position() (done, total int64) { return s.raw.n, s.size }

func (s *csvFile) close() error { return nil }

func (s *csvFile) next() (Row, error) {
	for {
		first, err := s.lines.next()
		if err != nil {
			return Row{}, err
		}
		if len(bytes.TrimSpace(first.text)) == 0 && !first.long {
			continue
		}
		row, err := s.row(first)
		if err == nil && len(row.Defects) == 0 && len(row.Cells) != len(s.names) {
			row.Defects = append(row.Defects, Defect{Malformed, -1})
		}
		return row, err
	}
}

// row reads the row that begins with a line.
func (s *csvFile) row(first line) (Row, error) {
	text := first.text
	cells, state := s.split(text)
	if first.long && first.odd {
		return Row{}, &FileError{Reason: QuoteOpen, Line: first.number}
	}
	for state == unclosed && !first.long {
		next, err := s.lines.next()
		ended := errors.Is(err, io.EOF)
		if err != nil && !ended {
			return Row{}, err
		}
		if ended || next.long || len(text)+len(next.text) > s.max {
			return Row{}, &FileError{Reason: QuoteOpen, Line: first.number}
		}
		text = append(append(text[:len(text):len(text)], '\n'), next.text...)
		if bytes.IndexByte(next.text, '"') < 0 {
			continue
		}
		if cells, state = s.split(text); state == misquoted {
			return Row{}, &FileError{Reason: QuoteOpen, Line: first.number}
		}
	}
	row := Row{Line: first.number, Cells: cells}
	switch {
	case first.long:
		row.Cells, row.Defects = s.roughly(first.text), []Defect{{TooLarge, -1}}
	case state != whole:
		row.Cells, row.Defects = s.roughly(first.text), []Defect{{Malformed, -1}}
	case !utf8.Valid(text) || bytes.ContainsRune(text, utf8.RuneError):
		row.Defects = []Defect{{Malformed, -1}}
		for i, c := range row.Cells {
			row.Cells[i] = strings.ToValidUTF8(c, "\uFFFD")
		}
	}
	return row, nil
}

// state says how the text of a row ends.
type state int

const (
	whole    state = iota // it is a row
	unclosed              // a quote is open: the row may go on on the next line
	misquoted
)

// split divides a row into its cells.
func (s *csvFile) split(text []byte) (cells []string, end state) {
	for {
		if len(text) == 0 || text[0] != '"' {
			cell, rest, more := bytes.Cut(text, []byte{s.separator})
			if bytes.IndexByte(cell, '"') >= 0 {
				return nil, misquoted
			}
			if cells = append(cells, string(cell)); !more {
				return cells, whole
			}
			text = rest
			continue
		}
		var cell []byte
		for text = text[1:]; ; {
			i := bytes.IndexByte(text, '"')
			if i < 0 {
				return nil, unclosed
			}
			cell = append(cell, text[:i]...)
			if text = text[i+1:]; len(text) == 0 || text[0] != '"' {
				break
			}
			cell, text = append(cell, '"'), text[1:]
		}
		cells = append(cells, string(cell))
		switch {
		case len(text) == 0:
			return cells, whole
		case text[0] != s.separator:
			return nil, misquoted
		}
		text = text[1:]
	}
}

// roughly divides what isn't a row, for whoever mends it.
func (s *csvFile) roughly(text []byte) []string {
	return strings.SplitN(strings.ToValidUTF8(string(text), "\uFFFD"), string(rune(s.separator)), len(s.names)+1)
}
