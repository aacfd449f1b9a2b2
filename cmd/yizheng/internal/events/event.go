// Package events has the commands that show what was done, by whom: the events of an
// installation as they stand in the database, and months of them in archived files.
package events

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"time"

	"yizheng.internal/cmd/yizheng/internal/command"
	"yizheng.internal/cmd/yizheng/internal/install"
	"yizheng.internal/cmd/yizheng/internal/texts"
	"yizheng.internal/signing/journal"
)

// EventCmd is the verb event.
type EventCmd struct {
	List eventListCmd `cmd:"" help:"List what was done, by whom, to what: logins, administration, licenses. It holds no names but those of operators."`
}

// eventFilter are the flags that say which events are meant.
type eventFilter struct {
	Since  string   `help:"Only from then on: 2026-11-29, 2026-11-29T08:00:00+08:00, or how long ago: 90m, 7d. Days are those of UTC+8." placeholder:"TIME"`
	Until  string   `help:"Only before then." placeholder:"TIME"`
	Kind   []string `help:"Only such actions: client.update, or client.* for all that begin so. Several with commas." placeholder:"ACTION"`
	Actor  string   `help:"Only what it did: a client's or account's id, cli:NAME for an operator, cli for all operators." placeholder:"ID"`
	Result string   `help:"Only with this result: ok, begun, or the reason code of a refusal." placeholder:"CODE"`
}

type eventListCmd struct {
	install.Settings
	eventFilter
	Subject string   `help:"Only what was done to it: the id of a license, client, participant, account, session or key." placeholder:"ID"`
	Party   string   `help:"Only events of licenses at which this person was present: the party's opaque id." placeholder:"ID"`
	Log     []string `help:"Only these logs: provider, registry, license." enum:"provider,registry,license" placeholder:"LOG"`
	Limit   int      `help:"How many at most; 0: all." default:"100" placeholder:"N"`
	Oldest  bool     `name:"oldest-first" help:"Begin with the oldest, as an export does. Without --until it leaves out the last three minutes: events of that time may still be written."`
	Cursor  string   `help:"Go on where an earlier list ended: its cursor." placeholder:"CURSOR"`
	JSON    bool     `name:"json" help:"Print JSON, an event a line, and at the end the cursor."`
}

// Help returns the help's longer text.
func (c *eventListCmd) Help() string { return "Actions, for --kind:\n\n" + texts.Actions() }

// underway is how long after its time an event may still be written: as long as a request and
// its record take, at a node whose clock is a minute behind.
const underway = 3 * time.Minute

// Run lists events.
func (c *eventListCmd) Run(p *command.Process) error {
	now := time.Now().UTC()
	f, after, err := c.filter(now)
	if err != nil {
		return err
	}
	in, err := c.Attach(p)
	if err != nil {
		return err
	}
	defer in.Close()
	r, err := readerOf(p.Ctx, in, c.Log, c.Party, now)
	if err != nil {
		return err
	}
	if c.JSON {
		last, n := after, 0
		reached, err := r.List(p.Ctx, f, after, func(e journal.Entry) error {
			last, n = e.Place(), n+1
			return command.PrintJSON(p.Out, e)
		})
		if err != nil { // what was looked through in vain needn't be again
			last = reached
		}
		if last.At.IsZero() {
			return err
		}
		return errors.Join(err, command.PrintJSON(p.Out, eventCursor{last.String(), err == nil && (f.Limit == 0 || n < f.Limit)}))
	}
	return c.table(p, r, f, after)
}

// eventCursor is the last line of a list in JSON.
type eventCursor struct {
	Cursor string `json:"cursor"`
	End    bool   `json:"end"` // there is no more now
}

// table prints the list for people.
func (c *eventListCmd) table(p *command.Process, r journal.Reader, f journal.Filter, after journal.Place) error {
	t := p.Listing(false, "time", "action", "result", "actor", "subject")
	n := 0
	reached, failed := r.List(p.Ctx, f, after, func(e journal.Entry) error {
		n++
		result := e.Result
		if e.Merged > 0 {
			result += fmt.Sprintf(" ×%d", e.Merged)
		}
		if e.Altered {
			result += " " + p.Words.Say("event.altered")
		}
		return t.Row(e.At, command.Printable(e.Action), command.Printable(result), command.OrDash(command.Printable(e.Actor)), command.OrDash(command.Printable(e.Subject)))
	})
	if err := t.Flush(); err != nil { // also what was found before a failure
		return err
	}
	if failed != nil && !reached.At.IsZero() || f.Limit > 0 && n == f.Limit {
		fmt.Fprintln(p.Err, p.Words.Say("event.more", reached))
	}
	return failed
}

// of returns what the flags say of events whose subject is this, or any.
func (c *eventFilter) of(subject string, now time.Time) (f journal.Filter, err error) {
	f = journal.Filter{Actions: c.Kind, Actor: c.Actor, Subject: subject, Result: c.Result}
	if f.From, err = eventTime(c.Since, now); err != nil {
		return f, texts.Usage("usage.of", "--since", err)
	}
	if f.Until, err = eventTime(c.Until, now); err != nil {
		return f, texts.Usage("usage.of", "--until", err)
	}
	for _, a := range c.Kind {
		if strings.Contains(strings.TrimSuffix(a, "*"), "*") || a == "" {
			return f, texts.Usage("event.kind")
		}
		near, known := nearActions(a)
		switch {
		case !known && len(near) == 0:
			return f, texts.Usage("event.kind_none", a)
		case !known:
			return f, texts.Usage("event.kind_unknown", a, strings.Join(near, ", "))
		}
	}
	return f, nil
}

// nearActions reports whether there is such an action, or any that begins so, and else which are like it: those
// of the same subject, or of the same deed.
func nearActions(asked string) (near []string, known bool) {
	begins, any := strings.CutSuffix(asked, "*")
	subject, deed, _ := strings.Cut(begins, ".")
	var others []string
	for _, k := range journal.Actions() {
		name := string(k.Action)
		of, did, _ := strings.Cut(name, ".")
		switch {
		case name == asked, any && strings.HasPrefix(name, begins):
			return nil, true
		case of == subject && deed != "" && (strings.Contains(did, deed) || strings.Contains(deed, did)):
			near = slices.Insert(near, 0, name)
		case of == subject:
			near = append(near, name)
		case deed != "" && did == deed:
			others = append(others, name)
		}
	}
	near = append(near, others...)
	return near[:min(len(near), 6)], false
}

// filter returns what the flags say.
func (c *eventListCmd) filter(now time.Time) (f journal.Filter, after journal.Place, err error) {
	if c.Limit < 0 {
		return f, after, texts.Usage("event.limit")
	}
	if f, err = c.of(c.Subject, now); err != nil {
		return f, after, err
	}
	f.Newest, f.Limit = !c.Oldest, c.Limit
	if c.Oldest && c.Until == "" {
		f.Until = now.Add(-underway)
	}
	if c.Cursor != "" {
		if after, err = journal.ParsePlace(c.Cursor); err != nil {
			return f, after, texts.Usage("usage.of", "--cursor", err)
		}
	}
	return f, after, nil
}

// eventTime reads a time, or how long ago it was.
func eventTime(text string, now time.Time) (time.Time, error) {
	if text == "" {
		return time.Time{}, nil
	}
	if days, ok := strings.CutSuffix(text, "d"); ok {
		if d, err := time.ParseDuration(days + "h"); err == nil && d >= 0 {
			return now.Add(-24 * d), nil
		}
	}
	if d, err := time.ParseDuration(text); err == nil && d >= 0 {
		return now.Add(-d), nil
	}
	if t, err := time.ParseInLocation(time.DateOnly, text, texts.Civil); err == nil {
		return t, nil
	}
	for _, form := range []string{time.RFC3339, texts.MomentForm} {
		if t, err := time.Parse(form, text); err == nil {
			return t, nil
		}
	}
	return time.Time{}, texts.Refuse("event.time", text)
}

// readerOf returns what reads the logs that are named, or all.
func readerOf(ctx context.Context, in *install.Installation, logs []string, party string, now time.Time) (journal.Reader, error) {
	keys, err := in.DB.Keys().ListKeys(ctx, "")
	if err != nil {
		return journal.Reader{}, err
	}
	begin := now
	for _, k := range keys { // the first ones are older than any event
		if k.Created.Before(begin) {
			begin = k.Created
		}
	}
	r := journal.Reader{
		Begin: begin.Add(-24 * time.Hour), Now: now, End: now.AddDate(10, 0, 0), // clocks may have been wrong
		Sources: map[journal.Log]journal.Source{},
		Slow:    func(err error) bool { return errors.Is(err, context.DeadlineExceeded) },
	}
	named := func(l journal.Log) bool { return len(logs) == 0 || slices.Contains(logs, string(l)) }
	for _, l := range journal.Logs {
		if named(l) && (l != journal.Provider || party == "") {
			r.Sources[l] = journal.SourceOf(in.DB.Journal(), in.Keys.Vault(), l, party)
		}
	}
	return r, nil
}
