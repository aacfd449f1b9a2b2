package offer_test

import (
	"slices"
	"strings"
	"testing"

	"yizheng.internal/license/catalog"
	"yizheng.internal/license/credential"
	"yizheng.internal/license/licensetest"
	offers "yizheng.internal/license/offer"
	"yizheng.internal/license/party"
	"yizheng.internal/license/registry"
)

// Whoever defines items can't release what is others': a legal basis counts in the very version and text that the
// operator confirmed.
func TestLegalBasisUnconfirmed(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	w.IssueTo(t, "spouse's", toSpouse)
	w.IssueTo(t, "A-1", func(q *registry.IssueRequest) {
		q.Holders = append(q.Holders, credential.Holder{Name: "样例配偶", CodeType: party.Citizen, Code: spouse, Role: "holder"})
	})
	other := "《样例条例》第二条"
	if m := resolve(t, w, asking(t, w, catalog.RelationSpouse, other, typeCode), kin(catalog.RelationSpouse, citizens(spouse)), "").Materials[0]; m.Outcome != offers.OutcomeSpouse || m.Material.LegalBasis != "" {
		t.Errorf("another text, of a spouse: %+v", m)
	}
	holders := func(basis string) []string {
		t.Helper()
		return resolve(t, w, asking(t, w, catalog.RelationApplicant, basis, typeCode), subject(), "").Materials[0].Licenses[0].Withheld
	}
	if got := holders(other); !slices.Contains(got, "holders/1/code") {
		t.Errorf("another text, of a co-holder: %v is withheld", got)
	}
	for version := 2; version <= 6; version++ { // five are confirmed
		if got := holders(licensetest.LegalBasis); (len(got) > 0) != (version > 5) {
			t.Errorf("version %d: %v is withheld", version, got)
		}
	}
	unused, err := w.Offers.Unused(t.Context())
	if err != nil || !slices.Contains(unused, offers.Lawful{Item: licensetest.OtherDept + "-applicant", Version: 5, Basis: licensetest.LegalBasis}) {
		t.Errorf("of no effect: %v, %v", unused, err)
	}
}

func TestReadLawful(t *testing.T) {
	t.Parallel()
	const good = `{"service_item": "11110000000021135M-spouse", "version": 3, "legal_basis": "《样例条例》第一条"}`
	all, err := offers.ReadLawful([]byte("[" + good + "]"))
	if err != nil || len(all) != 1 || all[0] != (offers.Lawful{Item: "11110000000021135M-spouse", Version: 3, Basis: licensetest.LegalBasis}) {
		t.Errorf("%+v, %v", all, err)
	}
	for name, text := range map[string]string{
		"nothing": "", "an object": good, "twice": "[" + good + "," + good + "]", "more members": `[{"service_item": "11110000000021135M-spouse", "version": 3, "legal_basis": "法", "why": ""}]`,
		"no version": `[{"service_item": "11110000000021135M-spouse", "legal_basis": "法"}]`, "no text": `[{"service_item": "11110000000021135M-spouse", "version": 3}]`,
		"no item": `[{"service_item": "x y", "version": 3, "legal_basis": "法"}]`, "long": "[" + strings.Repeat(good+",", 6000) + good + "]",
		"many": "[" + strings.Repeat(`{},`, 500) + "{}]",
	} {
		if all, err := offers.ReadLawful([]byte(text)); err == nil {
			t.Errorf("%s is read as %+v", name, all)
		}
	}
}
