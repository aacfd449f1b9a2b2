package grant_test

import (
	"slices"
	"sync"
	"testing"
	"time"

	"yizheng.internal/license/grant"
	"yizheng.internal/license/library"
	offers "yizheng.internal/license/offer"
	"yizheng.internal/license/registry"
)

func TestHolderChosePaper(t *testing.T) {
	t.Parallel()
	w := newSharing(t)
	w.IssueOne(t, "A-1")
	c := consentTo(offer(t, w.Library, subject()))
	c.Chosen = nil
	if _, err := w.Grants.Agree(t.Context(), consumer, ask(), subject(), c); reason(t, err) != "holder_chose_paper" {
		t.Errorf("nothing chosen: %v", err)
	}
	page, err := w.Grants.List(t.Context(), subject(), "", 10)
	if err != nil || len(page.Grants) != 0 {
		t.Errorf("grants: %+v, %v", page, err)
	}
}

func TestPartOfIt(t *testing.T) {
	t.Parallel()
	w := newSharing(t)
	w.IssueOne(t, "A-1")
	w.IssueTo(t, "A-2", toSpouse)
	s := subject()
	s.Kin, s.SpouseAgreed = kin(), true
	o := offer(t, w.Library, s)
	c := consentTo(o)
	c.Chosen = c.Chosen[:1]
	g, err := w.Grants.Agree(t.Context(), consumer, ask(), s, c)
	if err != nil || g.Materials["operator-certificate"] != offers.OutcomeGranted || g.Materials["spouse-certificate"] != offers.OutcomeRefused {
		t.Errorf("one of two: %+v, %v", g.Materials, err)
	}
}

func TestConsentRefuses(t *testing.T) {
	t.Parallel()
	w := newSharing(t)
	out := w.IssueOne(t, "A-1")
	w.IssueOne(t, "A-2")
	for _, test := range []struct {
		name   string
		alter  func(*grant.Consent)
		reason string
	}{
		{"altered hash", func(c *grant.Consent) { c.Shown[0] ^= 1 }, "offer_changed"},
		{"no form", func(c *grant.Consent) { c.Form = "" }, "form"},
		{"short form", func(c *grant.Consent) { c.Form = "1" }, "form"},
		{"form with control characters", func(c *grant.Consent) { c.Form += "\n" }, "form"},
		{"channel", func(c *grant.Consent) { c.Channel = "phone" }, "enum"},
		{"over already", func(c *grant.Consent) { c.Until = time.Now().Add(-time.Second) }, "until_past"},
		{"too long", func(c *grant.Consent) { c.Until = time.Now().AddDate(0, 2, 0) }, "until_late"},
		{"too long, recurring", func(c *grant.Consent) { c.Until, c.Recurring = time.Now().AddDate(2, 0, 0), true }, "until_late"},
		{"unknown license", func(c *grant.Consent) { c.Chosen[0].License = "abcdefghijklmnopqrstuvwxyz" }, "choice_not_offered"},
		{"another version", func(c *grant.Consent) { c.Chosen[0].Version = 2 }, "choice_not_offered"},
		{"another material", func(c *grant.Consent) { c.Chosen[0].Material = "spouse-certificate" }, "choice_not_offered"},
		{"two for one material", func(c *grant.Consent) {
			c.Chosen = append(c.Chosen, offers.ChosenLicense{Material: "operator-certificate", License: out.ID, Version: 1})
		}, "choice_twice"},
		{"part that isn't asked for", func(c *grant.Consent) { c.Chosen[0].Fields = []string{"identifier"} }, "field_not_offered"},
		{"part twice", func(c *grant.Consent) { c.Chosen[0].Fields = []string{"number", "number"} }, "field_not_offered"},
	} {
		t.Run(test.name, func(t *testing.T) {
			c := consentTo(offer(t, w.Library, subject()))
			test.alter(&c)
			if _, err := w.Grants.Agree(t.Context(), consumer, ask(), subject(), c); reason(t, err) != test.reason {
				t.Errorf("agreed: %v, want %s", err, test.reason)
			}
		})
	}
	page, err := w.Grants.List(t.Context(), subject(), "", 10)
	if err != nil || len(page.Grants) != 0 {
		t.Errorf("refused consents left grants: %+v, %v", page, err)
	}
}

// What the holder saw must be what is agreed to.
func TestOfferChanged(t *testing.T) {
	t.Parallel()
	for name, change := range map[string]func(t *testing.T, w *world, out registry.Issued){
		"a license more":   func(t *testing.T, w *world, _ registry.Issued) { w.IssueOne(t, "A-2") },
		"suspended":        func(t *testing.T, w *world, out registry.Issued) { w.Suspend(t, out.ID) },
		"a new version":    func(t *testing.T, w *world, out registry.Issued) { w.Change(t, out.ID) },
		"the item changed": func(t *testing.T, w *world, _ registry.Issued) { w.PublishItem(t, itemCode, item()) },
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			w := newSharing(t)
			out := w.IssueOne(t, "A-1")
			c := consentTo(offer(t, w.Library, subject()))
			change(t, w, out)
			if _, err := w.Grants.Agree(t.Context(), consumer, ask(), subject(), c); reason(t, err) != "offer_changed" {
				t.Errorf("agreed: %v", err)
			}
		})
	}
	// Nor does a consent serve another client, case or person.
	w := newSharing(t)
	w.IssueOne(t, "A-1")
	c := consentTo(offer(t, w.Library, subject()))
	client, anotherCase, another := consumer, ask(), subject()
	client.Client, anotherCase.Case, another.Party = "another", "2026-000124", "party-2"
	for name, agree := range map[string]func() (grant.Grant, error){
		"client": func() (grant.Grant, error) { return w.Grants.Agree(t.Context(), client, ask(), subject(), c) },
		"case":   func() (grant.Grant, error) { return w.Grants.Agree(t.Context(), consumer, anotherCase, subject(), c) },
		"person": func() (grant.Grant, error) { return w.Grants.Agree(t.Context(), consumer, ask(), another, c) },
	} {
		if _, err := agree(); reason(t, err) != "offer_changed" {
			t.Errorf("another %s: %v", name, err)
		}
	}
}

func TestConsentReplayed(t *testing.T) {
	t.Parallel()
	w := newSharing(t)
	w.IssueOne(t, "A-1")
	c := consentTo(offer(t, w.Library, subject()))
	// Clicked sixteen times at once, on two nodes.
	nodes := []*library.Library{w.Library, w.Open(t)}
	var wg sync.WaitGroup
	ids := make([]grant.ID, 16)
	for i := range ids {
		wg.Go(func() {
			g, err := nodes[i%2].Grants.Agree(t.Context(), consumer, ask(), subject(), c)
			if err != nil {
				t.Error(err)
			}
			ids[i] = g.ID
		})
	}
	wg.Wait()
	if slices.Sort(ids); len(slices.Compact(ids)) != 1 {
		t.Errorf("one form made several grants: %v", ids)
	}
	for name, alter := range map[string]func(*grant.Consent){
		"session":   func(c *grant.Consent) { c.Session[0] ^= 1 },
		"request":   func(c *grant.Consent) { c.Request[0] ^= 1 },
		"parts":     func(c *grant.Consent) { c.Chosen[0].Fields = []string{"number"} },
		"recurring": func(c *grant.Consent) { c.Recurring = true },
	} {
		altered := c
		altered.Chosen = slices.Clone(c.Chosen)
		alter(&altered)
		if _, err := w.Grants.Agree(t.Context(), consumer, ask(), subject(), altered); reason(t, err) != "consent_used" {
			t.Errorf("with another %s: %v", name, err)
		}
	}
	w.Deliver(t, ids[0])
	if _, err := w.Grants.Agree(t.Context(), consumer, ask(), subject(), c); reason(t, err) != "consent_used" {
		t.Errorf("after delivery: %v", err)
	}
	page, err := w.Grants.List(t.Context(), subject(), "", 10)
	if err != nil || len(page.Grants) != 1 {
		t.Errorf("grants: %+v, %v", page.Grants, err)
	}
}
