package highwater

import (
	"encoding/binary"
	"errors"
	"fmt"
	"slices"
	"strings"
	"time"

	"yizheng.internal/signing"
)

// The names of what is kept. The large file has all records; the small one is written
// each second that something happens, and has the logs and what isn't in the large
// one yet. Both only ever hold what was on disk in the database before.
const (
	largeName = "records"
	smallName = "high-water"
	lostName  = "lost"
)

const (
	fileFormat = 1
	// maxPending is how much the small file has of what the large one lacks.
	maxPending = 8192
)

var errMalformed = errors.New("the file is malformed")

// Save writes what has changed. Where somebody accepted what was lost it begins anew.
func (w *Watch) Save() error {
	w.checking.Lock()
	defer w.checking.Unlock()
	w.mu.Lock()
	idle := !w.changed && w.lost == nil
	w.mu.Unlock()
	if idle {
		return nil
	}
	if err := w.follow(); err != nil {
		return err
	}
	if w.Refusal() != nil { // what is remembered stays, for whoever looks
		return nil
	}
	return w.save(false)
}

// save writes the small file if something changed, and the large one where that is
// asked for or the small one is full.
func (w *Watch) save(large bool) error {
	w.mu.Lock()
	if !w.changed {
		w.mu.Unlock()
		return nil
	}
	large = w.dirty && (large || len(w.pending) >= maxPending)
	var b []byte
	pending := w.pending
	if large {
		b = w.appendLarge()
		w.pending, w.dirty = nil, false
	}
	small := w.appendSmall()
	w.changed = false
	w.mu.Unlock()
	var err error
	if large {
		err = w.c.Memory.Remember(largeName, b)
	}
	if err == nil {
		err = w.c.Memory.Remember(smallName, small)
	}
	if err != nil {
		w.mu.Lock()
		w.changed, w.dirty = true, true
		if large { // the file has none of it, or nobody knows
			w.pending = append(pending, w.pending...)
		}
		w.mu.Unlock()
	}
	return err
}

// load reads what was kept. A file that was altered is a loss like others.
func (w *Watch) load() error {
	w.mu.Lock()
	err := w.read()
	w.mu.Unlock()
	if errors.Is(err, signing.ErrAltered) || errors.Is(err, errMalformed) {
		w.unreadable(err)
		return nil
	}
	return err
}

// unreadable says that nothing can be compared with what was remembered.
func (w *Watch) unreadable(err error) {
	w.mu.Lock()
	w.altered = true
	w.mu.Unlock()
	w.lose([]loss{{text: "what this node remembered was altered, all of it is given up: " + err.Error()}})
}

// read is load with the lock held.
func (w *Watch) read() error {
	lost, err := w.c.Memory.Remembered(lostName)
	if err != nil {
		return err
	}
	if lost != nil {
		w.lost = strings.Split(string(lost), "\n")
		w.refuse()
	}
	small, err := w.c.Memory.Remembered(smallName)
	if err != nil || small == nil {
		return err
	}
	r := reader{b: small}
	r.header()
	w.era, w.logs = r.text(), map[Log][]stretch{}
	w.checked, w.full = time.Unix(int64(r.uint64()), 0), r.byte() == 1
	for range r.count() {
		log := Log(r.text())
		for range r.count() {
			w.logs[log] = append(w.logs[log], stretch{
				after: int64(r.uint64()), upTo: int64(r.uint64()), count: int64(r.uint64()),
				sum: total{r.uint64(), r.uint64()}, made: int64(r.uint64()),
			})
		}
	}
	var recent []entry
	r.entries(func(e entry) { recent = append(recent, e) })
	if r.err != nil {
		return fmt.Errorf("%s: %w", smallName, r.err)
	}
	large, err := w.c.Memory.Remembered(largeName)
	if err != nil {
		return err
	}
	if large != nil {
		r := reader{b: large}
		r.header()
		if r.text() == w.era {
			r.entries(w.take)
		}
		if r.err != nil {
			return fmt.Errorf("%s: %w", largeName, r.err)
		}
	}
	for _, e := range recent {
		w.take(e)
	}
	w.pending, w.changed, w.dirty = recent, false, len(recent) > 0
	return nil
}

// take remembers an entry of a file.
func (w *Watch) take(e entry) {
	switch e.kind {
	case entryMark:
		m, known := w.marks[e.hash]
		if !known {
			w.counted(e.table, 1)
		}
		m.table, m.revision, m.gone = e.table, max(m.revision, uint32(e.value)), uint16(e.until)
		w.marks[e.hash] = m
	case entryOver:
		w.over[overKey{overTables[e.table], e.id}] = overMark{e.value, e.until}
	case entrySpent:
		w.spent[e.sum] = e.until
	}
}

// follow begins anew if another process accepted what was lost.
func (w *Watch) follow() error {
	small, err := w.c.Memory.Remembered(smallName)
	if err != nil && !errors.Is(err, signing.ErrAltered) {
		return err
	}
	w.mu.Lock()
	lost, written := w.lost != nil, !w.checked.IsZero()
	era := w.era
	w.mu.Unlock()
	if err != nil {
		w.unreadable(err)
		return nil
	}
	if small == nil {
		// Not written yet, or taken away.
		if !written && !lost {
			return nil
		}
		if there, err := w.c.Memory.Remembered(lostName); err != nil || there != nil {
			return err
		}
	} else {
		r := reader{b: small}
		r.header()
		if r.text() == era || r.err != nil {
			return nil
		}
		if !written && !lost { // another process on this directory was first
			w.mu.Lock()
			w.forget()
			w.mu.Unlock()
			return w.load()
		}
	}
	w.mu.Lock()
	w.forget()
	w.checked = time.Time{}
	w.mu.Unlock()
	if err := w.load(); err != nil {
		return err
	}
	w.c.Log.Warn("an operator has accepted what the database lost: this node goes on with what is left")
	return nil
}

func (w *Watch) appendSmall() []byte {
	b := appendText([]byte{fileFormat}, w.era)
	b = binary.BigEndian.AppendUint64(b, uint64(w.checked.Unix()))
	b = append(b, 0)
	if w.full {
		b[len(b)-1] = 1
	}
	b = binary.BigEndian.AppendUint32(b, uint32(len(logs)))
	for _, log := range logs {
		b = appendText(b, string(log))
		b = binary.BigEndian.AppendUint32(b, uint32(len(w.logs[log])))
		for _, s := range w.logs[log] {
			for _, v := range []uint64{uint64(s.after), uint64(s.upTo), uint64(s.count), s.sum.high, s.sum.low, uint64(s.made)} {
				b = binary.BigEndian.AppendUint64(b, v)
			}
		}
	}
	return appendEntries(b, slices.Values(w.pending), len(w.pending))
}

func (w *Watch) appendLarge() []byte {
	b := make([]byte, 0, 64+len(w.marks)*entrySize+len(w.over)*64+len(w.spent)*48)
	b = appendText(append(b, fileFormat), w.era)
	return appendEntries(b, w.all, len(w.marks)+len(w.over)+len(w.spent))
}

// all yields everything that is remembered of records.
func (w *Watch) all(yield func(entry) bool) {
	for h, m := range w.marks {
		if !yield(entry{kind: entryMark, table: m.table, hash: h, value: int64(m.revision), until: int64(m.gone)}) {
			return
		}
	}
	for k, m := range w.over {
		if !yield(entry{kind: entryOver, table: overTable(k.table), id: k.id, value: m.revision, until: m.until}) {
			return
		}
	}
	for hash, until := range w.spent {
		if !yield(entry{kind: entrySpent, sum: hash, until: until}) {
			return
		}
	}
}
