package postgres

import (
	"context"
	"errors"
	"sync"
	"testing"
	"time"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgxpool"

	"yizheng.internal/license"
	"yizheng.internal/storage/postgres/engine"
)

// TestGroupLeaving: whoever leaves while its job waits for a writer, or the writer
// for a connection, has written nothing; the others are not disturbed.
func TestGroupLeaving(t *testing.T) {
	t.Parallel()
	db := openDB(t, Config{URL: newDatabase(t), MaxConns: 2})
	for _, waiting := range []string{"for a writer", "for a connection"} {
		t.Run(waiting, func(t *testing.T) {
			begin := db.records.Issues.Hold()
			leaving, leave := context.WithCancel(t.Context())
			soon, cancel := context.WithTimeout(t.Context(), 300*time.Millisecond)
			defer cancel()
			contexts := []context.Context{t.Context(), leaving, soon, t.Context()}
			wants := []error{nil, context.Canceled, context.DeadlineExceeded, nil}
			rs, errs := make([]license.SaveRequest, 4), make([]error, 4)
			var stay, gone sync.WaitGroup
			for i := range rs {
				rs[i] = newSave()
				wg := &stay
				if wants[i] != nil {
					wg = &gone
				}
				wg.Go(func() { errs[i] = db.Licenses().Save(contexts[i], rs[i]) })
			}
			await(t, db.records.Issues, 4)
			if waiting == "for a connection" {
				free := exhaust(t, db)
				begin()
				begin = free
			}
			leave()
			gone.Wait() // before anything is written
			begin()
			stay.Wait()
			for i, err := range errs {
				if !errors.Is(err, wants[i]) {
					t.Errorf("caller %d gets %v, want %v", i, err, wants[i])
				}
				if _, _, err := db.Licenses().Load(t.Context(), rs[i].Record.ID, 0); (err == nil) != (wants[i] == nil) {
					t.Errorf("caller %d was told %v, and loading says %v", i, wants[i], err)
				}
			}
		})
	}
	ended, end := context.WithCancel(t.Context())
	end()
	if err := db.Licenses().Save(ended, newSave()); !errors.Is(err, context.Canceled) {
		t.Errorf("a caller that had left before: %v", err)
	}
}

// exhaust takes all connections, until free.
func exhaust(t *testing.T, db *DB) (free func()) {
	t.Helper()
	var held []*pgxpool.Conn
	for range db.engine.Conns.Config().MaxConns {
		conn, err := db.engine.Conns.Acquire(t.Context())
		if err != nil {
			t.Fatal(err)
		}
		held = append(held, conn)
	}
	return func() {
		for _, conn := range held {
			conn.Release()
		}
	}
}

// TestGroupDeadlines: nobody waits longer for a group than for a transaction of its
// own. Whose deadline passes when its job is under way doesn't know what became of
// it; the others wait until they do.
func TestGroupDeadlines(t *testing.T) {
	t.Parallel()
	t.Run("under way", func(t *testing.T) {
		t.Parallel()
		written, proceed := make(chan bool), make(chan bool)
		db := openDB(t, Config{URL: newDatabase(t), Step: func(step string) {
			if step == "tx.commit" {
				written <- true
				<-proceed
			}
		}})
		soon, cancel := context.WithTimeout(t.Context(), 100*time.Millisecond)
		defer cancel()
		leaving, leave := context.WithCancel(t.Context())
		release := db.records.Issues.Hold()
		var early, late sync.WaitGroup
		rs, errs := []license.SaveRequest{newSave(), newSave(), newSave()}, make([]error, 3)
		early.Go(func() { errs[0] = db.Licenses().Save(soon, rs[0]) })
		late.Go(func() { errs[1] = db.Licenses().Save(leaving, rs[1]) })
		late.Go(func() { errs[2] = db.Licenses().Save(t.Context(), rs[2]) })
		await(t, db.records.Issues, 3)
		began := time.Now()
		release()
		<-written
		leave()
		early.Wait()
		if took := time.Since(began); !errors.Is(errs[0], license.ErrUnavailable) || took < engine.LeastWrite {
			t.Errorf("whose deadline passed gets %v after %v", errs[0], took)
		}
		proceed <- true
		late.Wait()
		if errs[1] != nil || errs[2] != nil {
			t.Errorf("the others get %v", errs[1:])
		}
		for _, r := range rs {
			whole(t, db, r.Record.ID, true)
		}
	})
	for _, c := range []struct {
		name string
		stop func(*testing.T, *DB) (again func())
	}{
		{"no connection", exhaust},
		{"the server hangs", func(t *testing.T, db *DB) func() {
			conn, err := pgx.Connect(t.Context(), db.engine.Conns.Config().ConnString())
			if err == nil {
				_, err = conn.Exec(t.Context(), "BEGIN; LOCK TABLE requests IN ACCESS EXCLUSIVE MODE")
			}
			if err != nil {
				t.Fatal(err)
			}
			return func() { _ = conn.Close(context.WithoutCancel(t.Context())) }
		}},
	} {
		t.Run(c.name, func(t *testing.T) {
			t.Parallel()
			db := openDB(t, Config{URL: newDatabase(t), MaxConns: 2})
			db.engine.Deadlines = engine.Deadlines{Acquire: time.Second, Read: time.Second, Write: time.Second}
			again := c.stop(t, db)
			began := time.Now()
			for i, err := range together(t, db.records.Issues, saves(db, newSave()), saves(db, newSave())) {
				if !errors.Is(err, license.ErrUnavailable) {
					t.Errorf("caller %d gets %v, want ErrUnavailable", i, err)
				}
			}
			if took := time.Since(began); took > 6*time.Second {
				t.Errorf("they waited for %v", took)
			}
			again()
			db.records.Issues.Drain()
			db.engine.Deadlines = engine.Usual
			if err := errors.Join(together(t, db.records.Issues, saves(db, newSave()), saves(db, newSave()))...); err != nil {
				t.Errorf("afterwards: %v", err)
			}
		})
	}
}

func saves(db *DB, r license.SaveRequest) func() error {
	return func() error { return db.Licenses().Save(context.Background(), r) }
}

// TestGroupLost cuts the connection at each piece of a group that travels to the
// server: all its callers get nil for what is stored, and license.ErrUnavailable
// where nobody knows; nothing is stored in part, or twice. See [TestLostAtCommit].
func TestGroupLost(t *testing.T) {
	t.Parallel()
	address := newDatabase(t)
	direct := openDB(t, Config{URL: address})
	for _, name := range []string{"a license is issued", "a code is redeemed", "a token is rotated"} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			w, through := newWire(t, address)
			db := openDB(t, Config{URL: through, MaxConns: 1})
			all := func(cs []change) []error {
				var calls []func() error
				for _, c := range cs {
					calls = append(calls, func() error { return c.do(db) })
				}
				switch name {
				case "a code is redeemed":
					return together(t, db.families.Redemptions, calls...)
				case "a token is rotated":
					return together(t, db.families.Rotations, calls...)
				}
				return together(t, db.records.Issues, calls...)
			}
			three := func() []change {
				return []change{changes[name](t, direct), changes[name](t, direct), changes[name](t, direct)}
			}
			if err := errors.Join(all(three())...); err != nil { // prepares the statements
				t.Fatal(err)
			}
			lost, kept := 0, 0
			for _, unseen := range []bool{true, false} {
				for piece := range 20 {
					cs := three()
					w.cutAt(piece, unseen)
					errs := all(cs)
					if w.heal() {
						if err := errors.Join(errs...); err != nil || piece == 0 {
							t.Errorf("without a cut, at piece %d: %v", piece, err)
						}
						break
					}
					stored := 0
					for i, c := range cs {
						n := c.check(t, db, direct, errs[i])
						switch stored += n; {
						case errs[i] != nil && n == 0:
							lost++
						case errs[i] != nil:
							kept++
						}
					}
					if stored != 0 && stored != len(cs) {
						t.Errorf("piece %d: %d of a group of %d are stored", piece, stored, len(cs))
					}
				}
			}
			if lost == 0 || kept == 0 {
				t.Errorf("%d that the server didn't see, and %d whose answer was lost: both must occur", lost, kept)
			}
		})
	}
}
