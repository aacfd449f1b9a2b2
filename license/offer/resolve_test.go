package offer_test

import (
	"encoding/json"
	"fmt"
	"slices"
	"testing"
	"time"

	"yizheng.internal/license"
	"yizheng.internal/license/catalog"
	"yizheng.internal/license/credential"
	offers "yizheng.internal/license/offer"
	"yizheng.internal/license/party"
	"yizheng.internal/license/registry"
)

func TestOutcomes(t *testing.T) {
	t.Parallel()
	today := party.DateOf(time.Now())
	yesterday := today.AddDays(-1)
	end := func(t *testing.T, w *world, number string) {
		t.Helper()
		if _, err := w.Registry.End(t.Context(), issuer, w.IssueOne(t, number).ID, ending(), registry.Terms{}); err != nil {
			t.Fatal(err)
		}
	}
	covered := func(w *world) {
		d := definition()
		d.Coverage = d.Authorities
		w.Publish(t, typeCode, d)
	}
	for _, test := range []struct {
		name    string
		prepare func(t *testing.T, w *world) stores
		want    offers.Outcome
		offered int
		dated   offers.Dated
	}{
		{"one", func(t *testing.T, w *world) stores { w.IssueOne(t, "A-1"); return stores{} }, offers.OutcomeFound, 1, offers.Dated{}},
		{"two", func(t *testing.T, w *world) stores { w.IssueOne(t, "A-1"); w.IssueOne(t, "A-2"); return stores{} }, offers.OutcomeChoice, 2, offers.Dated{}},
		{"none", func(t *testing.T, w *world) stores { return stores{} }, offers.OutcomeUncollected, 0, offers.Dated{}},
		{"none, with complete coverage", func(t *testing.T, w *world) stores { covered(w); return stores{} }, offers.OutcomeMissing, 0, offers.Dated{}},
		{"suspended", func(t *testing.T, w *world) stores {
			if _, err := w.Registry.Suspend(t.Context(), issuer, w.IssueOne(t, "A-1").ID, suspension(), registry.Terms{}); err != nil {
				t.Fatal(err)
			}
			return stores{}
		}, offers.OutcomeSuspended, 0, offers.Dated{}},
		{"suspended beside one in force", func(t *testing.T, w *world) stores {
			w.IssueOne(t, "A-2")
			if _, err := w.Registry.Suspend(t.Context(), issuer, w.IssueOne(t, "A-1").ID, suspension(), registry.Terms{}); err != nil {
				t.Fatal(err)
			}
			return stores{}
		}, offers.OutcomeFound, 1, offers.Dated{}},
		{"expired", func(t *testing.T, w *world) stores {
			w.IssueOne(t, "A-1")
			return stores{OnLoad: func(v *license.VersionRecord) { v.ValidUntil = yesterday; w.Restamp(v) }}
		}, offers.OutcomeExpired, 0, offers.Dated{From: yesterday.AddDays(1)}},
		{"not yet valid", func(t *testing.T, w *world) stores {
			w.IssueTo(t, "A-1", func(q *registry.IssueRequest) { q.ValidFrom = q.ValidFrom.AddDays(9) })
			w.IssueTo(t, "A-2", func(q *registry.IssueRequest) { q.ValidFrom = q.ValidFrom.AddDays(2) })
			end(t, w, "A-3")
			return stores{}
		}, offers.OutcomeNotYet, 0, offers.Dated{From: today.AddDays(2)}},
		{"ended, though not all are here", func(t *testing.T, w *world) stores {
			end(t, w, "A-1")
			return stores{}
		}, offers.OutcomeEnded, 0, offers.Dated{EndingKind: license.Cancelled, From: today}},
		{"ended after another had expired", func(t *testing.T, w *world) stores {
			end(t, w, "A-1")
			w.IssueOne(t, "A-2")
			return stores{OnLoad: func(v *license.VersionRecord) {
				if v.State == license.Active {
					v.ValidUntil = today.AddDays(-30)
					w.Restamp(v)
				}
			}}
		}, offers.OutcomeEnded, 0, offers.Dated{EndingKind: license.Cancelled, From: today}},
		{"suspended beside one that ended", func(t *testing.T, w *world) stores {
			w.Suspend(t, w.IssueOne(t, "A-1").ID)
			end(t, w, "A-2")
			return stores{}
		}, offers.OutcomeSuspended, 0, offers.Dated{}},
		{"ended", func(t *testing.T, w *world) stores {
			covered(w)
			end(t, w, "A-1")
			return stores{}
		}, offers.OutcomeEnded, 0, offers.Dated{EndingKind: license.Cancelled, From: today}},
		{"source unavailable", func(t *testing.T, w *world) stores {
			covered(w)
			return stores{OnSearch: func() error { return fmt.Errorf("far away: %w", license.ErrUnavailable) }}
		}, offers.OutcomeUnavailable, 0, offers.Dated{}},
		{"a license that can't be opened", func(t *testing.T, w *world) stores {
			w.IssueOne(t, "A-1")
			return stores{OnLoad: func(v *license.VersionRecord) { v.Body[20] ^= 1 }}
		}, offers.OutcomeUnavailable, 0, offers.Dated{}},
		{"another role", func(t *testing.T, w *world) stores {
			d := definition()
			d.Holders = append(d.Holders, catalog.HolderRole{Role: "guarantor", Name: "保证人", Max: 1, CodeTypes: []party.CodeType{party.Citizen}})
			w.Publish(t, typeCode, d)
			w.IssueTo(t, "A-1", func(q *registry.IssueRequest) {
				q.Holders = append(q.Holders, credential.Holder{Name: "样例䶮", CodeType: party.Citizen, Code: citizen, Role: "guarantor"})
				q.Holders[0].Name, q.Holders[0].Code = "样例配偶", spouse
			})
			return stores{}
		}, offers.OutcomeUncollected, 0, offers.Dated{}},
	} {
		t.Run(test.name, func(t *testing.T) {
			t.Parallel()
			w := newSharing(t)
			s := test.prepare(t, w)
			s.Stores = w.DB.Licenses()
			o := offer(t, w.OpenOn(t, s, nil), subject())
			m := o.Materials[0]
			if m.Outcome != test.want || len(m.Licenses) != test.offered || m.Dated != test.dated {
				t.Errorf("outcome %s, %+v, with %d licenses, want %s, %+v, with %d", m.Outcome, m.Dated, len(m.Licenses), test.want, test.dated, test.offered)
			}
			if spouses := o.Materials[1]; spouses.Outcome != offers.OutcomeUncollected || len(spouses.Licenses) != 0 {
				t.Errorf("of a spouse whom nobody knows: %+v", spouses)
			}
		})
	}
}

func TestOfferShowsWhatIsAskedFor(t *testing.T) {
	t.Parallel()
	w := newSharing(t)
	out := w.IssueOne(t, "A-1")
	o := offer(t, w.Library, subject())
	l := o.Materials[0].Licenses[0]
	if l.ID != out.ID || l.Number != "A-1" || l.Holders[0].Code != citizen || o.Item.Purpose != item().Purpose {
		t.Errorf("offered %+v", l)
	}
	if !slices.Equal(l.Fields, []string{"number", "area_code", "holders", "fields/category", "fields/grade"}) || !slices.Equal(l.Sensitive, []string{"fields/grade"}) {
		t.Errorf("parts %v, sensitive %v", l.Fields, l.Sensitive)
	}
	// Parts that a license doesn't have can't be asked for.
	w.IssueTo(t, "A-2", func(q *registry.IssueRequest) {
		q.AreaCode, q.Fields = "", json.RawMessage(`{"category":"高处作业"}`)
	})
	l = offer(t, w.Library, subject()).Materials[0].Licenses[0]
	if l.Number != "A-2" || !slices.Equal(l.Fields, []string{"number", "holders", "fields/category"}) || len(l.Sensitive) != 0 {
		t.Errorf("of a license with less: %v, sensitive %v", l.Fields, l.Sensitive)
	}
	q := ask()
	q.Licenses = []offers.AskedLicense{{Material: "operator-certificate", TypeCode: typeCode, Fields: []string{"category"}}}
	narrow, err := w.Offers.Offer(t.Context(), consumer, q, subject(), nil)
	if err != nil || len(narrow.Materials) != 1 || !slices.Equal(narrow.Materials[0].Licenses[0].Fields, []string{"fields/category"}) {
		t.Errorf("narrowed: %+v, %v", narrow.Materials, err)
	}
}

// A field that became sensitive after the item was published has no reason
// there: it isn't asked for until the item gives one.
func TestSensitiveLater(t *testing.T) {
	t.Parallel()
	w := newSharing(t)
	w.IssueOne(t, "A-1")
	d := definition()
	d.Sensitive = []string{"grade", "category"}
	w.Publish(t, typeCode, d)
	l := offer(t, w.Library, subject()).Materials[0].Licenses[0]
	if slices.Contains(l.Fields, "fields/category") || !slices.Contains(l.Fields, "fields/grade") {
		t.Errorf("parts %v", l.Fields)
	}
}

func TestOnlyTheSubjectsLicenses(t *testing.T) {
	t.Parallel()
	w := newSharing(t)
	mine := w.IssueOne(t, "mine")
	theirs := w.IssueTo(t, "theirs", toSpouse)
	w.KeptOnce(t, "had")
	o := offer(t, w.Library, subject())
	if ls := o.Materials[0].Licenses; len(ls) != 1 || ls[0].ID != mine.ID {
		t.Errorf("offered %+v, want only the subject's own", ls)
	}
	// Nor by a consent that names another's.
	c := consentTo(o)
	c.Chosen[0].License = theirs.ID
	if _, err := w.Grants.Agree(t.Context(), consumer, ask(), subject(), c); reason(t, err) != "choice_not_offered" {
		t.Errorf("another's license: %v", err)
	}
	s := subject()
	s.Kin = map[catalog.Relation][]party.Code{catalog.RelationSpouse: {{Type: party.Citizen, Value: spouse}}}
	if m := offer(t, w.Library, s).Materials[1]; m.Outcome != offers.OutcomeSpouse || len(m.Licenses) != 0 {
		t.Errorf("of a spouse who didn't agree: %s with %d", m.Outcome, len(m.Licenses))
	}
	s.SpouseAgreed = true
	if m := offer(t, w.Library, s).Materials[1]; m.Outcome != offers.OutcomeChoice || len(m.Licenses) != 2 {
		t.Errorf("of a spouse who is known: %s with %d", m.Outcome, len(m.Licenses))
	}
	s = subject()
	s.Codes = []party.Code{{Type: party.Passport, Value: citizen}}
	if ls := offer(t, w.Library, s).Materials[0].Licenses; len(ls) != 0 {
		t.Errorf("by a code of another type: %+v", ls)
	}
	s = subject()
	s.Acting, s.ActingCodes = "org-1", []party.Code{{Type: party.SocialCredit, Value: authority}}
	if ls := offer(t, w.Library, s).Materials[0].Licenses; len(ls) != 0 {
		t.Errorf("acting for an organization, the person's own: %+v", ls)
	}
	s = subject()
	s.Codes = append([]party.Code{{Type: party.Passport, Value: "E00000000"}}, s.Codes...)
	if ls := offer(t, w.Library, s).Materials[0].Licenses; len(ls) != 1 {
		t.Errorf("by the second of two codes: %+v", ls)
	}
}

func TestAssuranceTooLow(t *testing.T) {
	t.Parallel()
	w := newSharing(t)
	w.IssueOne(t, "A-1")
	c := consentTo(offer(t, w.Library, subject()))
	s := subject()
	s.Assurance = 1
	if _, err := w.Offers.Offer(t.Context(), consumer, ask(), s, nil); reason(t, err) != "assurance_too_low" {
		t.Errorf("offer: %v", err)
	}
	if _, err := w.Grants.Agree(t.Context(), consumer, ask(), s, c); reason(t, err) != "assurance_too_low" {
		t.Errorf("agree: %v", err)
	}
}
