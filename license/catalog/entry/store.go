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

// Store keeps the entries of all kinds, each kind apart from the others. Every driver passes storagetest/catalog.Catalog.
//
// Here and in the other stores: times are cut to the microsecond and come back in UTC; bytes that were nil come
// back nil; a call whose context has ended does nothing and returns the context's error, but a call that is under
// way then completes.
type Store interface {
	// SaveEntries saves all of the records with the event of the change, or nothing. It returns ErrConflict if a
	// record with Revision 0 is stored already, or if another record's stored revision is not its Revision. The
	// records are saved in order, and each one's revision is increased by one. At most one version of a code may
	// be a draft, and at most one published: a call that would break this returns ErrConflict too.
	SaveEntries(ctx context.Context, k Kind, e journal.Event, rs ...Record) error
	// LoadEntries returns up to limit versions of an entry that are older than before, the newest first. With
	// before 0 it begins at the newest version. It is no error if there are none.
	LoadEntries(ctx context.Context, k Kind, code string, before, limit int) ([]Record, error)
	// ListEntries returns one version of each entry, for up to limit codes greater than after, in order of code:
	// the newest version that is not a draft which d leaves out.
	ListEntries(ctx context.Context, k Kind, d Drafts, after string, limit int) ([]Record, error)
	// UseOfEntries returns how much the versions of this owner take up.
	UseOfEntries(ctx context.Context, k Kind, owner string) (Use, error)
}

// Drafts says which drafts a list of the catalog includes. The zero Drafts includes none.
type Drafts struct {
	All bool
	Of  string // the drafts of this participant
}

// Use is what a participant has in the catalog, of one kind.
type Use struct {
	Drafts int   // how many
	Bytes  int64 // of all definitions, as they are stored
}
