package rows

import (
	"errors"
	"fmt"
	"io"
	"os"
	"slices"
	"strconv"
	"strings"

	"github.com/xuri/excelize/v2"

	"yizheng.internal/api/rows/workbook"
)

// xlsxFile reads a sheet of XLSX. excelize reads the values, row by row; beside it, marks reads
// of the same sheet what excelize doesn't tell of a row: formulas, dates. Before either does, the
// package workbook has scanned all of it, and found the merged cells.
type xlsxFile struct {
	scratch *scratch
	book    *excelize.File
	rows    *excelize.Rows
	marks   *marks
	merges  *workbook.Merges
	styles  map[int]bool // whether a style shows a date
	old     bool         // dates count from 1904
	number  int          // of the row that excelize read last
	names   []string
	max     int
}

func openXLSX(f *os.File, c Config) (source, error) {
	w := &xlsxFile{styles: map[int]bool{}, max: c.MaxRow}
	if err := w.opened(func() error { return w.unpack(f, c) }); err != nil {
		return nil, err
	}
	return w, nil
}

// opened calls open, and closes the workbook again if that returns an error or panics.
func (w *xlsxFile) opened(open func() error) (err error) {
	defer func() {
		if err != nil {
			err = errors.Join(explained(err), w.close())
		}
	}()
	defer caught(&err)
	return open()
}

// explained returns a *FileError for an error of the package workbook, and any other error as it is.
func explained(err error) error {
	switch {
	case errors.Is(err, workbook.ErrLarge):
		return &FileError{Reason: WorkbookLarge, Err: err}
	case errors.Is(err, workbook.ErrInvalid):
		return &FileError{Reason: WorkbookInvalid, Err: err}
	}
	return err
}

// unpack scans a workbook, unpacks it, and reads the heading.
func (w *xlsxFile) unpack(f *os.File, c Config) error {
	info, err := f.Stat()
	if err != nil {
		return err
	}
	p, err := workbook.Scan(f, info.Size(), workbook.Limits{Unpacked: c.MaxBook, Columns: c.MaxColumns})
	if err != nil {
		return err
	}
	if w.scratch, err = newScratch(); err != nil {
		return err
	}
	w.book, err = excelize.OpenReader(io.NewSectionReader(f, 0, info.Size()), excelize.Options{
		RawCellValue: true, UnzipSizeLimit: c.MaxBook, UnzipXMLSizeLimit: min(workbook.InMemory, c.MaxBook), TmpDir: w.scratch.path,
	})
	if err != nil {
		return &FileError{Reason: WorkbookInvalid, Err: err}
	}
	return w.open(p, c.Sheet)
}

// caught makes an error of a panic, because a workbook may be anything.
func caught(err *error) {
	if r := recover(); r != nil {
		*err = &FileError{Reason: WorkbookInvalid, Err: fmt.Errorf("reading a workbook: %v", r)}
	}
}

func (w *xlsxFile) open(p *workbook.Parts, sheet string) error {
	switch sheets := w.book.GetSheetList(); {
	case len(sheets) == 0:
		return refuse(WorkbookInvalid)
	case sheet == "":
		sheet = sheets[0]
	case !slices.Contains(sheets, sheet):
		return refuse(SheetUnknown)
	}
	if p, err := w.book.GetWorkbookProps(); err == nil && p.Date1904 != nil {
		w.old = *p.Date1904
	}
	scanned, err := p.Sheet(sheet)
	if err != nil {
		return err
	}
	w.merges = scanned.Merges()
	if w.marks, err = openMarks(scanned, p.Strings()); err != nil {
		return &FileError{Reason: WorkbookInvalid, Err: err}
	}
	if w.rows, err = w.book.Rows(sheet); err != nil {
		return &FileError{Reason: WorkbookInvalid, Err: err}
	}
	heading, err := w.next()
	switch {
	case errors.Is(err, io.EOF) || err == nil && (heading.Line != 1 || empty(heading.Cells)):
		return refuse(HeadingMissing)
	case err != nil:
		return err
	case len(heading.Defects) > 0:
		return refuse(HeadingInvalid)
	}
	w.names = trimmed(heading.Cells)
	return nil
}

func (w *xlsxFile) headings() []string { return w.names }

func (w *xlsxFile) position() (done, total int64) { return w.marks.position() }

func (w *xlsxFile) close() error {
	var all []error
	if w.rows != nil {
		all = append(all, w.rows.Close())
	}
	if w.marks != nil {
		all = append(all, w.marks.close())
	}
	if w.book != nil {
		all = append(all, w.book.Close())
	}
	if w.scratch != nil {
		all = append(all, w.scratch.remove())
	}
	return errors.Join(all...)
}

func (w *xlsxFile) next() (row Row, err error) {
	defer caught(&err)
	if err := w.marks.next(); errors.Is(err, io.EOF) {
		return Row{}, io.EOF
	} else if err != nil {
		return Row{}, &FileError{Reason: WorkbookInvalid, Err: err}
	}
	cells, err := w.values(w.marks.number)
	if err != nil {
		return Row{}, &FileError{Reason: WorkbookInvalid, Err: err}
	}
	row = Row{Line: w.number, Cells: cells}
	length := 0
	for _, c := range cells {
		length += len(c)
	}
	switch {
	case length > w.max:
		row.Cells = cut(cells, w.max)
		row.Defects = append(row.Defects, Defect{TooLarge, -1})
	case w.names != nil && len(cells) > len(w.names) && !empty(cells[len(w.names):]):
		row.Defects = append(row.Defects, Defect{Malformed, -1})
	case w.names != nil && len(cells) > len(w.names):
		row.Cells = slices.Clone(cells[:len(w.names)]) // the others may be thousands
	}
	for _, m := range w.marks.cells {
		w.judge(&row, m)
	}
	for _, column := range w.merges.Columns(w.number) {
		if w.names == nil || column < len(w.names) {
			row.Defects = append(row.Defects, Defect{Merged, column})
		}
	}
	return row, nil
}

// values returns the values of the row of that number. The rows between it and the one before,
// which the sheet doesn't have, are empty.
func (w *xlsxFile) values(number int) (cells []string, err error) {
	for w.number < number {
		if len(cells) > 0 || !w.rows.Next() {
			return nil, errors.Join(errors.New("reading a sheet: its rows aren't where they say"), w.rows.Error())
		}
		w.number++
		if cells, err = w.rows.Columns(); err != nil {
			return nil, err
		}
	}
	return cells, nil
}

// cut returns the beginning of cells that are too long together.
func cut(cells []string, room int) []string {
	short := make([]string, len(cells))
	for i, c := range cells {
		short[i] = strings.ToValidUTF8(strings.Clone(c[:min(len(c), room)]), "")
		room -= len(short[i])
	}
	return short
}

// judge looks at a cell of the row by what is marked about it.
func (w *xlsxFile) judge(row *Row, m mark) {
	if m.column >= len(row.Cells) {
		if m.formula && m.column < len(w.names) {
			row.Defects = append(row.Defects, Defect{Formula, m.column})
		}
		return
	}
	value := row.Cells[m.column]
	switch {
	case m.formula:
		row.Defects = append(row.Defects, Defect{Formula, m.column})
	case m.kind == "e": // such as #N/A
		row.Defects = append(row.Defects, Defect{Malformed, m.column})
	case m.kind != "" && m.kind != "n" || value == "":
	case w.date(m.style):
		if text, ok := w.dated(value); ok {
			row.Cells[m.column] = text
		} else {
			row.Defects = append(row.Defects, Defect{Malformed, m.column})
		}
	default:
		text, ok := plain(value)
		if row.Cells[m.column] = text; !ok {
			row.Defects = append(row.Defects, Defect{Rounded, m.column})
		}
	}
}

// plain returns a number without an exponent, and false if it has more digits than spreadsheets keep.
func plain(value string) (string, bool) {
	if strings.ContainsAny(value, "eE") {
		n, err := strconv.ParseFloat(value, 64)
		if err != nil || len(value) > 40 || n > 1e21 || n < -1e21 {
			return value, false
		}
		value = strconv.FormatFloat(n, 'f', -1, 64)
	}
	digits := 0
	for _, c := range value {
		if c >= '0' && c <= '9' && (digits > 0 || c != '0') {
			digits++
		}
	}
	return value, digits <= 15
}

// date reports whether a style shows a number as a date.
func (w *xlsxFile) date(style int) bool {
	is, known := w.styles[style]
	if known || style <= 0 {
		return is
	}
	s, err := w.book.GetStyle(style)
	if err != nil {
		return false // there is no such style, so it isn't noted either
	}
	is = dateFormat(s.NumFmt) || s.CustomNumFmt != nil && dateText(*s.CustomNumFmt)
	w.styles[style] = is
	return is
}

// dateFormat reports whether a built-in format shows a date (ECMA-376 part 1, 18.8.30).
func dateFormat(n int) bool {
	return n >= 14 && n <= 17 || n == 22 || n >= 27 && n <= 31 || n == 36 || n >= 50 && n <= 54 || n == 57 || n == 58
}

// dateText reports whether a format of the workbook's own shows a date: it has years or days
// outside quotes and brackets.
func dateText(format string) bool {
	end := rune(0)
	for _, c := range format {
		switch {
		case end != 0:
			if c == end {
				end = 0
			}
		case c == '"':
			end = '"'
		case c == '[':
			end = ']'
		case strings.ContainsRune("yYdD", c):
			return true
		}
	}
	return false
}

// dated returns the date that a cell shows, as 2006-01-02, with the time of day if there is one.
func (w *xlsxFile) dated(value string) (string, bool) {
	days, err := strconv.ParseFloat(value, 64)
	if err != nil || days < 1 || days > 2_958_465 {
		return value, false
	}
	t, err := excelize.ExcelDateToTime(days, w.old)
	if err != nil {
		return value, false
	}
	if t.Hour() == 0 && t.Minute() == 0 && t.Second() == 0 {
		return t.Format("2006-01-02"), true
	}
	return t.Format("2006-01-02 15:04:05"), true
}
