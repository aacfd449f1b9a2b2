package postgres

import (
	"context"
	"crypto/rand"
	"errors"
	"fmt"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/jackc/pgx/v5"

	"yizheng.internal/license"
	"yizheng.internal/oidc"
	"yizheng.internal/oidc/identity/representation"
	"yizheng.internal/oidc/token"
	"yizheng.internal/storage/postgres/engine"
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
			f := token.FamilyRecord{ID: fmt.Sprintf("family %d of %d", i, round), Created: epoch, Expires: epoch}
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
			} else if !errors.Is(err, token.ErrSpent) {
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
		if err := nodes[0].engine.Conns.QueryRow(t.Context(), "SELECT count(*) FROM families").Scan(&families); err != nil || families != round+1 {
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
			} else if !errors.Is(err, token.ErrSpent) {
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
	if err := db.engine.Conns.QueryRow(t.Context(), "SELECT id FROM families LIMIT 1").Scan(&id); err != nil {
		t.Fatal(err)
	}
	return id
}

// TestKilledBackendsSpend ends all server processes of a database while 8 callers
// spend hashes of their own: none is told that his is spent before, although a
// first try may have been stored without an answer, and what was answered is there.
func TestKilledBackendsSpend(t *testing.T) {
	t.Parallel()
	address := newDatabase(t)
	db := openDB(t, Config{URL: address})
	s := db.Provider()
	kill := "SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE datname = '" + databaseOf(t, address) + "'"
	var answered, unavailable atomic.Int64
	var mu sync.Mutex
	var spent [][32]byte
	stop := make(chan struct{})
	var wg sync.WaitGroup
	for range 8 {
		wg.Go(func() {
			for {
				select {
				case <-stop:
					return
				default:
				}
				var hash [32]byte
				rand.Read(hash[:])
				switch err := s.Spend(context.Background(), hash, epoch); {
				case err == nil:
					answered.Add(1)
					mu.Lock()
					spent = append(spent, hash)
					mu.Unlock()
				case errors.Is(err, license.ErrUnavailable):
					unavailable.Add(1)
				default:
					t.Errorf("Spend: %v, want nil or ErrUnavailable", err)
				}
			}
		})
	}
	for range 10 {
		before := answered.Load()
		for deadline := time.Now().Add(10 * time.Second); answered.Load() < before+50 && time.Now().Before(deadline); {
			time.Sleep(time.Millisecond)
		}
		admin(t, kill)
	}
	close(stop)
	wg.Wait()
	if unavailable.Load() == 0 || answered.Load() < 200 {
		t.Errorf("%d answered, %d unavailable: no kill hit, or nothing worked after one", answered.Load(), unavailable.Load())
	}
	for _, hash := range spent {
		if ok, err := s.IsSpent(t.Context(), hash); err != nil || !ok {
			t.Fatalf("an answered hash is spent: %v, %v", ok, err)
		}
	}
}

// TestOurSession looks at what a connection of ours is set to, whatever the database's
// defaults are, also after a query that is planned otherwise.
func TestOurSession(t *testing.T) {
	t.Parallel()
	address := newDatabase(t)
	admin(t, "ALTER DATABASE "+databaseOf(t, address)+" SET default_transaction_isolation = 'serializable'")
	db := openDB(t, Config{URL: address, MaxConns: 1})
	if _, err := db.Licenses().Search(t.Context(), license.Query{Limit: 1}); err != nil {
		t.Fatal(err)
	}
	for name, want := range map[string]string{"plan_cache_mode": "force_generic_plan", "transaction_isolation": "read committed"} {
		got, err := engine.One(t.Context(), db.engine, errors.New("no row"), pgx.RowTo[string], "SELECT current_setting($1)", name)
		if err != nil || got != want {
			t.Errorf("%s is %q, want %q: %v", name, got, want, err)
		}
	}
	got, err := engine.ForValues(t.Context(), db.engine, pgx.RowTo[string], "SELECT current_setting($1)", "plan_cache_mode")
	if err != nil || len(got) != 1 || got[0] != "force_custom_plan" {
		t.Errorf("a query planned for its values has %q: %v", got, err)
	}
}

// Somebody is dismissed on one node and asked about on the other a moment later: it knows.
func TestTwoNodesDismiss(t *testing.T) {
	t.Parallel()
	address := newDatabase(t)
	nodes := []*DB{openDB(t, Config{URL: address}), openDB(t, Config{URL: address})}
	r := representation.Record{ID: "agent", State: representation.Accepted, Body: []byte("body"), Created: epoch, Updated: epoch}
	if err := nodes[0].Provider().CreateRepresentation(t.Context(), r); err != nil {
		t.Fatal(err)
	}
	for i := range int64(50) {
		r.Revision, r.State, r.Mark = i+1, representation.Ended, []byte("mark")
		if i%2 == 1 {
			r.State = representation.Accepted
		}
		if err := nodes[i%2].Provider().UpdateRepresentation(t.Context(), r); err != nil {
			t.Fatal(err)
		}
		if got, err := nodes[1-i%2].Provider().LoadRepresentation(t.Context(), r.ID); err != nil || got.State != r.State || got.Revision != i+2 {
			t.Fatalf("the other node has %s at revision %d, %v", got.State, got.Revision, err)
		}
	}
}
