package join

import (
	"context"
	"errors"
	"slices"
	"time"

	"yizheng.internal/license/audit"
	"yizheng.internal/license/catalog"
	"yizheng.internal/license/credential"
	"yizheng.internal/license/offer"
	"yizheng.internal/license/party"
	"yizheng.internal/license/refusal"
	"yizheng.internal/license/relation"
	"yizheng.internal/oidc/identity"
	"yizheng.internal/oidc/identity/acting"
	"yizheng.internal/oidc/identity/factor"
)

// Subject returns a person who is logged in, as the library wants to know them: licenses are found by all codes
// that they have or had. a says for whom they act, as it was just checked; nil: for themself. kin are the people
// near whoever acts.
func Subject(p identity.Party, assurance factor.Assurance, a *acting.Acting, kin acting.Relatives) offer.Subject {
	s := offer.Subject{Party: p.ID, Codes: p.AllCodes(), Former: former(&p), Assurance: int(assurance), SpouseAgreed: kin.SpouseAgreed && len(kin.Spouse) > 0, Entrusted: kin.Entrusted}
	for _, f := range kin.Rests {
		s.Rests = append(s.Rests, offer.Proving{License: audit.ID(f.License), Version: f.Version, TypeCode: credential.TypeCode(f.Type)})
	}
	for relation, codes := range map[catalog.Relation][]party.Code{
		catalog.RelationSpouse: kin.Spouse, catalog.RelationChild: kin.Children, catalog.RelationLegalRepresentative: kin.Head,
	} {
		if len(codes) == 0 {
			continue
		}
		if s.Kin == nil {
			s.Kin = map[catalog.Relation][]party.Code{}
		}
		s.Kin[relation] = codes
	}
	if a == nil {
		return s
	}
	s.Name, s.Acting, s.ActingCodes, s.Representation, s.PrincipalAgrees = p.Name, a.Principal.ID, a.Principal.AllCodes(), a.ID, !a.Consents
	s.Former = append(s.Former, former(&a.Principal)...)
	s.ViewOnly = !slices.Contains(a.Acts, acting.Apply)
	for _, t := range a.Types {
		s.Types = append(s.Types, credential.TypeCode(t))
	}
	if a.Proof.License != "" {
		s.Proving = &offer.Proving{
			License: audit.ID(a.Proof.License), Version: a.Proof.Version, TypeCode: credential.TypeCode(a.Proof.Type), AsOf: a.Proof.AsOf,
		}
	}
	return s
}

// former returns the codes of a party that it doesn't hold today.
func former(p *identity.Party) (codes []party.Code) {
	today := party.DateOf(time.Now())
	for _, c := range p.Codes {
		if !c.Held(today) {
			codes = append(codes, c.Code)
		}
	}
	return codes
}

// Live returns what tells the library whether a person may still use a representation, as find's service says: it is
// made after the library. Nil: nobody may.
func Live(find func() *acting.Service) func(ctx context.Context, representation, party string) error {
	return func(ctx context.Context, id, by string) error {
		over := refusal.Forbidden(refusal.ReasonRepresentationUnproved, "The representation by which the holder agreed for somebody else can't be used any longer.")
		s := find()
		if s == nil {
			return over
		}
		err := s.Live(ctx, id, by)
		if _, ok := errors.AsType[*identity.Error](err); ok {
			return over
		}
		return err
	}
}

// Registry implements [acting.Registry] with the licenses of the library.
type Registry struct{ relations *relation.Service }

// NewRegistry returns what tells the provider which relationships licenses prove.
func NewRegistry(r *relation.Service) (*Registry, error) {
	if r == nil {
		return nil, errors.New("join: a Registry needs relations")
	}
	return &Registry{r}, nil
}

// kinds are the library's relationships in the provider's words. A marriage has none.
var kinds = map[relation.Kind]struct {
	kind acting.Kind
	of   identity.Kind
}{
	relation.LegalRepresentative: {acting.LegalRepresentative, identity.Organization},
	relation.Guardian:            {acting.Guardian, identity.Person},
	relation.Marriage:            {"", identity.Person},
}

func factOf(f relation.Fact) acting.Fact {
	k := kinds[f.Kind]
	return acting.Fact{
		Kind: k.kind, Of: k.of, Codes: f.Codes, Name: f.Name, License: string(f.License), Version: f.Version,
		Type: string(f.Type), TypeName: f.TypeName, Since: f.Since, Born: f.Born,
	}
}

// Represented implements [acting.Registry].
func (r *Registry) Represented(ctx context.Context, codes []party.Code) ([]acting.Fact, error) {
	found, err := r.relations.Represented(ctx, codes)
	if err != nil {
		return nil, err
	}
	facts := make([]acting.Fact, len(found))
	for i, f := range found {
		facts[i] = factOf(f)
	}
	return facts, nil
}

// Head implements [acting.Registry].
func (r *Registry) Head(ctx context.Context, codes []party.Code) (acting.Head, error) {
	h, err := r.relations.Head(ctx, codes)
	return acting.Head{Known: h.Known, Codes: h.Codes, Since: h.Since, Disputed: h.Disputed}, err
}

// Spouse implements [acting.Registry].
func (r *Registry) Spouse(ctx context.Context, codes []party.Code) (*acting.Fact, error) {
	f, err := r.relations.Spouse(ctx, codes)
	if f == nil || err != nil {
		return nil, err
	}
	spouse := factOf(*f)
	return &spouse, nil
}
