package license

import (
	"encoding/binary"
	"errors"
	"fmt"
	"slices"
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
	// Forget keeps it no longer.
	Forget(name string) error
	// AllRemembered returns the names that begin with a prefix.
	AllRemembered(prefix string) ([]string, error)
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

const seenPrefix = "status-list-"

func seenName(n int64) string { return seenPrefix + strconv.FormatInt(n, 10) }

// pack returns a list as it is in a token before compression.
func pack(revision int64, entries []StatusEntry) *seenList {
	l := &seenList{revision, make([]byte, StatusListSize*statusBits/8)}
	for _, e := range entries {
		if e.Index >= 0 && e.Index < StatusListSize {
			l.packed[e.Index/4] |= byte(e.Value&3) << (e.Index % 4 * statusBits)
		}
	}
	return l
}

func (l *seenList) value(index int) StatusValue {
	return StatusValue(l.packed[index/4] >> (index % 4 * statusBits) & 3)
}

// encode returns what is kept of a list.
func (l *seenList) encode() []byte {
	return append(binary.BigEndian.AppendUint64(make([]byte, 0, 8+len(l.packed)), uint64(l.revision)), l.packed...)
}

// load returns what was seen of a list, nil for nothing. The lock is held.
func (s *seenLists) load(n int64) (*seenList, error) {
	if l, ok := s.lists[n]; ok || s.memory == nil {
		return l, nil
	}
	l, err := remembered(s.memory, n)
	if err != nil || l == nil {
		return nil, err
	}
	s.lists[n] = l
	return l, nil
}

// remembered reads what was kept of a list, nil for nothing.
func remembered(m Memory, n int64) (*seenList, error) {
	b, err := m.Remembered(seenName(n))
	if err != nil || len(b) != 8+StatusListSize*statusBits/8 {
		return nil, err
	}
	return &seenList{int64(binary.BigEndian.Uint64(b)), b[8:]}, nil
}

// fits compares what was seen of a list with what is there, and returns why it doesn't
// fit, or "". What another process was told to take for what it is replaces what was
// seen. The lock is held.
func (s *seenLists) fits(n int64, why func(before *seenList) string) (string, error) {
	before, err := s.load(n)
	if err != nil || before == nil {
		return "", err
	}
	refused := why(before)
	if refused == "" || s.memory == nil {
		return refused, nil
	}
	delete(s.lists, n)
	if before, err = s.load(n); err != nil || before == nil {
		return "", err
	}
	return why(before), nil
}

// check compares a list with what was seen of it, and remembers it.
func (s *seenLists) check(n int64, now *seenList) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	why, err := s.fits(n, func(before *seenList) string { return before.against(n, now).why() })
	if err != nil {
		return err
	}
	if why != "" {
		return s.refuse(n, why)
	}
	if before := s.lists[n]; before != nil && now.revision == before.revision {
		return nil
	}
	s.lists[n] = now
	if s.memory == nil {
		return nil
	}
	return s.memory.Remember(seenName(n), now.encode())
}

// against compares a list as it was seen with how it is.
func (l *seenList) against(n int64, now *seenList) ListLoss {
	d := ListLoss{List: n, Seen: l.revision, Stored: now.revision}
	for i, b := range l.packed {
		if b == now.packed[i] {
			continue
		}
		for index := 4 * i; index < 4*i+4; index++ {
			switch before, is := l.value(index), now.value(index); {
			case before == is:
			case before == StatusInvalid || before == StatusSuperseded:
				d.Revived = append(d.Revived, index)
			case now.revision <= l.revision:
				d.Changed = append(d.Changed, index)
			}
		}
	}
	return d
}

// checkOne compares one entry with what was seen of its list.
func (s *seenLists) checkOne(n int64, index int, v StatusValue) error {
	if index < 0 || index >= StatusListSize {
		return nil
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	why, err := s.fits(n, func(before *seenList) string {
		if seen := before.value(index); seen != v && (seen == StatusInvalid || seen == StatusSuperseded) {
			return "an entry that had ended or was superseded is valid again"
		}
		return ""
	})
	if err != nil || why == "" {
		return err
	}
	return s.refuse(n, why)
}

func (s *seenLists) refuse(n int64, why string) error {
	return s.auth.Refuse("status_lists", strconv.FormatInt(n, 10), why)
}

// ListLoss is a status list that is not as this node saw it.
type ListLoss struct {
	List         int64
	Seen, Stored int64 // its revision, as it was seen and as it is
	// Revived are the entries that had ended or were superseded, and are so no longer;
	// Changed others that changed without the revision.
	Revived, Changed []int
	Gone             bool // there is no such list any more
	Altered          bool // what this node kept of it was altered: nothing can be said
}

// lost reports whether there is anything that isn't as it was.
func (d *ListLoss) lost() bool {
	return d.Gone || d.Altered || d.Stored < d.Seen || len(d.Revived) > 0 || len(d.Changed) > 0
}

// why says in short why a list is refused, "" if it isn't.
func (d ListLoss) why() string {
	switch {
	case d.Stored < d.Seen:
		return fmt.Sprintf("its revision is %d, and was %d: it was put back", d.Stored, d.Seen)
	case d.lost():
		return "an entry that had ended or was superseded is valid again, or changed without its revision"
	}
	return ""
}

// String says what differs.
func (d ListLoss) String() string {
	switch {
	case d.Altered:
		return fmt.Sprintf("status list %d: what this node kept of it was altered, so that nothing can be compared", d.List)
	case d.Gone:
		return fmt.Sprintf("status list %d is gone: it was deleted", d.List)
	}
	text := fmt.Sprintf("status list %d", d.List)
	if d.Stored < d.Seen {
		text += fmt.Sprintf(": its revision fell from %d to %d", d.Seen, d.Stored)
	} else {
		text += fmt.Sprintf(": at revision %d", d.Stored)
	}
	if len(d.Revived) > 0 {
		text += fmt.Sprintf("; %d entries had ended or were superseded, and are so no longer: %s", len(d.Revived), numbers(d.Revived))
	}
	if len(d.Changed) > 0 {
		text += fmt.Sprintf("; %d entries changed: %s", len(d.Changed), numbers(d.Changed))
	}
	return text
}

func numbers(all []int) string {
	var b []byte
	for i, n := range all {
		if i > 0 {
			b = append(b, ", "...)
		}
		b = strconv.AppendInt(b, int64(n), 10)
	}
	return string(b)
}

// equal reports whether two losses are the same.
func (d *ListLoss) equal(o *ListLoss) bool {
	return d.List == o.List && d.Seen == o.Seen && d.Stored == o.Stored && d.Gone == o.Gone && d.Altered == o.Altered &&
		slices.Equal(d.Revived, o.Revived) && slices.Equal(d.Changed, o.Changed)
}

// errListChanged says that a list isn't as it was when its loss was shown.
var errListChanged = errors.New("it changed since it was looked at: look again")
