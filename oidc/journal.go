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
			entries = append(entries, r.Entry())
		}
		return entries, nil
	}
}

// Entry returns the event for a list of all logs.
func (e EventRecord) Entry() journal.Entry {
	return journal.Entry{
		Log: journal.Provider, Seq: e.Seq, ID: e.ID, At: e.At.UTC(), Action: e.Action, Actor: e.Actor, Subject: e.Object,
		Result: e.Result, Hash: hex.EncodeToString(e.Hash[:]), Altered: sm3.Sum(e.Canonical()) != e.Hash,
	}.Requested(e.RequestID)
}
