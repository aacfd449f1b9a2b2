package rows

import (
	"encoding/xml"
	"errors"
	"fmt"
	"io"
	"strconv"
	"strings"

	"github.com/xuri/excelize/v2"

	"yizheng.internal/api/rows/workbook"
)

// mark is what a sheet says of a cell beside its value.
type mark struct {
	column  int    // from 0
	kind    string // of the value: empty or n is a number
	style   int
	formula bool
}

// marks reads of a sheet's rows what isn't their cells' values. It alone knows where the rows end:
// excelize ends silently where the sheet can't be read.
type marks struct {
	part    io.ReadCloser
	raw     *counted
	total   int64
	decoder *xml.Decoder
	strings int    // how many strings the cells share
	number  int    // of the row that was read last
	cells   []mark // of that row
}

func openMarks(sheet *workbook.Sheet, strings int) (*marks, error) {
	r, err := sheet.Open()
	if err != nil {
		return nil, err
	}
	raw := &counted{r: r}
	return &marks{part: r, raw: raw, total: sheet.Size(), decoder: xml.NewDecoder(raw), strings: strings}, nil
}

func (m *marks) position() (done, total int64) { return m.raw.n, m.total }

func (m *marks) close() error { return m.part.Close() }

// next reads the marks of the next row that the sheet has, or returns io.EOF if the end of its rows
// was seen.
func (m *marks) next() error {
	m.cells = m.cells[:0]
	index, shared := []byte(nil), false // of a shared string
	for {
		token, err := m.decoder.Token()
		if errors.Is(err, io.EOF) {
			return errors.New("reading a sheet: its rows have no end")
		}
		if err != nil {
			return fmt.Errorf("reading a sheet: %w", err)
		}
		switch t := token.(type) {
		case xml.StartElement:
			switch {
			case t.Name.Local == "row":
				if err := m.row(t); err != nil {
					return err
				}
			case t.Name.Local == "c":
				if err := m.cell(t); err != nil {
					return err
				}
			case t.Name.Local == "f" && len(m.cells) > 0:
				m.cells[len(m.cells)-1].formula = true
			case t.Name.Local == "v" && len(m.cells) > 0:
				index, shared = index[:0], m.cells[len(m.cells)-1].kind == "s"
			}
		case xml.CharData:
			if shared {
				index = append(index, t...)
			}
		case xml.EndElement:
			switch t.Name.Local {
			case "v":
				if shared && !m.shares(string(index)) {
					return errors.New("reading a sheet: a cell has a string that isn't there")
				}
				shared = false
			case "row":
				return nil
			case "sheetData":
				return io.EOF
			}
		}
	}
}

// row reads the number of a row. A row without one stands behind the row before.
func (m *marks) row(e xml.StartElement) error {
	text, err := attribute(e, "r")
	if err != nil {
		return err
	}
	m.number++
	if text != "" {
		m.number, err = strconv.Atoi(text)
	}
	return err
}

// cell reads what a cell's element says. A cell without a name stands behind the one before; cells
// stand in the order of their columns, because excelize would move them.
func (m *marks) cell(e xml.StartElement) error {
	name, err := attribute(e, "r")
	if err != nil {
		return err
	}
	before := -1
	if n := len(m.cells); n > 0 {
		before = m.cells[n-1].column
	}
	c := mark{column: before + 1}
	if name != "" {
		column, row, err := excelize.CellNameToCoordinates(name)
		if err != nil {
			return err
		}
		if c.column = column - 1; c.column <= before || row != m.number {
			return errors.New("reading a sheet: a cell isn't where it says")
		}
	}
	if c.kind, err = attribute(e, "t"); err != nil {
		return err
	}
	style, err := attribute(e, "s")
	if err == nil && style != "" { // without a style it has the first one
		c.style, err = strconv.Atoi(style)
	}
	m.cells = append(m.cells, c)
	return err
}

// shares reports whether there is a shared string of that index. A cell may have none.
func (m *marks) shares(index string) bool {
	if index == "" {
		return true
	}
	n, err := strconv.Atoi(strings.TrimSpace(index))
	return err == nil && n >= 0 && n < m.strings
}

// attribute returns an attribute's value, or nothing if there is none. Which one of two is meant
// would be a guess, also if they differ by a prefix; and so is an empty one.
func attribute(e xml.StartElement, name string) (value string, err error) {
	for _, a := range e.Attr {
		if a.Name.Local != name {
			continue
		}
		if value != "" || a.Value == "" {
			return "", errors.New("reading a sheet: an attribute stands twice, or is empty")
		}
		value = a.Value
	}
	return value, nil
}
