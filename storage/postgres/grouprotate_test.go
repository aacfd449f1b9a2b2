package postgres

import (
	"context"
	"crypto/rand"
	"errors"
	"slices"
	"sync"
	"testing"

	"yizheng.internal/oidc"
	"yizheng.internal/oidc/token"
	"yizheng.internal/storage/postgres/engine"
)

// newFamily stores a family, and returns it as its first rotation has it.
func newFamily(t testing.TB, db *DB) token.FamilyRecord {
	t.Helper()
	r := newRedemption()
	if err := redeems(db, r, new(string))(); err != nil {
		t.Fatal(err)
	}
	return rotated(r.Family)
}

// rotated returns a family with another token.
func rotated(f token.FamilyRecord) token.FamilyRecord {
	f.Revision, f.Number, f.Rotated = f.Revision+1, f.Number+1, epoch
	f.Body, f.Auth, f.Mark = make([]byte, 700), make([]byte, 17), make([]byte, 25)
	rand.Read(f.Body)
	rand.Read(f.Auth)
	rand.Read(f.Mark)
	return f
}

func rotates(db *DB, f token.FamilyRecord) func() error {
	return func() error { return db.Provider().UpdateFamily(context.Background(), f) }
}

// same reports whether a family is stored as it was sent.
func same(t *testing.T, db *DB, f token.FamilyRecord) bool {
	t.Helper()
	stored, err := db.Provider().LoadFamily(t.Context(), f.ID)
	if err != nil {
		t.Fatal(err)
	}
	return stored.Revision == f.Revision+1 && stored.Number == f.Number && slices.Equal(stored.Body, f.Body) &&
		slices.Equal(stored.Auth, f.Auth) && slices.Equal(stored.Mark, f.Mark)
}

// TestGroupRotations rotates 32 families in one transaction and one statement. One
// of them was rotated before, and one is gone: their callers are told, and the
// others' are as if they had been alone.
func TestGroupRotations(t *testing.T) {
	t.Parallel()
	db := openDB(t, Config{URL: newDatabase(t)})
	sent := traced(t, db)
	exhaust(t, db)() // connections are prepared when they are made
	const late, gone = 9, 20
	fs, calls := make([]token.FamilyRecord, engine.GroupMost), make([]func() error, engine.GroupMost)
	for i := range fs {
		fs[i] = newFamily(t, db)
		calls[i] = rotates(db, fs[i])
	}
	first := rotated(fs[late])
	first.Revision, first.Number = fs[late].Revision, fs[late].Number
	if err := rotates(db, first)(); err != nil {
		t.Fatal(err)
	}
	if _, err := db.engine.Conns.Exec(t.Context(), "DELETE FROM families WHERE id = $1", fs[gone].ID); err != nil {
		t.Fatal(err)
	}
	for round := range 2 { // in the second each has a register already
		sent.take()
		errs := together(t, db.families.Rotations, calls...)
		if got, want := sent.take(), (counts{batches: 1, statements: 3, commits: 1}); round == 1 && got != want {
			t.Errorf("sent %+v, want %+v: also who is late goes with the others", got, want)
		}
		for i, err := range errs {
			switch {
			case i == late || i == gone:
				if !errors.Is(err, oidc.ErrConflict) {
					t.Errorf("round %d, family %d is told %v, want that it conflicts", round, i, err)
				}
			case err != nil || !same(t, db, fs[i]):
				t.Errorf("round %d, family %d: %v, or not as it was sent", round, i, err)
			default:
				fs[i] = rotated(fs[i])
				calls[i] = rotates(db, fs[i])
			}
		}
	}
	if !same(t, db, first) {
		t.Error("who was late has changed the family")
	}
	if n := count(t, db, "SELECT count(*) FROM registers WHERE kind = 'families' AND id = $1", fs[gone].ID); n != 0 {
		t.Error("a family that is gone has a register")
	}
}

// TestGroupRotatedTwice has several callers of two nodes rotate the same families at
// once: each is rotated once, and nobody waits for anybody who waits for him.
func TestGroupRotatedTwice(t *testing.T) {
	t.Parallel()
	address := newDatabase(t)
	nodes := []*DB{openDB(t, Config{URL: address}), openDB(t, Config{URL: address})}
	fs := make([]token.FamilyRecord, 24)
	for i := range fs {
		fs[i] = newFamily(t, nodes[0])
	}
	const rounds, callers = 6, 4
	for range rounds {
		won := make([]int, len(fs))
		var mu sync.Mutex
		var wg sync.WaitGroup
		for n := range callers * len(fs) {
			i, caller := n%len(fs), n/len(fs)
			if caller >= callers/2 { // half of them from the other end
				i = len(fs) - 1 - i
			}
			wg.Go(func() {
				err := rotates(nodes[caller%2], fs[i])()
				mu.Lock()
				defer mu.Unlock()
				if err == nil {
					won[i]++
				} else if !errors.Is(err, oidc.ErrConflict) {
					t.Error(err)
				}
			})
		}
		wg.Wait()
		for i := range fs {
			if won[i] != 1 {
				t.Errorf("family %d was rotated %d times", i, won[i])
			}
			fs[i] = rotated(fs[i])
		}
	}
	if n := count(t, nodes[0], "SELECT deadlocks FROM pg_stat_database WHERE datname = current_database()"); n != 0 {
		t.Errorf("%d deadlocks", n)
	}
}
