package license

import (
	"encoding/binary"
	"fmt"
	"strconv"
	"sync"

	"yizheng.internal/signing"
)

// Memory keeps, outside the database, what this node saw of it last.
type Memory interface {
	// Remember keeps data under a name, in place of what was kept before.
	Remember(name string, data []byte) error
	// Remembered returns it, nil if nothing was kept.
	Remembered(name string) ([]byte, error)
}

// seenLists are the status lists as this node saw them last. An entry that says
// ended or superseded never changes again, and a list's revision only rises: what
// differs was written past the registry, and is refused.
type seenLists struct {
	memory Memory // nil: what was seen before the start is not known
	auth   *signing.Authenticator
	mu     sync.Mutex
	lists  map[int64]*seenList
}

type seenList struct {
	revision int64
	packed   []byte // as in the token, before compression
}

func seenName(n int64) string { return "status-list-" + strconv.FormatInt(n, 10) }

// load returns what was seen of a list, nil for nothing. The lock is held.
func (s *seenLists) load(n int64) (*seenList, error) {
	if l, ok := s.lists[n]; ok || s.memory == nil {
		return l, nil
	}
	b, err := s.memory.Remembered(seenName(n))
	if err != nil {
		return nil, err
	}
	if len(b) != 8+StatusListSize*statusBits/8 {
		return nil, nil
	}
	l := &seenList{int64(binary.BigEndian.Uint64(b)), b[8:]}
	s.lists[n] = l
	return l, nil
}

// check compares a list with what was seen of it, and remembers it.
func (s *seenLists) check(n, revision int64, packed []byte) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	before, err := s.load(n)
	if err != nil {
		return err
	}
	if before != nil {
		if revision < before.revision {
			return s.refuse(n, fmt.Sprintf("its revision is %d, and was %d: it was put back", revision, before.revision))
		}
		for i, b := range before.packed {
			if b == packed[i] {
				continue
			}
			if revision == before.revision || !follows(b, packed[i]) {
				return s.refuse(n, "an entry that had ended or was superseded is valid again, or changed without its revision")
			}
		}
		if revision == before.revision {
			return nil
		}
	}
	s.lists[n] = &seenList{revision, packed}
	if s.memory == nil {
		return nil
	}
	return s.memory.Remember(seenName(n), append(binary.BigEndian.AppendUint64(make([]byte, 0, 8+len(packed)), uint64(revision)), packed...))
}

// forget forgets what was seen: an operator has accepted what the database lost.
func (s *seenLists) forget() {
	s.mu.Lock()
	defer s.mu.Unlock()
	clear(s.lists)
}

// ForgetSeen forgets what this process saw of status lists, once an operator has
// accepted what the database lost and the memory of it is gone.
func (r *Registry) ForgetSeen() { r.seen.forget() }

// follows reports whether each of the four entries of a byte may have become that of
// another.
func follows(before, after byte) bool {
	for at := 0; at < 8; at += statusBits {
		b, a := StatusValue(before>>at&3), StatusValue(after>>at&3)
		if b != a && (b == StatusInvalid || b == StatusSuperseded) {
			return false
		}
	}
	return true
}

// checkOne compares one entry with what was seen of its list.
func (s *seenLists) checkOne(n int64, index int, v StatusValue) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	l, err := s.load(n)
	if err != nil || l == nil || index < 0 || index >= StatusListSize {
		return err
	}
	seen := StatusValue(l.packed[index/4] >> (index % 4 * statusBits) & 3)
	if seen != v && (seen == StatusInvalid || seen == StatusSuperseded) {
		return s.refuse(n, "an entry that had ended or was superseded is valid again")
	}
	return nil
}

func (s *seenLists) refuse(n int64, why string) error {
	return s.auth.Refuse("status_lists", strconv.FormatInt(n, 10), why)
}
