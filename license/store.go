package license

import (
	"context"
	"time"

	"yizheng.internal/license/audit"
	"yizheng.internal/license/credential"
	"yizheng.internal/license/party"
	"yizheng.internal/license/status"
	"yizheng.internal/signing"
	"yizheng.internal/signing/journal"
)

// Record is a license as a store keeps it. Nothing in it is personal.
type Record struct {
	ID        audit.ID
	Revision  int64 // counts changes, from 1; in a SaveRequest: the revision that was read, 0 for a new license
	Type      credential.TypeCode
	Authority party.USCC
	Version   int   // the newest version
	State     State // of the newest version
	Created   time.Time
	Updated   time.Time

	Auth []byte // see signing.Authenticator; read and written with the record
	Mark []byte // its register, likewise; nil before revision 2
}

// VersionRecord is a version as a store keeps it. What is personal is sealed; the rest is plain. Once it is
// stored, only State, Ending, Suspension and Auth change.
type VersionRecord struct {
	License     audit.ID
	Version     int
	State       State
	TypeVersion int
	Origin      credential.Origin
	TrustGrade  credential.TrustGrade
	ValidFrom   party.Date
	ValidUntil  party.Date // zero: 长期
	StatusList  int64
	StatusIndex int
	Issued      time.Time
	Body        []byte // sealed: identifier, number, holders, fields, …
	Credential  []byte // sealed: the SD-JWT
	HolderKey   []byte // sealed: the presentation key named in its cnf
	Ending      []byte // sealed; nil while it has none
	Suspension  []byte // sealed: the latest suspension; nil if there was none, or it had no document

	Auth []byte // see signing.Authenticator
}

// LookupKind says what a lookup key stands for.
type LookupKind string

const (
	LookupIdentifier   LookupKind = "identifier"   // identifier → license and version; unique
	LookupVerification LookupKind = "verification" // identifier with verification code → license and version; unique
	LookupNumber       LookupKind = "number"       // type, authority and number → license; unique where the row says so
	LookupHolder       LookupKind = "holder"       // a holder's code → license; many
)

// LookupRow has the lookup keys of one value, all of which lead to the same license. A number is exclusive (no
// other license may have it), shared, or former. A former number still finds the license, but another license may
// have it.
type LookupRow struct {
	Kind      LookupKind
	Keys      []signing.Lookup
	Exclusive bool // for numbers
	Former    bool // for numbers: the license has ended, has another number now, or another license keeps this one; never exclusive
}

// Located is where a lookup key leads.
type Located struct {
	License audit.ID
	Version int
}

// VersionState is a stored version's new state.
type VersionState struct {
	Version    int
	State      State
	Ending     []byte // sealed; nil leaves it as it is
	Suspension []byte // sealed; nil leaves it as it is
	Auth       []byte // the version's authenticator in its new state
}

// Request is what an idempotency key was used for. A repeated request is answered anew from License and Version,
// so the answer itself is not stored.
type Request struct {
	Keys        []signing.Lookup // of the client and its idempotency key
	Fingerprint signing.Lookup   // keyed hash of the request's body
	License     audit.ID
	Version     int
	State       State // as answered
	Revision    int64 // of the license, as answered; 0 in requests stored before revisions were kept
	Created     time.Time
}

// SaveRequest is one change of one license: all of it happens, or nothing.
type SaveRequest struct {
	Record  Record         // the new record; its Revision is the one that was read
	Add     *VersionRecord // a version to add; nil for none
	States  []VersionState // stored versions that change state
	Lookups []LookupRow    // to add, leading to Record.ID and Record.Version
	Status  []status.Change
	Event   journal.Event
	Request *Request // nil without an idempotency key
}

// Query finds licenses. Zero fields don't restrict. Results are ordered by
// creation, newest first, then by ID. Days are those of UTC+8.
type Query struct {
	Keys      []signing.Lookup // any of these lookup keys…
	Kind      LookupKind       // …of this kind
	Authority party.USCC
	Type      credential.TypeCode
	State     State      // of the newest version
	From, To  party.Date // days of creation, both included
	Before    Cursor     // only what comes after this place in the order
	Limit     int
}

// Cursor is a place in a Query's order: that of the last record seen. The zero Cursor comes before all records.
type Cursor struct {
	Created time.Time
	ID      audit.ID
}

// Store keeps licenses as sealed records. Every driver passes storagetest/licenses.Licenses.
//
// Here and in the stores below: times are cut to the microsecond and come back in UTC; bytes that were nil come
// back nil; a call whose context has ended does nothing and returns the context's error, but a call that is under
// way then completes; every call may return ErrUnavailable.
type Store interface {
	// Save makes one change, atomically. When it returns nil, all of the change is on disk. A new license
	// (Revision 0) is stored as revision 1; a change of a stored license increases its revision by one. Save
	// returns, in this order of precedence: ErrRequestTaken if the request's key is known already, ErrNotFound
	// for an unknown license, ErrConflict if the stored revision is not Record.Revision, ErrIdentifierTaken or
	// ErrNumberTaken if a unique lookup key leads to another license already. The keys of identifiers and
	// verification codes are unique. The key of a number is unique if the number is exclusive to one of the two
	// licenses and former to neither. A key that leads to this license already leads to Record.Version
	// afterwards, and a number takes Exclusive and Former from the new row. It is also an error if a changed
	// state belongs to a version that is not stored, if the added version is stored already, or if a status entry
	// was never reserved (a *[status.UnreservedError]). After an error nothing at all is stored.
	Save(ctx context.Context, s SaveRequest) error
	// Load returns a license and one of its versions, 0 for the newest, or ErrNotFound.
	Load(ctx context.Context, id audit.ID, version int) (Record, VersionRecord, error)
	// Locate returns where the first stored one of the keys leads, or ErrNotFound. The kind is LookupIdentifier
	// or LookupVerification.
	Locate(ctx context.Context, kind LookupKind, keys []signing.Lookup) (Located, error)
	// Search returns up to q.Limit records.
	Search(ctx context.Context, q Query) ([]Record, error)
	// LoadRequest returns the request under the first stored one of the keys, or ErrNotFound. Each driver decides
	// which keys the result names.
	LoadRequest(ctx context.Context, keys []signing.Lookup) (Request, error)
}

// LookupStore renews lookup keys after the key that makes them was rotated. Every driver passes
// storagetest/licenses.Lookups.
type LookupStore interface {
	// Versions returns up to limit versions after a place, ordered by license and version.
	Versions(ctx context.Context, after Located, limit int) ([]VersionRecord, error)
	// AddLookups adds lookup keys that lead to a license's version, all of them or none. It returns ErrConflict
	// unless the license's stored revision is the given one, ErrNotFound if there is no such version, and
	// ErrIdentifierTaken and ErrNumberTaken as Save does. Keys that lead to the license already stay as they are,
	// except that numbers take Exclusive and Former from the rows.
	AddLookups(ctx context.Context, at Located, revision int64, rows []LookupRow) error
	// PurgeLookups deletes up to limit lookup keys that were made under the key with this serial, those of
	// requests included, and returns how many it deleted.
	PurgeLookups(ctx context.Context, serial int32, limit int) (int, error)
}

// SettingStore keeps the few facts that an installation is bound to, such as
// its public URL. Every driver passes storagetest/ledger.Settings.
type SettingStore interface {
	// ClaimSetting stores the value if the name has none. It returns the value that the name then has: this one,
	// or an earlier caller's.
	ClaimSetting(ctx context.Context, name, value string) (string, error)
	// LoadSetting returns what is stored under a name, or ErrNotFound.
	LoadSetting(ctx context.Context, name string) (string, error)
	// ReplaceSetting changes a setting's value from old to value, or returns ErrConflict if it isn't old.
	ReplaceSetting(ctx context.Context, name, old, value string) error
}

// Stores are what package license keeps its records in.
type Stores interface {
	Store
	LookupStore
	SettingStore
}
