package entry

import (
	"context"
	"errors"
	"time"

	"yizheng.internal/signing/journal"
)

// Conditions of stores.
var (
	ErrNotFound = errors.New("not found")
	ErrConflict = errors.New("changed since it was read")
)

// Stores are what a catalog keeps its records in.
type Stores interface {
	Store
	DelegationStore
}

// Record is a version of an entry as a store keeps it. Nothing in it is personal.
type Record struct {
	Code     string
	Version  int
	State    State
	Revision int64  // counts updates, from 1; 0 for a new record
	Owner    string // the participant that defined it
	Body     []byte // the version as JSON
	Updated  time.Time
	Auth     []byte // see signing.Authenticator
}

// Store keeps the entries of all kinds, those of each apart from the others'. Every
// driver passes storagetest.Catalog.
//
// Here and in the other stores: times are kept to the microsecond, what is finer is cut
// off, and come back in UTC; bytes come back nil if they were nil; once a context has ended
// a call does nothing and returns its error, and one that was under way completes.
type Store interface {
	// SaveEntries saves all of the records with the event of the change, or
	// nothing: records with Revision 0 must be new, the others' stored revisions
	// must be theirs; else ErrConflict. They are saved in order, each counted up.
	// At most one version of a code may be a draft and one published: a call
	// that would break this returns ErrConflict too.
	SaveEntries(ctx context.Context, k Kind, e journal.Event, rs ...Record) error
	// LoadEntries returns up to limit versions of an entry that are older than before (0:
	// from the newest on), the newest first; none is no error.
	LoadEntries(ctx context.Context, k Kind, code string, before, limit int) ([]Record, error)
	// ListEntries returns, for up to limit codes greater than after, in order of
	// code, the newest version of each that is none of the drafts left out.
	ListEntries(ctx context.Context, k Kind, d Drafts, after string, limit int) ([]Record, error)
	// UseOfEntries returns what the versions that have this owner take up.
	UseOfEntries(ctx context.Context, k Kind, owner string) (Use, error)
}

// Drafts says which drafts a list of the catalog has. The zero one has none.
type Drafts struct {
	All bool
	Of  string // those of one participant
}

// Use is what a participant has in the catalog, of one kind.
type Use struct {
	Drafts int   // how many
	Bytes  int64 // of all definitions, as they are stored
}
