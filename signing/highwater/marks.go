package highwater

import (
	"encoding/binary"
	"slices"
	"time"

	"github.com/emmansun/gmsm/sm3"
)

// How much is remembered. A mark takes some 25 bytes, a login that ended 100.
const (
	maxMarks  = 4_000_000
	maxGrants = maxMarks / 2 // of them: grants and consents come by the thousand, and matter least
	maxOver   = 400_000
	maxLearnt = maxOver / 2 // of them, at which no more is learnt from the log
	maxSpent  = 400_000     // 440 a second
	// spentFor is how long a hash that was spent is remembered: longer than whatever
	// could be used a second time is kept.
	spentFor = 15 * time.Minute
)

// mark is what is remembered of a record.
type mark struct {
	revision uint32
	gone     uint16 // the day on which a lapsed one was found gone, since 2020; 0: it is there
	table    uint8  // in tables
	pass     uint8  // in which it was last seen
}

// goneFor is for how many days a grant that was taken away is remembered: longer than
// any lives, so that none comes back.
const goneFor = 400

var day0 = time.Date(2020, 1, 1, 0, 0, 0, 0, time.UTC)

func day(t time.Time) uint16 { return uint16(t.Sub(day0) / (24 * time.Hour)) }

type overKey struct{ table, id string }

type overMark struct {
	revision int64
	until    int64 // seconds
}

// entry is what a file holds of one of them.
type entry struct {
	kind  byte
	table uint8
	hash  uint64
	id    string // of over
	sum   [32]byte
	value int64 // revision
	until int64
}

const (
	entryMark  = 'm'
	entryOver  = 'o'
	entrySpent = 's'
)

// hash is under what a record is remembered. Nobody without the key can make two
// that collide.
func (w *Watch) hash(table uint8, id string) uint64 {
	b := make([]byte, 0, 64)
	b = append(b, w.key[:]...)
	b = append(b, table)
	b = append(b, id...)
	sum := sm3.Sum(b)
	return binary.BigEndian.Uint64(sum[:])
}

// Wrote implements [signing.Witness].
func (w *Watch) Wrote(table, id string, revision int64) {
	n := slices.Index(tables, table)
	if n < 0 || revision > 1<<32-1 {
		return
	}
	h := w.hash(uint8(n), id)
	w.mu.Lock()
	defer w.mu.Unlock()
	w.raise(h, uint8(n), revision, w.pass)
}

// raise remembers a revision, if it is newer. The lock is held.
func (w *Watch) raise(h uint64, table uint8, revision int64, pass uint8) {
	m, known := w.marks[h]
	if !known {
		if len(w.marks) >= maxMarks || comes(table) && w.grants >= maxGrants {
			w.full = true
			return
		}
		w.counted(table, 1)
	}
	m.table, m.pass, m.gone = table, pass, 0
	if revision > int64(m.revision) {
		m.revision = uint32(revision)
		w.append(entry{kind: entryMark, table: table, hash: h, value: revision})
	}
	w.marks[h] = m
}

// Over implements [signing.Witness].
func (w *Watch) Over(table, id string, revision int64, until time.Time) {
	if until.Before(time.Now()) {
		return
	}
	w.mu.Lock()
	defer w.mu.Unlock()
	if len(w.over) >= maxOver {
		w.full = true
		return
	}
	w.over[overKey{table, id}] = overMark{revision, until.Unix()}
	w.append(entry{kind: entryOver, table: overTable(table), id: id, value: revision, until: until.Unix()})
}

// overTables are those whose records are over some day.
var overTables = []string{"sessions", "families"}

func overTable(table string) uint8 { return uint8(max(0, slices.Index(overTables, table))) }

// Spent implements [signing.Witness].
func (w *Watch) Spent(hash [32]byte, keep time.Time) {
	until := time.Now().Add(spentFor)
	if keep.Before(until) {
		until = keep
	}
	w.mu.Lock()
	defer w.mu.Unlock()
	if len(w.spent) >= maxSpent {
		w.full = true
		return
	}
	w.spent[hash] = until.Unix()
	w.append(entry{kind: entrySpent, sum: hash, until: until.Unix()})
}

// WasSpent implements [signing.Witness].
func (w *Watch) WasSpent(hash [32]byte) bool {
	w.mu.Lock()
	defer w.mu.Unlock()
	until, ok := w.spent[hash]
	return ok && until > time.Now().Unix()
}

// append notes what the files don't hold yet. The lock is held.
func (w *Watch) append(e entry) {
	w.changed, w.dirty = true, true
	if len(w.pending) < maxPending {
		w.pending = append(w.pending, e)
	}
}

// comes reports whether records of a table come and go by the thousand.
func comes(table uint8) bool { return tables[table] == lapsing || tables[table] == expiring }

// counted counts those that are remembered. The lock is held.
func (w *Watch) counted(table uint8, more int) {
	if comes(table) {
		w.grants += more
	}
}

// sweep forgets what is over for good. The lock is held.
func (w *Watch) sweep(now time.Time) {
	at, today := now.Unix(), day(now)
	for h, m := range w.marks {
		if m.gone != 0 && m.gone+goneFor < today {
			delete(w.marks, h)
			w.counted(m.table, -1)
			w.dirty = true
		}
	}
	for k, m := range w.over {
		if m.until < at {
			delete(w.over, k)
			w.dirty = true
		}
	}
	for k, until := range w.spent {
		if until < at {
			delete(w.spent, k)
			w.dirty = true
		}
	}
	// Whatever found no place meanwhile is past, or found again by the next comparison.
	w.full = len(w.marks) >= maxMarks || w.grants >= maxGrants || len(w.over) >= maxOver || len(w.spent) >= maxSpent
}
