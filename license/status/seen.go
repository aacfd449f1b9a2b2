package status

import (
	"encoding/binary"
	"maps"
	"slices"
	"strconv"
	"strings"
	"sync"

	"yizheng.internal/license/credential"
	"yizheng.internal/signing"
)

// Memory keeps, outside the database, what this node saw of it last.
type Memory interface {
	// Remember keeps data under a name, in place of what was kept before.
	Remember(name string, data []byte) error
	// Remembered returns what is kept under a name, nil for nothing.
	Remembered(name string) ([]byte, error)
	// Forget drops what is kept under a name.
	Forget(name string) error
	// AllRemembered returns the names that begin with a prefix.
	AllRemembered(prefix string) ([]string, error)
}

// seenLists are the status lists as this node saw them last. An entry that says ended or superseded never changes
// again. The serials of other entries only rise, and so do the revisions of lists. What breaks these rules was
// written past the registry, and is refused.
type seenLists struct {
	memory Memory // nil: what was seen before the start is not known
	auth   *signing.Authenticator
	mu     sync.Mutex
	lists  map[int64]*seenList
	// noted are this node's own changes since it saw a list last, by list and index.
	noted map[int64]map[int]Entry
}

func newSeenLists(m Memory, auth *signing.Authenticator) seenLists {
	return seenLists{memory: m, auth: auth, lists: map[int64]*seenList{}, noted: map[int64]map[int]Entry{}}
}

// seenList is a list as it was seen. It is never changed.
type seenList struct {
	revision int64
	values   credential.StatusList
	serials  map[int]int64 // of entries that may still change: suspended, or valid again
}

const (
	seenPrefix = "status-list-"
	valuesSize = credential.StatusListSize / 4 // two bits an entry
	// A file has a list's revision, its values, and for each serial the entry's index and the serial.
	serialSize = 4 + 8
)

func seenName(n int64) string { return seenPrefix + strconv.FormatInt(n, 10) }

// seenNumber reverses seenName.
func seenNumber(name string) (int64, bool) {
	n, err := strconv.ParseInt(strings.TrimPrefix(name, seenPrefix), 10, 64)
	return n, err == nil && seenName(n) == name
}

func newSeenList(revision int64) *seenList {
	return &seenList{revision, credential.NewStatusList(), map[int]int64{}}
}

// pack returns a list as it is in a token before compression, with its serials.
func pack(revision int64, entries []Entry) *seenList {
	l := newSeenList(revision)
	for _, e := range entries {
		if e.Index >= 0 && e.Index < credential.StatusListSize {
			l.set(e)
		}
	}
	return l
}

// set sets an entry, in a list that nobody else uses yet.
func (l *seenList) set(e Entry) {
	l.values.Set(e.Index, e.Value)
	if e.Value.Final() || e.unchanged() {
		delete(l.serials, e.Index)
	} else {
		l.serials[e.Index] = e.Serial
	}
}

// encode returns what is kept of a list.
func (l *seenList) encode() []byte {
	b := make([]byte, 0, 8+len(l.values)+serialSize*len(l.serials))
	b = append(binary.BigEndian.AppendUint64(b, uint64(l.revision)), l.values...)
	for _, index := range slices.Sorted(maps.Keys(l.serials)) {
		b = binary.BigEndian.AppendUint32(b, uint32(index))
		b = binary.BigEndian.AppendUint64(b, uint64(l.serials[index]))
	}
	return b
}

// decodeSeen reverses encode. It returns nil if b is no list.
func decodeSeen(b []byte) *seenList {
	if len(b) < 8+valuesSize || (len(b)-8-valuesSize)%serialSize != 0 {
		return nil
	}
	l := &seenList{int64(binary.BigEndian.Uint64(b)), b[8 : 8+valuesSize], map[int]int64{}}
	for b := b[8+valuesSize:]; len(b) > 0; b = b[serialSize:] {
		if index := binary.BigEndian.Uint32(b); index < credential.StatusListSize {
			l.serials[int(index)] = int64(binary.BigEndian.Uint64(b[4:]))
		}
	}
	return l
}

// remembered reads what was kept of a list, nil for nothing.
func remembered(m Memory, n int64) (*seenList, error) {
	b, err := m.Remembered(seenName(n))
	if err != nil {
		return nil, err
	}
	return decodeSeen(b), nil
}

// before returns a list as this node knows it, nil if it doesn't. Whoever reads the list from the store after
// that must find it in this state, or in a later one. With anew, what another process remembered meanwhile, such
// as one that accepted a loss, replaces what this one knows.
func (s *seenLists) before(n int64, anew bool) (*seenList, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if l := s.lists[n]; anew && l != nil && s.memory != nil {
		kept, err := remembered(s.memory, n)
		if err != nil {
			return nil, err
		}
		if kept == nil || !slices.Equal(kept.encode(), l.encode()) {
			delete(s.lists, n)
			delete(s.noted, n)
		}
	}
	return s.load(n)
}

// load returns a list with this node's own changes. The caller holds the lock.
func (s *seenLists) load(n int64) (*seenList, error) {
	l := s.lists[n]
	if l == nil && s.memory != nil {
		var err error
		if l, err = remembered(s.memory, n); err != nil {
			return nil, err
		}
		if l != nil {
			s.lists[n] = l
		}
	}
	noted := s.noted[n]
	if len(noted) == 0 {
		return l, nil
	}
	changed := newSeenList(-1)
	if l != nil {
		changed = &seenList{l.revision, slices.Clone(l.values), maps.Clone(l.serials)}
	}
	for _, e := range noted {
		if changed.judge(e) == entryLater {
			changed.set(e)
		}
	}
	return changed, nil
}

// note remembers what this node itself has written.
func (s *seenLists) note(changes []Change, serial int64) {
	s.mu.Lock()
	defer s.mu.Unlock()
	for _, c := range changes {
		noted := s.noted[c.List]
		if noted == nil {
			noted = map[int]Entry{}
			s.noted[c.List] = noted
		}
		// A change that was saved earlier may be noted later.
		if e, ok := noted[c.Index]; !ok || e.Serial < serial {
			noted[c.Index] = Entry{Index: c.Index, Value: c.Value, Serial: serial, Auth: notedAuth}
		}
	}
}

// notedAuth stands for the authenticator of an entry that this process wrote.
var notedAuth = []byte{}

// keep remembers a list that fits.
func (s *seenLists) keep(n int64, now *seenList) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	if l := s.lists[n]; l != nil && l.revision > now.revision {
		return nil // another reading was faster
	}
	for index, e := range s.noted[n] {
		if now.judge(e) != entryLater {
			delete(s.noted[n], index)
		}
	}
	if len(s.noted[n]) == 0 {
		delete(s.noted, n)
	}
	if l := s.lists[n]; l != nil && l.revision == now.revision && maps.Equal(l.serials, now.serials) {
		return nil
	}
	s.lists[n] = now
	if s.memory == nil {
		return nil
	}
	return s.memory.Remember(seenName(n), now.encode())
}

// keepNoted remembers this node's own changes in lists that it could not read since, so that they outlive the
// process.
func (s *seenLists) keepNoted() error {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.memory == nil {
		return nil
	}
	for n := range s.noted {
		l, err := s.load(n)
		if err == nil {
			err = s.memory.Remember(seenName(n), l.encode())
		}
		if err != nil {
			return err
		}
		s.lists[n] = l
		delete(s.noted, n)
	}
	return nil
}

// pending returns the lists that this node changed and has not seen since.
func (s *seenLists) pending() map[int64]bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	lists := map[int64]bool{}
	for n := range s.noted {
		lists[n] = true
	}
	return lists
}

// standing says how an entry relates to what was seen of it.
type standing int

const (
	entrySame    standing = iota
	entryLater            // it may be a later state, if its authenticator fits
	entryRevived          // it had ended or was superseded, and is so no longer
	entryBehind           // its serial is not greater, or it has none: it was put back
)

// judge compares an entry with what was seen of it.
func (l *seenList) judge(e Entry) standing {
	serial := e.Serial
	if e.unchanged() {
		serial = 0
	}
	switch value, seen := l.values.Value(e.Index), l.serials[e.Index]; {
	case value.Final() && e.Value == value:
		return entrySame
	case value.Final():
		return entryRevived
	case serial == seen && e.Value == value:
		return entrySame
	case serial > seen || seen == 0 && value == credential.StatusValid:
		return entryLater
	}
	return entryBehind
}
