package licensetest

import (
	"encoding/json"
	"errors"
	"testing"
	"time"

	"yizheng.internal/license/audit"
	"yizheng.internal/license/catalog"
	"yizheng.internal/license/catalog/entry"
	"yizheng.internal/license/credential"
	"yizheng.internal/license/offer"
	"yizheng.internal/license/party"
	"yizheng.internal/license/refusal"
	"yizheng.internal/license/registry"
)

const (
	PublicURL = "https://license.example.gov"
	Authority = "11430000006122244L" // the vectors of GB 32100 serve as departments
	OtherDept = "11110000000021135M"
	TypeCode  = credential.TypeCode("11100000000013338W032")
)

// Publish defines and publishes a type.
func (w *World) Publish(t testing.TB, code credential.TypeCode, d catalog.Definition) {
	t.Helper()
	if _, _, err := w.Catalog().Types().Put(t.Context(), Cataloguer, code, d); err != nil {
		t.Fatal(err)
	}
	if _, err := w.Catalog().Types().Publish(t.Context(), Cataloguer, code); err != nil {
		t.Fatal(err)
	}
}

// IssueOne issues a license, whose number and idempotency key are the same.
func (w *World) IssueOne(t testing.TB, key string) registry.Issued {
	t.Helper()
	out, err := w.Registry.Issue(t.Context(), Issuer, Request(key), key)
	if err != nil {
		t.Fatal(err)
	}
	return out
}

var (
	Cataloguer = audit.Actor{Client: "catalog", Participant: "p0", USCC: OtherDept, RequestID: "r0", Drafts: true}
	Issuer     = audit.Actor{Client: "dept", Participant: "p1", USCC: Authority, RequestID: "r1", Drafts: true}
	Stranger   = audit.Actor{Client: "other", Participant: "p2", USCC: OtherDept, RequestID: "r2", Drafts: true}
)

func Definition() catalog.Definition {
	return catalog.Definition{
		Name: "样例特种作业操作证", NameEN: "Sample operator certificate",
		Schema: json.RawMessage(`{"type":"object","additionalProperties":false,"required":["category"],
			"properties":{"category":{"type":"string","title":"作业类别","maxLength":50},"grade":{"type":"integer","title":"级别","minimum":1,"maximum":5}}}`),
		Holders: []catalog.HolderRole{
			{Role: "holder", Name: "持证人", Min: 1, Max: 2, CodeTypes: []party.CodeType{party.Citizen}},
			{Role: "keeper", Name: "保管人", Max: 1, Replaceable: true, CodeTypes: []party.CodeType{party.Citizen}},
		},
		Validity:    catalog.Validity{LongTerm: true, MaxMonths: 72},
		Numbers:     catalog.NumberUnique,
		Approval:    catalog.OneStep,
		Authorities: []party.USCC{Authority},
		Sensitive:   []string{"grade"},
	}
}

const Citizen = "11010519491231002X"

// Request returns an acceptable request. Requests differ by their numbers.
func Request(number string) registry.IssueRequest {
	return registry.IssueRequest{
		TypeCode: TypeCode, Number: number,
		Holders:   []credential.Holder{{Name: "样例䶮", CodeType: party.Citizen, Code: Citizen, Role: "holder"}},
		ValidFrom: party.DateOf(time.Now()), ValidUntil: party.DateOf(time.Now()).AddMonths(60),
		AreaCode: "430000", Fields: json.RawMessage(`{"category":"电工作业","grade":3}`),
	}
}

// Reason returns the reason code of a refusal, "" for no error.
func Reason(t testing.TB, err error) string {
	t.Helper()
	if err == nil {
		return ""
	}
	e, ok := errors.AsType[*refusal.Error](err)
	if !ok {
		t.Fatalf("not a refusal: %v", err)
	}
	return string(e.Reason)
}

// National is the code of a body that is no participant.
const National = party.USCC("11100000000013338W")

// DefinerOf returns the participant of an actor.
func DefinerOf(a audit.Actor) entry.Definer {
	return entry.Definer{ID: a.Participant, USCC: party.USCC(a.USCC)}
}

// ItemCode is the code of the tests' service item.
const ItemCode = catalog.ItemCode("11110000000021135M-FOOD-1")

// Item returns an acceptable definition: it asks for a certificate of the applicant's, and for one of the
// spouse's that may be left out.
func Item() catalog.ItemDefinition {
	return catalog.ItemDefinition{
		Name: "样例食品经营许可", Purpose: "办理样例食品经营许可", AreaCode: "430000",
		Materials: []catalog.Material{
			{
				ID: "operator-certificate", Name: "样例操作证", Relation: catalog.RelationApplicant, Required: true,
				Alternatives: []catalog.Alternative{{TypeCode: TypeCode, Role: "holder", Fields: []string{"number", "area_code", "holders", "fields/category", "fields/grade"}}},
				Reasons:      map[string]string{"fields/grade": "核对作业级别"},
			},
			{
				ID: "spouse-certificate", Name: "配偶的样例操作证", Relation: catalog.RelationSpouse,
				Alternatives: []catalog.Alternative{{TypeCode: TypeCode, Fields: []string{"number"}}},
			},
		},
	}
}

// PublishItem defines and publishes an item.
func (w *World) PublishItem(t testing.TB, code catalog.ItemCode, d catalog.ItemDefinition) catalog.ServiceItem {
	t.Helper()
	if _, _, err := w.Catalog().Items().Put(t.Context(), Cataloguer, code, d); err != nil {
		t.Fatal(err)
	}
	i, err := w.Catalog().Items().Publish(t.Context(), Cataloguer, code)
	if err != nil {
		t.Fatal(err)
	}
	return i
}

// OwnItem is Item with only the applicant's certificate.
func OwnItem() catalog.ItemDefinition {
	d := Item()
	d.Materials[1].Relation = catalog.RelationApplicant
	return d
}

// CatalogStores are the stores of the catalog as it uses them: what is saved there gets
// its authenticator.
func (w *World) CatalogStores() entry.Stores {
	return entry.AuthenticStores(w.DB.Licenses(), w.In.Vault().Auth())
}

// Check fails the test unless a check of a verification has this result and reason.
func Check(t testing.TB, v credential.Verification, n credential.CheckName, want credential.Result, reason string) {
	t.Helper()
	for _, c := range v.Checks {
		if c.Name == n && (c.Result != want || c.Reason != reason) {
			t.Errorf("check %s: %s %s, want %s %s", n, c.Result, c.Reason, want, reason)
		}
	}
}

// LegalBasis is what the operator of tests confirmed, for some items and their first versions.
const LegalBasis = "《样例条例》第一条"

func lawful() (all []offer.Lawful) {
	items := []catalog.ItemCode{ItemCode}
	for _, r := range []catalog.Relation{catalog.RelationApplicant, catalog.RelationSpouse, catalog.RelationChild, catalog.RelationLegalRepresentative} {
		items = append(items, catalog.ItemCode(OtherDept+"-"+string(r)))
	}
	for _, code := range items {
		for version := 1; version <= 5; version++ {
			all = append(all, offer.Lawful{Item: code, Version: version, Basis: LegalBasis})
		}
	}
	return all
}
