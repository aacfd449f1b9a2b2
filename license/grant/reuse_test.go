package grant_test

import (
	"testing"
	"time"

	"yizheng.internal/license/audit"
	"yizheng.internal/license/catalog"
	"yizheng.internal/license/grant"
	offers "yizheng.internal/license/offer"
)

func reusable(t testing.TB, w *world, a audit.Actor, q offers.Ask, s offers.Subject) grant.ID {
	t.Helper()
	id, err := w.Grants.Reusable(t.Context(), a, q, s)
	if err != nil {
		t.Fatal(err)
	}
	return id
}

func TestReusable(t *testing.T) {
	t.Parallel()
	w := newSharing(t)
	out := w.IssueOne(t, "A-1")
	if id := reusable(t, w, consumer, ask(), subject()); id != "" {
		t.Errorf("without any grant: %s", id)
	}
	g := w.Recurring(t, nil)
	if id := reusable(t, w, consumer, ask(), subject()); id != g.ID {
		t.Errorf("got %q, want %s", id, g.ID)
	}
	another, narrower, othersCase, spouseToo := consumer, ask(), ask(), subject()
	another.Client = "another"
	narrower.Licenses = []offers.AskedLicense{{Material: "operator-certificate", TypeCode: typeCode, Fields: []string{"number"}}}
	othersCase.Case, spouseToo.Kin = "2026-000124", kin()
	who := subject()
	who.Party = "party-2"
	for name, id := range map[string]grant.ID{
		"another client": reusable(t, w, another, ask(), subject()), "a narrower ask": reusable(t, w, consumer, narrower, subject()),
		"another case": reusable(t, w, consumer, othersCase, subject()), "another person": reusable(t, w, consumer, ask(), who),
	} {
		if id != "" {
			t.Errorf("%s: %s", name, id)
		}
	}
	low := subject()
	low.Assurance = 1
	if _, err := w.Grants.Reusable(t.Context(), consumer, ask(), low); reason(t, err) != "assurance_too_low" {
		t.Errorf("assurance 1: %v", err)
	}
	w.IssueTo(t, "A-2", toSpouse)
	if id := reusable(t, w, consumer, ask(), spouseToo); id != "" {
		t.Errorf("with a license more: %s", id)
	}
	w.Change(t, out.ID)
	if id := reusable(t, w, consumer, ask(), subject()); id != "" {
		t.Errorf("with a license changed: %s", id)
	}
}

func TestNotReusable(t *testing.T) {
	t.Parallel()
	for name, make := range map[string]func(*testing.T, *world){
		"for once": func(t *testing.T, w *world) {
			w.Recurring(t, func(c *grant.Consent) { c.Recurring = false })
		},
		"a part refused": func(t *testing.T, w *world) {
			w.Recurring(t, func(c *grant.Consent) { c.Chosen[0].Fields = []string{"number"} })
		},
		"pending": func(t *testing.T, w *world) {
			w.Agree(t, func(c *grant.Consent) { c.Recurring = true })
		},
		"withdrawn": func(t *testing.T, w *world) {
			if _, err := w.Grants.Withdraw(t.Context(), onPages(subject()), subject(), w.Recurring(t, nil).ID); err != nil {
				t.Fatal(err)
			}
		},
		"an item changed": func(t *testing.T, w *world) {
			w.Recurring(t, nil)
			w.PublishItem(t, itemCode, item())
		},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			w := newSharing(t)
			w.IssueOne(t, "A-1")
			make(t, w)
			if id := reusable(t, w, consumer, ask(), subject()); id != "" {
				t.Errorf("got %s", id)
			}
		})
	}
}

// A recurring grant that is active is renewed by another authorization code.
func TestDeliverAgain(t *testing.T) {
	t.Parallel()
	w := newSharing(t)
	w.IssueOne(t, "A-1")
	g := w.Recurring(t, nil)
	first := w.Deliver(t, g.ID)
	second, err := w.Grants.Deliver(t.Context(), consumer, g.ID, [32]byte{4})
	if err != nil || second.Materials[0].UseCode != first.Materials[0].UseCode {
		t.Errorf("an unused code is given again: %+v, %v", second, err)
	}
	if _, err := w.Readings.Redeem(t.Context(), consumer, redeem(first, "q1")); err != nil {
		t.Fatal(err)
	}
	third, err := w.Grants.Deliver(t.Context(), consumer, g.ID, [32]byte{5})
	if err != nil || third.Materials[0].UseCode.IsZero() || third.Materials[0].UseCode == first.Materials[0].UseCode {
		t.Errorf("a used one isn't: %+v, %v", third, err)
	}
	other := consumer
	other.Client = "another"
	if _, err := w.Grants.Deliver(t.Context(), other, g.ID, [32]byte{6}); reason(t, err) != "grant_unknown" {
		t.Errorf("another client: %v", err)
	}
}

// A recurring grant of what was looked for is reused: the offer is made anew as it was shown.
func TestReusableOfWhatWasFound(t *testing.T) {
	t.Parallel()
	w := newSharing(t)
	w.Many(t, 25)
	find := offers.Find{"operator-certificate": "A-0003"}
	o, err := w.Offers.Offer(t.Context(), consumer, ask(), subject(), find)
	if err != nil {
		t.Fatal(err)
	}
	c := consentTo(o)
	c.Recurring, c.Until = true, time.Now().Add(24*time.Hour)
	c.Chosen[0].Fields = append(c.Chosen[0].Fields, "fields/grade")
	if _, err := w.Grants.Agree(t.Context(), consumer, ask(), subject(), c); reason(t, err) != "offer_changed" {
		t.Errorf("without what was looked for: %v", err)
	}
	c.Find = find
	g, err := w.Grants.Agree(t.Context(), consumer, ask(), subject(), c)
	if err != nil {
		t.Fatal(err)
	}
	if again, err := w.Grants.Agree(t.Context(), consumer, ask(), subject(), c); err != nil || again.ID != g.ID {
		t.Errorf("again: %s, %v", again.ID, err)
	}
	w.Deliver(t, g.ID)
	if id := reusable(t, w, consumer, ask(), subject()); id != g.ID {
		t.Errorf("reusable is %q, want %s", id, g.ID)
	}
	w.IssueOne(t, "B-0001")
	if id := reusable(t, w, consumer, ask(), subject()); id != g.ID {
		t.Errorf("with another license: %q, want %s", id, g.ID)
	}
	w.IssueOne(t, "A-00031")
	if id := reusable(t, w, consumer, ask(), subject()); id != "" {
		t.Errorf("with another one that is found: %q", id)
	}
}

// Of a material of which nothing that was looked for was found nothing is granted: it is refused.
func TestNothingFoundIsRefused(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	d := item()
	second := d.Materials[0]
	second.ID = "second"
	d.Materials = []catalog.Material{d.Materials[0], second}
	w.PublishItem(t, itemCode, d)
	w.Many(t, 2)
	find := offers.Find{"second": "no such"}
	o, err := w.Offers.Offer(t.Context(), consumer, ask(), subject(), find)
	if err != nil || len(o.Materials[1].Licenses) != 0 {
		t.Fatalf("found %d, %v", len(o.Materials[1].Licenses), err)
	}
	l := o.Materials[0].Licenses[0]
	c := grant.Consent{
		Form: "one-use-id-of-a-form", Shown: o.Hash, Find: find, Channel: grant.ChannelOnline, Recurring: true, Until: time.Now().Add(time.Hour),
		Chosen: []offers.ChosenLicense{{Material: "operator-certificate", License: l.ID, Version: 1, Fields: l.Fields}},
	}
	g, err := w.Grants.Agree(t.Context(), consumer, ask(), subject(), c)
	if err != nil || g.Materials["second"] != offers.OutcomeRefused {
		t.Fatalf("%v, %v", g.Materials, err)
	}
	w.Deliver(t, g.ID)
	if id := reusable(t, w, consumer, ask(), subject()); id != "" {
		t.Errorf("reused, although a material was left out: %s", id)
	}
}
