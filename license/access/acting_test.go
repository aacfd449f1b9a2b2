package access_test

import (
	"encoding/base64"
	"slices"
	"strings"
	"testing"
	"time"

	"yizheng.internal/license/access"
	"yizheng.internal/license/catalog"
	"yizheng.internal/license/credential"
	"yizheng.internal/license/grant"
	"yizheng.internal/license/licensetest"
	offers "yizheng.internal/license/offer"
	"yizheng.internal/license/party"
	"yizheng.internal/license/registry"
	"yizheng.internal/signing/sdjwt"
)

// together issues a license to two holders.
func together(t *testing.T, w *world) registry.Issued {
	t.Helper()
	return w.IssueTo(t, "A-1", func(q *registry.IssueRequest) {
		q.Holders = append(q.Holders, credential.Holder{Name: "样例配偶", CodeType: party.Citizen, Code: spouse, Role: "holder", Share: "40%"})
	})
}

// Of a license that is held together, the one who agrees releases what is theirs, and of the other name and role
// alone: the other's number isn't even among the disclosures. A second reading releases no more, whatever has
// changed since.
func TestCoHoldersNumberIsWithheld(t *testing.T) {
	t.Parallel()
	w := newSharing(t)
	together(t, w)
	d := w.Deliver(t, w.Agree(t, nil).ID)
	want := []string{"holders/1/code", "holders/1/code_type", "holders/1/share"}
	if m := d.Materials[0]; !slices.Equal(m.Withheld, want) || m.HeldBy == nil || *m.HeldBy != (offers.HolderCode{CodeType: party.Citizen, Code: citizen}) {
		t.Errorf("delivered %+v", m)
	}
	basis := licensetest.Item()
	basis.Materials[0].LegalBasis = "《样例条例》第一条"
	w.PublishItem(t, itemCode, basis)
	for _, request := range []string{"1", "2", "1"} {
		out, err := w.Readings.Redeem(t.Context(), consumer, redeem(d, request))
		if err != nil || !slices.Equal(out.Withheld, want) {
			t.Fatalf("released %+v, %v", out, err)
		}
		v := w.Verifications.Verify(t.Context(), out.Credential)
		if v.Verdict != credential.Valid || len(v.License.Holders) != 2 {
			t.Fatalf("verified %+v", v)
		}
		if h := v.License.Holders[0]; h.Code != citizen || h.CodeType != party.Citizen || h.Name == "" {
			t.Errorf("the one who agreed: %+v", h)
		}
		if h := v.License.Holders[1]; h != (credential.PresentedHolder{Name: "样例配偶", Role: "holder"}) {
			t.Errorf("the other: %+v", h)
		}
		if plain := disclosures(t, out.Credential); strings.Contains(plain, spouse) || strings.Contains(plain, "40%") || !strings.Contains(plain, citizen) {
			t.Errorf("disclosed %s", plain)
		}
	}
	page, err := w.Readings.AccessRecords(t.Context(), subject(), 0, 10)
	if err != nil || len(page.Records) != 2 || !slices.Equal(page.Records[0].Withheld, want) {
		t.Errorf("records %+v, %v", page.Records, err)
	}
}

// disclosures returns what a token discloses, decoded.
func disclosures(t *testing.T, text string) string {
	t.Helper()
	token, err := sdjwt.Parse(text, sdjwt.Limits{})
	if err != nil {
		t.Fatal(err)
	}
	var all strings.Builder
	for _, d := range token.Disclosures {
		all.Write(decoded(t, string(d)))
	}
	return all.String()
}

// With a legal basis, or with the other's agreement, the number is released.
func TestCoHoldersNumberIsReleased(t *testing.T) {
	t.Parallel()
	law := licensetest.Item()
	law.Materials[0].LegalBasis = "《样例条例》第一条"
	for name, test := range map[string]struct {
		item  catalog.ItemDefinition
		alter func(*offers.Subject)
	}{
		"by law":        {law, func(*offers.Subject) {}},
		"by the spouse": {licensetest.Item(), func(s *offers.Subject) { s.Kin, s.SpouseAgreed = licensetest.Kin(), true }},
	} {
		w := licensetest.New(t)
		w.PublishItem(t, itemCode, test.item)
		together(t, w)
		s := subject()
		test.alter(&s)
		c := licensetest.ConsentTo(licensetest.Offer(t, w.Library, s))
		g, err := w.Grants.Agree(t.Context(), consumer, ask(), s, c)
		if err != nil {
			t.Fatal(err)
		}
		out, err := w.Readings.Redeem(t.Context(), consumer, redeem(w.Deliver(t, g.ID), "1"))
		if err != nil || out.Withheld != nil || !strings.Contains(disclosures(t, out.Credential), spouse) {
			t.Errorf("%s: %+v, %v", name, out, err)
		}
	}
}

// What is withheld for one material stays withheld if the license serves as another without its holders; if the
// other takes the holders by law, they are released.
func TestWithheldOfTwoMaterials(t *testing.T) {
	t.Parallel()
	withheld := []string{"holders/1/code"}
	for name, test := range map[string]struct {
		other offers.ChosenLicense
		want  int
	}{
		"without holders": {offers.ChosenLicense{License: "l", Fields: []string{"number"}}, 1},
		"by law":          {offers.ChosenLicense{License: "l", Fields: []string{"holders"}}, 0},
		"another license": {offers.ChosenLicense{License: "m", Fields: []string{"holders"}}, 1},
	} {
		g := grant.Grant{Licenses: []offers.ChosenLicense{{License: "l", Fields: []string{"holders"}, Withheld: withheld}, test.other}}
		if got := g.Withheld("l"); len(got) != test.want {
			t.Errorf("%s: %v", name, got)
		}
	}
	if withheld[0] != "holders/1/code" {
		t.Errorf("the grant was changed: %v", withheld)
	}
}

// What an agent agrees to belongs to the company: whoever acts for it sees the grant, the readings, and by whom they
// came about. The agent sees none of it as a person.
func TestActingForACompany(t *testing.T) {
	t.Parallel()
	w := licensetest.NewRelated(t)
	out := w.IssueRelated(t, licensetest.CompanyType, "L-1", "", licensetest.Holder("holder", licensetest.Company), licensetest.Holder("representative", citizen))
	item := catalog.ItemDefinition{Name: "样例事项", Purpose: "样例用途", Materials: []catalog.Material{{
		ID: "m", Name: "样例材料", Relation: catalog.RelationApplicant,
		Alternatives: []catalog.Alternative{{TypeCode: licensetest.CompanyType, Fields: []string{"number", "holders"}}},
	}}}
	w.PublishItem(t, itemCode, item)
	company := []party.Code{{Type: party.SocialCredit, Value: licensetest.Company}}
	agent := offers.Subject{
		Party: "agent", Name: "样例经办人", Codes: licensetest.Citizens(spouse), Assurance: 2,
		Acting: "company", ActingCodes: company, Representation: "rep-1", Proving: &offers.Proving{License: out.ID, Version: 1, AsOf: time.Now()},
	}
	head := offers.Subject{Party: "head", Name: "样例法人", Codes: licensetest.Citizens(citizen), Assurance: 2, Acting: "company", ActingCodes: company, Representation: "rep-2"}
	g, err := w.Grants.Agree(t.Context(), consumer, ask(), agent, licensetest.ConsentTo(licensetest.Offer(t, w.Library, agent)))
	if err != nil {
		t.Fatal(err)
	}
	read, err := w.Readings.Redeem(t.Context(), consumer, redeem(w.Deliver(t, g.ID), "1"))
	if err != nil {
		t.Fatal(err)
	}
	if plain := disclosures(t, read.Credential); !strings.Contains(plain, licensetest.Company) || strings.Contains(plain, citizen) {
		t.Errorf("disclosed %s", plain)
	}
	grants, err := w.Grants.List(t.Context(), head, "", 10)
	if err != nil || len(grants.Grants) != 1 || grants.Grants[0].By != "样例经办人" || grants.Grants[0].Party != "agent" || grants.Grants[0].Proving.License != out.ID {
		t.Errorf("grants of the company: %+v, %v", grants, err)
	}
	for name, records := range map[string]func(offers.Subject) (access.Page, error){
		"all": func(s offers.Subject) (access.Page, error) { return w.Readings.AccessRecords(t.Context(), s, 0, 10) },
		"of the license": func(s offers.Subject) (access.Page, error) {
			return w.Readings.LicenseRecords(t.Context(), s, out.ID, 0, 10)
		},
	} {
		page, err := records(head)
		if err != nil || len(page.Records) != 1 || page.Records[0].By != "样例经办人" || page.Records[0].Representation != "rep-1" || page.Records[0].Proving == nil || page.Records[0].Case == "" {
			t.Errorf("%s, of the company: %+v, %v", name, page, err)
		}
		alone := agent
		alone.Acting, alone.ActingCodes = "", nil
		if page, err := records(alone); err != nil || len(page.Records) != 0 {
			t.Errorf("%s, of the agent as a person: %+v, %v", name, page, err)
		}
		// The legal representative is a holder of the license, too, and sees as a person that it was read, but not by whom it came about.
		person := head
		person.Acting, person.ActingCodes = "", nil
		if page, err := records(person); err != nil || len(page.Records) != 1 || page.Records[0].By != "" || page.Records[0].Proving != nil || page.Records[0].Case != "" {
			t.Errorf("%s, of the legal representative as a person: %+v, %v", name, page, err)
		}
	}
	alone := agent
	alone.Acting, alone.ActingCodes = "", nil
	if page, err := w.Grants.List(t.Context(), alone, "", 10); err != nil || len(page.Grants) != 0 {
		t.Errorf("grants of the agent as a person: %+v, %v", page, err)
	}
	if _, err := w.Grants.Withdraw(t.Context(), licensetest.OnPages(alone), alone, g.ID); reason(t, err) != "grant_unknown" {
		t.Errorf("withdrawn by the agent as a person: %v", err)
	}
	if ended, err := w.Grants.Withdraw(t.Context(), licensetest.OnPages(head), head, g.ID); err != nil || ended.State != grant.Ended {
		t.Errorf("withdrawn by the legal representative: %+v, %v", ended, err)
	}
}

var base64URL = base64.RawURLEncoding

func decoded(t *testing.T, disclosure string) []byte {
	t.Helper()
	plain, err := base64URL.DecodeString(disclosure)
	if err != nil {
		t.Fatal(err)
	}
	return plain
}

// Who acts for somebody sees of their grants and readings what the representation covers, and withdraws what they may
// apply for.
func TestRepresentationBoundsGrants(t *testing.T) {
	t.Parallel()
	w := newSharing(t)
	together(t, w)
	g := w.Agree(t, nil)
	if _, err := w.Readings.Redeem(t.Context(), consumer, redeem(w.Deliver(t, g.ID), "1")); err != nil {
		t.Fatal(err)
	}
	acting := func(types ...credential.TypeCode) offers.Subject {
		s := licensetest.Subject()
		return offers.Subject{Party: "agent", Acting: s.Party, ActingCodes: s.Codes, Assurance: 2, Types: types}
	}
	for name, test := range map[string]struct {
		s    offers.Subject
		sees bool
	}{
		"all types": {acting(), true}, "this type": {acting(licensetest.TypeCode), true}, "another type": {acting("11990000000010014J099"), false},
	} {
		page, err := w.Grants.List(t.Context(), test.s, "", 10)
		if err != nil || (len(page.Grants) == 1) != test.sees {
			t.Errorf("%s: grants %+v, %v", name, page, err)
		}
		records, err := w.Readings.AccessRecords(t.Context(), test.s, 0, 10)
		if err != nil || (len(records.Records) == 1) != test.sees {
			t.Errorf("%s: readings %+v, %v", name, records, err)
		}
		of, err := w.Readings.LicenseRecords(t.Context(), test.s, g.Licenses[0].License, 0, 10)
		if err != nil || (len(of.Records) == 1) != test.sees {
			t.Errorf("%s: readings of the license %+v, %v", name, of, err)
		}
	}
	views, child, outside := acting(), acting(), acting("11990000000010014J099")
	views.ViewOnly, child.PrincipalAgrees = true, true
	for name, s := range map[string]offers.Subject{"who may only look": views, "whose child agrees itself": child, "of another type": outside} {
		if _, err := w.Grants.Withdraw(t.Context(), consumer, s, g.ID); licensetest.Reason(t, err) != "grant_unknown" {
			t.Errorf("%s withdraws: %v", name, err)
		}
	}
	if ended, err := w.Grants.Withdraw(t.Context(), consumer, acting(licensetest.TypeCode), g.ID); err != nil || ended.EndedBy != "holder" {
		t.Errorf("withdrawn: %+v, %v", ended, err)
	}
}
