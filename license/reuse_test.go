package license_test

import (
	"testing"
	"time"

	"yizheng.internal/license/audit"
	"yizheng.internal/license/grant"
	offers "yizheng.internal/license/offer"
)

// recurring makes an active recurring grant of all that a subject has, sensitive
// parts too.
func (w *world) recurring(t testing.TB, alter func(*grant.Consent)) grant.Grant {
	t.Helper()
	g := w.agree(t, func(c *grant.Consent) {
		c.Recurring, c.Until = true, time.Now().Add(24*time.Hour)
		c.Chosen[0].Fields = append(c.Chosen[0].Fields, "fields/grade")
		if alter != nil {
			alter(c)
		}
	})
	return w.deliver(t, g.ID).Grant
}

func (w *world) reusable(t testing.TB, a audit.Actor, q offers.Ask, s offers.Subject) grant.ID {
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
	if id := w.reusable(t, consumer, ask(), subject()); id != "" {
		t.Errorf("without any grant: %s", id)
	}
	g := w.recurring(t, nil)
	if id := w.reusable(t, consumer, ask(), subject()); id != g.ID {
		t.Errorf("got %q, want %s", id, g.ID)
	}
	another, narrower, othersCase, spouseToo := consumer, ask(), ask(), subject()
	another.Client = "another"
	narrower.Licenses = []offers.AskedLicense{{Material: "operator-certificate", TypeCode: typeCode, Fields: []string{"number"}}}
	othersCase.Case, spouseToo.Kin = "2026-000124", kin()
	who := subject()
	who.Party = "party-2"
	for name, id := range map[string]grant.ID{
		"another client": w.reusable(t, another, ask(), subject()), "a narrower ask": w.reusable(t, consumer, narrower, subject()),
		"another case": w.reusable(t, consumer, othersCase, subject()), "another person": w.reusable(t, consumer, ask(), who),
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
	w.issueTo(t, "A-2", toSpouse)
	if id := w.reusable(t, consumer, ask(), spouseToo); id != "" {
		t.Errorf("with a license more: %s", id)
	}
	w.change(t, out.ID)
	if id := w.reusable(t, consumer, ask(), subject()); id != "" {
		t.Errorf("with a license changed: %s", id)
	}
}

func TestNotReusable(t *testing.T) {
	t.Parallel()
	for name, make := range map[string]func(*testing.T, *world){
		"for once": func(t *testing.T, w *world) {
			w.recurring(t, func(c *grant.Consent) { c.Recurring = false })
		},
		"a part refused": func(t *testing.T, w *world) {
			w.recurring(t, func(c *grant.Consent) { c.Chosen[0].Fields = []string{"number"} })
		},
		"pending": func(t *testing.T, w *world) {
			w.agree(t, func(c *grant.Consent) { c.Recurring = true })
		},
		"withdrawn": func(t *testing.T, w *world) {
			if _, err := w.Grants.Withdraw(t.Context(), onPages(subject()), subject(), w.recurring(t, nil).ID); err != nil {
				t.Fatal(err)
			}
		},
		"an item changed": func(t *testing.T, w *world) {
			w.recurring(t, nil)
			w.PublishOlder(t, itemCode, item())
		},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			w := newSharing(t)
			w.IssueOne(t, "A-1")
			make(t, w)
			if id := w.reusable(t, consumer, ask(), subject()); id != "" {
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
	g := w.recurring(t, nil)
	first := w.deliver(t, g.ID)
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
