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
	Revision  int64 // counts changes, from 1; in a SaveRequest: as read, 0 for a new license
	Type      credential.TypeCode
	Authority party.USCC
	Version   int   // the newest version
	State     State // of the newest version
	Created   time.Time
	Updated   time.Time

	Auth []byte // see signing.Authenticator; read and written with the record
	Mark []byte // its register, likewise; nil before revision 2
}

// VersionRecord is a version as a store keeps it: plain what is not personal,
// sealed the rest. It never changes once stored, but for State, Ending and Suspension.
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
	Suspension  []byte // sealed: the latest one's; nil if there was none, or it had no document

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

// LookupRow is a value's lookup keys, all of which lead to the same license. A
// number is exclusive (no other license may have it), shared, or former: the
// license is found by it, and it keeps no other license from having it.
type LookupRow struct {
	Kind      LookupKind
	Keys      []signing.Lookup
	Exclusive bool // for numbers
	Former    bool // for numbers: of a version that is no longer current; never exclusive
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
	Auth       []byte // the version's as it then is
}

// Request remembers what an idempotency key was used for. The answer is made
// again from License and Version, so nothing of it is kept twice.
type Request struct {
	Keys        []signing.Lookup // of client and key
	Fingerprint signing.Lookup   // keyed hash of the request's body
	License     audit.ID
	Version     int
	State       State // as answered
	Revision    int64 // of the license, as answered; 0 in requests of before it was kept
	Created     time.Time
}

// SaveRequest is one change of one license: all of it happens, or nothing.
type SaveRequest struct {
	Record  Record         // as it shall be, but for Revision: as it was read
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
	Before    Cursor     // only what comes after this place
	Limit     int
}

// Cursor is a place in a Query's order: that of the last record seen. The zero Cursor is before all.
type Cursor struct {
	Created time.Time
	ID      audit.ID
}

// Store keeps licenses as sealed records. Every driver passes storagetest.Licenses.
//
// Here and in the stores below: times are kept to the microsecond, what is
// finer is cut off, and come back in UTC; bytes come back nil if they were nil;
// once a context has ended a call does nothing and returns its error, and one
// that was under way completes; ErrUnavailable may come of every call.
type Store interface {
	// Save makes one change, atomically; when it returns nil, all of it is on
	// disk. A new license (Revision 0) is stored as revision 1, a change of a
	// stored one counts its revision up. In this order of precedence it returns
	// ErrRequestTaken if the request's key is known already, ErrNotFound for an
	// unknown license, ErrConflict if the stored revision is not
	// Record.Revision, ErrIdentifierTaken or ErrNumberTaken if a unique lookup
	// key leads to another license already: an identifier's or verification's, or
	// a number's that either license has to itself and that is former to neither.
	// A key that leads to this license already leads to Record.Version then, and a
	// number stands as the row says. A state of a version that is
	// not stored, a version that is, and a status entry that was never reserved
	// (a *[status.UnreservedError]) are errors too. After an error nothing at all is stored.
	Save(ctx context.Context, s SaveRequest) error
	// Load returns a license and one of its versions, 0 for the newest, or ErrNotFound.
	Load(ctx context.Context, id audit.ID, version int) (Record, VersionRecord, error)
	// Locate returns where the first of the keys that is stored leads, or ErrNotFound.
	// Kinds: LookupIdentifier, LookupVerification.
	Locate(ctx context.Context, kind LookupKind, keys []signing.Lookup) (Located, error)
	// Search returns up to q.Limit records.
	Search(ctx context.Context, q Query) ([]Record, error)
	// LoadRequest returns what the first of the keys that is stored was used for,
	// or ErrNotFound. Which keys the result names is the driver's affair.
	LoadRequest(ctx context.Context, keys []signing.Lookup) (Request, error)
}

// LookupStore renews lookup keys after their key was rotated. Every driver
// passes storagetest.Lookups.
type LookupStore interface {
	// Versions returns up to limit versions after a place, ordered by license and version.
	Versions(ctx context.Context, after Located, limit int) ([]VersionRecord, error)
	// AddLookups adds lookup keys that lead to a license's version, or none, if the
	// license's stored revision is still the one given, else it returns ErrConflict.
	// Those that lead to the license already stay as they are, but for numbers,
	// which stand as the rows say. ErrNotFound for no such version;
	// ErrIdentifierTaken and ErrNumberTaken as Save.
	AddLookups(ctx context.Context, at Located, revision int64, rows []LookupRow) error
	// PurgeLookups deletes up to limit lookup keys that a serial made, requests'
	// as well, and returns how many.
	PurgeLookups(ctx context.Context, serial int32, limit int) (int, error)
}

// SettingStore keeps the few facts that an installation is bound to, such as
// its public URL. Every driver passes storagetest.Settings.
type SettingStore interface {
	// ClaimSetting stores the value if the name has none, and returns the one
	// that is stored then, its own or an earlier caller's.
	ClaimSetting(ctx context.Context, name, value string) (string, error)
	// LoadSetting returns what is stored under a name, or ErrNotFound.
	LoadSetting(ctx context.Context, name string) (string, error)
	// ReplaceSetting changes a value from old, or returns ErrConflict.
	ReplaceSetting(ctx context.Context, name, old, value string) error
}

// Stores are what package license keeps its records in.
type Stores interface {
	Store
	LookupStore
	SettingStore
}
