package postgres

import (
	"slices"
	"strings"
	"testing"
	"time"

	"yizheng.internal/oidc/session"
	"yizheng.internal/signing/journal"
	"yizheng.internal/storage/retention"
)

// TestClockAhead lets a node whose clock is a year ahead purge beside others:
// nobody is logged out and no spent code is forgotten. Within a minute the earlier
// of the two clocks counts.
func TestClockAhead(t *testing.T) {
	t.Parallel()
	db := openDB(t, Config{URL: newDatabase(t), Terms: retention.Terms{EventMonths: 6, Unarchived: true}})
	ctx, now := t.Context(), time.Now()
	for _, when := range []time.Time{now.AddDate(0, -9, 0), now} {
		if err := db.Journal().AppendEvents(ctx, journal.Event{Log: journal.Provider, ID: "e", At: when}); err != nil {
			t.Fatal(err)
		}
	}
	at, err := db.Clock(ctx)
	if err != nil || at.Sub(now).Abs() > 30*time.Second {
		t.Fatalf("the server's clock shows %v, %v", at, err)
	}
	session := session.Record{ID: "s", Created: now, Seen: now, Expires: now.Add(12 * time.Hour)}
	if err := db.Provider().CreateSession(ctx, session); err != nil {
		t.Fatal(err)
	}
	over, soon := [32]byte{1}, [32]byte{2}
	for hash, keep := range map[[32]byte]time.Time{over: now.Add(-afterlife - time.Minute), soon: now.Add(-afterlife + 35*time.Second)} {
		if err := db.Provider().Spend(ctx, hash, keep); err != nil {
			t.Fatal(err)
		}
	}
	left := func() (n int) {
		t.Helper()
		if err := db.engine.Conns.QueryRow(ctx, "SELECT (SELECT count(*) FROM sessions) + (SELECT count(*) FROM spent) + (SELECT count(*) FROM provider_events)").Scan(&n); err != nil {
			t.Fatal(err)
		}
		return n
	}
	for _, wrong := range []time.Time{now.AddDate(1, 0, 0), now.AddDate(-1, 0, 0), now.Add(2 * time.Minute)} {
		if err := db.purgeAt(ctx, wrong); err == nil || !strings.Contains(err.Error(), "nothing is purged here") {
			t.Errorf("purging at %v: %v", wrong, err)
		}
	}
	if n := left(); n != 5 {
		t.Errorf("%d of 5 are left", n)
	}
	if err := db.purgeAt(ctx, time.Now().Add(50*time.Second)); err != nil || left() != 3 || db.Kept().Months.Load() != 1 {
		t.Errorf("%d are left, want 3: the server's clock is the earlier one; %v", left(), err)
	}
}

func TestReportClock(t *testing.T) {
	t.Parallel()
	db := openDB(t, Config{URL: newDatabase(t)})
	at := time.Now().Truncate(time.Microsecond)
	report := func(node string, ahead time.Duration, at time.Time) []time.Duration {
		t.Helper()
		others, err := db.ReportClock(t.Context(), node, at.Add(ahead), at, time.Minute)
		if err != nil {
			t.Fatal(err)
		}
		slices.Sort(others)
		return others
	}
	if others := report("a", time.Second, at); len(others) != 0 {
		t.Errorf("alone: %v", others)
	}
	report("b", -time.Hour, at.Add(-2*time.Minute))
	if others := report("c", 0, at); !slices.Equal(others, []time.Duration{time.Second}) {
		t.Errorf("what was reported too long ago counts: %v", others)
	}
	report("a", 2*time.Second, at.Add(time.Second))
	report("b", -time.Hour, at.Add(time.Second))
	if others := report("c", 0, at.Add(time.Second)); !slices.Equal(others, []time.Duration{-time.Hour, 2 * time.Second}) {
		t.Errorf("the newest reports: %v", others)
	}
	report("c", 0, at.Add(25*time.Hour))
	var n int
	if err := db.engine.Conns.QueryRow(t.Context(), "SELECT count(*) FROM node_clocks").Scan(&n); err != nil || n != 1 {
		t.Errorf("%d reports are stored after a day, %v", n, err)
	}
}

// The server's clock goes on while nobody uses the database: a difference is never a pause.
func TestUnused(t *testing.T) {
	t.Parallel()
	db := openDB(t, Config{URL: newDatabase(t)})
	at, err := db.Clock(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	for _, ahead := range []time.Duration{-time.Hour, 10 * time.Second, 2 * time.Hour} {
		if unused, until, err := db.Unused(t.Context(), at.Add(ahead), at); unused != 0 || !until.IsZero() || err != nil {
			t.Errorf("ahead by %v: not used for %v, until %v, %v", ahead, unused, until, err)
		}
	}
}
