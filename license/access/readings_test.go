package access_test

import (
	"fmt"
	"slices"
	"testing"

	"yizheng.internal/license/access"
	offers "yizheng.internal/license/offer"
	"yizheng.internal/license/party"
	"yizheng.internal/license/refusal"
	"yizheng.internal/license/registry"
)

// A use code is good for a hundred request ids; repeating one of them stays possible,
// and costs nothing. What is refused then is recorded a hundred times, and no more.
func TestRedeemBounds(t *testing.T) {
	t.Parallel()
	w, out, d := newDelivery(t)
	ctx := t.Context()
	for i := range access.MaxReadings {
		if _, err := w.Readings.Redeem(ctx, consumer, redeem(d, fmt.Sprint(i))); err != nil {
			t.Fatal(err)
		}
	}
	for i := range 3 {
		if again, err := w.Readings.Redeem(ctx, consumer, redeem(d, fmt.Sprint(i))); err != nil || !again.Again {
			t.Errorf("again: %+v, %v", again, err)
		}
	}
	for i := range access.MaxRefusedReadings + 20 {
		if released, err := w.Readings.Redeem(ctx, consumer, redeem(d, fmt.Sprint("more", i))); reason(t, err) != string(refusal.ReasonExhausted) || released.Credential != "" {
			t.Fatalf("%+v, %v", released, err)
		}
	}
	if again, err := w.Readings.Redeem(ctx, consumer, redeem(d, "7")); err != nil || !again.Again {
		t.Errorf("again, afterwards: %+v, %v", again, err)
	}
	got, want := map[string]int{}, map[string]int{access.ResultOK: access.MaxReadings, string(refusal.ReasonExhausted): access.MaxRefusedReadings}
	var before int64
	for {
		page, err := w.Readings.LicenseRecords(ctx, subject(), out.ID, before, 100)
		if err != nil {
			t.Fatal(err)
		}
		for _, a := range page.Records {
			got[a.Result]++
		}
		if before = page.Next; before == 0 {
			break
		}
	}
	if fmt.Sprint(got) != fmt.Sprint(want) {
		t.Errorf("records %v, want %v", got, want)
	}
	if n := len(w.Events(t, out.ID)); n != 1+access.MaxReadings+access.MaxRefusedReadings {
		t.Errorf("%d events of the license", n)
	}
}

// However many readings of other licenses are newer, a license's own are found, page by
// page, and those of whoever held it before aren't among them.
func TestLicenseRecords(t *testing.T) {
	t.Parallel()
	w := newSharing(t)
	ctx := t.Context()
	out := w.IssueOne(t, "A-1")
	d := w.Deliver(t, w.Agree(t, nil).ID)
	for i := range 5 {
		if _, err := w.Readings.Redeem(ctx, consumer, redeem(d, fmt.Sprint(i))); err != nil {
			t.Fatal(err)
		}
	}
	if _, err := w.Registry.End(ctx, issuer, out.ID, ending(), registry.Terms{}); err != nil {
		t.Fatal(err)
	}
	w.IssueOne(t, "A-2")
	for range 2 {
		other := w.Deliver(t, w.Agree(t, nil).ID)
		for i := range 60 {
			if _, err := w.Readings.Redeem(ctx, consumer, redeem(other, fmt.Sprint(i))); err != nil {
				t.Fatal(err)
			}
		}
	}
	newest, err := w.Readings.AccessRecords(ctx, subject(), 0, 100)
	if err != nil || slices.ContainsFunc(newest.Records, func(a access.Opened) bool { return a.License == out.ID }) || newest.Next == 0 {
		t.Fatalf("the newest of all are not of others alone: %v", err)
	}
	for _, size := range []int{1, 2, 5, 100} {
		var ids []string
		var before int64
		for pages := 1; ; pages++ {
			page, err := w.Readings.LicenseRecords(ctx, subject(), out.ID, before, size)
			if err != nil || len(page.Records) > size || pages > 5 {
				t.Fatalf("page %d of %d: %+v, %v", pages, size, page, err)
			}
			for _, a := range page.Records {
				if a.License != out.ID || a.Case != ask().Case {
					t.Errorf("%+v", a)
				}
				ids = append(ids, a.ID)
			}
			if before = page.Next; before == 0 {
				break
			}
		}
		if slices.Sort(ids); len(slices.Compact(ids)) != 5 {
			t.Errorf("pages of %d: %d records", size, len(ids))
		}
	}
	stranger := offers.Subject{Party: "party-2", Codes: []party.Code{{Type: party.Citizen, Value: spouse}}, Assurance: 2}
	for _, s := range []offers.Subject{stranger, {Party: "party-3", Assurance: 2}} {
		if page, err := w.Readings.LicenseRecords(ctx, s, out.ID, 0, 10); err != nil || len(page.Records) != 0 || page.Next != 0 {
			t.Errorf("another sees %+v, %v", page, err)
		}
	}
	if page, err := w.Readings.LicenseRecords(ctx, subject(), "no id", 0, 10); err != nil || len(page.Records) != 0 {
		t.Errorf("no id: %+v, %v", page, err)
	}
}
