// Package acting knows who may act for whom 代理关系: the legal representative of a company, its
// administrators and agents, a parent for a child, one person for another who entrusted them. It
// knows no authorization requests, no tokens and no licenses: what the registry's licenses prove, a
// [Registry] tells it.
//
// A representation is asked for each time it is used, and nothing of it is cached: whoever is
// dismissed can't act a second later, on any node.
//
// What a representation is, and how it is kept, is in the room [representation]. Its words are this
// room's, too: those who work with the rules import this room alone.
package acting

import (
	"time"

	"yizheng.internal/oidc/identity"
	"yizheng.internal/oidc/identity/representation"
)

// The words of [representation].
type (
	Kind           = representation.Kind
	Act            = representation.Act
	State          = representation.State
	Party          = representation.Party
	Bounds         = representation.Bounds
	Proof          = representation.Proof
	Representation = representation.Representation
	Wanted         = representation.Wanted
	Reason         = representation.Reason
	Store          = representation.Store

	actor = representation.Actor
	news  = representation.News
)

// The kinds, acts and states; see [representation].
const (
	LegalRepresentative = representation.LegalRepresentative
	Administrator       = representation.Administrator
	Agent               = representation.Agent
	Guardian            = representation.Guardian
	Entrusted           = representation.Entrusted

	Apply = representation.Apply
	View  = representation.View

	Proposed = representation.Proposed
	Accepted = representation.Accepted
	Ended    = representation.Ended

	Open = representation.Open
)

// Acts returns every act, in a stable order.
func Acts() []Act { return representation.Acts() }

// The reasons; see [representation].
const (
	ReasonUnknown   = representation.ReasonUnknown
	ReasonEnded     = representation.ReasonEnded
	ReasonDeclined  = representation.ReasonDeclined
	ReasonNotYet    = representation.ReasonNotYet
	ReasonExpired   = representation.ReasonExpired
	ReasonBounds    = representation.ReasonBounds
	ReasonUnproved  = representation.ReasonUnproved
	ReasonLapsed    = representation.ReasonLapsed
	ReasonOfAge     = representation.ReasonOfAge
	ReasonMayNot    = representation.ReasonMayNot
	ReasonTwice     = representation.ReasonTwice
	ReasonTooMany   = representation.ReasonTooMany
	ReasonMalformed = representation.ReasonMalformed
	ReasonAssurance = representation.ReasonAssurance
)

// Ages and periods of the rules.
const (
	// ConsentAge is the age in years from which a minor agrees to the use of their personal data
	// themself (Personal Information Protection Law article 31); AdultAge is the age at which
	// guardianship ends (Civil Code article 17).
	ConsentAge = 14
	AdultAge   = 18
	// Lapse is how long administrators and agents go on after the legal representative by whom they were
	// appointed, directly or through an administrator, is that no longer, unless the new one confirms them.
	Lapse = 30 * 24 * time.Hour
)

// Acting is a representation that may be used, just checked: who acts for whom, and how.
type Acting struct {
	Representation
	Principal identity.Party // with all their codes; it shadows Representation.Principal
	// Consents reports whether the representative may agree that licenses of the principal are used: false for
	// a guardian of a child who is ConsentAge or older, who agrees themself.
	Consents bool
}
