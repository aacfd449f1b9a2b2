package postgres

import (
	"context"
	"crypto/rand"
	"errors"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgxpool"

	"yizheng.internal/license"
	"yizheng.internal/license/audit"
	"yizheng.internal/oidc/token"
	"yizheng.internal/signing/journal"
	"yizheng.internal/storage/postgres/engine"
	"yizheng.internal/storage/postgres/provider"
)

// await waits until so many jobs wait.
func await[T any](t *testing.T, g *engine.Group[T], jobs int) {
	t.Helper()
	for deadline := time.Now().Add(20 * time.Second); ; time.Sleep(time.Millisecond) {
		n := g.Waiting()
		if n == jobs {
			return
		}
		if time.Now().After(deadline) {
			t.Fatalf("%d jobs wait, want %d", n, jobs)
		}
	}
}

// together makes all calls wait for a writer, in their order, and returns what each
// was told when one group was made of them.
func together[T any](t *testing.T, g *engine.Group[T], calls ...func() error) []error {
	t.Helper()
	release := sync.OnceFunc(g.Hold())
	defer release()
	errs := make([]error, len(calls))
	var wg sync.WaitGroup
	for i, call := range calls {
		wg.Go(func() { errs[i] = call() })
		await(t, g, i+1)
	}
	release()
	wg.Wait()
	return errs
}

// spoilt are new licenses that are refused, with the reason.
func spoilt(stored license.SaveRequest) map[string]struct {
	want  error
	spoil func(*license.SaveRequest)
} {
	type c = struct {
		want  error
		spoil func(*license.SaveRequest)
	}
	return map[string]c{
		"request":      {license.ErrRequestTaken, func(r *license.SaveRequest) { r.Request.Keys = stored.Request.Keys }},
		"id":           {license.ErrConflict, func(r *license.SaveRequest) { setID(r, stored.Record.ID) }},
		"identifier":   {license.ErrIdentifierTaken, func(r *license.SaveRequest) { r.Lookups[0].Keys = stored.Lookups[0].Keys }},
		"verification": {license.ErrIdentifierTaken, func(r *license.SaveRequest) { r.Lookups[1].Keys = stored.Lookups[1].Keys }},
		"number":       {license.ErrNumberTaken, func(r *license.SaveRequest) { r.Lookups[2].Keys = stored.Lookups[2].Keys }},
		"number shared": {license.ErrNumberTaken, func(r *license.SaveRequest) {
			r.Lookups[2].Keys, r.Lookups[2].Exclusive = stored.Lookups[2].Keys, false
		}},
		"a value that PostgreSQL refuses": {nil, func(r *license.SaveRequest) { r.Event.Actor.ID = "\x00" }},
	}
}

func setID(r *license.SaveRequest, id audit.ID) {
	r.Record.ID, r.Add.License, r.Event.Subject, r.Request.License = id, id, string(id), id
}

// TestGroupIsolation has 32 licenses issued in one transaction, one of which is
// refused: its caller gets the answer that it gets alone, and the others get theirs.
func TestGroupIsolation(t *testing.T) {
	t.Parallel()
	db := openDB(t, Config{URL: newDatabase(t)})
	stored := newSave()
	mustSave(t, db, stored)
	for name, c := range spoilt(stored) {
		t.Run(name, func(t *testing.T) {
			const bad = 17
			rs := make([]license.SaveRequest, engine.GroupMost)
			calls := make([]func() error, len(rs))
			for i := range rs {
				rs[i] = newSave()
				rs[i].Lookups[3].Keys = stored.Lookups[3].Keys // they all are the same person's
				if i == bad {
					c.spoil(&rs[i])
				}
				calls[i] = func() error { return db.Licenses().Save(t.Context(), rs[i]) }
			}
			alone := db.Licenses().Saved(rs[bad], db.Licenses().SaveAlone(t.Context(), rs[bad]))
			if alone == nil || c.want != nil && !errors.Is(alone, c.want) {
				t.Fatalf("alone it gets %v, want %v", alone, c.want)
			}
			for i, err := range together(t, db.records.Issues, calls...) {
				switch {
				case i != bad && err != nil:
					t.Errorf("caller %d: %v", i, err)
				case i == bad && (err == nil || c.want != nil && !errors.Is(err, c.want) || err.Error() != alone.Error()):
					t.Errorf("the caller of the one that is refused gets %v, and alone %v", err, alone)
				}
				if i != bad {
					whole(t, db, rs[i].Record.ID, true)
				} else if c.want == nil || !errors.Is(c.want, license.ErrConflict) {
					whole(t, db, rs[i].Record.ID, false)
				}
			}
		})
	}
}

// TestGroupTwice has two of one group ask for the same: one gets it.
func TestGroupTwice(t *testing.T) {
	t.Parallel()
	db := openDB(t, Config{URL: newDatabase(t)})
	for name, c := range spoilt(license.SaveRequest{}) {
		t.Run(name, func(t *testing.T) {
			if c.want == nil {
				return
			}
			for _, exclusiveFirst := range []bool{true, false} {
				first, second := newSave(), newSave()
				spoilt(first)[name].spoil(&second)
				if !exclusiveFirst {
					first, second = second, first
				}
				save := func(r license.SaveRequest) func() error {
					return func() error { return db.Licenses().Save(t.Context(), r) }
				}
				errs := together(t, db.records.Issues, save(newSave()), save(first), save(second), save(newSave()))
				if errs[0] != nil || errs[3] != nil || (errs[1] == nil) == (errs[2] == nil) || !errors.Is(errors.Join(errs...), c.want) {
					t.Errorf("they are told %q, want one of the middle ones to be told %v", errs, c.want)
				}
			}
		})
	}
	t.Run("code", func(t *testing.T) {
		r := newRedemption()
		other := r
		other.Family.ID = rand.Text()
		firsts := make([]string, 3)
		errs := together(t, db.families.Redemptions, redeems(db, newRedemption(), &firsts[0]), redeems(db, r, &firsts[1]), redeems(db, other, &firsts[2]))
		if errs[0] != nil || (errs[1] == nil) == (errs[2] == nil) || !errors.Is(errors.Join(errs...), token.ErrSpent) {
			t.Fatalf("they are told %q, want one of the last two to be told that it was spent", errs)
		}
		if first := firsts[1] + firsts[2]; first != r.Family.ID && first != other.Family.ID {
			t.Errorf("the first family is %q", first)
		}
	})
}

func redeems(db *DB, r provider.Redemption, first *string) func() error {
	return func() (err error) {
		*first, err = db.Provider().RedeemCode(context.Background(), r.Code, r.Keep, r.Family, r.Events...)
		return err
	}
}

// TestGroupCodes redeems 32 codes in one transaction, of which one was spent.
func TestGroupCodes(t *testing.T) {
	t.Parallel()
	db := openDB(t, Config{URL: newDatabase(t)})
	spent := newRedemption()
	if err := redeems(db, spent, new(string))(); err != nil {
		t.Fatal(err)
	}
	rs, firsts := make([]provider.Redemption, engine.GroupMost), make([]string, engine.GroupMost)
	calls := make([]func() error, engine.GroupMost)
	for i := range rs {
		rs[i] = newRedemption()
		rs[i].Family.Party = nil
		if i == 9 {
			rs[i].Code = spent.Code
		}
		if i%2 == 0 {
			rs[i].Family.Party = append(newKeys(), newKeys()...)
			rs[i].Family.Rotated = epoch
		}
		calls[i] = redeems(db, rs[i], &firsts[i])
	}
	for i, err := range together(t, db.families.Redemptions, calls...) {
		if i == 9 {
			if !errors.Is(err, token.ErrSpent) || firsts[i] != spent.Family.ID {
				t.Errorf("the code that was spent: %v, first %q", err, firsts[i])
			}
			continue
		}
		if err != nil || firsts[i] != "" {
			t.Errorf("code %d: %v, first %q", i, err, firsts[i])
		}
		f, err := db.Provider().LoadFamily(t.Context(), rs[i].Family.ID)
		if err != nil || f.Revision != 1 || !f.Ended.IsZero() || f.Rotated.IsZero() == (i%2 == 0) {
			t.Errorf("family %d: %+v, %v", i, f, err)
		}
		fs, err := db.Provider().ListFamilies(t.Context(), rs[i].Family.Party, epoch.Add(-1), 10)
		if err != nil || len(fs) != (i+1)%2 {
			t.Errorf("family %d is listed %d times: %v", i, len(fs), err)
		}
	}
	es, err := db.Journal().ListEvents(t.Context(), journal.Stream{Log: journal.Provider}, 0, 100)
	if err != nil || len(es) != engine.GroupMost {
		t.Errorf("%d events, want %d: %v", len(es), engine.GroupMost, err)
	}
}

// counting counts the batches and the statements that are sent.
type counting struct {
	mu   sync.Mutex
	sent counts
}

type counts struct{ batches, statements, commits int }

// take returns what was counted, and begins anew.
func (c *counting) take() counts {
	c.mu.Lock()
	defer c.mu.Unlock()
	sent := c.sent
	c.sent = counts{}
	return sent
}

func (c *counting) TraceBatchStart(ctx context.Context, _ *pgx.Conn, _ pgx.TraceBatchStartData) context.Context {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.sent.batches++
	return ctx
}

func (c *counting) TraceBatchQuery(_ context.Context, _ *pgx.Conn, q pgx.TraceBatchQueryData) {
	c.count(q.SQL)
}

func (c *counting) TraceBatchEnd(context.Context, *pgx.Conn, pgx.TraceBatchEndData) {}

func (c *counting) TraceQueryStart(ctx context.Context, _ *pgx.Conn, q pgx.TraceQueryStartData) context.Context {
	c.count(q.SQL)
	return ctx
}

func (c *counting) TraceQueryEnd(context.Context, *pgx.Conn, pgx.TraceQueryEndData) {}

func (c *counting) count(sql string) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.sent.statements++
	if strings.HasPrefix(sql, "COMMIT") {
		c.sent.commits++
	}
}

// traced has a database's connections count what they send.
func traced(t *testing.T, db *DB) *counting {
	t.Helper()
	c := new(counting)
	cfg := db.engine.Conns.Config()
	cfg.ConnConfig.Tracer = c
	db.engine.Conns.Close()
	var err error
	if db.engine.Conns, err = pgxpool.NewWithConfig(t.Context(), cfg); err != nil {
		t.Fatal(err)
	}
	return c
}

// TestGroupStatements counts what is sent for 32 licenses that are issued together,
// and for 32 codes: one transaction, in one batch, with one COMMIT to wait for. Alone
// each takes as many statements as all of them here.
func TestGroupStatements(t *testing.T) {
	t.Parallel()
	db := openDB(t, Config{URL: newDatabase(t)})
	sent := traced(t, db)
	exhaust(t, db)() // connections are prepared when they are made
	const jobs = 32
	saving, redeeming := make([]func() error, jobs), make([]func() error, jobs)
	for i := range jobs {
		saving[i], redeeming[i] = saves(db, newSave()), redeems(db, newRedemption(), new(string))
	}
	for _, c := range []struct {
		name  string
		write func() []error
		want  counts
	}{
		{"issue", func() []error { return together(t, db.records.Issues, saving...) }, counts{batches: 1, statements: 10, commits: 1}},
		{"redeem", func() []error { return together(t, db.families.Redemptions, redeeming...) }, counts{batches: 1, statements: 7, commits: 1}},
	} {
		sent.take()
		if err := errors.Join(c.write()...); err != nil {
			t.Fatal(err)
		}
		if got := sent.take(); got != c.want {
			t.Errorf("%s: sent %+v, want %+v", c.name, got, c.want)
		}
	}
}

// TestGroupHangs: while some writer doesn't come back, others write what comes.
func TestGroupHangs(t *testing.T) {
	t.Parallel()
	db := openDB(t, Config{URL: newDatabase(t)})
	defer db.records.Issues.HoldAllButOne()()
	for range 2 {
		soon, cancel := context.WithTimeout(t.Context(), 4*time.Second)
		defer cancel()
		if err := db.Licenses().Save(soon, newSave()); err != nil {
			t.Error(err)
		}
	}
}

// TestGroupClose: what waits when the database is closed is written first.
func TestGroupClose(t *testing.T) {
	t.Parallel()
	address := newDatabase(t)
	direct, db := openDB(t, Config{URL: address}), openDB(t, Config{URL: address})
	rs, errs := make([]license.SaveRequest, 2*engine.GroupMost+5), make([]error, 2*engine.GroupMost+5)
	release := db.records.Issues.Hold()
	var wg sync.WaitGroup
	for i := range rs {
		rs[i] = newSave()
		wg.Go(func() { errs[i] = db.Licenses().Save(t.Context(), rs[i]) })
	}
	await(t, db.records.Issues, len(rs))
	closed := make(chan error)
	go func() { closed <- db.Close() }()
	release()
	wg.Wait()
	if err := errors.Join(append(errs, <-closed)...); err != nil {
		t.Fatal(err)
	}
	for _, r := range rs {
		whole(t, direct, r.Record.ID, true)
	}
}

// TestGroupNodes has many callers of two nodes issue and redeem what is at odds in
// part, in groups and alone. Nobody waits for anybody who waits for him.
func TestGroupNodes(t *testing.T) {
	t.Parallel()
	address := newDatabase(t)
	nodes := []*DB{openDB(t, Config{URL: address}), openDB(t, Config{URL: address})}
	const rounds, callers = 6, 48
	for range rounds {
		var keys [8][]license.LookupRow
		for i := range keys {
			keys[i] = []license.LookupRow{{Kind: license.LookupNumber, Keys: newKeys(), Exclusive: i%2 == 0}, {Kind: license.LookupHolder, Keys: newKeys()}}
		}
		codes := [8]provider.Redemption{}
		for i := range codes {
			codes[i] = newRedemption()
		}
		won := make([]int, len(keys))
		spent := make([]int, len(codes))
		var mu sync.Mutex
		var wg sync.WaitGroup
		for i := range callers {
			db := nodes[i%2]
			r := newSave()
			n := i % len(keys)
			r.Lookups = append(slices.Clone(r.Lookups[:2]), keys[n]...)
			wg.Go(func() {
				err := db.Licenses().Save(t.Context(), r)
				mu.Lock()
				defer mu.Unlock()
				if err == nil {
					won[n]++
				} else if !errors.Is(err, license.ErrNumberTaken) {
					t.Errorf("a license: %v", err)
				}
			})
			code := codes[n]
			code.Family.ID = rand.Text()
			wg.Go(func() {
				err := redeems(db, code, new(string))()
				mu.Lock()
				defer mu.Unlock()
				if err == nil {
					spent[n]++
				} else if !errors.Is(err, token.ErrSpent) {
					t.Errorf("a code: %v", err)
				}
			})
		}
		wg.Wait()
		for i := range keys {
			want := 1
			if i%2 == 1 { // anybody may have the number
				want = callers / len(keys)
			}
			if won[i] != want || spent[i] != 1 {
				t.Errorf("%d licenses have number %d, want %d; its code was spent %d times", won[i], i, want, spent[i])
			}
		}
	}
	var deadlocks int
	if err := nodes[0].engine.Conns.QueryRow(t.Context(), "SELECT deadlocks FROM pg_stat_database WHERE datname = current_database()").Scan(&deadlocks); err != nil || deadlocks != 0 {
		t.Errorf("%d deadlocks: %v", deadlocks, err)
	}
}

// TestSealedStorage: no column that holds what is sealed is tried to be compressed,
// also in partitions that come later.
func TestSealedStorage(t *testing.T) {
	t.Parallel()
	db := openDB(t, Config{URL: newDatabase(t)})
	if err := db.EnsurePartitions(t.Context(), epoch); err != nil {
		t.Fatal(err)
	}
	rows, err := db.engine.Conns.Query(t.Context(), `SELECT c.relname || '.' || a.attname, a.attstorage = 'e' FROM pg_attribute a JOIN pg_class c ON c.oid = a.attrelid
		WHERE c.relkind IN ('r', 'p') AND c.relnamespace = 'public'::regnamespace AND a.atttypid = 'bytea'::regtype
			AND a.attname IN ('body', 'credential', 'holder_key', 'ending', 'suspension', 'detail')`)
	if err != nil {
		t.Fatal(err)
	}
	plain := []string{"types", "service_items", "clients"} // JSON
	columns := 0
	var name string
	var external bool
	if _, err := pgx.ForEachRow(rows, []any{&name, &external}, func() error {
		table, _, _ := strings.Cut(name, ".")
		if slices.Contains(plain, table) == external {
			t.Errorf("%s is stored without an attempt to compress it: %v", name, external)
		}
		columns++
		return nil
	}); err != nil || columns < 17*5 {
		t.Errorf("%d columns: %v", columns, err)
	}
}

// TestGroupInTurn has a group fail: its jobs are written alone a few at a time, so
// that others find connections, and who closes waits for them.
func TestGroupInTurn(t *testing.T) {
	t.Parallel()
	db := openDB(t, Config{URL: newDatabase(t), MaxConns: 8})
	db.records.Issues.Refusals = 0
	stored := newSave()
	if err := db.Licenses().Save(t.Context(), stored); err != nil {
		t.Fatal(err)
	}
	var now, most atomic.Int32
	var calls []func() error
	for n := range 12 {
		r := newSave()
		if n == 5 {
			r.Lookups[2].Keys = stored.Lookups[2].Keys
		}
		calls = append(calls, func() error {
			return db.records.Issues.Write(context.Background(), r, func(ctx context.Context) error {
				defer now.Add(-1)
				for n := now.Add(1); ; {
					if m := most.Load(); n <= m || most.CompareAndSwap(m, n) {
						break
					}
				}
				return db.Licenses().SaveAlone(ctx, r)
			})
		})
	}
	for n, err := range together(t, db.records.Issues, calls...) {
		if want := license.ErrNumberTaken; (n == 5) != errors.Is(err, want) || n != 5 && err != nil {
			t.Errorf("caller %d gets %v", n, err)
		}
	}
	if n := int(most.Load()); n < 1 || n > db.records.Issues.Writers {
		t.Errorf("%d were written alone at once, want at most %d", n, db.records.Issues.Writers)
	}
}
