package acting

import (
	"cmp"
	"context"
	"errors"
	"slices"
	"time"

	"yizheng.internal/license/party"
	"yizheng.internal/oidc/identity"
	"yizheng.internal/oidc/identity/representation"
	"yizheng.internal/signing/journal"
)

// Shown is for how long representations are shown that have ended.
const Shown = 90 * 24 * time.Hour

// shown returns those that are to be shown, the newest first.
func shown(n *now, all []Representation) []Representation {
	all = slices.DeleteFunc(all, func(r Representation) bool { return r.State == Ended && n.at.Sub(r.Updated) > Shown })
	slices.SortStableFunc(all, func(a, b Representation) int {
		return cmp.Or(b.Created.Compare(a.Created), cmp.Compare(b.ID, a.ID))
	})
	return all
}

// Mine returns what the person may accept, may use, or has entrusted to others: all representations in which
// they are one of the two, the newest first, ended ones of the last 90 days too. *identity.Error:
// representation_unknown, _assurance.
func (s *appointing) Mine(ctx context.Context, me Me) ([]Representation, error) {
	n, err := s.me(ctx, &me)
	if err != nil {
		return nil, err
	}
	id, codes := n.who.Party.ID, representation.Held(&n.who.Party, n.today)
	all, err := s.shelf.Find(ctx, representation.Listed, func(r *Representation) bool { return r.Representative.ID == id || r.Principal.ID == id },
		representation.OfRepresentative(id), representation.OfPrincipal(id))
	if err != nil || len(codes) == 0 {
		return shown(n, all), err
	}
	var offers []representation.Lookup
	for _, c := range codes {
		offers = append(offers, representation.OfCode(c))
	}
	proposed, err := s.shelf.Find(ctx, representation.Listed, func(r *Representation) bool {
		return r.Representative.ID == "" && slices.Contains(codes, r.Representative.Code)
	}, offers...)
	if err != nil {
		return nil, err
	}
	for _, r := range proposed {
		if r.State == Proposed && r.Addresses(&n.who) && !r.Over(n.at) {
			all = append(all, r)
		}
	}
	return shown(n, all), nil
}

// OfPrincipal returns the representations of the organization that is acted for, by its legal representative or an
// administrator; ended ones of the last 90 days too. *identity.Error: representation_may_not, and those of [Service.Check].
func (s *appointing) OfPrincipal(ctx context.Context, me Me, acting *Acting) ([]Representation, error) {
	if acting == nil {
		return nil, refused(ReasonMayNot, "whose representatives they are isn't said")
	}
	u, n, err := s.appointer(ctx, &me, acting)
	if err != nil {
		return nil, err
	}
	all, err := s.shelf.Of(ctx, u.Principal.ID)
	return shown(n, all), err
}

// OfCode returns the representations of a party, whichever of the two it is, for a clerk who knows one of its codes. That
// somebody looked is recorded. *identity.Error: representation_malformed.
func (s *desk) OfCode(ctx context.Context, clerk Clerk, code party.Code) ([]Representation, error) {
	code, err := party.ParseCode(code.Type, code.Value)
	if err != nil {
		return nil, &identity.Error{Reason: ReasonMalformed, Detail: "that is no code", Err: err}
	}
	leads := []representation.Lookup{representation.OfCode(code)}
	p, err := s.roster.FindParty(ctx, code)
	if err != nil && !errors.Is(err, identity.ErrNotFound) {
		return nil, err
	}
	if err == nil {
		leads = append(leads, representation.OfPrincipal(p.ID), representation.OfRepresentative(p.ID))
	}
	all, err := s.shelf.Find(ctx, representation.Listed, func(r *Representation) bool {
		return p.ID != "" && (r.Principal.ID == p.ID || r.Representative.ID == p.ID) || r.Representative.ID == "" && r.Representative.Code == code
	}, leads...)
	if err != nil {
		return nil, err
	}
	seen := all[:0]
	for _, r := range all {
		if clerk.System && r.Proof.Clerk != clerk.ID {
			who, err := s.roster.SomeoneOf(ctx, r.Representative.ID)
			if errors.Is(err, identity.ErrNotFound) || err == nil && !clerk.minds(&who.Account) {
				continue
			}
			if err != nil {
				return nil, err
			}
		}
		seen = append(seen, r)
	}
	if err := s.c.Journal.Record(ctx, identity.Did(clerk.ID, journal.ActionRepresentationFind, p.ID, clerk.RequestID, journal.ResultOK)); err != nil {
		return nil, err
	}
	at := time.Now()
	return shown(&now{at: at, today: party.DateOf(at)}, seen), nil
}
