package api

import (
	"slices"
	"strings"
	"sync"
	"testing"

	"yizheng.internal/oidc/identity"
	"yizheng.internal/oidc/identity/intake"
	"yizheng.internal/oidc/identity/registrar"
	"yizheng.internal/signing/journal"
)

// change asks for a change of a person, by the revision in an ETag.
func (x *registry) change(t *testing.T, c *clientOfTest, id, verb, tag string, body any) answer {
	t.Helper()
	if tag == "" {
		return x.call(t, c, "POST", peoplePath+"/"+id+"/"+verb, body)
	}
	return x.call(t, c, "POST", peoplePath+"/"+id+"/"+verb, body, "If-Match", tag)
}

func levelBody(level int) object { return object{"level": level, "evidence": "样例核验单 12 号"} }

func TestChangeLevel(t *testing.T) {
	t.Parallel()
	x := newRegistry(t, serviceConfig{})
	mine := x.take(t, "portal", "1", "张样例", portalPerson)
	done := x.change(t, x.portal, mine, "level", `"1"`, levelBody(2)).want(t, 200, "")
	if !strings.Contains(done.body, `"level":2`) || done.Header.Get("ETag") != `"2"` {
		t.Errorf("answered %s, %s", done.body, done.Header.Get("ETag"))
	}
	a, err := x.people.Account(t.Context(), mine)
	if err != nil || a.Proofing.Method != identity.MethodAuthority || a.Proofing.Source != "portal" || a.Proofing.Evidence != "样例核验单 12 号" || a.Source != "portal" {
		t.Errorf("the account is %+v, %v", a, err)
	}
	x.change(t, x.portal, mine, "level", `"2"`, levelBody(1)).want(t, 200, "")
	for level, status := range map[int]int{0: 422, 4: 422, -1: 422, 3: 403} {
		x.change(t, x.portal, mine, "level", `"3"`, levelBody(level)).want(t, status, "")
	}
	for _, on := range []string{"", " ", strings.Repeat("样", 201), "a\u0000b"} {
		x.change(t, x.portal, mine, "level", `"3"`, object{"level": 2, "evidence": on}).want(t, 422, "evidence_invalid")
	}
	// The operator lowers the source: what was is kept, and no more is given.
	_, err = x.people.Intake.PutSource(t.Context(), "cli", intake.Source{Name: "portal", Level: 1})
	mustOf(t)(err)
	x.change(t, x.portal, mine, "level", `"3"`, levelBody(2)).want(t, 403, "level_too_high")
	if got := x.acted(t, x.portal, journal.ActionPersonLevel); len(got) < 8 || got[0] != "ok "+mine || got[1] != "ok "+mine || slices.ContainsFunc(got[2:], func(s string) bool { return strings.HasPrefix(s, "ok ") }) {
		t.Errorf("events: %q", got)
	}
}

// Somebody whom an authority disables is logged out, and comes in again when it enables them; whom an
// operator disabled, it doesn't enable.
func TestDisablePeople(t *testing.T) {
	t.Parallel()
	x := newRegistry(t, serviceConfig{})
	mine := x.take(t, "portal", "1", "张样例", portalPerson)
	standing := func() identity.Standing {
		t.Helper()
		a, err := x.people.Account(t.Context(), mine)
		mustOf(t)(err)
		return a.Standing()
	}
	if a := x.change(t, x.portal, mine, "disable", `"1"`, nil).want(t, 200, ""); !strings.Contains(a.body, `"disabled":true`) {
		t.Errorf("disabled: %s", a.body)
	}
	if s := standing(); !s.Disabled || s.Barred.IsZero() {
		t.Errorf("standing %+v", s)
	}
	x.change(t, x.portal, mine, "enable", `"2"`, nil).want(t, 200, "")
	if s := standing(); s.Disabled || s.Barred.IsZero() {
		t.Errorf("standing %+v", s)
	}
	// An operator disables after the authority, or before it.
	x.change(t, x.portal, mine, "disable", `"3"`, nil).want(t, 200, "")
	operate := func(disabled bool) {
		t.Helper()
		_, err := x.people.Change(t.Context(), mine, func(a *identity.Account) error { a.Disable(disabled, ""); return nil })
		mustOf(t)(err)
	}
	operate(true)
	x.change(t, x.portal, mine, "enable", `"5"`, nil).want(t, 409, "disabled_by_operator")
	x.change(t, x.portal, mine, "disable", `"5"`, nil).want(t, 200, "")
	x.change(t, x.portal, mine, "enable", `"6"`, nil).want(t, 409, "disabled_by_operator")
	operate(false)
	x.change(t, x.portal, mine, "disable", `"7"`, nil).want(t, 200, "")
	x.change(t, x.portal, mine, "enable", `"8"`, `{"x":1}`).want(t, 400, "body_unexpected")
	x.change(t, x.portal, mine, "enable", `"8"`, nil).want(t, 200, "")
	if got := x.acted(t, x.portal, journal.ActionAccountDisable); len(got) != 4 || got[0] != "ok "+mine {
		t.Errorf("events: %q", got)
	}
}

// A client of another source changes nobody, and isn't told who is there.
func TestAttackForeignPerson(t *testing.T) {
	t.Parallel()
	x := newRegistry(t, serviceConfig{})
	other := x.take(t, "clinic", "1", "李样例", clinicPerson)
	for _, verb := range []string{"level", "disable", "enable"} {
		var body any
		if verb == "level" {
			body = levelBody(1)
		}
		a := x.change(t, x.portal, other, verb, `"1"`, body).want(t, 404, "person_unknown")
		b := x.change(t, x.portal, identity.NewID(), verb, `"1"`, body).want(t, 404, "person_unknown")
		if strings.ReplaceAll(a.body, a.member("request_id"), "") != strings.ReplaceAll(b.body, b.member("request_id"), "") {
			t.Errorf("%s: %s and %s", verb, a.body, b.body)
		}
		x.change(t, x.portal, other, verb, `"7"`, body).want(t, 404, "person_unknown") // of no revision either
		x.change(t, x.reader, other, verb, `"1"`, body).want(t, 403, "insufficient_scope")
		x.change(t, nil, other, verb, `"1"`, body).want(t, 401, "invalid_token")
	}
	if a, err := x.people.Account(t.Context(), other); err != nil || a.Revision != 1 {
		t.Errorf("the account is %+v, %v", a, err)
	}
}

// A change goes by the revision that was read: replayed, late or in a race, it isn't made twice.
func TestAttackStalePerson(t *testing.T) {
	t.Parallel()
	x := newRegistry(t, serviceConfig{})
	mine := x.take(t, "portal", "1", "张样例", portalPerson)
	x.change(t, x.portal, mine, "disable", "", nil).want(t, 428, "if_match_missing")
	x.change(t, x.portal, mine, "disable", "*", nil).want(t, 428, "if_match_missing")
	x.change(t, x.portal, mine, "disable", "1", nil).want(t, 400, "if_match")
	x.change(t, x.portal, mine, "disable", `W/"1"`, nil).want(t, 412, "revision_mismatch")
	x.change(t, x.portal, mine, "disable", `"2"`, nil).want(t, 412, "revision_mismatch")
	x.change(t, x.portal, mine, "level", `"1"`, levelBody(2)).want(t, 200, "")
	x.change(t, x.portal, mine, "level", `"1"`, levelBody(2)).want(t, 412, "revision_mismatch")

	all := map[string]int{}
	var mu sync.Mutex
	var wait sync.WaitGroup
	for range 12 {
		wait.Go(func() {
			a := x.change(t, x.portal, mine, "disable", `"2"`, nil)
			mu.Lock()
			defer mu.Unlock()
			all[a.Status[:3]+a.member("reason")]++
		})
	}
	wait.Wait()
	if all["200"] != 1 || all["412revision_mismatch"] != 11 {
		t.Errorf("a race: %v", all)
	}
}

// Who can write the database, and has no keys, doesn't raise anybody's level, and makes nobody another
// source's.
func TestAttackAlteredPerson(t *testing.T) {
	t.Parallel()
	x := newRegistry(t, serviceConfig{})
	mine := x.take(t, "portal", "1", "张样例", portalPerson)
	other := x.take(t, "clinic", "1", "李样例", clinicPerson)
	a, err := x.db.Provider().LoadAccount(t.Context(), mine)
	mustOf(t)(err)
	b, err := x.db.Provider().LoadAccount(t.Context(), other)
	mustOf(t)(err)
	x.change(t, x.portal, mine, "level", `"1"`, levelBody(2)).want(t, 200, "")
	a.Revision = 2 // the record from before is put back
	mustOf(t)(x.db.Provider().UpdateAccount(t.Context(), a))
	x.find(t, x.portal, portalPerson).want(t, 500, "")
	b.Body = a.Body // and another's is put in place of one
	mustOf(t)(x.db.Provider().UpdateAccount(t.Context(), b))
	x.find(t, x.portal, clinicPerson).want(t, 500, "")
	x.find(t, x.clinic, clinicPerson).want(t, 500, "")
}

// An account that is closed stays closed: nobody logs in, nobody changes it, nobody makes another by the
// same number; an operator undoes a mistake.
func TestClosePeople(t *testing.T) {
	t.Parallel()
	x := newRegistry(t, serviceConfig{})
	made := x.bring(t, x.portal, newPerson("1", "张样例", portalPerson, "phone", "13800138000", "login_name", "zhang.portal")).want(t, 201, "")
	mine := made.member("id")
	closing := func(kind, on string) object { return object{"kind": kind, "on": on, "evidence": "死亡医学证明"} }
	x.change(t, x.portal, mine, "close", `"1"`, closing("gone", "2026-01-02")).want(t, 422, "kind_invalid")
	x.change(t, x.portal, mine, "close", `"1"`, closing("closed", "2999-01-02")).want(t, 422, "day_invalid")
	x.change(t, x.portal, mine, "close", `"1"`, object{"kind": "closed", "evidence": "x"}).want(t, 422, "day_invalid")
	x.change(t, x.portal, mine, "close", `"1"`, object{"kind": "closed", "on": "2026-01-02", "evidence": ""}).want(t, 422, "evidence_invalid")
	x.change(t, x.clinic, mine, "close", `"1"`, closing("closed", "2026-01-02")).want(t, 404, "person_unknown")
	a := x.change(t, x.portal, mine, "close", `"1"`, closing("deceased", "2026-01-02")).want(t, 200, "")
	if !strings.Contains(a.body, `"closed":{"kind":"deceased","on":"2026-01-02"},"disabled":true`) {
		t.Errorf("closed %s", a.body)
	}
	if x.logs(t, "zhang.portal", mine) || x.logs(t, "13800138000", mine) {
		t.Error("a login leads to the closed account")
	}
	if found := x.find(t, x.portal, portalPerson).want(t, 200, ""); found.body != a.body {
		t.Errorf("found %s", found.body)
	}
	for verb, body := range map[string]any{
		"close": closing("closed", "2026-01-02"), "enable": nil, "disable": nil, "level": levelBody(2), "name": nameBody("李样例"), "codes": codeBody("414", "E12345678"),
	} {
		x.change(t, x.portal, mine, verb, `"2"`, body).want(t, 409, "person_closed")
	}
	x.bring(t, x.portal, newPerson("2", "张样例", portalPerson)).want(t, 409, "person_exists")
	if _, err := x.people.Change(t.Context(), mine, func(a *identity.Account) error { a.Disable(false, ""); return nil }); identity.ReasonOf(err) != "person_closed" {
		t.Errorf("an operator enables it: %v", err)
	}
	r, to := x.people.Registrar, registrar.Target{Account: mine}
	if _, err := r.Reopen(t.Context(), registrar.Caller{Actor: x.portal.id, Sources: []string{"portal"}}, to); identity.ReasonOf(err) != "operator_needed" {
		t.Errorf("a client opens it: %v", err)
	}
	who, err := r.Reopen(t.Context(), registrar.Caller{Actor: "cli", Operator: true}, to)
	if err != nil || who.Account.Disabled || who.Account.Closed.Kind != "" || who.Account.Barred.IsZero() || who.Account.Phone != "" {
		t.Errorf("opened %+v, %v", who.Account, err)
	}
	x.change(t, x.portal, mine, "level", `"3"`, levelBody(1)).want(t, 200, "")
}
