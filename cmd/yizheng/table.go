package main

import (
	"fmt"
	"io"
	"text/tabwriter"

	"github.com/go-json-experiment/json"
	"github.com/go-json-experiment/json/jsontext"
)

// table prints rows in columns. Names come last: ideographs are two columns
// wide, which no column after them would survive.
type table struct{ *tabwriter.Writer }

func newTable(w io.Writer, columns ...any) table {
	t := table{tabwriter.NewWriter(w, 0, 0, 2, ' ', 0)}
	_ = t.row(columns...) // it is kept until Flush
	return t
}

func (t table) row(cells ...any) error {
	for i, c := range cells {
		if i > 0 {
			fmt.Fprint(t, "\t")
		}
		fmt.Fprint(t, c)
	}
	_, err := fmt.Fprintln(t)
	return err
}

// page is how many records a listing reads at a time.
const page = 100

// pages shows all records and prints the table. read returns up to a page of
// those that come after the last one shown, which is zero at first.
func pages[T any](t table, read func(last T) ([]T, error), show func(T) error) error {
	var last T
	for {
		records, err := read(last)
		if err != nil {
			return err
		}
		for _, last = range records {
			if err := show(last); err != nil {
				return err
			}
		}
		if len(records) < page {
			return t.Flush()
		}
	}
}

// printJSON prints a value as one line.
func printJSON(w io.Writer, v any) error { return writeJSON(w, v) }

// printPretty prints a value as JSON for people.
func printPretty(w io.Writer, v any) error { return writeJSON(w, v, jsontext.WithIndent("  ")) }

func writeJSON(w io.Writer, v any, o ...json.Options) error {
	text, err := json.Marshal(v, o...)
	if err != nil {
		return err
	}
	_, err = w.Write(append(text, '\n'))
	return err
}
