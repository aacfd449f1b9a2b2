package join_test

import (
	"slices"
	"testing"
	"time"

	"yizheng.internal/api/join"
	"yizheng.internal/license/catalog"
	"yizheng.internal/license/credential"
	"yizheng.internal/license/licensetest"
	"yizheng.internal/license/party"
	"yizheng.internal/oidc/identity"
	"yizheng.internal/oidc/identity/acting"
)

func TestMain(m *testing.M) { licensetest.Main(m) }

func person(id, number string) identity.Party {
	return identity.Party{ID: id, Kind: identity.Person, Name: "样例" + id, Codes: []identity.PartyCode{{Code: party.Code{Type: party.Citizen, Value: number}}}}
}

// The registry's facts in the provider's words: what the library says a legal representative is, acting says too.
func TestRegistry(t *testing.T) {
	t.Parallel()
	w := licensetest.NewRelated(t)
	h := licensetest.Holder
	firm := w.IssueRelated(t, licensetest.CompanyType, "1", "", h("holder", licensetest.Company), h("representative", licensetest.Citizen))
	w.IssueRelated(t, licensetest.BirthType, "2", "2025-01-14", h("child", licensetest.Child), h("mother", licensetest.Citizen))
	w.IssueRelated(t, licensetest.MarriageType, "3", "2019-02-01", h("spouse", licensetest.Citizen), h("spouse", licensetest.Spouse))
	r, err := join.NewRegistry(w.Relations)
	if err != nil {
		t.Fatal(err)
	}
	var registry acting.Registry = r
	me := licensetest.Citizens(licensetest.Citizen)
	facts, err := registry.Represented(t.Context(), me)
	if err != nil || len(facts) != 2 {
		t.Fatalf("%+v, %v", facts, err)
	}
	slices.SortFunc(facts, func(a, b acting.Fact) int { return len(b.Kind) - len(a.Kind) })
	if f := facts[0]; f.Kind != acting.LegalRepresentative || f.Of != identity.Organization || f.Codes[0].Value != licensetest.Company || f.License != string(firm.ID) ||
		f.Version != 1 || f.Type != string(licensetest.CompanyType) || f.TypeName != "样例营业执照" || f.Since.IsZero() {
		t.Errorf("of the company: %+v", f)
	}
	if f := facts[1]; f.Kind != acting.Guardian || f.Of != identity.Person || f.Codes[0].Value != licensetest.Child || f.Born.String() != "2025-01-14" {
		t.Errorf("of the child: %+v", f)
	}
	head, err := registry.Head(t.Context(), []party.Code{{Type: party.SocialCredit, Value: licensetest.Company}})
	if err != nil || !head.Known || !slices.Equal(head.Codes, me) || head.Since.IsZero() {
		t.Errorf("head %+v, %v", head, err)
	}
	spouse, err := registry.Spouse(t.Context(), me)
	if err != nil || spouse == nil || spouse.Kind != "" || spouse.Of != identity.Person || spouse.Codes[0].Value != licensetest.Spouse {
		t.Errorf("spouse %+v, %v", spouse, err)
	}
	if none, err := registry.Spouse(t.Context(), licensetest.Citizens(licensetest.Other)); none != nil || err != nil {
		t.Errorf("of somebody unmarried: %+v, %v", none, err)
	}
}

func TestSubject(t *testing.T) {
	t.Parallel()
	me := person("me", licensetest.Citizen)
	spouse, child := licensetest.Citizens(licensetest.Spouse), licensetest.Citizens(licensetest.Child)
	s := join.Subject(me, 2, nil, acting.Relatives{Spouse: spouse, SpouseAgreed: true, Children: child})
	if s.Acting != "" || s.Name != "" || s.Owner() != "me" || !s.SpouseAgreed || s.PrincipalAgrees || !slices.Equal(s.Kin[catalog.RelationSpouse], spouse) ||
		!slices.Equal(s.Kin[catalog.RelationChild], child) || len(s.Kin) != 2 {
		t.Errorf("for themself: %+v", s)
	}
	if s := join.Subject(me, 2, nil, acting.Relatives{SpouseAgreed: true}); s.SpouseAgreed {
		t.Errorf("with a spouse whom nobody knows: %+v", s)
	}
	company := identity.Party{ID: "company", Kind: identity.Organization, Codes: []identity.PartyCode{{Code: party.Code{Type: party.SocialCredit, Value: licensetest.Company}}}}
	a := acting.Acting{Principal: company, Consents: true, Representation: acting.Representation{
		ID: "rep", Kind: acting.LegalRepresentative, Bounds: acting.Bounds{Types: []string{string(licensetest.CompanyType)}},
		Proof: acting.Proof{License: "license", Version: 3, Type: string(licensetest.CompanyType), AsOf: time.Unix(1, 0)},
	}}
	s = join.Subject(me, 2, &a, acting.Relatives{Head: me.AllCodes()})
	if s.Owner() != "company" || s.Name != "样例me" || s.Representation != "rep" || s.PrincipalAgrees || !slices.Equal(s.ActingCodes, company.AllCodes()) ||
		!slices.Equal(s.Types, []credential.TypeCode{licensetest.CompanyType}) || s.Proving == nil || s.Proving.License != "license" || s.Proving.Version != 3 ||
		!slices.Equal(s.CodesOf(catalog.RelationLegalRepresentative), me.AllCodes()) {
		t.Errorf("for a company: %+v", s)
	}
	a.Consents, a.Proof = false, acting.Proof{Clerk: "c"}
	if s := join.Subject(me, 2, &a, acting.Relatives{}); !s.PrincipalAgrees || s.Proving != nil {
		t.Errorf("for a child that agrees itself: %+v", s)
	}
}
