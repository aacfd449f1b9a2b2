package offer

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"time"

	"yizheng.internal/license"
	"yizheng.internal/license/audit"
	"yizheng.internal/license/catalog"
	"yizheng.internal/license/credential"
	"yizheng.internal/license/party"
	"yizheng.internal/license/refusal"
)

// Subject is who agrees, as the provider knows them: opaque ids, and the codes
// by which their licenses are found.
type Subject struct {
	Party string       // opaque party id
	Name  string       // of the person, whom the party acted for sees; empty: they act for themself
	Codes []party.Code // all codes, former ones too: licenses are found by them
	// Former are those of Codes and ActingCodes that aren't held today: nobody is a legal representative by them.
	Former []party.Code
	// Acting is the organization or person acted for, if any, and ActingCodes are its codes; Representation says by
	// what right, and Proving by which license.
	Acting         string
	ActingCodes    []party.Code
	Representation string
	Proving        *Proving              // nil: no license proves the representation
	Types          []credential.TypeCode // of the licenses that the representation covers; empty: all
	// ViewOnly reports whether the representation lets them look, and nothing else.
	ViewOnly bool
	// PrincipalAgrees reports whether the person acted for must agree themself, as a child of 14 or older must: then
	// nothing of theirs is released.
	PrincipalAgrees bool
	// Kin are the codes of the spouse, of the children for whom this subject agrees, and of the legal representative
	// of the organization acted for, as far as they are known.
	Kin map[catalog.Relation][]party.Code
	// SpouseAgreed reports whether the spouse entrusted this subject with the item.
	SpouseAgreed bool
	// Rests are the licenses that prove the relationships by which the subject agrees for kin, and Entrusted the
	// representations by which they do: grants rest on them.
	Rests     []Proving
	Entrusted []string
	// Assurance of this login, 0 to 3. Below 2 no license is seen or released.
	Assurance int
}

// Proving is the license that proves that somebody may act for another.
type Proving struct {
	License  audit.ID            `json:"license"`
	Version  int                 `json:"version"`
	TypeCode credential.TypeCode `json:"type_code"`
	AsOf     time.Time           `json:"as_of"` // when it was looked at
}

// Owner returns the id of the party that a grant belongs to: the organization or person acted for, or else the
// person.
func (s *Subject) Owner() string {
	if s.Acting != "" {
		return s.Acting
	}
	return s.Party
}

// CodesOf returns the codes of the party that a relation names.
func (s *Subject) CodesOf(r catalog.Relation) []party.Code {
	switch {
	case r != catalog.RelationApplicant:
		return s.Kin[r]
	case s.Acting != "":
		return s.ActingCodes
	}
	return s.Codes
}

// Held returns the codes of the person that they hold today.
func (s *Subject) Held() []party.Code { return s.held(s.Codes) }

// held returns those of some codes that are held today.
func (s *Subject) held(codes []party.Code) []party.Code {
	return slices.DeleteFunc(slices.Clone(codes), func(c party.Code) bool { return slices.Contains(s.Former, c) })
}

// agrees returns the codes of all for whom the subject can agree, former ones too: a license stands under the code
// that its holder had when it was issued, and a code leads to one party alone.
func (s *Subject) agrees() []party.Code {
	codes := slices.Concat(s.Codes, s.Kin[catalog.RelationChild])
	if !s.PrincipalAgrees {
		codes = append(codes, s.ActingCodes...)
	}
	if s.SpouseAgreed {
		codes = append(codes, s.Kin[catalog.RelationSpouse]...)
	}
	return codes
}

// agreesFor reports whether the subject can agree for the party that a relation names.
func (s *Subject) agreesFor(r catalog.Relation) bool {
	switch r {
	case catalog.RelationSpouse:
		return s.SpouseAgreed
	case catalog.RelationLegalRepresentative: // who may be the subject
		return slices.ContainsFunc(s.Kin[r], func(c party.Code) bool { return slices.Contains(s.Held(), c) })
	}
	return true
}

// hindered returns the outcome of a material that somebody else must agree to, or "".
func (s *Subject) hindered(m *catalog.Material) Outcome {
	switch {
	case s.Acting != "" && s.PrincipalAgrees:
		return OutcomePrincipal
	case len(s.CodesOf(m.Relation)) == 0 || s.agreesFor(m.Relation) || m.LegalBasis != "":
		return ""
	case m.Relation == catalog.RelationSpouse:
		return OutcomeSpouse
	}
	return OutcomeRepresentative
}

// Covers reports whether licenses of a type lie within the representation, if somebody is acted for.
func (s *Subject) Covers(t credential.TypeCode) bool {
	return s.Acting == "" || len(s.Types) == 0 || slices.Contains(s.Types, t)
}

// leastAssurance is the assurance of a login below which no license is seen or
// released.
const leastAssurance = 2

// maySee checks what a subject needs to see licenses at all.
func (s *Subject) maySee() error {
	if s.Owner() == "" {
		return errors.New("showing licenses: the subject has no party id")
	}
	if s.Assurance < leastAssurance {
		return errAssurance()
	}
	return nil
}

func errAssurance() error {
	return refusal.Forbidden("assurance_too_low", "Licenses are seen and released only after a login with assurance 2 or more.")
}

// Proven checks that the license that proves a representation is still in force, in the version that was looked at:
// what it proved is over at once when it isn't. Another version may name somebody else, so it must be looked at anew. The error is the *refusal.Error representation_unproved.
func (r *Service) Proven(ctx context.Context, p *Proving) error {
	if p == nil {
		return nil
	}
	_, v, err := r.c.Records.Load(ctx, p.License, 0)
	if err != nil && !errors.Is(err, license.ErrNotFound) && !license.Unreadable(err) {
		return fmt.Errorf("loading license %s: %w", p.License, err)
	}
	if err != nil || v.Version != p.Version || v.Unusable(time.Now()) != "" {
		return refusal.Forbidden(refusal.ReasonRepresentationUnproved, "The license that proved the representation does so no longer.")
	}
	return nil
}

// withheld returns the parts of a license's holders that aren't released: of each person but those who agree, all
// but name and role. Codes of organizations are public.
func withheld(hs []credential.Holder, agree []party.Code) []string {
	var parts []string
	for i, h := range hs {
		if h.CodeType.Class() == party.Organization || slices.Contains(agree, party.Code{Type: h.CodeType, Value: h.Code}) {
			continue
		}
		at := fmt.Sprintf("%s/%d/", catalog.PartHolders, i)
		parts = append(parts, at+"code", at+"code_type")
		if h.Share != "" {
			parts = append(parts, at+"share")
		}
	}
	return parts
}

// close takes out of an offered license what it says.
func (o *OfferedLicense) close() {
	v := &o.Version
	o.Closed, o.HeldBy, o.Masked = true, nil, nil
	o.Version = license.Version{
		Version: v.Version, State: v.State, TypeVersion: v.TypeVersion, ValidFrom: v.ValidFrom, ValidUntil: v.ValidUntil,
		Origin: v.Origin, TrustGrade: v.TrustGrade, IssuedAt: v.IssuedAt,
	}
}
