package imports

import (
	"encoding/csv"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"unicode/utf8"

	"yizheng.internal/api/rows"
	"yizheng.internal/cmd/yizheng/internal/texts"
)

// The columns that a quarantine adds behind the file's own.
var quarantineColumns = []string{"yizheng_line", "yizheng_reason", "yizheng_explanation"}

// quarantine is the file of rows that were not taken: their cells as they were, the line, the
// reason and a sentence. It is CSV in UTF-8, can be mended in a spreadsheet and given to the
// command again. It is made with the first such row, for nobody else to read.
type quarantine struct {
	path     string
	headings []string
	own      []int // the file's columns without those that an earlier quarantine added
	file     *os.File
	csv      *csv.Writer
}

// newQuarantine returns the quarantine of a file, and refuses one that is there already.
func newQuarantine(path string, headings []string) (*quarantine, error) {
	if _, err := os.Lstat(path); err == nil {
		return nil, texts.Refuse("import.errors_exist", path)
	} else if !errors.Is(err, fs.ErrNotExist) {
		return nil, err
	}
	q := &quarantine{path: path}
	for i, h := range headings {
		if !slices.Contains(quarantineColumns, h) {
			q.own, q.headings = append(q.own, i), append(q.headings, h)
		}
	}
	return q, nil
}

// freePath returns where the quarantine of a file can be: beside it, by a name that is free.
func freePath(path string) string {
	left := path + ".errors.csv"
	for n := 2; ; n++ {
		if _, err := os.Lstat(left); errors.Is(err, fs.ErrNotExist) || n > 1000 {
			return left
		}
		left = fmt.Sprintf("%s.errors.%d.csv", path, n)
	}
}

// add writes a row.
func (q *quarantine) add(row rows.Row, reason, sentence string) error {
	if q.file == nil {
		f, err := os.OpenFile(q.path, os.O_WRONLY|os.O_CREATE|os.O_EXCL, 0o600)
		if errors.Is(err, fs.ErrExist) {
			return texts.Refuse("import.errors_exist", q.path)
		}
		if err != nil {
			return err
		}
		q.file, q.csv = f, csv.NewWriter(f)
		if _, err := f.WriteString("\uFEFF"); err != nil { // or spreadsheets read it as GBK
			return err
		}
		if err := q.write(q.headings, quarantineColumns...); err != nil {
			return err
		}
	}
	cells := make([]string, len(q.own))
	for i, column := range q.own {
		if column < len(row.Cells) {
			cells[i] = row.Cells[column]
		}
	}
	return q.write(cells, strconv.Itoa(row.Line), reason, sentence)
}

func (q *quarantine) write(cells []string, more ...string) error {
	all := make([]string, 0, len(cells)+len(more))
	for _, c := range cells {
		all = append(all, guarded(c))
	}
	return q.csv.Write(append(all, more...))
}

// close writes what is left, and closes the file if there is one.
func (q *quarantine) close() error {
	if q.file == nil {
		return nil
	}
	q.csv.Flush()
	return errors.Join(q.csv.Error(), q.file.Sync(), q.file.Close())
}

// A spreadsheet takes a cell that begins with one of these for a formula, and cells of digits for
// numbers, of which it keeps 15 digits and no zeros in front. The file is opened in one, so an
// apostrophe goes before them, and is taken away when the file is given again.
const active = "=+-@\t\r\n＝＋－＠"

var number = regexp.MustCompile(`^(0[0-9]+|[0-9]{12,})$`)

func guarded(cell string) string {
	inner := strings.TrimLeft(cell, "'")
	first, _ := utf8.DecodeRuneInString(inner)
	if inner == "" || !strings.ContainsRune(active, first) && !number.MatchString(inner) {
		return cell
	}
	return "'" + cell
}

// unguard takes away what guarded put before a cell.
func unguard(cells []string) {
	for i, c := range cells {
		if rest, ok := strings.CutPrefix(c, "'"); ok && guarded(rest) != rest {
			cells[i] = rest
		}
	}
}

// reasonColumn returns the column of the reason if a file is a quarantine, or else -1.
func reasonColumn(headings []string) int { return slices.Index(headings, quarantineColumns[1]) }
