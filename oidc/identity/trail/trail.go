// Package trail tells people what happened to their accounts: logins, codes that were sent,
// changes of how they log in, what operators did, and tries that were refused. It reads the
// events of the log Provider, of the last 90 days, the newest first.
//
// An event names an account in one of two places: it was done to the account, which is its
// subject, or its person did it to something else, such as a session. The table in decided.go
// says which it is for each action, and what people are told of it.
//
// Refused tries are kept apart, because anybody who guesses a login name can cause as many as
// they like. A day with more than a few of them is told in one line, and of each day no more
// than a bounded number is read.
package trail

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"slices"
	"time"

	"yizheng.internal/oidc/identity"
	"yizheng.internal/oidc/identity/factor"
	"yizheng.internal/signing/journal"
)

// Kept is for how long somebody sees what happened to their account.
const Kept = 90 * 24 * time.Hour

// Events finds what was recorded about an account. Every driver passes storagetest/ledger.Trails.
type Events interface {
	// AccountEvents returns the newest events that q asks for, the newest first: by time, and
	// then by Seq. Which events these are, [About] says.
	AccountEvents(ctx context.Context, q Query) ([]journal.Event, error)
}

// Query asks for events about an account.
type Query struct {
	Account string
	Tries   bool             // refused tries; otherwise what was done
	From    time.Time        // nothing older
	Before  journal.Position // only what is older; zero: all
	Limit   int
}

// Line is what a person is told of, mostly of one event.
type Line struct {
	What   What
	At     time.Time
	By     By
	Factor factor.Name // of a login or another proof; empty: not known
	Reason string      // why a session ended or a try was refused, as the event has it
	Client string      // whose access it is about: a client's id
	// Session is the session that began or went on: its id.
	Session string
	// Tries is what was tried on a day with many refused tries, which is one line: At is the
	// last of them.
	Tries []Tried
	First time.Time // the first of these, as far as they are counted
	More  bool      // there were more of them than are counted

	place journal.Position
}

// Tried is how often something was tried on a day.
type Tried struct {
	What  What
	Count int64
}

// By is who did something.
type By string

// Who does something.
const (
	ByPerson By = "person" // in a login of the account's
	ByStaff  By = "staff"  // a clerk or an operator; which one is nobody's business here
	ByNobody By = ""       // whoever it was: nobody was logged in
)

// Page is some of an account's lines.
type Page struct {
	Lines   []Line
	Next    string // where the next page begins; empty: this is the last one
	Altered int    // events that aren't as they were written here, and are left out
}

// Config says what a Service works with. Events is required.
type Config struct {
	Events Events
	Log    *slog.Logger // default: discards
}

// Service reads trails. Safe for concurrent use.
type Service struct{ c Config }

// New checks c and returns a Service.
func New(c Config) (*Service, error) {
	if c.Events == nil {
		return nil, errors.New("trails need Events")
	}
	if c.Log == nil {
		c.Log = slog.New(slog.DiscardHandler)
	}
	return &Service{c}, nil
}

// ErrCursor says that a cursor is none.
var ErrCursor = errors.New("a cursor is what an earlier page ended with")

// Page returns up to limit lines of an account, from a cursor on. An empty cursor is the
// beginning. A cursor is a time and a number, and leads nowhere but in this account's events.
// A page may have fewer lines though there are more.
func (s *Service) Page(ctx context.Context, account, cursor string, limit int) (Page, error) {
	r := reading{s: s, account: account, from: time.Now().Add(-Kept), limit: limit}
	if cursor != "" {
		at, err := journal.ParsePlace(cursor)
		if err != nil || at.Log != journal.Provider {
			return Page{}, ErrCursor
		}
		r.before = journal.Position{At: at.At, Seq: at.Seq}
	}
	if !identity.ValidID(account) || limit < 1 {
		return Page{}, nil
	}
	done, doneTo, err := r.done(ctx)
	if err != nil {
		return Page{}, err
	}
	tries, triesTo, err := r.tries(ctx)
	if err != nil {
		return Page{}, err
	}
	p := Page{Lines: append(done, tries...), Altered: r.altered}
	slices.SortStableFunc(p.Lines, func(a, b Line) int { return newestFirst(a.place, b.place) })
	// What is older than where one of them stopped to read may not be all there is.
	end := doneTo
	if newestFirst(triesTo, end) < 0 {
		end = triesTo
	}
	known := slices.IndexFunc(p.Lines, func(l Line) bool { return newestFirst(l.place, end) > 0 })
	if known >= 0 {
		p.Lines = p.Lines[:known]
	}
	if len(p.Lines) > limit {
		p.Lines = p.Lines[:limit]
		end = p.Lines[limit-1].place
	}
	if end != theEnd {
		p.Next = journal.Place{At: end.At, Log: journal.Provider, Seq: end.Seq}.String()
	}
	return p, nil
}

// theEnd is the place where everything was read: before all events.
var theEnd = journal.Position{}

// newestFirst orders places. The end comes last.
func newestFirst(a, b journal.Position) int {
	if c := b.At.Compare(a.At); c != 0 {
		return c
	}
	switch {
	case a.Seq > b.Seq:
		return -1
	case a.Seq < b.Seq:
		return 1
	}
	return 0
}

// older reports whether a place comes after another in a page; all do after the zero one.
func older(p, than journal.Position) bool {
	return than == journal.Position{} || newestFirst(p, than) > 0
}

func placeOf(e journal.Event) journal.Position { return journal.Position{At: e.At, Seq: e.Seq} }

// reading reads one page.
type reading struct {
	s       *Service
	account string
	from    time.Time
	before  journal.Position // the cursor
	limit   int
	altered int
}

// ask returns the events that were found, and those of them that are as they were written.
func (r *reading) ask(ctx context.Context, q Query) (found, fit []journal.Event, err error) {
	q.Account, q.From = r.account, r.from
	found, err = r.s.c.Events.AccountEvents(ctx, q)
	if err != nil {
		return nil, nil, fmt.Errorf("reading what happened to account %s: %w", r.account, err)
	}
	for _, e := range found {
		if err := r.verify(ctx, e, q.Tries); err != nil {
			r.altered++
			r.s.c.Log.ErrorContext(ctx, "an event was left out of what a person is shown", "event", e.ID, "error", err)
			continue
		}
		fit = append(fit, e)
	}
	return found, fit, nil
}

// verify checks that an event is as it was written, and that it is about the account: a row
// of an index decides nothing.
func (r *reading) verify(ctx context.Context, e journal.Event, tries bool) error {
	if _, err := journal.Open(ctx, nil, e); err != nil { // the log Provider seals nothing
		return err
	}
	if account, tried, ok := About(e); !ok || account != r.account || tried != tries {
		return fmt.Errorf("event %s is not about this account: %w", e.ID, journal.ErrAltered)
	}
	return nil
}
