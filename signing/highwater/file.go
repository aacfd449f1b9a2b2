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

// These are the names of the files. The large file has all records. The small one has the logs, and
// the records that the large one lacks; it is written every second if something changed.
// Both hold only what is on disk in the database already.
const (
	largeName = "records"
	smallName = "high-water"
	lostName  = "lost"
)

const (
	fileFormat = 1
	// maxPending is how many records the small file has at most that the large one lacks.
	maxPending = 8192
)

var errMalformed = errors.New("the file is malformed")

// Save writes what has changed. If an operator accepted a loss meanwhile, it first reads the
// files anew.
func (w *Watch) Save() error {
	w.checking.Lock()
	defer w.checking.Unlock()
	if !w.past.unsaved() && !w.findings.any() {
		return nil
	}
	if err := w.follow(); err != nil {
		return err
	}
	if w.Refusal() != nil { // what is remembered stays, for whoever looks
		return nil
	}
	return w.past.save(w.c.Memory, false)
}

// load reads the files. An altered file is a loss, and no error.
func (w *Watch) load() error {
	lost, err := w.c.Memory.Remembered(lostName)
	if err == nil {
		if lost != nil {
			w.findings.restore(strings.Split(string(lost), "\n"))
		}
		err = w.past.read(w.c.Memory)
	}
	if errors.Is(err, signing.ErrAltered) || errors.Is(err, errMalformed) {
		w.findings.unreadable(err)
		return nil
	}
	return err
}

// follow reads the files anew if another process accepted a loss.
func (w *Watch) follow() error {
	small, err := w.c.Memory.Remembered(smallName)
	if err != nil && !errors.Is(err, signing.ErrAltered) {
		return err
	}
	if err != nil {
		w.findings.unreadable(err)
		return nil
	}
	era, written := w.past.current()
	lost := w.findings.any()
	if small == nil {
		// The file was not written yet, or was deleted.
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
			w.forget()
			return w.load()
		}
	}
	w.forget()
	if err := w.load(); err != nil {
		return err
	}
	w.c.Log.Warn("an operator has accepted what the database lost: this node goes on with what is left")
	return nil
}

// current returns the era, and whether everything was compared in it once.
func (p *past) current() (era string, compared bool) {
	p.mu.Lock()
	defer p.mu.Unlock()
	return p.era, !p.checked.IsZero()
}

// unsaved reports whether something changed that is not in the files yet.
func (p *past) unsaved() bool {
	p.mu.Lock()
	defer p.mu.Unlock()
	return p.changed
}

// save writes the small file if something changed. It also writes the large one if that is
// asked for, or if the small one is full.
func (p *past) save(m Memory, large bool) error {
	p.mu.Lock()
	if !p.changed {
		p.mu.Unlock()
		return nil
	}
	large = p.dirty && (large || len(p.pending) >= maxPending)
	var b []byte
	pending := p.pending
	if large {
		b = p.appendLarge()
		p.pending, p.dirty = nil, false
	}
	small := p.appendSmall()
	p.changed = false
	p.mu.Unlock()
	var err error
	if large {
		err = m.Remember(largeName, b)
	}
	if err == nil {
		err = m.Remember(smallName, small)
	}
	if err != nil {
		p.mu.Lock()
		p.changed, p.dirty = true, true
		if large { // perhaps the large file has none of it
			p.pending = append(pending, p.pending...)
		}
		p.mu.Unlock()
	}
	return err
}

// read reads the files.
func (p *past) read(m Memory) error {
	p.mu.Lock()
	defer p.mu.Unlock()
	small, err := m.Remembered(smallName)
	if err != nil || small == nil {
		return err
	}
	r := reader{b: small}
	r.header()
	p.era, p.logs = r.text(), map[Log][]stretch{}
	p.checked, p.full = time.Unix(int64(r.uint64()), 0), r.byte() == 1
	for range r.count() {
		log := Log(r.text())
		for range r.count() {
			p.logs[log] = append(p.logs[log], stretch{
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
	large, err := m.Remembered(largeName)
	if err != nil {
		return err
	}
	if large != nil {
		r := reader{b: large}
		r.header()
		if r.text() == p.era {
			r.entries(p.take)
		}
		if r.err != nil {
			return fmt.Errorf("%s: %w", largeName, r.err)
		}
	}
	for _, e := range recent {
		p.take(e)
	}
	p.pending, p.changed, p.dirty = recent, false, len(recent) > 0
	return nil
}

// take remembers an entry of a file. The lock is held.
func (p *past) take(e entry) {
	switch e.kind {
	case entryMark:
		m, known := p.marks.by[e.hash]
		m.table, m.revision, m.gone = e.table, max(m.revision, uint32(e.value)), uint16(e.until)
		p.marks.put(e.hash, m, known)
	case entryOver:
		p.over[overKey{overTables[e.table], e.id}] = overMark{e.value, e.until}
	case entrySpent:
		p.spent[e.sum] = e.until
	}
}

// appendSmall returns the small file. The lock is held.
func (p *past) appendSmall() []byte {
	b := appendText([]byte{fileFormat}, p.era)
	b = binary.BigEndian.AppendUint64(b, uint64(p.checked.Unix()))
	b = append(b, 0)
	if p.full {
		b[len(b)-1] = 1
	}
	b = binary.BigEndian.AppendUint32(b, uint32(len(logs)))
	for _, log := range logs {
		b = appendText(b, string(log))
		b = binary.BigEndian.AppendUint32(b, uint32(len(p.logs[log])))
		for _, s := range p.logs[log] {
			for _, v := range []uint64{uint64(s.after), uint64(s.upTo), uint64(s.count), s.sum.high, s.sum.low, uint64(s.made)} {
				b = binary.BigEndian.AppendUint64(b, v)
			}
		}
	}
	return appendEntries(b, slices.Values(p.pending), len(p.pending))
}

// appendLarge returns the large file. The lock is held.
func (p *past) appendLarge() []byte {
	b := make([]byte, 0, 64+len(p.marks.by)*entrySize+len(p.over)*64+len(p.spent)*48)
	b = appendText(append(b, fileFormat), p.era)
	return appendEntries(b, p.all, len(p.marks.by)+len(p.over)+len(p.spent))
}

// all yields everything that is remembered of records. The lock is held.
func (p *past) all(yield func(entry) bool) {
	for h, m := range p.marks.by {
		if !yield(entry{kind: entryMark, table: m.table, hash: h, value: int64(m.revision), until: int64(m.gone)}) {
			return
		}
	}
	for k, m := range p.over {
		if !yield(entry{kind: entryOver, table: overTable(k.table), id: k.id, value: m.revision, until: m.until}) {
			return
		}
	}
	for hash, until := range p.spent {
		if !yield(entry{kind: entrySpent, sum: hash, until: until}) {
			return
		}
	}
}
