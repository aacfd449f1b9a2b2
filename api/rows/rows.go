// Package rows reads tables from files: CSV, XLSX and JSON Lines. It knows rows, columns and
// cells, and nothing of what they mean: the import of people uses it, and so may any other.
//
// It reads in constant memory, but for the texts that the cells of a workbook share: some 120 bytes
// for each different one, of which there may be 2,500,000.
//
// Whatever is wrong with a row is a [Defect] of that row, and the reading goes on: with a wrong count
// of cells, a quote that doesn't close, a cell of 30 MB. Only a file that can't be read at all is an
// error. So is a workbook that is broken; if the break stands behind good rows, those may be given out
// before it is found.
package rows

import (
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"strings"
)

// Format is how a file holds its rows.
type Format string

// The formats that are read.
const (
	CSV       Format = "csv"
	XLSX      Format = "xlsx"
	JSONLines Format = "jsonl"
)

// Reason says what is wrong with a row.
type Reason string

// The reasons of this package.
const (
	Malformed Reason = "row_malformed"    // it can't be divided into the columns of the heading, or has lost characters
	TooLarge  Reason = "cell_too_large"   // a cell, or the whole row, is longer than allowed
	Formula   Reason = "formula"          // a cell has a formula, whose result may be of another day
	Merged    Reason = "cells_merged"     // a cell is merged with others, so one value would stand for several
	Rounded   Reason = "number_imprecise" // a number of more than 15 digits, of which spreadsheets lose the last ones
)

// FormDefect reports whether a reason is one of this package.
func FormDefect(reason string) bool {
	switch Reason(reason) {
	case Malformed, TooLarge, Formula, Merged, Rounded:
		return true
	}
	return false
}

// Defect is something that is wrong with a row.
type Defect struct {
	Reason Reason
	Column int // its column, from 0; -1: the whole row
}

// Row is a row of a file.
type Row struct {
	Line    int      // in the file, from 1, which has the heading
	Cells   []string // as many as headings; those of a row that is malformed are the best guess
	Defects []Defect // what is wrong; empty: nothing
}

// FileReason says why a file can't be read at all.
type FileReason string

// The reasons of a [FileError].
const (
	FormatUnknown   FileReason = "format_unknown"
	EncodingUnknown FileReason = "encoding_unknown"
	HeadingMissing  FileReason = "heading_missing"
	HeadingInvalid  FileReason = "heading_invalid" // it is too long, or its cells are merged or formulas
	ColumnsMany     FileReason = "columns_many"
	WorkbookInvalid FileReason = "workbook_invalid"
	WorkbookLarge   FileReason = "workbook_large" // or a picture in it is, or its cells have too many different texts
	SheetUnknown    FileReason = "sheet_unknown"
	// QuoteOpen says that a quote of CSV doesn't close as it should, some lines or 64 KiB on. The
	// rows before its line were read.
	QuoteOpen FileReason = "quote_open"
)

// FileError says why a file can't be read at all. It quotes nothing of the file.
type FileError struct {
	Reason FileReason
	Err    error // the cause, or nil
	Line   int   // of QuoteOpen: where the row begins; else 0
}

// Error returns the reason.
func (e *FileError) Error() string { return string(e.Reason) }

// Unwrap returns the cause.
func (e *FileError) Unwrap() error { return e.Err }

func refuse(r FileReason) error { return &FileError{Reason: r} }

// Config says how a file is read. The zero Config finds all of it out.
type Config struct {
	Format    Format   // default: by the file's name, and XLSX by how it begins
	Encoding  Encoding // of CSV; default: found out
	Separator rune     // of CSV: a comma, a semicolon or a tab; default: found out
	Sheet     string   // of XLSX; default: the first one

	MaxCell    int // the longest cell, in bytes; default 32 KiB, somewhat more than a spreadsheet allows
	MaxRow     int // the longest row, in bytes; default 64 KiB
	MaxColumns int // default 200
	// MaxBook is the largest workbook, in bytes once it is unpacked, to files and not to memory. Default
	// 1 GiB: a sheet of 1,000,000 rows of 9 columns takes some 600 MB.
	MaxBook int64
}

func (c Config) complete(path string, begins []byte) (Config, error) {
	if c.MaxCell <= 0 {
		c.MaxCell = 32 << 10
	}
	if c.MaxRow <= 0 {
		c.MaxRow = 64 << 10
	}
	if c.MaxColumns <= 0 {
		c.MaxColumns = 200
	}
	if c.MaxBook <= 0 {
		c.MaxBook = 1 << 30
	}
	if c.Format == "" {
		switch name := strings.ToLower(filepath.Ext(path)); {
		case strings.HasPrefix(string(begins), "PK\x03\x04"):
			c.Format = XLSX
		case name == ".csv" || name == ".tsv" || name == ".txt":
			c.Format = CSV
		case name == ".jsonl" || name == ".ndjson" || name == ".json":
			c.Format = JSONLines
		default:
			return c, refuse(FormatUnknown)
		}
	}
	return c, nil
}

// source is a file of one format.
type source interface {
	headings() []string
	// next returns the next row, or io.EOF.
	next() (Row, error)
	// position returns how much of how much was read.
	position() (done, total int64)
	close() error
}

// Reader reads the rows of a file. It is for one goroutine.
type Reader struct {
	file   *os.File
	source source
	max    int
}

// Open opens a file and reads its heading: the first row of CSV and XLSX, all names of members
// in JSON Lines. The error is a *FileError if the file can't be read as a table.
func Open(path string, c Config) (*Reader, error) {
	f, err := os.Open(path)
	if err != nil {
		return nil, err
	}
	r, err := open(f, path, c)
	if err != nil {
		_ = f.Close() // it was only read
		return nil, err
	}
	return r, nil
}

func open(f *os.File, path string, c Config) (*Reader, error) {
	begins := make([]byte, 4)
	n, err := io.ReadFull(f, begins)
	if err != nil && !errors.Is(err, io.EOF) && !errors.Is(err, io.ErrUnexpectedEOF) {
		return nil, err
	}
	if c, err = c.complete(path, begins[:n]); err != nil {
		return nil, err
	}
	var s source
	switch c.Format {
	case CSV:
		s, err = openCSV(f, c)
	case XLSX:
		s, err = openXLSX(f, c)
	case JSONLines:
		s, err = openJSON(f, c)
	default:
		err = refuse(FormatUnknown)
	}
	if err != nil {
		return nil, err
	}
	r := &Reader{f, s, c.MaxCell}
	if len(s.headings()) > c.MaxColumns {
		return nil, errors.Join(refuse(ColumnsMany), s.close())
	}
	return r, nil
}

// Headings returns the columns' names, without spaces around them.
func (r *Reader) Headings() []string { return r.source.headings() }

// Position returns how much of how much was read, for showing progress.
func (r *Reader) Position() (done, total int64) { return r.source.position() }

// Next returns the next row, or io.EOF. Any other error ends the reading. Rows in which nothing
// stands are left out.
func (r *Reader) Next() (Row, error) {
	for {
		row, err := r.source.next()
		if err != nil {
			return Row{}, err
		}
		if empty(row.Cells) && len(row.Defects) == 0 {
			continue
		}
		return r.fitted(row), nil
	}
}

// shownOfLarge is how many bytes are kept of a cell that is too large.
const shownOfLarge = 1 << 10

// fitted returns the row with as many cells as there are headings, none of them too large.
func (r *Reader) fitted(row Row) Row {
	want := len(r.source.headings())
	if len(row.Cells) > want { // then the row is malformed, and what is too much stays in its last cell
		row.Cells = append(row.Cells[:want-1:want-1], strings.Join(row.Cells[want-1:], ","))
	}
	for len(row.Cells) < want {
		row.Cells = append(row.Cells, "")
	}
	for i, cell := range row.Cells {
		if strings.HasPrefix(strings.TrimSpace(cell), "=") { // as spreadsheets export ="0123", to keep the zero
			row.Defects = append(row.Defects, Defect{Formula, i})
		}
		if len(cell) > r.max {
			row.Cells[i] = strings.ToValidUTF8(cell[:min(shownOfLarge, r.max)], "") + "…"
			row.Defects = append(row.Defects, Defect{TooLarge, i})
		}
	}
	return row
}

func empty(cells []string) bool {
	for _, c := range cells {
		if strings.TrimSpace(c) != "" {
			return false
		}
	}
	return true
}

// Close closes the file and removes what was unpacked.
func (r *Reader) Close() error {
	if err := errors.Join(r.source.close(), r.file.Close()); err != nil {
		return fmt.Errorf("closing a file of rows: %w", err)
	}
	return nil
}

// trimmed returns headings without spaces around them.
func trimmed(headings []string) []string {
	all := make([]string, len(headings))
	for i, h := range headings {
		all[i] = strings.TrimSpace(h)
	}
	return all
}
