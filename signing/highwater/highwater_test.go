package highwater

import (
	"context"
	"encoding/binary"
	"errors"
	"fmt"
	"slices"
	"testing"
	"time"

	"yizheng.internal/signing"
)

// module makes MACs as a keystore does, under a key that is no secret.
type module struct{ signing.Module }

func (module) MAC(signing.KeyID, []byte) ([]byte, error) { return make([]byte, 32), nil }

type memory map[string][]byte

func (m memory) Remember(name string, data []byte) error { m[name] = data; return nil }
func (m memory) Remembered(name string) ([]byte, error)  { return m[name], nil }
func (m memory) Forget(name string) error                { delete(m, name); return nil }

// store is a database of registers of clients and of events alone.
type store struct {
	registers []Register // of clients, by id
	rows      []Row
	reading   func() // called once, after a page was read
}

func (s *store) Registers(_ context.Context, table, after string, limit int) ([]Register, error) {
	if table != "clients" {
		return nil, nil
	}
	at, found := slices.BinarySearchFunc(s.registers, after, func(r Register, id string) int {
		return slices.Compare([]byte(r.ID), []byte(id))
	})
	if found {
		at++
	}
	page := slices.Clone(s.registers[at:min(len(s.registers), at+limit)])
	if s.reading != nil {
		s.reading()
		s.reading = nil
	}
	return page, nil
}

func (s *store) Newest(context.Context, Log) (Row, error) {
	if len(s.rows) == 0 {
		return Row{}, nil
	}
	return s.rows[len(s.rows)-1], nil
}

func (s *store) Rows(_ context.Context, _ Log, after, upTo int64, limit int) (all []Row, err error) {
	for _, r := range s.rows {
		if r.Seq > after && r.Seq <= upTo && len(all) < limit {
			all = append(all, r)
		}
	}
	return all, nil
}

func (*store) Standing(context.Context, string, []string) ([]Standing, error) { return nil, nil }
func (*store) Missing(context.Context, [][32]byte) ([][32]byte, error)        { return nil, nil }

func newAuth() *signing.Authenticator { return signing.NewAuthenticator(module{}, nil) }

func newWatch(t testing.TB, m Memory, s Store, auth *signing.Authenticator) *Watch {
	t.Helper()
	w, err := New(Config{Memory: m, Store: s, Auth: auth})
	if err != nil {
		t.Fatal(err)
	}
	return w
}

// register makes a client's register.
func register(t testing.TB, auth *signing.Authenticator, id string, revision int64) Register {
	t.Helper()
	_, mark, err := auth.Stamp(signing.NewFacts("clients", id, revision))
	if err != nil {
		t.Fatal(err)
	}
	return Register{ID: id, Mark: mark}
}

// What is written between the reading of a page and its comparison is no loss; what
// stays behind is.
func TestWrittenWhileCompared(t *testing.T) {
	auth, m := newAuth(), memory{}
	s := &store{registers: []Register{register(t, auth, "a", 2), register(t, auth, "b", 2)}}
	w := newWatch(t, m, s, auth)
	check := func(what string, want error) {
		t.Helper()
		if err := w.Check(t.Context()); !errors.Is(err, want) {
			t.Fatalf("%s: %v, want %v", what, err, want)
		}
	}
	check("a first look", nil)
	s.reading = func() { s.registers[0] = register(t, auth, "a", 3); w.Wrote("clients", "a", 3) }
	check("written meanwhile", nil)
	s.reading = func() {
		s.registers = append(s.registers, register(t, auth, "c", 2))
		w.Wrote("clients", "c", 2)
	}
	check("added meanwhile", nil)
	s.registers[0] = register(t, auth, "a", 2)
	check("put back", ErrLost)
}

// Nobody makes others remember a revision that was never written: they would refuse.
func TestForgedRegister(t *testing.T) {
	auth, m := newAuth(), memory{}
	s := &store{registers: []Register{register(t, auth, "a", 2)}}
	w := newWatch(t, m, s, auth)
	if err := w.Check(t.Context()); err != nil {
		t.Fatal(err)
	}
	genuine := s.registers[0]
	forged := slices.Clone(genuine.Mark)
	binary.BigEndian.PutUint64(forged, 99)
	s.registers[0].Mark = forged
	if err := w.Check(t.Context()); err != nil {
		t.Errorf("a forged register: %v: its record is refused when it is read", err)
	}
	s.registers[0] = genuine
	if err := w.Check(t.Context()); err != nil {
		t.Errorf("the genuine one again: %v", err)
	}
}

// All that is remembered outlives the process, whichever file it is in.
func TestFiles(t *testing.T) {
	auth, m := newAuth(), memory{}
	s := &store{}
	w := newWatch(t, m, s, auth)
	if err := w.Check(t.Context()); err != nil {
		t.Fatal(err)
	}
	until := time.Now().Add(time.Hour)
	for n := range maxPending + 10 {
		w.Wrote("licenses", fmt.Sprint(n), 2)
	}
	if err := w.Save(); err != nil {
		t.Fatal(err)
	}
	w.Wrote("licenses", "1", 7)
	w.Over("sessions", "s", 3, until)
	w.Over("families", "f", 4, until)
	w.Spent([32]byte{1}, until)
	if err := w.Save(); err != nil {
		t.Fatal(err)
	}
	if large, small := len(m[largeName]), len(m[smallName]); large < maxPending*entrySize || small > 1000 {
		t.Errorf("the large file has %d bytes, the small one %d", large, small)
	}
	again := newWatch(t, m, s, auth)
	if got := again.past.marks.by[again.past.hash(5, "1")]; got.revision != 7 || len(again.past.marks.by) != maxPending+10 {
		t.Errorf("%d marks, one of them %+v", len(again.past.marks.by), got)
	}
	if len(again.past.over) != 2 || again.past.over[overKey{"families", "f"}].revision != 4 || !again.WasSpent([32]byte{1}) || again.WasSpent([32]byte{2}) {
		t.Errorf("logins that ended: %v", again.past.over)
	}
	m[smallName] = m[smallName][:len(m[smallName])-1]
	if err := newWatch(t, m, s, auth).Refusal(); !errors.Is(err, ErrLost) {
		t.Errorf("a file that is cut off: %v", err)
	}
}

// Events go when retention takes them, and their stretches before them; stretches are
// joined, and count the same.
func TestStretches(t *testing.T) {
	auth, m := newAuth(), memory{}
	s := &store{}
	old := time.Now().Add(-keptFor - time.Hour)
	for n := range 5 {
		s.rows = append(s.rows, Row{Seq: int64(n + 1), At: old, Hash: [32]byte{byte(n)}})
	}
	w := newWatch(t, m, s, auth)
	for n := range 3 {
		if err := w.Check(t.Context()); err != nil {
			t.Fatal(err)
		}
		s.rows = append(s.rows, Row{Seq: int64(n + 10), At: time.Now(), Hash: [32]byte{byte(n + 10)}})
	}
	s.rows = s.rows[5:]
	if err := w.Check(t.Context()); err != nil {
		t.Errorf("after retention: %v", err)
	}
	all := w.past.logs[Events]
	if len(all) < 2 {
		t.Fatalf("stretches: %+v", all)
	}
	var many []stretch
	for n := range maxStretches + 50 {
		many = append(many, stretch{after: int64(n), upTo: int64(n + 1), count: 1, sum: total{1, 1 << 63}})
	}
	many = shorter(many)
	count, sum := int64(0), total{}
	for n, one := range many {
		if n > 0 && one.after != many[n-1].upTo {
			t.Errorf("stretch %d begins at %d after one up to %d", n, one.after, many[n-1].upTo)
		}
		count += one.count
		sum.add(one.sum.high, one.sum.low)
	}
	want := total{}
	for range maxStretches + 50 {
		want.add(1, 1<<63)
	}
	if len(many) != maxStretches || count != maxStretches+50 || sum != want {
		t.Errorf("%d stretches of %d events with the sum %v, want %v", len(many), count, sum, want)
	}
	s.rows = s.rows[:len(s.rows)-1]
	if err := w.Check(t.Context()); !errors.Is(err, ErrLost) {
		t.Errorf("the newest event deleted: %v", err)
	}
}

func FuzzEntries(f *testing.F) {
	f.Add(appendEntries(nil, slices.Values([]entry{{kind: entryMark, table: 1, hash: 2, value: 3}, {kind: entryOver, id: "x"}, {kind: entrySpent}}), 3))
	f.Fuzz(func(t *testing.T, b []byte) {
		var all []entry
		r := reader{b: b}
		r.entries(func(e entry) { all = append(all, e) })
		if r.err != nil {
			return
		}
		if again := appendEntries(nil, slices.Values(all), len(all)); len(again) != len(b) {
			t.Errorf("%d bytes are read as %d entries, which are %d bytes", len(b), len(all), len(again))
		}
	})
}

// BenchmarkWrote is what a change of a record costs more, beside a Stamp, which it
// costs anyway.
func BenchmarkWrote(b *testing.B) {
	auth := newAuth()
	w := newWatch(b, memory{}, &store{}, auth)
	b.Run("Wrote", func(b *testing.B) {
		for n := 0; b.Loop(); n++ {
			w.Wrote("clients", "0123456789abcdef0123456789", int64(n))
		}
	})
	b.Run("Over", func(b *testing.B) {
		until := time.Now().Add(time.Hour)
		for b.Loop() {
			w.Over("sessions", "0123456789abcdef0123456789", 2, until)
		}
	})
	b.Run("Stamp", func(b *testing.B) {
		for b.Loop() {
			if _, _, err := auth.Stamp(signing.NewFacts("clients", "0123456789abcdef0123456789", 2).Bytes(make([]byte, 100))); err != nil {
				b.Fatal(err)
			}
		}
	})
}

// BenchmarkCheck compares 100,000 registers that haven't changed.
func BenchmarkCheck(b *testing.B) {
	auth, s := newAuth(), &store{}
	for n := range 100_000 {
		s.registers = append(s.registers, register(b, auth, fmt.Sprintf("0123456789abcdef%010d", n), 2))
	}
	w := newWatch(b, memory{}, s, auth)
	for b.Loop() {
		if err := w.Check(b.Context()); err != nil {
			b.Fatal(err)
		}
	}
}

// An event of a clock that was wrong by years goes when retention takes its month:
// that is no loss. The events beside it are counted all the same.
func TestWrongClock(t *testing.T) {
	auth, m := newAuth(), memory{}
	s := &store{}
	w := newWatch(t, m, s, auth)
	for n, at := range []time.Time{time.Now(), time.Now().AddDate(-2, 0, 0), time.Now(), time.Now()} {
		s.rows = append(s.rows, Row{Seq: int64(n + 1), At: at, Hash: [32]byte{byte(n)}})
	}
	if err := w.Check(t.Context()); err != nil {
		t.Fatal(err)
	}
	s.rows = slices.Delete(s.rows, 1, 2)
	if err := w.Check(t.Context()); err != nil {
		t.Errorf("after retention: %v", err)
	}
	s.rows = slices.Delete(s.rows, 1, 2)
	if err := w.Check(t.Context()); !errors.Is(err, ErrLost) {
		t.Errorf("an event of today was deleted: %v", err)
	}
}

// What one log or table keeps up hides nothing in the others.
func TestPartsThatFail(t *testing.T) {
	auth, m := newAuth(), memory{}
	s := &failing{store: store{registers: []Register{register(t, auth, "a", 3)}, rows: []Row{{Seq: 1, At: time.Now()}, {Seq: 2, At: time.Now()}}}}
	w := newWatch(t, m, s, auth)
	if err := w.Check(t.Context()); err != nil {
		t.Fatal(err)
	}
	s.fails = Events
	if err := w.Check(t.Context()); err == nil || errors.Is(err, ErrLost) {
		t.Errorf("a log that can't be read: %v", err)
	}
	s.rows = s.rows[:1]
	if err := w.Check(t.Context()); !errors.Is(err, ErrLost) {
		t.Errorf("an event of the other log is gone: %v", err)
	}
}

// failing is a store of which one log can't be read.
type failing struct {
	store
	fails Log
}

func (s *failing) Rows(ctx context.Context, log Log, after, upTo int64, limit int) ([]Row, error) {
	if log == s.fails {
		return nil, errors.New("the row is malformed")
	}
	return s.store.Rows(ctx, log, after, upTo, limit)
}

// A file that couldn't be written loses nothing: it is written later.
func TestFailedWrite(t *testing.T) {
	auth, m := newAuth(), &breaking{memory: memory{}}
	s := &store{}
	w := newWatch(t, m, s, auth)
	if err := w.Check(t.Context()); err != nil {
		t.Fatal(err)
	}
	s.registers = append(s.registers, register(t, auth, "a", 2))
	w.Wrote("clients", "a", 2)
	m.breaks = true
	if err := w.Check(t.Context()); err == nil || errors.Is(err, ErrLost) {
		t.Fatalf("the memory doesn't break: %v", err)
	}
	m.breaks = false
	w.Spent([32]byte{1}, time.Now().Add(time.Hour))
	if err := w.Save(); err != nil {
		t.Fatal(err)
	}
	if again := newWatch(t, m, s, auth); len(again.past.marks.by) != 1 || !again.WasSpent([32]byte{1}) {
		t.Errorf("%d marks are left", len(again.past.marks.by))
	}
}

// breaking is a memory that may fail.
type breaking struct {
	memory
	breaks bool
}

func (m *breaking) Remember(name string, data []byte) error {
	if m.breaks {
		return errors.New("the disk is full")
	}
	return m.memory.Remember(name, data)
}
