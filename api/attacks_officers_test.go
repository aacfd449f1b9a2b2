package api

import (
	"slices"
	"strings"
	"testing"

	"yizheng.internal/api/apitest"
	"yizheng.internal/license/party"
	"yizheng.internal/oidc/identity"
	"yizheng.internal/oidc/identity/officer"
)

// office is a stage where alice administers a department's officers.
type office struct {
	*stage
	in    string                      // the department
	other string                      // another participant
	open  map[string]*apitest.Browser // where people are logged in
}

func newOffice(t *testing.T, s *stage) *office {
	t.Helper()
	o := &office{s, s.owner(t, departmentUSCC), s.owner(t, strangerUSCC), map[string]*apitest.Browser{}}
	o.administrator(t, o.in, "alice", sampleName, sampleCitizen)
	return o
}

// administrator has two operators make somebody an administrator, who accepts.
func (o *office) administrator(t *testing.T, in, login, name, citizen string) officer.Post {
	t.Helper()
	s, must := o.nodes[0].people.Officers, mustOf(t)
	p, err := s.Appoint(t.Context(), officer.Caller{Actor: "cli:one", Operator: true}, officer.Appointment{
		Participant: in, Name: name, Code: party.Code{Type: party.Citizen, Value: citizen}, StaffNumber: "G-" + login, Division: "办公室", Roles: []officer.Role{officer.Administrator},
	})
	must(err)
	p, err = s.Approve(t.Context(), officer.Caller{Actor: "cli:two", Operator: true}, p.ID)
	must(err)
	p, err = s.Accept(t.Context(), o.caller(t, login), p.ID, p.Revision)
	must(err)
	return p
}

// caller is a person as they act after a login with two factors.
func (o *office) caller(t *testing.T, login string) officer.Caller {
	t.Helper()
	a, err := o.nodes[0].people.Account(t.Context(), o.accounts[login])
	mustOf(t)(err)
	return officer.Caller{Actor: a.ID, Party: a.Party, Assurance: 2}
}

func (o *office) isClerk(t *testing.T, node int, login string) bool {
	t.Helper()
	_, err := o.nodes[node].people.Officers.Check(t.Context(), o.caller(t, login).Party, officer.At{Participant: o.in}, officer.Clerk)
	return err == nil
}

// at opens a page as somebody.
func (o *office) at(t *testing.T, who apitest.Person, path string) *apitest.Page {
	t.Helper()
	if o.open[who.Login] == nil {
		o.open[who.Login] = o.browser(t)
	}
	o.open[who.Login].T = t
	return o.open[who.Login].Get(o.url + path).LogIn(who)
}

// bobAsClerk fills in the form that makes bob a clerk.
var bobAsClerk = []string{"name", bobName, "type", "111", "number", bobCitizen, "staff", "c-07", "division", "审批一处", "role", "clerk"}

// postOf returns the id of the only post that a page links to.
func postOf(t *testing.T, p *apitest.Page, path string) string {
	t.Helper()
	_, rest, ok := strings.Cut(p.Body, `href="`+path+"/")
	for ok {
		if id, _, _ := strings.Cut(rest, `"`); identity.ValidID(id) {
			return id
		}
		_, rest, ok = strings.Cut(rest, `href="`+path+"/")
	}
	t.Fatalf("%s links to no post: %s", p.URL, p.Body)
	return ""
}

// TestOfficersPages leads from an administrator's form to a clerk, who accepts and is dismissed.
func TestOfficersPages(t *testing.T) {
	t.Parallel()
	o := newOffice(t, newStage(t, stageConfig{}))
	p := o.at(t, o.alice, "/posts")
	shows(t, p, 200, "/posts")
	says(t, p, "我的岗位", "单位管理员", "在岗")
	p = p.Follow("officers").Follow("appoint")
	shows(t, p, 200, "/officers/appoint")
	if got := p.Form("submit").Values["role"]; !slices.Equal(got, []string{"clerk"}) {
		t.Errorf("chosen at first: %v", got)
	}
	wrong := p.Press("submit", append(slices.Clone(bobAsClerk), "number", bobCitizen[:17])...)
	shows(t, wrong, 422, "/officers/appoint")
	says(t, wrong, "证件号码有误", `value="`+bobName+`"`)
	p = p.Press("submit", bobAsClerk...)
	shows(t, p, 200, "/officers")
	says(t, p, "岗位已设置", "待本人接受", bobName, "C-07")
	if strings.Contains(p.Body, bobCitizen) {
		t.Error("the list shows a whole number")
	}
	administered := p
	found := p.Press("find", "number", " c-07 ")
	if found.Status != 200 || !found.Has("dismiss") {
		t.Fatalf("finding by the staff number: %v", found)
	}
	shows(t, p.Press("find", "number", "C-08"), 404, "/officers")

	mine := o.at(t, o.bob, "/posts")
	says(t, mine, "待本人接受")
	id := postOf(t, mine, "/posts")
	mine = mine.Follow("post-" + id).Press("accept")
	shows(t, mine, 200, "/posts")
	says(t, mine, "您已接受该岗位", "在岗")
	if !o.isClerk(t, 0, "bob") {
		t.Fatal("bob accepted, and is no clerk")
	}
	p = administered.Follow("post-" + id)
	says(t, p, "解除岗位", bobName)
	form := p.Form("dismiss")
	p = form.Send()
	shows(t, p, 200, "/officers")
	says(t, p, "岗位已解除")
	if o.isClerk(t, 0, "bob") {
		t.Fatal("bob was dismissed, and is a clerk")
	}
	again := form.Send() // the same form again
	if again.Status != 422 {
		t.Errorf("a form that was sent twice: %v", again)
	}
	says(t, again, "该岗位已结束")
}

// TestAttacksOfficers has people do over HTTP what isn't theirs.
func TestAttacksOfficers(t *testing.T) {
	t.Parallel()
	o := newOffice(t, newStage(t, stageConfig{}))
	ctx, must := t.Context(), mustOf(t)
	s := o.nodes[0].people.Officers
	alice, bob := o.caller(t, "alice"), o.caller(t, "bob")
	post, err := s.Appoint(ctx, alice, officer.Appointment{Participant: o.in, Name: bobName, Code: party.Code{Type: party.Citizen, Value: bobCitizen}, StaffNumber: "C-07", Division: "审批一处", Roles: []officer.Role{officer.Clerk}})
	must(err)

	t.Run("an administrator of another participant", func(t *testing.T) {
		o.administrator(t, o.other, "carol", carolName, carolCitizen)
		list := o.at(t, o.carol, "/officers")
		shows(t, list, 200, "/officers")
		if strings.Contains(list.Body, post.ID) || strings.Contains(list.Body, "C-07") {
			t.Error("another participant's posts are listed")
		}
		b := list.Follow("appoint")
		page := b.Form("submit").Browser()
		for _, path := range []string{"/officers/" + post.ID, "/officers?at=" + o.in, "/officers/appoint?at=" + o.in, "/officers/aaaaaaaaaaaaaaaaaaaaaaaaaa", "/officers/x"} {
			if p := page.Get(o.url + path); p.Status != 404 || strings.Contains(p.Body, bobName) {
				t.Errorf("%s: %v", path, p)
			}
		}
		own := b.Form("submit") // its token is good: it is sent elsewhere
		for action, pairs := range map[string][]string{"/officers/" + post.ID: {"act", "dismiss"}, "/officers/appoint?at=" + o.in: bobAsClerk} {
			f := *own
			f.Action = o.url + action
			if p := f.With(pairs...).Send(); p.Status != 404 {
				t.Errorf("POST %s: %v", action, p)
			}
		}
	})
	t.Run("a clerk", func(t *testing.T) {
		_, err := s.Accept(ctx, bob, post.ID, post.Revision)
		must(err)
		p := o.at(t, o.bob, "/posts")
		if p.Has("officers") {
			t.Error("a clerk is led to the list")
		}
		for _, path := range []string{"/officers", "/officers?at=" + o.in, "/officers/appoint?at=" + o.in, "/officers/" + post.ID} {
			if p := o.at(t, o.bob, path); p.Status != 404 {
				t.Errorf("%s: %v", path, p)
			}
		}
	})
	t.Run("a form without its token", func(t *testing.T) {
		p := o.at(t, o.alice, "/officers/"+post.ID)
		for _, token := range []string{"", "wrong", o.browser(t).Get(o.url + "/officers/" + post.ID).LogIn(o.alice).Form("dismiss").Values.Get("token"), o.at(t, o.bob, "/posts/"+post.ID).Form("leave").Values.Get("token")} {
			if got := p.Form("dismiss").With("token", token).Send(); got.Status != 403 {
				t.Errorf("token %q: %v", token, got)
			}
		}
		if !o.isClerk(t, 0, "bob") {
			t.Error("bob was dismissed by a forged form")
		}
	})
	t.Run("themself", func(t *testing.T) {
		p := o.at(t, o.alice, "/officers/appoint?at="+o.in)
		p = p.Press("submit", "name", sampleName, "type", "111", "number", sampleCitizen, "staff", "C-99", "division", "审批一处", "role", "clerk")
		shows(t, p, 422, "/officers/appoint")
		says(t, p, "与自己有关")
	})
	t.Run("with one factor", func(t *testing.T) {
		b := o.browser(t)
		p := b.Get(o.url+"/sessions").Press("submit", "username", "alice", "password", alicePassword)
		shows(t, p, 200, "/sessions")
		for _, path := range []string{"/posts", "/officers", "/officers/" + post.ID} {
			if p := b.Get(o.url + path); p.URL.Path != codePath {
				t.Errorf("%s with one factor: %v", path, p)
			}
		}
	})
	t.Run("who has an account", func(t *testing.T) {
		form := o.at(t, o.alice, "/officers/appoint?at="+o.in).Form("submit")
		list := func(name, number, staff string) string {
			p := form.With("name", name, "type", "111", "number", number, "staff", staff, "division", "审批二处", "role", "supervisor").Send()
			shows(t, p, 200, "/officers")
			said := p.Form("find").Browser().Get(o.url + "/officers?at=" + o.in + "&division=审批二处").Body
			return said[strings.LastIndex(said, `<li>`):]
		}
		there, not := list(carolName, carolCitizen, "S-1"), list("样例无人", "990101198001010006", "S-1x")
		posts, _, err := s.List(ctx, alice, officer.Search{Participant: o.in, Division: "审批二处"}, "", 10)
		must(err)
		if len(posts) != 2 {
			t.Fatalf("%d posts", len(posts))
		}
		there = strings.NewReplacer(posts[0].ID, "ID", carolName, "NAME", "S-1", "STAFF").Replace(there)
		not = strings.NewReplacer(posts[1].ID, "ID", "样例无人", "NAME", "S-1X", "STAFF").Replace(not)
		if there[:strings.Index(there, "</li>")] != not[:strings.Index(not, "</li>")] {
			t.Errorf("who has an account is told apart:\n%s\n%s", there, not)
		}
	})
}

// TestDismissedOnAnotherNode has an administrator be dismissed on one node: on another one they and their
// page do nothing more.
func TestDismissedOnAnotherNode(t *testing.T) {
	t.Parallel()
	s, _ := newNodes(t)
	o := newOffice(t, s)
	ctx, must := t.Context(), mustOf(t)
	form := o.at(t, o.alice, "/officers/appoint?at="+o.in).Form("submit")
	if p := form.With(bobAsClerk...).Send(); p.Status != 200 {
		t.Fatalf("before: %v", p)
	}
	mine, err := o.nodes[1].people.Officers.Mine(ctx, o.caller(t, "bob").Party)
	must(err)
	_, err = o.nodes[1].people.Officers.Accept(ctx, o.caller(t, "bob"), mine[0].ID, mine[0].Revision)
	must(err)
	if !o.isClerk(t, 0, "bob") || !o.isClerk(t, 1, "bob") {
		t.Fatal("bob accepted, and is no clerk on every node")
	}
	cli := officer.Caller{Actor: "cli:one", Operator: true}
	_, err = o.nodes[0].people.Officers.Dismiss(ctx, cli, mine[0].ID)
	must(err)
	if o.isClerk(t, 1, "bob") {
		t.Error("bob is a clerk on the other node still")
	}
	own, err := o.nodes[0].people.Officers.Mine(ctx, o.caller(t, "alice").Party)
	must(err)
	_, err = o.nodes[0].people.Officers.Dismiss(ctx, cli, own[0].ID)
	must(err)
	for range 2 { // once on each node
		if p := form.With("name", "样例无人", "type", "111", "number", "990101198001010006", "staff", "S-2").Send(); p.Status != 404 {
			t.Errorf("after: %v", p)
		}
	}
}
