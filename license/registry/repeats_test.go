package registry_test

import (
	"context"
	"fmt"
	"slices"
	"testing"

	"yizheng.internal/license/audit"
	"yizheng.internal/signing/journal"
)

// rows returns how many events there are, of licenses and of none.
func rows(t testing.TB, w *world, ids ...audit.ID) (n int) {
	t.Helper()
	apart, err := w.DB.Journal().ListEvents(t.Context(), journal.Stream{Log: journal.Registry}, 0, 100_000)
	if err != nil {
		t.Fatal(err)
	}
	n = len(apart)
	for _, id := range ids {
		h, err := w.DB.Journal().ListEvents(t.Context(), journal.Stream{Log: journal.License, License: string(id)}, 0, 100_000)
		if err != nil {
			t.Fatal(err)
		}
		n += len(h)
	}
	return n
}

// ended returns a context that is over, in which Run writes what is left.
func ended(t testing.TB) context.Context {
	ctx, stop := context.WithCancel(t.Context())
	stop()
	return ctx
}

// Whoever is refused the same again and again leaves ten events and one that says how
// many more there were. Others' are their own, and so are other reasons.
func TestRefusalsAreMerged(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	ctx := t.Context()
	out := w.IssueOne(t, "A-1")
	before := rows(t, w, out.ID)
	for i := range 1000 {
		id := out.ID
		if i%2 > 0 {
			id = audit.ID(fmt.Sprintf("aaaaaaaaaaaaaaaaaaaaaa%04d", i%10)) // whatever is named
		}
		if _, err := w.Registry.Read(ctx, stranger, id, 0); reason(t, err) != "license_unknown" {
			t.Fatal(err)
		}
	}
	if n := rows(t, w, out.ID) - before; n > 10 {
		t.Errorf("%d events of 1,000 refusals", n)
	}
	if _, err := w.Registry.Credential(ctx, stranger, out.ID, 0); reason(t, err) != "license_unknown" {
		t.Fatal(err)
	}
	if last := w.LastEvent(t, out.ID); last.Action != journal.ActionLicenseCredential || last.RequestID != stranger.RequestID {
		t.Errorf("another action left %+v", last)
	}
	for _, c := range []string{"another", "a third"} {
		a := stranger
		a.Client = c
		if _, err := w.Registry.Read(ctx, a, out.ID, 0); reason(t, err) != "license_unknown" {
			t.Fatal(err)
		}
		if last := w.LastEvent(t, out.ID); last.Client != c {
			t.Errorf("%s left %+v", c, last)
		}
	}
	history := len(w.Events(t, out.ID))
	w.Run(ended(t))
	if n := len(w.Events(t, out.ID)); n != history {
		t.Error("the license's history tells of what is of no one license")
	}
	entries, err := journal.SourceOf(w.DB.Journal(), w.In.Vault(), journal.Registry, "")(ctx, journal.Filter{Result: "license_unknown", Actor: stranger.Client, Newest: true, Limit: 1})
	if err != nil || len(entries) != 1 {
		t.Fatalf("%+v, %v", entries, err)
	}
	if e := entries[0]; e.Merged != 990 || e.Action != string(journal.ActionLicenseRead) || e.Participant != stranger.Participant || e.RequestID != "" || e.Subject != "" || e.Altered {
		t.Errorf("the event of the rest: %+v", e)
	}
	all := rows(t, w)
	if w.Run(ended(t)); rows(t, w) != all {
		t.Error("written twice")
	}
}

// A holder's looks at a license, and at their list, leave an event an hour each; so does
// the consent page however often it is loaded. A department's readings each leave one.
func TestLooksAreMerged(t *testing.T) {
	t.Parallel()
	w := newSharing(t)
	ctx := t.Context()
	out := w.IssueOne(t, "A-1")
	holder := audit.Actor{Client: "portal", Party: subject().Party, RequestID: "r9"}
	before := rows(t, w, out.ID)
	for range 100 {
		if _, err := w.Offers.HeldLicense(ctx, holder, subject(), out.ID); err != nil {
			t.Fatal(err)
		}
		if _, err := w.Offers.Held(ctx, holder, subject(), "", 10); err != nil {
			t.Fatal(err)
		}
		if _, err := w.Offers.Offer(ctx, consumer, ask(), subject(), nil); err != nil {
			t.Fatal(err)
		}
	}
	if n := rows(t, w, out.ID) - before; n != 3 {
		t.Errorf("%d events of 100 looks at a license, a list and an offer, want 3", n)
	}
	other := ask()
	other.Case = "2026-000124"
	if _, err := w.Offers.Offer(ctx, consumer, other, subject(), nil); err != nil {
		t.Fatal(err)
	}
	w.Change(t, out.ID)
	if _, err := w.Offers.HeldLicense(ctx, holder, subject(), out.ID); err != nil {
		t.Fatal(err)
	}
	if last := w.LastEvent(t, out.ID); last.Action != journal.ActionLicenseHeld || last.Version != 2 {
		t.Errorf("a look at another version left %+v", last)
	}
	if n := rows(t, w, out.ID) - before; n != 3+1+2 {
		t.Errorf("%d events, want 6: those of another case, the change, and the new version", n)
	}
	before = rows(t, w, out.ID)
	for range 50 {
		if _, err := w.Registry.Read(ctx, issuer, out.ID, 0); err != nil {
			t.Fatal(err)
		}
	}
	if n := rows(t, w, out.ID) - before; n != 50 {
		t.Errorf("%d events of 50 readings by the authority", n)
	}
}

// The catalog, which any client may read, and answers that are given again are merged
// like refusals.
func TestRepeatedAnswersAreMerged(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	ctx := t.Context()
	out := w.IssueOne(t, "A-1")
	before := rows(t, w, out.ID)
	for range 100 {
		if _, err := w.Registry.Issue(ctx, issuer, request("A-1"), "A-1"); err != nil {
			t.Fatal(err)
		}
		if _, _, err := w.Catalog().Types().ReadPage(ctx, stranger, "", 10); err != nil {
			t.Fatal(err)
		}
	}
	if n := rows(t, w, out.ID) - before; n != 20 {
		t.Errorf("%d events, want 20", n)
	}
	w.Run(ended(t))
	if n := rows(t, w, out.ID) - before; n != 22 {
		t.Errorf("%d events with those of the rest, want 22", n)
	}
	es, err := w.DB.Journal().ListEvents(ctx, journal.Stream{Log: journal.Registry}, 0, 100_000)
	if err != nil {
		t.Fatal(err)
	}
	slices.Reverse(es)
	if es[0].RequestID != journal.MergedRequest(90) || es[1].RequestID != journal.MergedRequest(90) {
		t.Errorf("the last are %+v, %+v", es[0], es[1])
	}
}
