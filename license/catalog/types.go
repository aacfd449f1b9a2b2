package catalog

import (
	"context"
	"fmt"
	"sync"
	"time"

	"yizheng.internal/license/credential"
	"yizheng.internal/license/refusal"
	"yizheng.internal/license/schema"
	"yizheng.internal/signing/journal"
)

// Types are the license types of the catalog: [Entries] whose schemas are compiled, when
// something is to be checked by one. Versions that nobody uses cost nothing.
type Types struct {
	*Entries[credential.TypeCode, Definition, Type]
	publicURL string
	schemas   *recent[typeVersion, *compilation]
}

// Bounds of the compiled schemas that a node keeps. One takes many times the bytes of its
// text: what it took was measured (see BenchmarkManyVersions).
const (
	keptSchemas    = 1024
	keptSchemaText = 2 << 20 // of all compiled schemas together: 120 MB, if they are all patterns
)

func newTypes(s EntryStore, d *Delegations, j Journal, publicURL string) *Types {
	return &Types{newEntries(typeKind(), s, d, j), publicURL, newRecent[typeVersion, *compilation](keptSchemas, keptSchemaText)}
}

// typeKind is the definition of license types.
func typeKind() kind[credential.TypeCode, Definition, Type] {
	return kind[credential.TypeCode, Definition, Type]{
		of: KindType, called: "type", fresh: 2 * time.Second,
		put: journal.ActionTypePut, publish: journal.ActionTypePublish, retire: journal.ActionTypeRetire, read: journal.ActionTypeRead,
		valid: credential.TypeCode.Valid, code: checkTypeCode, check: checkType,
		draft:      func(code credential.TypeCode, d Definition) Type { return Type{Code: code, Definition: d} },
		definition: func(t *Type) *Definition { return &t.Definition },
		life: func(t *Type) life {
			return life{&t.Version, &t.State, &t.Owner, &t.CreatedAt, &t.PublishedAt, &t.RetiredAt, &t.Revision}
		},
		unknown: errTypeUnknown, notOwner: errTypeOwner, notDraft: errTypeNotDraft, notPublished: errTypeNotPublished, manyVersions: errTypeVersions,
	}
}

func checkTypeCode(code credential.TypeCode) error {
	if _, err := credential.ParseTypeCode(string(code)); err != nil {
		return refusal.Invalid("type_code", "The type code is not 18 characters of a unified social credit code and three digits.")
	}
	return nil
}

func checkType(_ context.Context, d *Definition) error { return d.check() }

func errTypeUnknown() error {
	return refusal.Missing("type_unknown", "There is no license type with this code.")
}

func errTypeOwner() error {
	return refusal.Forbidden("type_owner", "The type was defined by another participant, which alone may change it.")
}

func errTypeNotDraft() error {
	return refusal.Conflict("type_not_draft", "The type has no draft to publish. PUT one first.")
}

func errTypeNotPublished() error {
	return refusal.Conflict("type_not_published", "The type has no published version to retire.")
}

func errTypeVersions() error {
	return refusal.Conflict("versions_limit", "The type has 1000 versions, as many as there may be: define another type.")
}

// Issuable is a type version with its schema compiled.
type Issuable struct {
	Type
	Compiled *schema.Schema
}

// typeVersion names a version of a type, as a revision of it.
type typeVersion struct {
	code     credential.TypeCode
	version  int
	revision int64
}

// compilation is a schema that is compiled once, by whoever needs it first.
type compilation struct {
	once   sync.Once
	schema *schema.Schema
	err    error
}

// Issuable returns a version with its schema compiled, as issuing needs it.
func (c *Types) Issuable(t *Type) (*Issuable, error) {
	at := c.schemas.share(typeVersion{t.Code, t.Version, t.Revision}, &compilation{}, len(t.Schema))
	at.once.Do(func() { at.schema, at.err = schema.Compile(t.Schema) })
	if at.err != nil {
		return nil, fmt.Errorf("compiling type %s version %d: %w", t.Code, t.Version, at.err)
	}
	return &Issuable{*t, at.schema}, nil
}
