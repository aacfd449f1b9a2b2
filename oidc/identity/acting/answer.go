package acting

import (
	"context"
	"errors"
	"slices"

	"yizheng.internal/oidc/identity"
	"yizheng.internal/oidc/identity/notice"
	"yizheng.internal/oidc/identity/representation"

	"yizheng.internal/signing/journal"
)

// Answer accepts or declines a representation that was proposed to the person, by one of the codes that they
// hold and were proofed with. Accepting it again changes nothing. *identity.Error: representation_unknown, _expired, _twice, _assurance, and
// those of [Service.Check] if whoever proposed it may do so no longer.
func (s *appointing) Answer(ctx context.Context, me Me, id string, accept bool) (Representation, error) {
	n, err := s.me(ctx, &me)
	if err != nil {
		return Representation{}, err
	}
	told := news{Action: journal.ActionRepresentationDecline, Told: journal.ActionRepresentationEnded}
	if accept {
		told = news{Action: journal.ActionRepresentationAccept, Told: journal.ActionRepresentationBegun}
	}
	r, err := s.shelf.Change(ctx, me.actor(), id, told, func(r *Representation) error {
		if accept && r.State == Accepted && r.Representative.ID == n.who.Party.ID {
			return representation.ErrUnchanged
		}
		if r.State != Proposed || !r.Addresses(&n.who) {
			return representation.Unknown()
		}
		r.Representative.ID = n.who.Party.ID
		if !accept {
			r.State, r.EndedBy = Ended, ReasonDeclined
			return nil
		}
		if r.Over(n.at) {
			return refused(ReasonExpired, "nobody accepted the representation in time")
		}
		r.State = Accepted
		return s.stillProposed(ctx, r)
	})
	if errors.Is(err, identity.ErrExists) {
		return Representation{}, refused(ReasonTwice, "you are such a representative already, by another number of yours")
	}
	return r, err
}

// stillProposed checks that whoever proposed a representation may do so today: an administrator who was dismissed
// leaves no proposals behind.
func (s *rules) stillProposed(ctx context.Context, r *Representation) error {
	if r.Kind == Entrusted {
		return s.living(ctx, r.Kind, r.Principal.ID)
	}
	right, err := s.shelf.Load(ctx, r.Proof.Right)
	if err != nil {
		return err
	}
	u, err := s.usableBy(ctx, right)
	switch {
	case err != nil:
		return err
	case right.Representative.ID != r.Proof.By || u.Principal.ID != r.Principal.ID || !appoints(u.Kind, r.Kind):
		return s.c.Vault.Auth().Refuse("representations", r.ID, "whoever proposed it had no right to")
	case !u.lapses.IsZero():
		return refused(ReasonLapsed, "there is another legal representative, who hasn't confirmed whoever proposed it")
	}
	return nil
}

// End ends a representation: by the representative; by the principal, or whoever may appoint such
// representatives of it (acting). It is over when End returns. Ending what has ended changes nothing. What a license proves can't be
// ended here. *identity.Error: representation_unknown, _may_not, and those of [Service.Check] for acting.
func (s *appointing) End(ctx context.Context, me Me, acting *Acting, id string) (Representation, error) {
	who, err := s.roster.Someone(ctx, me.Account)
	n, err := s.look(ctx, who, err)
	if err != nil {
		return Representation{}, err
	}
	if n.who.Party.ID != me.Party.ID {
		return Representation{}, representation.Unknown()
	}
	var as *use
	if acting != nil {
		u, _, err := s.appointer(ctx, &me, acting)
		if err != nil {
			return Representation{}, err
		}
		as = &u
	}
	told := news{Action: journal.ActionRepresentationEnd, Told: journal.ActionRepresentationEnded, Kind: notice.RepresentationEnded}
	return s.shelf.Change(ctx, me.actor(), id, told, func(r *Representation) error {
		mine := n.who.Party.ID
		switch {
		case r.Representative.ID == mine, r.Addresses(&n.who):
		case as == nil && r.Principal.ID == mine && r.Kind == Entrusted:
		case as != nil && r.Principal.ID == as.Principal.ID && appoints(as.Kind, r.Kind):
		case as != nil && r.Principal.ID == as.Principal.ID:
			return refused(ReasonMayNot, "a representative of that kind doesn't end such a one")
		default:
			return representation.Unknown()
		}
		if r.Proof.License != "" {
			return refused(ReasonMayNot, "a license proves it: it ends with the license")
		}
		if r.State == Ended {
			return representation.ErrUnchanged
		}
		r.State, r.EndedBy = Ended, ReasonEnded
		return nil
	})
}

// Confirm lets a representation go on that a former legal representative made; the present one does it. Confirming
// it again changes nothing. *identity.Error: representation_unknown, _may_not, _lapsed, and those of [Service.Check].
func (s *appointing) Confirm(ctx context.Context, me Me, acting *Acting, id string) (Representation, error) {
	if acting == nil {
		return Representation{}, refused(ReasonMayNot, "only the legal representative confirms")
	}
	u, n, err := s.appointer(ctx, &me, acting)
	if err != nil {
		return Representation{}, err
	}
	if u.Kind != LegalRepresentative {
		return Representation{}, refused(ReasonMayNot, "only the legal representative confirms")
	}
	mine := n.who.Party.ID
	return s.shelf.Change(ctx, me.actor(), id, news{Action: journal.ActionRepresentationConfirm}, func(r *Representation) error {
		if r.Principal.ID != u.Principal.ID || r.Kind != Administrator && r.Kind != Agent {
			return representation.Unknown()
		}
		if err := r.InForce(n.at); err != nil {
			return err
		}
		if r.Proof.Head == mine || slices.Contains(r.Proof.Confirmed, mine) {
			return representation.ErrUnchanged
		}
		if why, err := s.finished(ctx, *r); err != nil {
			return err
		} else if why != "" {
			return refused(why, "the representation has lapsed: propose it anew")
		}
		r.Proof.Confirmed = append(r.Proof.Confirmed, mine)
		return nil
	})
}
