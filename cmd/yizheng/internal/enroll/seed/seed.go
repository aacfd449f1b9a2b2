// Package seed writes files of made-up people's records, most of them right and
// some with defects, together with the answers that an importer has to give.
package seed

import (
	"encoding/csv"
	"errors"
	"fmt"
	"io"
	"maps"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
)

// One row in each block of this many has a defect: about 3 %. It is never the
// first row of the block, so that the row before a defect is always a good one.
const block = 33

// One good row in this many is written in an unusual way that is right.
const varietyEvery = 12

// rowsAfterQuote is how many rows follow the one with the quote that is not closed.
const rowsAfterQuote = 10

const hugeSize = 30 << 20

// maxSheetRows is how many rows a sheet of a spreadsheet can have. Two go to the
// header and to the empty row at the end.
const maxSheetRows = 1 << 20

// Options say what is written.
type Options struct {
	Rows   int
	Seed   uint64 // the same seed gives the same files
	Format string // csv, csv-gb18030, xlsx or jsonl
	Dir    string // for people.EXT and answers.csv
	Huge   bool   // with a cell of 30 MB
	Quote  bool   // in CSV: with a quote that is not closed, near the end
	Mark   bool   // in CSV in UTF-8: with a byte order mark
}

type options struct {
	rows        int
	seed        uint64
	format, dir string
	huge, quote bool
	bom         bool
}

// Write writes the two files, and a summary to out.
func Write(o Options, out io.Writer) error {
	return run(options{o.Rows, o.Seed, o.Format, o.Dir, o.Huge, o.Quote, o.Mark}, out)
}

// run writes the two files and prints the summary.
func run(o options, out io.Writer) (err error) {
	if formatBits[o.format] == 0 {
		return fmt.Errorf("unknown format %q", o.format)
	}
	if o.rows < 2*block || o.rows > 10_000_000 {
		return fmt.Errorf("rows must be from %d to 10000000", 2*block)
	}
	if o.format == "xlsx" && o.rows > maxSheetRows-2 {
		return fmt.Errorf("a sheet has room for %d rows", maxSheetRows-2)
	}
	if err := os.MkdirAll(o.dir, 0o755); err != nil {
		return err
	}
	ext, _, _ := strings.Cut(o.format, "-")
	people, err := os.Create(filepath.Join(o.dir, "people."+ext))
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, people.Close()) }()
	answers, err := os.Create(filepath.Join(o.dir, "answers.csv"))
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, answers.Close()) }()
	s, err := newSink(o, people)
	if err != nil {
		return err
	}
	counts, err := writeAll(o, s, csv.NewWriter(answers))
	if err != nil {
		return err
	}
	return summary(out, o.rows, counts)
}

func newSink(o options, w io.Writer) (sink, error) {
	switch o.format {
	case "xlsx":
		return newXLSX(w)
	case "jsonl":
		return newJSONL(w), nil
	default:
		return newCSV(w, o.format == "csv-gb18030", o.bom)
	}
}

// writeAll writes every row, and an answer for each that is not a plain good one.
// It returns how many rows there are of each kind and outcome.
func writeAll(o options, s sink, answers *csv.Writer) (map[string]int, error) {
	if err := answers.Write([]string{"line", "record_id", "kind", "expected", "variant"}); err != nil {
		return nil, err
	}
	counts := map[string]int{}
	p := newPlan(o)
	for i := range o.rows {
		r := p.next(i)
		line, err := s.write(r)
		if err != nil {
			return nil, err
		}
		if r.kind == "" {
			continue
		}
		counts[r.kind+" "+r.expect]++
		err = answers.Write([]string{strconv.Itoa(line), r.recordID(), r.kind, r.expect, r.variant})
		if err != nil {
			return nil, err
		}
	}
	answers.Flush()
	return counts, errors.Join(answers.Error(), s.close())
}

// recordID is the record_id as it stands in the row.
func (r *row) recordID() string {
	return strings.ReplaceAll(r.cells[colRecordID], rawMark, "\ufffd")
}

func summary(out io.Writer, rows int, counts map[string]int) error {
	var b strings.Builder
	plain := rows
	for _, k := range slices.Sorted(maps.Keys(counts)) {
		name, expect, _ := strings.Cut(k, " ")
		fmt.Fprintf(&b, "%-24s %-12s %7d\n", name, expect, counts[k])
		plain -= counts[k]
	}
	_, err := fmt.Fprintf(out, "%-24s %-12s %7d\n%s%-37s %7d\n", "plain good rows", outTaken, plain, &b, "rows", rows)
	return err
}
