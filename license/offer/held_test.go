package offer_test

import (
	"context"
	"errors"
	"slices"
	"testing"

	"yizheng.internal/license"
	"yizheng.internal/license/audit"
	"yizheng.internal/license/library"
	offers "yizheng.internal/license/offer"
	"yizheng.internal/license/party"
	"yizheng.internal/license/registry"
	"yizheng.internal/signing/journal"
)

// heldIDs pages through a subject's licenses.
func heldIDs(t testing.TB, w *world, s offers.Subject, limit int) (ids []audit.ID) {
	t.Helper()
	for cursor := ""; ; {
		page, err := w.Offers.Held(t.Context(), onPages(s), s, cursor, limit)
		if err != nil {
			t.Fatal(err)
		}
		for _, l := range page.Licenses {
			ids = append(ids, l.ID)
		}
		if cursor = page.NextCursor; cursor == "" {
			return ids
		}
	}
}

func TestHeld(t *testing.T) {
	t.Parallel()
	w := newSharing(t)
	first, second := w.IssueOne(t, "A-1"), w.IssueOne(t, "A-2")
	w.IssueTo(t, "A-3", toSpouse)
	ended := w.IssueOne(t, "A-4")
	if _, err := w.Registry.End(t.Context(), issuer, ended.ID, ending(), registry.Terms{}); err != nil {
		t.Fatal(err)
	}
	w.Change(t, first.ID)
	want := []audit.ID{ended.ID, second.ID, first.ID}
	for _, limit := range []int{1, 2, 3, 100} {
		if got := heldIDs(t, w, subject(), limit); !slices.Equal(got, want) {
			t.Errorf("%d at a time: %v, want %v", limit, got, want)
		}
	}
	page, err := w.Offers.Held(t.Context(), onPages(subject()), subject(), "", 100)
	if err != nil {
		t.Fatal(err)
	}
	for i, l := range page.Licenses {
		if l.VerificationCode != "" || l.Identifier == "" || l.AuthorityName != "样例厅" || l.Version.Version != l.NewestVersion {
			t.Errorf("license %d: %+v", i, l)
		}
	}
	if page.Licenses[0].Unusable != "license_ended" || page.Licenses[1].Unusable != "" {
		t.Errorf("unusable: %q, %q", page.Licenses[0].Unusable, page.Licenses[1].Unusable)
	}
	// Over all codes, former ones too.
	s := subject()
	s.Codes = append([]party.Code{{Type: party.Citizen, Value: spouse}}, s.Codes...)
	if got := heldIDs(t, w, s, 100); len(got) != 4 {
		t.Errorf("with two codes: %v", got)
	}
	s.Codes = nil
	if got := heldIDs(t, w, s, 100); len(got) != 0 {
		t.Errorf("without codes: %v", got)
	}
	// For an organization that is acted for, its licenses and not the person's.
	s = subject()
	s.Acting, s.ActingCodes = "org-1", []party.Code{{Type: party.Citizen, Value: spouse}}
	if got := heldIDs(t, w, s, 100); len(got) != 1 {
		t.Errorf("acting: %v", got)
	}
	if _, err := w.Offers.Held(t.Context(), onPages(subject()), subject(), "x", 10); reason(t, err) != "cursor" {
		t.Errorf("made-up cursor: %v", err)
	}
}

func TestHeldLicense(t *testing.T) {
	t.Parallel()
	w := newSharing(t)
	out := w.IssueOne(t, "A-1")
	w.Change(t, out.ID)
	l, err := w.Offers.HeldLicense(t.Context(), onPages(subject()), subject(), out.ID)
	if err != nil || l.Version.Version != 2 || l.VerificationCode == "" || l.VerificationCode == out.VerificationCode || l.Unusable != "" {
		t.Errorf("held: %+v, %v", l, err)
	}
	e := w.LastEvent(t, out.ID)
	if e.Action != journal.ActionLicenseHeld || e.Client != "portal" || e.Detail["party"] != "party-1" || e.Version != 2 || e.Result != "ok" {
		t.Errorf("event: %+v", e)
	}
}

// Another person's license is not there, and its history says who tried.
func TestHeldByAnother(t *testing.T) {
	t.Parallel()
	w := newSharing(t)
	theirs := w.IssueTo(t, "A-1", toSpouse)
	former := w.KeptOnce(t, "A-2")
	for name, id := range map[string]audit.ID{
		"another's": theirs.ID, "held before": former.ID, "nobody's": "abcdefghijklmnopqrstuvwxyz", "no id": "../x",
	} {
		l, err := w.Offers.HeldLicense(t.Context(), onPages(subject()), subject(), id)
		if reason(t, err) != "license_unknown" || l.ID != "" {
			t.Errorf("%s: %+v, %v", name, l, err)
		}
	}
	for _, id := range []audit.ID{theirs.ID, former.ID} {
		if e := w.LastEvent(t, id); e.Action != journal.ActionLicenseHeld || e.Result != "license_unknown" || e.Detail["party"] != "party-1" {
			t.Errorf("event: %+v", e)
		}
	}
	if got := heldIDs(t, w, subject(), 100); len(got) != 0 {
		t.Errorf("listed: %v", got)
	}
}

func TestHeldNeedsAssurance(t *testing.T) {
	t.Parallel()
	w := newSharing(t)
	out := w.IssueOne(t, "A-1")
	s := subject()
	s.Assurance = 1
	if page, err := w.Offers.Held(t.Context(), onPages(s), s, "", 10); reason(t, err) != "assurance_too_low" || page.Licenses != nil {
		t.Errorf("listed: %+v, %v", page, err)
	}
	if l, err := w.Offers.HeldLicense(t.Context(), onPages(s), s, out.ID); reason(t, err) != "assurance_too_low" || l.ID != "" {
		t.Errorf("shown: %+v, %v", l, err)
	}
	if e := w.LastEvent(t, out.ID); e.Result != "assurance_too_low" {
		t.Errorf("event: %+v", e)
	}
	if _, err := w.Offers.Held(t.Context(), onPages(s), offers.Subject{Assurance: 3}, "", 10); err == nil {
		t.Error("a subject without a party id was listed")
	}
}

// mute is a store in which no event can be written.
type mute struct{ journal.Store }

func (mute) AppendEvents(context.Context, ...journal.Event) error {
	return license.ErrUnavailable
}

// What can't be recorded isn't shown.
func TestHeldIsRecordedFirst(t *testing.T) {
	t.Parallel()
	w := newSharing(t)
	out := w.IssueOne(t, "A-1")
	r, err := library.New(t.Context(), config(w.DB.Licenses(), mute{w.DB.Journal()}, w.In))
	if err != nil {
		t.Fatal(err)
	}
	if page, err := r.Offers.Held(t.Context(), onPages(subject()), subject(), "", 10); !errors.Is(err, license.ErrUnavailable) || page.Licenses != nil {
		t.Errorf("listed: %+v, %v", page, err)
	}
	if l, err := r.Offers.HeldLicense(t.Context(), onPages(subject()), subject(), out.ID); !errors.Is(err, license.ErrUnavailable) || l.ID != "" {
		t.Errorf("shown: %+v, %v", l, err)
	}
}
