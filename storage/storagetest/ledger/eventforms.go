package ledger

import (
	"encoding/hex"
	"testing"
	"time"

	"yizheng.internal/signing/journal"
	"yizheng.internal/storage/storagetest/suite"
)

// An eventBefore is an event as the program of commit 383c042 wrote it: before migration
// 86, when an event's row didn't say in which form it was hashed.
type eventBefore struct {
	table   string
	columns []string
	values  []any
	hash    string
	of      journal.Stream
	private journal.Private
}

// eventsBefore are events of each log. The hashes are what that program made of them.
func eventsBefore() []eventBefore {
	at := time.Date(2026, 5, 1, 8, 0, 0, 1000, time.UTC)
	nonce := []byte("0123456789abcdef")
	apart := []string{"id", "at", "action", "client", "participant", "request_id", "version", "result", "detail"}
	return []eventBefore{{
		"history", append([]string{"license"}, apart...),
		[]any{"abcdefghijklmnopqrstuvwxyz", "aaaaaaaaaaaaaaaaaaaaaaaaaa", at, "license.issue", "client", "participant", "r1", 2, "ok", []byte("sealed")},
		"544ab6f2d19a20ebaf575bc11bfa03621c66e9512cd812ae9fd6ddce8770201f",
		journal.Stream{Log: journal.License, License: "abcdefghijklmnopqrstuvwxyz"}, journal.Private{Nonce: nonce},
	}, {
		"events", apart,
		[]any{"bbbbbbbbbbbbbbbbbbbbbbbbbb", at.Add(999 * time.Millisecond), "license.search", "cli:王样例", "", "r<2>", 0, "ok", []byte("sealed")},
		"84d2996eb31be4c5f0e26df54a70fd823c5ff7a5977c4a428edf433303fcdad7",
		journal.Stream{Log: journal.Registry}, journal.Private{Detail: map[string]string{"party": "p", "found": "3", "by": "a&\"\u2028"}, Nonce: nonce},
	}, {
		"provider_events", []string{"id", "at", "action", "actor", "object", "request_id", "result"},
		[]any{"cccccccccccccccccccccccccc", at.Add(999 * time.Microsecond), "client.create", "cli:王样例", "x", "r\"<", "ok"},
		"919a257e90ed4fb794c8fafdc5168999e1345d64a4cef18f10feb47ed6302455",
		journal.Stream{Log: journal.Provider}, journal.Private{},
	}}
}

// EventForms tests that events from before migration 86 are read after it and fit their
// hashes, and that others follow them. Before inserts a row at version 85; migrate brings
// the database up to date.
func EventForms(t *testing.T, before func(table string, columns []string, values []any) error, migrate func() (journal.Store, error)) {
	all := eventsBefore()
	for _, e := range all {
		hash, err := hex.DecodeString(e.hash)
		suite.Must(t, "a hash", err)
		suite.Must(t, "a row of before", before(e.table, append(e.columns, "hash"), append(e.values, hash)))
	}
	s, err := migrate()
	suite.Must(t, "migrating", err)
	for _, old := range all {
		present := recorded(old.of)
		suite.Must(t, "AppendEvents", s.AppendEvents(t.Context(), present))
		es := Listed(t, s, old.of, 10)
		if len(es) != 2 || es[0].Form != journal.FormFirst || es[1].Form != journal.Present {
			t.Fatalf("%s: events %+v", old.table, es)
		}
		e := es[0]
		if !e.Fits(old.private) {
			t.Errorf("%s: an event of before doesn't fit its hash: %+v", old.table, e)
		}
		found, err := s.SearchEvents(t.Context(), old.of.Log, journal.Filter{Result: "ok", Limit: 1, Until: suite.At(0).AddDate(1, 0, 0), From: e.At})
		suite.Must(t, "SearchEvents", err)
		suite.Same(t, "found", found, []journal.Event{e})
		if e.Form = journal.Present; e.Fits(old.private) {
			t.Errorf("%s: the event fits in another form, too", old.table)
		}
	}
}
