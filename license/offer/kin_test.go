package offer_test

import (
	"bytes"
	"context"
	"encoding/json"
	"slices"
	"testing"
	"time"

	"yizheng.internal/license/catalog"
	"yizheng.internal/license/credential"
	"yizheng.internal/license/grant"
	"yizheng.internal/license/library"
	"yizheng.internal/license/licensetest"
	offers "yizheng.internal/license/offer"
	"yizheng.internal/license/party"
	"yizheng.internal/license/refusal"
	"yizheng.internal/license/registry"
)

var (
	citizens = licensetest.Citizens
	holder   = licensetest.Holder
)

const (
	child   = licensetest.Child
	company = licensetest.Company
	other   = licensetest.Other
)

// asking publishes an item with one material of a relation and returns what asks for it.
func asking(t *testing.T, w *world, relation catalog.Relation, basis string, types ...credential.TypeCode) offers.Ask {
	t.Helper()
	m := catalog.Material{ID: "m", Name: "样例材料", Relation: relation, LegalBasis: basis}
	for _, code := range types {
		m.Alternatives = append(m.Alternatives, catalog.Alternative{TypeCode: code, Fields: []string{"number", "holders"}})
	}
	code := catalog.ItemCode(licensetest.OtherDept + "-" + string(relation))
	w.PublishItem(t, code, catalog.ItemDefinition{Name: "样例事项", Purpose: "样例用途", Materials: []catalog.Material{m}})
	return offers.Ask{Item: code, Case: "1"}
}

func resolve(t *testing.T, w *world, q offers.Ask, s offers.Subject, find string) offers.Offer {
	t.Helper()
	var f offers.Find
	if find != "" {
		f = offers.Find{"m": find}
	}
	o, err := w.Offers.Offer(t.Context(), consumer, q, s, f)
	if err != nil {
		t.Fatal(err)
	}
	return o
}

func kin(relation catalog.Relation, codes []party.Code) offers.Subject {
	s := subject()
	s.Kin = map[catalog.Relation][]party.Code{relation: codes}
	return s
}

// What a spouse holds comes with the spouse's agreement, or by law; and before that the offer is the same whatever
// the spouse holds.
func TestSpouseMustAgree(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	q := asking(t, w, catalog.RelationSpouse, "", typeCode)
	s := kin(catalog.RelationSpouse, citizens(spouse))
	before := resolve(t, w, q, s, "")
	w.IssueTo(t, "secret-1", toSpouse)
	for _, find := range []string{"", "secret-1", "secret", spouse} {
		o := resolve(t, w, q, s, find)
		if m := o.Materials[0]; m.Outcome != offers.OutcomeSpouse || len(m.Licenses) != 0 || m.More || o.Hash != before.Hash {
			t.Errorf("looking for %q: %+v", find, m)
		}
	}
	s.SpouseAgreed = true
	if m := resolve(t, w, q, s, "").Materials[0]; m.Outcome != offers.OutcomeFound || m.Licenses[0].Closed || m.Licenses[0].Number != "secret-1" || len(m.Licenses[0].Withheld) != 0 {
		t.Errorf("agreed: %+v", m)
	}
}

// What is released by law alone is not shown to whoever asks for it, and can't be found out by looking for it.
func TestLegalBasisShowsNothing(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	q := asking(t, w, catalog.RelationSpouse, "《样例条例》第一条", typeCode)
	w.IssueTo(t, "secret-1", toSpouse)
	s := kin(catalog.RelationSpouse, citizens(spouse))
	o := resolve(t, w, q, s, "")
	m := o.Materials[0]
	if m.Outcome != offers.OutcomeFound || !m.Licenses[0].Closed || m.Licenses[0].HeldBy != nil || !slices.Equal(m.Licenses[0].Fields, []string{"number", "holders"}) || len(m.Licenses[0].Withheld) != 0 {
		t.Errorf("by law: %+v", m)
	}
	shown, err := json.Marshal(o)
	if err != nil {
		t.Fatal(err)
	}
	for _, secret := range []string{"secret-1", spouse, "样例配偶", "电工作业"} {
		if bytes.Contains(shown, []byte(secret)) {
			t.Errorf("the offer has %s", secret)
		}
	}
	for _, find := range []string{"secret-1", "secret", "电工", "nothing of it"} {
		if found := resolve(t, w, q, s, find); found.Hash != o.Hash || found.Materials[0].Find != "" || found.Materials[0].More {
			t.Errorf("looking for %q: %+v", find, found.Materials[0])
		}
	}
}

// The divorce that is registered between the offer and the consent takes the spouse out of the subject.
func TestSpouseNoLonger(t *testing.T) {
	t.Parallel()
	w := licensetest.NewRelated(t)
	q := asking(t, w, catalog.RelationSpouse, "《样例条例》第一条", typeCode)
	w.IssueTo(t, "1", toSpouse)
	w.IssueRelated(t, licensetest.MarriageType, "J1", "2019-02-01", holder("spouse", citizen), holder("spouse", spouse))
	now := func() offers.Subject {
		s := subject()
		if f, err := w.Relations.Spouse(t.Context(), s.Codes); err != nil {
			t.Fatal(err)
		} else if f != nil {
			s.Kin = map[catalog.Relation][]party.Code{catalog.RelationSpouse: f.Codes}
		}
		return s
	}
	o := resolve(t, w, q, now(), "")
	c := consentTo(o)
	if len(c.Chosen) != 1 {
		t.Fatalf("offered %+v", o.Materials)
	}
	w.IssueRelated(t, licensetest.DivorceType, "L1", "2020-02-01", holder("spouse", citizen), holder("spouse", spouse))
	if _, err := w.Grants.Agree(t.Context(), consumer, q, now(), c); reason(t, err) != "offer_changed" {
		t.Errorf("after the divorce: %v", err)
	}
}

// Of those who hold a license together, each releases what is theirs, and of the others name and role.
func TestCoHolders(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	w.IssueTo(t, "A-1", func(q *registry.IssueRequest) {
		q.Holders = append(q.Holders, credential.Holder{Name: "样例配偶", CodeType: party.Citizen, Code: spouse, Role: "holder", Share: "40%"})
	})
	of := func(basis string, s offers.Subject) []string {
		t.Helper()
		m := resolve(t, w, asking(t, w, catalog.RelationApplicant, basis, typeCode), s, "").Materials[0]
		if len(m.Licenses) != 1 || m.Licenses[0].Closed {
			t.Fatalf("offered %+v", m)
		}
		return m.Licenses[0].Withheld
	}
	if got := of("", subject()); !slices.Equal(got, []string{"holders/1/code", "holders/1/code_type", "holders/1/share"}) {
		t.Errorf("of another holder %v is withheld", got)
	}
	if got := of("《样例条例》第一条", subject()); got != nil {
		t.Errorf("by law %v is withheld", got)
	}
	s := kin(catalog.RelationSpouse, citizens(spouse))
	if got := of("", s); len(got) != 3 {
		t.Errorf("of a spouse who didn't agree %v is withheld", got)
	}
	s.SpouseAgreed = true
	if got := of("", s); got != nil {
		t.Errorf("of a spouse who agreed %v is withheld", got)
	}
}

// Whoever looks at a license that others hold too is shown what is theirs, also where the holders aren't asked for
// and where the law releases them.
func TestCoHoldersAreMasked(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	out := w.IssueTo(t, "A-1", func(q *registry.IssueRequest) {
		q.Holders = append(q.Holders, credential.Holder{Name: "样例配偶", CodeType: party.Citizen, Code: spouse, Role: "holder", Share: "40%"})
	})
	want := []string{"holders/1/code", "holders/1/code_type", "holders/1/share"}
	code := catalog.ItemCode(licensetest.OtherDept + "-number")
	w.PublishItem(t, code, catalog.ItemDefinition{Name: "样例事项", Purpose: "样例用途", Materials: []catalog.Material{{
		ID: "m", Name: "样例材料", Relation: catalog.RelationApplicant, Alternatives: []catalog.Alternative{{TypeCode: typeCode, Fields: []string{"number"}}},
	}}})
	for name, q := range map[string]offers.Ask{
		"holders not asked for": {Item: code, Case: "1"},
		"by law":                asking(t, w, catalog.RelationApplicant, "《样例条例》第一条", typeCode),
	} {
		if l := resolve(t, w, q, subject(), "").Materials[0].Licenses[0]; !slices.Equal(l.Masked, want) || l.Withheld != nil {
			t.Errorf("%s: %v is masked, %v withheld", name, l.Masked, l.Withheld)
		}
	}
	l, err := w.Offers.HeldLicense(t.Context(), onPages(subject()), subject(), out.ID)
	if err != nil || !slices.Equal(l.Masked, want) {
		t.Errorf("held: %v, %v", l.Masked, err)
	}
	page, err := w.Offers.Held(t.Context(), onPages(subject()), subject(), "", 10)
	if err != nil || len(page.Licenses) != 1 || !slices.Equal(page.Licenses[0].Masked, want) {
		t.Errorf("listed: %+v, %v", page.Licenses, err)
	}
}

// acts returns a subject that acts for a company, or for a child.
func acts(by string, whom party.Code) offers.Subject {
	return offers.Subject{
		Party: "party-" + by, Name: "样例经办人", Codes: citizens(by), Assurance: 2,
		Acting: "party-of-" + whom.Value, ActingCodes: []party.Code{whom}, Representation: "rep-1",
	}
}

var ofCompany = party.Code{Type: party.SocialCredit, Value: company}

func TestActing(t *testing.T) {
	t.Parallel()
	w := licensetest.NewRelated(t)
	w.IssueTo(t, "head's", nil)
	w.IssueRelated(t, licensetest.CompanyType, "L-1", "", holder("holder", company), holder("representative", citizen))
	own := asking(t, w, catalog.RelationApplicant, "", licensetest.CompanyType, licensetest.BirthType)
	head := asking(t, w, catalog.RelationLegalRepresentative, "", typeCode)
	withHead := func(s offers.Subject) offers.Subject {
		s.Kin = map[catalog.Relation][]party.Code{catalog.RelationLegalRepresentative: citizens(citizen)}
		return s
	}
	for _, test := range []struct {
		name     string
		s        offers.Subject
		q        offers.Ask
		want     offers.Outcome
		withheld int
	}{
		{"the legal representative for the company", acts(citizen, ofCompany), own, offers.OutcomeFound, 0},
		{"an agent for the company", acts(other, ofCompany), own, offers.OutcomeFound, 2},
		{"the legal representative for their own license", withHead(acts(citizen, ofCompany)), head, offers.OutcomeFound, 0},
		{"an agent for the legal representative's", withHead(acts(other, ofCompany)), head, offers.OutcomeRepresentative, 0},
		{"nobody represents it", acts(other, ofCompany), head, offers.OutcomeUncollected, 0},
	} {
		m := resolve(t, w, test.q, test.s, "").Materials[0]
		if m.Outcome != test.want || (test.want == offers.OutcomeFound) != (len(m.Licenses) == 1) || len(m.Licenses) == 1 && len(m.Licenses[0].Withheld) != test.withheld {
			t.Errorf("%s: %+v", test.name, m)
		}
	}
	s := acts(other, ofCompany)
	s.Types = []credential.TypeCode{licensetest.BirthType}
	if m := resolve(t, w, own, s, "").Materials[0]; m.Outcome != offers.OutcomeUncollected || len(m.Licenses) != 0 {
		t.Errorf("of another type than the representation's: %+v", m)
	}
	s.Types = []credential.TypeCode{typeCode}
	if m := resolve(t, w, own, s, "").Materials[0]; m.Outcome != offers.OutcomeOutside || len(m.Licenses) != 0 {
		t.Errorf("of no type of the representation's: %+v", m)
	}
	page, err := w.Offers.Held(t.Context(), onPages(s), s, "", 10)
	if err != nil || len(page.Licenses) != 0 {
		t.Errorf("held, of another type: %+v, %v", page, err)
	}
	s.Types = []credential.TypeCode{licensetest.CompanyType}
	page, err = w.Offers.Held(t.Context(), onPages(s), s, "", 10)
	if err != nil || len(page.Licenses) != 1 {
		t.Fatalf("held: %+v, %v", page, err)
	}
	s.Types = []credential.TypeCode{typeCode}
	if _, err := w.Offers.HeldLicense(t.Context(), onPages(s), s, page.Licenses[0].ID); reason(t, err) != "license_unknown" {
		t.Errorf("held, of another type: %v", err)
	}
}

// A guardian agrees for a child under 14, and an older child agrees itself.
func TestChild(t *testing.T) {
	t.Parallel()
	w := licensetest.NewRelated(t)
	w.IssueRelated(t, licensetest.BirthType, "B-1", "2025-01-14", holder("child", child), holder("mother", citizen), holder("father", other))
	of := party.Code{Type: party.Citizen, Value: child}
	q := asking(t, w, catalog.RelationChild, "", licensetest.BirthType)
	m := resolve(t, w, q, kin(catalog.RelationChild, citizens(child)), "").Materials[0]
	if m.Outcome != offers.OutcomeFound || !slices.Equal(m.Licenses[0].Withheld, []string{"holders/2/code", "holders/2/code_type"}) {
		t.Errorf("the mother for her child: %+v", m)
	}
	own := asking(t, w, catalog.RelationApplicant, "", licensetest.BirthType)
	s := acts(citizen, of)
	if m := resolve(t, w, own, s, "").Materials[0]; m.Outcome != offers.OutcomeFound {
		t.Errorf("acting for the child: %+v", m)
	}
	s.PrincipalAgrees = true
	if m := resolve(t, w, own, s, "").Materials[0]; m.Outcome != offers.OutcomePrincipal || len(m.Licenses) != 0 {
		t.Errorf("acting for an older child: %+v", m)
	}
}

// What a license proved is over at once when it is suspended: after the offer, and after the consent.
func TestProvingLicenseSuspended(t *testing.T) {
	t.Parallel()
	w := licensetest.NewRelated(t)
	out := w.IssueRelated(t, licensetest.CompanyType, "L-1", "", holder("holder", company), holder("representative", citizen))
	w.IssueRelated(t, licensetest.CompanyType, "L-1", "", holder("holder", company), holder("representative", citizen))
	q := asking(t, w, catalog.RelationApplicant, "", licensetest.CompanyType)
	s := acts(citizen, ofCompany)
	s.Proving = &offers.Proving{License: out.ID, Version: 1, TypeCode: licensetest.CompanyType, AsOf: time.Now()}
	o := resolve(t, w, q, s, "")
	if o.Proving == nil || o.Proving.License != out.ID {
		t.Errorf("the offer says it is proved by %+v", o.Proving)
	}
	o.Materials[0].Licenses = slices.DeleteFunc(o.Materials[0].Licenses, func(l offers.OfferedLicense) bool { return l.ID == out.ID })
	c, early := consentTo(o), consentTo(o)
	g, err := w.Grants.Agree(t.Context(), consumer, q, s, early)
	if err != nil || g.By != "样例经办人" || g.Proving == nil || g.Proving.License != out.ID || g.Acting != s.Acting || g.Representation != "rep-1" {
		t.Fatalf("agreed: %+v, %v", g, err)
	}
	s.Proving.AsOf = s.Proving.AsOf.Add(time.Second)
	if again, err := w.Grants.Agree(t.Context(), consumer, q, s, early); err != nil || again.ID != g.ID {
		t.Errorf("the same form again, looked at anew: %+v, %v", again, err)
	}
	w.Suspend(t, out.ID)
	if _, err := w.Offers.Offer(t.Context(), consumer, q, s, nil); reason(t, err) != string(refusal.ReasonRepresentationUnproved) {
		t.Errorf("offered: %v", err)
	}
	if _, err := w.Grants.Agree(t.Context(), consumer, q, s, c); reason(t, err) != string(refusal.ReasonRepresentationUnproved) {
		t.Errorf("agreed: %v", err)
	}
	if _, err := w.Grants.Deliver(t.Context(), consumer, g.ID, licensetest.CodeHash); reason(t, err) != string(refusal.ReasonRepresentationUnproved) {
		t.Errorf("delivered: %v", err)
	}
	if _, err := w.Registry.Resume(t.Context(), issuer, out.ID, registry.ResumeRequest{Reason: "发还"}, registry.Terms{}); err != nil {
		t.Fatal(err)
	}
	if _, err := w.Grants.Deliver(t.Context(), consumer, g.ID, licensetest.CodeHash); err != nil {
		t.Errorf("delivered, once it is in force again: %v", err)
	}
}

// What somebody who acts for themself agrees to for kin rests on the relationship and on the entrustment: neither may
// end before the grant is delivered. What was delivered stays.
func TestGrantRestsOnKin(t *testing.T) {
	t.Parallel()
	w := licensetest.NewRelated(t)
	live := map[string]error{}
	c := licensetest.Config(w.DB.Licenses(), w.DB.Journal(), w.In)
	c.Believed = licensetest.Believed()
	c.Live = func(_ context.Context, id, party string) error {
		if party != "party-1" {
			t.Errorf("asked for %s of %s", id, party)
		}
		return live[id]
	}
	var err error
	if w.Library, err = library.New(t.Context(), c); err != nil {
		t.Fatal(err)
	}
	q := asking(t, w, catalog.RelationSpouse, "", typeCode)
	w.IssueTo(t, "1", toSpouse)
	m := w.IssueRelated(t, licensetest.MarriageType, "J1", "2019-02-01", holder("spouse", citizen), holder("spouse", spouse))
	s := kin(catalog.RelationSpouse, citizens(spouse))
	s.SpouseAgreed, s.Rests, s.Entrusted = true, []offers.Proving{{License: m.ID, Version: 1, AsOf: time.Now()}}, []string{"rep-1"}
	agree := func() grant.ID {
		t.Helper()
		g, err := w.Grants.Agree(t.Context(), consumer, q, s, consentTo(resolve(t, w, q, s, "")))
		if err != nil {
			t.Fatal(err)
		}
		return g.ID
	}
	deliver := func(id grant.ID) error {
		_, err := w.Grants.Deliver(t.Context(), consumer, id, licensetest.CodeHash)
		return err
	}
	first, ended, divorced := agree(), agree(), agree()
	// What is one's own rests on nobody near, however many there are.
	w.IssueOne(t, "own")
	own := s
	own.SpouseAgreed, own.Entrusted = false, nil
	mine := asking(t, w, catalog.RelationApplicant, "", typeCode)
	if g, err := w.Grants.Agree(t.Context(), consumer, mine, own, consentTo(resolve(t, w, mine, own, ""))); err != nil || g.Rests != nil {
		t.Errorf("one's own license rests on %v, %v", g.Rests, err)
	}
	if err := deliver(first); err != nil {
		t.Errorf("while both hold: %v", err)
	}
	live["rep-1"] = refusal.Forbidden(refusal.ReasonRepresentationUnproved, "ended")
	if err := deliver(ended); reason(t, err) != string(refusal.ReasonRepresentationUnproved) {
		t.Errorf("after the entrustment: %v", err)
	}
	delete(live, "rep-1")
	w.IssueRelated(t, licensetest.DivorceType, "L1", "2020-02-01", holder("spouse", citizen), holder("spouse", spouse))
	if err := deliver(divorced); reason(t, err) != string(refusal.ReasonRepresentationUnproved) {
		t.Errorf("after the divorce: %v", err)
	}
	if err := deliver(first); err != nil {
		t.Errorf("what was delivered before: %v", err)
	}
}

// A license under a former code is its holder's, with the number; but nobody is a legal representative by a former code.
func TestFormerCodes(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	w.IssueOne(t, "A-1")
	q := asking(t, w, catalog.RelationApplicant, "", typeCode)
	s := subject()
	s.Former = s.Codes
	m := resolve(t, w, q, s, "").Materials[0]
	if len(m.Licenses) != 1 || m.Licenses[0].Closed || m.Licenses[0].HeldBy == nil || len(m.Licenses[0].Withheld) != 0 {
		t.Errorf("found by a former code: %+v", m)
	}
	head := asking(t, w, catalog.RelationLegalRepresentative, "", typeCode)
	s = acts(citizen, ofCompany)
	s.Kin, s.Former = map[catalog.Relation][]party.Code{catalog.RelationLegalRepresentative: citizens(citizen)}, citizens(citizen)
	if m := resolve(t, w, head, s, "").Materials[0]; m.Outcome != offers.OutcomeRepresentative {
		t.Errorf("the legal representative by a former code: %+v", m)
	}
}

// A license that proves a representation is believed in the version that was looked at.
func TestProvingVersion(t *testing.T) {
	t.Parallel()
	w := licensetest.NewRelated(t)
	out := w.IssueRelated(t, licensetest.CompanyType, "L-1", "", holder("holder", company), holder("representative", citizen))
	p := offers.Proving{License: out.ID, Version: 1}
	if err := w.Offers.Proven(t.Context(), &p); err != nil {
		t.Error(err)
	}
	p.Version = 2 // another than the newest
	if err := w.Offers.Proven(t.Context(), &p); reason(t, err) != string(refusal.ReasonRepresentationUnproved) {
		t.Errorf("another version: %v", err)
	}
}

// Of somebody with several codes, it is said under which one they hold a license: the one that it names, whichever
// counts today; and nothing if the holders aren't asked for.
func TestHeldBy(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	w.IssueOne(t, "A-1")
	s := subject()
	s.Codes = append([]party.Code{{Type: party.Passport, Value: "E12345678"}}, s.Codes...)
	of := func(parts ...string) *offers.HolderCode {
		t.Helper()
		code := catalog.ItemCode(licensetest.OtherDept + "-held")
		w.PublishItem(t, code, catalog.ItemDefinition{Name: "样例事项", Purpose: "样例用途", Materials: []catalog.Material{{
			ID: "m", Name: "样例材料", Relation: catalog.RelationApplicant, Alternatives: []catalog.Alternative{{TypeCode: typeCode, Fields: parts}},
		}}})
		m := resolve(t, w, offers.Ask{Item: code, Case: "1"}, s, "").Materials[0]
		if len(m.Licenses) != 1 {
			t.Fatalf("offered %+v", m)
		}
		return m.Licenses[0].HeldBy
	}
	if by := of("number", "holders"); by == nil || *by != (offers.HolderCode{CodeType: party.Citizen, Code: citizen}) {
		t.Errorf("held by %+v", by)
	}
	if by := of("number"); by != nil {
		t.Errorf("without its holders, held by %+v", by)
	}
}
