package registry_test

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"strings"
	"sync"
	"testing"
	"time"

	"yizheng.internal/license"
	"yizheng.internal/license/audit"
	"yizheng.internal/license/catalog/entry"
	"yizheng.internal/license/credential"
	"yizheng.internal/license/library"
	"yizheng.internal/license/party"
	"yizheng.internal/license/refusal"
	"yizheng.internal/license/registry"
	"yizheng.internal/signing/journal"
)

func TestIssueReadVerify(t *testing.T) {
	w := newWorld(t)
	out := w.IssueOne(t, "A-1")
	if out.Version != 1 || out.State != license.Active || out.Replayed {
		t.Errorf("issued %+v", out)
	}
	l, err := w.Registry.Read(t.Context(), issuer, out.ID, 0)
	if err != nil {
		t.Fatal(err)
	}
	if l.Number != "A-1" || l.Holders[0].Name != "样例䶮" || l.TypeName != "样例特种作业操作证" || l.Origin != credential.OriginAuthority || l.TrustGrade != credential.GradeA {
		t.Errorf("read %+v", l)
	}
	v := w.Verifications.Verify(t.Context(), out.Credential)
	if v.Verdict != credential.Valid || len(v.Checks) != 8 {
		t.Fatalf("verification %+v", v)
	}
	if v.License.Identifier != string(out.Identifier) || v.License.Holders[0].Code != citizen || v.License.Fields["category"] != "电工作业" {
		t.Errorf("presented %+v", v.License)
	}
	byCode, err := w.Verifications.VerifyIdentifier(t.Context(), string(out.Identifier), strings.ToLower(out.VerificationCode[:4]+"-"+out.VerificationCode[4:]), "somewhere")
	if err != nil || byCode.Verdict != credential.Valid {
		t.Fatalf("verification by identifier: %+v, %v", byCode, err)
	}
	if h := byCode.License.Holders[0]; h.Name == "样例䶮" || h.Code == citizen || byCode.License.Fields != nil || byCode.License.Number != "" {
		t.Errorf("shown by identifier: %+v", byCode.License)
	}
}

func TestIssueIsIdempotent(t *testing.T) {
	w := newWorld(t)
	first := w.IssueOne(t, "A-1")
	again, err := w.Registry.Issue(t.Context(), issuer, request("A-1"), "A-1")
	if err != nil || !again.Replayed {
		t.Fatalf("repeated: %+v, %v", again, err)
	}
	again.Replayed = false
	if again != first {
		t.Errorf("repeated request: %+v, want %+v", again, first)
	}
	other := request("A-2")
	if _, err := w.Registry.Issue(t.Context(), issuer, other, "A-1"); reason(t, err) != "idempotency_key_reused" {
		t.Errorf("same key, other request: %v", err)
	}
	if _, err := w.Registry.Issue(t.Context(), issuer, other, ""); reason(t, err) != "idempotency_key_missing" {
		t.Errorf("no key: %v", err)
	}
	if _, err := w.Registry.Issue(t.Context(), issuer, other, "a b"); reason(t, err) != "idempotency_key" {
		t.Errorf("bad key: %v", err)
	}
}

func TestIssueRaces(t *testing.T) {
	w := newWorld(t)
	nodes := []*library.Library{w.Library, w.Open(t)}
	var mu sync.Mutex
	ids := map[audit.ID]int{}
	var wg sync.WaitGroup
	for i := range 16 {
		wg.Go(func() {
			out, err := nodes[i%2].Registry.Issue(t.Context(), issuer, request("A-1"), "same")
			if err != nil {
				t.Error(err)
			}
			mu.Lock()
			defer mu.Unlock()
			ids[out.ID]++
		})
	}
	wg.Wait()
	if len(ids) != 1 {
		t.Errorf("one key issued %d licenses", len(ids))
	}
}

func TestTransitionRaces(t *testing.T) {
	w := newWorld(t)
	out := w.IssueOne(t, "A-1")
	nodes := []*library.Library{w.Library, w.Open(t)}
	var wg sync.WaitGroup
	var mu sync.Mutex
	won := 0
	for i := range 16 {
		wg.Go(func() {
			_, err := nodes[i%2].Registry.End(t.Context(), issuer, out.ID, ending(), registry.Terms{})
			if err != nil && reason(t, err) != "already_ended" && reason(t, err) != "changed_meanwhile" {
				t.Errorf("loser: %v", err)
			}
			mu.Lock()
			defer mu.Unlock()
			if err == nil {
				won++
			}
		})
	}
	wg.Wait()
	if won != 1 {
		t.Errorf("%d endings won", won)
	}
}

func TestLifeCycle(t *testing.T) {
	w := newWorld(t)
	ctx := t.Context()
	first := w.IssueOne(t, "A-1")
	status := func(token string, want credential.Result, why string) {
		t.Helper()
		check(t, w.Verifications.Verify(ctx, token), credential.CheckStatus, want, why)
	}
	if _, err := w.Registry.Resume(ctx, issuer, first.ID, registry.ResumeRequest{Reason: "复"}, registry.Terms{}); reason(t, err) != "not_suspended" {
		t.Errorf("resuming an active license: %v", err)
	}
	if _, err := w.Registry.Suspend(ctx, issuer, first.ID, suspension(), registry.Terms{}); err != nil {
		t.Fatal(err)
	}
	status(first.Credential, credential.Fail, "suspended")
	rep := registry.ReplaceRequest{Kind: license.Change, Reason: "改名", Number: "A-1", Holders: request("").Holders,
		ValidFrom: request("").ValidFrom, Fields: json.RawMessage(`{"category":"高处作业"}`)}
	if _, err := w.Registry.Resume(ctx, issuer, first.ID, registry.ResumeRequest{Reason: "发还"}, registry.Terms{}); err != nil {
		t.Fatal(err)
	}
	status(first.Credential, credential.Pass, "in_force")
	second, err := w.Registry.Replace(ctx, issuer, first.ID, rep, registry.Terms{Key: "k2", Revisions: []int64{3}})
	if err != nil || second.Version != 2 || second.ID != first.ID || second.Identifier == first.Identifier {
		t.Fatalf("replacement: %+v, %v", second, err)
	}
	if again, err := w.Registry.Replace(ctx, issuer, first.ID, rep, registry.Terms{Key: "k2", Revisions: []int64{3}}); err != nil || !again.Replayed || again.Identifier != second.Identifier {
		t.Errorf("repeated replacement: %+v, %v", again, err)
	}
	status(first.Credential, credential.Fail, "superseded")
	status(second.Credential, credential.Pass, "in_force")
	if v, _ := w.Verifications.VerifyIdentifier(ctx, string(first.Identifier), first.VerificationCode, "somewhere"); v.Verdict != credential.Invalid || v.License == nil {
		t.Errorf("superseded version by identifier: %+v", v)
	}
	l, err := w.Registry.End(ctx, issuer, first.ID, ending(), registry.Terms{})
	if err != nil || l.State != license.Ended || l.Ending.Kind != license.Cancelled {
		t.Fatalf("ending: %+v, %v", l, err)
	}
	status(second.Credential, credential.Fail, "ended")
	if _, err := w.Registry.End(ctx, issuer, first.ID, ending(), registry.Terms{}); reason(t, err) != "already_ended" {
		t.Errorf("second ending: %v", err)
	}
	rep.Kind, rep.Reason = license.Reinstated, "复议撤销"
	third, err := w.Registry.Replace(ctx, issuer, first.ID, rep, seen(5))
	if err != nil || third.Version != 3 {
		t.Fatalf("reinstated: %+v, %v", third, err)
	}
	status(third.Credential, credential.Pass, "in_force")
	old, err := w.Registry.Read(ctx, issuer, first.ID, 2)
	if err != nil || old.State != license.Ended || old.Ending == nil || old.NewestVersion != 3 {
		t.Errorf("version 2 afterwards: %+v, %v", old, err)
	}
	es, err := w.Registry.History(ctx, issuer, first.ID, 0, 100)
	if err != nil {
		t.Fatal(err)
	}
	var done []string
	for _, e := range es {
		if e.Result == "ok" && e.Action != journal.ActionLicenseRead && e.Action != journal.ActionLicenseHistory {
			done = append(done, string(e.Action))
		}
	}
	want := "license.issue license.suspend license.resume license.replace license.end license.replace"
	if got := strings.Join(done, " "); got != want {
		t.Errorf("history: %s, want %s", got, want)
	}
}

func TestIssueRefuses(t *testing.T) {
	w := newWorld(t)
	w.IssueOne(t, "taken")
	today := party.DateOf(time.Now())
	draft := credential.TypeCode("11100000000013338W033")
	if _, _, err := w.Catalog().Types().Put(t.Context(), cataloguer, draft, definition()); err != nil {
		t.Fatal(err)
	}
	retired := credential.TypeCode("11100000000013338W034")
	w.Publish(t, retired, definition())
	if _, err := w.Catalog().Types().Retire(t.Context(), cataloguer, retired); err != nil {
		t.Fatal(err)
	}
	for _, test := range []struct {
		name   string
		alter  func(*registry.IssueRequest)
		reason string
		at     string
	}{
		{"unknown type", func(q *registry.IssueRequest) { q.TypeCode = "11100000000013338W099" }, "type_unknown", ""},
		{"draft type", func(q *registry.IssueRequest) { q.TypeCode = draft }, "type_unknown", ""},
		{"retired type", func(q *registry.IssueRequest) { q.TypeCode = retired }, "type_retired", ""},
		{"number in use", func(q *registry.IssueRequest) { q.Number = "taken" }, "number_taken", ""},
		{"no number", func(q *registry.IssueRequest) { q.Number = "" }, "length", "/number"},
		{"check digit", func(q *registry.IssueRequest) { q.Holders[0].Code = "110105194912310021" }, "code_check_digit", "/holders/0/code"},
		{"birth date", func(q *registry.IssueRequest) { q.Holders[0].Code = "110105194913310020" }, "code_birth_date", "/holders/0/code"},
		{"role", func(q *registry.IssueRequest) { q.Holders[0].Role = "owner" }, "license_invalid", ""},
		{"no holder", func(q *registry.IssueRequest) { q.Holders = nil }, "role_missing", "/holders"},
		{"holder twice", func(q *registry.IssueRequest) { q.Holders = append(q.Holders, q.Holders[0]) }, "duplicate", "/holders/1"},
		{"code type", func(q *registry.IssueRequest) { q.Holders[0].CodeType = "414" }, "code_type", "/holders/0/code_type"},
		{"name", func(q *registry.IssueRequest) { q.Holders[0].Name = "a\u202eb" }, "name_character", "/holders/0/name"},
		{"period before issue", func(q *registry.IssueRequest) {
			q.ValidFrom, q.ValidUntil = today.AddMonths(-10), today.AddDays(-1)
		}, "period_past", "/valid_until"},
		{"period backwards", func(q *registry.IssueRequest) { q.ValidUntil = q.ValidFrom.AddDays(-1) }, "period_order", "/valid_until"},
		{"period too long", func(q *registry.IssueRequest) { q.ValidUntil = q.ValidFrom.AddMonths(73) }, "period_length", "/valid_until"},
		{"area", func(q *registry.IssueRequest) { q.AreaCode = "43" }, "area_code", "/area_code"},
		{"schema", func(q *registry.IssueRequest) { q.Fields = json.RawMessage(`{"grade":9,"colour":"x"}`) }, "schema_violation", ""},
		{"fields twice", func(q *registry.IssueRequest) { q.Fields = json.RawMessage(`{"category":"a","category":"b"}`) }, "schema_violation", "/fields"},
		{"serial with a citizen number", func(q *registry.IssueRequest) { q.Serial = "A" + citizen }, "serial_citizen_number", "/serial"},
		{"serial in lower case", func(q *registry.IssueRequest) { q.Serial = "abc" }, "identifier_serial", "/serial"},
	} {
		t.Run(test.name, func(t *testing.T) {
			q := request(test.name)
			test.alter(&q)
			_, err := w.Registry.Issue(t.Context(), issuer, q, "key-"+strings.ReplaceAll(test.name, " ", "-"))
			if got := reason(t, err); got != test.reason {
				t.Fatalf("reason %q, want %q (%v)", got, test.reason, err)
			}
			e, _ := errors.AsType[*refusal.Error](err)
			if test.at != "" && (len(e.Violations) == 0 || e.Violations[0].Pointer != test.at) {
				t.Errorf("violations %+v, want one at %s", e.Violations, test.at)
			}
			if text := fmt.Sprint(e, e.Violations); strings.Contains(text, citizen) || strings.Contains(text, "样例䶮") {
				t.Errorf("the refusal echoes a value: %s", text)
			}
		})
	}
	if _, err := w.Registry.Issue(t.Context(), stranger, request("B"), "B"); reason(t, err) != "participant_unknown" {
		t.Errorf("unknown participant: %v", err)
	}
}

func TestStrangerSeesNothing(t *testing.T) {
	w := newWorld(t)
	out := w.IssueOne(t, "A-1")
	ctx := t.Context()
	calls := map[string]func() error{
		"read":       func() error { _, err := w.Registry.Read(ctx, stranger, out.ID, 0); return err },
		"credential": func() error { _, err := w.Registry.Credential(ctx, stranger, out.ID, 0); return err },
		"history":    func() error { _, err := w.Registry.History(ctx, stranger, out.ID, 0, 10); return err },
		"suspend": func() error {
			_, err := w.Registry.Suspend(ctx, stranger, out.ID, suspension(), registry.Terms{})
			return err
		},
		"end": func() error { _, err := w.Registry.End(ctx, stranger, out.ID, ending(), registry.Terms{}); return err },
	}
	for name, call := range calls {
		if got := reason(t, call()); got != "license_unknown" {
			t.Errorf("%s: %s", name, got)
		}
	}
	found, err := w.Registry.Search(ctx, stranger, registry.SearchRequest{Identifier: string(out.Identifier)})
	if err != nil || len(found.Licenses) != 0 {
		t.Errorf("search: %+v, %v", found, err)
	}
	refused := 0
	for _, e := range w.Events(t, out.ID) {
		if e.Client == stranger.Client && e.Result == "license_unknown" {
			refused++
		}
	}
	if refused != len(calls) {
		t.Errorf("%d refusals in the history, want %d", refused, len(calls))
	}
}

func TestSearch(t *testing.T) {
	w := newWorld(t)
	ctx := t.Context()
	var all []registry.Issued
	for i := range 5 {
		all = append(all, w.IssueOne(t, fmt.Sprint("N-", i)))
	}
	for name, q := range map[string]registry.SearchRequest{
		"identifier": {Identifier: string(all[3].Identifier)},
		"number":     {Number: "N-3", TypeCode: typeCode},
	} {
		found, err := w.Registry.Search(ctx, issuer, q)
		if err != nil || len(found.Licenses) != 1 || found.Licenses[0].ID != all[3].ID {
			t.Errorf("%s: %+v, %v", name, found, err)
		}
	}
	q := registry.SearchRequest{Holder: &party.Code{Type: party.Citizen, Value: citizen}, Limit: 2}
	var seen []audit.ID
	for {
		page, err := w.Registry.Search(ctx, issuer, q)
		if err != nil {
			t.Fatal(err)
		}
		for _, l := range page.Licenses {
			seen = append(seen, l.ID)
		}
		if page.NextCursor == "" {
			break
		}
		q.Cursor = page.NextCursor
	}
	if len(seen) != 5 || seen[0] != all[4].ID || seen[4] != all[0].ID {
		t.Errorf("by holder, page by page: %v", seen)
	}
	if _, err := w.Registry.Search(ctx, issuer, registry.SearchRequest{Cursor: "x"}); reason(t, err) != "cursor" {
		t.Errorf("bad cursor: %v", err)
	}
}

func TestTypesHaveOneOwner(t *testing.T) {
	w := newWorld(t)
	ctx := t.Context()
	if _, _, err := w.Catalog().Types().Put(ctx, issuer, typeCode, definition()); reason(t, err) != "type_owner" {
		t.Errorf("another's type: %v", err)
	}
	d := definition()
	d.Name = "样例二版"
	t2, created, err := w.Catalog().Types().Put(ctx, cataloguer, typeCode, d)
	if err != nil || created || t2.Version != 2 || t2.State != entry.Draft {
		t.Fatalf("second version: %+v %v %v", t2, created, err)
	}
	first := w.IssueOne(t, "v1")
	if _, err := w.Catalog().Types().Publish(ctx, cataloguer, typeCode); err != nil {
		t.Fatal(err)
	}
	if _, err := w.Catalog().Types().Publish(ctx, cataloguer, typeCode); reason(t, err) != "type_not_draft" {
		t.Errorf("publishing twice: %v", err)
	}
	l, err := w.Registry.Read(ctx, issuer, first.ID, 0)
	if err != nil || l.TypeVersion != 1 || l.TypeName != "样例特种作业操作证" {
		t.Errorf("bound to %d %s, %v", l.TypeVersion, l.TypeName, err)
	}
	if l, err = w.Registry.Read(ctx, issuer, w.IssueOne(t, "v2").ID, 0); err != nil || l.TypeVersion != 2 {
		t.Errorf("issued under %d, %v", l.TypeVersion, err)
	}
	bad := definition()
	bad.Authorities, bad.Sensitive = nil, []string{"colour"}
	if _, _, err := w.Catalog().Types().Put(ctx, cataloguer, "11100000000013338W035", bad); reason(t, err) != "type_invalid" {
		t.Errorf("bad definition: %v", err)
	}
}

func TestPublicURLIsBound(t *testing.T) {
	w := newWorld(t)
	_, err := library.New(t.Context(), library.Config{
		Stores: w.DB.Licenses(), Journal: w.DB.Journal(), Keyrings: w.In.Keyrings(), Vault: w.In.Vault(), Anchors: w.In.Anchors(),
		PublicURL: "https://elsewhere.example", AuthorityName: func(context.Context, party.USCC) (string, error) { return "", nil },
	})
	if _, ok := errors.AsType[*library.PublicURLError](err); !ok {
		t.Errorf("another public URL: %v", err)
	}
}
