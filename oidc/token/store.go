package token

import (
	"context"
	"errors"
	"time"

	"yizheng.internal/signing"
	"yizheng.internal/signing/journal"
)

// FamilyRecord is what one authorization code yielded, as a store keeps it: the
// access tokens and the refresh tokens of one authorization of one client.
type FamilyRecord struct {
	ID       string // of identity.NewID; access tokens name it
	Client   string
	Session  string // id of the session that it dies with; empty: offline access
	Revision int64  // counts updates, from 1
	// Number counts the refresh tokens, from 1; 0: there are none. A token is
	// derived from family and number, so only the newest one is ever good.
	Number  int64
	Rotated time.Time // when the newest one was made
	Created time.Time
	Expires time.Time // the latest end
	Ended   time.Time // revoked; zero: live
	EndedBy string    // reason code: code_reuse, refresh_reuse, client, holder, logout
	Body    []byte    // sealed: party, scopes, claims, grant
	// Party leads to the person's families. Written with a new family, and not
	// read back.
	Party []signing.Lookup

	Auth []byte // see signing.Authenticator; read and written with the record
	Mark []byte // its register, likewise; nil before revision 2
}

// ErrSpent says that something for one use was used before.
var ErrSpent = errors.New("it was used before")

// FamilyStore keeps families and what was spent. Events given along are appended in
// the same transaction, as AppendEvents does: both are on disk, or neither. Every
// driver passes storagetest.Families.
type FamilyStore interface {
	// RedeemCode spends an authorization code, by its hash, and stores f with
	// revision 1, in one transaction. If the hash was spent before it stores
	// nothing and returns the ID of the family that the first use made, and
	// ErrSpent; of any number of callers, on whatever nodes, one succeeds. The
	// spent hash is kept until keep at least. ErrExists if f.ID is taken: then
	// nothing is spent. When it returns nil, it is on disk.
	RedeemCode(ctx context.Context, code [32]byte, keep time.Time, f FamilyRecord, es ...journal.Event) (first string, err error)
	// LoadFamily returns one, or ErrNotFound.
	LoadFamily(ctx context.Context, id string) (FamilyRecord, error)
	// UpdateFamily saves f if the stored revision is f.Revision, and counts it up;
	// else ErrConflict. ID, Client, Created and Party never change.
	UpdateFamily(ctx context.Context, f FamilyRecord, es ...journal.Event) error
	// ListFamilies returns up to limit families to which one of the keys leads,
	// that have not ended and expire after a time, in the order of ListSessions.
	ListFamilies(ctx context.Context, party []signing.Lookup, at time.Time, limit int) ([]FamilyRecord, error)
}

// Spent keeps what may be used once, beside authorization codes, and what was
// revoked before its time. Every driver passes storagetest.Spent.
type Spent interface {
	// Spend marks a hash as used until keep at least. ErrSpent if it was before; of
	// any number of callers, on whatever nodes, one succeeds. When it returns nil,
	// it is on disk.
	Spend(ctx context.Context, hash [32]byte, keep time.Time) error
	// IsSpent reports whether a hash was spent, by Spend or RedeemCode.
	IsSpent(ctx context.Context, hash [32]byte) (bool, error)
	// Purge forgets, up to limit each, hashes that were spent with a keep before a
	// time, and sessions and families that expired or ended before it, and
	// returns how many are gone. Several may run at once, and share the work.
	Purge(ctx context.Context, before time.Time, limit int) (int, error)
}

// Settings keeps what an installation decides once.
type Settings interface {
	// ClaimSetting stores a value under a name that has none yet, and returns the
	// value that is stored: the first one wins.
	ClaimSetting(ctx context.Context, name, value string) (string, error)
}
