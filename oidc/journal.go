package oidc

import (
	"context"
	"encoding/hex"

	"github.com/emmansun/gmsm/sm3"

	"yizheng.internal/signing/journal"
)

// EventSearch finds events by what they are. Every driver passes storagetest.EventSearches.
type EventSearch interface {
	// SearchEvents returns the first f.Limit events that f admits, by time and
	// then by Seq. The subject is the event's object.
	SearchEvents(ctx context.Context, f journal.Filter) ([]EventRecord, error)
}

// Journal returns the provider's events for a list of all logs.
func Journal(store EventSearch) journal.Source {
	return func(ctx context.Context, f journal.Filter) ([]journal.Entry, error) {
		records, err := store.SearchEvents(ctx, f)
		if err != nil {
			return nil, err
		}
		entries := make([]journal.Entry, 0, len(records))
		for _, r := range records {
			entries = append(entries, journal.Entry{
				Log: journal.Provider, Seq: r.Seq, ID: r.ID, At: r.At.UTC(), Action: r.Action, Actor: r.Actor, Subject: r.Object,
				RequestID: r.RequestID, Result: r.Result, Hash: hex.EncodeToString(r.Hash[:]), Altered: sm3.Sum(r.Canonical()) != r.Hash,
			})
		}
		return entries, nil
	}
}
