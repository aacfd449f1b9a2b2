package memory

import (
	"errors"
	"fmt"
	"math/rand/v2"

	"yizheng.internal/oidc/ephemeral"
)

// parts is how many parts of the store there are.
const parts = int(ephemeral.PartReserved)

// shares say how much of the room each part may take, in hundredths. What is
// reserved may take more than its share: then the others give way.
var shares = [parts]int64{30, 30, 15, 100}

const (
	sampled = 16 // values of which one gives way
	// surplus is how much one owner may have of what is reserved before something of
	// it gives way, in bytes: some hundred codes.
	surplus = 128 << 10
	// maxOwner is the longest name of an owner.
	maxOwner = 64
)

// part is a part of the store, as [ephemeral.Part] says.
type part struct {
	entries []*entry
	owners  map[string]int64 // bytes of each
	bytes   int64
}

func (p *part) add(e *entry) {
	e.index = len(p.entries)
	p.entries = append(p.entries, e)
	p.bytes += e.size()
	p.owners[e.owner] += e.size()
}

func (p *part) remove(e *entry) {
	last := len(p.entries) - 1
	p.entries[e.index] = p.entries[last]
	p.entries[e.index].index = e.index
	p.entries[last] = nil
	p.entries = p.entries[:last]
	p.bytes -= e.size()
	if p.owners[e.owner] -= e.size(); p.owners[e.owner] <= 0 {
		delete(p.owners, e.owner)
	}
}

// heaviest returns, of some entries picked at random, one of the owner who takes
// most room, the soonest to expire; never the one that is to stay.
func (p *part) heaviest(stays *entry) *entry {
	var found *entry
	for range min(sampled, 2*len(p.entries)) {
		e := p.entries[rand.IntN(len(p.entries))]
		if e == stays {
			continue
		}
		if found == nil || p.owners[e.owner] > p.owners[found.owner] ||
			p.owners[e.owner] == p.owners[found.owner] && e.expires.Before(found.expires) {
			found = e
		}
	}
	return found
}

// fits reports whether there is room for an entry in the place of old.
func (s *Ephemeral) fits(e, old *entry) bool {
	count, bytes := len(s.values)+1, s.bytes+e.size()
	p := &s.parts[e.part-1]
	ofPart, bytesOfPart := len(p.entries)+1, p.bytes+e.size()
	if old != nil {
		count, bytes = count-1, bytes-old.size()
		if old.part == e.part {
			ofPart, bytesOfPart = ofPart-1, bytesOfPart-old.size()
		}
	}
	share := shares[e.part-1]
	return count <= s.c.MaxValues && bytes <= s.c.MaxBytes &&
		int64(ofPart) <= max(int64(s.c.MaxValues)*share/100, 1) && bytesOfPart <= s.c.MaxBytes*share/100
}

// makeRoom lets something give way to an entry that doesn't fit: of its own part
// if that has its share, else of the first part that has something. It reports
// whether something gave way; the one that the entry takes the place of stays.
func (s *Ephemeral) makeRoom(e, old *entry) bool {
	if e.size() > s.c.MaxBytes*shares[e.part-1]/100 {
		return false
	}
	first, own := 0, int(e.part-1)
	if p := &s.parts[own]; e.part != ephemeral.PartReserved &&
		(int64(len(p.entries)) >= int64(s.c.MaxValues)*shares[own]/100 || p.bytes+e.size() > s.c.MaxBytes*shares[own]/100) {
		first = own
	}
	for i := first; i <= own; i++ {
		p := &s.parts[i]
		v := p.heaviest(old)
		if v == nil || v.part == ephemeral.PartReserved && (v.owner == "" || p.owners[v.owner] <= surplus) {
			continue
		}
		s.evicted[i]++
		s.forget(v)
		return true
	}
	return false
}

// checkKeeping holds a call to the limits of [ephemeral.Store].
func checkKeeping(k ephemeral.Keeping) error {
	if k.Part < 1 || k.Part > ephemeral.PartReserved {
		return fmt.Errorf("there is no part %d of the store", k.Part)
	}
	if len(k.Owner) > maxOwner {
		return fmt.Errorf("an owner of %d bytes: must be at most %d", len(k.Owner), maxOwner)
	}
	for i := range len(k.Owner) {
		if k.Owner[i] <= ' ' || k.Owner[i] > '~' {
			return errors.New("an owner has a character that is not visible ASCII")
		}
	}
	return nil
}
