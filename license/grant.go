package license

import (
	"context"
	"time"

	"yizheng.internal/license/party"
	"yizheng.internal/signing"
)

// GrantID names a grant: 26 lower-case letters and digits, random.
type GrantID string

// GrantState is a grant's state: pending → active → ended.
type GrantState string

const (
	GrantPending GrantState = "pending" // agreed to; the client's code is not redeemed yet
	GrantActive  GrantState = "active"
	GrantEnded   GrantState = "ended" // withdrawn, revoked with its code or token family, or never redeemed
)

// Basis 用证依据 is the ground of a reading.
type Basis string

const (
	BasisConsent Basis = "consent"
	BasisDuty    Basis = "duty" // 依职能
)

// Channel is where the holder agreed.
type Channel string

const (
	ChannelOnline   Channel = "online"
	ChannelCounter  Channel = "counter"
	ChannelTerminal Channel = "terminal"
)

// Subject is who agrees, as the provider knows them: opaque ids, and the codes
// by which their licenses are found.
type Subject struct {
	Party string       // opaque party id
	Codes []party.Code // all codes, former ones too
	// Acting is the organization acted for, if any, and its codes; the
	// representation says by what right.
	Acting         string
	ActingCodes    []party.Code
	Representation string
	// Kin are the codes of spouse and children, as far as they are known.
	Kin map[Relation][]party.Code
	// Assurance of this login, 0 to 3. Below 2 no license is seen or released.
	Assurance int
}

// Ask is what a client asks of a subject: an RFC 9396 authorization detail of
// type "license", checked for form. Licenses empty: the item decides.
type Ask struct {
	Client      string
	Participant string
	Item        ItemCode
	Case        string // 办件编号
	Licenses    []AskedLicense
}

// AskedLicense narrows a material to a type and parts.
type AskedLicense struct {
	Material string   `json:"material"`
	TypeCode TypeCode `json:"type_code"`
	Fields   []string `json:"fields"`
}

// Outcome says what was found for a material.
type Outcome string

const (
	OutcomeFound       Outcome = "found"  // one license; to be agreed to
	OutcomeChoice      Outcome = "choice" // several; the holder chooses
	OutcomeMissing     Outcome = "missing"
	OutcomeUncollected Outcome = "not_collected" // 未归集: the authority's coverage isn't complete
	OutcomeExpired     Outcome = "expired"
	OutcomeSuspended   Outcome = "suspended"
	OutcomeDisputed    Outcome = "disputed"
	OutcomeUnavailable Outcome = "source_unavailable"
	OutcomeRefused     Outcome = "refused" // by the holder
	OutcomeGranted     Outcome = "granted"
)

// Offer is what the holder is shown before agreeing.
type Offer struct {
	Item      ServiceItem
	Materials []OfferedMaterial
	Hash      [32]byte // SM3 of all that is shown, license versions included: consent is bound to it
}

// OfferedMaterial is one material with the licenses that can serve.
type OfferedMaterial struct {
	Material Material
	Outcome  Outcome
	Licenses []OfferedLicense // none unless found or choice
}

// OfferedLicense is a license that can serve, opened for its holder to see.
type OfferedLicense struct {
	License
	Fields    []string // parts that are asked for
	Sensitive []string // those of them that need an own yes
}

// Consent is what the holder agreed to.
type Consent struct {
	Form      string   // the consent form's one-use id
	Session   [32]byte // hash of the session
	Request   [32]byte // hash of the authorization request
	Shown     [32]byte // Offer.Hash
	Channel   Channel
	Until     time.Time // zero: 1 hour from activation
	Recurring bool
	Chosen    []ChosenLicense // empty: everything was refused
}

// ChosenLicense is one license in a consent.
type ChosenLicense struct {
	Material string   `json:"material"`
	License  ID       `json:"license"`
	Version  int      `json:"version"`
	Fields   []string `json:"fields"`
}

// Grant 用证授权 is the one record that lets a client read parts of licenses for
// an item.
type Grant struct {
	ID          GrantID         `json:"id"`
	State       GrantState      `json:"state"`
	Client      string          `json:"client"`
	Participant string          `json:"participant"`
	Party       string          `json:"party"`
	Acting      string          `json:"acting,omitempty"`
	Item        ItemCode        `json:"item"`
	ItemVersion int             `json:"item_version"`
	Case        string          `json:"case"`
	Basis       Basis           `json:"basis"`
	Channel     Channel         `json:"channel"`
	Assurance   int             `json:"assurance"`
	Recurring   bool            `json:"recurring"`
	Licenses    []ChosenLicense `json:"licenses"`
	Created     time.Time       `json:"created"`
	Activated   time.Time       `json:"activated,omitzero"`
	From        time.Time       `json:"from"`
	Until       time.Time       `json:"until"`
	Ended       time.Time       `json:"ended,omitzero"`
	EndedBy     string          `json:"ended_by,omitempty"` // holder, code_reuse, token_revoked, expired
}

// GrantRecord is a grant as a store keeps it. Party and case are personal:
// they are sealed in Body and found by lookup keys.
type GrantRecord struct {
	ID        GrantID
	Revision  int64 // counts changes, from 1; 0 for a new record
	State     GrantState
	Client    string
	Item      ItemCode
	Basis     Basis
	Recurring bool
	Created   time.Time
	Expires   time.Time // pending: when it lapses; active: Until
	Body      []byte    // sealed: Grant
	Party     []signing.Lookup
	// Form is the hash of the consent form's one-use id: unique, so that a
	// form agreed to twice makes one grant.
	Form [32]byte
	// Code is the hash of the authorization code that activated it; nil before.
	Code []byte
}

// UseCodeRecord is a use code 用证码 as a store keeps it.
type UseCodeRecord struct {
	Hash    [32]byte // SM3 of the code; the code itself is derived, never stored
	Grant   GrantID
	License ID
	Version int
	Client  string
	Created time.Time
	Expires time.Time // its grant's end
	First   time.Time // first use; zero before. The reading window counts from here
}

// AccessRecord 用证记录 is one reading, or a refused one, as a store keeps it.
type AccessRecord struct {
	Seq         int64 // given by the store, rising
	ID          string
	At          time.Time
	Request     string // the consumer's request id; with the use code unique, so that redeeming is idempotent
	Grant       GrantID
	License     ID
	Version     int
	Client      string
	Participant string
	Item        ItemCode
	Basis       Basis
	Channel     Channel
	Result      string           // "ok" or a reason code
	Disclosure  string           // immediate, deferred, withheld
	Body        []byte           // sealed: case, fields, officer, representation, acting party
	Party       []signing.Lookup // whose record it is
}

// GrantStore keeps grants, use codes and access records. Every driver passes
// storagetest.Grants.
type GrantStore interface {
	// SaveGrant stores a new grant (Revision 0), or a change of one if the
	// stored revision is still g.Revision, with use codes to add and the event,
	// all or nothing. ErrNotFound, ErrConflict; for a new grant ErrRequestTaken
	// if its Form was used already. A change that ends a grant ends its use codes.
	SaveGrant(ctx context.Context, g GrantRecord, codes []UseCodeRecord, e EventRecord) error
	// LoadGrant returns a grant, or ErrNotFound.
	LoadGrant(ctx context.Context, id GrantID) (GrantRecord, error)
	// ListGrants returns up to limit grants of a party, newest first, older than before.
	ListGrants(ctx context.Context, party []signing.Lookup, before Cursor, limit int) ([]GrantRecord, error)
	// Use spends a reading by a use code: in one transaction it checks that the
	// code is there and its grant active at now, sets First if it is zero,
	// stores the access record (whose License and Version it fills in) and
	// returns the code as it now is with its grant and version. ErrNotFound; ErrConflict if the
	// grant is not active or its time or the code's window (window after First)
	// is over, and then the record is stored with the result "grant_ended" or "window_over".
	// With a Request used before for this code, nothing is stored and the first record is
	// returned with again set.
	Use(ctx context.Context, code [32]byte, rec AccessRecord, window time.Duration, now time.Time) (u Used, err error)
	// AccessRecords returns up to limit records of a party with Seq less than
	// before (0: from the newest on), newest first.
	AccessRecords(ctx context.Context, party []signing.Lookup, before int64, limit int) ([]AccessRecord, error)
}

// Used is what a use code leads to.
type Used struct {
	Code    UseCodeRecord
	Grant   GrantRecord
	Version VersionRecord
	Record  AccessRecord
	Again   bool // the answer to an earlier request with the same id
}
