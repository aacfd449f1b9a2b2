package license

import (
	"context"
	"slices"
	"time"

	"github.com/emmansun/gmsm/sm3"

	"yizheng.internal/license/catalog"
	"yizheng.internal/license/party"
	"yizheng.internal/signing"
	"yizheng.internal/signing/journal"
)

// GrantID names a grant: 26 lower-case letters and digits. It is made of the
// consent form's one-use id, so that a form agreed to twice makes one grant,
// on whatever nodes.
type GrantID string

// Valid reports whether the ID has the form of one.
func (id GrantID) Valid() bool { return ID(id).Valid() }

// grantID returns the ID of the grant that a form makes.
func grantID(form string) GrantID {
	sum := sm3.Sum([]byte("yizheng grant\x00" + form))
	return GrantID(idEncoding.EncodeToString(sum[:16]))
}

// GrantState is a grant's state: pending → active → ended.
type GrantState string

const (
	GrantPending GrantState = "pending" // agreed to; the client's code is not redeemed yet
	GrantActive  GrantState = "active"
	GrantEnded   GrantState = "ended" // see Grant.EndedBy
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
	// Kin are the codes of spouse, children and the acting organization's legal
	// representative, as far as they are known and the provider lets this
	// subject agree for them.
	Kin map[catalog.Relation][]party.Code
	// Assurance of this login, 0 to 3. Below 2 no license is seen or released.
	Assurance int
}

// owner returns the id of the party whose affair it is: the organization acted
// for, or else the person.
func (s *Subject) owner() string {
	if s.Acting != "" {
		return s.Acting
	}
	return s.Party
}

// codes returns the codes of the party that a relation names.
func (s *Subject) codes(r catalog.Relation) []party.Code {
	switch {
	case r != catalog.RelationApplicant:
		return s.Kin[r]
	case s.Acting != "":
		return s.ActingCodes
	}
	return s.Codes
}

// Outcome says what was found for a material.
type Outcome string

const (
	OutcomeFound       Outcome = "found"  // one license; to be agreed to
	OutcomeChoice      Outcome = "choice" // several; the holder chooses
	OutcomeMissing     Outcome = "missing"
	OutcomeUncollected Outcome = "not_collected" // 未归集: the authorities' coverage isn't complete
	OutcomeExpired     Outcome = "expired"
	OutcomeEnded       Outcome = "ended"         // see EndedLicense
	OutcomeNotYet      Outcome = "not_yet_valid" // in force from a later day
	OutcomeSuspended   Outcome = "suspended"
	OutcomeDisputed    Outcome = "disputed" // reserved: no license can be disputed yet
	OutcomeUnavailable Outcome = "source_unavailable"
	OutcomeRefused     Outcome = "refused" // by the holder
	OutcomeGranted     Outcome = "granted"
)

// Offer is what the holder is shown before agreeing.
type Offer struct {
	Item      catalog.ServiceItem
	Materials []OfferedMaterial
	Hash      [32]byte // SM3 of all that is shown, license versions included: consent is bound to it
}

// OfferedMaterial is one material, as far as it was asked for, with the
// licenses that can serve.
type OfferedMaterial struct {
	Material catalog.Material
	Outcome  Outcome
	Licenses []OfferedLicense // none unless found or choice
	More     bool             // of choice: there are more, which are found by what is looked for
	Find     string           // what was looked for; empty: nothing, and the newest are offered
	Dated                     // of ended, expired and not_yet_valid
}

// Dated says more of an outcome: how the license ended, and from which day on it
// is not, or will be, in force.
type Dated struct {
	EndingKind EndingKind `json:"ending_kind,omitempty"` // of ended
	// From is the first day on which the license is no longer in force (ended,
	// expired), or is (not_yet_valid).
	From party.Date `json:"from,omitzero"`
}

// OfferedLicense is a license that can serve, opened for its holder to see.
type OfferedLicense struct {
	License
	Fields    []string // parts that are asked for, and that it has
	Sensitive []string // those of them that need an own yes
}

// Consent is what the holder agreed to.
type Consent struct {
	Form      string   // the consent form's one-use id: 16 to 128 visible ASCII characters, unguessable
	Session   [32]byte // hash of the session
	Request   [32]byte // hash of the authorization request
	Shown     [32]byte // Offer.Hash
	Find      Find     // what the offer was made for
	Channel   Channel
	Until     time.Time // zero: 1 hour from activation; at most 30 days ahead, recurring 366
	Recurring bool
	Chosen    []ChosenLicense // empty: everything was refused
}

// ChosenLicense is one license in a consent, and the parts of it that may be read.
type ChosenLicense struct {
	Material string   `json:"material"`
	License  ID       `json:"license"`
	Version  int      `json:"version"`
	Fields   []string `json:"fields"`
}

// Ways in which a grant ends, for Grant.EndedBy.
const (
	EndedByHolder  = "holder"        // withdrawn
	EndedByReuse   = "code_reuse"    // its authorization code came a second time
	EndedByToken   = "token_revoked" // with its token family
	EndedByExpired = "expired"       // its time is over, or its code was never redeemed
)

// Grant 用证授权 is the one record that lets a client read parts of licenses for
// an item.
type Grant struct {
	ID             GrantID            `json:"id"`
	State          GrantState         `json:"state"`
	Client         string             `json:"client"`
	Participant    string             `json:"participant"`
	Party          string             `json:"party"`
	Acting         string             `json:"acting,omitempty"`
	Representation string             `json:"representation,omitempty"`
	Item           catalog.ItemCode   `json:"item"`
	ItemVersion    int                `json:"item_version"`
	Case           string             `json:"case"`
	Basis          Basis              `json:"basis"`
	Channel        Channel            `json:"channel"`
	Assurance      int                `json:"assurance"`
	Recurring      bool               `json:"recurring"`
	Licenses       []ChosenLicense    `json:"licenses"`
	Materials      map[string]Outcome `json:"materials"`       // what became of each material that was asked for
	Dated          map[string]Dated   `json:"dated,omitempty"` // more of the outcomes of some
	Created        time.Time          `json:"created"`
	Activated      time.Time          `json:"activated,omitzero"`
	Until          time.Time          `json:"until,omitzero"` // zero while it is pending, unless the holder set an end
	Ended          time.Time          `json:"ended,omitzero"`
	EndedBy        string             `json:"ended_by,omitempty"`
}

// owner returns the id of the party whose grant it is.
func (g *Grant) owner() string {
	if g.Acting != "" {
		return g.Acting
	}
	return g.Party
}

// parts returns the parts of a license that may be read: those that were chosen
// of it, for whichever material.
func (g *Grant) parts(id ID) []string {
	parts := []string{}
	for _, l := range g.Licenses {
		if l.License == id {
			parts = append(parts, l.Fields...)
		}
	}
	slices.Sort(parts)
	return slices.Compact(parts)
}

// GrantRecord is a grant as a store keeps it. Party and case are personal:
// they are sealed in Body and found by lookup keys.
type GrantRecord struct {
	ID        GrantID
	Revision  int64 // counts changes, from 1; 0 for a new record
	State     GrantState
	Client    string
	Item      catalog.ItemCode
	Basis     Basis
	Recurring bool
	Created   time.Time // never changes
	Expires   time.Time // pending: when it lapses; active: Until; ended: then, or later in records of before that was kept
	Body      []byte    // sealed: Grant, and what the consent was bound to
	// Code is the hash of the authorization code that activated it; nil before.
	Code []byte
	// Party leads to the party whose grant it is. Written with a new grant, and
	// not read back.
	Party []signing.Lookup

	Auth []byte // see signing.Authenticator; read and written with the record
	Mark []byte // its register, likewise; nil before revision 2
}

// GrantStore keeps grants. Every driver passes storagetest.Grants.
type GrantStore interface {
	// SaveGrant stores a new grant (Revision 0) as revision 1, or a change of one
	// if the stored revision is still g.Revision, with use codes to add and the
	// event, all or nothing. ErrNotFound for an unknown grant; ErrConflict for
	// another revision, a new grant whose ID is there, and a use code that is.
	SaveGrant(ctx context.Context, g GrantRecord, codes []UseCodeRecord, e journal.Event) error
	// LoadGrant returns a grant and its use codes, ordered by license and
	// number, or ErrNotFound.
	LoadGrant(ctx context.Context, id GrantID) (GrantRecord, []UseCodeRecord, error)
	// ListGrants returns up to limit grants to which one of a party's keys leads,
	// newest first, then by ID, that come after a place.
	ListGrants(ctx context.Context, party []signing.Lookup, before Cursor, limit int) ([]GrantRecord, error)
}
