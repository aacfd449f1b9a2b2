package registry_test

import (
	"context"
	"errors"
	"testing"
	"time"

	"yizheng.internal/license/library"
	"yizheng.internal/signing"
	"yizheng.internal/signing/journal"
)

// altering is a store of events whose rows somebody altered.
type altering struct {
	journal.Store
	alter func(*journal.Event)
}

func (s altering) ListEvents(ctx context.Context, of journal.Stream, after int64, limit int) ([]journal.Event, error) {
	return s.altered(s.Store.ListEvents(ctx, of, after, limit))
}

func (s altering) SearchEvents(ctx context.Context, log journal.Log, f journal.Filter) ([]journal.Event, error) {
	return s.altered(s.Store.SearchEvents(ctx, log, f))
}

func (s altering) altered(es []journal.Event, err error) ([]journal.Event, error) {
	for i := range es {
		s.alter(&es[i])
	}
	return es, err
}

// A history with an event that somebody altered is refused, and a list of all logs marks
// the event.
func TestAlteredEvents(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	out := w.IssueOne(t, "1")
	another := w.Events(t, w.IssueOne(t, "2").ID)
	if len(another) != 1 {
		t.Fatalf("%d events of an issue", len(another))
	}
	for name, test := range map[string]struct {
		alter func(*journal.Event)
		want  error // nil: nothing is wrong
	}{
		"as it is":                {func(*journal.Event) {}, nil},
		"another number":          {func(e *journal.Event) { e.Seq++ }, nil}, // the store gives it: it isn't hashed
		"another action":          {func(e *journal.Event) { e.Action = journal.ActionLicenseRead }, journal.ErrAltered},
		"another client":          {func(e *journal.Event) { e.Actor.ID = "another" }, journal.ErrAltered},
		"another participant":     {func(e *journal.Event) { e.Actor.Participant = "another" }, journal.ErrAltered},
		"another license":         {func(e *journal.Event) { e.Subject = string(another[0].License) }, journal.ErrAltered},
		"another version":         {func(e *journal.Event) { e.Version++ }, journal.ErrAltered},
		"another request":         {func(e *journal.Event) { e.RequestID = "another" }, journal.ErrAltered},
		"another result":          {func(e *journal.Event) { e.Result = "refused" }, journal.ErrAltered},
		"another time":            {func(e *journal.Event) { e.At = e.At.Add(time.Microsecond) }, journal.ErrAltered},
		"another form":            {func(e *journal.Event) { e.Form = journal.FormFirst }, journal.ErrAltered},
		"a form that isn't there": {func(e *journal.Event) { e.Form = 99 }, journal.ErrAltered},
		"another hash":            {func(e *journal.Event) { e.Hash[0] ^= 1 }, journal.ErrAltered},
		"another id":              {func(e *journal.Event) { e.ID = another[0].ID }, signing.ErrSealed},
		"nothing sealed":          {func(e *journal.Event) { e.Sealed = nil }, signing.ErrSealed},
	} {
		store := altering{w.DB.Journal(), test.alter}
		r, err := library.New(t.Context(), config(w.DB.Licenses(), store, w.In))
		if err != nil {
			t.Fatal(err)
		}
		if _, err := r.Registry.History(t.Context(), issuer, out.ID, 0, 1); !errors.Is(err, test.want) {
			t.Errorf("%s: the history is told with %v, want %v", name, err, test.want)
		}
		entries, err := journal.SourceOf(store, w.In.Vault(), journal.License, "")(t.Context(), journal.Filter{Limit: 1})
		if err != nil || len(entries) != 1 || entries[0].Altered != (test.want != nil) {
			t.Errorf("%s: listed as %+v, %v", name, entries, err)
		}
	}
}
