package acting

import (
	"context"
	"fmt"
	"slices"

	"yizheng.internal/license/party"
	"yizheng.internal/oidc/identity"
	"yizheng.internal/oidc/identity/representation"
)

// Relatives returns the relatives of whoever acts; acting is nil if they act for themself. Who acts for a person has
// none: that person's relatives agreed to nothing. *identity.Error as [Service.Check], and representation_assurance.
func (s *choosing) Relatives(ctx context.Context, me Me, acting *Acting, item string) (r Relatives, err error) {
	if acting != nil {
		return s.relativesOf(ctx, &me, acting, item)
	}
	n, err := s.me(ctx, &me)
	if err != nil {
		return Relatives{}, err
	}
	id := n.who.Party.ID
	stored, err := s.shelf.Find(ctx, representation.Listed, func(r *Representation) bool { return r.Representative.ID == id }, representation.OfRepresentative(id))
	if err != nil {
		return Relatives{}, err
	}
	if err = s.children(ctx, n, stored, &r); err != nil {
		return Relatives{}, err
	}
	codes := representation.Held(&n.who.Party, n.today)
	if s.c.Registry == nil || len(codes) == 0 {
		return r, nil
	}
	spouse, err := s.c.Registry.Spouse(ctx, codes)
	if err != nil {
		return Relatives{}, fmt.Errorf("asking the registry to whom somebody is married: %w", err)
	}
	if spouse == nil || spouse.Of != identity.Person || len(spouse.Codes) == 0 || meet(spouse.Codes, codes) {
		return r, nil
	}
	r.Spouse, r.Rests = spouse.Codes, append(r.Rests, *spouse)
	for _, of := range stored {
		if of.Kind != Entrusted {
			continue
		}
		u, err := s.usable(ctx, n, of, Wanted{Act: Apply, Item: item})
		if err != nil && !isRefusal(err) {
			return Relatives{}, err
		}
		if err == nil && len(of.Types) == 0 && meet(spouse.Codes, representation.Held(&u.Principal, n.today)) {
			r.SpouseAgreed, r.Entrusted = true, append(r.Entrusted, of.ID)
		}
	}
	return r, nil
}

// children finds those below ConsentAge of whom somebody is the guardian.
func (s *choosing) children(ctx context.Context, n *now, stored []Representation, into *Relatives) error {
	add := func(more ...party.Code) {
		for _, c := range more {
			if !slices.Contains(into.Children, c) {
				into.Children = append(into.Children, c)
			}
		}
	}
	facts, err := s.proved(ctx, n)
	if err != nil {
		return err
	}
	for i, f := range facts {
		if f.Kind != Guardian {
			continue
		}
		p, err := s.partyOf(ctx, n, &facts[i])
		if err == nil && p.ID != "" {
			err = s.living(ctx, Guardian, p.ID)
		}
		consents := false
		if err == nil {
			consents, err = guarded(birth("", &facts[i], p.AllCodes()), n.today)
		}
		if err != nil && !isRefusal(err) {
			return err
		}
		if err == nil && consents {
			add(f.Codes...)
			into.Rests = append(into.Rests, f)
		}
	}
	for _, r := range stored {
		if r.Kind != Guardian || r.Proof.License != "" {
			continue
		}
		u, err := s.usable(ctx, n, r, Wanted{})
		if err != nil && !isRefusal(err) {
			return err
		}
		if err == nil && u.Consents {
			add(representation.Held(&u.Principal, n.today)...)
			into.Entrusted = append(into.Entrusted, r.ID)
		}
	}
	return nil
}

// relativesOf returns who represents the organization that is acted for.
func (s *choosing) relativesOf(ctx context.Context, me *Me, acting *Acting, item string) (r Relatives, err error) {
	u, n, err := s.check(ctx, me, Wanted{Act: Apply, Item: item}, acting.ID)
	if err != nil || !u.Kind.OfOrganization() {
		return r, err
	}
	h, err := s.heads(ctx, n, &u.Principal)
	if err != nil {
		return r, err
	}
	r.Head = h.codes
	if len(h.evident) > 0 {
		p, err := s.c.People.Party(ctx, h.evident[0].Representative.ID)
		if err != nil {
			return r, err
		}
		r.Head = representation.Held(&p, n.today)
	}
	return r, nil
}
