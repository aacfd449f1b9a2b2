package command

import (
	"fmt"
	"io"
	"strings"
	"time"
	"unicode"

	"golang.org/x/text/width"

	"yizheng.internal/cmd/yizheng/internal/texts"
)

// Table prints rows in columns, or each record as JSON in a line.
type Table struct {
	W      io.Writer
	Words  texts.Words // for cells that are words of it
	json   bool
	rows   [][]string
	widths []int // of the columns, as far as they were printed
}

// Listing returns a table with headings of the catalogue, by the columns' names.
func (p *Process) Listing(asJSON bool, columns ...string) *Table {
	t := &Table{W: p.Out, Words: p.Words, json: asJSON}
	var headings []any
	for _, c := range columns {
		headings = append(headings, p.Words.Say("column."+c))
	}
	_ = t.Row(headings...) // it is kept until Flush
	return t
}

// Row adds a row. Flush prints it.
func (t *Table) Row(cells ...any) error {
	row := make([]string, 0, len(cells))
	for _, c := range cells {
		switch one := c.(type) {
		case texts.Word:
			c = t.Words.Word(one)
		case time.Time:
			c = texts.Moment(one)
		}
		row = append(row, fmt.Sprint(c))
	}
	t.rows = append(t.rows, row)
	return nil
}

// Record adds a record: info as JSON, or the cells as a row.
func (t *Table) Record(info any, cells ...any) error {
	if t.json {
		return PrintJSON(t.W, info)
	}
	return t.Row(cells...)
}

// Flush prints the rows. Rows that follow have columns of at least the same width.
func (t *Table) Flush() error {
	if t.json {
		return nil
	}
	for _, row := range t.rows {
		for i, cell := range row {
			if i == len(t.widths) {
				t.widths = append(t.widths, 0)
			}
			t.widths[i] = max(t.widths[i], columns(cell))
		}
	}
	var b strings.Builder
	for _, row := range t.rows {
		for i, cell := range row {
			b.WriteString(cell)
			if i < len(row)-1 {
				b.WriteString(strings.Repeat(" ", t.widths[i]-columns(cell)+2))
			}
		}
		b.WriteByte('\n')
	}
	t.rows = nil
	_, err := io.WriteString(t.W, b.String())
	return err
}

// columns returns how many columns of a terminal a text takes: ideographs and what
// is as wide take two, marks on other characters none.
func columns(s string) (n int) {
	for _, r := range s {
		switch k := width.LookupRune(r).Kind(); {
		case unicode.In(r, unicode.Mn, unicode.Me, unicode.Cf):
		case k == width.EastAsianWide || k == width.EastAsianFullwidth:
			n += 2
		default:
			n++
		}
	}
	return n
}

// Padded fills a text up with spaces to as many columns.
func Padded(s string, to int) string { return s + strings.Repeat(" ", max(0, to-columns(s))) }

// PageSize is how many records a listing reads at a time.
const PageSize = 100

// Pages shows all records and prints the table. read returns up to a page of
// those that come after the last one shown, which is zero at first.
func Pages[T any](t *Table, read func(last T) ([]T, error), show func(T) error) error {
	if err := Every(read, show); err != nil {
		return err
	}
	return t.Flush()
}

// Every calls do with all records, which read returns a page at a time.
func Every[T any](read func(last T) ([]T, error), do func(T) error) error {
	var last T
	for {
		records, err := read(last)
		if err != nil {
			return err
		}
		for _, last = range records {
			if err := do(last); err != nil {
				return err
			}
		}
		if len(records) < PageSize {
			return nil
		}
	}
}
