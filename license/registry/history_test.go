package registry_test

import (
	"encoding/json"
	"strings"
	"testing"
	"time"

	"yizheng.internal/license/access"
	"yizheng.internal/license/audit"
	"yizheng.internal/signing/journal"
)

// An authority learns that its license was read and when, and nothing of the department
// that read it, of its case, of the grant or of who looked. Of its own doings, and of
// who tried what only an authority may, it sees all.
func TestHistoryOfOthers(t *testing.T) {
	t.Parallel()
	w, out, d := newDelivery(t)
	ctx := t.Context()
	released, err := w.Readings.Redeem(ctx, consumer, redeem(d, "1"))
	if err != nil {
		t.Fatal(err)
	}
	if _, err := w.Readings.Redeem(ctx, stranger, redeem(d, "2")); err == nil {
		t.Fatal("another client's code was good")
	}
	if _, err := w.Registry.Read(ctx, stranger, out.ID, 0); err == nil {
		t.Fatal("a stranger read a license")
	}
	look := audit.Actor{Client: "portal", Party: subject().Party, RequestID: "r-portal"}
	if _, err := w.Offers.HeldLicense(ctx, look, subject(), out.ID); err != nil {
		t.Fatal(err)
	}
	w.Suspend(t, out.ID)
	es, err := w.Registry.History(ctx, issuer, out.ID, 0, 100)
	if err != nil {
		t.Fatal(err)
	}
	var got []string
	for _, e := range es {
		got = append(got, string(e.Action)+" "+e.Result)
		who := issuer
		switch e.Action {
		case journal.ActionLicenseRedeem, journal.ActionLicenseHeld:
			who = audit.Actor{}
		case journal.ActionLicenseRead:
			who = stranger
		}
		if e.Client != who.Client || e.Participant != who.Participant || e.RequestID != who.RequestID || who == (audit.Actor{}) && e.Detail != nil {
			t.Errorf("%+v", e)
		}
		if time.Since(e.At) > time.Minute || e.License != out.ID || e.Action == journal.ActionLicenseRedeem && e.Version != 1 {
			t.Errorf("when, and what of: %+v", e)
		}
	}
	want := "license.issue ok, license.redeem ok, license.redeem refused, license.read license_unknown, license.held ok, license.suspend ok, license.history ok"
	if s := strings.Join(got, ", "); s != want {
		t.Errorf("history:\n got %s\nwant %s", s, want)
	}
	text, err := json.Marshal(es)
	if err != nil {
		t.Fatal(err)
	}
	for what, hidden := range map[string]string{
		"the case": ask().Case, "the grant": string(d.Grant.ID), "the record": released.Record, "the item": string(itemCode), "who agreed": subject().Party,
		"the reader": consumer.Client, "its participant": consumer.Participant, "its request": consumer.RequestID,
		"the holder's look": look.RequestID, "why": access.ResultMismatch,
	} {
		if strings.Contains(string(text), `"`+hidden+`"`) {
			t.Errorf("the authority learns %s: %s", what, text)
		}
	}
	for _, e := range w.Events(t, out.ID) { // an auditor sees it all
		if e.Action == journal.ActionLicenseRedeem && e.Result == access.ResultOK && (e.Detail["case"] != ask().Case || e.Client != consumer.Client) {
			t.Errorf("an auditor sees %+v", e)
		}
	}
	// The reader has its own record, the holder the whole of it.
	page, err := w.Readings.LicenseRecords(ctx, subject(), out.ID, 0, 10)
	if err != nil || len(page.Records) != 2 || page.Records[1].ID != released.Record || page.Records[1].Case != ask().Case || page.Records[1].Client != consumer.Client {
		t.Errorf("the holder sees %+v, %v", page, err)
	}
}
