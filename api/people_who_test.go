package api

import (
	"context"
	"strings"
	"testing"
	"time"

	"yizheng.internal/license/party"
	"yizheng.internal/oidc/identity"
	"yizheng.internal/signing/journal"
)

func nameBody(name string) object { return object{"name": name, "evidence": "户籍变更证明"} }

func codeBody(kind, value string, changes ...any) object {
	o := object{"code": object{"type": kind, "value": value}, "evidence": "样例证件"}
	for i := 0; i+1 < len(changes); i += 2 {
		o[changes[i].(string)] = changes[i+1]
	}
	return o
}

// logs says whether a login leads to an account.
func (x *registry) logs(t *testing.T, login, account string) bool {
	t.Helper()
	a, err := x.people.FindAccount(context.WithoutCancel(t.Context()), login)
	return err == nil && a.ID == account
}

// A person gets another name, and the ones before stay.
func TestRenamePeople(t *testing.T) {
	t.Parallel()
	x := newRegistry(t, serviceConfig{})
	mine := x.take(t, "portal", "1", "张样例", portalPerson)
	x.change(t, x.portal, mine, "name", `"1"`, nameBody("张新样例")).want(t, 200, "")
	a := x.change(t, x.portal, mine, "name", `"2"`, nameBody("张样例")).want(t, 200, "")
	a = x.change(t, x.portal, mine, "name", a.Header.Get("ETag"), nameBody("张第三样例䶮")).want(t, 200, "")
	if a.member("name") != "张第三样例䶮" || !strings.Contains(a.body, `"former_names":["张样例","张新样例"]`) {
		t.Errorf("named %s", a.body)
	}
	if who, err := identity.NewRoster(x.people.Service).Someone(t.Context(), mine); err != nil || who.Party.Renamed != "户籍变更证明" || who.Party.Revision != 4 || who.Account.Revision != 4 {
		t.Errorf("kept %+v, %v", who, err)
	}
	x.change(t, x.portal, mine, "name", `"4"`, nameBody("张第三样例䶮")).want(t, 409, "name_same")
	x.change(t, x.portal, mine, "name", `"4"`, nameBody(" ")).want(t, 422, "name_invalid")
	x.change(t, x.portal, mine, "name", `"4"`, object{"name": "张样例", "evidence": ""}).want(t, 422, "evidence_invalid")
	x.change(t, x.portal, mine, "name", `"3"`, nameBody("张样例")).want(t, 412, "revision_mismatch")
	x.change(t, x.clinic, mine, "name", `"4"`, nameBody("李样例")).want(t, 404, "person_unknown")
	if got := x.acted(t, x.portal, journal.ActionPersonRename); len(got) != 7 || got[2] != "ok "+mine || got[3] != "name_same "+mine {
		t.Errorf("events: %q", got)
	}
	// The name before still fits the number, at a registration.
	x.bring(t, x.portal, newPerson("2", "张样例", portalPerson)).want(t, 409, "person_exists")
}

// A permit holder becomes a citizen: the new number counts, the old one stays, and ends.
func TestCodesOfPeople(t *testing.T) {
	t.Parallel()
	x := newRegistry(t, serviceConfig{})
	made := x.bring(t, x.portal, newPerson("1", "SAMPLE", "", "code", object{"type": "414", "value": "E12345678"})).want(t, 201, "")
	mine := made.member("id")
	today := party.DateOf(time.Now()).String()
	x.change(t, x.portal, mine, "codes", `"1"`, codeBody("111", portalPerson, "from", today, "first", true)).want(t, 200, "")
	if !x.logs(t, portalPerson, mine) || !x.logs(t, "E12345678", mine) {
		t.Error("one of both numbers doesn't lead to the account")
	}
	for reason, o := range map[string]object{
		"code_invalid":     codeBody("111", "123"),
		"days_invalid":     codeBody("516", "H1234567801", "from", "2999-01-01"),
		"evidence_invalid": codeBody("516", "H1234567801", "evidence", ""),
	} {
		x.change(t, x.portal, mine, "codes", `"2"`, o).want(t, 422, reason)
	}
	x.change(t, x.portal, mine, "codes", `"2"`, codeBody("414", "E12345678")).want(t, 409, "code_held")
	a := x.change(t, x.portal, mine, "codes/end", `"2"`, codeBody("414", "E12345678", "until", "2026-01-31")).want(t, 200, "")
	if !strings.Contains(a.body, `"codes":[{"type":"111","value":"`+portalPerson+`","from":"`+today+`"},{"type":"414","value":"E12345678","until":"2026-01-31"}]`) {
		t.Errorf("codes %s", a.body)
	}
	if x.logs(t, "E12345678", mine) || !x.logs(t, portalPerson, mine) {
		t.Error("a number that ended leads to the account, or the other doesn't")
	}
	if b := x.call(t, x.portal, "POST", peoplePath+"/find", object{"code": object{"type": "414", "value": "E12345678"}}).want(t, 200, ""); b.body != a.body {
		t.Errorf("found by the former number: %s", b.body)
	}
	end := func(kind, code, until, reason string, status int) {
		t.Helper()
		x.change(t, x.portal, mine, "codes/end", `"3"`, codeBody(kind, code, "until", until)).want(t, status, reason)
	}
	end("414", "E12345678", "2026-02-01", "code_ended", 409)
	end("414", "E87654321", "2026-02-01", "code_unknown", 404)
	end("111", portalPerson, today, "days_invalid", 422)
	end("111", portalPerson, "2020-01-01", "days_invalid", 422) // before its first day
	x.change(t, x.portal, mine, "codes/end", `"3"`, codeBody("111", portalPerson)).want(t, 422, "days_invalid")

	// The first of several may end; the next one counts then. The last one doesn't end.
	other := x.take(t, "portal", "2", "王样例", nobodyAtAll)
	x.change(t, x.portal, other, "codes/end", `"1"`, codeBody("111", nobodyAtAll, "until", "2026-02-01")).want(t, 409, "code_last")
	x.change(t, x.portal, other, "codes", `"1"`, codeBody("414", "G12345678")).want(t, 200, "")
	a = x.change(t, x.portal, other, "codes/end", `"2"`, codeBody("111", nobodyAtAll, "until", "2026-02-01")).want(t, 200, "")
	if !strings.Contains(a.body, `"codes":[{"type":"414"`) {
		t.Errorf("codes %s", a.body)
	}
}

// Nobody adds to a person a number that is somebody else's, or was; whose it is isn't told, and nothing
// is stored of it.
func TestAttackTakeCode(t *testing.T) {
	t.Parallel()
	x := newRegistry(t, serviceConfig{})
	mine := x.bring(t, x.portal, newPerson("1", "SAMPLE", "", "code", object{"type": "414", "value": "E55555555"})).want(t, 201, "").member("id")
	other := x.take(t, "clinic", "1", "李样例", clinicPerson)
	x.change(t, x.clinic, other, "codes", `"1"`, codeBody("414", "E12345678", "first", true)).want(t, 200, "")
	x.change(t, x.clinic, other, "codes/end", `"2"`, codeBody("111", clinicPerson, "until", "2026-02-01")).want(t, 200, "")
	for _, o := range []object{codeBody("414", "E12345678"), codeBody("111", clinicPerson), codeBody("411", "E12345678")} { // the last one has the same login
		x.change(t, x.portal, mine, "codes", `"1"`, o).want(t, 409, "person_exists")
	}
	x.change(t, x.portal, other, "codes", `"3"`, codeBody("414", "G12345678")).want(t, 404, "person_unknown")
	x.change(t, x.portal, other, "codes/end", `"3"`, codeBody("414", "E12345678", "until", "2026-02-01")).want(t, 404, "person_unknown")
	who, err := identity.NewRoster(x.people.Service).Someone(t.Context(), mine)
	if err != nil || who.Account.Revision != 1 || who.Party.Revision != 1 || len(who.Party.Codes) != 1 {
		t.Errorf("%+v, %v", who, err)
	}
	// A flood of numbers and names ends.
	tag := `"1"`
	for i := range 60 {
		a := x.change(t, x.portal, mine, "name", tag, nameBody("张样例"+strings.Repeat("一", i+1)))
		if a.StatusCode != 200 {
			a.want(t, 409, "too_many")
			if i != 50 {
				t.Errorf("refused after %d names", i)
			}
			return
		}
		tag = a.Header.Get("ETag")
	}
	t.Error("names without an end")
}
