package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"strings"
	"unicode"

	"github.com/go-json-experiment/json"
	"github.com/go-json-experiment/json/jsontext"
	"golang.org/x/text/width"

	"yizheng.internal/license/party"
	"yizheng.internal/oidc/identity"
)

// table prints rows in columns, or each record as JSON in a line.
type table struct {
	w      io.Writer
	words  words // for cells that are words of it
	json   bool
	rows   [][]string
	widths []int // of the columns, as far as they were printed
}

// listing returns a table with headings of the catalogue, by the columns' names.
func (p *process) listing(asJSON bool, columns ...string) *table {
	t := &table{w: p.out, words: p.words, json: asJSON}
	var headings []any
	for _, c := range columns {
		headings = append(headings, p.words.say("column."+c))
	}
	_ = t.row(headings...) // it is kept until Flush
	return t
}

func (t *table) row(cells ...any) error {
	texts := make([]string, 0, len(cells))
	for _, c := range cells {
		if one, ok := c.(word); ok {
			c = t.words.word(one)
		}
		texts = append(texts, fmt.Sprint(c))
	}
	t.rows = append(t.rows, texts)
	return nil
}

// record adds a record: info as JSON, or the cells as a row.
func (t *table) record(info any, cells ...any) error {
	if t.json {
		return printJSON(t.w, info)
	}
	return t.row(cells...)
}

// Flush prints the rows. Those of the next time stand below, in columns that are as
// wide at least.
func (t *table) Flush() error {
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
	_, err := io.WriteString(t.w, b.String())
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

// padded fills a text up with spaces to as many columns.
func padded(s string, to int) string { return s + strings.Repeat(" ", max(0, to-columns(s))) }

// page is how many records a listing reads at a time.
const page = 100

// pages shows all records and prints the table. read returns up to a page of
// those that come after the last one shown, which is zero at first.
func pages[T any](t *table, read func(last T) ([]T, error), show func(T) error) error {
	if err := every(read, show); err != nil {
		return err
	}
	return t.Flush()
}

// every calls do with all records, which read returns a page at a time.
func every[T any](read func(last T) ([]T, error), do func(T) error) error {
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
		if len(records) < page {
			return nil
		}
	}
}

// owners knows the participants that a list names.
type owners struct {
	in    *installation
	known map[string]identity.Participant
}

func (in *installation) owners() owners { return owners{in, map[string]identity.Participant{}} }

// of returns a participant by its id, one without a name if there is none.
func (o owners) of(ctx context.Context, id string) (identity.Participant, error) {
	if n, ok := o.known[id]; ok {
		return n, nil
	}
	n, err := o.in.provider.Participant(ctx, id)
	if errors.Is(err, identity.ErrNotFound) {
		n, err = identity.Participant{ID: id}, nil
	}
	if err == nil {
		o.known[id] = n
	}
	return n, err
}

// by returns a participant by its code, likewise.
func (o owners) by(ctx context.Context, code string) (identity.Participant, error) {
	if n, ok := o.known[code]; ok || code == "" {
		return n, nil
	}
	n, err := o.in.provider.FindParticipant(ctx, party.USCC(code))
	if errors.Is(err, identity.ErrNotFound) {
		n, err = identity.Participant{USCC: party.USCC(code)}, nil
	}
	if err == nil {
		o.known[code] = n
	}
	return n, err
}

// printJSON prints a value as one line.
func printJSON(w io.Writer, v any) error { return writeJSON(w, v) }

// printPretty prints a value as JSON for people.
func printPretty(w io.Writer, v any) error { return writeJSON(w, v, jsontext.WithIndent("  ")) }

// writeJSON prints the same value always as the same text.
func writeJSON(w io.Writer, v any, o ...json.Options) error {
	text, err := json.Marshal(v, append(o, json.Deterministic(true))...)
	if err != nil {
		return err
	}
	_, err = w.Write(append(text, '\n'))
	return err
}
