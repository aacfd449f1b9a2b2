package entry

import (
	"context"
	"fmt"
	"time"
)

// Bounds of the entries of one kind that a node keeps in memory.
const (
	keptEntries    = 4096
	keptEntryBytes = 128 << 20
)

// versions reads the versions of the entries of a kind. It caches them if the kind's Fresh is not 0. Only
// versions that exist are cached, so nobody can fill the cache with made-up codes.
type versions[C ~string, D, V any] struct {
	kind  *KindOf[C, D, V]
	store Store
	heads *Recent[C, Heads[V]]
	past  *Recent[pastVersion[C], *V] // versions behind the heads, which never change
}

// pastVersion names a version of an entry that isn't among its heads.
type pastVersion[C ~string] struct {
	code    C
	version int
}

func newVersions[C ~string, D, V any](k *KindOf[C, D, V], s Store) *versions[C, D, V] {
	return &versions[C, D, V]{
		kind:  k,
		store: s,
		heads: NewRecent[C, Heads[V]](keptEntries, keptEntryBytes),
		past:  NewRecent[pastVersion[C], *V](keptEntries, keptEntryBytes),
	}
}

// Heads are the two newest versions of an entry, the newest first. The first one is a draft, or else the version
// that was published last, which may be retired. No version older than these two is a draft or published, because
// publishing retires what was published before. The versions that its methods return are shared: don't change
// them.
type Heads[V any] struct {
	read     time.Time
	versions []head[V]
}

// head is a version among [Heads].
type head[V any] struct {
	version  int
	state    State
	revision int64
	owner    string
	bytes    int // of its body, as it is stored
	is       *V
}

// Newest returns the newest version, or nil.
func (h Heads[V]) Newest() *V {
	if len(h.versions) == 0 {
		return nil
	}
	return h.versions[0].is
}

// Published returns the published version: new licenses are issued under it, or licenses are asked for by it. It
// is nil if there is none. Versions older than a retired one are never published.
func (h Heads[V]) Published() *V {
	for _, v := range h.versions {
		if v.state != Draft {
			if v.state != Published {
				return nil
			}
			return v.is
		}
	}
	return nil
}

// LastPublished returns the newest version that was published, even if it has been retired since; nil if none
// was. For a type, it says who may act on the type's licenses now.
func (h Heads[V]) LastPublished() *V {
	for _, v := range h.versions {
		if v.state != Draft {
			return v.is
		}
	}
	return nil
}

// owner returns the participant that wrote the newest version, or "".
func (h Heads[V]) owner() string {
	if len(h.versions) == 0 {
		return ""
	}
	return h.versions[0].owner
}

// draftOf returns what the entry's draft takes up. It is zero if there is no draft of this owner.
func (h Heads[V]) draftOf(owner string) Use {
	if len(h.versions) == 0 || h.versions[0].state != Draft || h.versions[0].owner != owner {
		return Use{}
	}
	return Use{1, int64(h.versions[0].bytes)}
}

// same returns the version that was opened before from the same record, or nil.
func (h Heads[V]) same(rec Record) *V {
	for _, v := range h.versions {
		if v.version == rec.Version && v.revision == rec.Revision && v.state == rec.State {
			return v.is
		}
	}
	return nil
}

// of returns an entry's newest versions, none if there is no such entry.
func (c *versions[C, D, V]) of(ctx context.Context, code C) (Heads[V], error) {
	if c.kind.Fresh > 0 {
		if h, ok := c.heads.get(code); ok && time.Since(h.read) < c.kind.Fresh {
			return h, nil
		}
	}
	return c.read(ctx, code)
}

// read reads an entry's newest versions from the store, not from the cache. It doesn't look up a text that can't
// be a code: databases differ in which texts they accept.
func (c *versions[C, D, V]) read(ctx context.Context, code C) (Heads[V], error) {
	if !c.kind.Valid(code) {
		return Heads[V]{}, nil
	}
	h := Heads[V]{read: time.Now()}
	records, err := c.store.LoadEntries(ctx, c.kind.Kind, string(code), 0, 2)
	if err != nil {
		return Heads[V]{}, fmt.Errorf("reading %s %s: %w", c.kind.Called, code, err)
	}
	old, _ := c.heads.get(code)
	bytes := 0
	for _, rec := range records {
		v := old.same(rec)
		if v == nil {
			if v, err = c.kind.Open(rec); err != nil {
				return Heads[V]{}, err
			}
		}
		h.versions = append(h.versions, head[V]{rec.Version, rec.State, rec.Revision, *c.kind.Life(v).Owner, len(rec.Body), v})
		bytes += len(rec.Body)
	}
	if len(records) > 0 && c.kind.Fresh > 0 {
		c.heads.put(code, h, bytes)
	}
	return h, nil
}

// at returns one version of an entry, or nil if there is none.
func (c *versions[C, D, V]) at(ctx context.Context, code C, version int) (*V, error) {
	if c.kind.Fresh == 0 {
		v, _, err := c.load(ctx, code, version)
		return v, err
	}
	h, err := c.of(ctx, code)
	if err != nil {
		return nil, err
	}
	for _, v := range h.versions {
		if v.version == version {
			return v.is, nil
		}
	}
	if len(h.versions) == 0 || version < 1 || version > h.versions[0].version {
		return nil, nil
	}
	key := pastVersion[C]{code, version}
	if v, ok := c.past.get(key); ok {
		return v, nil
	}
	v, bytes, err := c.load(ctx, code, version)
	if v != nil {
		c.past.put(key, v, bytes)
	}
	return v, err
}

// load reads one version of an entry from the store, nil if there is none, and says how
// many bytes its definition has.
func (c *versions[C, D, V]) load(ctx context.Context, code C, version int) (*V, int, error) {
	if !c.kind.Valid(code) {
		return nil, 0, nil
	}
	records, err := c.store.LoadEntries(ctx, c.kind.Kind, string(code), version+1, 1)
	if err != nil {
		return nil, 0, fmt.Errorf("reading %s %s version %d: %w", c.kind.Called, code, version, err)
	}
	if len(records) == 0 || records[0].Version != version {
		return nil, 0, nil
	}
	v, err := c.kind.Open(records[0])
	return v, len(records[0].Body), err
}

func (c *versions[C, D, V]) forget(code C) { c.heads.forget(code) }
