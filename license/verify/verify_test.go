package verify_test

import (
	"encoding/json"
	"fmt"
	"testing"

	"yizheng.internal/license"
	"yizheng.internal/license/catalog"
	"yizheng.internal/license/credential"
	"yizheng.internal/license/registry"
	"yizheng.internal/signing/journal"
)

func TestVerifyIdentifierTellsNothing(t *testing.T) {
	w := newWorld(t)
	out := w.IssueOne(t, "A-1")
	from := "192.0.2.1"
	ask := func(id, code string) string {
		t.Helper()
		v, err := w.Verifications.VerifyIdentifier(t.Context(), id, code, from)
		if err != nil {
			return reason(t, err)
		}
		b, _ := json.Marshal(v.Checks)
		if v.License != nil {
			t.Errorf("shown: %+v", v.License)
		}
		return string(v.Verdict) + string(b)
	}
	wrong := ask(string(out.Identifier), "00000000")
	unknown, err := credential.NewIdentifier(typeCode, authority, "NOSUCH", 1)
	if err != nil {
		t.Fatal(err)
	}
	for _, id := range []string{string(unknown)} {
		if got := ask(id, "00000000"); got != wrong {
			t.Errorf("%q: %s, but a wrong code gets %s", id, got, wrong)
		}
	}
	for range 9 {
		ask(string(out.Identifier), "00000000")
		ask(string(unknown), "00000000")
	}
	if got := ask(string(out.Identifier), out.VerificationCode); got != "verification_limited" {
		t.Errorf("after ten wrong codes: %s", got)
	}
	if got := ask(string(unknown), "11111111"); got != "verification_limited" {
		t.Errorf("an unknown identifier after ten: %s", got)
	}
	// Nobody can lock another out, until all together were wrong too often.
	from = "192.0.2.2"
	if v, err := w.Verifications.VerifyIdentifier(t.Context(), string(out.Identifier), out.VerificationCode, from); err != nil || v.Verdict != credential.Valid {
		t.Errorf("asked from elsewhere: %+v, %v", v, err)
	}
	for i := range 1500 {
		from = fmt.Sprintf("198.51.100.%d", i)
		ask(string(out.Identifier), "00000000")
		ask(string(unknown), "00000000")
	}
	// Whoever has the right code is answered, after a mistake too; who guesses isn't for long.
	from = "203.0.113.1"
	ask(string(out.Identifier), "00000000")
	if v, err := w.Verifications.VerifyIdentifier(t.Context(), string(out.Identifier), out.VerificationCode, from); err != nil || v.Verdict != credential.Valid {
		t.Errorf("after 1,500 wrong codes from everywhere: %+v, %v", v, err)
	}
	for _, id := range []string{string(out.Identifier), string(unknown)} {
		from = "203.0.113.2"
		for n := range 3 {
			if got := ask(id, "00000000"); (got == "verification_limited") != (n == 2) {
				t.Errorf("%s, guess %d in a flood: %s", id, n, got)
			}
		}
	}
}

// A network has fifty wrong codes an hour, or ten in a flood, whatever addresses
// ask in it; its neighbors have theirs.
func TestVerifyIdentifierByNetwork(t *testing.T) {
	w := newWorld(t)
	out := w.IssueOne(t, "A-1")
	ask := func(n int, code, network string) error {
		_, err := w.Verifications.VerifyIdentifier(t.Context(), string(out.Identifier), code, fmt.Sprint(network, ".", n), network)
		return err
	}
	for n := range 60 {
		if err := ask(n, "00000000", "a"); (err != nil) != (n >= 50) {
			t.Fatalf("wrong code %d of one network: %v", n, err)
		}
	}
	if err := ask(1, out.VerificationCode, "b"); err != nil {
		t.Errorf("the right code from another network: %v", err)
	}
}

// TestRehashAfterPolicyChange renews lookup keys of a number that was exclusive
// once and is shared now.
func TestRehashAfterPolicyChange(t *testing.T) {
	w := newWorld(t)
	ctx := t.Context()
	first := w.IssueOne(t, "N-1")
	d := definition()
	d.Numbers = catalog.NumberShared
	w.Publish(t, typeCode, d)
	q := request("N-1")
	_, err := w.Registry.Replace(ctx, issuer, first.ID, registry.ReplaceRequest{
		Kind: license.Renewal, Reason: "延续", Number: "N-1", Holders: q.Holders, ValidFrom: q.ValidFrom, Fields: q.Fields,
	}, seen(1))
	if err != nil {
		t.Fatal(err)
	}
	if _, err := w.Registry.Issue(ctx, issuer, q, "second"); err != nil {
		t.Fatal(err)
	}
	if err := w.Rehash(ctx, nil); err != nil {
		t.Error(err)
	}
	found, err := w.Registry.Search(ctx, issuer, registry.SearchRequest{Number: "N-1", TypeCode: typeCode})
	if err != nil || len(found.Licenses) != 2 {
		t.Errorf("by the shared number: %+v, %v", found, err)
	}
}

func TestReplayLeavesAnEvent(t *testing.T) {
	w := newWorld(t)
	out := w.IssueOne(t, "A-1")
	if _, err := w.Registry.Issue(t.Context(), issuer, request("A-1"), "A-1"); err != nil {
		t.Fatal(err)
	}
	es, err := w.Registry.History(t.Context(), issuer, out.ID, 0, 10)
	if err != nil || len(es) < 2 || es[1].Action != journal.ActionLicenseIssue || es[1].Result != registry.ResultReplayed {
		t.Errorf("history %+v, %v", es, err)
	}
}
