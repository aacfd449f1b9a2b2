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
	"yizheng.internal/license/credential"
	"yizheng.internal/license/library"
	"yizheng.internal/license/party"
	"yizheng.internal/license/refusal"
	"yizheng.internal/license/registry"
)

// replacing returns an acceptable replacement of a license that request(number) made.
func replacing(kind license.ReplaceKind, number string) registry.ReplaceRequest {
	q := request(number)
	return registry.ReplaceRequest{
		Kind: kind, Reason: "样例", Number: number, Holders: q.Holders, ValidFrom: q.ValidFrom, ValidUntil: q.ValidUntil, Fields: q.Fields,
	}
}

// A department that the type's newest version doesn't name any more puts nothing
// in force, whichever version the license is bound to.
func TestMandateIsOfNow(t *testing.T) {
	w := newWorld(t)
	ctx := t.Context()
	active, suspended, ended := w.IssueOne(t, "A-1"), w.IssueOne(t, "A-2"), w.IssueOne(t, "A-3")
	w.Suspend(t, suspended.ID)
	if _, err := w.Registry.End(ctx, issuer, ended.ID, ending(), registry.Terms{}); err != nil {
		t.Fatal(err)
	}
	d := definition()
	d.Authorities = []party.USCC{otherDept}
	w.Publish(t, typeCode, d)
	refused := func(name string, err error) {
		t.Helper()
		if reason(t, err) != "mandate" {
			t.Errorf("%s: %v", name, err)
		}
	}
	for _, kind := range []license.ReplaceKind{license.Change, license.Renewal, license.Correction} {
		_, err := w.Registry.Replace(ctx, issuer, active.ID, replacing(kind, "A-1"), seen(1))
		refused(string(kind), err)
		_, err = w.Registry.Replace(ctx, issuer, suspended.ID, replacing(kind, "A-2"), seen(2))
		refused(string(kind)+" of a suspended license", err)
	}
	_, err := w.Registry.Replace(ctx, issuer, ended.ID, replacing(license.Reinstated, "A-3"), seen(2))
	refused("reinstating", err)
	_, err = w.Registry.Resume(ctx, issuer, suspended.ID, registry.ResumeRequest{Reason: "发还"}, registry.Terms{})
	refused("resuming", err)
	// Nobody else could take its licenses out of force.
	w.Suspend(t, active.ID)
	if _, err := w.Registry.End(ctx, issuer, suspended.ID, ending(), registry.Terms{}); err != nil {
		t.Errorf("ending: %v", err)
	}
	// A draft decides nothing yet; nor does retiring take a mandate.
	w.Publish(t, typeCode, definition())
	if _, _, err := w.Catalog().Types().Put(ctx, cataloguer, typeCode, d); err != nil {
		t.Fatal(err)
	}
	if _, err := w.Catalog().Types().Retire(ctx, cataloguer, typeCode); err != nil {
		t.Fatal(err)
	}
	if _, err := w.Registry.Replace(ctx, issuer, active.ID, replacing(license.Correction, "A-1"), seen(2)); err != nil {
		t.Errorf("correcting a license of a retired type: %v", err)
	}
}

func TestSubjectStays(t *testing.T) {
	w := newWorld(t)
	ctx := t.Context()
	keeper := credential.Holder{Name: "样例保管", CodeType: party.Citizen, Code: spouse, Role: "keeper"}
	out := w.IssueTo(t, "A-1", func(q *registry.IssueRequest) { q.Holders = append(q.Holders, keeper) })
	ended := w.IssueOne(t, "A-2")
	if _, err := w.Registry.End(ctx, issuer, ended.ID, ending(), registry.Terms{}); err != nil {
		t.Fatal(err)
	}
	another := []credential.Holder{{Name: "样例配偶", CodeType: party.Citizen, Code: spouse, Role: "holder"}}
	for name, holders := range map[string][]credential.Holder{
		"another": another, "one more": append(request("").Holders, another...),
	} {
		for _, kind := range []license.ReplaceKind{license.Change, license.Correction, license.Renewal} {
			q := replacing(kind, "A-1")
			q.Holders = holders
			if _, err := w.Registry.Replace(ctx, issuer, out.ID, q, seen(1)); reason(t, err) != "subject_changed" {
				t.Errorf("%s by %s: %v", name, kind, err)
			}
		}
	}
	q := replacing(license.Reinstated, "A-2")
	q.Holders = another
	if _, err := w.Registry.Replace(ctx, issuer, ended.ID, q, seen(2)); reason(t, err) != "subject_changed" {
		t.Errorf("another by reinstating: %v", err)
	}
	// A name, the way a code is written, and whoever holds a replaceable role may change.
	q = replacing(license.Change, "A-1")
	q.Holders[0].Name, q.Holders[0].Code = "样例新名", strings.ToLower(" "+citizen)
	if _, err := w.Registry.Replace(ctx, issuer, out.ID, q, seen(1)); err != nil {
		t.Errorf("another name, no keeper: %v", err)
	}
	// Of two holders none may leave.
	two := w.IssueTo(t, "A-3", func(q *registry.IssueRequest) { q.Holders = append(q.Holders, another...) })
	if _, err := w.Registry.Replace(ctx, issuer, two.ID, replacing(license.Change, "A-3"), seen(1)); reason(t, err) != "subject_changed" {
		t.Errorf("one of two leaves: %v", err)
	}
}

func TestSuspendedChangesAndStaysSuspended(t *testing.T) {
	w := newWorld(t)
	ctx := t.Context()
	out := w.IssueOne(t, "A-1")
	if _, err := w.Registry.Suspend(ctx, issuer, out.ID, registry.SuspendRequest{Reason: "暂扣"}, registry.Terms{}); reason(t, err) != "request_invalid" {
		t.Errorf("suspended without a document: %v", err)
	}
	w.Suspend(t, out.ID)
	next, err := w.Registry.Replace(ctx, issuer, out.ID, replacing(license.Correction, "A-1"), seen(2))
	if err != nil || next.State != license.Suspended || next.Revision != 3 {
		t.Fatalf("corrected: %+v, %v", next, err)
	}
	check(t, w.Verifications.Verify(ctx, next.Credential), credential.CheckStatus, credential.Fail, "suspended")
	check(t, w.Verifications.Verify(ctx, out.Credential), credential.CheckStatus, credential.Fail, "superseded")
	l, err := w.Registry.Read(ctx, issuer, out.ID, 0)
	if err != nil || l.State != license.Suspended || l.Suspension == nil || l.Suspension.Document != suspension().Document {
		t.Fatalf("read: %+v, %v", l, err)
	}
	resumed, err := w.Registry.Resume(ctx, issuer, out.ID, registry.ResumeRequest{Reason: "发还"}, registry.Terms{})
	if err != nil || resumed.Suspension != nil {
		t.Fatalf("resumed: %+v, %v", resumed, err)
	}
	check(t, w.Verifications.Verify(ctx, next.Credential), credential.CheckStatus, credential.Pass, "in_force")
}

// A change is made of the revision that its caller saw, or not at all.
func TestNoUpdateIsLost(t *testing.T) {
	w := newWorld(t)
	ctx := t.Context()
	out := w.IssueOne(t, "A-1")
	if out.Revision != 1 {
		t.Errorf("issued as revision %d", out.Revision)
	}
	if _, err := w.Registry.Replace(ctx, issuer, out.ID, replacing(license.Change, "A-1"), registry.Terms{}); reason(t, err) != "if_match_missing" {
		t.Errorf("replaced blindly: %v", err)
	}
	if _, err := w.Registry.Replace(ctx, stranger, out.ID, replacing(license.Change, "A-1"), registry.Terms{}); reason(t, err) != "license_unknown" {
		t.Errorf("a stranger learned that there is a license: %v", err)
	}
	w.Suspend(t, out.ID)
	for name, err := range map[string]error{
		"replace": lastOf(w.Registry.Replace(ctx, issuer, out.ID, replacing(license.Change, "A-1"), seen(1))),
		"resume":  lastOf(w.Registry.Resume(ctx, issuer, out.ID, registry.ResumeRequest{Reason: "x"}, seen(1))),
		"end":     lastOf(w.Registry.End(ctx, issuer, out.ID, ending(), seen(1))),
		"suspend": lastOf(w.Registry.Suspend(ctx, issuer, out.ID, suspension(), seen(1))),
	} {
		e, _ := errors.AsType[*refusal.Error](err)
		if e == nil || e.Reason != "revision_mismatch" || e.Kind != refusal.KindChanged {
			t.Errorf("%s of what was changed meanwhile: %v", name, err)
		}
	}
	// Of callers that saw the same, one wins, on two nodes too.
	nodes := []*library.Library{w.Library, w.Open(t)}
	var wg sync.WaitGroup
	errs := make([]error, 8)
	for i := range errs {
		wg.Go(func() {
			_, errs[i] = nodes[i%2].Registry.Replace(ctx, issuer, out.ID, replacing(license.Change, "A-1"), seen(2))
		})
	}
	wg.Wait()
	won := 0
	for _, err := range errs {
		if err == nil {
			won++
		} else if reason(t, err) != "revision_mismatch" {
			t.Errorf("a loser: %v", err)
		}
	}
	if won != 1 {
		t.Errorf("%d replacements won", won)
	}
}

func lastOf[T any](_ T, err error) error { return err }

// Every change is made once, however often it is asked for with its key.
func TestChangesAreIdempotent(t *testing.T) {
	w := newWorld(t)
	ctx := t.Context()
	out := w.IssueOne(t, "A-1")
	on := func(key string) registry.Terms { return registry.Terms{Key: key} }
	first, err := w.Registry.Suspend(ctx, issuer, out.ID, suspension(), on("s"))
	if err != nil || first.Replayed || first.Revision != 2 {
		t.Fatalf("suspended: %+v, %v", first, err)
	}
	resumed, err := w.Registry.Resume(ctx, issuer, out.ID, registry.ResumeRequest{Reason: "发还"}, on("r"))
	if err != nil {
		t.Fatal(err)
	}
	again, err := w.Registry.Suspend(ctx, issuer, out.ID, suspension(), registry.Terms{Key: "s", Revisions: []int64{1}})
	if err != nil || !again.Replayed || text(t, again.License) != text(t, first.License) {
		t.Errorf("suspended again:\n%s\n%s\n%v", text(t, again.License), text(t, first.License), err)
	}
	if now, err := w.Registry.Read(ctx, issuer, out.ID, 0); err != nil || now.State != license.Active || now.Revision != 3 {
		t.Errorf("afterwards it is %+v, %v", now, err)
	}
	if again, err = w.Registry.Resume(ctx, issuer, out.ID, registry.ResumeRequest{Reason: "发还"}, on("r")); err != nil || !again.Replayed || text(t, again.License) != text(t, resumed.License) {
		t.Errorf("resumed again: %+v, %v", again, err)
	}
	if _, err := w.Registry.Resume(ctx, issuer, out.ID, registry.ResumeRequest{Reason: "x"}, on("s")); reason(t, err) != "idempotency_key_reused" {
		t.Errorf("another change by the same key: %v", err)
	}
	ended, err := w.Registry.End(ctx, issuer, out.ID, ending(), on("e"))
	if err != nil {
		t.Fatal(err)
	}
	if again, err = w.Registry.End(ctx, issuer, out.ID, ending(), on("e")); err != nil || !again.Replayed || text(t, again.License) != text(t, ended.License) {
		t.Errorf("ended again: %+v, %v", again, err)
	}
	// Sixteen at once are one, though all but one find it done.
	other := w.IssueOne(t, "A-2")
	nodes := []*library.Library{w.Library, w.Open(t)}
	var wg sync.WaitGroup
	for i := range 16 {
		wg.Go(func() {
			c, err := nodes[i%2].Registry.Suspend(ctx, issuer, other.ID, suspension(), registry.Terms{Key: "many", Revisions: []int64{1}})
			if err != nil || c.State != license.Suspended || c.Revision != 2 {
				t.Errorf("one of many: %+v, %v", c, err)
			}
			n, err := nodes[i%2].Registry.Replace(ctx, issuer, other.ID, replacing(license.Change, "A-2"), registry.Terms{Key: "many-too", Revisions: []int64{2}})
			if err != nil || n.Version != 2 || n.Revision != 3 {
				t.Errorf("one of many replacements: %+v, %v", n, err)
			}
		})
	}
	wg.Wait()
}

func text(t testing.TB, v any) string {
	t.Helper()
	b, err := json.Marshal(v)
	if err != nil {
		t.Fatal(err)
	}
	return string(b)
}

// issueAs issues a license under an idempotency key of its own.
func issueAs(t testing.TB, w *world, number, key string) registry.Issued {
	t.Helper()
	out, err := w.Registry.Issue(t.Context(), issuer, request(number), strings.ReplaceAll(key, " ", "-"))
	if err != nil {
		t.Fatal(err)
	}
	return out
}

// A number belongs to the license whose current version has it.
func TestNumbersOfCurrentVersions(t *testing.T) {
	w := newWorld(t)
	ctx := t.Context()
	taken := func(name, number string) {
		t.Helper()
		if _, err := w.Registry.Issue(ctx, issuer, request(number), "try-"+name); reason(t, err) != "number_taken" {
			t.Errorf("%s: %v", name, err)
		}
	}
	mistyped := w.IssueOne(t, "U-2")
	if _, err := w.Registry.Replace(ctx, issuer, mistyped.ID, replacing(license.Correction, "U-1"), seen(1)); err != nil {
		t.Fatal(err)
	}
	rightful := issueAs(t, w, "U-2", "rightful")
	taken("corrected", "U-1")
	taken("rightful", "U-2")
	if _, err := w.Registry.Replace(ctx, issuer, mistyped.ID, replacing(license.Correction, "U-2"), seen(2)); reason(t, err) != "number_taken" {
		t.Errorf("back to the mistyped number: %v", err)
	}
	found, err := w.Registry.Search(ctx, issuer, registry.SearchRequest{Number: "U-2", TypeCode: typeCode})
	if err != nil || len(found.Licenses) != 2 {
		t.Errorf("by a former number: %+v, %v", found, err)
	}
	// What has ended keeps nobody from its number; reinstated, it needs a free one.
	if _, err := w.Registry.End(ctx, issuer, rightful.ID, ending(), registry.Terms{}); err != nil {
		t.Fatal(err)
	}
	issueAs(t, w, "U-2", "after the end")
	if _, err := w.Registry.Replace(ctx, issuer, rightful.ID, replacing(license.Reinstated, "U-2"), seen(2)); reason(t, err) != "number_taken" {
		t.Errorf("reinstated with another's number: %v", err)
	}
	if _, err := w.Registry.Replace(ctx, issuer, rightful.ID, replacing(license.Reinstated, "U-3"), seen(2)); err != nil {
		t.Errorf("reinstated with another number: %v", err)
	}
	w.Suspend(t, mistyped.ID)
	taken("suspended", "U-1")
}

func TestNumbersAreFolded(t *testing.T) {
	w := newWorld(t)
	ctx := t.Context()
	issueAs(t, w, "样〔2026〕u-1号", "first")
	for i, same := range []string{
		"样〔2026〕U-1号", "样〔2026〕Ｕ-1号", "样[2026]u－1号", "样（2026）u-1号", "样〔2026〕 U-1 号", "样〔2026〕\u3000U-1号", "样〔２０２６〕u–1号",
	} {
		if _, err := w.Registry.Issue(ctx, issuer, request(same), "try-"+string(rune('a'+i))); reason(t, err) != "number_taken" {
			t.Errorf("%q: %v", same, err)
		}
		found, err := w.Registry.Search(ctx, issuer, registry.SearchRequest{Number: same, TypeCode: typeCode})
		if err != nil || len(found.Licenses) != 1 {
			t.Errorf("by %q: %+v, %v", same, found, err)
		}
	}
	for _, other := range []string{"样〔2026〕u1号", "样〔2026〕u-11号", "样〔2026〕u-1", "样〔2026〕u.1号"} {
		issueAs(t, w, other, fmt.Sprintf("%x", other))
	}
	l, err := w.Registry.Search(ctx, issuer, registry.SearchRequest{Number: "样〔2026〕U-1号", TypeCode: typeCode})
	if err != nil || len(l.Licenses) != 1 {
		t.Fatalf("%+v, %v", l, err)
	}
	read, err := w.Registry.Read(ctx, issuer, l.Licenses[0].ID, 0)
	if err != nil || read.Number != "样〔2026〕u-1号" {
		t.Errorf("the number as it is written: %q, %v", read.Number, err)
	}
}

// writtenNumbers are stores that keep numbers as they were kept before they were
// folded: under keys of the number as it is written, and never former.
type writtenNumbers struct {
	library.Stores
	w      *world
	number *string
}

func (s writtenNumbers) Save(ctx context.Context, q license.SaveRequest) error {
	var rows []license.LookupRow
	for _, row := range q.Lookups {
		switch {
		case row.Kind == license.LookupNumber && row.Former:
			continue
		case row.Kind == license.LookupNumber:
			keys, err := s.w.In.Vault().Lookups(ctx, "license.number", string(typeCode), authority, *s.number)
			if err != nil {
				return err
			}
			row.Keys = keys
		}
		rows = append(rows, row)
	}
	q.Lookups = rows
	return s.Stores.Save(ctx, q)
}

// ClaimSetting claims nothing of what older programs knew nothing of.
func (s writtenNumbers) ClaimSetting(ctx context.Context, name, value string) (string, error) {
	if name == "license_numbers" {
		return value, nil
	}
	return s.Stores.ClaimSetting(ctx, name, value)
}

// A database of before numbers were folded is brought up to date by Rehash.
func TestRehashFoldsNumbers(t *testing.T) {
	w := newWorld(t)
	ctx := t.Context()
	number := ""
	old := w.OpenOn(t, writtenNumbers{w.DB.Licenses(), w, &number}, nil)
	issue := func(as string) registry.Issued {
		t.Helper()
		number = as
		out, err := old.Registry.Issue(ctx, issuer, request(as), fmt.Sprintf("old-%x", as))
		if err != nil {
			t.Fatal(err)
		}
		return out
	}
	lower, _ := issue("u-1"), issue("Ｕ-1")
	mistyped := issue("M-22")
	number = "M-333"
	if _, err := old.Registry.Replace(ctx, issuer, mistyped.ID, replacing(license.Correction, number), seen(1)); err != nil {
		t.Fatal(err)
	}
	gone := issue("G-4444")
	if _, err := old.Registry.End(ctx, issuer, gone.ID, ending(), registry.Terms{}); err != nil {
		t.Fatal(err)
	}

	r := w.Open(t)
	// The world's own start, on an empty database, claimed the setting; older programs had none.
	if err := w.DB.Licenses().ReplaceSetting(ctx, "license_numbers", "folded", "written"); err != nil {
		t.Fatal(err)
	}
	if folded, err := r.Lookups.NumbersFolded(ctx); err != nil || folded {
		t.Fatalf("folded: %t, %v", folded, err)
	}
	if found, err := r.Registry.Search(ctx, issuer, registry.SearchRequest{Number: "u-1", TypeCode: typeCode}); err != nil || len(found.Licenses) != 1 || found.Licenses[0].ID != lower.ID {
		t.Errorf("as it was written, before: %+v, %v", found, err)
	}
	if err := r.Rehash(ctx, nil); err != nil {
		t.Fatal(err)
	}
	if folded, err := r.Lookups.NumbersFolded(ctx); err != nil || !folded {
		t.Errorf("folded: %t, %v", folded, err)
	}
	found, err := r.Registry.Search(ctx, issuer, registry.SearchRequest{Number: "U-1", TypeCode: typeCode})
	if err != nil || len(found.Licenses) != 2 {
		t.Errorf("folded: %+v, %v", found, err)
	}
	for _, taken := range []string{"U-1", "m-333"} {
		if _, err := r.Registry.Issue(ctx, issuer, request(taken), "new-"+taken); reason(t, err) != "number_taken" {
			t.Errorf("%s: %v", taken, err)
		}
	}
	for _, free := range []string{"M-22", "g-4444"} {
		if _, err := r.Registry.Issue(ctx, issuer, request(free), "new-"+free); err != nil {
			t.Errorf("%s: %v", free, err)
		}
	}
	if err := r.Rehash(ctx, nil); err != nil {
		t.Errorf("once more: %v", err)
	}
}

func TestNewDatabasesFoldNumbers(t *testing.T) {
	w := newWorld(t)
	if folded, err := w.Lookups.NumbersFolded(t.Context()); err != nil || !folded {
		t.Errorf("folded: %t, %v", folded, err)
	}
}

// Dates that can't be meant.
func TestDatesThatCanNotBe(t *testing.T) {
	w := newWorld(t)
	d := definition()
	d.Validity.MaxMonths = 0
	w.Publish(t, typeCode, d)
	today := party.DateOf(time.Now())
	at := func(s string) party.Date {
		d, err := party.ParseDate(s)
		if err != nil {
			t.Fatal(err)
		}
		return d
	}
	for name, test := range map[string]struct {
		alter      func(*registry.IssueRequest)
		reason, at string
	}{
		"year 1":           {func(q *registry.IssueRequest) { q.ValidFrom = at("0001-01-01") }, "period_early", "/valid_from"},
		"19th century":     {func(q *registry.IssueRequest) { q.ValidFrom = at("1899-12-31") }, "period_early", "/valid_from"},
		"far ahead":        {func(q *registry.IssueRequest) { q.ValidFrom, q.ValidUntil = today.AddMonths(121), today.AddMonths(122) }, "period_late", "/valid_from"},
		"9999 for ever":    {func(q *registry.IssueRequest) { q.ValidUntil = at("9999-12-31") }, "period_length", "/valid_until"},
		"born in 2099":     {func(q *registry.IssueRequest) { q.Holders[0].Code = "110105209912310029" }, "code_birth_date", "/holders/0/code"},
		"document in 1066": {nil, "date", "/document/date"},
	} {
		q := request("d-" + strings.ReplaceAll(name, " ", "-"))
		var err error
		if test.alter != nil {
			test.alter(&q)
			_, err = w.Registry.Issue(t.Context(), issuer, q, q.Number)
		} else {
			s := suspension()
			s.Document.Date = at("1066-10-14")
			_, err = w.Registry.Suspend(t.Context(), issuer, w.IssueOne(t, q.Number).ID, s, registry.Terms{})
		}
		e, ok := errors.AsType[*refusal.Error](err)
		if !ok || string(e.Reason) != test.reason || len(e.Violations) == 0 || e.Violations[0].Pointer != test.at {
			t.Errorf("%s: %v", name, err)
		}
	}
}
