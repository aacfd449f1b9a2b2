package highwater

import (
	"crypto/rand"
	"fmt"
	"slices"
	"sync"
	"time"
)

// Bounds of what is remembered. A mark takes some 25 bytes, a session that ended 100.
const (
	maxMarks  = 4_000_000
	maxGrants = maxMarks / 2 // grants and consents among them, which come by the thousand and matter least
	maxOver   = 400_000
	maxLearnt = maxOver / 2 // from which on no more is learnt from the log
	maxSpent  = 400_000     // 440 a second
	// spentFor is how long a spent hash is remembered. That is longer than any code or
	// assertion is valid.
	spentFor = 15 * time.Minute
)

type overKey struct{ table, id string }

type overMark struct {
	revision int64
	until    int64 // seconds
}

// entry is one record, ended session or spent hash in a file.
type entry struct {
	kind  byte
	table uint8
	hash  uint64
	id    string // of an ended session or family
	sum   [32]byte
	value int64 // revision
	until int64
}

const (
	entryMark  = 'm'
	entryOver  = 'o'
	entrySpent = 's'
)

// past is what a node remembers of its database. Safe for concurrent use. Some methods must
// be called with the lock held: their comments say so.
type past struct {
	hashKey

	mu      sync.Mutex // guards the rest
	era     string     // random; another one begins when an operator accepts a loss
	marks   marks
	over    map[overKey]overMark
	spent   map[[32]byte]int64 // until when they are remembered, in seconds
	logs    map[Log][]stretch
	pending []entry     // what the large file lacks
	changed bool        // since the small file was written
	dirty   bool        // since the large file was written
	full    bool        // there is more than can be remembered
	turn    map[Log]int // the older stretch that was counted last
	checked time.Time
	excused map[overKey]bool // sessions and families that are alive again, which an operator accepted
}

// forget drops everything that is remembered, and begins another era. The lock is held.
func (p *past) forget() {
	p.era = rand.Text()
	p.marks.by, p.marks.grants = map[uint64]mark{}, 0
	p.over, p.spent = map[overKey]overMark{}, map[[32]byte]int64{}
	p.logs, p.turn, p.pending, p.excused = map[Log][]stretch{}, map[Log]int{}, nil, map[overKey]bool{}
	p.changed, p.dirty, p.full = true, true, false
}

// wrote remembers that a record has a revision.
func (p *past) wrote(table, id string, revision int64) {
	n := slices.Index(tables, table)
	if n < 0 || revision > 1<<32-1 {
		return
	}
	h := p.hash(uint8(n), id)
	p.mu.Lock()
	defer p.mu.Unlock()
	p.raise(h, uint8(n), revision)
}

// raise remembers a record's revision if it is newer. The lock is held.
func (p *past) raise(h uint64, table uint8, revision int64) {
	m, known := p.marks.by[h]
	if !known && p.marks.full(table) {
		p.full = true
		return
	}
	m.table, m.pass, m.gone = table, p.marks.pass, 0
	if revision > int64(m.revision) {
		m.revision = uint32(revision)
		p.append(entry{kind: entryMark, table: table, hash: h, value: revision})
	}
	p.marks.put(h, m, known)
}

// ended remembers that a session or family has ended.
func (p *past) ended(table, id string, revision int64, until time.Time) {
	if until.Before(time.Now()) {
		return
	}
	p.mu.Lock()
	defer p.mu.Unlock()
	if len(p.over) >= maxOver {
		p.full = true
		return
	}
	p.over[overKey{table, id}] = overMark{revision, until.Unix()}
	p.append(entry{kind: entryOver, table: overTable(table), id: id, value: revision, until: until.Unix()})
}

// overTables are the tables whose records end some day.
var overTables = []string{"sessions", "families"}

func overTable(table string) uint8 { return uint8(max(0, slices.Index(overTables, table))) }

// spend remembers that a hash was spent.
func (p *past) spend(hash [32]byte, keep time.Time) {
	until := time.Now().Add(spentFor)
	if keep.Before(until) {
		until = keep
	}
	p.mu.Lock()
	defer p.mu.Unlock()
	if len(p.spent) >= maxSpent {
		p.full = true
		return
	}
	p.spent[hash] = until.Unix()
	p.append(entry{kind: entrySpent, sum: hash, until: until.Unix()})
}

// wasSpent reports whether a hash was spent here.
func (p *past) wasSpent(hash [32]byte) bool {
	p.mu.Lock()
	defer p.mu.Unlock()
	until, ok := p.spent[hash]
	return ok && until > time.Now().Unix()
}

// append notes that the files lack an entry. The lock is held.
func (p *past) append(e entry) {
	p.changed, p.dirty = true, true
	if len(p.pending) < maxPending {
		p.pending = append(p.pending, e)
	}
}

// sweep forgets what has expired. The lock is held.
func (p *past) sweep(now time.Time) {
	at := now.Unix()
	if p.marks.sweep(now) {
		p.dirty = true
	}
	for k, m := range p.over {
		if m.until < at {
			delete(p.over, k)
			p.dirty = true
		}
	}
	for k, until := range p.spent {
		if until < at {
			delete(p.spent, k)
			p.dirty = true
		}
	}
	// What found no room meanwhile has expired, or the next comparison finds it again.
	p.full = len(p.marks.by) >= maxMarks || p.marks.grants >= maxGrants || len(p.over) >= maxOver || len(p.spent) >= maxSpent
}

// status says how much is remembered.
func (p *past) status() Status {
	p.mu.Lock()
	defer p.mu.Unlock()
	s := Status{Records: len(p.marks.by) + len(p.over), Checked: p.checked, Full: p.full}
	for _, all := range p.logs {
		for _, one := range all {
			s.Events += one.count
		}
	}
	return s
}

// gone returns a loss if registers of a table are missing. All of them were read before.
func (p *past) gone(table uint8) []loss {
	p.mu.Lock()
	defer p.mu.Unlock()
	missing, noted := p.marks.missing(table, time.Now())
	p.dirty = p.dirty || noted
	if len(missing) == 0 {
		return nil
	}
	return []loss{{
		fmt.Sprintf("registers of %d records of %s are gone: they were deleted", len(missing), tables[table]),
		func() {
			for _, h := range missing {
				p.marks.drop(h)
			}
		},
	}}
}

// compared notes that a comparison ended and found no loss. whole says that everything
// could be compared.
func (p *past) compared(now time.Time, whole bool) {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.sweep(now)
	if p.changed = true; whole {
		p.checked = now
	}
}

// accept changes what is remembered so that it agrees with the database in what was found.
// If the files were altered, it first drops everything.
func (p *past) accept(found []loss, altered bool) {
	p.mu.Lock()
	defer p.mu.Unlock()
	if altered {
		p.forget()
	}
	for _, one := range found {
		if one.accept != nil {
			one.accept()
		}
	}
}

// begin begins another era, so that other processes read the files anew.
func (p *past) begin(now time.Time) {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.era, p.checked = rand.Text(), now
	p.changed, p.dirty = true, true
}
