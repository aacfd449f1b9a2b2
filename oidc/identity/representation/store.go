package representation

import (
	"context"
	"time"

	"yizheng.internal/signing"
	"yizheng.internal/signing/journal"
)

// Record is a representation as a store keeps it.
type Record struct {
	ID       string
	State    State
	Revision int64  // counts updates, from 1
	Body     []byte // sealed: the Representation as JSON, with the plain columns that decide
	Created  time.Time
	Updated  time.Time
	// Unique are lookup keys of (kind, principal, representative) while the representation is not Ended: two
	// such can't be stored. Of Ended there are none. Keys lead to the representation: from its principal's party id, from
	// the representative's party id and, before it is accepted, from the representative's code. Both are made under
	// every live lookup key, are written, and not read back.
	Unique []signing.Lookup
	Keys   []signing.Lookup

	Auth []byte // see signing.Authenticator; read and written with the record
	Mark []byte // the record's register, likewise; nil before revision 2
}

// Store keeps representations. Every driver passes storagetest/identities.Representations.
type Store interface {
	// CreateRepresentation stores r with revision 1, and the events. identity.ErrExists if one of its
	// unique keys is taken.
	CreateRepresentation(ctx context.Context, r Record, es ...journal.Event) error
	// LoadRepresentation returns the newest revision, or identity.ErrNotFound.
	LoadRepresentation(ctx context.Context, id string) (Record, error)
	// UpdateRepresentation saves r, replaces its keys, and counts the revision up, if the stored
	// revision is r.Revision; otherwise identity.ErrConflict. identity.ErrExists if one of its unique keys is
	// another's. It stores the events with it, or nothing at all.
	UpdateRepresentation(ctx context.Context, r Record, es ...journal.Event) error
	// FindRepresentations returns up to limit representations to which one of the keys leads, the
	// newest first: those that haven't ended before the others.
	FindRepresentations(ctx context.Context, keys []signing.Lookup, limit int) ([]Record, error)
	// ListRepresentations returns up to limit representations with an ID greater than after, by ID.
	ListRepresentations(ctx context.Context, after string, limit int) ([]Record, error)
}
