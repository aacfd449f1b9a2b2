package officer

import (
	"context"
	"errors"
	"fmt"

	"yizheng.internal/license/party"
	"yizheng.internal/oidc/identity"
	"yizheng.internal/signing"
	"yizheng.internal/signing/vault"
)

// table is the name of the posts' table, in authenticators and seals.
const table = "posts"

// Domains of lookup keys. Never change one: stored values depend on them.
const (
	domainStaff   = "officer.staff"   // participant, staff number
	domainPerson  = "officer.person"  // participant, type and number of the document
	domainHolder  = "officer.holder"  // participant, party
	domainOffered = "officer.offered" // type and number of the document
)

func place(id string) vault.Place { return vault.Place{Table: table, Row: id, Column: "body"} }

// sealed returns a post's record, with the keys that lead to it in its state.
func (s *records) sealed(ctx context.Context, p Post) (r Record, err error) {
	r = Record{
		ID: p.ID, Participant: p.Participant, Party: p.Party, Roles: written(p.Roles), State: p.State, Revision: p.Revision,
		Created: p.Created, Updated: p.Updated,
	}
	if r.Body, err = s.c.Vault.SealJSON(ctx, place(p.ID), p); err != nil || p.State == Ended {
		return r, err
	}
	claims := [][]string{{domainStaff, p.Participant, foldStaff(p.StaffNumber)}, {domainPerson, p.Participant, string(p.Code.Type), p.Code.Value}}
	if p.Party != "" {
		claims = append(claims, []string{domainHolder, p.Participant, p.Party})
	}
	for _, c := range claims {
		keys, err := s.c.Vault.Lookups(ctx, c[0], c[1:]...)
		if err != nil {
			return Record{}, err
		}
		r.Claims = append(r.Claims, keys...)
	}
	if p.State == Proposed {
		r.Offered, err = s.offered(ctx, []party.Code{p.Code})
	}
	return r, err
}

// offered returns the keys that lead to what is offered to a person with these codes.
func (s *records) offered(ctx context.Context, codes []party.Code) (all []signing.Lookup, err error) {
	for _, c := range codes {
		keys, err := s.c.Vault.Lookups(ctx, domainOffered, string(c.Type), c.Value)
		if err != nil {
			return nil, err
		}
		all = append(all, keys...)
	}
	return all, nil
}

// foldStaff returns a staff number as it is compared.
func foldStaff(number string) string { return party.FoldCode(number) }

func (s *records) open(ctx context.Context, r Record) (p Post, err error) {
	if err := s.c.Vault.OpenJSON(ctx, place(r.ID), r.Body, &p); err != nil {
		return Post{}, fmt.Errorf("post %s: %w", r.ID, err)
	}
	p.ID, p.Participant, p.Party, p.State, p.Roles = r.ID, r.Participant, r.Party, r.State, readRoles(r.Roles)
	p.Created, p.Updated, p.Revision = r.Created, r.Updated, r.Revision
	return p, nil
}

func (s *records) openAll(ctx context.Context, all []Record, err error) ([]Post, error) {
	if err != nil {
		return nil, fmt.Errorf("reading posts: %w", err)
	}
	posts := make([]Post, len(all))
	for i, r := range all {
		if posts[i], err = s.open(ctx, r); err != nil {
			return nil, err
		}
	}
	return posts, nil
}

// rehashPage is how many posts Rehash takes at a time.
const rehashPage = 200

// Rehash gives every post its lookup keys under all live lookup keys, and seals it under the active data
// key; see identity.Service.RehashLogins. It calls progress with how many it has done.
func (s *records) Rehash(ctx context.Context, progress func(done int)) error {
	done := 0
	for after := ""; ; {
		records, err := s.c.Store.ListPosts(ctx, Filter{}, after, rehashPage)
		if err != nil {
			return fmt.Errorf("listing posts: %w", err)
		}
		for _, r := range records {
			after, done = r.ID, done+1
			if err := s.rehash(ctx, r); err != nil {
				return fmt.Errorf("renewing lookup keys of post %s: %w", r.ID, err)
			}
		}
		if progress(done); len(records) < rehashPage {
			return nil
		}
	}
}

// rehash is for one post. If it is changed meanwhile, that change wrote all keys.
func (s *records) rehash(ctx context.Context, r Record) error {
	p, err := s.open(ctx, r)
	if err != nil {
		return err
	}
	if r, err = s.sealed(ctx, p); err != nil {
		return err
	}
	if err = s.c.Store.SavePost(ctx, Change{Record: r}); errors.Is(err, identity.ErrConflict) {
		return nil
	}
	return err
}
