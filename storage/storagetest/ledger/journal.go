// Package ledger has the suites of what an installation proves itself by: its events in all three logs,
// keys, revocation lists and settings. Other rooms make and compare events with it.
package ledger

import (
	"context"
	"fmt"
	"testing"

	"yizheng.internal/license/audit"
	"yizheng.internal/signing/journal"
	"yizheng.internal/storage/storagetest/suite"
)

// Journal tests [journal.Store].
func Journal(t *testing.T, open suite.Open) {
	s := open(t).Journal
	a, b := string(suite.NewID()), string(suite.NewID())
	streams := map[string]journal.Stream{
		"Provider": {Log: journal.Provider}, "Registry": {Log: journal.Registry},
		"License": {Log: journal.License, License: a}, "AnotherLicense": {Log: journal.License, License: b},
	}
	for name, of := range streams {
		t.Run(name, func(t *testing.T) { journalStream(t, s, of) })
	}
	t.Run("Forms", func(t *testing.T) { journalForms(t, s) })
	t.Run("AllOrNothing", func(t *testing.T) { journalAllOrNothing(t, s) })
	t.Run("Nobody's", func(t *testing.T) {
		for _, of := range []journal.Stream{{Log: journal.License}, {Log: journal.License, License: string(suite.NewID())}} {
			suite.Same(t, "events", len(Listed(t, s, of, 10)), 0)
		}
	})
	t.Run("NoLog", func(t *testing.T) {
		e := recorded(journal.Stream{Log: journal.Provider})
		before := len(Listed(t, s, streams["Provider"], 100))
		lost := e
		lost.Log = "elsewhere"
		if err := s.AppendEvents(t.Context(), e, lost); err == nil {
			t.Error("an event of no log was stored")
		}
		suite.Same(t, "events beside it", len(Listed(t, s, streams["Provider"], 100)), before)
		if _, err := s.ListEvents(t.Context(), journal.Stream{Log: "elsewhere"}, 0, 1); err == nil {
			t.Error("no log was listed")
		}
		if _, err := s.SearchEvents(t.Context(), "elsewhere", journal.Filter{Limit: 1}); err == nil {
			t.Error("no log was searched")
		}
	})
}

// recorded makes an event of a stream that isn't stored, with all that its log keeps.
func recorded(of journal.Stream) journal.Event {
	e := journal.Event{
		Log: of.Log, Form: journal.Present, ID: suite.NewText(), At: suite.At(0), Action: journal.ActionClientCreate, Actor: journal.Actor{ID: suite.NewText()},
		RequestID: suite.NewText(), Result: journal.ResultOK, Hash: suite.NewHash(),
	}
	switch of.Log {
	case journal.Provider:
		e.Subject = suite.NewText()
	case journal.License:
		e.Subject, e.Version = of.License, 3
		fallthrough
	default:
		e.Actor.Participant, e.Sealed = suite.NewText(), []byte(suite.NewText())
	}
	return e
}

// Listed returns the events of a stream, read in pages.
func Listed(t *testing.T, s journal.Store, of journal.Stream, size int) []journal.Event {
	t.Helper()
	return suite.Paged(t, size, func(last *journal.Event) ([]journal.Event, error) {
		var after int64
		if last != nil {
			after = last.Seq
		}
		return s.ListEvents(t.Context(), of, after, size)
	})
}

// SameEvents compares events but for their numbers, which must rise.
func SameEvents(t *testing.T, what string, got []journal.Event, want ...journal.Event) {
	t.Helper()
	if len(got) != len(want) {
		t.Errorf("%s: %d events, want %d", what, len(got), len(want))
		return
	}
	for i, e := range got {
		if i > 0 && e.Seq <= got[i-1].Seq {
			t.Errorf("%s: event %d follows event %d", what, e.Seq, got[i-1].Seq)
		}
		e.Seq = want[i].Seq
		suite.Same(t, fmt.Sprintf("%s: event %d", what, i), e, want[i])
	}
}

func journalStream(t *testing.T, s journal.Store, of journal.Stream) {
	ctx := t.Context()
	var want []journal.Event
	for i := range 5 {
		a, b := recorded(of), recorded(of)
		a.At, b.At = suite.Finer, suite.At(10-i) // the order is that of saving, not of time
		suite.Must(t, "AppendEvents", s.AppendEvents(ctx, a, b))
		a.At = suite.Kept
		want = append(want, a, b)
	}
	suite.Must(t, "AppendEvents of none", s.AppendEvents(ctx))
	for _, size := range []int{1, 3, 10, 100} {
		SameEvents(t, "events", Listed(t, s, of, size), want...)
	}
	for _, err := range suite.Race(suite.Writers, func(int) error { return s.AppendEvents(ctx, recorded(of), recorded(of)) }) {
		suite.Must(t, "AppendEvents", err)
	}
	suite.Same(t, "events after a race", len(Listed(t, s, of, 7)), len(want)+2*suite.Writers)

	suite.Is(t, "AppendEvents", s.AppendEvents(suite.Ended(), recorded(of)), context.Canceled)
	_, err := s.ListEvents(suite.Ended(), of, 0, 1)
	suite.Is(t, "ListEvents", err, context.Canceled)
	suite.Same(t, "events after that", len(Listed(t, s, of, 100)), len(want)+2*suite.Writers)
	none, err := s.ListEvents(ctx, of, 0, 0)
	suite.Must(t, "ListEvents", err)
	suite.Same(t, "events up to limit 0", len(none), 0)
}

// journalForms tests that each event keeps its form, in lists and in searches.
func journalForms(t *testing.T, s journal.Store) {
	for _, log := range journal.Logs {
		of := journal.Stream{Log: log}
		if log == journal.License {
			of.License = string(suite.NewID())
		}
		actor := suite.NewText()
		var want []journal.Event
		for _, form := range []journal.Form{journal.FormFirst, journal.Present, 1000} {
			e := recorded(of)
			e.Form, e.Actor.ID = form, actor
			want = append(want, e)
		}
		suite.Must(t, "AppendEvents", s.AppendEvents(t.Context(), want...))
		all := Listed(t, s, of, 100)
		SameEvents(t, string(log), all[len(all)-len(want):], want...)
		found, err := s.SearchEvents(t.Context(), log, journal.Filter{Actor: actor, Limit: 10})
		suite.Must(t, "SearchEvents", err)
		SameEvents(t, string(log)+", found", found, want...)
	}
}

// journalAllOrNothing watches a license's history while everyone appends three events of
// it at a time, and one of each other log: no more and no less than all are ever seen.
func journalAllOrNothing(t *testing.T, s journal.Store) {
	of := journal.Stream{Log: journal.License, License: string(suite.NewID())}
	done := make(chan struct{})
	watched := make(chan error, 1)
	go func() {
		for {
			select {
			case <-done:
				watched <- nil
				return
			default:
			}
			h, err := s.ListEvents(t.Context(), of, 0, 10*suite.Writers)
			if err == nil && len(h)%3 != 0 {
				err = fmt.Errorf("saw %d events of calls with three", len(h))
			}
			if err != nil {
				watched <- err
				return
			}
		}
	}()
	apart := len(Listed(t, s, journal.Stream{Log: journal.Registry}, 100))
	errs := suite.Race(suite.Writers, func(int) error {
		return s.AppendEvents(t.Context(), recorded(of), recorded(journal.Stream{Log: journal.Provider}), recorded(of),
			recorded(journal.Stream{Log: journal.Registry}), recorded(of))
	})
	close(done)
	suite.Must(t, "watching", <-watched)
	for _, err := range errs {
		suite.Must(t, "AppendEvents", err)
	}
	suite.Same(t, "events", len(Listed(t, s, of, 10)), 3*suite.Writers)
	suite.Same(t, "events apart", len(Listed(t, s, journal.Stream{Log: journal.Registry}, 100)), apart+suite.Writers)
}

// HistoryOf is the stream of a license's history.
func HistoryOf(id audit.ID) journal.Stream {
	return journal.Stream{Log: journal.License, License: string(id)}
}

// Event makes an event about a license, or about none.
func Event(id audit.ID, a journal.Action) journal.Event {
	e := journal.Event{Log: journal.License, Form: journal.Present, ID: suite.NewText(), At: suite.At(0), Action: a, Actor: journal.Actor{ID: "client-1", Participant: suite.NewText()}, RequestID: suite.NewText(),
		Subject: string(id), Version: 1, Result: "ok", Sealed: []byte("sealed detail"), Hash: suite.NewHash(),
	}
	if id == "" {
		e.Log = journal.Registry
	}
	return e
}

// ProviderEvent makes an event that isn't stored.
func ProviderEvent() journal.Event {
	return journal.Event{Log: journal.Provider, ID: suite.NewText(), At: suite.At(3), Action: "session.create", Actor: journal.Actor{ID: suite.NewText()}, Subject: suite.NewText(),
		RequestID: suite.NewText(), Result: "ok", Hash: suite.NewHash()}
}

// SameProviderEvents compares all events of a database but for their numbers.
func SameProviderEvents(t *testing.T, s journal.Store, want []journal.Event) {
	t.Helper()
	SameEvents(t, "events", Listed(t, s, journal.Stream{Log: journal.Provider}, 1000), want...)
}
