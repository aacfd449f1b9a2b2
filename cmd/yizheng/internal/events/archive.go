package events

import (
	"context"
	"errors"
	"os"
	"time"

	"yizheng.internal/cmd/yizheng/internal/command"
	"yizheng.internal/cmd/yizheng/internal/install"
	"yizheng.internal/cmd/yizheng/internal/texts"
	"yizheng.internal/signing/journal"
	"yizheng.internal/storage/archive"
	"yizheng.internal/storage/retention"
)

// ArchiveCmd is the verb archive.
type ArchiveCmd struct {
	Export archiveExportCmd `cmd:"" help:"Write months that are complete and not archived yet into files, beside the running service. Run again, it goes on."`
	List   archiveListCmd   `cmd:"" help:"List the months: which have rows, which were archived, which are deleted."`
	Verify archiveVerifyCmd `cmd:"" help:"Read archived months back, and compare them with their manifests."`
	Show   archiveShowCmd   `cmd:"" help:"Show an archived month, with what is sealed in it opened by this installation's keys. An event tells of it."`
}

type archiveExportCmd struct {
	install.Settings
	Dir   string   `arg:"" help:"Directory for the files, LOG-MONTH.jsonl, each with a manifest LOG-MONTH.json. What is personal is sealed in them as it is in the database."`
	Log   []string `help:"Only these logs: events, provider_events, access_records." enum:"events,provider_events,access_records" placeholder:"LOG"`
	Until string   `help:"Only months up to this one, such as 2026-01. Without it all that are complete." placeholder:"MONTH"`
}

// settled is how long after its end a month is complete: nodes' clocks differ less.
const settled = 24 * time.Hour

// Run archives months.
func (c *archiveExportCmd) Run(p *command.Process) (err error) {
	in, err := c.Attach(p)
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, in.Close()) }()
	now, err := agreed(p.Ctx, in)
	if err != nil {
		return err
	}
	until := retention.MonthOf(now.Add(-settled)) - 1
	if c.Until != "" {
		asked, err := retention.ParseMonth(c.Until)
		if err != nil {
			return texts.Usage("usage.of", "--until", err)
		}
		until = min(until, asked)
	}
	if err := os.MkdirAll(c.Dir, 0o700); err != nil {
		return err
	}
	found := 0
	err = in.Provider.Journal.Change(p.Ctx, in.Actor().Did(journal.ActionArchive, until.String(), ""), func() error {
		found, err = c.export(p, in, until, now)
		return err
	})
	if err == nil && found == 0 {
		p.Print("archive.nothing", until)
	}
	return err
}

// agreed returns the time, if this machine's clock and the database's agree.
func agreed(ctx context.Context, in *install.Installation) (time.Time, error) {
	now := time.Now().UTC()
	at, err := in.DB.Admin().Clock(ctx)
	if err != nil {
		return now, err
	}
	if at.Before(now) { // a database that nobody used for a while is behind, too
		now = at
	}
	return now, nil
}

func (c *archiveExportCmd) export(p *command.Process, in *install.Installation, until retention.Month, now time.Time) (found int, err error) {
	db := in.DB.Admin()
	logs := retention.Tables
	if len(c.Log) > 0 {
		logs = nil
		for _, l := range c.Log {
			logs = append(logs, retention.Table(l))
		}
	}
	for _, table := range logs {
		months, err := db.ListMonths(p.Ctx, table, until)
		if err != nil {
			return found, err
		}
		for _, s := range months {
			if !s.Rows {
				continue
			}
			n, bar := 0, p.Progress(p.Words.Say("archive.archiving", table, s.Month))
			m, err := archive.Month(p.Ctx, db, c.Dir, table, s, now, command.ProgramVersion(), func(rows int) { n += rows; _ = bar.Set(n) })
			_ = bar.Finish()
			if err != nil {
				return found, err
			}
			if m != nil {
				found++
				p.Print("archive.made", m.File, m.Rows, m.Bytes, m.SM3)
			}
		}
	}
	return found, nil
}

type archiveListCmd struct {
	install.Settings
	JSON bool `name:"json" help:"Print JSON, a month a line."`
}

// monthInfo is a month as it is listed.
type monthInfo struct {
	Log      retention.Table `json:"log"`
	Month    string          `json:"month"`
	Rows     bool            `json:"rows"` // there are some in the database
	Parts    int             `json:"archived_parts"`
	Archived int64           `json:"archived_rows"`
	At       time.Time       `json:"archived_at,omitzero"`
	Dropped  time.Time       `json:"deleted_at,omitzero"`
}

// Run lists the months.
func (c *archiveListCmd) Run(p *command.Process) error {
	in, err := c.Attach(p)
	if err != nil {
		return err
	}
	defer in.Close()
	t := p.Listing(c.JSON, "log", "month", "in_database", "archived", "deleted")
	for _, table := range retention.Tables {
		months, err := in.DB.Admin().ListMonths(p.Ctx, table, retention.MonthOf(time.Now()))
		if err != nil {
			return err
		}
		for _, s := range months {
			rows, archived, dropped := p.Words.Say("archive.no"), "-", "-"
			if s.Rows {
				rows = p.Words.Say("archive.yes")
			}
			if s.Archive.Parts > 0 {
				archived = p.Words.Say("archive.rows", texts.Day(s.Archive.At), s.Archive.Rows)
			}
			if !s.Dropped.IsZero() {
				dropped = texts.Day(s.Dropped)
			}
			info := monthInfo{table, s.Month.String(), s.Rows, s.Archive.Parts, s.Archive.Rows, s.Archive.At, s.Dropped}
			if err := t.Record(info, table, s.Month, rows, archived, dropped); err != nil {
				return err
			}
		}
	}
	return t.Flush()
}

type archiveVerifyCmd struct {
	Manifest []string `arg:"" help:"Manifests of archived months, LOG-MONTH.json; the files lie beside them."`
}

// Run verifies files.
func (c *archiveVerifyCmd) Run(p *command.Process) error {
	for _, path := range c.Manifest {
		m, err := archive.Verify(path, nil)
		if err != nil {
			return err
		}
		p.Print("archive.good", m.File, m.Made, m.Rows, m.SM3)
	}
	return nil
}
