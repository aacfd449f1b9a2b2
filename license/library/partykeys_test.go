package library_test

import (
	"slices"
	"testing"
	"time"

	"yizheng.internal/license/grant"
	offers "yizheng.internal/license/offer"
	"yizheng.internal/signing"
)

// After the lookup key was rotated and the old one purged, everybody still finds
// their licenses, grants and readings.
func TestRehash(t *testing.T) {
	t.Parallel()
	w := newSharing(t)
	ctx := t.Context()
	w.IssueOne(t, "A-1")
	d := w.Deliver(t, w.Agree(t, func(c *grant.Consent) { c.Recurring = true }).ID)
	if _, err := w.Readings.Redeem(ctx, consumer, redeem(d, "1")); err != nil {
		t.Fatal(err)
	}
	unused, err := w.Grants.Renew(ctx, consumer, d.Grant.ID)
	if err != nil {
		t.Fatal(err)
	}

	keys := w.In.Keyrings()
	old, err := keys.Active(ctx, signing.PurposeLookup, "")
	if err != nil {
		t.Fatal(err)
	}
	now := time.Now()
	for _, at := range []time.Time{now, now.Add(time.Minute)} { // makes the next key, and activates it
		if _, err := w.In.Rotate(ctx, nil, signing.PurposeLookup, "", at); err != nil {
			t.Fatal(err)
		}
	}
	done := 0
	if err := w.Rehash(ctx, func(n int) { done = n }); err != nil || done != 3 {
		t.Fatalf("rehashed %d, want a version, a grant and a record: %v", done, err)
	}
	if err := keys.Revoke(ctx, old.ID, "superseded", now, now); err != nil {
		t.Fatal(err)
	}
	if err := w.Lookups.PurgeLookups(ctx, old.Serial, nil); err != nil {
		t.Fatal(err)
	}

	if o := offer(t, w.Library, subject()); o.Materials[0].Outcome != offers.OutcomeFound {
		t.Errorf("the license: %s", o.Materials[0].Outcome)
	}
	if page, err := w.Grants.List(ctx, subject(), "", 10); err != nil || len(page.Grants) != 1 {
		t.Errorf("grants: %+v, %v", page.Grants, err)
	}
	if got := w.Results(t, subject()); !slices.Equal(got, []string{"ok"}) {
		t.Errorf("records %v", got)
	}
	holder := subject()
	holder.Party = "party-2" // found by the license's holder alone
	if got := w.Results(t, holder); !slices.Equal(got, []string{"ok"}) {
		t.Errorf("the holder's records %v", got)
	}
	// A use code that was handed out can't be given a second time, so that there is
	// a new one; it still works itself.
	fresh, err := w.Grants.Renew(ctx, consumer, d.Grant.ID)
	if err != nil || fresh.Materials[0].UseCode.IsZero() || fresh.Materials[0].UseCode == unused.Materials[0].UseCode {
		t.Errorf("renewed: %+v, %v", fresh, err)
	}
	for _, d := range []grant.Delivery{unused, fresh} {
		if _, err := w.Readings.Redeem(ctx, consumer, redeem(d, "2")); err != nil {
			t.Errorf("a use code: %v", err)
		}
	}
}
