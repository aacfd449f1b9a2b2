package postgres

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"

	"github.com/jackc/pgx/v5"

	"yizheng.internal/storage/postgres/engine"
)

// contentsName is the file that says what a saved database has.
const contentsName = "contents.json"

// contents is what a saved database has, beside the rows themselves.
type contents struct {
	Tables    []savedTable    `json:"tables"`
	Sequences []savedSequence `json:"sequences"`
}

// savedTable is a table, whose rows lie in NAME.copy in PostgreSQL's binary COPY
// format; of a partitioned one those of all partitions.
type savedTable struct {
	Name    string   `json:"name"`
	Columns []string `json:"columns"`
	size    int64    // on disk, when it was saved
}

type savedSequence struct {
	Name  string `json:"name"`
	Value int64  `json:"value"`
}

const (
	copySuffix  = ".copy"
	maxContents = 1 << 20 // bytes
)

// notSaved are tables that are about the database itself.
var notSaved = []string{"goose_db_version", "pings", "sweeps"}

// Save copies all tables, as they are at one moment, into a folder. Others read
// and write meanwhile.
func (db *DB) Save(ctx context.Context, dir string, progress func(done, total int64)) error {
	err := db.engine.InSnapshot(ctx, func(conn *pgx.Conn) error {
		all, err := listTables(ctx, conn)
		if err != nil {
			return err
		}
		total, done := int64(0), int64(0)
		for _, t := range all.Tables {
			total += t.size
		}
		for _, t := range all.Tables {
			if err := saveTable(ctx, conn, dir, t, func(n int64) {
				if progress != nil {
					progress(done+min(n, t.size), total)
				}
			}); err != nil {
				return fmt.Errorf("table %s: %w", t.Name, err)
			}
			done += t.size
		}
		// Sequences belong to no snapshot: read after the rows, they are past all of them.
		if all.Sequences, err = listSequences(ctx, conn); err != nil {
			return err
		}
		text, err := json.Marshal(all)
		if err != nil {
			return err
		}
		return os.WriteFile(filepath.Join(dir, contentsName), text, 0o600)
	})
	if err != nil {
		return fmt.Errorf("saving the database: %w", engine.Explain(ctx, err))
	}
	return nil
}

// listTables returns the schema's tables, with those columns that hold data.
func listTables(ctx context.Context, conn *pgx.Conn) (contents, error) {
	rows, err := conn.Query(ctx, `
		SELECT c.relname, array(
			SELECT a.attname::text FROM pg_attribute a
			WHERE a.attrelid = c.oid AND a.attnum > 0 AND NOT a.attisdropped AND a.attgenerated = '' ORDER BY a.attnum),
			(SELECT coalesce(sum(pg_table_size(p.relid)), 0) FROM pg_partition_tree(c.oid) p)::bigint + 1
		FROM pg_class c
		WHERE c.relnamespace = current_schema()::regnamespace AND c.relkind IN ('r', 'p') AND NOT c.relispartition
			AND c.relname <> ALL ($1::text[])
		ORDER BY c.relname`, notSaved)
	if err != nil {
		return contents{}, err
	}
	tables, err := pgx.CollectRows(rows, func(row pgx.CollectableRow) (t savedTable, err error) {
		return t, row.Scan(&t.Name, &t.Columns, &t.size)
	})
	return contents{Tables: tables}, err
}

func listSequences(ctx context.Context, conn *pgx.Conn) ([]savedSequence, error) {
	rows, err := conn.Query(ctx, `SELECT sequencename::text, coalesce(last_value, 0) FROM pg_sequences
		WHERE schemaname = current_schema() AND sequencename NOT LIKE 'goose\_%' ORDER BY sequencename`)
	if err != nil {
		return nil, err
	}
	return pgx.CollectRows(rows, func(row pgx.CollectableRow) (s savedSequence, err error) {
		return s, row.Scan(&s.Name, &s.Value)
	})
}

// saveTable writes a table's rows to a file.
func saveTable(ctx context.Context, conn *pgx.Conn, dir string, t savedTable, progress func(n int64)) (err error) {
	f, err := os.OpenFile(filepath.Join(dir, t.Name+copySuffix), os.O_CREATE|os.O_EXCL|os.O_WRONLY, 0o600)
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, f.Close()) }()
	return copyOut(ctx, conn, f, t, progress)
}

// copyOut reads all of a table's rows, with the values that are stored outside of them (TOAST).
func copyOut(ctx context.Context, conn *pgx.Conn, w io.Writer, t savedTable, progress func(n int64)) error {
	_, err := conn.PgConn().CopyTo(ctx, &counted{w: w, progress: progress},
		"COPY (SELECT "+t.columns()+" FROM "+t.name()+") TO STDOUT (FORMAT binary)")
	return err
}

func (t savedTable) name() string { return pgx.Identifier{t.Name}.Sanitize() }

func (t savedTable) columns() string {
	var names []string
	for _, c := range t.Columns {
		names = append(names, pgx.Identifier{c}.Sanitize())
	}
	return strings.Join(names, ", ")
}

// counted tells how much was written, or read.
type counted struct {
	w        io.Writer
	r        io.Reader
	n        int64
	progress func(n int64)
}

// Write implements [io.Writer].
func (c *counted) Write(b []byte) (int, error) {
	n, err := c.w.Write(b)
	c.add(n)
	return n, err
}

// Read implements [io.Reader].
func (c *counted) Read(b []byte) (int, error) {
	n, err := c.r.Read(b)
	c.add(n)
	return n, err
}

func (c *counted) add(n int) {
	c.n += int64(n)
	if c.progress != nil {
		c.progress(c.n)
	}
}

// relation is the form of the names of our tables, columns and sequences.
var relation = regexp.MustCompile(`^[a-z][a-z0-9_]{0,62}$`)

// parseContents reads the file that says what a saved database has.
func parseContents(text []byte) (contents, error) {
	var c contents
	if len(text) > maxContents {
		return c, fmt.Errorf("%s is larger than %d bytes", contentsName, maxContents)
	}
	d := json.NewDecoder(bytes.NewReader(text))
	d.DisallowUnknownFields()
	if err := d.Decode(&c); err != nil || d.Decode(&struct{}{}) != io.EOF {
		return c, fmt.Errorf("%s is not JSON as expected", contentsName)
	}
	var names []string
	for _, t := range c.Tables {
		if names = append(names, t.Name); len(t.Columns) == 0 || slices.ContainsFunc(append(t.Columns, t.Name), notRelation) || slices.Contains(notSaved, t.Name) {
			return c, fmt.Errorf("%s has a table that can't be", contentsName)
		}
		columns := slices.Sorted(slices.Values(t.Columns))
		if len(slices.Compact(columns)) != len(t.Columns) {
			return c, fmt.Errorf("%s has a column twice", contentsName)
		}
	}
	for _, s := range c.Sequences {
		if names = append(names, s.Name); notRelation(s.Name) || s.Value < 0 || s.Value > 1<<62 {
			return c, fmt.Errorf("%s has a sequence that can't be", contentsName)
		}
	}
	slices.Sort(names)
	if len(slices.Compact(slices.Clone(names))) != len(names) || len(c.Tables) == 0 {
		return c, fmt.Errorf("%s has a name twice, or no table", contentsName)
	}
	return c, nil
}

func notRelation(name string) bool { return !relation.MatchString(name) }
