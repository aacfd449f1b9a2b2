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
	err    error
}

func (n *nodes) Clock(context.Context) (time.Time, error) { return n.at, n.err }

func (n *nodes) ReportClock(context.Context, string, time.Time, time.Time, time.Duration) ([]time.Duration, error) {
	return n.others, n.err
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
