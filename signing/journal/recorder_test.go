package journal_test

import (
	"bytes"
	"context"
	"errors"
	"log/slog"
	"slices"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"yizheng.internal/signing/journal"
)

// kept is a store of events.
type kept struct {
	mu    sync.Mutex
	es    []journal.Event
	fails error
}

func (k *kept) AppendEvents(ctx context.Context, es ...journal.Event) error {
	k.mu.Lock()
	defer k.mu.Unlock()
	if ctx.Err() != nil || k.fails != nil {
		return errors.Join(ctx.Err(), k.fails)
	}
	k.es = append(k.es, es...)
	return nil
}

// told returns what the events say.
func (k *kept) told() (all []string) {
	for _, e := range k.es {
		all = append(all, string(e.Action)+" "+e.Subject+" "+e.Result)
	}
	return all
}

var fact = journal.Fact{Actor: journal.Actor{ID: "cli"}, Action: journal.ActionKeyRetire, Subject: "key", RequestID: "r", Result: journal.ResultOK}

func TestRecorderEvent(t *testing.T) {
	r := journal.NewRecorder(journal.Config{Log: journal.Provider, Store: &kept{}})
	e, err := r.Event(t.Context(), fact)
	if err != nil || !e.Fits(journal.Private{}) || e.Form != journal.Present || e.Log != journal.Provider || e.Sealed != nil || len(e.ID) != 26 ||
		e.At.Location() != time.UTC || e.At.Nanosecond()%1000 != 0 || time.Since(e.At) > time.Minute {
		t.Errorf("%+v, %v", e, err)
	}
	if again, err := r.Event(t.Context(), fact); err != nil || again.ID == e.ID || again.Hash == e.Hash {
		t.Errorf("a second one is the same: %+v, %v", again, err)
	}
	for _, f := range []journal.Fact{{Party: "p"}, {Detail: map[string]string{"a": "b"}}, {Version: 1}, {Actor: journal.Actor{ID: "c", Participant: "p"}}} {
		if e, err := r.Event(t.Context(), f); err == nil {
			t.Errorf("the log hashes what it has no columns for: %+v", e)
		}
	}
	unsealed := journal.NewRecorder(journal.Config{Log: journal.Registry, Store: &kept{}})
	if e, err := unsealed.Event(t.Context(), fact); err == nil {
		t.Errorf("an event that nobody could open: %+v", e)
	}
}

func TestRecorderChange(t *testing.T) {
	var k kept
	wrong := errors.New("wrong")
	r := journal.NewRecorder(journal.Config{Log: journal.Provider, Store: &k, Reason: func(err error) string { return err.Error() }})
	ctx, hangUp := context.WithCancel(t.Context())
	defer hangUp()
	for _, failure := range []error{nil, wrong} {
		if err := r.Change(ctx, fact, func() error { hangUp(); return failure }); !errors.Is(err, failure) {
			t.Errorf("the change returned %v, and Change %v", failure, err)
		}
		ctx = t.Context()
	}
	if want := []string{"key.retire key begun", "key.retire key ok", "key.retire key begun", "key.retire key wrong"}; !slices.Equal(k.told(), want) {
		t.Errorf("events %q, want %q", k.told(), want)
	}
	k.fails = errors.New("disk full")
	err := r.Change(ctx, fact, func() error { t.Error("changed without an event"); return nil })
	if !errors.Is(err, journal.ErrUnrecorded) || !errors.Is(err, k.fails) {
		t.Errorf("got %v", err)
	}
}

// What stands whatever becomes of its event is in the log if that can't be written.
func TestRecorderLogs(t *testing.T) {
	var log bytes.Buffer
	k := kept{}
	r := journal.NewRecorder(journal.Config{Log: journal.Provider, Store: &k, Logger: slog.New(slog.NewTextHandler(&log, nil))})
	if err := r.Change(t.Context(), fact, func() error { k.fails = errors.New("disk full"); return nil }); err != nil {
		t.Errorf("what was done is said not to be: %v", err)
	}
	r.Refused(t.Context(), fact)
	if err := r.Record(t.Context(), fact); !errors.Is(err, k.fails) {
		t.Errorf("Record returned %v", err)
	}
	if text := log.String(); strings.Count(text, "disk full") != 2 || !strings.Contains(text, "a refusal could not be recorded") || !strings.Contains(text, "an outcome could not be recorded") {
		t.Errorf("the log has %q", text)
	}
}

// Of a kind, ten a minute leave an event each, and those that follow one together.
func TestRecorderRepeating(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var k kept
		r := journal.NewRecorder(journal.Config{Log: journal.Provider, Store: &k})
		other := fact
		other.Subject = "another"
		for range 100 {
			if err := r.Repeating(t.Context(), fact); err != nil {
				t.Fatal(err)
			}
		}
		if err := r.Repeating(t.Context(), other); err != nil || len(k.es) != journal.RepeatsWritten+1 {
			t.Errorf("%d events, %v", len(k.es), err)
		}
		ctx, stop := context.WithCancel(t.Context())
		stop()
		r.Run(ctx)
		last := k.es[len(k.es)-1]
		if e := last.Entry(journal.Private{}, !last.Fits(journal.Private{})); len(k.es) != journal.RepeatsWritten+2 || e.Merged != 90 || e.Subject != "key" || e.RequestID != "" || e.Altered {
			t.Errorf("%d events, the last one %+v", len(k.es), e)
		}
	})
}
