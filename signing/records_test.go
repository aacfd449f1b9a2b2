package signing

import (
	"cmp"
	"context"
	"maps"
	"slices"
	"sync"
	"testing"
)

// memoryRecords is a Records that keeps its contract in memory. before and
// after, if set, are asked around each call and can make it fail: before it
// did anything, or when all is done and only the answer is lost.
type memoryRecords struct {
	mu            sync.Mutex
	keys          map[KeyID]KeyRecord
	lists         int // how often ListKeys was called
	published     map[KeyID]publishedList
	before, after func(call string) error
}

func newMemoryRecords() *memoryRecords { return &memoryRecords{keys: map[KeyID]KeyRecord{}} }

type publishedList struct {
	number int64
	der    []byte
}

func (m *memoryRecords) SaveRevocationList(_ context.Context, root KeyID, number int64, der []byte) error {
	return m.call("save list "+string(root), func() error {
		if old, ok := m.published[root]; ok && old.number >= number {
			return ErrConflict
		}
		if m.published == nil {
			m.published = map[KeyID]publishedList{}
		}
		m.published[root] = publishedList{number, der}
		return nil
	})
}

func (m *memoryRecords) LoadRevocationList(_ context.Context, root KeyID) (der []byte, err error) {
	err = m.call("load list "+string(root), func() error {
		list, ok := m.published[root]
		if der = list.der; !ok {
			return ErrNoList
		}
		return nil
	})
	return der, err
}

func (m *memoryRecords) call(name string, do func() error) error {
	m.mu.Lock()
	defer m.mu.Unlock()
	if m.before != nil {
		if err := m.before(name); err != nil {
			return err
		}
	}
	if err := do(); err != nil {
		return err
	}
	if m.after != nil {
		return m.after(name)
	}
	return nil
}

func (m *memoryRecords) hasActive(k KeyRecord) bool {
	for _, other := range m.keys {
		if other.ID != k.ID && other.Purpose == k.Purpose && other.Owner == k.Owner && other.State == KeyActive {
			return true
		}
	}
	return false
}

func (m *memoryRecords) CreateKey(_ context.Context, k KeyRecord) error {
	return m.call("create "+string(k.ID), func() error {
		if _, ok := m.keys[k.ID]; ok {
			return ErrExists
		}
		for _, other := range m.keys {
			if other.Purpose == k.Purpose && other.Owner == k.Owner && other.Serial == k.Serial {
				return ErrExists
			}
		}
		if k.State == KeyActive && m.hasActive(k) {
			return ErrConflict
		}
		k.Revision = 1
		m.keys[k.ID] = k
		return nil
	})
}

func (m *memoryRecords) LoadKey(_ context.Context, id KeyID) (k KeyRecord, err error) {
	err = m.call("load "+string(id), func() error {
		var ok bool
		if k, ok = m.keys[id]; !ok {
			return ErrNoKey
		}
		return nil
	})
	return k, err
}

func (m *memoryRecords) ListKeys(_ context.Context, purpose Purpose) (ks []KeyRecord, err error) {
	err = m.call("list", func() error {
		m.lists++
		for _, k := range m.keys {
			if purpose == "" || k.Purpose == purpose {
				ks = append(ks, k)
			}
		}
		slices.SortFunc(ks, func(a, b KeyRecord) int {
			return cmp.Or(cmp.Compare(a.Purpose, b.Purpose), cmp.Compare(a.Owner, b.Owner), cmp.Compare(a.Serial, b.Serial))
		})
		return nil
	})
	return ks, err
}

func (m *memoryRecords) UpdateKeys(_ context.Context, ks ...KeyRecord) error {
	return m.call("update", func() error {
		old := map[KeyID]KeyRecord{}
		undo := func() error {
			maps.Copy(m.keys, old)
			return ErrConflict
		}
		for _, k := range ks {
			there, ok := m.keys[k.ID]
			if !ok || there.Revision != k.Revision || k.State == KeyActive && m.hasActive(k) {
				return undo()
			}
			old[k.ID] = there
			k.Revision++
			m.keys[k.ID] = k
		}
		return nil
	})
}

func (m *memoryRecords) all(t testing.TB) []KeyRecord {
	t.Helper()
	ks, err := m.ListKeys(t.Context(), "")
	if err != nil {
		t.Fatal(err)
	}
	return ks
}
