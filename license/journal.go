package license

import (
	"cmp"
	"context"
	"encoding/hex"

	"yizheng.internal/signing/journal"
)

// EventSearch finds events by what they are. Every driver passes storagetest.EventSearches.
type EventSearch interface {
	// SearchHistory returns the first f.Limit events of licenses that f admits, by
	// time and then by Seq. The subject is the license, the actor the client.
	SearchHistory(ctx context.Context, f journal.Filter) ([]EventRecord, error)
	// SearchApart returns the events without a license, likewise. They have no subject.
	SearchApart(ctx context.Context, f journal.Filter) ([]EventRecord, error)
}

// Journal returns licenses' events, or those without a license, for a list of all
// logs; of one person's presence alone, unless party is empty. Details are opened
// to see that the event is as it was written; of them the list has the person's
// opaque id and, as the subject of an event without a license, the id of the grant
// or the code of the type or item, or the participant to whom a code is delegated.
func (r *Registry) Journal(store EventSearch, log journal.Log, party string) journal.Source {
	search := store.SearchApart
	if log == journal.License {
		search = store.SearchHistory
	}
	return func(ctx context.Context, f journal.Filter) ([]journal.Entry, error) {
		var entries []journal.Entry
		subject := ""
		if log == journal.Registry { // stands in the detail
			subject, f.Subject = f.Subject, ""
		}
		for {
			records, err := search(ctx, f)
			if err != nil {
				return nil, err
			}
			for _, rec := range records {
				if e := r.entry(ctx, log, rec); (party == "" || e.Party == party) && (subject == "" || e.Subject == subject) {
					entries = append(entries, e)
				}
				f.After = journal.Position{At: rec.At, Seq: rec.Seq}
			}
			if len(records) < f.Limit || len(entries) >= f.Limit {
				return entries[:min(len(entries), f.Limit)], nil
			}
		}
	}
}

// entry shows an event. One that can't be opened, or doesn't fit its hash, is shown
// by what stands in its columns.
func (r *Registry) entry(ctx context.Context, log journal.Log, rec EventRecord) journal.Entry {
	e, _, _ := r.OpenEvent(ctx, log, rec)
	return e
}

// OpenEvent opens an event, also one that an archive kept, for a list of all logs,
// with its details. With an error the entry has what stands in the event's columns:
// [signing.ErrNoKey] or [signing.ErrSealed], wrapped, or it doesn't fit its hash.
func (r *Registry) OpenEvent(ctx context.Context, log journal.Log, rec EventRecord) (journal.Entry, map[string]string, error) {
	opened, err := r.openEvent(ctx, rec)
	subject := string(rec.License)
	if subject == "" {
		subject = cmp.Or(opened.Detail["grant"], opened.Detail["type"], opened.Detail["item"], opened.Detail["participant"])
	}
	return journal.Entry{
		Log: log, Seq: rec.Seq, ID: rec.ID, At: rec.At.UTC(), Action: string(rec.Action), Actor: rec.Client, Participant: rec.Participant,
		Subject: subject, Version: rec.Version, Party: opened.Detail["party"], Result: rec.Result,
		Hash: hex.EncodeToString(rec.Hash[:]), Altered: err != nil,
	}.Requested(rec.RequestID), opened.Detail, err
}
