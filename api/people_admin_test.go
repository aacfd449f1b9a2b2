package api

import (
	"strings"
	"testing"

	"yizheng.internal/license/party"
	"yizheng.internal/oidc"
	"yizheng.internal/oidc/client"
	"yizheng.internal/oidc/identity"
	"yizheng.internal/oidc/identity/intake"
	"yizheng.internal/signing/journal"
)

// registry has two systems whose people are here, and a client of each.
type registry struct {
	*service
	portal, clinic *clientOfTest // of the sources portal and clinic
}

const (
	peoplePath   = "/v1/admin/people"
	portalPerson = "110105194912310038"
	clinicPerson = "990101195512310023"
	nobodyAtAll  = "110105199003077710"
)

// newRegistry makes a service with two sources, portal of level 2 and clinic of level 3, and their clients.
func newRegistry(t *testing.T, c serviceConfig) *registry {
	t.Helper()
	c.People, c.Empty = true, true
	x := &registry{service: newService(t, c)}
	must := mustOf(t)
	for name, level := range map[string]int{"portal": 2, "clinic": 3} {
		_, err := x.people.Intake.PutSource(t.Context(), "cli", intake.Source{Name: name, Level: level})
		must(err)
	}
	x.portal = x.peopleClient(t, x.owner(t), 3, "portal")
	x.clinic = x.peopleClient(t, x.owner(t), 2, "clinic")
	return x
}

// owner returns the id of the department whose clients these are.
func (x *registry) owner(t *testing.T) string {
	t.Helper()
	owner, err := x.rules.Clients.FindParticipant(t.Context(), departmentUSCC)
	mustOf(t)(err)
	return owner.ID
}

// peopleClient registers a client with the scope people:write.
func (x *registry) peopleClient(t *testing.T, owner string, level int, sources ...string) *clientOfTest {
	t.Helper()
	c, secret, err := x.rules.Clients.CreateClient(t.Context(), operator, client.Spec{
		Name: "样例系统", Participant: owner, Scopes: []oidc.Scope{oidc.ScopePeopleWrite}, PeopleSources: sources, PeopleLevel: level,
	})
	mustOf(t)(err)
	out := &clientOfTest{id: c.ID, secret: secret.Reveal()}
	out.token = x.token(t, out)
	return out
}

// take imports somebody from a source, and returns the account's id.
func (x *registry) take(t *testing.T, source, record, name, code string) string {
	t.Helper()
	must := mustOf(t)
	i, err := x.people.Intake.Begin(t.Context(), "cli", source, intake.Options{Level: 1})
	must(err)
	row, err := i.Check(intake.Row{Record: record, Name: name, Code: code})
	must(err)
	_, err = i.Take(t.Context(), row)
	must(err)
	who, err := identity.NewRoster(x.people.Service).FindSomeone(t.Context(), party.Code{Type: party.Citizen, Value: code})
	must(err)
	return who.Account.ID
}

func findBody(code string) object {
	return object{"code": object{"type": "111", "value": code}}
}

func (x *registry) find(t *testing.T, c *clientOfTest, code string) answer {
	t.Helper()
	return x.call(t, c, "POST", peoplePath+"/find", findBody(code))
}

// acted returns the results of a client's actions, the earliest first.
func (x *registry) acted(t *testing.T, c *clientOfTest, action journal.Action) (all []string) {
	t.Helper()
	es, err := x.db.Journal().SearchEvents(t.Context(), journal.Provider, journal.Filter{Actor: c.id, Limit: 100})
	mustOf(t)(err)
	for _, e := range es {
		if e.Action == action {
			all = append(all, strings.TrimSpace(e.Result+" "+e.Subject))
		}
	}
	return all
}

// A client finds people of its source by their number, and reads them. Of others it is told the same as
// of nobody, in the same words.
func TestFindPeople(t *testing.T) {
	t.Parallel()
	x := newRegistry(t, serviceConfig{})
	mine, other := x.take(t, "portal", "1", "张样例", portalPerson), x.take(t, "clinic", "1", "李样例", clinicPerson)
	counter := x.citizen(t, "wang.counter", "王样例", nobodyAtAll, 2)
	_ = counter

	found := x.find(t, x.portal, portalPerson).want(t, 200, "")
	if found.member("id") != mine || found.member("name") != "张样例" || found.member("source") != "portal" || found.Header.Get("ETag") != `"1"` ||
		!strings.Contains(found.body, `"value":"`+portalPerson+`"`) || strings.Contains(found.body, "phone") {
		t.Errorf("found %s, ETag %s", found.body, found.Header.Get("ETag"))
	}
	if read := x.call(t, x.portal, "GET", peoplePath+"/"+mine, nil).want(t, 200, ""); read.body != found.body {
		t.Errorf("read %s, found %s", read.body, found.body)
	}
	// Somebody of another source, somebody of the counter, and nobody: the answers differ in the request's id alone.
	same := func(what string, a, b answer) {
		t.Helper()
		a, b = a.want(t, 404, "person_unknown"), b.want(t, 404, "person_unknown")
		if x, y := strings.ReplaceAll(a.body, a.member("request_id"), ""), strings.ReplaceAll(b.body, b.member("request_id"), ""); x != y {
			t.Errorf("%s: %s and %s", what, x, y)
		}
	}
	nobody := x.find(t, x.portal, "440524188001010014")
	same("of another source", x.find(t, x.portal, clinicPerson), nobody)
	same("registered at the counter", x.find(t, x.portal, nobodyAtAll), nobody)
	same("read", x.call(t, x.portal, "GET", peoplePath+"/"+other, nil), x.call(t, x.portal, "GET", peoplePath+"/"+identity.NewID(), nil))
	same("no id", x.call(t, x.portal, "GET", peoplePath+"/x", nil), nobody)
	if a := x.find(t, x.clinic, clinicPerson).want(t, 200, ""); a.member("id") != other {
		t.Errorf("the clinic found %s", a.body)
	}
	x.find(t, x.portal, "110105194912310039").want(t, 422, "code_invalid")
	x.call(t, x.portal, "POST", peoplePath+"/find", object{"code": object{"type": "001", "value": departmentUSCC}}).want(t, 422, "code_invalid")
	x.call(t, x.portal, "POST", peoplePath+"/find", object{"name": "张样例"}).want(t, 400, "json_unknown_member")
	x.call(t, x.portal, "POST", peoplePath+"/find", `{"code":{"type":"111","value":"`+strings.Repeat("1", 17<<10)+`"}}`).want(t, 413, "body_too_large")
	x.call(t, nil, "POST", peoplePath+"/find", findBody(portalPerson)).want(t, 401, "invalid_token")
	x.call(t, x.reader, "POST", peoplePath+"/find", findBody(portalPerson)).want(t, 403, "insufficient_scope")

	if got := x.acted(t, x.portal, journal.ActionPersonFind); len(got) < 6 || got[0] != "ok "+mine || got[1] != "person_unknown" {
		t.Errorf("events: %q", got)
	}
	if got := x.acted(t, x.reader, journal.ActionPersonFind); len(got) != 1 || got[0] != "insufficient_scope" {
		t.Errorf("events of a client without the scope: %q", got)
	}
	if got := x.acted(t, x.portal, journal.ActionPersonRead); len(got) != 4 || got[0] != "ok "+mine || got[1] != "person_unknown "+other {
		t.Errorf("events of readings: %q", got)
	}
}

// Who guesses numbers is told to wait, and when to come again; another client goes on.
func TestAttackEnumeratePeople(t *testing.T) {
	t.Parallel()
	x := newRegistry(t, serviceConfig{Limits: Limits{PeoplePerMinute: 1, PeopleBurst: 5}})
	x.take(t, "clinic", "1", "李样例", clinicPerson)
	for range 5 {
		x.find(t, x.portal, nobodyAtAll).want(t, 404, "person_unknown")
	}
	limited := x.find(t, x.portal, nobodyAtAll).want(t, 429, "people_limited")
	if wait := limited.Header.Get("Retry-After"); wait == "" || wait == "0" {
		t.Errorf("Retry-After %q", wait)
	}
	x.call(t, x.portal, "GET", peoplePath+"/"+identity.NewID(), nil).want(t, 429, "people_limited")
	x.find(t, x.clinic, clinicPerson).want(t, 200, "")
}

// What the operator takes away is gone at once, although the client's token lives on; a second source
// shows its people, too.
func TestPeopleSources(t *testing.T) {
	t.Parallel()
	x := newRegistry(t, serviceConfig{})
	x.take(t, "clinic", "1", "李样例", clinicPerson)
	change := func(do func(*client.Spec)) {
		t.Helper()
		c, err := x.rules.Clients.Client(t.Context(), x.portal.id)
		mustOf(t)(err)
		spec := client.SpecOf(c)
		do(&spec)
		_, err = x.rules.Clients.UpdateClient(t.Context(), operator, c.ID, 0, spec)
		mustOf(t)(err)
	}
	change(func(s *client.Spec) { s.PeopleSources = []string{"portal", "clinic"} })
	x.find(t, x.portal, clinicPerson).want(t, 200, "")
	change(func(s *client.Spec) { s.PeopleSources = []string{"portal"} })
	x.find(t, x.portal, clinicPerson).want(t, 404, "person_unknown")
	change(func(s *client.Spec) {
		s.Scopes, s.PeopleSources, s.PeopleLevel = []oidc.Scope{oidc.ScopeLicenseRead}, nil, 0
	})
	x.find(t, x.portal, portalPerson).want(t, 403, "")
}
