package postgres

import (
	"context"
	"crypto/rand"
	"errors"
	"fmt"
	"slices"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"yizheng.internal/license"
	"yizheng.internal/license/audit"
	"yizheng.internal/license/credential"
	"yizheng.internal/signing"
	"yizheng.internal/signing/journal"
)

var epoch = time.Date(2026, 3, 1, 9, 30, 0, 0, time.UTC)

// newSave makes a request for a new license with everything that an issued one has.
func newSave() license.SaveRequest {
	id := audit.ID("a" + strings.ToLower(rand.Text())[:25])
	return license.SaveRequest{
		Record: license.Record{ID: id, Type: "11100000000013338W032", Authority: "11990100MB1234567X", Version: 1,
			State: license.Active, Created: epoch, Updated: epoch},
		Add: &license.VersionRecord{License: id, Version: 1, State: license.Active, TypeVersion: 1,
			Origin: credential.OriginAuthority, TrustGrade: credential.GradeA, Issued: epoch,
			Body: make([]byte, 900), Credential: make([]byte, 3000), HolderKey: make([]byte, 200)},
		Lookups: []license.LookupRow{
			{Kind: license.LookupIdentifier, Keys: newKeys()},
			{Kind: license.LookupVerification, Keys: newKeys()},
			{Kind: license.LookupNumber, Keys: newKeys(), Exclusive: true},
			{Kind: license.LookupHolder, Keys: newKeys()},
		},
		Event: newEvent(id),
		Request: &license.Request{Keys: newKeys(), License: id, Version: 1, State: license.Active,
			Created: epoch},
	}
}

// changeOf makes a request to suspend a saved license.
func changeOf(r license.SaveRequest, revision int64) license.SaveRequest {
	c := license.SaveRequest{Record: r.Record, Event: newEvent(r.Record.ID),
		States: []license.VersionState{{Version: 1, State: license.Suspended}}}
	c.Record.Revision, c.Record.State = revision, license.Suspended
	return c
}

func newEvent(id audit.ID) journal.Event {
	e := journal.Event{Log: journal.License, ID: rand.Text(), At: epoch, Action: journal.ActionLicenseIssue, Actor: journal.Actor{ID: "client", Participant: "participant"},
		Subject: string(id), Version: 1, Result: "ok", Sealed: make([]byte, 60)}
	if id == "" {
		e.Log = journal.Registry
	}
	return e
}

func newKeys() []signing.Lookup {
	l := signing.Lookup{Serial: 1}
	rand.Read(l.Sum[:])
	return []signing.Lookup{l}
}

func mustSave(t testing.TB, db *DB, r license.SaveRequest) {
	t.Helper()
	if err := db.Licenses().Save(t.Context(), r); err != nil {
		t.Fatal(err)
	}
}

func TestSteps(t *testing.T) {
	t.Parallel()
	var steps []string
	db := openDB(t, Config{URL: newDatabase(t), Step: func(s string) { steps = append(steps, s) }})
	r := newSave()
	mustSave(t, db, r)
	if want := []string{"tx.begin", "tx.write", "tx.commit", "tx.committed"}; !slices.Equal(steps, want) {
		t.Errorf("steps of a transaction are %q, want %q", steps, want)
	}
	steps = nil
	if err := db.Licenses().Save(t.Context(), r); !errors.Is(err, license.ErrRequestTaken) {
		t.Errorf("saving again: %v", err)
	}
	if want := []string{"tx.begin"}; !slices.Equal(steps, want) {
		t.Errorf("steps of a refused one are %q, want %q", steps, want)
	}
}

// A caller that goes away takes nothing back: what was under way completes, and
// the connection stays usable.
func TestCancelUnderWay(t *testing.T) {
	t.Parallel()
	address := newDatabase(t)
	for _, step := range []string{"tx.begin", "tx.write", "tx.commit"} {
		t.Run(step, func(t *testing.T) {
			ctx, cancel := context.WithCancel(t.Context())
			db := openDB(t, Config{URL: address, MaxConns: 1, Step: func(s string) {
				if s == step {
					cancel()
				}
			}})
			r := newSave()
			if err := db.Licenses().Save(ctx, r); err != nil {
				t.Errorf("Save: %v", err)
			}
			if _, _, err := db.Licenses().Load(t.Context(), r.Record.ID, 0); err != nil {
				t.Errorf("what was saved isn't there: %v", err)
			}
			if err := db.Licenses().Save(ctx, newSave()); !errors.Is(err, context.Canceled) {
				t.Errorf("Save after its context ended: %v", err)
			}
			if n := db.engine.Conns.Stat().NewConnsCount(); n != 1 {
				t.Errorf("needed %d connections, want 1", n)
			}
		})
	}
}

// BenchmarkSave issues licenses; writers share the disk's commits.
func BenchmarkSave(b *testing.B) {
	for _, writers := range []int{1, 64} {
		b.Run(fmt.Sprintf("writers=%d", writers), func(b *testing.B) {
			db := openDB(b, Config{URL: newDatabase(b), MaxConns: 32})
			rs := make([]license.SaveRequest, b.N)
			for i := range rs {
				rs[i] = newSave()
			}
			var next atomic.Int64
			errs := make(chan error, writers)
			b.ResetTimer()
			for range writers {
				go func() {
					for {
						i := next.Add(1) - 1
						if i >= int64(len(rs)) {
							errs <- nil
							return
						}
						if err := db.Licenses().Save(b.Context(), rs[i]); err != nil {
							errs <- err
							return
						}
					}
				}()
			}
			for range writers {
				if err := <-errs; err != nil {
					b.Fatal(err)
				}
			}
			b.ReportMetric(float64(b.N)/b.Elapsed().Seconds(), "licenses/s")
		})
	}
}
