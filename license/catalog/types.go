package catalog

import (
	"context"
	"fmt"
	"sync"
	"time"

	"yizheng.internal/license/catalog/entry"
	"yizheng.internal/license/credential"
	"yizheng.internal/license/refusal"
	"yizheng.internal/license/schema"
	"yizheng.internal/signing/journal"
)

// Types are the license types of the catalog: [entry.Entries] whose schemas are compiled when something is first
// checked against them. A version that nobody uses costs nothing.
type Types struct {
	*entry.Entries[credential.TypeCode, Definition, Type]
	publicURL string
	schemas   *entry.Recent[typeVersion, *compilation]
}

// Bounds of the compiled schemas that a node keeps. A compiled schema takes many times the bytes of its text.
// BenchmarkManyVersions measured how many.
const (
	keptSchemas    = 1024
	keptSchemaText = 2 << 20 // text of all kept schemas together: 120 MB compiled, if they are all patterns
)

func newTypes(c entry.Config, publicURL string) *Types {
	return &Types{entry.New(typeKind(), c), publicURL, entry.NewRecent[typeVersion, *compilation](keptSchemas, keptSchemaText)}
}

// typeKind returns the definition of license types.
func typeKind() entry.KindOf[credential.TypeCode, Definition, Type] {
	return entry.KindOf[credential.TypeCode, Definition, Type]{
		Kind: entry.KindType, Called: "type", Fresh: 2 * time.Second,
		Put: journal.ActionTypePut, Publish: journal.ActionTypePublish, Retire: journal.ActionTypeRetire, Read: journal.ActionTypeRead,
		Valid: credential.TypeCode.Valid, CheckCode: checkTypeCode, Check: checkType,
		Draft:      func(code credential.TypeCode, d Definition) Type { return Type{Code: code, Definition: d} },
		Definition: func(t *Type) *Definition { return &t.Definition },
		Life: func(t *Type) entry.Life {
			return entry.Life{
				Version: &t.Version, State: &t.State, Owner: &t.Owner,
				Created: &t.CreatedAt, Published: &t.PublishedAt, Retired: &t.RetiredAt, Revision: &t.Revision,
			}
		},
		Unknown: errTypeUnknown, NotOwner: errTypeOwner, NotDraft: errTypeNotDraft, NotPublished: errTypeNotPublished, ManyVersions: errTypeVersions,
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

// typeVersion names one revision of a version of a type.
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
	at := c.schemas.Share(typeVersion{t.Code, t.Version, t.Revision}, &compilation{}, len(t.Schema))
	at.once.Do(func() { at.schema, at.err = schema.Compile(t.Schema) })
	if at.err != nil {
		return nil, fmt.Errorf("compiling type %s version %d: %w", t.Code, t.Version, at.err)
	}
	return &Issuable{*t, at.schema}, nil
}
