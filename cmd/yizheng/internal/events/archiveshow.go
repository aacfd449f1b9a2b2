package events

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"maps"
	"slices"
	"strings"
	"time"

	"yizheng.internal/cmd/yizheng/internal/command"
	"yizheng.internal/cmd/yizheng/internal/install"
	"yizheng.internal/cmd/yizheng/internal/texts"
	"yizheng.internal/license"
	"yizheng.internal/license/access"
	"yizheng.internal/license/audit"
	"yizheng.internal/license/catalog"
	"yizheng.internal/license/grant"
	"yizheng.internal/license/library"
	"yizheng.internal/signing"
	"yizheng.internal/signing/journal"
	"yizheng.internal/signing/vault"
	"yizheng.internal/storage/archive"
	"yizheng.internal/storage/retention"
)

type archiveShowCmd struct {
	install.Settings
	File string `arg:"" help:"An archived month, LOG-MONTH.jsonl, or its manifest, LOG-MONTH.json; they lie side by side."`
	eventFilter
	Subject string `help:"Only what was done to it: the id of a client, participant, account, session or key, the code of a type or item; of access records a license's or grant's id, or an item's code." placeholder:"ID"`
	Party   string `help:"Only what has to do with this person: the party's opaque id." placeholder:"ID"`
	JSON    bool   `name:"json" help:"Print JSON, an event or access record a line."`
}

// Run shows an archived month: nothing of it before all of it was found to be what
// this installation archived, and not without an event.
func (c *archiveShowCmd) Run(p *command.Process) (err error) {
	f, err := c.of(c.Subject, time.Now().UTC())
	if err != nil {
		return err
	}
	path := archive.ManifestOf(c.File)
	m, err := archive.Verify(path, nil)
	if err != nil {
		return err
	}
	if m.Log == retention.AccessRecords && len(c.Kind) > 0 {
		return texts.Usage("archive.no_actions")
	}
	in, err := c.Attach(p)
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, in.Close()) }()
	if err := archived(p.Ctx, in, m); err != nil {
		return err
	}
	out := bufio.NewWriter(p.Out)
	t := p.Listing(c.JSON, archiveColumns[m.Log]...)
	t.W = out
	s := archiveShow{library: in.Library, vault: in.Keys.Vault(), log: m.Log, f: f, party: c.Party, t: t, serials: map[int32]bool{}}
	err = in.Provider.Journal.Change(p.Ctx, in.Actor().Did(journal.ActionArchiveRead, m.File, ""), func() error {
		again, err := archive.Verify(path, func(line []byte) error { return s.show(p.Ctx, line) })
		if err == nil && again != m {
			err = texts.Refuse("archive.replaced", m.File)
		}
		return errors.Join(err, s.t.Flush(), out.Flush())
	})
	if err != nil {
		return err
	}
	return s.sum(p)
}

// archived returns an error unless a file is what this installation archived.
func archived(ctx context.Context, in *install.Installation, m archive.Manifest) error {
	month, err := retention.ParseMonth(m.Month)
	if err != nil {
		return err
	}
	months, err := in.DB.Admin().ListMonths(ctx, m.Log, month)
	if err != nil {
		return err
	}
	i := slices.IndexFunc(months, func(s retention.State) bool { return s.Month == month })
	if i < 0 {
		return m.Remembered(retention.State{})
	}
	return m.Remembered(months[i])
}

// archiveColumns are the columns in which logs are shown.
var archiveColumns = map[retention.Table][]string{
	retention.Events:         {"time", "action", "result", "actor", "subject", "party", "detail"},
	retention.ProviderEvents: {"time", "action", "result", "actor", "subject"},
	retention.AccessRecords:  {"time", "result", "client", "license", "item", "case", "officer", "party", "fields"},
}

// archiveShow shows the rows of an archive one after another.
type archiveShow struct {
	library *library.Library
	vault   *vault.Vault
	log     retention.Table
	f       journal.Filter
	party   string
	t       *command.Table
	shown   int

	serials                    map[int32]bool // of data keys that aren't here
	noKey, unopened, unfitting int            // rows
}

// shownAtOnce is how many rows of a table are kept until they are printed.
const shownAtOnce = 500

// show shows a line, if the filter admits it.
func (s *archiveShow) show(ctx context.Context, line []byte) error {
	if err := ctx.Err(); err != nil {
		return err
	}
	row, err := archive.Row(s.log, line)
	if err != nil {
		return err
	}
	if at := row.Place().At; at.Before(s.f.From) || !s.f.Until.IsZero() && !at.Before(s.f.Until) {
		return nil
	}
	shown := s.shown
	switch s.log {
	case retention.ProviderEvents, retention.Events:
		err = s.event(ctx, row)
	case retention.AccessRecords:
		err = s.access(ctx, row)
	}
	if err == nil && s.shown > shown && s.shown%shownAtOnce == 0 {
		err = s.t.Flush()
	}
	return err
}

// archivedEvent is an event as it is shown.
type archivedEvent struct {
	journal.Entry
	Detail   map[string]string `json:"detail,omitempty"`
	Unopened string            `json:"unopened,omitempty"` // why
}

// archivedAccess is an access record as it is shown.
type archivedAccess struct {
	access.Opened
	Unopened string `json:"unopened,omitempty"`
}

// eventOf returns the event of a row.
func eventOf(table retention.Table, row retention.Row) (e journal.Event, err error) {
	e = journal.Event{
		Log: journal.Registry, Seq: row[0].(int64), At: row[1].(time.Time), ID: row[2].(string), Action: journal.Action(row[3].(string)),
		Actor: journal.Actor{ID: row[4].(string)}, Form: journal.Form(row[len(row)-1].(int64)),
	}
	e.Hash, err = hashOf(row[len(row)-2])
	if table == retention.ProviderEvents {
		e.Log, e.Subject, e.RequestID, e.Result = journal.Provider, row[5].(string), row[6].(string), row[7].(string)
		return e, err
	}
	e.Actor.Participant, e.RequestID, e.Version, e.Result, e.Sealed = row[5].(string), row[6].(string), int(row[7].(int64)), row[8].(string), row[9].([]byte)
	return e, err
}

func (s *archiveShow) event(ctx context.Context, row retention.Row) error {
	stored, err := eventOf(s.log, row)
	if err != nil {
		return err
	}
	e, detail, failed := journal.Opened(ctx, s.vault, stored)
	why, err := s.why(stored.Sealed, failed)
	if err != nil {
		return err
	}
	if e.Altered = e.Altered && why == ""; e.Altered {
		s.unfitting++
	}
	if !s.f.Admits(e) || s.party != "" && e.Party != s.party {
		return nil
	}
	s.shown++
	cells := []any{e.At, command.Printable(e.Action), s.resultCell(e.Result, e.Altered, why), command.OrDash(command.Printable(e.Actor)), command.OrDash(command.Printable(e.Subject))}
	if s.log == retention.Events {
		cells = append(cells, command.OrDash(command.Printable(e.Party)), command.OrDash(command.Printable(pairs(detail))))
	}
	return s.t.Record(archivedEvent{e, detail, why}, cells...)
}

func (s *archiveShow) access(ctx context.Context, row retention.Row) error {
	r := access.Record{
		Seq: row[0].(int64), At: row[1].(time.Time), ID: row[2].(string), Grant: grant.ID(row[3].(string)), License: audit.ID(row[4].(string)),
		Version: int(row[5].(int64)), Client: row[6].(string), Participant: row[7].(string), Item: catalog.ItemCode(row[8].(string)),
		Basis: grant.Basis(row[9].(string)), Channel: grant.Channel(row[10].(string)), Result: row[11].(string),
		Disclosure: access.Disclosure(row[12].(string)), Body: row[13].([]byte),
	}
	a, failed := s.library.Readings.OpenAccess(ctx, r)
	why, err := s.why(r.Body, failed)
	if err != nil {
		return err
	}
	if failed != nil && why == "" { // it opens, and is nothing of ours
		why, err = s.why(r.Body, signing.ErrSealed)
		if err != nil {
			return err
		}
	}
	e := journal.Entry{At: a.At, Actor: a.Client, Subject: s.f.Subject, Result: a.Result}
	if s.f.Subject != string(a.License) && s.f.Subject != string(a.Grant) && s.f.Subject != string(a.Item) {
		e.Subject = ""
	}
	if !s.f.Admits(e) || s.party != "" && s.party != a.Party && s.party != a.Acting {
		return nil
	}
	s.shown++
	officer := ""
	if a.Officer != nil {
		officer = a.Officer.Name + " (" + a.Officer.ID + ")"
	}
	return s.t.Record(archivedAccess{a, why}, a.At, s.resultCell(a.Result, false, why), command.Printable(a.Client), command.Printable(string(a.License)),
		command.OrDash(command.Printable(string(a.Item))), command.OrDash(command.Printable(a.Case)), command.OrDash(command.Printable(officer)), command.OrDash(command.Printable(a.Party)), command.OrDash(command.Printable(strings.Join(a.Fields, " "))))
}

// why says why something sealed doesn't open: the keys are missing here, or it is not what was
// sealed. Something that opens but doesn't fit its hash is another case. Any other error, such
// as one of the database, ends the list.
func (s *archiveShow) why(sealed []byte, err error) (string, error) {
	switch {
	case errors.Is(err, signing.ErrNoKey):
		serial := vault.SealedSerial(sealed)
		s.serials[serial] = true
		s.noKey++
		return fmt.Sprintf("data key %d is not here", serial), nil
	case errors.Is(err, signing.ErrSealed):
		s.unopened++
		return "altered, or another installation's", nil
	case errors.Is(err, license.ErrUnavailable), errors.Is(err, context.Canceled):
		return "", err
	}
	return "", nil
}

// sum tells of what was not opened, which is a failure.
func (s *archiveShow) sum(p *command.Process) error {
	if s.noKey > 0 {
		var numbers []string
		for _, n := range slices.Sorted(maps.Keys(s.serials)) {
			numbers = append(numbers, fmt.Sprint(n))
		}
		fmt.Fprintln(p.Err, p.Words.Say("archive.no_keys", s.noKey, strings.Join(numbers, ", ")))
	}
	if s.unopened > 0 {
		fmt.Fprintln(p.Err, p.Words.Say("archive.unopened", s.unopened))
	}
	if s.unfitting > 0 {
		fmt.Fprintln(p.Err, p.Words.Say("archive.altered", s.unfitting))
	}
	if s.noKey+s.unopened+s.unfitting > 0 {
		return &texts.Exit{Code: texts.ExitFailed}
	}
	return nil
}

// hashOf returns a row's hash.
func hashOf(v any) (hash [32]byte, err error) {
	b := v.([]byte)
	if len(b) != len(hash) {
		return hash, texts.Refuse("archive.hash")
	}
	return [32]byte(b), nil
}

func (s *archiveShow) resultCell(result string, altered bool, why string) string {
	result = command.Printable(result)
	if altered {
		result += " " + s.t.Words.Say("event.altered")
	}
	if why != "" {
		result += " " + s.t.Words.Say("archive.sealed")
	}
	return result
}

// pairs writes details as a line.
func pairs(detail map[string]string) string {
	var all []string
	for _, k := range slices.Sorted(maps.Keys(detail)) {
		all = append(all, k+"="+detail[k])
	}
	return strings.Join(all, " ")
}
