package catalog

import (
	"context"
	"encoding/json"
	"fmt"
	"sync"
	"time"

	"yizheng.internal/license/credential"
	"yizheng.internal/license/schema"
)

// typesFresh is how long a catalog entry serves before it is read again: what
// another node published or retired holds here after that at the latest.
const typesFresh = 2 * time.Second

// Bounds of what a node keeps of types. A compiled schema takes many times the bytes
// of its text: what it took was measured (see BenchmarkManyVersions).
const (
	keptTypes      = 4096
	keptTypeBytes  = 128 << 20
	keptSchemas    = 1024
	keptSchemaText = 2 << 20 // of all compiled schemas together: 120 MB, if they are all patterns
)

// Issuable is a type version with its schema compiled.
type Issuable struct {
	Type
	Compiled *schema.Schema
}

// typeCache keeps types as they were last read, and compiles a version's schema when
// something is to be checked by it: versions that nobody uses cost nothing. Only what
// exists is kept, so nobody can fill it with codes.
type typeCache struct {
	store   TypeStore
	heads   *recent[credential.TypeCode, Heads]
	past    *recent[typeVersion, *Type] // versions behind the heads, which never change
	schemas *recent[typeVersion, *compilation]
}

// Heads are the newest versions of a type, the newest first: a draft with the one
// before it, or the one that was published last, which may be retired, with the one
// before it. No older one is a draft or published: publishing retires what was
// published before.
type Heads struct {
	read     time.Time
	versions []*Type
}

// typeVersion names a version of a type, as a revision of it.
type typeVersion struct {
	code     credential.TypeCode
	version  int
	revision int64 // 0 where all revisions say the same
}

// compilation is a schema that is compiled once, by whoever needs it first.
type compilation struct {
	once   sync.Once
	schema *schema.Schema
	err    error
}

func newTypeCache(s TypeStore) typeCache {
	return typeCache{
		store:   s,
		heads:   newRecent[credential.TypeCode, Heads](keptTypes, keptTypeBytes),
		past:    newRecent[typeVersion, *Type](keptTypes, keptTypeBytes),
		schemas: newRecent[typeVersion, *compilation](keptSchemas, keptSchemaText),
	}
}

// Newest returns the newest version, or nil. What Heads return is shared: not to be changed.
func (h Heads) Newest() *Type {
	if len(h.versions) == 0 {
		return nil
	}
	return h.versions[0]
}

// Published returns the version that licenses are issued under, or nil.
func (h Heads) Published() *Type {
	for _, v := range h.versions {
		if v.State == TypePublished {
			return v
		}
	}
	return nil
}

// Mandating returns the version that says who may act now: the newest one that was
// published, also if it is retired meanwhile; nil if none was.
func (h Heads) Mandating() *Type {
	for _, v := range h.versions {
		if v.State != TypeDraft {
			return v
		}
	}
	return nil
}

// owner returns the participant that wrote the newest version, or "".
func (h Heads) owner() string {
	if v := h.Newest(); v != nil {
		return v.Owner
	}
	return ""
}

// of returns a type's newest versions, none if there is no such type. What can't be a
// code isn't looked up: databases differ in what texts they take.
func (c *typeCache) of(ctx context.Context, code credential.TypeCode) (Heads, error) {
	if h, ok := c.heads.get(code); ok && time.Since(h.read) < typesFresh {
		return h, nil
	}
	return c.read(ctx, code)
}

// read reads a type's newest versions from the store, past what is kept.
func (c *typeCache) read(ctx context.Context, code credential.TypeCode) (Heads, error) {
	if !code.Valid() {
		return Heads{}, nil
	}
	h := Heads{read: time.Now()}
	records, err := c.store.LoadTypes(ctx, code, 0, 2)
	if err != nil {
		return Heads{}, fmt.Errorf("reading type %s: %w", code, err)
	}
	old, _ := c.heads.get(code)
	bytes := 0
	for _, rec := range records {
		v := old.same(rec)
		if v == nil {
			t, err := readType(rec)
			if err != nil {
				return Heads{}, err
			}
			v = &t
		}
		h.versions = append(h.versions, v)
		bytes += len(rec.Body)
	}
	if len(records) > 0 {
		c.heads.put(code, h, bytes)
	}
	return h, nil
}

// same returns the version that a record is, if it was read before.
func (h Heads) same(rec TypeRecord) *Type {
	for _, v := range h.versions {
		if v.Version == rec.Version && v.Revision == rec.Revision && v.State == rec.State {
			return v
		}
	}
	return nil
}

// version returns one version of a type, or nil if there is none.
func (c *typeCache) version(ctx context.Context, code credential.TypeCode, version int) (*Type, error) {
	h, err := c.of(ctx, code)
	if err != nil {
		return nil, err
	}
	for _, v := range h.versions {
		if v.Version == version {
			return v, nil
		}
	}
	if newest := h.Newest(); newest == nil || version < 1 || version > newest.Version {
		return nil, nil
	}
	key := typeVersion{code: code, version: version}
	if t, ok := c.past.get(key); ok {
		return t, nil
	}
	records, err := c.store.LoadTypes(ctx, code, version+1, 1)
	if err != nil {
		return nil, fmt.Errorf("reading type %s version %d: %w", code, version, err)
	}
	if len(records) == 0 || records[0].Version != version {
		return nil, nil
	}
	t, err := readType(records[0])
	if err != nil {
		return nil, err
	}
	c.past.put(key, &t, len(records[0].Body))
	return &t, nil
}

// compiled returns a version with its schema compiled, as issuing needs it.
func (c *typeCache) compiled(t *Type) (*Issuable, error) {
	at := c.schemas.share(typeVersion{t.Code, t.Version, t.Revision}, &compilation{}, len(t.Schema))
	at.once.Do(func() { at.schema, at.err = schema.Compile(t.Schema) })
	if at.err != nil {
		return nil, fmt.Errorf("compiling type %s version %d: %w", t.Code, t.Version, at.err)
	}
	return &Issuable{*t, at.schema}, nil
}

func (c *typeCache) forget(code credential.TypeCode) { c.heads.forget(code) }

// readType returns a stored type. Compiling its schema costs fifty times
// as much, so lists go without.
func readType(rec TypeRecord) (Type, error) {
	var t Type
	if err := json.Unmarshal(rec.Body, &t); err != nil {
		return Type{}, fmt.Errorf("opening type %s version %d: %w", rec.Code, rec.Version, err)
	}
	t.State, t.Revision = rec.State, rec.Revision
	return t, nil
}
