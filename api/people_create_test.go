package api

import (
	"slices"
	"strings"
	"sync"
	"testing"

	"yizheng.internal/signing/journal"
)

// newPerson is a record of a source; changes come in pairs of member and value.
func newPerson(record, name, code string, changes ...any) object {
	o := object{"record_id": record, "name": name, "code": object{"type": "111", "value": code}, "level": 2}
	for i := 0; i+1 < len(changes); i += 2 {
		o[changes[i].(string)] = changes[i+1]
	}
	return o
}

func (x *registry) bring(t *testing.T, c *clientOfTest, body any) answer {
	t.Helper()
	return x.call(t, c, "POST", peoplePath, body)
}

func TestCreatePeople(t *testing.T) {
	t.Parallel()
	x := newRegistry(t, serviceConfig{})
	body := newPerson("r-1", "张样例", portalPerson, "phone", "13800138000", "login_name", "zhang.portal", "proofed_on", "2026-01-02")
	made := x.bring(t, x.portal, body).want(t, 201, "")
	id := made.member("id")
	if made.Header.Get("Location") != peoplePath+"/"+id || made.Header.Get("ETag") != `"1"` || made.member("source") != "portal" || !strings.Contains(made.body, `"level":2`) {
		t.Errorf("made %s, %v", made.body, made.Header)
	}
	a, err := x.people.Account(t.Context(), id)
	if err != nil || a.Phone != "+8613800138000" || a.LoginName != "zhang.portal" || a.Proofing.Method != "authority" || a.Proofing.Source != "portal" || a.PhoneVerified() ||
		a.Proofing.At.Format("2006-01-02T15") != "2026-01-01T16" {
		t.Errorf("the account is %+v, %v", a, err)
	}
	if found := x.find(t, x.portal, portalPerson).want(t, 200, ""); found.body != made.body {
		t.Errorf("found %s", found.body)
	}
	// Sent again it is the same person, and changes nothing.
	if again := x.bring(t, x.portal, body).want(t, 200, ""); again.body != made.body {
		t.Errorf("again: %s", again.body)
	}
	x.bring(t, x.portal, newPerson("r-1", "张样例", portalPerson, "phone", "13800138000", "login_name", "zhang.portal")).want(t, 409, "record_differs")
	x.bring(t, x.portal, newPerson("r-2", "张样例", portalPerson)).want(t, 409, "person_exists")
	x.bring(t, x.portal, newPerson("r-2", "李样例", clinicPerson, "phone", "13800138000")).want(t, 409, "phone_taken")
	x.bring(t, x.portal, newPerson("r-2", "李样例", clinicPerson, "login_name", "Zhang.Portal")).want(t, 409, "login_name_taken")
	for reason, o := range map[string]object{
		"record_id_invalid":  newPerson("", "李样例", clinicPerson),
		"name_invalid":       newPerson("r-2", "李?例", clinicPerson),
		"code_invalid":       newPerson("r-2", "李样例", clinicPerson, "code", object{"type": "护照", "value": "E12345678"}),
		"phone_invalid":      newPerson("r-2", "李样例", clinicPerson, "phone", "12345"),
		"login_name_invalid": newPerson("r-2", "李样例", clinicPerson, "login_name", "13800138000"),
		"level_invalid":      newPerson("r-2", "李样例", clinicPerson, "level", 0),
		"date_invalid":       newPerson("r-2", "李样例", clinicPerson, "proofed_on", "2999-01-01"),
	} {
		if a := x.bring(t, x.portal, o).want(t, 422, reason); strings.Contains(a.body, clinicPerson) {
			t.Errorf("%s echoes the number: %s", reason, a.body)
		}
	}
	x.bring(t, x.portal, newPerson("=1+1", "=例", clinicPerson)).want(t, 422, "name_invalid")
	x.bring(t, x.portal, newPerson("1.2E+17", "李样例", clinicPerson)).want(t, 422, "record_id_invalid")
	x.bring(t, x.portal, newPerson("r-2", "李样例", "x")).want(t, 422, "code_invalid")
	x.bring(t, x.portal, newPerson("r-2", "李样例", clinicPerson, "password", "x")).want(t, 400, "json_unknown_member")
	x.bring(t, x.portal, newPerson("r-2", "李样例", clinicPerson, "level", "2")).want(t, 400, "json_type")
	x.bring(t, x.department, newPerson("r-2", "李样例", clinicPerson)).want(t, 403, "insufficient_scope")
	x.find(t, x.clinic, clinicPerson).want(t, 404, "person_unknown") // none of these left anything
	if got := x.acted(t, x.portal, journal.ActionAccountImport); len(got) < 10 || got[0] != "ok "+id || slices.Contains(got[1:], "ok "+id) {
		t.Errorf("events: %q", got)
	}
}

// Nobody gets a higher level than the operator allows the source, and the client.
func TestAttackLevelAbove(t *testing.T) {
	t.Parallel()
	x := newRegistry(t, serviceConfig{})
	x.bring(t, x.portal, newPerson("1", "张样例", portalPerson, "level", 3)).want(t, 403, "level_too_high") // the source's is 2
	x.bring(t, x.clinic, newPerson("1", "李样例", clinicPerson, "level", 3)).want(t, 403, "level_too_high") // the client's is 2
	for _, level := range []int{-1, 4, 1 << 30} {
		x.bring(t, x.clinic, newPerson("1", "李样例", clinicPerson, "level", level)).want(t, 422, "level_invalid")
	}
	x.bring(t, x.clinic, newPerson("1", "李样例", clinicPerson, "level", 2)).want(t, 201, "")
}

// Who knows somebody's name and number doesn't become their source, and isn't told whether the name is
// right.
func TestAttackSecondSource(t *testing.T) {
	t.Parallel()
	x := newRegistry(t, serviceConfig{})
	x.bring(t, x.clinic, newPerson("1", "李样例", clinicPerson)).want(t, 201, "")
	x.citizen(t, "wang.counter", "王样例", nobodyAtAll, 2)
	for _, o := range []object{
		newPerson("1", "李样例", clinicPerson), newPerson("1", "别样例", clinicPerson), newPerson("1", "王样例", nobodyAtAll), newPerson("1", "别样例", nobodyAtAll),
	} {
		a := x.bring(t, x.portal, o).want(t, 409, "person_exists")
		if b := x.bring(t, x.portal, newPerson("1", "李样例", clinicPerson)); strings.ReplaceAll(a.body, a.member("request_id"), "") != strings.ReplaceAll(b.body, b.member("request_id"), "") {
			t.Errorf("%s and %s", a.body, b.body)
		}
	}
	x.find(t, x.portal, clinicPerson).want(t, 404, "person_unknown")
	x.find(t, x.portal, nobodyAtAll).want(t, 404, "person_unknown")

	// An import may link a record to an account that was there. That makes nobody its source's, either.
	x.take(t, "portal", "2", "李样例", clinicPerson)
	x.find(t, x.portal, clinicPerson).want(t, 404, "person_unknown")
	x.bring(t, x.portal, newPerson("2", "李样例", clinicPerson, "level", 1)).want(t, 409, "")
	// The same record's id at another source is another record.
	x.bring(t, x.portal, newPerson("1", "张样例", portalPerson)).want(t, 201, "")
}

// Of requests that bring the same record at once one makes the account, and all get it.
func TestAttackCreateRace(t *testing.T) {
	t.Parallel()
	x := newRegistry(t, serviceConfig{})
	type outcome struct{ status, id string }
	race := func(bodies ...object) map[outcome]int {
		t.Helper()
		all := map[outcome]int{}
		var mu sync.Mutex
		var wait sync.WaitGroup
		for i := range 12 {
			wait.Go(func() {
				a := x.bring(t, x.portal, bodies[i%len(bodies)])
				mu.Lock()
				defer mu.Unlock()
				all[outcome{a.Status[:3] + " " + a.member("reason"), a.member("id")}]++
			})
		}
		wait.Wait()
		return all
	}
	got := race(newPerson("1", "张样例", portalPerson))
	id := x.find(t, x.portal, portalPerson).want(t, 200, "").member("id")
	if len(got) != 2 || got[outcome{"201 ", id}] != 1 || got[outcome{"200 ", id}] != 11 {
		t.Errorf("one record: %v", got)
	}
	// One person by two records: one of them is theirs.
	got = race(newPerson("2", "李样例", clinicPerson), newPerson("3", "李样例", clinicPerson))
	id = x.find(t, x.portal, clinicPerson).want(t, 200, "").member("id")
	if len(got) != 3 || got[outcome{"201 ", id}] != 1 || got[outcome{"200 ", id}] != 5 || got[outcome{"409 person_exists", ""}] != 6 {
		t.Errorf("two records: %v", got)
	}
}

// A client whose source isn't there, or that has none, brings nobody in.
func TestCreatePeopleWithoutSource(t *testing.T) {
	t.Parallel()
	x := newRegistry(t, serviceConfig{})
	owner := x.participantOf(t, x.stranger)
	lost := x.peopleClient(t, owner.ID, 2, "nowhere")
	x.bring(t, lost, newPerson("1", "张样例", portalPerson)).want(t, 403, "source_missing")
	x.find(t, lost, portalPerson).want(t, 404, "person_unknown")
}
