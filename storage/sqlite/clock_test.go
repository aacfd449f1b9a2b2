package sqlite

import (
	"path/filepath"
	"strings"
	"testing"
	"time"

	"yizheng.internal/oidc/session"
	"yizheng.internal/signing/journal"
)

// machine is a computer with a clock that can be set.
type machine struct {
	t     *testing.T
	path  string
	shows time.Time     // its clock
	ran   time.Duration // how long it ran, whatever its clock shows
}

func newMachine(t *testing.T) *machine {
	return &machine{t: t, path: filepath.Join(t.TempDir(), "test.db"), shows: time.Now(), ran: time.Second}
}

// start opens the database as a process that starts now.
func (m *machine) start() *DB {
	began := m.ran - time.Second
	return openTest(m.t, Config{Path: m.path, tuning: tuning{file: quick.file, measured: func() time.Duration { return m.ran - began }}})
}

// run lets the machine run for a while, its processes reporting as they do; each
// has its own idea of how far the clock is ahead.
func (m *machine) run(d time.Duration, processes map[*DB]time.Duration) {
	m.t.Helper()
	step := min(d, 15*time.Second)
	if d > 24*time.Hour {
		step = 5 * time.Minute
	}
	for ; d > 0; d -= step {
		m.ran, m.shows = m.ran+step, m.shows.Add(step)
		for db, ahead := range processes {
			now := m.shows.Add(ahead)
			at, err := db.Clock(m.t.Context())
			if err == nil {
				_, err = db.ReportClock(m.t.Context(), "", now, at, time.Minute)
			}
			if err != nil {
				m.t.Fatal(err)
			}
		}
	}
}

// purges reports whether a process whose clock is ahead purges.
func (m *machine) purges(db *DB, ahead time.Duration) bool {
	m.t.Helper()
	err := db.purgeAt(m.t.Context(), m.shows.Add(ahead))
	if err != nil && !strings.Contains(err.Error(), "nothing is purged here") {
		m.t.Fatal(err)
	}
	return err == nil
}

const aYear = 365 * 24 * time.Hour

// TestClockAhead lets the machine of a database wake up a year ahead: nobody is
// logged out and no spent code is forgotten, however often the process is started
// and although it writes with that clock.
func TestClockAhead(t *testing.T) {
	t.Parallel()
	m := newMachine(t)
	db := m.start()
	session := session.Record{ID: "s", Created: m.shows, Seen: m.shows, Expires: m.shows.Add(12 * time.Hour)}
	if err := db.Provider().CreateSession(t.Context(), session); err != nil {
		t.Fatal(err)
	}
	if err := db.Provider().Spend(t.Context(), hashOf(0, 1), m.shows.Add(2*time.Hour)); err != nil {
		t.Fatal(err)
	}
	m.run(time.Minute, map[*DB]time.Duration{db: 0})
	if !m.purges(db, 0) {
		t.Fatal("a right clock doesn't purge")
	}
	right := m.shows
	for range 20 { // 20 times 5 hours: more than four days, less than a week
		m.shows = right.Add(m.ran).Add(aYear)
		db = m.start()
		if m.purges(db, 0) {
			t.Fatal("a process that just started purges a year ahead")
		}
		m.run(5*time.Hour, map[*DB]time.Duration{db: 0})
		if err := db.Journal().AppendEvents(t.Context(), journal.Event{Log: journal.Provider, ID: "x", At: m.shows}); err != nil {
			t.Fatal(err)
		}
		if m.purges(db, 0) {
			t.Fatal("it purges a year ahead")
		}
	}
	if n := count(t, db, "sessions") + count(t, db, "spent"); n != 2 {
		t.Errorf("%d of 2 are left", n)
	}
	// Set right, it goes on from where it was: the gap is those four days.
	m.shows = right.Add(m.ran)
	db = m.start()
	if m.purges(db, 0) {
		t.Error("purges at once after the clock was set back")
	}
	m.run(m.shows.Sub(right)+time.Hour, map[*DB]time.Duration{db: 0})
	if !m.purges(db, 0) {
		t.Error("never purges again")
	}
}

// TestClockAfterAPause believes a clock that jumped because nobody used the
// database, when it has gone on as long; also if the process is started anew.
func TestClockAfterAPause(t *testing.T) {
	t.Parallel()
	m := newMachine(t)
	db := m.start()
	m.run(time.Minute, map[*DB]time.Duration{db: 0})
	m.shows = m.shows.Add(2 * time.Hour)
	db = m.start()
	m.run(time.Hour, map[*DB]time.Duration{db: 0})
	if m.purges(db, 0) {
		t.Error("purges after half the time")
	}
	db = m.start()
	m.run(time.Hour+2*time.Minute, map[*DB]time.Duration{db: 0})
	if !m.purges(db, 0) {
		t.Error("doesn't purge after the whole time")
	}
	m.shows = m.shows.Add(30 * time.Second) // a restart
	if db = m.start(); !m.purges(db, 0) {
		t.Error("a short restart stops the purge")
	}
	// A week is enough, whatever the jump.
	m.shows = m.shows.Add(aYear)
	db = m.start()
	m.run(7*24*time.Hour+time.Hour, map[*DB]time.Duration{db: 0})
	if !m.purges(db, 0) {
		t.Error("a clock that has been steady for a week isn't believed")
	}
}

// TestClockOfOneProcess runs a process whose clock is a year ahead beside one whose
// clock is right: it never purges, the other one does.
func TestClockOfOneProcess(t *testing.T) {
	t.Parallel()
	m := newMachine(t)
	right := m.start()
	m.run(time.Minute, map[*DB]time.Duration{right: 0})
	wrong := m.start()
	m.run(8*24*time.Hour+time.Minute, map[*DB]time.Duration{right: 0, wrong: aYear})
	if m.purges(wrong, aYear) {
		t.Error("the process whose clock is a year ahead purges")
	}
	if !m.purges(right, 0) {
		t.Error("the one whose clock is right doesn't purge")
	}
}

// TestPurgeByTheEarlier purges by the database's clock where that is earlier.
func TestPurgeByTheEarlier(t *testing.T) {
	t.Parallel()
	m := newMachine(t)
	db := m.start()
	m.run(time.Minute, map[*DB]time.Duration{db: 0})
	if err := db.Provider().Spend(t.Context(), hashOf(0, 1), m.shows.Add(-afterlife+20*time.Second)); err != nil {
		t.Fatal(err)
	}
	if !m.purges(db, 40*time.Second) || count(t, db, "spent") != 1 {
		t.Error("purged by the later clock")
	}
	m.run(30*time.Second, map[*DB]time.Duration{db: 0})
	if !m.purges(db, 0) || count(t, db, "spent") != 0 {
		t.Error("not purged when it was over by both")
	}
}

// gap holds what is told of a process whose clock is ahead of the machine's: for how
// long nobody used the database, and for how long nothing is purged for it.
func (m *machine) gap(what string, db *DB, ahead, unused, left time.Duration) {
	m.t.Helper()
	const about = 3 * time.Minute // restarts lose some
	now := m.shows.Add(ahead)
	at, err := db.Clock(m.t.Context())
	if err != nil {
		m.t.Fatal(err)
	}
	got, until, err := db.Unused(m.t.Context(), now, at)
	if err != nil || (got-unused).Abs() > about || (got == 0) != (unused == 0) ||
		until.IsZero() != (left == 0) || !until.IsZero() && (until.Sub(now)-left).Abs() > about {
		m.t.Errorf("%s: not used for %v, until %v, %v; want %v, and %v left", what, got, until, err, unused, left)
	}
	if left != 0 && m.purges(db, ahead) {
		m.t.Errorf("%s: it purges", what)
	}
}

// steady lets one process run, whose clock is right.
func (m *machine) steady(d time.Duration, db *DB) {
	m.t.Helper()
	m.run(d, map[*DB]time.Duration{db: 0})
}

// TestUnused tells that nobody used the database before a process began, however often
// that is started, until the clock is believed.
func TestUnused(t *testing.T) {
	t.Parallel()
	m := newMachine(t)
	db := m.start()
	m.steady(time.Minute, db)
	m.gap("a clock that is right", db, 0, 0, 0)

	m.shows = m.shows.Add(45 * time.Second)
	db = m.start()
	m.gap("a short restart", db, 0, 45*time.Second, 0)
	m.steady(time.Minute, db)
	m.gap("after it", db, 0, 0, 0)

	m.shows = m.shows.Add(2 * time.Hour)
	m.gap("a command while the service is off", m.start(), 0, 2*time.Hour, 2*time.Hour)
	db = m.start()
	m.steady(time.Minute, db)
	m.gap("after a pause", db, 0, 2*time.Hour, 2*time.Hour-time.Minute)
	m.steady(time.Hour, db)
	m.gap("after an hour", db, 0, 2*time.Hour, time.Hour-time.Minute)
	m.gap("a command beside it", m.start(), 0, 2*time.Hour, time.Hour-time.Minute)
	db = m.start()
	m.steady(time.Minute, db)
	m.gap("restarted in the pause", db, 0, 2*time.Hour, time.Hour-2*time.Minute)
	m.steady(time.Hour, db)
	m.gap("when it is believed", db, 0, 0, 0)

	m.shows = m.shows.Add(aYear)
	db = m.start()
	m.steady(time.Minute, db)
	m.gap("a year ahead at the start", db, 0, aYear, doubtful-time.Minute)
	m.shows = m.shows.Add(-aYear)
	m.steady(time.Minute, db)
	m.gap("set right", db, 0, 0, 0)
}

// TestUnusedByAWrongClock tells no pause where the clock is behind, jumps while a
// process runs, or differs from another process's; not when the process is started
// anew either. After a longer pause nobody knows.
func TestUnusedByAWrongClock(t *testing.T) {
	t.Parallel()
	m := newMachine(t)
	db := m.start()
	m.steady(time.Minute, db)
	m.shows = m.shows.Add(2 * time.Hour)
	m.steady(time.Minute, db)
	m.gap("a jump while it runs", db, 0, 0, 0)
	m.gap("a command beside that", m.start(), 0, 0, 0)
	db = m.start()
	m.steady(time.Minute, db)
	m.gap("restarted after the jump", db, 0, 0, 0)
	if m.purges(db, 0) {
		t.Error("purges after a jump")
	}
	m.shows = m.shows.Add(3 * time.Hour)
	db = m.start()
	m.steady(time.Minute, db)
	m.gap("not used after the jump", db, 0, 5*time.Hour, 5*time.Hour-time.Minute)
	m.shows = m.shows.Add(5 * time.Minute)
	m.steady(time.Minute, db)
	m.gap("a small jump while that goes on", db, 0, 0, 0)
	m.steady(6*time.Hour, db)
	m.gap("when that is believed", db, 0, 0, 0)
	if !m.purges(db, 0) {
		t.Error("doesn't purge when it is believed")
	}

	m.shows = m.shows.Add(-2 * time.Hour)
	db = m.start()
	m.steady(time.Minute, db)
	m.gap("behind", db, 0, 0, 0)
	m.shows = m.shows.Add(2 * time.Hour)
	m.steady(time.Minute, db)
	wrong := m.start()
	m.run(time.Minute, map[*DB]time.Duration{db: 0, wrong: aYear})
	m.gap("beside one that is right", wrong, aYear, 0, 0)
	m.gap("the one that is right", db, 0, 0, 0)
}
