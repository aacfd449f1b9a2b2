// Package keystest has records in memory, keystores and vaults for the tests of signing and of the rooms above it.
package keystest

import (
	"cmp"
	"context"
	"maps"
	"slices"
	"sync"
	"testing"

	"yizheng.internal/signing"
)

// Records is a [signing.Records] and [signing.RevocationLists] that keeps its contract in
// memory. Before and After, if set, are asked around each call and can make it fail:
// before it did anything, or when all is done and only the answer is lost.
type Records struct {
	mu            sync.Mutex
	Keys          map[signing.KeyID]signing.KeyRecord
	Lists         int // how often ListKeys was called
	Published     map[signing.KeyID]Published
	Before, After func(call string) error
}

// NewRecords returns records without any key.
func NewRecords() *Records { return &Records{Keys: map[signing.KeyID]signing.KeyRecord{}} }

// Published is a revocation list that was saved.
type Published struct {
	Number int64
	DER    []byte
}

// SaveRevocationList implements [signing.RevocationLists].
func (m *Records) SaveRevocationList(_ context.Context, root signing.KeyID, number int64, der []byte) error {
	return m.call("save list "+string(root), func() error {
		if old, ok := m.Published[root]; ok && old.Number >= number {
			return signing.ErrConflict
		}
		if m.Published == nil {
			m.Published = map[signing.KeyID]Published{}
		}
		m.Published[root] = Published{number, der}
		return nil
	})
}

// LoadRevocationList implements [signing.RevocationLists].
func (m *Records) LoadRevocationList(_ context.Context, root signing.KeyID) (der []byte, err error) {
	err = m.call("load list "+string(root), func() error {
		list, ok := m.Published[root]
		if der = list.DER; !ok {
			return signing.ErrNoList
		}
		return nil
	})
	return der, err
}

func (m *Records) call(name string, do func() error) error {
	m.mu.Lock()
	defer m.mu.Unlock()
	if m.Before != nil {
		if err := m.Before(name); err != nil {
			return err
		}
	}
	if err := do(); err != nil {
		return err
	}
	if m.After != nil {
		return m.After(name)
	}
	return nil
}

func (m *Records) hasActive(k signing.KeyRecord) bool {
	for _, other := range m.Keys {
		if other.ID != k.ID && other.Purpose == k.Purpose && other.Owner == k.Owner && other.State == signing.KeyActive {
			return true
		}
	}
	return false
}

// CreateKey implements [signing.Records].
func (m *Records) CreateKey(_ context.Context, k signing.KeyRecord) error {
	return m.call("create "+string(k.ID), func() error {
		if _, ok := m.Keys[k.ID]; ok {
			return signing.ErrExists
		}
		for _, other := range m.Keys {
			if other.Purpose == k.Purpose && other.Owner == k.Owner && other.Serial == k.Serial {
				return signing.ErrExists
			}
		}
		if k.State == signing.KeyActive && m.hasActive(k) {
			return signing.ErrConflict
		}
		k.Revision = 1
		m.Keys[k.ID] = k
		return nil
	})
}

// LoadKey implements [signing.Records].
func (m *Records) LoadKey(_ context.Context, id signing.KeyID) (k signing.KeyRecord, err error) {
	err = m.call("load "+string(id), func() error {
		var ok bool
		if k, ok = m.Keys[id]; !ok {
			return signing.ErrNoKey
		}
		return nil
	})
	return k, err
}

// ListKeys implements [signing.Records].
func (m *Records) ListKeys(_ context.Context, purpose signing.Purpose) (ks []signing.KeyRecord, err error) {
	err = m.call("list", func() error {
		m.Lists++
		for _, k := range m.Keys {
			if purpose == "" || k.Purpose == purpose {
				ks = append(ks, k)
			}
		}
		slices.SortFunc(ks, func(a, b signing.KeyRecord) int {
			return cmp.Or(cmp.Compare(a.Purpose, b.Purpose), cmp.Compare(a.Owner, b.Owner), cmp.Compare(a.Serial, b.Serial))
		})
		return nil
	})
	return ks, err
}

// UpdateKeys implements [signing.Records].
func (m *Records) UpdateKeys(_ context.Context, ks ...signing.KeyRecord) error {
	return m.call("update", func() error {
		old := map[signing.KeyID]signing.KeyRecord{}
		undo := func() error {
			maps.Copy(m.Keys, old)
			return signing.ErrConflict
		}
		for _, k := range ks {
			there, ok := m.Keys[k.ID]
			if !ok || there.Revision != k.Revision || k.State == signing.KeyActive && m.hasActive(k) {
				return undo()
			}
			old[k.ID] = there
			k.Revision++
			m.Keys[k.ID] = k
		}
		return nil
	})
}

// All returns all records.
func (m *Records) All(t testing.TB) []signing.KeyRecord {
	t.Helper()
	ks, err := m.ListKeys(t.Context(), "")
	if err != nil {
		t.Fatal(err)
	}
	return ks
}
