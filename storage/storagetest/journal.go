package storagetest

import (
	"context"
	"fmt"
	"testing"

	"yizheng.internal/license/audit"
	"yizheng.internal/signing/journal"
)

// Journal tests [journal.Store].
func Journal(t *testing.T, open Open) {
	d := open(t)
	s := d.Journal
	a, b := string(newID()), string(newID())
	streams := map[string]journal.Stream{
		"Provider": {Log: journal.Provider}, "Registry": {Log: journal.Registry},
		"License": {Log: journal.License, License: a}, "AnotherLicense": {Log: journal.License, License: b},
	}
	for name, of := range streams {
		t.Run(name, func(t *testing.T) { journalStream(t, s, of) })
	}
	t.Run("WithSave", func(t *testing.T) { eventsWithSave(t, d.licensing()) })
	t.Run("Forms", func(t *testing.T) { journalForms(t, s) })
	t.Run("AllOrNothing", func(t *testing.T) { journalAllOrNothing(t, s) })
	t.Run("Nobody's", func(t *testing.T) {
		for _, of := range []journal.Stream{{Log: journal.License}, {Log: journal.License, License: string(newID())}} {
			same(t, "events", len(listed(t, s, of, 10)), 0)
		}
	})
	t.Run("NoLog", func(t *testing.T) {
		e := recorded(journal.Stream{Log: journal.Provider})
		before := len(listed(t, s, streams["Provider"], 100))
		lost := e
		lost.Log = "elsewhere"
		if err := s.AppendEvents(t.Context(), e, lost); err == nil {
			t.Error("an event of no log was stored")
		}
		same(t, "events beside it", len(listed(t, s, streams["Provider"], 100)), before)
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
		Log: of.Log, Form: journal.Present, ID: newText(), At: at(0), Action: journal.ActionClientCreate, Actor: journal.Actor{ID: newText()},
		RequestID: newText(), Result: journal.ResultOK, Hash: newHash(),
	}
	switch of.Log {
	case journal.Provider:
		e.Subject = newText()
	case journal.License:
		e.Subject, e.Version = of.License, 3
		fallthrough
	default:
		e.Actor.Participant, e.Sealed = newText(), []byte(newText())
	}
	return e
}

// listed returns the events of a stream, read in pages.
func listed(t *testing.T, s journal.Store, of journal.Stream, size int) []journal.Event {
	t.Helper()
	return paged(t, size, func(last *journal.Event) ([]journal.Event, error) {
		var after int64
		if last != nil {
			after = last.Seq
		}
		return s.ListEvents(t.Context(), of, after, size)
	})
}

// sameEvents compares events but for their numbers, which must rise.
func sameEvents(t *testing.T, what string, got []journal.Event, want ...journal.Event) {
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
		same(t, fmt.Sprintf("%s: event %d", what, i), e, want[i])
	}
}

func journalStream(t *testing.T, s journal.Store, of journal.Stream) {
	ctx := t.Context()
	var want []journal.Event
	for i := range 5 {
		a, b := recorded(of), recorded(of)
		a.At, b.At = finer, at(10-i) // the order is that of saving, not of time
		must(t, "AppendEvents", s.AppendEvents(ctx, a, b))
		a.At = kept
		want = append(want, a, b)
	}
	must(t, "AppendEvents of none", s.AppendEvents(ctx))
	for _, size := range []int{1, 3, 10, 100} {
		sameEvents(t, "events", listed(t, s, of, size), want...)
	}
	for _, err := range race(Writers, func(int) error { return s.AppendEvents(ctx, recorded(of), recorded(of)) }) {
		must(t, "AppendEvents", err)
	}
	same(t, "events after a race", len(listed(t, s, of, 7)), len(want)+2*Writers)

	is(t, "AppendEvents", s.AppendEvents(ended(), recorded(of)), context.Canceled)
	_, err := s.ListEvents(ended(), of, 0, 1)
	is(t, "ListEvents", err, context.Canceled)
	same(t, "events after that", len(listed(t, s, of, 100)), len(want)+2*Writers)
	none, err := s.ListEvents(ctx, of, 0, 0)
	must(t, "ListEvents", err)
	same(t, "events up to limit 0", len(none), 0)
}

// journalForms tests that each event keeps its form, in lists and in searches.
func journalForms(t *testing.T, s journal.Store) {
	for _, log := range journal.Logs {
		of := journal.Stream{Log: log}
		if log == journal.License {
			of.License = string(newID())
		}
		actor := newText()
		var want []journal.Event
		for _, form := range []journal.Form{journal.FormFirst, journal.Present, 1000} {
			e := recorded(of)
			e.Form, e.Actor.ID = form, actor
			want = append(want, e)
		}
		must(t, "AppendEvents", s.AppendEvents(t.Context(), want...))
		all := listed(t, s, of, 100)
		sameEvents(t, string(log), all[len(all)-len(want):], want...)
		found, err := s.SearchEvents(t.Context(), log, journal.Filter{Actor: actor, Limit: 10})
		must(t, "SearchEvents", err)
		sameEvents(t, string(log)+", found", found, want...)
	}
}

// journalAllOrNothing watches a license's history while everyone appends three events of
// it at a time, and one of each other log: no more and no less than all are ever seen.
func journalAllOrNothing(t *testing.T, s journal.Store) {
	of := journal.Stream{Log: journal.License, License: string(newID())}
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
			h, err := s.ListEvents(t.Context(), of, 0, 10*Writers)
			if err == nil && len(h)%3 != 0 {
				err = fmt.Errorf("saw %d events of calls with three", len(h))
			}
			if err != nil {
				watched <- err
				return
			}
		}
	}()
	apart := len(listed(t, s, journal.Stream{Log: journal.Registry}, 100))
	errs := race(Writers, func(int) error {
		return s.AppendEvents(t.Context(), recorded(of), recorded(journal.Stream{Log: journal.Provider}), recorded(of),
			recorded(journal.Stream{Log: journal.Registry}), recorded(of))
	})
	close(done)
	must(t, "watching", <-watched)
	for _, err := range errs {
		must(t, "AppendEvents", err)
	}
	same(t, "events", len(listed(t, s, of, 10)), 3*Writers)
	same(t, "events apart", len(listed(t, s, journal.Stream{Log: journal.Registry}, 100)), apart+Writers)
}

// historyOf is the stream of a license's history.
func historyOf(id audit.ID) journal.Stream {
	return journal.Stream{Log: journal.License, License: string(id)}
}

// eventsWithSave tests that events of changes and others make one history.
func eventsWithSave(t *testing.T, s licensing) {
	first := issue(t, s)
	save(t, s, first)
	read := event(first.Record.ID, journal.ActionLicenseRead)
	must(t, "AppendEvents", s.AppendEvents(t.Context(), read))
	second := later(t, s, first, 1)
	save(t, s, second)
	sameEvents(t, "history", listed(t, s, historyOf(first.Record.ID), 2), first.Event, read, second.Event)
}
