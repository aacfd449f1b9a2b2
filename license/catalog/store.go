package catalog

import (
	"context"
	"errors"
	"time"

	"yizheng.internal/license/credential"
	"yizheng.internal/signing/journal"
)

// Conditions of stores.
var (
	ErrNotFound = errors.New("not found")
	ErrConflict = errors.New("changed since it was read")
)

// Stores are what a [Catalog] keeps its records in.
type Stores interface {
	TypeStore
	ItemStore
	DelegationStore
}

// TypeRecord is a version of a type as a store keeps it.
type TypeRecord struct {
	Code     credential.TypeCode
	Version  int
	State    TypeState
	Revision int64  // counts updates, from 1; 0 for a new record
	Owner    string // the participant that defined it
	Body     []byte // Type as JSON
	Updated  time.Time
	Auth     []byte // see signing.Authenticator
}

// TypeStore keeps types. Every driver passes storagetest.Types.
//
// Here and in the other stores: times are kept to the microsecond, what is finer is cut
// off, and come back in UTC; bytes come back nil if they were nil; once a context has ended
// a call does nothing and returns its error, and one that was under way completes.
type TypeStore interface {
	// SaveTypes saves all of the records with the event of the change, or
	// nothing: records with Revision 0 must be new, the others' stored revisions
	// must be theirs; else ErrConflict. They are saved in order, each counted up.
	// At most one version of a code may be a draft and one published: a call
	// that would break this returns ErrConflict too.
	SaveTypes(ctx context.Context, e journal.Event, ts ...TypeRecord) error
	// LoadTypes returns up to limit versions of a type that are older than before (0:
	// from the newest on), the newest first; none is no error.
	LoadTypes(ctx context.Context, code credential.TypeCode, before, limit int) ([]TypeRecord, error)
	// ListTypes returns, for up to limit codes greater than after, in order of
	// code, the newest version of each that is none of the drafts left out.
	ListTypes(ctx context.Context, d Drafts, after credential.TypeCode, limit int) ([]TypeRecord, error)
	// UseOfTypes returns what the versions that have this owner take up.
	UseOfTypes(ctx context.Context, owner string) (Use, error)
}

// Drafts says which drafts a list of the catalog has. The zero one has none.
type Drafts struct {
	All bool
	Of  string // those of one participant
}

// Use is what a participant has in the catalog.
type Use struct {
	Drafts int   // how many
	Bytes  int64 // of all definitions, as they are stored
}
