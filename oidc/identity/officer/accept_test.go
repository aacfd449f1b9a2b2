package officer_test

import (
	"testing"
	"time"

	"yizheng.internal/license/party"
	"yizheng.internal/oidc/identity"
	"yizheng.internal/oidc/identity/officer"
)

// TestWhoAccepts tests that only who is named accepts a post.
func TestWhoAccepts(t *testing.T) {
	in(t, func(t *testing.T, w *town) {
		ctx := t.Context()
		boss, _ := w.administrator(0)
		p, err := w.s.Appoint(ctx, boss, w.job(1, officer.Clerk))
		w.must("Appoint", err)
		other := w.person(2, 2)
		_, err = w.s.Accept(ctx, other, p.ID, p.Revision)
		w.refused("another", err, officer.ReasonUnknown)
		_, err = w.s.Leave(ctx, other, p.ID, p.Revision)
		w.refused("another declines", err, officer.ReasonUnknown)
		low := w.person(1, 1)
		_, err = w.s.Accept(ctx, low, p.ID, p.Revision)
		w.refused("proofed at level 1", err, officer.ReasonLow)
		w.proofed(low, 2)
		weak := low
		weak.Assurance = 1
		_, err = w.s.Accept(ctx, weak, p.ID, p.Revision)
		w.refused("with one factor", err, officer.ReasonLow)
		_, err = w.s.Accept(ctx, low, p.ID, p.Revision+1)
		w.refused("of another revision", err, officer.ReasonChanged)

		wrong := w.job(3, officer.Clerk)
		wrong.Name = "别人"
		q, err := w.s.Appoint(ctx, boss, wrong)
		w.must("Appoint", err)
		three := w.person(3, 2)
		_, err = w.s.Accept(ctx, three, q.ID, q.Revision)
		w.refused("of another name", err, officer.ReasonUnknown)

		time.Sleep(31 * 24 * time.Hour)
		_, err = w.s.Accept(ctx, low, p.ID, p.Revision)
		w.refused("after 31 days", err, officer.ReasonLapsed)
		if mine, err := w.s.Mine(ctx, low.Party); err != nil || len(mine) != 0 {
			t.Errorf("what lapsed is offered: %v, %v", mine, err)
		}
	})
}

// proofed gives somebody another level.
func (w *town) proofed(c officer.Caller, level int) {
	w.t.Helper()
	_, err := w.Change(w.t.Context(), c.Actor, func(a *identity.Account) error { a.Proofing.Level = level; return nil })
	w.must("Change", err)
}

// TestAFormerCode tests that a number which somebody holds no longer offers them nothing.
func TestAFormerCode(t *testing.T) {
	in(t, func(t *testing.T, w *town) {
		ctx := t.Context()
		boss, _ := w.administrator(0)
		p, err := w.s.Appoint(ctx, boss, w.job(1, officer.Clerk))
		w.must("Appoint", err)
		one := w.person(1, 2)
		if mine, err := w.s.Mine(ctx, one.Party); err != nil || len(mine) != 1 {
			t.Fatalf("one post is offered: %v, %v", mine, err)
		}
		parties := identity.AuthenticParties(w.World.Memory, w.Vault.Auth())
		r, err := parties.LoadParty(ctx, one.Party)
		w.must("LoadParty", err)
		who, err := w.Party(ctx, one.Party)
		w.must("Party", err)
		who.Codes[0].Until = party.DateOf(time.Now()).AddDays(-1)
		r.Body, err = w.Vault.SealJSON(ctx, place(one.Party), who)
		w.must("SealJSON", err)
		r.Codes = w.Parties[one.Party].Codes
		w.must("UpdateParty", parties.UpdateParty(ctx, r))
		_, err = w.s.Accept(ctx, one, p.ID, p.Revision)
		w.refused("a former number", err, officer.ReasonUnknown)
		if mine, err := w.s.Mine(ctx, one.Party); err != nil || len(mine) != 0 {
			t.Errorf("a former number offers: %v, %v", mine, err)
		}
	})
}

// TestOverAtOnce tests what else ends a post's effect.
func TestOverAtOnce(t *testing.T) {
	for what, test := range map[string]struct {
		do   func(w *town, boss, clerk officer.Caller)
		want identity.Reason
	}{
		"the account disabled": {func(w *town, _, clerk officer.Caller) {
			_, err := w.DisableAccount(w.t.Context(), "cli", clerk.Actor, true)
			w.must("DisableAccount", err)
		}, officer.ReasonAccount},
		"the account closed": {func(w *town, _, clerk officer.Caller) {
			_, err := w.Change(w.t.Context(), clerk.Actor, func(a *identity.Account) error {
				a.Close(identity.Closing{Kind: identity.Deceased, On: party.DateOf(time.Now())})
				return nil
			})
			w.must("Change", err)
		}, officer.ReasonAccount},
		"no account, as after merging": {func(w *town, _, clerk officer.Caller) { delete(w.Accounts, clerk.Actor) }, officer.ReasonAccount},
		"the participant disabled": {func(w *town, _, _ officer.Caller) {
			store := identity.AuthenticParticipants(w.memory, w.Vault.Auth())
			p, err := store.LoadParticipant(w.t.Context(), w.a)
			w.must("LoadParticipant", err)
			p.Disabled = true
			w.must("UpdateParticipant", store.UpdateParticipant(w.t.Context(), p))
		}, officer.ReasonParticipant},
		"an operator": {func(w *town, _, clerk officer.Caller) {
			mine, err := w.s.Mine(w.t.Context(), clerk.Party)
			w.must("Mine", err)
			_, err = w.s.Dismiss(w.t.Context(), cli("one"), mine[0].ID)
			w.must("Dismiss", err)
		}, officer.ReasonNone},
		"a post given up": {func(w *town, _, clerk officer.Caller) {
			mine, err := w.s.Mine(w.t.Context(), clerk.Party)
			w.must("Mine", err)
			_, err = w.s.Leave(w.t.Context(), clerk, mine[0].ID, mine[0].Revision)
			w.must("Leave", err)
		}, officer.ReasonNone},
	} {
		t.Run(what, func(t *testing.T) {
			in(t, func(t *testing.T, w *town) {
				boss, _ := w.administrator(0)
				clerk, _ := w.clerk(boss, 1)
				w.must("before", w.check(clerk, officer.Clerk))
				test.do(w, boss, clerk)
				w.refused("after", w.check(clerk, officer.Clerk), test.want)
			})
		})
	}
}

// TestPeriods tests a post's first and last day.
func TestPeriods(t *testing.T) {
	in(t, func(t *testing.T, w *town) {
		ctx := t.Context()
		boss, _ := w.administrator(0)
		today := party.DateOf(time.Now())
		a := w.job(1, officer.Clerk)
		a.From, a.Until = today.AddDays(2), today.AddDays(4)
		p, err := w.s.Appoint(ctx, boss, a)
		w.must("Appoint", err)
		clerk := w.person(1, 2)
		_, err = w.s.Accept(ctx, clerk, p.ID, p.Revision)
		w.must("Accept", err)
		for day := range 7 {
			want := identity.Reason("")
			if day < 2 {
				want = officer.ReasonEarly
			} else if day > 4 {
				want = officer.ReasonEnded
			}
			w.refused("on day "+string(rune('0'+day)), w.check(clerk, officer.Clerk), want)
			time.Sleep(24 * time.Hour)
		}
	})
}

// TestWhoIsGone tests that what a dismissed administrator proposed yields nothing.
func TestWhoIsGone(t *testing.T) {
	in(t, func(t *testing.T, w *town) {
		ctx := t.Context()
		zero, first := w.administrator(0)
		one, _ := w.administrator(1)
		p, err := w.s.Appoint(ctx, zero, w.job(2, officer.Clerk))
		w.must("Appoint", err)
		q, err := w.s.Appoint(ctx, zero, w.job(3, officer.Administrator))
		w.must("Appoint", err)
		_, err = w.s.Dismiss(ctx, cli("one"), first.ID)
		w.must("Dismiss", err)
		_, err = w.s.Approve(ctx, one, q.ID)
		w.refused("approving", err, officer.ReasonGone)
		two := w.person(2, 2)
		_, err = w.s.Accept(ctx, two, p.ID, p.Revision)
		w.refused("accepting", err, officer.ReasonGone)
		_, err = w.s.Appoint(ctx, zero, w.job(4, officer.Clerk))
		w.refused("appointing", err, officer.ReasonNone)
	})
}

// TestDismissedWhileAccepting has a dismissal meet an acceptance: the dismissal wins in either order.
func TestDismissedWhileAccepting(t *testing.T) {
	for _, acceptsFirst := range []bool{true, false} {
		in(t, func(t *testing.T, w *town) {
			ctx := t.Context()
			boss, _ := w.administrator(0)
			p, err := w.s.Appoint(ctx, boss, w.job(1, officer.Clerk))
			w.must("Appoint", err)
			clerk := w.person(1, 2)
			accept := func() error { _, err := w.s.Accept(ctx, clerk, p.ID, p.Revision); return err }
			dismiss := func() error { _, err := w.s.Dismiss(ctx, boss, p.ID); return err }
			if acceptsFirst { // between the dismissal's reading and its writing
				w.memory.before = func() { w.must("Accept", accept()) }
				w.must("Dismiss", dismiss())
			} else {
				w.memory.before = func() { w.must("Dismiss", dismiss()) }
				w.refused("Accept", accept(), officer.ReasonChanged)
			}
			w.refused("in the end", w.check(clerk, officer.Clerk), officer.ReasonNone)
		})
	}
}
