package acting

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"time"

	"yizheng.internal/license/party"
	"yizheng.internal/oidc/identity"
	"yizheng.internal/oidc/identity/representation"
)

func refused(reason Reason, detail string) error {
	return &identity.Error{Reason: reason, Detail: detail}
}

// isRefusal reports whether an error says that somebody may not, and not that something went wrong.
func isRefusal(err error) bool {
	_, ok := errors.AsType[*identity.Error](err)
	return ok
}

// errRegistry says that the registry couldn't be asked something.
var errRegistry = errors.New("asking the registry")

// meet reports whether two lists have a code in common.
func meet(a, b []party.Code) bool {
	return slices.ContainsFunc(a, func(c party.Code) bool { return slices.Contains(b, c) })
}

// now is one moment's look at somebody: who they are, and what licenses prove of them. It is used for one
// call, so nothing of it outlives the call.
type now struct {
	at    time.Time
	today party.Date
	who   identity.Someone
	facts []Fact // once asked
	asked bool
}

// look returns who somebody is now, as the store has it. *identity.Error: representation_unknown if the
// account was disabled, or is another person's.
func (s *rules) look(ctx context.Context, who identity.Someone, err error) (*now, error) {
	if errors.Is(err, identity.ErrNotFound) || err == nil && who.Account.Disabled {
		return nil, representation.Unknown()
	}
	if err != nil {
		return nil, err
	}
	at := time.Now()
	return &now{at: at, today: party.DateOf(at), who: who}, nil
}

// me is look for somebody who is logged in. *identity.Error also: representation_assurance.
func (s *rules) me(ctx context.Context, me *Me) (*now, error) {
	who, err := s.roster.Someone(ctx, me.Account)
	n, err := s.look(ctx, who, err)
	switch {
	case err != nil:
		return nil, err
	case n.who.Party.ID != me.Party.ID:
		return nil, representation.Unknown()
	case me.Assurance < representation.Least || n.who.Account.Proofing.Level < representation.Least:
		return nil, refused(ReasonAssurance, "who acts for others needs a login and a proofing of level 2")
	}
	return n, nil
}

// proved returns what licenses prove of somebody, except that others may contradict: see heading. It asks the registry
// once a look.
func (s *rules) proved(ctx context.Context, n *now) ([]Fact, error) {
	codes := representation.Held(&n.who.Party, n.today)
	if n.asked || s.c.Registry == nil || len(codes) == 0 {
		return n.facts, nil
	}
	facts, err := s.c.Registry.Represented(ctx, codes)
	if err != nil {
		return nil, fmt.Errorf("%w whom somebody represents: %w", errRegistry, err)
	}
	n.asked = true
	for _, f := range facts {
		switch {
		case f.License == "" || len(f.Codes) == 0:
		case f.Kind == LegalRepresentative && f.Of == identity.Organization, f.Kind == Guardian && f.Of == identity.Person && !meet(f.Codes, codes):
			n.facts = append(n.facts, f)
		}
	}
	return n.facts, nil
}

// heading refuses a fact of a legal representative who isn't that now: a license may be in force that another one came
// after.
func (s *rules) heading(ctx context.Context, n *now, f *Fact) error {
	if f.Kind != LegalRepresentative {
		return nil
	}
	head, err := s.c.Registry.Head(ctx, f.Codes)
	if err != nil {
		return fmt.Errorf("%w who represents an organization: %w", errRegistry, err)
	}
	if !head.Known || !meet(head.Codes, representation.Held(&n.who.Party, n.today)) {
		return refused(ReasonUnproved, "the registry names another legal representative")
	}
	return nil
}

// birth returns a child's date of birth, the earliest of what was stored and what the license and the codes have.
// Zero: it isn't known.
func birth(stored string, f *Fact, codes []party.Code) (born party.Date) {
	said, _ := party.ParseDate(stored)
	all := []party.Date{said}
	if f != nil {
		all, codes = append(all, f.Born), slices.Concat(f.Codes, codes)
	}
	for _, c := range codes {
		d, _ := c.BirthDate()
		all = append(all, d)
	}
	for _, d := range all {
		if !d.IsZero() && (born.IsZero() || d.Before(born)) {
			born = d
		}
	}
	return born
}

// reached reports whether somebody has reached an age in years on a day. Who was born on 29 February reaches it on
// the last day of February in other years (Civil Code article 202).
func reached(born party.Date, age int, on party.Date) bool {
	return !on.Before(born.AddMonths(12 * age))
}

// guarded checks the age of a guardian's child, and reports whether the guardian agrees for it.
func guarded(born, on party.Date) (consents bool, err error) {
	switch {
	case born.IsZero() || born.After(on):
		return false, refused(ReasonUnproved, "when the child was born isn't known")
	case reached(born, AdultAge, on):
		return false, refused(ReasonOfAge, "the child is of age")
	}
	return !reached(born, ConsentAge, on), nil
}

// living returns an error if a person can't be acted for: who entrusted somebody needs an account in force, and who
// has died is represented by nobody.
func (s *rules) living(ctx context.Context, kind Kind, principal string) error {
	who, err := s.roster.SomeoneOf(ctx, principal)
	switch {
	case errors.Is(err, identity.ErrNotFound):
		return nil
	case err != nil:
		return err
	case who.Account.Closed.Kind == identity.Deceased, kind == Entrusted && who.Account.Disabled:
		return refused(ReasonEnded, "the person who is represented has no account in force")
	}
	return nil
}

// use is a representation that may be used, and what of it was found out.
type use struct {
	Acting
	fact   *Fact     // that proves it; nil: none does
	lapses time.Time // when it lapses; zero: it doesn't
	head   string    // in whose name somebody was appointed: one who is a head still; empty: nobody's
}

// usable returns a representation as long as its representative may use it for what is wanted; see
// [Service.Check].
func (s *rules) usable(ctx context.Context, n *now, r Representation, w Wanted) (use, error) {
	if err := r.Goes(n.at, n.today, w); err != nil {
		return use{}, err
	}
	p, err := s.c.People.Party(ctx, r.Principal.ID)
	if errors.Is(err, identity.ErrNotFound) {
		return use{}, representation.Unknown()
	}
	if err != nil {
		return use{}, err
	}
	if !r.Kind.OfOrganization() {
		if err := s.living(ctx, r.Kind, p.ID); err != nil {
			return use{}, err
		}
	}
	u := use{Acting: Acting{Representation: r, Principal: p, Consents: true}}
	if r.Proof.License != "" {
		if err := s.proves(ctx, n, &u); err != nil {
			return use{}, err
		}
	}
	switch r.Kind {
	case LegalRepresentative:
		if u.fact != nil {
			return u, nil
		}
		h, err := s.heads(ctx, n, &p)
		if err == nil && !slices.ContainsFunc(h.evident, func(other Representation) bool { return other.ID == r.ID }) {
			err = refused(ReasonUnproved, "the registry knows who represents the organization")
		}
		return u, err
	case Administrator, Agent:
		h, err := s.heads(ctx, n, &p)
		if err == nil {
			err = s.lapse(ctx, n, h, &u)
		}
		return u, err
	case Guardian:
		u.Consents, err = guarded(birth(r.Born, u.fact, p.AllCodes()), n.today)
		return u, err
	case Entrusted:
		return u, nil
	}
	return use{}, representation.Unknown()
}

// proves finds the license that proves a representation today, whichever proved it at first.
func (s *rules) proves(ctx context.Context, n *now, u *use) error {
	facts, err := s.proved(ctx, n)
	if err != nil {
		return err
	}
	codes := representation.Held(&u.Principal, n.today)
	for i, f := range facts {
		if f.Kind == u.Kind && f.Of == u.Principal.Kind && meet(f.Codes, codes) {
			if err := s.heading(ctx, n, &f); isRefusal(err) {
				continue
			} else if err != nil {
				return err
			}
			u.fact = &facts[i]
			u.Proof.License, u.Proof.Version, u.Proof.Type, u.Proof.AsOf = f.License, f.Version, f.Type, n.at.UTC()
			return nil
		}
	}
	return refused(ReasonUnproved, "no license proves the representation any longer")
}

// Check returns a representation as long as the person may use it for what is wanted, as of now. With the zero
// Wanted, any use will do. It asks store and Registry each time. *identity.Error with one of the reasons of this package if they may not; any other
// error means that it couldn't be found out, and that nobody acts.
func (s *rules) Check(ctx context.Context, me Me, w Wanted, id string) (Acting, error) {
	u, _, err := s.check(ctx, &me, w, id)
	return u.Acting, err
}

func (s *rules) check(ctx context.Context, me *Me, w Wanted, id string) (use, *now, error) {
	n, err := s.me(ctx, me)
	if err != nil {
		return use{}, nil, err
	}
	r, err := s.shelf.Load(ctx, id)
	if err == nil && r.Representative.ID != n.who.Party.ID {
		err = representation.Unknown()
	}
	if err != nil {
		return use{}, nil, err
	}
	u, err := s.usable(ctx, n, r, w)
	if err != nil {
		return use{}, nil, err
	}
	return u, n, nil
}

// Live checks whether the person with a party id may still use a representation for anything: for
// tokens. Errors are those of [Service.Check].
func (s *rules) Live(ctx context.Context, id, party string) error {
	r, err := s.shelf.Load(ctx, id)
	if err != nil {
		return err
	}
	if r.Representative.ID == "" || r.Representative.ID != party {
		return representation.Unknown()
	}
	_, err = s.usableBy(ctx, r)
	return err
}

// usableBy is usable for its representative, whoever asks.
func (s *rules) usableBy(ctx context.Context, r Representation) (use, error) {
	who, err := s.roster.SomeoneOf(ctx, r.Representative.ID)
	n, err := s.look(ctx, who, err)
	if err == nil && who.Account.Proofing.Level < representation.Least {
		err = refused(ReasonAssurance, "who acts for others needs a proofing of level 2")
	}
	if err != nil {
		return use{}, err
	}
	return s.usable(ctx, n, r, Wanted{})
}
