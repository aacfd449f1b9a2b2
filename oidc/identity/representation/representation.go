// Package representation has what a representation 代理关系 is, and keeps representations sealed, with the events of
// each change and those who are told of it. The rules of who may act for whom are in the room acting.
package representation

import (
	"slices"
	"time"

	"yizheng.internal/license/party"
	"yizheng.internal/oidc/identity"
)

// Kind is a kind of representation. Never change one: sealed records and tokens contain it.
type Kind string

// The kinds. None may be passed on: an agent appoints nobody, and whom somebody entrusted entrusts
// nobody else with it.
const (
	LegalRepresentative Kind = "legal_representative" // 法定代表人、负责人、经营者: a license of the registry proves it, or a clerk checked evidence
	Administrator       Kind = "administrator"        // 管理员: appointed by the legal representative; appoints agents
	Agent               Kind = "agent"                // 经办人: appointed by the legal representative or an administrator
	Guardian            Kind = "guardian"             // 监护人 of a minor: a birth certificate proves it, or a clerk checked evidence
	Entrusted           Kind = "entrusted"            // 受托人 of a person, by whom they were entrusted
)

// OfOrganization reports whether a representation of the kind has an organization as its principal.
func (k Kind) OfOrganization() bool {
	return k == LegalRepresentative || k == Administrator || k == Agent
}

// Act is something that is done for somebody else.
type Act string

// The acts. Appointing isn't among them: who may appoint whom follows from the kinds.
const (
	Apply Act = "apply" // 办理事项: log in to a service for the principal, and let it have their licenses
	View  Act = "view"  // 查看证照: see the principal's licenses, and who read them
)

// Acts returns every act, in a stable order.
func Acts() []Act { return []Act{Apply, View} }

// State is how far a representation has come. The zero State is none.
type State string

// The states. A representation that a license proves begins as accepted.
const (
	Proposed State = "proposed" // the representative hasn't accepted it yet; after 30 days it is over
	Accepted State = "accepted"
	Ended    State = "ended" // declined, dismissed, given up, or not true any more
)

// Open is how long a proposed representation waits to be accepted.
const Open = 30 * 24 * time.Hour

// Party is one side of a representation.
type Party struct {
	ID   string        `json:"id,omitempty"` // of the [identity.Party]; empty: a representative who hasn't accepted yet
	Kind identity.Kind `json:"kind"`
	Name string        `json:"name"`
	Code party.Code    `json:"code"` // by which the party was named
}

// Bounds say how far a representation goes.
type Bounds struct {
	Acts  []Act      `json:"acts"`            // at least one
	Items []string   `json:"items,omitempty"` // codes of service items; empty: all
	Types []string   `json:"types,omitempty"` // codes of license types; empty: all
	From  party.Date `json:"from,omitzero"`   // zero: at once
	Until party.Date `json:"until,omitzero"`  // the last day; zero: until it is ended
}

// Allow reports whether what is wanted lies within the bounds on a day.
func (b *Bounds) Allow(w Wanted, on party.Date) bool {
	return slices.Contains(b.Acts, w.Act) && (w.Item == "" && w.Act != Apply || len(b.Items) == 0 || slices.Contains(b.Items, w.Item)) &&
		!b.From.After(on) && (b.Until.IsZero() || !b.Until.Before(on))
}

// Proof says on what a representation rests: on a license, on evidence that a clerk checked, or on
// an appointment.
type Proof struct {
	License  string    `json:"license,omitempty"`   // id of the license that proves it
	Version  int       `json:"version,omitzero"`    // of the license, when it was looked at
	Type     string    `json:"type_code,omitempty"` // of the license
	AsOf     time.Time `json:"as_of,omitzero"`      // when it was looked at
	Evidence string    `json:"evidence,omitempty"`  // what a clerk checked, in words
	Clerk    string    `json:"clerk,omitempty"`     // who checked it
	// Head is the party id of the legal representative in whose name the representative was
	// appointed; By is the party id of who did it, an administrator or the same; Right is the id of
	// the representation by which they did. Confirmed are later legal representatives who confirmed it.
	Head      string   `json:"head,omitempty"`
	By        string   `json:"by,omitempty"`
	Right     string   `json:"right,omitempty"`
	Confirmed []string `json:"confirmed,omitempty"`
}

// Representation 代理关系 says that one party may act for another.
type Representation struct {
	ID             string    `json:"-"` // of identity.NewID; opaque
	Kind           Kind      `json:"kind"`
	Principal      Party     `json:"principal"`      // who is acted for
	Representative Party     `json:"representative"` // who acts: a person
	Bounds                   // how far it goes
	Proof          Proof     `json:"proof"`
	Born           string    `json:"born,omitempty"` // the principal's date of birth, for guardians
	State          State     `json:"state"`
	EndedBy        Reason    `json:"ended_by,omitempty"` // why it ended
	Why            string    `json:"why,omitempty"`      // what a clerk who ended it said
	Created        time.Time `json:"-"`
	Updated        time.Time `json:"-"`
	Revision       int64     `json:"-"` // counts updates, from 1
}

// Wanted is what somebody wants to do for somebody else.
type Wanted struct {
	Act  Act
	Item string // code of the service item, for Apply; empty: none is named
}

// Reason says why a representation can't be used, or why it ended. Values are reason codes:
// events and refusals carry them.
type Reason = identity.Reason

// The reasons.
const (
	ReasonUnknown   Reason = "representation_unknown"   // there is none, or it is somebody else's
	ReasonEnded     Reason = "representation_ended"     // it was ended, by either side or a clerk
	ReasonDeclined  Reason = "representation_declined"  // by the representative
	ReasonNotYet    Reason = "representation_not_yet"   // its first day is yet to come, or nobody has accepted it
	ReasonExpired   Reason = "representation_expired"   // its last day, or the time to accept it, is over
	ReasonBounds    Reason = "representation_bounds"    // it doesn't go so far
	ReasonUnproved  Reason = "representation_unproved"  // the license that proved it does so no longer
	ReasonLapsed    Reason = "representation_lapsed"    // there is another legal representative, who didn't confirm it in time
	ReasonOfAge     Reason = "representation_of_age"    // the child has grown up
	ReasonMayNot    Reason = "representation_may_not"   // this kind of representative may not do it
	ReasonTwice     Reason = "representation_twice"     // there is such a representation already
	ReasonTooMany   Reason = "representation_too_many"  // the principal has too many
	ReasonMalformed Reason = "representation_malformed" // what was given can't be such a representation
	ReasonAssurance Reason = "representation_assurance" // the login, or who the person is, isn't proved well enough
)

// Over reports whether a representation is over by its dates alone.
func (r *Representation) Over(at time.Time) bool {
	return r.State == Proposed && !at.Before(r.Created.Add(Open)) || !r.Until.IsZero() && r.Until.Before(party.DateOf(at))
}

// Least is the level of proofing below which nobody acts for others.
const Least = 2

// Addresses reports whether somebody is the one to whom a representation was proposed: by a code that they hold
// today and a name of theirs, and proofed well enough.
func (r *Representation) Addresses(who *identity.Someone) bool {
	return r.Representative.ID == "" && who.Account.Proofing.Level >= Least && !who.Account.Disabled &&
		slices.Contains(Held(&who.Party, party.DateOf(time.Now())), r.Representative.Code) && who.Party.Named(r.Representative.Name)
}

// Held returns the codes that a party holds on a day.
func Held(p *identity.Party, on party.Date) (codes []party.Code) {
	for _, c := range p.Codes {
		if c.Held(on) {
			codes = append(codes, c.Code)
		}
	}
	return codes
}

// Unknown is the answer to whoever asks for a representation that there isn't, or that isn't theirs.
func Unknown() error {
	return &identity.Error{Reason: ReasonUnknown, Detail: "there is no such representation, or it isn't yours"}
}
