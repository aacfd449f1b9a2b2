package officer_test

import (
	"context"
	"slices"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"yizheng.internal/license/party"
	"yizheng.internal/oidc/identity"
	"yizheng.internal/oidc/identity/identitytest"
	"yizheng.internal/oidc/identity/officer"
	"yizheng.internal/signing/journal"
)

// town has two participants and some people.
type town struct {
	*identitytest.World
	t      *testing.T
	s      *officer.Service
	memory *memory
	a, b   string // participants
}

// names and numbers of the people. The numbers are made up: area 990101 is not assigned.
var (
	names   = []string{"张一", "李二", "王三", "赵四", "钱五", "孙六"}
	numbers = []string{"990101198001010006", "990101198001010014", "990101198001010022", "990101198001010030", "990101198001010049", "990101198001010057"}
)

func newTown(t *testing.T, change ...func(*officer.Config)) *town {
	t.Helper()
	w := &town{World: identitytest.NewWorld(t), t: t, memory: &memory{posts: map[string]officer.Record{}, in: map[string]identity.Participant{}}}
	c := officer.Config{
		Store: w.memory, Participants: w.memory, People: w.Service, Vault: w.Vault,
		Journal: journal.NewRecorder(journal.Config{Log: journal.Provider, Store: w.memory, Reason: identity.ReasonOf}),
	}
	for _, f := range change {
		f(&c)
	}
	var err error
	w.s, err = officer.New(c)
	w.must("New", err)
	for i, id := range []*string{&w.a, &w.b} {
		p, err := identity.NewParticipant(identity.Spec{USCC: []string{"11430000006122244L", "11100000000013338W"}[i], Name: "样例局", Class: identity.Government, AreaCode: "990101", Level: 3})
		w.must("NewParticipant", err)
		w.must("CreateParticipant", identity.AuthenticParticipants(w.memory, w.Vault.Auth()).CreateParticipant(t.Context(), p))
		*id = p.ID
	}
	return w
}

func (w *town) must(what string, err error) {
	w.t.Helper()
	identitytest.IsReason(w.t, what, err, "")
}

func (w *town) refused(what string, err error, reason identity.Reason) {
	w.t.Helper()
	identitytest.IsReason(w.t, what, err, string(reason))
}

// person registers the nth person, and returns them as they act.
func (w *town) person(n, level int) officer.Caller {
	w.t.Helper()
	a, _, err := w.Register(w.t.Context(), identity.Registration{Name: names[n], Code: code(n), Actor: "cli",
		Proofing: &identity.Proofing{Level: level, Method: "in_person", Source: "cli", At: time.Now()}})
	w.must("Register", err)
	return officer.Caller{Actor: a.ID, Party: a.Party, Assurance: 2}
}

func code(n int) party.Code { return party.Code{Type: party.Citizen, Value: numbers[n]} }

func cli(name string) officer.Caller { return officer.Caller{Actor: "cli:" + name, Operator: true} }

// job is an appointment of the nth person in participant a.
func (w *town) job(n int, roles ...officer.Role) officer.Appointment {
	return officer.Appointment{Participant: w.a, Name: names[n], Code: code(n), StaffNumber: "A-00" + numbers[n][17:] + string(rune('0'+n)), Division: "审批一处", Roles: roles}
}

// administrator makes the nth person an administrator of a by two operators.
func (w *town) administrator(n int) (officer.Caller, officer.Post) {
	w.t.Helper()
	p, err := w.s.Appoint(w.t.Context(), cli("one"), w.job(n, officer.Administrator))
	w.must("Appoint", err)
	p, err = w.s.Approve(w.t.Context(), cli("two"), p.ID)
	w.must("Approve", err)
	who := w.person(n, 2)
	p, err = w.s.Accept(w.t.Context(), who, p.ID, p.Revision)
	w.must("Accept", err)
	return who, p
}

// clerk has an administrator make the nth person a clerk of a.
func (w *town) clerk(by officer.Caller, n int) (officer.Caller, officer.Post) {
	w.t.Helper()
	p, err := w.s.Appoint(w.t.Context(), by, w.job(n, officer.Clerk))
	w.must("Appoint", err)
	who := w.person(n, 2)
	p, err = w.s.Accept(w.t.Context(), who, p.ID, p.Revision)
	w.must("Accept", err)
	return who, p
}

func (w *town) check(who officer.Caller, role officer.Role) error {
	_, err := w.s.Check(w.t.Context(), who.Party, officer.At{Participant: w.a}, role)
	return err
}

// in runs a test in a bubble.
func in(t *testing.T, f func(t *testing.T, w *town)) {
	t.Helper()
	synctest.Test(t, func(t *testing.T) { f(t, newTown(t)) })
}

func TestAClerk(t *testing.T) {
	in(t, func(t *testing.T, w *town) {
		ctx := t.Context()
		boss, _ := w.administrator(0)
		w.memory.said()
		clerk, p := w.clerk(boss, 1)
		if got, want := w.memory.said(), []string{"post.propose ok", "post.accept ok"}; !slices.Equal(got, want) {
			t.Errorf("events %v, want %v", got, want)
		}
		o, err := w.s.Check(ctx, clerk.Party, officer.At{Participant: w.a}, officer.Clerk)
		w.must("Check", err)
		if o.Post != p.ID || o.Name != names[1] || o.Division != "审批一处" || o.StaffNumber != p.StaffNumber || o.Participant.ID != w.a {
			t.Errorf("an officer %+v", o)
		}
		_, err = w.s.Check(ctx, clerk.Party, officer.At{Post: p.ID}, officer.Clerk)
		w.must("Check of the post", err)
		w.refused("another role", w.check(clerk, officer.Supervisor), officer.ReasonRole)
		_, err = w.s.Check(ctx, clerk.Party, officer.At{Participant: w.b}, officer.Clerk)
		w.refused("another participant", err, officer.ReasonNone)
		_, err = w.s.Check(ctx, clerk.Party, officer.At{Participant: w.b, Post: p.ID}, officer.Clerk)
		w.refused("that post in another participant", err, officer.ReasonNone)
		_, err = w.s.Check(ctx, boss.Party, officer.At{Post: p.ID}, officer.Clerk)
		w.refused("another's post", err, officer.ReasonNone)
		_, err = w.s.Check(ctx, clerk.Party, officer.At{}, officer.Clerk)
		w.refused("nowhere", err, officer.ReasonNone)

		_, err = w.s.Dismiss(ctx, boss, p.ID)
		w.must("Dismiss", err)
		w.refused("after that", w.check(clerk, officer.Clerk), officer.ReasonNone)
		_, err = w.s.Dismiss(ctx, boss, p.ID)
		w.refused("dismissing again", err, officer.ReasonEnded)
		_, err = w.s.Accept(ctx, clerk, p.ID, p.Revision)
		w.refused("accepting again", err, officer.ReasonUnknown)
		_, err = w.s.Appoint(ctx, boss, w.job(1, officer.Supervisor)) // the number and the person are free again
		w.must("appointing anew", err)
	})
}

// TestFourEyes tests that an administrator is never one person's doing.
func TestFourEyes(t *testing.T) {
	in(t, func(t *testing.T, w *town) {
		ctx := t.Context()
		first, err := w.s.Appoint(ctx, cli("one"), w.job(0, officer.Administrator))
		w.must("Appoint", err)
		zero := w.person(0, 2)
		_, err = w.s.Accept(ctx, zero, first.ID, first.Revision)
		w.refused("accepting before the second yes", err, officer.ReasonUnknown)
		if mine, err := w.s.Mine(ctx, zero.Party); err != nil || len(mine) != 0 {
			t.Errorf("what isn't approved is offered: %v, %v", mine, err)
		}
		_, err = w.s.Approve(ctx, cli("one"), first.ID)
		w.refused("the same operator", err, officer.ReasonSame)
		_, err = w.s.Approve(ctx, zero, first.ID)
		w.refused("the person", err, officer.ReasonUnknown)
		first, err = w.s.Approve(ctx, cli("two"), first.ID)
		w.must("Approve", err)
		_, err = w.s.Approve(ctx, cli("three"), first.ID)
		w.refused("approving again", err, officer.ReasonApproved)
		first, err = w.s.Accept(ctx, zero, first.ID, first.Revision)
		w.must("Accept", err)

		_, err = w.s.Appoint(ctx, zero, w.job(1, officer.Administrator))
		w.refused("the only administrator", err, officer.ReasonAlone)
		_, err = w.s.Appoint(ctx, cli("one"), w.job(1, officer.Clerk))
		w.refused("an operator's clerk", err, officer.ReasonRoles)
		one, second := w.administrator(1)
		_, err = w.s.Appoint(ctx, cli("one"), w.job(2, officer.Administrator))
		w.refused("operators where there are two", err, officer.ReasonThere)

		third, err := w.s.Appoint(ctx, zero, w.job(2, officer.Administrator, officer.Supervisor))
		w.must("Appoint", err)
		_, err = w.s.Approve(ctx, zero, third.ID)
		w.refused("their own proposal", err, officer.ReasonSame)
		_, err = w.s.Approve(ctx, cli("one"), third.ID)
		w.refused("an operator", err, officer.ReasonSame)
		third, err = w.s.Approve(ctx, one, third.ID)
		w.must("Approve", err)
		two := w.person(2, 2)
		third, err = w.s.Accept(ctx, two, third.ID, third.Revision)
		w.must("Accept", err)

		p, err := w.s.Dismiss(ctx, zero, second.ID)
		w.must("Dismiss", err)
		if p.State != officer.Accepted || w.check(one, officer.Administrator) != nil {
			t.Error("one administrator dismissed another alone")
		}
		_, err = w.s.Dismiss(ctx, zero, second.ID)
		w.refused("the same one again", err, officer.ReasonSame)
		_, err = w.s.Dismiss(ctx, one, second.ID)
		w.refused("themself", err, officer.ReasonSelf)
		time.Sleep(8 * 24 * time.Hour)
		p, err = w.s.Dismiss(ctx, two, second.ID) // the first wish is stale: this one is a new one
		w.must("Dismiss", err)
		if p.State != officer.Accepted {
			t.Error("a wish of 8 days ago still counts")
		}
		p, err = w.s.Dismiss(ctx, zero, second.ID)
		w.must("Dismiss", err)
		if p.State != officer.Ended {
			t.Errorf("after two administrators the post is %s", p.State)
		}
		_, err = w.s.Dismiss(ctx, zero, third.ID)
		w.refused("where there is no third", err, officer.ReasonAlone)
		p, err = w.s.Dismiss(ctx, cli("one"), third.ID)
		w.must("Dismiss", err)
		w.memory.said()
		_, err = w.s.Leave(ctx, zero, first.ID, first.Revision)
		w.must("Leave", err)
		if got, want := w.memory.said(), []string{"post.end ok", "post.vacant ok"}; !slices.Equal(got, want) {
			t.Errorf("events of the last one %v, want %v", got, want)
		}
	})
}

// TestWhoCantAct tests who has no say in a participant.
func TestWhoCantAct(t *testing.T) {
	in(t, func(t *testing.T, w *town) {
		ctx := t.Context()
		boss, _ := w.administrator(0)
		clerk, post := w.clerk(boss, 1)
		stranger := w.person(2, 2)
		for what, c := range map[string]officer.Caller{"a clerk": clerk, "a stranger": stranger} {
			_, err := w.s.Appoint(ctx, c, w.job(3, officer.Clerk))
			if err == nil {
				t.Errorf("%s appoints", what)
			}
			_, err = w.s.Dismiss(ctx, c, post.ID)
			w.refused(what+" dismisses", err, officer.ReasonUnknown)
			_, err = w.s.Post(ctx, c, post.ID)
			w.refused(what+" looks at a post", err, officer.ReasonUnknown)
			if _, _, err = w.s.List(ctx, c, officer.Search{Participant: w.a}, "", 10); err == nil {
				t.Errorf("%s lists", what)
			}
			if _, err = w.s.FindStaff(ctx, c, w.a, post.StaffNumber); err == nil {
				t.Errorf("%s finds", what)
			}
		}
		other := w.job(3, officer.Clerk)
		other.Participant = w.b
		_, err := w.s.Appoint(ctx, boss, other)
		w.refused("in another participant", err, officer.ReasonNone)
		weak := boss
		weak.Assurance = 1
		_, err = w.s.Appoint(ctx, weak, w.job(3, officer.Clerk))
		w.refused("with one factor", err, officer.ReasonLow)
		_, err = w.s.Appoint(ctx, boss, w.job(0, officer.Clerk))
		w.refused("themself", err, officer.ReasonSelf)
		w.memory.said()
		_, err = w.s.Appoint(ctx, boss, w.job(1, officer.Clerk))
		w.refused("who has a post", err, officer.ReasonExists)
		if got, want := w.memory.said(), []string{"post.propose post_exists"}; !slices.Equal(got, want) {
			t.Errorf("events of a refusal %v, want %v", got, want)
		}
		twin := w.job(3, officer.Clerk)
		twin.StaffNumber = strings.ToLower(post.StaffNumber)
		_, err = w.s.Appoint(ctx, boss, twin)
		w.refused("a staff number again", err, officer.ReasonExists)
	})
}

func TestAppointments(t *testing.T) {
	in(t, func(t *testing.T, w *town) {
		boss, _ := w.administrator(0)
		today := party.DateOf(time.Now())
		for reason, spoil := range map[identity.Reason][]func(*officer.Appointment){
			officer.ReasonName:     {func(a *officer.Appointment) { a.Name = " " }},
			officer.ReasonCode:     {func(a *officer.Appointment) { a.Code.Value = numbers[1][:17] }, func(a *officer.Appointment) { a.Code = party.USCC("11430000006122244L").Code() }},
			officer.ReasonStaff:    {func(a *officer.Appointment) { a.StaffNumber = "" }, func(a *officer.Appointment) { a.StaffNumber = numbers[1] }, func(a *officer.Appointment) { a.StaffNumber = strings.Repeat("a", 33) }},
			officer.ReasonDivision: {func(a *officer.Appointment) { a.Division = "" }, func(a *officer.Appointment) { a.Division = strings.Repeat("处", 51) }},
			officer.ReasonRoles: {func(a *officer.Appointment) { a.Roles = nil }, func(a *officer.Appointment) { a.Roles = []officer.Role{"king"} },
				func(a *officer.Appointment) { a.Roles = []officer.Role{officer.Clerk, officer.Supervisor} },
				func(a *officer.Appointment) { a.Roles = []officer.Role{officer.Clerk, officer.Administrator} },
				func(a *officer.Appointment) { a.Roles = []officer.Role{officer.Clerk, officer.Clerk} }},
			officer.ReasonDates: {func(a *officer.Appointment) { a.From = today.AddDays(-1) }, func(a *officer.Appointment) { a.From, a.Until = today.AddDays(2), today.AddDays(1) }},
		} {
			for _, s := range spoil {
				a := w.job(1, officer.Clerk)
				s(&a)
				_, err := w.s.Appoint(t.Context(), boss, a)
				w.refused("an appointment", err, reason)
			}
		}
	})
}

// TestNobodyIsLookedUp tests that appointing asks nothing of who is appointed.
func TestNobodyIsLookedUp(t *testing.T) {
	in(t, func(t *testing.T, w *town) {
		boss, _ := w.administrator(0)
		w.person(1, 2)
		asked := func(n int) []string {
			w.Asked()
			_, err := w.s.Appoint(t.Context(), boss, w.job(n, officer.Clerk))
			w.must("Appoint", err)
			return w.Asked()
		}
		there, not := asked(1), asked(2)
		if !slices.Equal(there, not) || slices.Contains(there, "FindParty") || slices.Contains(there, "FindAccount") {
			t.Errorf("somebody with an account: %v; without: %v", there, not)
		}
		posts, _, err := w.s.List(t.Context(), boss, officer.Search{Participant: w.a, Role: officer.Clerk}, "", 10)
		w.must("List", err)
		if len(posts) != 2 || posts[0].State != posts[1].State || posts[0].Party+posts[1].Party != "" {
			t.Errorf("the list tells them apart: %+v", posts)
		}
	})
}

func TestLimits(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := newTown(t, func(c *officer.Config) { c.Posts, c.PerDay = 3, 4 })
		ctx := t.Context()
		boss, _ := w.administrator(0)
		var last officer.Post
		for n := 1; n < 3; n++ {
			var err error
			last, err = w.s.Appoint(ctx, boss, w.job(n, officer.Clerk))
			w.must("Appoint", err)
		}
		_, err := w.s.Appoint(ctx, boss, w.job(3, officer.Clerk))
		w.refused("a fourth post", err, officer.ReasonManyPosts)
		for n := 3; n < 5; n++ {
			_, err = w.s.Dismiss(ctx, boss, last.ID)
			w.must("Dismiss", err)
			last, err = w.s.Appoint(ctx, boss, w.job(n, officer.Clerk))
			if n == 4 {
				w.refused("a fifth of the day", err, officer.ReasonManyToday)
			} else {
				w.must("Appoint", err)
			}
		}
		time.Sleep(25 * time.Hour)
		_, err = w.s.Appoint(ctx, boss, w.job(4, officer.Clerk))
		w.must("the next day", err)
	})
}

func TestLists(t *testing.T) {
	in(t, func(t *testing.T, w *town) {
		ctx := t.Context()
		boss, _ := w.administrator(0)
		var want []string
		for n := 1; n < 6; n++ {
			a := w.job(n, officer.Clerk)
			if n > 3 {
				a.Division = "审批二处"
			}
			p, err := w.s.Appoint(ctx, boss, a)
			w.must("Appoint", err)
			want = append(want, p.ID)
			time.Sleep(time.Second)
		}
		pages := func(what officer.Search) (got []string) {
			for after := ""; ; {
				posts, next, err := w.s.List(ctx, boss, what, after, 2)
				w.must("List", err)
				for _, p := range posts {
					got = append(got, p.ID)
				}
				if after = next; next == "" {
					return got
				}
			}
		}
		if got := pages(officer.Search{Participant: w.a, Role: officer.Clerk}); !slices.Equal(got, want) {
			t.Errorf("clerks %v, want %v", got, want)
		}
		if got := pages(officer.Search{Participant: w.a, Division: "审批二处"}); !slices.Equal(got, want[3:]) {
			t.Errorf("a division %v, want %v", got, want[3:])
		}
		_, err := w.s.Dismiss(ctx, boss, want[0])
		w.must("Dismiss", err)
		if got := pages(officer.Search{Participant: w.a, Role: officer.Clerk}); !slices.Equal(got, want[1:]) {
			t.Errorf("clerks that go on %v, want %v", got, want[1:])
		}
		if got := pages(officer.Search{Participant: w.a, Role: officer.Clerk, Ended: true}); !slices.Equal(got, want) {
			t.Errorf("all clerks %v, want %v", got, want)
		}
		found, err := w.s.FindStaff(ctx, boss, w.a, " "+strings.ToLower(w.job(2).StaffNumber)+" ")
		w.must("FindStaff", err)
		if found.ID != want[1] {
			t.Errorf("found %s, want %s", found.ID, want[1])
		}
		_, err = w.s.FindStaff(ctx, boss, w.a, w.job(1).StaffNumber)
		w.refused("a staff number that is free again", err, officer.ReasonUnknown)
		if in, err := w.s.Administered(ctx, boss); err != nil || len(in) != 1 || in[0].ID != w.a {
			t.Errorf("administered: %v, %v", in, err)
		}
	})
}

// TestVacant tests that operators learn of a participant without an administrator.
func TestVacant(t *testing.T) {
	in(t, func(t *testing.T, w *town) {
		ctx := t.Context()
		boss, _ := w.administrator(0)
		w.clerk(boss, 1)
		vacant := func() []string {
			all, err := w.s.Vacant(ctx)
			w.must("Vacant", err)
			return all
		}
		if got := vacant(); got != nil {
			t.Errorf("vacant: %v", got)
		}
		_, err := w.DisableAccount(ctx, "cli", boss.Actor, true)
		w.must("DisableAccount", err)
		if got := vacant(); !slices.Equal(got, []string{w.a}) {
			t.Errorf("vacant: %v, want %s", got, w.a)
		}
	})
}

// TestRehash tests that posts are found after the lookup keys were written anew.
func TestRehash(t *testing.T) {
	in(t, func(t *testing.T, w *town) {
		ctx := t.Context()
		boss, _ := w.administrator(0)
		p, err := w.s.Appoint(ctx, boss, w.job(1, officer.Clerk))
		w.must("Appoint", err)
		done := 0
		w.must("Rehash", w.s.Rehash(context.Background(), func(n int) { done = n }))
		if done != 2 {
			t.Errorf("%d posts were written anew, want 2", done)
		}
		_, err = w.s.FindStaff(ctx, boss, w.a, p.StaffNumber)
		w.must("FindStaff", err)
		clerk := w.person(1, 2)
		_, err = w.s.Accept(ctx, clerk, p.ID, p.Revision+1)
		w.must("Accept", err)
	})
}
