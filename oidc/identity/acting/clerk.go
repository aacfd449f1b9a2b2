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

// Enter stores a representation that rests on evidence which a clerk checked, as accepted. The
// representative has an account; the principal is made with the given name and code if it isn't known. *identity.Error:
// representation_malformed, _may_not (that clerk enters none such), _unknown (there is no such representative), _assurance (they aren't proofed well enough), _unproved (the registry
// names another legal representative), _of_age, _twice, _too_many.
func (s *desk) Enter(ctx context.Context, clerk Clerk, c Checked) (Representation, error) {
	at := time.Now()
	n := &now{at: at, today: party.DateOf(at)}
	r := Representation{Kind: c.Kind, State: Accepted, Proof: Proof{AsOf: at.UTC(), Clerk: clerk.ID}}
	var err error
	if r.Proof.Evidence, err = representation.Evidence(c.Evidence); err != nil {
		return Representation{}, err
	}
	if clerk.ID == "" || rank(c.Kind) < 0 {
		return Representation{}, refused(ReasonMalformed, "a clerk enters one of the kinds")
	}
	if clerk.System && (c.Kind.OfOrganization() || clerk.Level < representation.Least) {
		return Representation{}, refused(ReasonMayNot, "a client enters guardians and who was entrusted alone, and needs level 2")
	}
	if r.Bounds, err = c.Bounds.Checked(n.today); err != nil {
		return Representation{}, err
	}
	if r.Representative, err = s.named(ctx, n, &clerk, c.Representative); err != nil {
		return Representation{}, err
	}
	by := clerk.actor()
	p, known, err := s.entered(ctx, n, &clerk, &c)
	if err != nil {
		return Representation{}, err
	}
	if p.ID == r.Representative.ID {
		return Representation{}, refused(ReasonMalformed, "nobody represents themself")
	}
	if err := s.fits(ctx, n, &p, &r, c.Born); err != nil {
		return Representation{}, err
	}
	if p.Revision == 0 { // what is refused leaves nothing behind
		if p, err = s.newParty(ctx, by, p, known); err != nil {
			return Representation{}, err
		}
	}
	r.Principal = Party{ID: p.ID, Kind: p.Kind, Name: p.Name, Code: c.Principal.Code}
	err = s.store(ctx, by, n, &r, news{Action: journal.ActionRepresentationEnter, Told: journal.ActionRepresentationBegun})
	return r, err
}

// named returns a representative whom a clerk names.
func (s *desk) named(ctx context.Context, n *now, clerk *Clerk, of Party) (Party, error) {
	of, err := person(of.Name, of.Code)
	if err != nil {
		return Party{}, err
	}
	who, err := s.roster.FindSomeone(ctx, of.Code)
	if err == nil && (!slices.Contains(representation.Held(&who.Party, n.today), of.Code) || !who.Party.Named(of.Name) || who.Account.Disabled || !clerk.minds(&who.Account)) {
		err = identity.ErrNotFound
	}
	switch {
	case errors.Is(err, identity.ErrNotFound):
		return Party{}, refused(ReasonUnknown, "there is no representative of that name and number with an account")
	case err != nil:
		return Party{}, err
	case who.Account.Proofing.Level < representation.Least:
		return Party{}, refused(ReasonAssurance, "who the representative is isn't proofed well enough")
	}
	return Party{ID: who.Party.ID, Kind: identity.Person, Name: who.Party.Name, Code: of.Code}, nil
}

// entered returns the principal whom a clerk names, of revision 0 if it isn't known and is to be stored, and what finds
// it again. A client names people of its sources alone; of all others it is told the same.
func (s *desk) entered(ctx context.Context, n *now, clerk *Clerk, c *Checked) (p identity.Party, known func() (identity.Party, error), err error) {
	name, err := party.ParseName(c.Principal.Name)
	if err == nil {
		c.Principal.Code, err = party.ParseCode(c.Principal.Code.Type, c.Principal.Code.Value)
	}
	kind := identity.Person
	if c.Kind.OfOrganization() {
		kind = identity.Organization
	}
	if err != nil || string(c.Principal.Code.Type.Class()) != string(kind) {
		return p, nil, &identity.Error{Reason: ReasonMalformed, Detail: "a principal is named by a name and a code, an organization's or a person's as the kind wants it", Err: err}
	}
	known = func() (identity.Party, error) {
		p, err := s.roster.FindParty(ctx, c.Principal.Code)
		if err == nil && (p.Kind != kind || !slices.Contains(representation.Held(&p, n.today), c.Principal.Code) || !p.Named(name)) {
			err = refused(ReasonMalformed, "the principal is known by another name, or holds that code no longer: check both")
		}
		return p, err
	}
	p, err = known()
	if clerk.System && (err == nil || isRefusal(err) || errors.Is(err, identity.ErrNotFound)) {
		who, found := s.roster.FindSomeone(ctx, c.Principal.Code)
		if found != nil && !errors.Is(found, identity.ErrNotFound) {
			return p, nil, found
		}
		if err != nil || found != nil || !clerk.minds(&who.Account) {
			return p, nil, refused(ReasonMayNot, "a client enters who acts for people of its sources alone, under their name and a number that they hold")
		}
	}
	if errors.Is(err, identity.ErrNotFound) {
		p, err = identity.Party{ID: identity.NewID(), Kind: kind, Name: name, Codes: codesOf("clerk "+clerk.ID, c.Principal.Code)}, nil
	}
	return p, known, err
}

// fits checks what only some kinds have, and fills it in.
func (s *desk) fits(ctx context.Context, n *now, p *identity.Party, r *Representation, born party.Date) error {
	switch r.Kind {
	case LegalRepresentative, Administrator, Agent:
		h, err := s.heads(ctx, n, p)
		if err == nil && r.Kind == LegalRepresentative && (h.disputed || len(h.codes) > 0) {
			err = refused(ReasonUnproved, "licenses of the registry name the legal representative by a code: what they say goes, also if they contradict each other")
		}
		return err
	case Guardian:
		said := birth("", nil, p.AllCodes())
		switch {
		case born.IsZero():
			born = said
		case !said.IsZero() && said != born:
			return refused(ReasonMalformed, "the child's number has another date of birth")
		}
		if _, err := guarded(born, n.today); err != nil {
			return err
		}
		r.Born = born.String()
		return s.living(ctx, r.Kind, p.ID)
	case Entrusted:
		return s.living(ctx, r.Kind, p.ID)
	}
	return refused(ReasonMalformed, "a clerk enters one of the kinds")
}

// EndByClerk ends a representation; why is for the record. What a license proves isn't ended by it: whoever
// keeps the license does that. Ending what has ended changes nothing. *identity.Error: representation_unknown, _may_not, _malformed.
func (s *desk) EndByClerk(ctx context.Context, clerk Clerk, id, why string) (Representation, error) {
	why, err := representation.Evidence(why)
	if err != nil {
		return Representation{}, err
	}
	told := news{Action: journal.ActionRepresentationEnd, Told: journal.ActionRepresentationEnded, Kind: notice.RepresentationEnded}
	return s.shelf.Change(ctx, clerk.actor(), id, told, func(r *Representation) error {
		switch {
		case clerk.System && r.Proof.Clerk != clerk.ID:
			return representation.Unknown()
		case r.Proof.License != "":
			return refused(ReasonMayNot, "a license proves it: it ends with the license")
		case r.State == Ended:
			return representation.ErrUnchanged
		}
		r.State, r.EndedBy, r.Why = Ended, ReasonEnded, clerk.ID+": "+why
		return nil
	})
}
