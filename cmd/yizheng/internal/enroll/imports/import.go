// Package imports has the commands that take in the accounts of another system: person source,
// which names the system, and person import, which reads its files. Rows are read by api/rows,
// which knows no people, and become accounts by oidc/identity/intake; here is what lies between:
// columns, the workers, the file of rows that weren't taken, the summary.
package imports

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"os"
	"runtime"
	"slices"
	"strings"
	"time"

	"yizheng.internal/api/rows"
	"yizheng.internal/cmd/yizheng/internal/command"
	"yizheng.internal/cmd/yizheng/internal/install"
	"yizheng.internal/cmd/yizheng/internal/texts"
	"yizheng.internal/oidc/identity"
	"yizheng.internal/oidc/identity/intake"
)

// ImportCmd is the verb person import.
type ImportCmd struct {
	install.Settings
	Files    []string          `arg:"" help:"The files." type:"path"`
	Source   string            `help:"The system that the accounts come from: see person source." placeholder:"NAME"`
	Map      map[string]string `mapsep:"none" help:"From which column a field is read: field=COLUMN. Several with the flag again. Without it, columns have the fields' names: record_id, name, code_type, code, phone, login_name, level, proofed_at, password." placeholder:"FIELD=COLUMN"`
	Mapping  string            `help:"File with a line field=COLUMN for each field; what --suggest prints is such a file." placeholder:"FILE"`
	Suggest  bool              `help:"Print a mapping that the columns' names suggest, with the first row beside it, masked, and do nothing else."`
	DryRun   bool              `help:"Check all rows and say what would be done, but change nothing in the database."`
	Errors   string            `help:"Where rows that weren't taken are written: a new CSV file. Default: the file's name with .errors.csv, or .errors.2.csv and so on if that is there; with --dry-run nowhere, unless this is given." placeholder:"FILE"`
	Format   string            `help:"The files' format: csv, xlsx, jsonl. Default: by the file's name." enum:"csv,xlsx,jsonl," default:"" placeholder:"FORMAT"`
	Encoding string            `help:"The encoding of CSV: utf-8, gb18030. Default: found out." enum:"utf-8,gb18030," default:"" placeholder:"ENCODING"`
	Sheet    string            `help:"The sheet of XLSX. Default: the first one." placeholder:"SHEET"`
	Level    int               `help:"The proofing level of rows that name none: 1, 2 or 3. Needed if no column has levels; else 1." placeholder:"N"`
	Workers  int               `help:"How many rows are taken at a time; the database writes them in groups." default:"256" placeholder:"N"`
	JSON     bool              `name:"json" help:"Print the summary as JSON."`
}

// maxWorkers is the most rows that are taken at a time.
const maxWorkers = 512

// Run takes the accounts in.
func (c *ImportCmd) Run(p *command.Process) error {
	switch {
	case c.Workers < 1 || c.Workers > maxWorkers:
		return texts.Usage("import.workers", maxWorkers)
	case c.Errors != "" && len(c.Files) > 1:
		return texts.Usage("import.errors_one")
	case c.Suggest:
		return c.suggest(p)
	case c.Source == "":
		return texts.Usage("import.source_missing")
	}
	mapping, err := c.mapping(p)
	if err != nil {
		return err
	}
	files, err := c.open(mapping)
	if err != nil {
		return err
	}
	defer func() {
		for _, f := range files {
			_ = f.reader.Close() // it was only read
		}
	}()
	if c.Level == 0 {
		if slices.ContainsFunc(files, func(f *file) bool { return f.columns[slices.Index(intake.Fields, "level")] < 0 }) {
			return texts.Usage("import.level_missing")
		}
		c.Level = 1
	}
	in, err := c.Attach(p)
	if err != nil {
		return err
	}
	defer in.Close()
	of, err := in.People.Intake.Begin(p.Ctx, in.Operator, c.Source, intake.Options{Level: c.Level, Dry: c.DryRun})
	switch e, refused := errors.AsType[*intake.Refusal](err); {
	case refused && e.Reason == intake.LevelInvalid:
		return texts.Usage("person.level")
	case refused:
		return texts.Refuse("import.level", c.Level)
	case errors.Is(err, identity.ErrNotFound):
		return texts.Refuse("import.source_unknown", c.Source)
	case err != nil:
		return err
	}
	r := newRun(p, of, c.Workers)
	failure := r.all(files)
	how := "ok"
	switch {
	case failure != nil:
		how = "failed"
	case p.Ctx.Err() != nil:
		how = "interrupted"
	}
	if err := of.End(context.WithoutCancel(p.Ctx), how, r.counts); err != nil && failure == nil {
		how, failure = "failed", err
	}
	return c.report(p, r, how, failure)
}

// suggest prints a mapping for the first file.
func (c *ImportCmd) suggest(p *command.Process) error {
	r, err := c.reader(c.Files[0])
	if err != nil {
		return err
	}
	defer r.Close()
	return propose(p, r)
}

// reader opens a file, and says what is wrong with it in the operator's language.
func (c *ImportCmd) reader(path string) (*rows.Reader, error) {
	r, err := rows.Open(path, rows.Config{Format: rows.Format(c.Format), Encoding: rows.Encoding(c.Encoding), Sheet: c.Sheet})
	return r, unreadable(path, err)
}

// unreadable returns the error as it is told, if it is a *rows.FileError.
func unreadable(path string, err error) error {
	e, ok := errors.AsType[*rows.FileError](err)
	switch {
	case !ok:
		return err
	case e.Line > 0:
		return texts.Refuse("import.file_line", path, e.Line, texts.WordOf("unreadable", string(e.Reason)))
	}
	return texts.Refuse("import.file", path, texts.WordOf("unreadable", string(e.Reason)))
}

// open opens all files and finds their columns, before anything is taken.
func (c *ImportCmd) open(mapping rows.Mapping) (files []*file, err error) {
	defer func() {
		if err != nil {
			for _, f := range files {
				_ = f.reader.Close() // it was only read
			}
			files = nil
		}
	}()
	for i, path := range c.Files {
		if slices.ContainsFunc(c.Files[:i], func(before string) bool { return sameFile(before, path) }) {
			return files, texts.Usage("import.file_twice", path)
		}
		r, err := c.reader(path)
		if err != nil {
			return files, err
		}
		headings := slices.Clone(r.Headings())
		f := &file{path: path, reader: r, number: len(files), reason: reasonColumn(headings)}
		if files = append(files, f); f.reason >= 0 {
			unguard(headings)
		}
		if f.columns, err = mapping.Columns(headings, personFields); err != nil {
			if e, ok := errors.AsType[*rows.MappingError](err); ok {
				err = texts.Refuse("import.columns", path, texts.WordOf("unmapped", string(e.Reason)), command.Printable(e.Name))
			}
			return files, err
		}
		errorsPath := c.Errors
		if errorsPath == "" && !c.DryRun {
			errorsPath = freePath(path)
		}
		if errorsPath != "" {
			if f.quarantine, err = newQuarantine(errorsPath, headings); err != nil {
				return files, err
			}
		}
	}
	return files, nil
}

// sameFile reports whether two paths lead to one file.
func sameFile(a, b string) bool {
	one, err := os.Stat(a)
	other, err2 := os.Stat(b)
	return err == nil && err2 == nil && os.SameFile(one, other)
}

// summary is what person import prints.
type summary struct {
	Source      string         `json:"source"`
	DryRun      bool           `json:"dry_run,omitempty"`
	Result      string         `json:"result"` // ok, interrupted, failed
	Rows        int            `json:"rows"`
	Taken       int            `json:"taken"`
	Known       int            `json:"known"`
	Quarantined int            `json:"quarantined"`
	Reasons     map[string]int `json:"reasons,omitempty"`
	lines       map[string][]string
	Seconds     float64  `json:"seconds"`
	Rate        float64  `json:"rows_per_second"`
	Errors      []string `json:"error_files,omitempty"`
}

// report prints what became of the rows, and returns the error that decides the exit code.
func (c *ImportCmd) report(p *command.Process, r *run, how string, failure error) error {
	n := r.counts
	took := time.Since(r.began)
	s := summary{
		Source: c.Source, DryRun: c.DryRun, Result: how, Rows: n.Taken + n.Known + n.Quarantined, Taken: n.Taken, Known: n.Known,
		Quarantined: n.Quarantined, Reasons: r.reasons, Seconds: took.Round(time.Millisecond).Seconds(), Errors: r.quarantines, lines: r.lines,
	}
	s.Rate = float64(s.Rows) / max(took.Seconds(), 0.001)
	if c.JSON {
		if err := command.PrintJSON(p.Out, s); err != nil {
			return errors.Join(failure, err)
		}
	} else {
		c.print(p, s)
	}
	switch {
	case failure != nil:
		return failure
	case how == "interrupted":
		return texts.Refuse("import.interrupted")
	case n.Quarantined > 0:
		return &texts.Exit{Code: texts.ExitQuarantined}
	}
	return nil
}

func (c *ImportCmd) print(p *command.Process, s summary) {
	if c.DryRun {
		p.Print("import.dry")
	}
	p.Print("import.taken", s.Taken)
	p.Print("import.known", s.Known)
	p.Print("import.quarantined", s.Quarantined)
	for _, reason := range slices.Sorted(maps.Keys(s.Reasons)) {
		p.Print("import.reason", s.Reasons[reason], reason, texts.WordOf("quarantine", reason))
		if c.DryRun {
			p.Print("import.lines", strings.Join(s.lines[reason], ", "))
		}
	}
	p.Print("import.time", s.Rows, fmt.Sprintf("%.1f", s.Seconds), fmt.Sprintf("%.0f", s.Rate), runtime.GOMAXPROCS(0))
	if c.DryRun && s.Quarantined > 0 && len(s.Errors) == 0 {
		p.Print("import.dry_errors")
	}
	for _, path := range s.Errors {
		p.Print("import.errors", path)
	}
}
