package api

import (
	"strings"
	"sync"
	"testing"
	"time"

	"yizheng.internal/license/party"
	"yizheng.internal/oidc/identity"
	"yizheng.internal/oidc/identity/registrar"
	"yizheng.internal/signing/journal"
)

func mergeBody(keep, merge party.Code) object {
	return object{"keep": object{"type": string(keep.Type), "value": keep.Value}, "merge": object{"type": string(merge.Type), "value": merge.Value}, "evidence": "人证核验，同一人"}
}

func (x *registry) merge(t *testing.T, c *clientOfTest, keep, merge party.Code) answer {
	t.Helper()
	return x.call(t, c, "POST", peoplePath+"/merge", mergeBody(keep, merge))
}

// holder imports somebody who has a passport alone, and returns the account's id and the number.
func (x *registry) holder(t *testing.T, source, record, name, passport string) (string, party.Code) {
	t.Helper()
	code := party.Code{Type: party.Passport, Value: passport}
	who, made, err := x.people.Registrar.Create(t.Context(), registrar.Caller{Actor: "cli", Operator: true, Sources: []string{source}, Level: 1}, registrar.Newcomer{Record: record, Name: name, Code: code, Level: 1, LoginName: "login." + record})
	if err != nil || !made {
		t.Fatalf("bringing %s in: %v, %v", name, made, err)
	}
	return who.Account.ID, code
}

// One human who has two records gets one: the numbers lead to the one, the other's logins are over.
func TestMergePeople(t *testing.T) {
	t.Parallel()
	x := newRegistry(t, serviceConfig{})
	mine := x.take(t, "portal", "1", "张样例", portalPerson)
	other, passport := x.holder(t, "portal", "2", "Zhang Yangli", "E00000001")
	x.merge(t, x.portal, citizen(portalPerson), passport).want(t, 409, "operator_needed") // the names differ
	x.change(t, x.portal, other, "name", `"1"`, nameBody("张样例")).want(t, 200, "")
	before, err := x.people.Account(t.Context(), other)
	mustOf(t)(err)
	a := x.merge(t, x.portal, citizen(portalPerson), passport).want(t, 200, "")
	if a.member("id") != mine || !strings.Contains(a.body, `"former_names":["Zhang Yangli"]`) || !strings.Contains(a.body, passport.Value) || a.Header.Get("ETag") != `"2"` {
		t.Errorf("answered %s, %s", a.body, a.Header.Get("ETag"))
	}
	if !x.logs(t, passport.Value, mine) || x.logs(t, "login.2", other) {
		t.Error("the number doesn't lead to the kept one, or the login name to the other still")
	}
	closed, err := x.people.Account(t.Context(), other)
	standing := closed.Standing()
	if err != nil || closed.Closed.Kind != identity.Merged || closed.Closed.Evidence != "人证核验，同一人" || standing.Over(before.Created, before.Created) == "" {
		t.Errorf("the other account is %+v, %v", closed.Closed, err)
	}
	kept, err := identity.NewRoster(x.people.Service).Someone(t.Context(), mine)
	p, e := x.people.Party(t.Context(), closed.Party)
	if err != nil || e != nil || p.Merged != kept.Party.ID || len(p.Codes) != 0 || len(kept.Party.Codes) != 2 || kept.Party.Codes[0].Code != citizen(portalPerson) || kept.Party.Codes[1].Merged != p.ID || kept.Party.Codes[1].Source != "portal" {
		t.Errorf("the parties are %+v and %+v, %v, %v", kept.Party, p, err, e)
	}
	again := x.merge(t, x.portal, citizen(portalPerson), passport).want(t, 200, "")
	if again.Header.Get("ETag") != `"2"` {
		t.Errorf("sent again it changed something: %s", again.body)
	}
	x.merge(t, x.portal, passport, citizen(portalPerson)).want(t, 409, "person_same")
	x.call(t, x.portal, "GET", peoplePath+"/"+other, nil).want(t, 200, "")
	_, err = x.people.Registrar.Reopen(t.Context(), registrar.Caller{Actor: "cli", Operator: true}, registrar.Target{Account: other})
	if e, ok := err.(*identity.Error); !ok || e.Reason != registrar.ReasonMerged {
		t.Errorf("opening it again: %v", err)
	}
	es, err := x.db.Journal().SearchEvents(t.Context(), journal.Provider, journal.Filter{Actor: x.portal.id, Actions: []string{"person.merge", "person.merged"}, Result: "ok", Limit: 10})
	if err != nil || len(es) != 2 || es[0].RequestID == "" || es[0].RequestID != es[1].RequestID || es[0].Subject == es[1].Subject {
		t.Errorf("events %+v, %v", es, err)
	}
}

// Whom a client can't merge: whoever isn't of its sources, is proofed above it, or can't be one.
func TestAttackMerge(t *testing.T) {
	t.Parallel()
	x := newRegistry(t, serviceConfig{})
	mine := x.take(t, "portal", "1", "张样例", portalPerson)
	x.take(t, "clinic", "1", "王样例", clinicPerson)
	other, passport := x.holder(t, "portal", "2", "张样例", "E00000002")
	first := x.merge(t, x.portal, citizen(portalPerson), citizen(nobodyAtAll)).want(t, 404, "person_unknown")
	for what, pair := range map[string][2]party.Code{
		"another source's":      {citizen(portalPerson), citizen(clinicPerson)},
		"into another source's": {citizen(clinicPerson), citizen(portalPerson)},
		"of nobody":             {citizen(nobodyAtAll), passport},
	} {
		if a := x.merge(t, x.portal, pair[0], pair[1]).want(t, 404, "person_unknown"); a.member("detail") != first.member("detail") {
			t.Errorf("%s: %s", what, a.body)
		}
	}
	x.merge(t, x.portal, citizen("123"), passport).want(t, 422, "code_invalid")
	x.merge(t, x.portal, party.Code{Type: party.SocialCredit, Value: departmentUSCC}, passport).want(t, 422, "code_invalid")
	x.call(t, x.portal, "POST", peoplePath+"/merge", object{"keep": object{"type": "111", "value": portalPerson}, "merge": object{"type": "414", "value": passport.Value}, "evidence": " "}).want(t, 422, "evidence_invalid")
	x.merge(t, x.portal, passport, citizen(portalPerson)).want(t, 409, "operator_needed") // the citizen's account stays
	for what, used := range map[string]func(*identity.Account){
		"a password": func(a *identity.Account) {
			a.Password = identity.PasswordHash{Algorithm: "argon2id", Sum: []byte("x"), Set: time.Now().UTC()}
		},
		"a proved phone": func(a *identity.Account) { a.PhoneProved = time.Now().UTC() },
		"another way to log": func(a *identity.Account) {
			a.Authenticators = []identity.Authenticator{{ID: identity.NewID(), Factor: "totp"}}
		},
	} {
		var had identity.Account
		_, err := x.people.Change(t.Context(), other, func(a *identity.Account) error { had = *a; used(a); return nil })
		mustOf(t)(err)
		t.Log("with", what)
		x.merge(t, x.portal, citizen(portalPerson), passport).want(t, 409, "operator_needed")
		_, err = x.people.Change(t.Context(), other, func(a *identity.Account) error {
			a.Password, a.PhoneProved, a.Authenticators = had.Password, had.PhoneProved, had.Authenticators
			return nil
		})
		mustOf(t)(err)
	}
	second := x.take(t, "portal", "3", "张样例", "110105199003077710")
	x.merge(t, x.portal, citizen(portalPerson), citizen("110105199003077710")).want(t, 409, "codes_contradict")
	by := registrar.Caller{Actor: "cli", Operator: true}
	_, err := x.people.Registrar.SetLevel(t.Context(), by, registrar.Target{Account: other}, 3, "人证核验")
	mustOf(t)(err)
	x.merge(t, x.portal, citizen(portalPerson), passport).want(t, 403, "level_too_high")
	x.merge(t, x.portal, passport, citizen(portalPerson)).want(t, 403, "level_too_high")
	_, err = x.people.Registrar.SetLevel(t.Context(), by, registrar.Target{Account: other}, 1, "人证核验")
	mustOf(t)(err)
	_, err = x.people.Registrar.Disable(t.Context(), by, registrar.Target{Account: other}, true)
	mustOf(t)(err)
	x.merge(t, x.portal, citizen(portalPerson), passport).want(t, 409, "disabled_by_operator")
	_, err = x.people.Registrar.Close(t.Context(), by, registrar.Target{Account: second}, identity.Closing{Kind: identity.Deceased, On: party.DateOf(time.Now()), Evidence: "x"})
	mustOf(t)(err)
	x.merge(t, x.portal, passport, citizen("110105199003077710")).want(t, 409, "")
	for _, id := range []string{mine, other} {
		a, err := x.people.Account(t.Context(), id)
		if err != nil || a.Closed.Kind != "" {
			t.Errorf("%s is %+v, %v", id, a.Closed, err)
		}
	}
}

// Of mergers the other way round at once one happens, and nobody's numbers are lost.
func TestAttackMergeRace(t *testing.T) {
	t.Parallel()
	x := newRegistry(t, serviceConfig{})
	x.take(t, "portal", "1", "张样例", portalPerson)
	_, passport := x.holder(t, "portal", "2", "张样例", "E00000003")
	var all sync.WaitGroup
	for i := range 6 {
		all.Go(func() {
			pair := [2]party.Code{citizen(portalPerson), passport}
			x.merge(t, x.portal, pair[i%2], pair[1-i%2])
		})
	}
	all.Wait()
	roster := identity.NewRoster(x.people.Service)
	a, err := roster.FindSomeone(t.Context(), citizen(portalPerson))
	b, e := roster.FindSomeone(t.Context(), passport)
	if err != nil || e != nil || a.Account.ID != b.Account.ID || a.Account.Closed.Kind != "" || len(a.Party.Codes) != 2 {
		t.Errorf("the numbers lead to %+v and %+v, %v, %v", a, b, err, e)
	}
}
