package postgres

import (
	"context"
	"errors"
	"fmt"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/jackc/pgx/v5"

	"yizheng.internal/license"
	"yizheng.internal/license/audit"
	"yizheng.internal/license/credential"
	"yizheng.internal/license/party"
	"yizheng.internal/license/status"
	"yizheng.internal/signing/journal"
)

// Two nodes share nothing but the database: whatever one of them decides in
// memory shows here.
func TestTwoNodes(t *testing.T) {
	t.Parallel()
	address := newDatabase(t)
	nodes := []*DB{openDB(t, Config{URL: address}), openDB(t, Config{URL: address})}
	for _, c := range []struct {
		name   string
		loses  error
		spoils func(r *license.SaveRequest, first license.SaveRequest)
	}{
		{"request", license.ErrRequestTaken, func(r *license.SaveRequest, first license.SaveRequest) {
			r.Request.Keys = first.Request.Keys
		}},
		{"identifier", license.ErrIdentifierTaken, func(r *license.SaveRequest, first license.SaveRequest) {
			r.Lookups[0].Keys = first.Lookups[0].Keys
		}},
		{"number", license.ErrNumberTaken, func(r *license.SaveRequest, first license.SaveRequest) {
			r.Lookups[2].Keys = first.Lookups[2].Keys
		}},
		{"id", license.ErrConflict, func(r *license.SaveRequest, first license.SaveRequest) {
			r.Record.ID, r.Add.License, r.Event.Subject = first.Record.ID, first.Record.ID, string(first.Record.ID)
		}},
	} {
		t.Run(c.name, func(t *testing.T) {
			for range 20 {
				first := newSave()
				race(t, nodes, c.loses, func(db *DB, n int) error {
					r := first
					if n > 0 {
						r = newSave()
						c.spoils(&r, first)
					}
					return db.Licenses().Save(t.Context(), r)
				})
			}
		})
	}
	t.Run("number shared", func(t *testing.T) {
		// The unique index knows exclusive numbers only. Two callers: one wants the
		// number to itself, the other one would share it.
		for range 40 {
			keys := newKeys()
			errs := make([]error, 2)
			var wg sync.WaitGroup
			for i, db := range nodes {
				r := newSave()
				r.Lookups[2].Keys, r.Lookups[2].Exclusive = keys, i == 0
				wg.Go(func() { errs[i] = db.Licenses().Save(t.Context(), r) })
			}
			wg.Wait()
			if loser := errors.Join(errs...); !errors.Is(loser, license.ErrNumberTaken) || errs[0] != nil && errs[1] != nil {
				t.Fatalf("errors are %v, want one ErrNumberTaken", errs)
			}
		}
	})
	t.Run("revision", func(t *testing.T) {
		r := newSave()
		mustSave(t, nodes[0], r)
		for revision := range int64(20) {
			race(t, nodes, license.ErrConflict, func(db *DB, _ int) error {
				return db.Licenses().Save(t.Context(), changeOf(r, revision+1))
			})
		}
	})
}

// race lets four callers of two nodes do the same at once. One wins.
func race(t *testing.T, nodes []*DB, loses error, do func(db *DB, n int) error) {
	t.Helper()
	errs := make([]error, 4)
	var wg sync.WaitGroup
	for i := range errs {
		wg.Go(func() { errs[i] = do(nodes[i%2], i) })
	}
	wg.Wait()
	won := 0
	for _, err := range errs {
		if err == nil {
			won++
		} else if !errors.Is(err, loses) {
			t.Errorf("a loser got %v, want %v", err, loses)
		}
	}
	if won != 1 {
		t.Errorf("%d of the callers won, want 1", won)
	}
}

// TestKilledBackends ends all server processes of a database while 8 writers save
// licenses: each gets an answer or ErrUnavailable, and what was answered is there.
func TestKilledBackends(t *testing.T) {
	t.Parallel()
	address := newDatabase(t)
	db := openDB(t, Config{URL: address})
	kill := "SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE datname = '" + databaseOf(t, address) + "'"

	const rounds = 5
	var killed atomic.Int64
	var answered atomic.Int64
	var unavailable atomic.Int64
	var mu sync.Mutex
	saved := map[audit.ID]bool{} // whether it was answered
	var wg sync.WaitGroup
	for range 8 {
		wg.Go(func() {
			for killed.Load() < rounds {
				r := newSave()
				err := db.Licenses().Save(context.Background(), r)
				mu.Lock()
				saved[r.Record.ID] = err == nil
				mu.Unlock()
				switch {
				case err == nil:
					answered.Add(1)
				case errors.Is(err, license.ErrUnavailable):
					unavailable.Add(1)
				default:
					t.Errorf("Save: %v, want nil or ErrUnavailable", err)
				}
			}
		})
	}
	for range rounds {
		before := answered.Load()
		for deadline := time.Now().Add(10 * time.Second); answered.Load() < before+20 && time.Now().Before(deadline); {
			time.Sleep(time.Millisecond)
		}
		admin(t, kill)
		killed.Add(1)
	}
	wg.Wait()
	if n := db.engine.Conns.Stat().NewConnsCount(); n < rounds || answered.Load() < 20*rounds {
		t.Errorf("%d answered, %d unavailable, %d connections: no kill hit, or nothing worked after one", answered.Load(), unavailable.Load(), n)
	}
	for id, answered := range saved {
		whole(t, db, id, answered)
	}
}

// whole checks that of a license everything is there, or nothing unless it must be.
func whole(t *testing.T, db *DB, id audit.ID, must bool) {
	t.Helper()
	_, _, err := db.Licenses().Load(t.Context(), id, 0)
	h, herr := db.Journal().ListEvents(t.Context(), journal.Stream{Log: journal.License, License: string(id)}, 0, 10)
	switch {
	case herr != nil:
		t.Error(herr)
	case err == nil && len(h) == 1, !must && errors.Is(err, license.ErrNotFound) && len(h) == 0:
	default:
		t.Errorf("license %s, answered %v: Load says %v, and its history has %d events", id, must, err, len(h))
	}
}

// TestDeadlock makes a transaction wait for one that waits for it. It loses,
// runs again and succeeds.
func TestDeadlock(t *testing.T) {
	t.Parallel()
	address := newDatabase(t)
	db := openDB(t, Config{URL: address})
	a, b := newSave(), newSave()
	mustSave(t, db, a)
	mustSave(t, db, b)
	other, err := pgx.Connect(t.Context(), address)
	if err != nil {
		t.Fatal(err)
	}
	defer other.Close(context.Background())
	lock := func(id audit.ID) error {
		_, err := other.Exec(t.Context(), `SELECT id FROM licenses WHERE id = $1 FOR UPDATE`, id)
		return err
	}
	// The other one looks for deadlocks too late to be the one that loses.
	if _, err := other.Exec(t.Context(), `SET deadlock_timeout = '1min'; BEGIN`); err != nil {
		t.Fatal(err)
	}
	if err := lock(b.Record.ID); err != nil {
		t.Fatal(err)
	}
	runs := 0
	locked := make(chan error, 1)
	err = db.engine.InTx(t.Context(), func(ctx context.Context, tx *pgx.Conn) error {
		if _, err := tx.Exec(ctx, `SELECT id FROM licenses WHERE id = $1 FOR UPDATE`, a.Record.ID); err != nil {
			return err
		}
		if runs++; runs == 1 {
			go func() {
				err := lock(a.Record.ID)
				if err == nil {
					_, err = other.Exec(t.Context(), "COMMIT")
				}
				locked <- err
			}()
		}
		_, err := tx.Exec(ctx, `UPDATE licenses SET state = 'ended' WHERE id = $1`, b.Record.ID)
		return err
	})
	if err != nil || runs < 2 {
		t.Errorf("after %d runs: %v, want a second run that succeeds", runs, err)
	}
	if err := <-locked; err != nil {
		t.Errorf("the other transaction: %v", err)
	}
}

// TestFollow pages through events while others append them: a reader that goes on
// from the last event it saw must see all, also those whose transaction drew an
// early number and committed late.
func TestFollow(t *testing.T) {
	t.Parallel()
	db := openDB(t, Config{URL: newDatabase(t)})
	s := db.Journal()
	const writers, each = 8, 30
	for name, stream := range map[string]struct {
		id audit.ID
		of journal.Stream
	}{
		"history": {"followed", journal.Stream{Log: journal.License, License: "followed"}},
		"events":  {"", journal.Stream{Log: journal.Registry}},
	} {
		t.Run(name, func(t *testing.T) {
			var wg sync.WaitGroup
			for range writers {
				wg.Go(func() {
					for range each {
						// Two events, so that a transaction lasts between number and commit.
						if err := s.AppendEvents(t.Context(), newEvent(stream.id), newEvent(stream.id)); err != nil {
							t.Error(err)
						}
					}
				})
			}
			done := make(chan struct{})
			go func() { wg.Wait(); close(done) }()
			seen, last := 0, int64(0)
			for finished := false; ; {
				es, err := s.ListEvents(t.Context(), stream.of, last, 7)
				if err != nil {
					t.Fatal(err)
				}
				for _, e := range es {
					if e.Seq <= last {
						t.Fatalf("event %d follows event %d", e.Seq, last)
					}
					last = e.Seq
				}
				if seen += len(es); len(es) > 0 {
					continue
				}
				if finished {
					break
				}
				select {
				case <-done:
					finished = true
				default:
				}
			}
			if want := writers * each * 2; seen != want {
				t.Errorf("a reader that followed saw %d events, want %d", seen, want)
			}
		})
	}
}

// TestStatusOrder lets callers change the same entries in different orders: none
// waits for one that waits for it.
func TestStatusOrder(t *testing.T) {
	t.Parallel()
	db := openDB(t, Config{URL: newDatabase(t)})
	s := db.Licenses()
	list, _, err := s.Reserve(t.Context(), []int{1, 2, 17, 18}, 100, epoch)
	if err != nil {
		t.Fatal(err)
	}
	var wg sync.WaitGroup
	for i := range 16 {
		wg.Go(func() {
			for n := range 5 {
				r := newSave()
				order := []int{1, 2, 17, 18}
				if i%2 == 1 {
					order = []int{18, 17, 2, 1}
				}
				for _, index := range order {
					r.Status = append(r.Status, status.Change{List: list, Index: index, Value: credential.StatusValue((i + n) % 4)})
				}
				if err := s.Save(t.Context(), r); err != nil {
					t.Error(err)
				}
			}
		})
	}
	wg.Wait()
}

// Times and dates of every year that a license may name come back.
func TestYears(t *testing.T) {
	t.Parallel()
	db := openDB(t, Config{URL: newDatabase(t)})
	for _, year := range []int{1, 1582, 1949, 9999} {
		t.Run(fmt.Sprint(year), func(t *testing.T) {
			r := newSave()
			day, err := party.NewDate(year, time.February, 28)
			if err != nil {
				t.Fatal(err)
			}
			r.Add.ValidFrom, r.Add.ValidUntil = day, day.AddDays(1)
			mustSave(t, db, r)
			_, v, err := db.Licenses().Load(t.Context(), r.Record.ID, 1)
			if err != nil || v.ValidFrom != r.Add.ValidFrom || v.ValidUntil != r.Add.ValidUntil {
				t.Errorf("dates %v to %v came back as %v to %v: %v", r.Add.ValidFrom, r.Add.ValidUntil, v.ValidFrom, v.ValidUntil, err)
			}
		})
	}
}
