package highwater

import (
	"encoding/binary"
	"time"

	"github.com/emmansun/gmsm/sm3"
)

// mark is what is remembered of a record.
type mark struct {
	revision uint32
	gone     uint16 // the day, counted from 2020, on which a lapsed record was found deleted; 0: it is there
	table    uint8  // its index in tables
	pass     uint8  // the comparison that saw it last
}

// goneFor is for how many days a deleted grant is remembered. That is longer than any grant
// is valid, so that nobody can put back one that is.
const goneFor = 400

var day0 = time.Date(2020, 1, 1, 0, 0, 0, 0, time.UTC)

func day(t time.Time) uint16 { return uint16(t.Sub(day0) / (24 * time.Hour)) }

// marks are what is remembered of all records. They have no lock: past's guards them.
type marks struct {
	by     map[uint64]mark // by the hash of table and id
	grants int             // how many of them come and go by the thousand
	pass   uint8           // the comparison under way, or the last one
}

// hashKey is the key of the hashes under which records are remembered. Nobody without it
// can make two records that collide.
type hashKey [16]byte

func (k hashKey) hash(table uint8, id string) uint64 {
	b := make([]byte, 0, 64)
	b = append(b, k[:]...)
	b = append(b, table)
	b = append(b, id...)
	sum := sm3.Sum(b)
	return binary.BigEndian.Uint64(sum[:])
}

// comes reports whether records of a table come and go by the thousand.
func comes(table uint8) bool { return tables[table] == lapsing || tables[table] == expiring }

// full reports whether no other record of a table can be remembered.
func (s *marks) full(table uint8) bool {
	return len(s.by) >= maxMarks || comes(table) && s.grants >= maxGrants
}

// put remembers a record; known says that it was remembered before.
func (s *marks) put(h uint64, m mark, known bool) {
	if !known && comes(m.table) {
		s.grants++
	}
	s.by[h] = m
}

// drop forgets a record.
func (s *marks) drop(h uint64) {
	if m, ok := s.by[h]; ok {
		delete(s.by, h)
		if comes(m.table) {
			s.grants--
		}
	}
}

// there notes that a record's register was found in this pass.
func (s *marks) there(h uint64) {
	if m, ok := s.by[h]; ok {
		m.pass = s.pass
		s.by[h] = m
	}
}

// lower sets the revision of a record that was put back.
func (s *marks) lower(h uint64, revision int64) {
	if m, ok := s.by[h]; ok {
		m.revision = uint32(revision)
		s.by[h] = m
	}
}

// next begins another pass.
func (s *marks) next() {
	if s.pass++; s.pass == 0 {
		s.pass = 1
	}
}

// sweep forgets records that were found deleted more than goneFor days ago. It reports
// whether there were any.
func (s *marks) sweep(now time.Time) (swept bool) {
	today := day(now)
	for h, m := range s.by {
		if m.gone != 0 && m.gone+goneFor < today {
			s.drop(h)
			swept = true
		}
	}
	return swept
}

// expiredEarly is how much earlier than here another node may delete expired records,
// because its clock is ahead.
const expiredEarly = 10 * time.Minute

// missing returns the records of a table that this pass should have found and didn't.
// noted reports whether other records are gone that may be deleted.
func (s *marks) missing(table uint8, now time.Time) (missing []uint64, noted bool) {
	today, soon := day(now), now.Add(expiredEarly).Unix()
	for h, m := range s.by {
		if m.table != table || m.pass == s.pass {
			continue
		}
		switch {
		case tables[table] == lapsing: // deleted after they have lapsed; one deleted earlier is refused
			if m.gone == 0 {
				m.gone = today
				s.by[h], noted = m, true
			}
		case tables[table] == expiring && int64(m.revision) < soon: // it has expired
			s.drop(h)
			noted = true
		default:
			missing = append(missing, h)
		}
	}
	return missing, noted
}
