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
	Session  string // id of the session with which it ends; empty: offline access
	Revision int64  // counts updates, from 1
	// Number is the number of the newest refresh token, from 1; 0: there are none. A token
	// is derived from family and number. Only the newest is valid, beside the one before it
	// for a few seconds.
	Number  int64
	Rotated time.Time // when the newest refresh token was made
	Created time.Time
	Expires time.Time // the latest end
	Ended   time.Time // when it ended early; zero: live
	EndedBy string    // reason code, such as session.EndedByCode
	Body    []byte    // sealed: party, scopes, claims, grant
	// Party has the lookup keys that lead to the person's families. They are written with
	// a new family, and not read back.
	Party []signing.Lookup

	Auth []byte // see signing.Authenticator; read and written with the record
	Mark []byte // the record's register, likewise; nil before revision 2
}

// ErrSpent says that something that can be used once was used before.
var ErrSpent = errors.New("it was used before")

// FamilyStore keeps families and spent authorization codes. Events passed to a method are
// appended in the same transaction, as AppendEvents does: both are on disk, or neither.
// Every driver passes storagetest/provider.Families.
type FamilyStore interface {
	// RedeemCode spends an authorization code, by its hash, and stores f with
	// revision 1, in one transaction. If the hash was spent before, it stores
	// nothing and returns the ID of the family that the first use made, and
	// ErrSpent. Of any number of callers, on any nodes, one succeeds. The spent
	// hash is kept at least until keep. ErrExists if f.ID is taken: then nothing
	// is spent. When it returns nil, both are on disk.
	RedeemCode(ctx context.Context, code [32]byte, keep time.Time, f FamilyRecord, es ...journal.Event) (first string, err error)
	// LoadFamily returns the family with that ID, or ErrNotFound.
	LoadFamily(ctx context.Context, id string) (FamilyRecord, error)
	// UpdateFamily saves f and counts its revision up, if the stored revision is
	// f.Revision; otherwise ErrConflict. ID, Client, Created and Party never change.
	UpdateFamily(ctx context.Context, f FamilyRecord, es ...journal.Event) error
	// ListFamilies returns up to limit families to which one of the keys leads, and
	// that have not ended and expire after a time, in the order of ListSessions.
	ListFamilies(ctx context.Context, party []signing.Lookup, at time.Time, limit int) ([]FamilyRecord, error)
}

// Spent keeps hashes of what can be used once, beside authorization codes, and of tokens
// that were revoked before they expired. Every driver passes storagetest/provider.Spent.
type Spent interface {
	// Spend marks a hash as spent, at least until keep. ErrSpent if it was spent
	// before. Of any number of callers, on any nodes, one succeeds. When it returns
	// nil, the hash is on disk.
	Spend(ctx context.Context, hash [32]byte, keep time.Time) error
	// IsSpent reports whether a hash was spent, by Spend or RedeemCode.
	IsSpent(ctx context.Context, hash [32]byte) (bool, error)
	// Purge deletes spent hashes whose keep is before a time, and sessions and families
	// that expired or ended before it, up to limit of each kind. It returns how many it
	// deleted. Several calls may run at once, and share the work.
	Purge(ctx context.Context, before time.Time, limit int) (int, error)
}

// Settings keeps values that an installation decides once.
type Settings interface {
	// ClaimSetting stores a value under a name, unless the name has one, and returns the
	// stored value: the first one wins.
	ClaimSetting(ctx context.Context, name, value string) (string, error)
}
