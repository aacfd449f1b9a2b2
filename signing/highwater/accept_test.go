package highwater

import (
	"errors"
	"maps"
	"slices"
	"strings"
	"testing"
	"time"
)

// Accepting gives up what was found and nothing else: what fits is remembered, and can
// be put back after as little as before.
func TestAcceptKeepsTheRest(t *testing.T) {
	auth, m := newAuth(), memory{}
	s := &store{registers: []Register{register(t, auth, "a", 3), register(t, auth, "b", 5), register(t, auth, "c", 2)}}
	for n := range 4 {
		s.rows = append(s.rows, Row{Seq: int64(n + 1), At: time.Now(), Hash: [32]byte{byte(n)}})
	}
	w := newWatch(t, m, s, auth)
	check := func(what string, w *Watch, want error) {
		t.Helper()
		if err := w.Check(t.Context()); !errors.Is(err, want) {
			t.Fatalf("%s: %v, want %v", what, err, want)
		}
	}
	check("a first look", w, nil)
	s.rows = append(s.rows, Row{Seq: 5, At: time.Now(), Hash: [32]byte{9}})
	check("another event", w, nil)
	w.Over("sessions", "s", 3, time.Now().Add(time.Hour))
	w.Spent([32]byte{1}, time.Now().Add(time.Hour))
	if err := w.Save(); err != nil {
		t.Fatal(err)
	}

	s.registers = []Register{register(t, auth, "a", 2), s.registers[1]} // c is gone
	s.rows = slices.Delete(s.rows, 4, 5)
	other := newWatch(t, m, s, auth)
	if err := other.Compare(t.Context()); !errors.Is(err, ErrLost) {
		t.Fatalf("comparing: %v", err)
	}
	all := strings.Join(other.GivenUp(), "\n")
	for _, want := range []string{"clients a has revision 2, and had 3", "registers of 1 records of clients are gone", "there were 1, and there are 0"} {
		if !strings.Contains(all, want) {
			t.Errorf("given up is %q, which doesn't tell of %q", all, want)
		}
	}
	if strings.Contains(all, "clients b") {
		t.Errorf("given up is %q", all)
	}
	check("the service", w, ErrLost)
	if err := other.Accept(t.Context()); err != nil {
		t.Fatal(err)
	}
	check("after it was accepted", w, nil)
	check("after a restart", newWatch(t, m, s, auth), nil)
	if len(w.past.over) != 1 || !w.WasSpent([32]byte{1}) || len(w.past.logs[Events]) != 1 {
		t.Errorf("remembered are %d logins, %d codes, %+v", len(w.past.over), len(w.past.spent), w.past.logs)
	}
	s.rows = append(s.rows, Row{Seq: 5, At: time.Now(), Hash: [32]byte{10}})
	check("a new event in the place of the one that is gone", w, nil)
	for name, alter := range map[string]func(*store){
		"what wasn't lost":  func(s *store) { s.registers[1] = register(t, auth, "b", 4) },
		"what was accepted": func(s *store) { s.registers = s.registers[1:] },
		"an earlier event":  func(s *store) { s.rows = s.rows[1:] },
	} {
		altered := &store{registers: slices.Clone(s.registers), rows: slices.Clone(s.rows)}
		alter(altered)
		files := memory{}
		maps.Copy(files, m)
		check(name, newWatch(t, files, altered, auth), ErrLost)
	}
}
