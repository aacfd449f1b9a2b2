package workbook

import (
	"bufio"
	"bytes"
	"encoding/xml"
	"errors"
	"io"
	"strconv"
	"strings"
)

// What a sheet or the shared strings of a workbook may have. Spreadsheets write none of it larger;
// excelize would read it into memory.
const (
	mostBetween = 256 << 10 // bytes between two tags: a cell's 32,767 characters, each of them escaped
	mostOfCell  = 1 << 20   // bytes of a cell or a shared string, with the tags of its formats
	mostOfRow   = 16 << 20  // bytes of a row
	mostOfText  = 32 << 20  // bytes of a row whose every cell has the longest shared string
	mostCells   = 16_384    // in a row
	mostRows    = 1_048_576 // in a sheet
	mostStrings = 2_500_000 // shared by the cells: excelize takes 40 bytes for each, and 120 at its peak
	mostDepth   = 100       // of elements in elements
)

// layout is what a scan finds in a part of a workbook.
type layout struct {
	rows    bool // it is a sheet: the end of its rows was seen
	strings int  // shared strings
	longest int  // text of the longest of them, in bytes
	values  int  // the most values that a row has
	merged  []strip
}

// element is a kind of element that a scan knows.
type element int

const (
	other element = iota
	sheetData
	sheetRow
	sheetCell
	sharedString
)

// scanner passes over the tags of a part. It is no parser of XML, which would take too long: it
// finds what the parsers would read into memory, and rows that they would number differently.
type scanner struct {
	layout
	columns int // of which merged areas are noted
	areas   int
	open    []element
	at      int64 // bytes that were passed
	row     int64 // where the row began
	item    int64 // where the cell or the shared string began
	inside  bool  // such a one is open
	number  int   // of the row
	cells   int   // of the row
	values  int   // of the row
	text    int   // of the shared string, in bytes
}

// layoutOf passes over a sheet or the shared strings. Columns is how many columns are of interest. The
// error is ErrLarge if the part is larger than a spreadsheet's. It is ErrInvalid if the part's bytes
// aren't those that were packed, or if its rows don't follow one another.
func layoutOf(r io.Reader, columns int) (layout, error) {
	in := bufio.NewReaderSize(r, mostBetween)
	s := scanner{columns: columns}
	for first := true; ; first = false {
		piece, err := in.ReadSlice('<')
		ended := errors.Is(err, io.EOF)
		switch {
		case errors.Is(err, bufio.ErrBufferFull):
			return layout{}, ErrLarge
		case err != nil && !ended:
			return layout{}, invalid(err)
		}
		s.at += int64(len(piece))
		if !first {
			if err := s.piece(bytes.TrimSuffix(piece, []byte("<"))); err != nil {
				return layout{}, err
			}
		}
		if ended {
			return s.layout, nil
		}
	}
}

// piece passes over what stands between one < and the next. No < stands inside of a tag, so a tag
// is never divided; a comment or CDATA that has one is refused.
func (s *scanner) piece(piece []byte) error {
	switch {
	case bytes.HasPrefix(piece, []byte("!--")) && bytes.Contains(piece[3:], []byte("-->")):
		return s.bounds(len(piece))
	case bytes.HasPrefix(piece, []byte("![CDATA[")) && bytes.Contains(piece, []byte("]]>")):
		return s.bounds(len(piece))
	case bytes.HasPrefix(piece, []byte("?")):
		// The decoder refuses a declaration of an encoding other than UTF-8, in which a < may hide.
		if _, err := xml.NewDecoder(strings.NewReader("<" + string(piece))).RawToken(); err != nil {
			return invalid(err)
		}
		return s.bounds(len(piece))
	}
	tag, ok := divide(piece)
	if !ok || bytes.HasPrefix(piece, []byte("!")) {
		return ErrInvalid
	}
	if tag.end {
		if err := s.bounds(0); err != nil {
			return err
		}
		if len(s.open) == 0 {
			return ErrInvalid
		}
		s.close()
		return s.bounds(tag.text)
	}
	if err := s.start(tag); err != nil {
		return err
	}
	if tag.empty {
		s.close()
	}
	return s.bounds(tag.text)
}

// bounds holds that what is open isn't too large, after more text of it.
func (s *scanner) bounds(text int) error {
	if s.inside {
		s.text += text
	}
	if s.inside && s.at-s.item > mostOfCell || s.number > 0 && !s.rows && s.at-s.row > mostOfRow {
		return ErrLarge
	}
	return nil
}

// start notes an element that begins. Cells stand in rows, rows in a sheet's data, and that in the
// sheet, because the parsers look at names alone. Behind the data names mean nothing.
func (s *scanner) start(t tag) error {
	kind, within := other, other
	if len(s.open) > 0 {
		within = s.open[len(s.open)-1]
	}
	switch string(t.name) {
	case "si":
		kind = sharedString
		s.strings++
		if !s.begin() {
			return ErrInvalid
		}
	case "sheetData":
		if kind = sheetData; s.rows || len(s.open) != 1 {
			return ErrInvalid
		}
	case "row":
		if s.rows {
			break
		}
		if kind = sheetRow; within != sheetData || !s.follows(attributeOf(t.attributes, "r")) {
			return ErrInvalid
		}
		s.row, s.cells, s.values = s.at, 0, 0
	case "c":
		if s.rows {
			break
		}
		s.cells++
		if kind = sheetCell; within != sheetRow || !s.begin() {
			return ErrInvalid
		}
	case "v":
		if s.inside && !s.rows {
			s.values++
			s.layout.values = max(s.layout.values, s.values)
		}
	case "mergeCell":
		s.areas++
		if !s.merge(string(attributeOf(t.attributes, "ref"))) {
			return ErrInvalid
		}
	}
	s.open = append(s.open, kind)
	if len(s.open) > mostDepth || s.cells > mostCells || s.strings > mostStrings || s.areas > mostAreas || s.number > mostRows {
		return ErrLarge
	}
	return nil
}

// begin notes that a cell or a shared string begins, and reports whether it is in no other.
func (s *scanner) begin() bool {
	alone := !s.inside
	s.item, s.text, s.inside = s.at, 0, true
	return alone
}

// close notes that the innermost element ends.
func (s *scanner) close() {
	switch s.open[len(s.open)-1] {
	case sheetData:
		s.rows = true
	case sheetCell:
		s.inside = false
	case sharedString:
		s.longest, s.inside = max(s.longest, s.text), false
	}
	s.open = s.open[:len(s.open)-1]
}

// follows reports whether a row of that number may be the next one, and notes it. A row without a
// number is the one behind the row before.
func (s *scanner) follows(number []byte) bool {
	before := s.number
	s.number++
	if number != nil {
		n, err := strconv.Atoi(string(number))
		if err != nil {
			return false
		}
		s.number = n
	}
	return s.number > before
}

// tag is a tag, and how long the text behind it is.
type tag struct {
	name       []byte // without a prefix
	attributes []byte
	end, empty bool // it is an end tag, or both
	text       int
}

// divide divides a tag from the text behind it. A > in an attribute doesn't end the tag.
func divide(piece []byte) (t tag, ok bool) {
	quote, named := byte(0), -1
	for i, b := range piece {
		switch {
		case quote != 0:
			if b == quote {
				quote = 0
			}
		case b == '"' || b == '\'':
			quote = b
		case b == '>':
			inside := piece[:i]
			t.text = len(piece) - i - 1
			if t.end = bytes.HasPrefix(inside, []byte("/")); t.end {
				return t, true
			}
			inside, t.empty = bytes.CutSuffix(inside, []byte("/"))
			if named < 0 || named > len(inside) {
				named = len(inside)
			}
			t.name, t.attributes = inside[:named], inside[named:]
			t.name = t.name[bytes.LastIndexByte(t.name, ':')+1:]
			return t, true
		case named < 0 && (b == ' ' || b == '\t' || b == '\r' || b == '\n'):
			named = i
		}
	}
	return t, false
}

// attributeOf returns an attribute's value as it is written, or nil.
func attributeOf(attributes []byte, name string) []byte {
	for {
		key, rest, ok := bytes.Cut(attributes, []byte("="))
		if rest = bytes.TrimLeft(rest, " \t\r\n"); !ok || len(rest) == 0 {
			return nil
		}
		value, after, _ := bytes.Cut(rest[1:], rest[:1])
		key = bytes.TrimSpace(key)
		if string(key[bytes.LastIndexByte(key, ':')+1:]) == name {
			return value
		}
		attributes = after
	}
}
