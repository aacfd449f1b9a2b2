package acting

import (
	"context"
	"errors"
	"slices"
	"time"

	"yizheng.internal/license/party"
	"yizheng.internal/oidc/identity"
	"yizheng.internal/oidc/identity/notice"
	"yizheng.internal/oidc/identity/representation"
	"yizheng.internal/signing/journal"
)

// Limits of what one principal has. Two at once may go past them by one.
const (
	mostLive   = 200 // representations that haven't ended
	mostPerDay = 50  // that were proposed within 24 hours
)

// appoints reports whether a representative of one kind appoints another kind.
func appoints(by, kind Kind) bool {
	return by == LegalRepresentative && (kind == Administrator || kind == Agent) || by == Administrator && kind == Agent
}

// appointer checks how somebody acts who appoints, confirms or ends.
func (s *rules) appointer(ctx context.Context, me *Me, acting *Acting) (use, *now, error) {
	u, n, err := s.check(ctx, me, Wanted{}, acting.ID)
	if err == nil && u.Kind != LegalRepresentative && u.Kind != Administrator {
		err = refused(ReasonMayNot, "only the legal representative and administrators look after an organization's representatives")
	}
	return u, n, err
}

// Propose proposes a representation. acting is how the person acts: for an organization as its legal
// representative (who appoints administrators and agents) or administrator (who appoints agents); nil for somebody
// who entrusts another person. The answer is the same whether or not there is an account of the representative's, who is asked at their next login,
// and told if their phone is known. *identity.Error: representation_may_not, _malformed, _bounds, _twice, _too_many, _lapsed,
// _assurance, and those of [Service.Check] for acting.
func (s *appointing) Propose(ctx context.Context, me Me, acting *Acting, a Appointment) (Representation, error) {
	r := Representation{Kind: a.Kind, State: Proposed}
	var n *now
	var err error
	if acting == nil {
		if n, err = s.me(ctx, &me); err != nil {
			return Representation{}, err
		}
		err = entrusts(n, &r)
	} else {
		var u use
		if u, n, err = s.appointer(ctx, &me, acting); err != nil {
			return Representation{}, err
		}
		err = appointed(n, &u, &r)
	}
	if err != nil {
		return Representation{}, err
	}
	if r.Representative, err = person(a.Name, a.Code); err != nil {
		return Representation{}, err
	}
	if slices.Contains(n.who.Party.AllCodes(), r.Representative.Code) {
		return Representation{}, refused(ReasonMalformed, "nobody appoints themself")
	}
	limit := r.Bounds // of who appoints
	if r.Bounds, err = a.Bounds.Checked(n.today); err != nil {
		return Representation{}, err
	}
	if acting != nil && !r.Within(&limit) {
		return Representation{}, refused(ReasonBounds, "nobody gives more than they may do themself")
	}
	told := news{Action: journal.ActionRepresentationPropose, Told: journal.ActionRepresentationOffered, Kind: notice.RepresentationOffered}
	err = s.store(ctx, me.actor(), n, &r, told)
	return r, err
}

// entrusts fills in who entrusts somebody.
func entrusts(n *now, r *Representation) error {
	who := n.who.Party
	if r.Kind != Entrusted {
		return refused(ReasonMayNot, "a person entrusts another one; only organizations have administrators and agents")
	}
	codes := representation.Held(&who, n.today)
	if len(codes) == 0 {
		return refused(ReasonAssurance, "who entrusts somebody is known by a number")
	}
	if born := birth("", nil, codes); !born.IsZero() && !reached(born, AdultAge, n.today) {
		return refused(ReasonMayNot, "a minor entrusts nobody")
	}
	r.Principal = Party{ID: who.ID, Kind: who.Kind, Name: who.Name, Code: codes[0]}
	r.Proof.By = who.ID
	return nil
}

// appointed fills in who appoints somebody, and in whose name.
func appointed(n *now, u *use, r *Representation) error {
	switch {
	case !appoints(u.Kind, r.Kind):
		return refused(ReasonMayNot, "a representative of that kind doesn't appoint such a one")
	case !u.lapses.IsZero():
		return refused(ReasonLapsed, "there is another legal representative, who hasn't confirmed whoever appoints")
	}
	who := n.who.Party
	r.Principal = Party{ID: u.Principal.ID, Kind: u.Principal.Kind, Name: u.Principal.Name, Code: u.Representation.Principal.Code}
	r.Proof = Proof{By: who.ID, Right: u.ID, Head: who.ID}
	if u.Kind == Administrator {
		r.Proof.Head = u.head
	}
	r.Bounds = u.Bounds
	return nil
}

// person reads whom somebody names as a representative.
func person(name string, code party.Code) (Party, error) {
	name, err := party.ParseName(name)
	if err == nil {
		code, err = party.ParseCode(code.Type, code.Value)
	}
	if err != nil || code.Type.Class() != party.Person {
		return Party{}, &identity.Error{Reason: ReasonMalformed, Detail: "a representative is named by a person's name and number", Err: err}
	}
	return Party{Kind: identity.Person, Name: name, Code: code}, nil
}

// store stores a new representation, within the limits.
func (s *appointing) store(ctx context.Context, by actor, n *now, r *Representation, told news) error {
	for try := 1; ; try++ {
		all, err := s.shelf.Of(ctx, r.Principal.ID)
		if err != nil {
			return err
		}
		if err := limits(n, all); err != nil {
			return err
		}
		err = s.shelf.Create(ctx, by, r, told)
		if !errors.Is(err, identity.ErrExists) {
			return err
		}
		// What stands in the way may be over by its dates, or have lapsed, and nobody has ended it.
		again, err := s.makeWay(ctx, by, n, all, r)
		if err != nil {
			return err
		}
		if !again || try > 1 {
			return refused(ReasonTwice, "there is such a representation already")
		}
	}
}

// limits checks that a principal may have another representation.
func limits(n *now, all []Representation) error {
	live, today := 0, 0
	for i := range all {
		r := &all[i]
		if r.State != Ended && !r.Over(n.at) {
			live++
		}
		if r.Proof.By != "" && n.at.Sub(r.Created) < 24*time.Hour {
			today++
		}
	}
	if live >= mostLive || today >= mostPerDay {
		return refused(ReasonTooMany, "there are too many representations: end those that aren't needed, or try again tomorrow")
	}
	return nil
}

// makeWay ends what is like r and over, and reports whether there was such a one.
func (s *appointing) makeWay(ctx context.Context, by actor, n *now, all []Representation, r *Representation) (found bool, err error) {
	for _, old := range all {
		if old.Kind != r.Kind || old.State == Ended || old.Proof.License != "" || old.Representative.Code != r.Representative.Code {
			continue
		}
		reason := ReasonExpired
		if !old.Over(n.at) {
			if reason, err = s.finished(ctx, old); err != nil {
				return false, err
			}
			if reason == "" {
				continue
			}
		}
		if _, err := s.finish(ctx, by, old.ID, reason); err != nil {
			return false, err
		}
		found = true
	}
	return found, nil
}

// finished returns why a representation is over for good though nobody has ended it, or "".
func (s *rules) finished(ctx context.Context, r Representation) (Reason, error) {
	var err error
	switch {
	case r.State == Proposed:
		err = s.stillProposed(ctx, &r)
	case r.Proof.License == "":
		_, err = s.usableBy(ctx, r)
	}
	if e, ok := errors.AsType[*identity.Error](err); ok {
		if e.Reason == ReasonLapsed || e.Reason == ReasonOfAge || r.State == Proposed && e.Reason == ReasonEnded {
			return e.Reason, nil
		}
		return "", nil
	}
	return "", err
}

// finish ends a representation that is over.
func (s *appointing) finish(ctx context.Context, by actor, id string, why Reason) (Representation, error) {
	return s.shelf.Change(ctx, by, id, news{Action: journal.ActionRepresentationEnd, Told: journal.ActionRepresentationEnded}, func(r *Representation) error {
		if r.State == Ended {
			return representation.ErrUnchanged
		}
		r.State, r.EndedBy = Ended, why
		return nil
	})
}
