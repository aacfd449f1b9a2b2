package token

import (
	"context"
	"errors"
	"slices"
	"time"

	"yizheng.internal/license/party"
	"yizheng.internal/oidc"
	"yizheng.internal/oidc/identity"
	"yizheng.internal/oidc/identity/acting"
)

// Behalf says for whom the person of a family acts, and by which representation.
type Behalf struct {
	Representation string      `json:"representation"`
	Kind           acting.Kind `json:"kind"`
	Principal      string      `json:"principal"` // party id
}

// BehalfOf returns the Behalf of a representation that was just checked; nil for nil.
func BehalfOf(a *acting.Acting) *Behalf {
	if a == nil {
		return nil
	}
	return &Behalf{Representation: a.ID, Kind: a.Kind, Principal: a.Principal.ID}
}

// same reports whether somebody acts by the same representation, or both times for themself.
func (b *Behalf) same(other *Behalf) bool {
	return b == nil && other == nil || b != nil && other != nil && *b == *other
}

// Representations says whether a representation still holds. [acting.Service] implements it.
type Representations interface {
	// Live checks whether the person with a party id may still use a representation for anything.
	// *identity.Error with the reason if they may not.
	Live(ctx context.Context, id, party string) error
}

// checkBehalf checks that the person may still act as they did when they logged in. Nothing of it is cached: whoever
// is dismissed can't act a second later, on any node.
func (p *Families) checkBehalf(ctx context.Context, who *About) error {
	if who.Behalf == nil {
		return nil
	}
	if p.c.Acting == nil {
		return OverRepresentation
	}
	err := p.c.Acting.Live(ctx, who.Behalf.Representation, who.Party)
	if _, ok := errors.AsType[*identity.Error](err); ok {
		return OverRepresentation
	}
	if err != nil {
		return oidc.Unavailable(err)
	}
	return nil
}

// Organization is the claim of the scope organization: for which organization the person acts. Its only number is
// the organization's own, which is public.
type Organization struct {
	Name           string      `json:"name"`
	USCC           string      `json:"uscc,omitempty"`
	Class          string      `json:"class,omitempty"` // see [party.USCC.Class]
	Capacity       acting.Kind `json:"capacity"`        // legal_representative, administrator or agent
	Representation string      `json:"representation"`
}

// ActAs is the claim of the scope act_as: for which person the person acts. It has no name and no number of theirs.
type ActAs struct {
	Kind           acting.Kind `json:"kind"` // guardian or entrusted
	Representation string      `json:"representation"`
	Subject        string      `json:"sub"` // of the person who is acted for, at this client
}

// BehalfClaims are the claims that say for whom a person acts; both nil: for themself, or the scopes don't show it.
type BehalfClaims struct {
	Organization *Organization `json:"organization,omitempty"`
	ActAs        *ActAs        `json:"act_as,omitempty"`
}

// behalfClaims returns what tokens with some scopes say of that, with today's name.
func (p *Service) behalfClaims(ctx context.Context, c oidc.Client, who *About, scopes []oidc.Scope) (BehalfClaims, error) {
	b := who.Behalf
	switch {
	case b == nil:
		return BehalfClaims{}, nil
	case b.Kind.OfOrganization() && slices.Contains(scopes, oidc.ScopeOrganization):
		n, err := p.c.Sessions.Party(ctx, b.Principal)
		if err != nil {
			return BehalfClaims{}, err
		}
		o := &Organization{Name: n.Name, Capacity: b.Kind, Representation: b.Representation}
		today := party.DateOf(time.Now())
		for _, code := range n.Codes {
			if uscc := party.USCC(code.Value); code.Type == party.SocialCredit && uscc.Valid() && (code.Until.IsZero() || !code.Until.Before(today)) {
				o.USCC, o.Class = code.Value, uscc.Class()
				break
			}
		}
		return BehalfClaims{Organization: o}, nil
	case !b.Kind.OfOrganization() && slices.Contains(scopes, oidc.ScopeActAs):
		subject, err := p.c.Subjects.Of(ctx, c, b.Principal)
		return BehalfClaims{ActAs: &ActAs{Kind: b.Kind, Representation: b.Representation, Subject: subject}}, err
	}
	return BehalfClaims{}, nil
}
