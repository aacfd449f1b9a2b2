package storagetest

import (
	"context"
	"fmt"
	"testing"

	"yizheng.internal/license"
)

// Events tests [license.EventStore].
func Events(t *testing.T, open Open) {
	s := open(t).Licenses
	t.Run("Apart", func(t *testing.T) { eventsApart(t, s) })
	t.Run("WithSave", func(t *testing.T) { eventsWithSave(t, s) })
	t.Run("AllOrNothing", func(t *testing.T) { eventsAllOrNothing(t, s) })
	t.Run("Ended", func(t *testing.T) {
		id := newID()
		is(t, "AppendEvents", s.AppendEvents(ended(), event(id, license.ActionRead)), context.Canceled)
		_, err := s.History(ended(), id, 0, 1)
		is(t, "History", err, context.Canceled)
		_, err = s.Events(ended(), 0, 1)
		is(t, "Events", err, context.Canceled)
		sameEvents(t, "history", pagedHistory(t, s, id, 10))
	})
}

// sameEvents compares events but for their numbers, which must rise.
func sameEvents(t *testing.T, what string, got []license.EventRecord, want ...license.EventRecord) {
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

func pagedHistory(t *testing.T, s license.EventStore, id license.ID, size int) []license.EventRecord {
	t.Helper()
	return paged(t, size, func(last *license.EventRecord) ([]license.EventRecord, error) {
		return s.History(t.Context(), id, seqOf(last), size)
	})
}

func seqOf(e *license.EventRecord) int64 {
	if e == nil {
		return 0
	}
	return e.Seq
}

// eventsApart tests that a license's events and those without a license stand apart.
func eventsApart(t *testing.T, s license.EventStore) {
	ctx := t.Context()
	a, b := newID(), newID()
	var ofA, ofB, ofNone []license.EventRecord
	for i := range 9 {
		ea, eb, none := event(a, license.ActionRead), event(b, license.ActionSearch), event("", license.ActionTypePut)
		none.Version, none.Detail = 0, nil
		ea.Result, ea.At = "license_not_found", at(100-i) // the order is that of saving, not of time
		ofA, ofB, ofNone = append(ofA, ea), append(ofB, eb), append(ofNone, none)
		must(t, "AppendEvents", s.AppendEvents(ctx, ea, none, eb))
	}
	precise := event(a, license.ActionRead)
	precise.At = finer
	must(t, "AppendEvents", s.AppendEvents(ctx, precise))
	precise.At = kept
	ofA = append(ofA, precise)
	must(t, "AppendEvents of none", s.AppendEvents(ctx))

	for _, size := range []int{1, 4, 9, 100} {
		sameEvents(t, "history of a", pagedHistory(t, s, a, size), ofA...)
		sameEvents(t, "history of b", pagedHistory(t, s, b, size), ofB...)
		sameEvents(t, "events", paged(t, size, func(last *license.EventRecord) ([]license.EventRecord, error) {
			return s.Events(ctx, seqOf(last), size)
		}), ofNone...)
	}
	sameEvents(t, "history of nobody", pagedHistory(t, s, newID(), 10))
	// A history by an empty ID is nobody's, not that of the events apart.
	sameEvents(t, "history of no ID", pagedHistory(t, s, "", 10))
	none, err := s.History(ctx, a, 0, 0)
	must(t, "History", err)
	sameEvents(t, "history up to limit 0", none)
}

// eventsWithSave tests that events of changes and others make one history.
func eventsWithSave(t *testing.T, s LicenseStores) {
	first := issue(t, s)
	save(t, s, first)
	read := event(first.Record.ID, license.ActionRead)
	must(t, "AppendEvents", s.AppendEvents(t.Context(), read))
	second := later(t, s, first, 1)
	save(t, s, second)
	sameEvents(t, "history", pagedHistory(t, s, first.Record.ID, 2), first.Event, read, second.Event)
}

// eventsAllOrNothing watches while everyone appends three events at a time:
// no more and no less than all three are ever seen.
func eventsAllOrNothing(t *testing.T, s license.EventStore) {
	id := newID()
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
			h, err := s.History(t.Context(), id, 0, 10*Writers)
			if err == nil && len(h)%3 != 0 {
				err = fmt.Errorf("saw %d events of calls with three", len(h))
			}
			if err != nil {
				watched <- err
				return
			}
		}
	}()
	errs := race(Writers, func(int) error {
		return s.AppendEvents(t.Context(), event(id, license.ActionRead), event(id, license.ActionCredential), event(id, license.ActionHistory))
	})
	close(done)
	must(t, "watching", <-watched)
	for _, err := range errs {
		must(t, "AppendEvents", err)
	}
	same(t, "events", len(pagedHistory(t, s, id, 10)), 3*Writers)
}
