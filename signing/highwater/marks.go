package highwater

import (
	"encoding/binary"
	"time"

	"github.com/emmansun/gmsm/sm3"
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

// marks are what is remembered of all records. Their owner guards them.
type marks struct {
	by     map[uint64]mark // the hash of table and id
	grants int             // of them: records that come and go by the thousand
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

// drop remembers a record no longer.
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

// lower remembers the revision that a record that was put back has now.
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

// sweep forgets records that were found gone so long ago that none of them comes back. It
// reports whether there were any.
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

// expiredEarly is by how much another node's clock may be ahead, which takes away what
// has expired.
const expiredEarly = 10 * time.Minute

// missing returns the records of a table that weren't found in this pass, and should have
// been. It reports whether it noted others, which may go.
func (s *marks) missing(table uint8, now time.Time) (missing []uint64, noted bool) {
	today, soon := day(now), now.Add(expiredEarly).Unix()
	for h, m := range s.by {
		if m.table != table || m.pass == s.pass {
			continue
		}
		switch {
		case tables[table] == lapsing: // taken away when they have lapsed; a deleted one is refused
			if m.gone == 0 {
				m.gone = today
				s.by[h], noted = m, true
			}
		case tables[table] == expiring && int64(m.revision) < soon: // it could not be used any more
			s.drop(h)
			noted = true
		default:
			missing = append(missing, h)
		}
	}
	return missing, noted
}
