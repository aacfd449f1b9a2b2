package access_test

import (
	"context"
	"encoding/base64"
	"errors"
	"fmt"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"yizheng.internal/license/access"
	"yizheng.internal/license/credential"
	"yizheng.internal/license/grant"
	"yizheng.internal/license/library"
	offers "yizheng.internal/license/offer"
	"yizheng.internal/license/party"
	"yizheng.internal/license/registry"
	"yizheng.internal/signing/jose"
	"yizheng.internal/signing/journal"
	"yizheng.internal/signing/sdjwt"
	"yizheng.internal/signing/sm2"
)

// bound opens what was released as its consumer does.
func bound(t testing.TB, credential, audience, nonce string) (*sdjwt.Resolved, error) {
	t.Helper()
	token, err := sdjwt.Parse(credential, sdjwt.Limits{})
	if err != nil {
		t.Fatal(err)
	}
	payload, err := base64.RawURLEncoding.DecodeString(strings.Split(token.JWS, ".")[1])
	if err != nil {
		t.Fatal(err)
	}
	resolved, err := token.Resolve(payload)
	if err != nil {
		t.Fatal(err)
	}
	return resolved, token.CheckBinding(context.Background(), resolved.Claims, sdjwt.Binding{Audience: audience, Nonce: nonce}, jose.NewVerifier(sm2.Config{}))
}

func TestRedeem(t *testing.T) {
	t.Parallel()
	w, out, d := newDelivery(t)
	q := redeem(d, "1")
	q.Officer = &access.Officer{ID: "QH0012", Name: "样例工作人员", Division: "审批处"}
	released, err := w.Readings.Redeem(t.Context(), consumer, q)
	if err != nil {
		t.Fatal(err)
	}
	if v := w.Verifications.Verify(t.Context(), released.Credential); v.Verdict != credential.Valid {
		t.Errorf("verification %+v", v)
	}
	resolved, err := bound(t, released.Credential, consumer.Client, nonce)
	if err != nil {
		t.Errorf("for its client: %v", err)
	}
	for name, other := range map[string][2]string{"audience": {"another", nonce}, "nonce": {consumer.Client, "another nonce"}} {
		if _, err := bound(t, released.Credential, other[0], other[1]); err == nil {
			t.Errorf("for another %s: bound", name)
		}
	}
	claims := resolved.Claims
	fields, _ := claims["fields"].(map[string]any)
	holders, _ := claims["holders"].([]any)
	if claims["number"] != "A-1" || claims["area_code"] != "430000" || fields["category"] != "电工作业" || len(holders) != 1 || holders[0].(map[string]any)["code"] != citizen {
		t.Errorf("released %+v", claims)
	}
	if _, ok := claims["identifier"]; ok {
		t.Error("released the identifier, which was not asked for")
	}
	if _, ok := fields["grade"]; ok {
		t.Error("released a sensitive field, which was not chosen")
	}
	all, err := w.Readings.AccessRecords(t.Context(), subject(), 0, 10)
	if err != nil || len(all.Records) != 1 {
		t.Fatalf("records %+v, %v", all, err)
	}
	a := all.Records[0]
	if a.ID != released.Record || a.License != out.ID || a.Client != consumer.Client || a.Result != access.ResultOK || a.Case != ask().Case ||
		a.Officer == nil || *a.Officer != *q.Officer || !slices.Contains(a.Fields, "number") || a.Item != itemCode || a.Basis != grant.BasisConsent || a.Nonce != "" {
		t.Errorf("record %+v", a)
	}
	if es := w.Events(t, out.ID); !slices.ContainsFunc(es, func(e registry.Event) bool {
		return e.Action == journal.ActionLicenseRedeem && e.Result == "ok" && e.Detail["record"] == a.ID
	}) {
		t.Errorf("history %+v", es)
	}
}

func TestRedeemSensitiveIfChosen(t *testing.T) {
	t.Parallel()
	w := newSharing(t)
	w.IssueOne(t, "A-1")
	d := w.Deliver(t, w.Agree(t, func(c *grant.Consent) { c.Chosen[0].Fields = []string{"fields/grade"} }).ID)
	released, err := w.Readings.Redeem(t.Context(), consumer, redeem(d, "1"))
	if err != nil {
		t.Fatal(err)
	}
	resolved, err := bound(t, released.Credential, consumer.Client, nonce)
	fields, _ := resolved.Claims["fields"].(map[string]any)
	if err != nil || fmt.Sprint(fields["grade"]) != "3" || len(fields) != 1 || resolved.Claims["number"] != nil {
		t.Errorf("released %+v, %v", resolved.Claims, err)
	}
	if holders, _ := resolved.Claims["holders"].([]any); len(holders) != 0 {
		t.Errorf("released holders: %+v", holders)
	}
}

func TestRedeemIsIdempotent(t *testing.T) {
	t.Parallel()
	w, _, d := newDelivery(t)
	first, err := w.Readings.Redeem(t.Context(), consumer, redeem(d, "1"))
	if err != nil || first.Again {
		t.Fatal(first, err)
	}
	again, err := w.Readings.Redeem(t.Context(), consumer, redeem(d, "1"))
	if err != nil || !again.Again || again.Record != first.Record || !again.Until.Equal(first.Until) {
		t.Errorf("again: %+v, %v", again, err)
	}
	if _, err := bound(t, again.Credential, consumer.Client, nonce); err != nil {
		t.Errorf("again: %v", err)
	}
	other := redeem(d, "1")
	other.Nonce = "another-nonce"
	if _, err := w.Readings.Redeem(t.Context(), consumer, other); reason(t, err) != "request_id_reused" {
		t.Errorf("with another nonce: %v", err)
	}
	if second, err := w.Readings.Redeem(t.Context(), consumer, redeem(d, "2")); err != nil || second.Again || !second.Until.Equal(first.Until) {
		t.Errorf("another request within the window: %+v, %v", second, err)
	}
	if got := w.Results(t, subject()); !slices.Equal(got, []string{"ok", "ok"}) {
		t.Errorf("records %v", got)
	}
}

func TestRedeemRefusesForm(t *testing.T) {
	t.Parallel()
	w, _, d := newDelivery(t)
	code := d.Materials[0].UseCode.Reveal()
	for _, test := range []struct {
		name   string
		q      access.RedeemRequest
		reason string
	}{
		{"no request id", access.RedeemRequest{UseCode: code, Nonce: nonce}, "request_id"},
		{"request id with a line break", access.RedeemRequest{UseCode: code, RequestID: "a\r\nb", Nonce: nonce}, "request_id"},
		{"long request id", access.RedeemRequest{UseCode: code, RequestID: strings.Repeat("a", 129), Nonce: nonce}, "request_id"},
		{"no nonce", access.RedeemRequest{UseCode: code, RequestID: "1"}, "nonce"},
		{"officer without a name", access.RedeemRequest{UseCode: code, RequestID: "1", Nonce: nonce, Officer: &access.Officer{ID: "1"}}, "length"},
		{"no code", access.RedeemRequest{RequestID: "1", Nonce: nonce}, "use_code_unknown"},
		{"cut code", access.RedeemRequest{UseCode: code[:69], RequestID: "1", Nonce: nonce}, "use_code_unknown"},
		{"another secret", access.RedeemRequest{UseCode: code[:27] + strings.Repeat("A", 43), RequestID: "1", Nonce: nonce}, "use_code_unknown"},
		{"another grant", access.RedeemRequest{UseCode: "abcdefghijklmnopqrstuvwxyz" + code[26:], RequestID: "1", Nonce: nonce}, "use_code_unknown"},
	} {
		t.Run(test.name, func(t *testing.T) {
			out, err := w.Readings.Redeem(t.Context(), consumer, test.q)
			if reason(t, err) != test.reason || out.Credential != "" {
				t.Errorf("%+v, %v; want %s", out, err, test.reason)
			}
		})
	}
	if got := w.Results(t, subject()); len(got) != 0 {
		t.Errorf("records %v", got)
	}
}

// Another client's code isn't there, by every sign; the holder sees the attempt.
func TestRedeemByAnotherClient(t *testing.T) {
	t.Parallel()
	w, _, d := newDelivery(t)
	other := consumer
	other.Client = "another"
	_, mismatch := w.Readings.Redeem(t.Context(), other, redeem(d, "1"))
	q := redeem(d, "1")
	q.UseCode = q.UseCode[:27] + strings.Repeat("A", 43)
	_, unknown := w.Readings.Redeem(t.Context(), other, q)
	if mismatch == nil || unknown == nil || mismatch.Error() != unknown.Error() || reason(t, mismatch) != "use_code_unknown" {
		t.Errorf("another's code: %v; no code: %v", mismatch, unknown)
	}
	if got := w.Results(t, subject()); !slices.Equal(got, []string{access.ResultMismatch}) {
		t.Errorf("records %v", got)
	}
	// Its client is not hindered by that.
	if out, err := w.Readings.Redeem(t.Context(), consumer, redeem(d, "1")); err != nil || out.Again {
		t.Errorf("its client: %+v, %v", out, err)
	}
}

func TestRedeemAfterTheEnd(t *testing.T) {
	t.Parallel()
	yesterday := party.DateOf(time.Now()).AddDays(-1)
	for _, test := range []struct {
		name   string
		change func(t *testing.T, w *world, out registry.Issued, id grant.ID) stores
		reason string
	}{
		{"withdrawn", func(t *testing.T, w *world, _ registry.Issued, id grant.ID) stores {
			if _, err := w.Open(t).Grants.Withdraw(t.Context(), consumer, subject(), id); err != nil {
				t.Fatal(err)
			}
			return stores{}
		}, "grant_ended"},
		{"revoked", func(t *testing.T, w *world, _ registry.Issued, id grant.ID) stores {
			if err := w.Grants.Revoke(t.Context(), consumer, id, grant.EndedByToken); err != nil {
				t.Fatal(err)
			}
			return stores{}
		}, "grant_ended"},
		{"license suspended", func(t *testing.T, w *world, out registry.Issued, _ grant.ID) stores {
			w.Suspend(t, out.ID)
			return stores{}
		}, "license_suspended"},
		{"license changed", func(t *testing.T, w *world, out registry.Issued, _ grant.ID) stores {
			w.Change(t, out.ID)
			return stores{}
		}, "license_superseded"},
		{"license ended", func(t *testing.T, w *world, out registry.Issued, _ grant.ID) stores {
			if _, err := w.Registry.End(t.Context(), issuer, out.ID, ending(), registry.Terms{}); err != nil {
				t.Fatal(err)
			}
			return stores{}
		}, "license_ended"},
		{"license expired", func(_ *testing.T, w *world, _ registry.Issued, _ grant.ID) stores {
			return stores{OnLoadUse: func(u *access.Used) { u.Version.ValidUntil = yesterday; w.Restamp(&u.Version) }}
		}, "license_expired"},
		{"window over", func(_ *testing.T, w *world, _ registry.Issued, _ grant.ID) stores {
			// The first use, some time ago. The store is given back what it has.
			var first time.Time
			return stores{
				OnLoadUse: func(u *access.Used) {
					first = u.Code.First
					u.Code.First = first.Add(-grant.ReadingWindow)
					w.Restamp(&u.Code)
				},
				OnSaveUse: func(r *access.Reading) error { r.First = first; return nil },
			}
		}, "window_over"},
	} {
		t.Run(test.name, func(t *testing.T) {
			t.Parallel()
			w, out, d := newDelivery(t)
			if _, err := w.Readings.Redeem(t.Context(), consumer, redeem(d, "1")); err != nil {
				t.Fatal(err)
			}
			s := test.change(t, w, out, d.Grant.ID)
			s.Stores = w.DB.Licenses()
			r := w.OpenOn(t, s, nil)
			for _, request := range []string{"1", "2"} { // not even what was read before
				released, err := r.Readings.Redeem(t.Context(), consumer, redeem(d, request))
				if reason(t, err) != test.reason || released.Credential != "" {
					t.Errorf("request %s: %+v, %v; want %s", request, released, err, test.reason)
				}
			}
			if got := w.Results(t, subject()); !slices.Equal(got, []string{test.reason, test.reason, "ok"}) {
				t.Errorf("records %v", got)
			}
		})
	}
	w := newSharing(t)
	w.IssueOne(t, "A-1")
	d := w.Deliver(t, w.Agree(t, func(c *grant.Consent) { c.Until = time.Now().Add(300 * time.Millisecond) }).ID)
	time.Sleep(time.Until(d.Grant.Until) + time.Millisecond)
	if _, err := w.Readings.Redeem(t.Context(), consumer, redeem(d, "1")); reason(t, err) != "grant_expired" {
		t.Errorf("after the grant's time: %v", err)
	}
}

// Sixty-four at once, on two nodes: each is recorded before it is answered.
func TestRedeemRaces(t *testing.T) {
	t.Parallel()
	w, _, d := newDelivery(t)
	nodes := []*library.Library{w.Library, w.Open(t)}
	run := func(request func(i int) string) []access.Released {
		out := make([]access.Released, 64)
		var wg sync.WaitGroup
		for i := range out {
			wg.Go(func() {
				var err error
				if out[i], err = nodes[i%2].Readings.Redeem(t.Context(), consumer, redeem(d, request(i))); err != nil {
					t.Errorf("reader %d: %v", i, err)
				}
			})
		}
		wg.Wait()
		return out
	}
	same := run(func(int) string { return "same" })
	first := 0
	for _, r := range same {
		if !r.Again {
			first++
		}
		if r.Record != same[0].Record {
			t.Errorf("one request has records %s and %s", r.Record, same[0].Record)
		}
	}
	if got := w.Results(t, subject()); first != 1 || len(got) != 1 {
		t.Errorf("one request: %d first readings, records %v", first, got)
	}
	each := run(func(i int) string { return fmt.Sprint(i) })
	seen := map[string]bool{same[0].Record: true}
	for _, r := range each {
		if seen[r.Record] || !r.Until.Equal(same[0].Until) {
			t.Errorf("reading %+v", r)
		}
		seen[r.Record] = true
	}
	if got := w.Results(t, subject()); len(got) != 65 {
		t.Errorf("%d records, want 65", len(got))
	}
}

// Withdrawing wins over a reading that has begun: the decision is made anew.
func TestWithdrawnWhileReading(t *testing.T) {
	t.Parallel()
	for want, change := range map[string]func(w *world, out registry.Issued, d grant.Delivery) error{
		"license_suspended": func(w *world, out registry.Issued, _ grant.Delivery) error {
			_, err := w.Registry.Suspend(t.Context(), issuer, out.ID, suspension(), registry.Terms{})
			return err
		},
		"grant_ended": func(w *world, _ registry.Issued, d grant.Delivery) error {
			_, err := w.Grants.Withdraw(t.Context(), consumer, subject(), d.Grant.ID)
			return err
		},
	} {
		t.Run(want, func(t *testing.T) {
			t.Parallel()
			w, out, d := newDelivery(t)
			done := false
			r := w.OpenOn(t, w.DB.Licenses(), func(step string) {
				if step == "redeem.decided" && !done {
					done = true
					if err := change(w, out, d); err != nil {
						t.Error(err)
					}
				}
			})
			released, err := r.Readings.Redeem(t.Context(), consumer, redeem(d, "1"))
			if reason(t, err) != want || released.Credential != "" {
				t.Errorf("%+v, %v; want %s", released, err, want)
			}
		})
	}
}

// No data without record: whatever fails before the record is on disk releases nothing.
func TestNoDataWithoutRecord(t *testing.T) {
	t.Parallel()
	w, _, d := newDelivery(t)
	broken := errors.New("the disk is full")
	r := w.OpenOn(t, stores{Stores: w.DB.Licenses(), OnSaveUse: func(*access.Reading) error { return broken }}, nil)
	released, err := r.Readings.Redeem(t.Context(), consumer, redeem(d, "1"))
	if !errors.Is(err, broken) || released.Credential != "" {
		t.Errorf("released %+v, %v", released, err)
	}
	for _, step := range []string{"redeem.decided", "redeem.recorded"} {
		var credential string
		func() {
			defer func() { _ = recover() }()
			dying := w.OpenOn(t, w.DB.Licenses(), func(s string) {
				if s == step {
					panic("cut off")
				}
			})
			out, _ := dying.Readings.Redeem(t.Context(), consumer, redeem(d, step))
			credential = out.Credential
		}()
		want := map[string]int{"redeem.decided": 0, "redeem.recorded": 1}[step]
		if got := w.Results(t, subject()); len(got) != want || credential != "" {
			t.Errorf("cut off at %s: records %v, credential %q", step, got, credential)
		}
	}
	// The consumer asks again, and gets what was recorded.
	if out, err := w.Readings.Redeem(t.Context(), consumer, redeem(d, "redeem.recorded")); err != nil || !out.Again {
		t.Errorf("again: %+v, %v", out, err)
	}
}

// A license held together: each holder sees its readings, but another's case stays hidden.
func TestAccessRecordsOfAllHolders(t *testing.T) {
	t.Parallel()
	w := newSharing(t)
	w.IssueTo(t, "A-1", func(q *registry.IssueRequest) {
		q.Holders = append(q.Holders, credential.Holder{Name: "样例配偶", CodeType: party.Citizen, Code: spouse, Role: "holder"})
	})
	d := w.Deliver(t, w.Agree(t, nil).ID)
	if _, err := w.Readings.Redeem(t.Context(), consumer, redeem(d, "1")); err != nil {
		t.Fatal(err)
	}
	other := offers.Subject{Party: "party-2", Codes: []party.Code{{Type: party.Citizen, Value: spouse}}, Assurance: 2}
	page, err := w.Readings.AccessRecords(t.Context(), other, 0, 10)
	all := page.Records
	if err != nil || len(all) != 1 || all[0].Client != consumer.Client || all[0].Case != "" || all[0].Party != "" || all[0].Grant != "" {
		t.Errorf("the other holder sees %+v, %v", all, err)
	}
	nobody := offers.Subject{Party: "party-3", Assurance: 2}
	if got := w.Results(t, nobody); len(got) != 0 {
		t.Errorf("somebody else sees %v", got)
	}
	if all, err := w.Readings.AccessRecords(t.Context(), subject(), 0, 10); err != nil || len(all.Records) != 1 || all.Records[0].Case == "" {
		t.Errorf("who agreed sees %+v, %v", all, err)
	}
}
