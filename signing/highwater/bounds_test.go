package highwater

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"log/slog"
	"strings"
	"testing"
	"time"

	"yizheng.internal/signing"
)

// filled is a store of which a table was filled.
type filled struct {
	store
	table string
	rows  int
	mark  []byte
}

func (s *filled) Registers(ctx context.Context, table, after string, limit int) (all []Register, err error) {
	if table != s.table {
		return s.store.Registers(ctx, table, after, limit)
	}
	n := 0
	if after != "" {
		if _, err := fmt.Sscanf(after, "%09d", &n); err != nil {
			return nil, err
		}
	}
	for n < s.rows && len(all) < limit {
		n++
		all = append(all, Register{ID: fmt.Sprintf("%09d", n), Mark: s.mark, Revision: 1})
	}
	return all, nil
}

// Whoever fills a table, a client with its versions too, fills no node's memory and stops
// no service; but it isn't said that everything was compared.
func TestFilledVersions(t *testing.T) {
	auth := newAuth()
	s := &filled{table: "service_items", rows: maxVersions}
	if err := newWatch(t, memory{}, s, auth).Check(t.Context()); err != nil {
		t.Errorf("%d versions: %v", s.rows, err)
	}
	s.rows = 3 * maxVersions
	w := newWatch(t, memory{}, s, auth)
	if err := w.Check(t.Context()); err == nil || errors.Is(err, ErrLost) || !strings.Contains(err.Error(), "comparing service_items with what was seen: it has more rows than 100000") {
		t.Errorf("%d versions: %v", s.rows, err)
	}
	if w.Refusal() != nil || !w.Status().Checked.IsZero() {
		t.Errorf("refuses: %v; compared %v", w.Refusal(), w.Status().Checked)
	}
	if n := len(w.past.marks.by); n > maxVersions {
		t.Errorf("%d of them are remembered", n)
	}
}

// Registers that somebody made up fill neither the memory nor the log, and hide nothing.
func TestFilledRegisters(t *testing.T) {
	var log bytes.Buffer
	auth := signing.NewAuthenticator(module{}, slog.New(slog.NewTextHandler(&log, nil)))
	s := &filled{table: "participants", rows: 50_000, mark: bytes.Repeat([]byte{0, 0, 0, 0, 0}, 5)}
	s.mark[7] = 2
	s.registers = []Register{register(t, auth, "a", 3)}
	w := newWatch(t, memory{}, s, auth)
	if err := w.Check(t.Context()); err == nil || errors.Is(err, ErrLost) || !strings.Contains(err.Error(), "50000 registers were not written here") {
		t.Errorf("made-up registers: %v", err)
	}
	if n := strings.Count(log.String(), "\n"); n > maxForged || len(w.past.marks.by) != 1 {
		t.Errorf("%d lines in the log, %d records remembered", n, len(w.past.marks.by))
	}
	s.registers[0] = register(t, auth, "a", 2)
	if err := w.Check(t.Context()); !errors.Is(err, ErrLost) {
		t.Errorf("one that was put back beside them: %v", err)
	}
}

// What the log says that ended is known, whoever ended it; what was accepted to live
// again is not found a second time.
func TestEndedElsewhere(t *testing.T) {
	auth, m := newAuth(), memory{}
	s := &standing{}
	until := time.Now().Add(time.Hour)
	w := newWatch(t, m, s, auth)
	check := func(what string, w *Watch, want error) {
		t.Helper()
		if err := w.Check(t.Context()); !errors.Is(err, want) {
			t.Fatalf("%s: %v, want %v", what, err, want)
		}
	}
	check("a first look", w, nil)
	s.rows = append(s.rows, Row{Seq: 1, At: time.Now(), Hash: [32]byte{1}, Table: "sessions", Ended: "s"},
		Row{Seq: 2, At: time.Now(), Hash: [32]byte{2}, Table: "families", Ended: "a client"})
	s.standing = []Standing{{ID: "s", Revision: 2, Ended: true, Expires: until}}
	check("ended elsewhere", w, nil)
	s.standing = []Standing{{ID: "s", Revision: 1, Expires: until}}
	check("put back", w, ErrLost)

	other := newWatch(t, m, s, auth)
	if err := other.Compare(t.Context()); !errors.Is(err, ErrLost) {
		t.Fatalf("comparing: %v", err)
	}
	if err := other.Accept(t.Context()); err != nil {
		t.Fatal(err)
	}
	check("after it was accepted", w, nil)
	check("again", newWatch(t, m, s, auth), nil)
}

// standing is a store with sessions.
type standing struct {
	store
	standing []Standing
}

func (s *standing) Standing(_ context.Context, table string, ids []string) (all []Standing, err error) {
	for _, one := range s.standing {
		for _, id := range ids {
			if table == "sessions" && id == one.ID {
				all = append(all, one)
			}
		}
	}
	return all, nil
}
