package postgres

import (
	"crypto/rand"
	"errors"
	"fmt"
	"sync"
	"testing"

	"yizheng.internal/oidc"
)

// Two nodes spend the same code and the same hash at once: one caller wins, and
// all others learn of its family, whichever node they asked.
func TestTwoNodesSpend(t *testing.T) {
	t.Parallel()
	address := newDatabase(t)
	nodes := []*DB{openDB(t, Config{URL: address}), openDB(t, Config{URL: address})}
	const callers = 32
	for round := range 10 {
		var code [32]byte
		rand.Read(code[:])
		errs, firsts := make([]error, callers), make([]string, callers)
		var wg sync.WaitGroup
		for i := range callers {
			f := oidc.FamilyRecord{ID: fmt.Sprintf("family %d of %d", i, round), Created: epoch, Expires: epoch}
			wg.Go(func() { firsts[i], errs[i] = nodes[i%2].Provider().RedeemCode(t.Context(), code, epoch, f) })
		}
		wg.Wait()
		winner := -1
		for i, err := range errs {
			if err == nil {
				if winner >= 0 {
					t.Fatalf("both %d and %d won", winner, i)
				}
				winner = i
			} else if !errors.Is(err, oidc.ErrSpent) {
				t.Fatalf("a loser got %v, want ErrSpent", err)
			}
		}
		if winner < 0 {
			t.Fatal("nobody won")
		}
		for i, first := range firsts {
			if want := fmt.Sprintf("family %d of %d", winner, round); i != winner && first != want {
				t.Errorf("a loser learns of %q, want %q", first, want)
			}
		}
		var families int
		if err := nodes[0].pool.QueryRow(t.Context(), "SELECT count(*) FROM families").Scan(&families); err != nil || families != round+1 {
			t.Fatalf("%d families after %d codes: %v", families, round+1, err)
		}

		rand.Read(code[:])
		for i := range callers {
			wg.Go(func() { errs[i] = nodes[i%2].Provider().Spend(t.Context(), code, epoch) })
		}
		wg.Wait()
		won := 0
		for _, err := range errs {
			if err == nil {
				won++
			} else if !errors.Is(err, oidc.ErrSpent) {
				t.Fatalf("a loser got %v, want ErrSpent", err)
			}
		}
		if won != 1 {
			t.Fatalf("%d spent a hash, want 1", won)
		}
		for _, db := range nodes {
			if spent, err := db.Provider().IsSpent(t.Context(), code); err != nil || !spent {
				t.Errorf("spent on a node: %v, %v", spent, err)
			}
		}
	}
	f, err := nodes[1].Provider().LoadFamily(t.Context(), anyFamily(t, nodes[0]))
	if err != nil {
		t.Fatal(err)
	}
	for range 20 {
		race(t, nodes, oidc.ErrConflict, func(db *DB, _ int) error { return db.Provider().UpdateFamily(t.Context(), f) })
		f.Revision++
	}
}

// anyFamily returns the ID of a family that is stored.
func anyFamily(t *testing.T, db *DB) (id string) {
	t.Helper()
	if err := db.pool.QueryRow(t.Context(), "SELECT id FROM families LIMIT 1").Scan(&id); err != nil {
		t.Fatal(err)
	}
	return id
}
