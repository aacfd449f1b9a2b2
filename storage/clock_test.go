package storage

import (
	"bytes"
	"context"
	"errors"
	"log/slog"
	"strings"
	"testing"
	"time"
)

// nodes is a database with a clock, and what the other nodes' showed.
type nodes struct {
	at     time.Time
	others []time.Duration
	unused time.Duration // see Unused
	until  time.Time
	err    error
}

func (n *nodes) Clock(context.Context) (time.Time, error) { return n.at, n.err }

func (n *nodes) ReportClock(context.Context, string, time.Time, time.Time, time.Duration) ([]time.Duration, error) {
	return n.others, n.err
}

func (n *nodes) Unused(context.Context, time.Time, time.Time) (time.Duration, time.Time, error) {
	return n.unused, n.until, n.err
}

// TestClockAfterAPause compares with a database that nobody used for two hours: that
// is said once, and nobody is told that the clock is wrong.
func TestClockAfterAPause(t *testing.T) {
	var log bytes.Buffer
	now := time.Now()
	db := &nodes{at: now.Add(-2 * time.Hour), unused: 2 * time.Hour, until: now.Add(2 * time.Hour)}
	k := NewClock(db, slog.New(slog.NewTextHandler(&log, nil)))
	compare := func(what string, known bool, unused time.Duration, stopped bool, lines int) {
		t.Helper()
		for range 3 {
			if err := k.Compare(t.Context(), now); err != nil {
				t.Fatal(err)
			}
		}
		if _, is := k.Ahead(); is != known || k.Unused() != unused || k.PurgeStopped() != stopped || k.Ready() != nil {
			t.Errorf("%s: known %t, unused %v, stopped %t, ready %v", what, is, k.Unused(), k.PurgeStopped(), k.Ready())
		}
		if n := strings.Count(log.String(), "\n"); n != lines {
			t.Errorf("%s: %d lines in the log, want %d: %s", what, n, lines, log.String())
		}
	}
	compare("after two hours", false, 2*time.Hour, true, 1)
	if !strings.Contains(log.String(), "WARN") || !strings.Contains(log.String(), "was not used") || !strings.Contains(log.String(), "unused=2h0m0s") ||
		!strings.Contains(log.String(), "until="+db.until.UTC().Format(time.RFC3339)) || strings.Contains(log.String(), "differs") {
		t.Errorf("the log says %s", log.String())
	}
	db.unused, db.until = 0, time.Time{}
	compare("when it jumped", true, 0, true, 2)
	db.at = now
	compare("when it is believed", true, 0, false, 2)
	db.at, db.unused = now.Add(-40*time.Second), 40*time.Second
	compare("after a short restart", true, 0, false, 2)
	db.at, db.unused = now.Add(-20*time.Second), 0
	compare("a small jump", true, 0, false, 3)
	db.at = now.Add(-2 * time.Minute)
	compare("a greater one", true, 0, true, 4)
}

// TestClockReady holds who is ready: a node isn't, only if its clock differs by more
// than half a minute from the database's and from most of the others'.
func TestClockReady(t *testing.T) {
	const s = time.Second
	for _, c := range []struct {
		name   string
		ahead  time.Duration
		others []time.Duration
		ready  bool
		logged bool
	}{
		{"right", 0, []time.Duration{0, 0}, true, false},
		{"a little ahead", 4 * s, []time.Duration{0, 0}, true, false},
		{"ahead", 20 * s, []time.Duration{0, 0}, true, true},
		{"alone ahead", 40 * s, []time.Duration{0, 0}, false, true},
		{"alone behind", -40 * s, []time.Duration{0}, false, true},
		{"ahead like the others: it is the database", 40 * s, []time.Duration{41 * s, 39 * s}, true, true},
		{"ahead, with one of three others", 40 * s, []time.Duration{0, 40 * s, 0}, false, true},
		{"ahead, with most of the others", 40 * s, []time.Duration{0, 40 * s, 41 * s}, true, true},
		{"ahead without others: it may be the database", 365 * 24 * time.Hour, nil, true, true},
	} {
		t.Run(c.name, func(t *testing.T) {
			var log bytes.Buffer
			now := time.Now()
			k := NewClock(&nodes{at: now.Add(-c.ahead), others: c.others}, slog.New(slog.NewTextHandler(&log, nil)))
			if err := k.Ready(); err != nil {
				t.Errorf("before it compared: %v", err)
			}
			for range 3 {
				if err := k.Compare(t.Context(), now); err != nil {
					t.Fatal(err)
				}
			}
			if err := k.Ready(); (err == nil) != c.ready {
				t.Errorf("ready: %v", err)
			}
			if ahead, known := k.Ahead(); !known || (ahead-c.ahead).Abs() > s {
				t.Errorf("ahead by %v, known %t", ahead, known)
			}
			want := 0
			if c.logged {
				want = 1
			}
			if n := strings.Count(log.String(), "clock differs"); n != want {
				t.Errorf("logged %d times, want %d: %s", n, want, log.String())
			}
		})
	}
	broken := &nodes{err: errors.New("away")}
	if err := NewClock(broken, slog.New(slog.DiscardHandler)).Compare(t.Context(), time.Now()); err == nil {
		t.Error("a database that doesn't answer is no error")
	}
}
