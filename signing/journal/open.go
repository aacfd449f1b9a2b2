package journal

import (
	"cmp"
	"context"
	"errors"
	"fmt"

	"github.com/go-json-experiment/json"

	"yizheng.internal/signing/vault"
)

// ErrAltered says that an event doesn't fit its hash, or has a form that this program
// doesn't know.
var ErrAltered = errors.New("it was altered")

// Open opens the private part of an event, which may come from an archive, and checks that
// the event is as it was written. Errors, wrapped: signing.ErrNoKey or signing.ErrSealed if
// the private part doesn't open, and ErrAltered.
func Open(ctx context.Context, vault *vault.Vault, e Event) (p Private, err error) {
	if e.Log != Provider {
		plain, err := vault.Open(ctx, place(e.ID), e.Sealed)
		if err != nil {
			return p, fmt.Errorf("opening event %s: %w", e.ID, err)
		}
		if err := json.Unmarshal(plain, &p); err != nil {
			return p, fmt.Errorf("event %s: its sealed part is none: %w", e.ID, ErrAltered)
		}
	}
	if !e.Fits(p) {
		return p, fmt.Errorf("event %s does not fit its hash: %w", e.ID, ErrAltered)
	}
	return p, nil
}

// Opened opens an event for a list of all logs, and returns its details too. Its errors are
// those of Open; then the entry has only what stands in the event's columns.
func Opened(ctx context.Context, vault *vault.Vault, e Event) (Entry, map[string]string, error) {
	p, err := Open(ctx, vault, e)
	if err != nil {
		p = Private{}
	}
	entry := e.Entry(p, err != nil)
	if e.Log == Registry { // which names what it is about among its details
		entry.Subject = cmp.Or(p.Detail["grant"], p.Detail["type"], p.Detail["item"], p.Detail["participant"])
	}
	return entry, p.Detail, err
}

// SourceOf returns a log for a list of all logs. If party isn't empty, it returns only events
// at which that person was present. It opens the details, to check that each event is as it
// was written. The list shows two of them: the person's opaque id, and the subject of an event
// of the log Registry, which is a grant's id, the code of a type or item, or the participant
// to whom a code is delegated.
func SourceOf(store Store, vault *vault.Vault, log Log, party string) Source {
	return func(ctx context.Context, f Filter) ([]Entry, error) {
		var entries []Entry
		subject := ""
		if log == Registry { // stands among the details
			subject, f.Subject = f.Subject, ""
		}
		for {
			es, err := store.SearchEvents(ctx, log, f)
			if err != nil {
				return nil, err
			}
			for _, e := range es {
				if entry, _, _ := Opened(ctx, vault, e); (party == "" || entry.Party == party) && (subject == "" || entry.Subject == subject) {
					entries = append(entries, entry)
				}
				f.After = Position{At: e.At, Seq: e.Seq}
			}
			if len(es) < f.Limit || len(entries) >= f.Limit {
				return entries[:min(len(entries), f.Limit)], nil
			}
		}
	}
}
