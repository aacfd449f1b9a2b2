package acting_test

import (
	"errors"
	"slices"
	"sync"
	"testing"
	"time"

	"yizheng.internal/license/party"
	"yizheng.internal/oidc/identity"
	"yizheng.internal/oidc/identity/acting"
	"yizheng.internal/oidc/identity/identitytest"
)

// refused proposes, and checks that it is refused for a reason.
func (w *world) refused(what string, me acting.Me, as *acting.Acting, a acting.Appointment, reason acting.Reason) {
	w.t.Helper()
	_, err := w.Propose(w.t.Context(), me, as, a)
	identitytest.IsReason(w.t, what, err, string(reason))
}

// Nobody appoints themself, their like, or in a name that isn't theirs; nobody passes on what they were given.
func TestWhoAppointsWhom(t *testing.T) {
	inBubble(t, func(t *testing.T, w *world) {
		li, wang, zhao, sun := w.someone(identitytest.LiCode), w.someone(wangCode), w.someone(zhaoCode), w.someone(sunCode)
		w.leads(identitytest.LiCode)
		head := w.as(li)
		w.appoints(li, head, acting.Administrator, wang)
		admin := w.as(wang)
		w.appoints(wang, admin, acting.Agent, zhao)
		agent := w.as(zhao)
		entrusted := w.appoints(sun, nil, acting.Entrusted, zhao)
		for what, test := range map[string]struct {
			me     acting.Me
			as     *acting.Acting
			kind   acting.Kind
			to     party.Code
			reason acting.Reason
		}{
			"an agent another":                {zhao, agent, acting.Agent, sunCode, acting.ReasonMayNot},
			"an agent themself":               {zhao, agent, acting.Agent, zhaoCode, acting.ReasonMayNot},
			"an administrator themself":       {wang, admin, acting.Agent, wangCode, acting.ReasonMalformed},
			"an administrator another such":   {wang, admin, acting.Administrator, sunCode, acting.ReasonMayNot},
			"an administrator a head":         {wang, admin, acting.LegalRepresentative, sunCode, acting.ReasonMayNot},
			"a head themself":                 {li, head, acting.Agent, identitytest.LiCode, acting.ReasonMalformed},
			"a head a guardian":               {li, head, acting.Guardian, sunCode, acting.ReasonMayNot},
			"with another's representation":   {sun, head, acting.Agent, zhaoCode, acting.ReasonUnknown},
			"a person an agent":               {sun, nil, acting.Agent, zhaoCode, acting.ReasonMayNot},
			"who was entrusted, another":      {zhao, &acting.Acting{Representation: acting.Representation{ID: entrusted.ID}}, acting.Entrusted, identitytest.LiCode, acting.ReasonMayNot},
			"an organization as a person":     {li, head, acting.Agent, noodles, acting.ReasonMalformed},
			"an organization entrusts nobody": {li, head, acting.Entrusted, sunCode, acting.ReasonMayNot},
		} {
			w.refused(what, test.me, test.as, acting.Appointment{Kind: test.kind, Name: "某某", Code: test.to, Bounds: acting.Bounds{Acts: acting.Acts()}}, test.reason)
		}
		weak := zhao
		weak.Assurance = 1
		w.may("with one factor", weak, agent.ID, acting.ReasonAssurance)
		if all, err := w.Choices(t.Context(), weak, acting.Wanted{}); err != nil || len(all) != 0 {
			t.Errorf("with one factor the choices are %v, %v", all, err)
		}
		// What an administrator claims of how they act is asked of the store.
		forged := *admin
		forged.Kind = acting.LegalRepresentative
		w.refused("an administrator who says they are the head", wang, &forged, appointment(acting.Administrator, sunCode), acting.ReasonMayNot)
	})
}

// Nobody gives more than they may do themself.
func TestBounds(t *testing.T) {
	inBubble(t, func(t *testing.T, w *world) {
		li, wang, zhao := w.someone(identitytest.LiCode), w.someone(wangCode), w.someone(zhaoCode)
		w.leads(identitytest.LiCode)
		head := w.as(li)
		today := party.DateOf(time.Now())
		a := appointment(acting.Administrator, wangCode)
		a.Bounds = acting.Bounds{Acts: []acting.Act{acting.Apply}, Items: []string{"item-b", "item-a"}, Until: today.AddDays(10)}
		r, err := w.Propose(t.Context(), li, head, a)
		identitytest.IsReason(t, "proposing", err, "")
		_, err = w.Answer(t.Context(), wang, r.ID, true)
		identitytest.IsReason(t, "accepting", err, "")
		check := func(what string, me acting.Me, wanted acting.Wanted, reason acting.Reason) {
			t.Helper()
			_, err := w.Check(t.Context(), me, wanted, r.ID)
			identitytest.IsReason(t, what, err, string(reason))
		}
		check("an item", wang, acting.Wanted{Act: acting.Apply, Item: "item-a"}, "")
		check("another item", wang, acting.Wanted{Act: acting.Apply, Item: "item-c"}, acting.ReasonBounds)
		check("no item", wang, acting.Wanted{Act: acting.Apply}, acting.ReasonBounds)
		check("another act", wang, acting.Wanted{Act: acting.View}, acting.ReasonBounds)
		admin := w.as(wang)
		for what, b := range map[string]acting.Bounds{
			"for ever":       {Acts: []acting.Act{acting.Apply}, Items: []string{"item-a"}},
			"longer":         {Acts: []acting.Act{acting.Apply}, Items: []string{"item-a"}, Until: today.AddDays(11)},
			"for all items":  {Acts: []acting.Act{acting.Apply}, Until: today.AddDays(9)},
			"another item":   {Acts: []acting.Act{acting.Apply}, Items: []string{"item-a", "item-c"}, Until: today.AddDays(9)},
			"for all acts":   {Acts: acting.Acts(), Items: []string{"item-a"}, Until: today.AddDays(9)},
			"before itself":  {Acts: []acting.Act{acting.Apply}, Items: []string{"item-a"}, From: today.AddDays(9), Until: today.AddDays(8)},
			"nothing":        {Items: []string{"item-a"}, Until: today.AddDays(9)},
			"an unknown act": {Acts: []acting.Act{acting.Apply, "appoint"}, Items: []string{"item-a"}, Until: today.AddDays(9)},
			"yesterday":      {Acts: []acting.Act{acting.Apply}, Items: []string{"item-a"}, Until: today.AddDays(-1)},
		} {
			a := acting.Appointment{Kind: acting.Agent, Name: "赵敏", Code: zhaoCode, Bounds: b}
			if _, err := w.Propose(t.Context(), wang, admin, a); err == nil || identity.ReasonOf(err) != string(acting.ReasonBounds) && identity.ReasonOf(err) != string(acting.ReasonMalformed) {
				t.Errorf("%s: %v", what, err)
			}
		}
		// The last day is a day in China, whatever the node's zone: it ends at 16:00 UTC.
		time.Sleep(time.Until(today.AddDays(10).End()) - time.Second)
		check("the last second", wang, acting.Wanted{Act: acting.Apply, Item: "item-a"}, "")
		time.Sleep(time.Second)
		check("the day after", wang, acting.Wanted{Act: acting.Apply, Item: "item-a"}, acting.ReasonExpired)
		a = appointment(acting.Agent, zhaoCode)
		a.Bounds.From = party.DateOf(time.Now()).AddDays(1)
		r, err = w.Propose(t.Context(), li, head, a)
		identitytest.IsReason(t, "proposing", err, "")
		_, err = w.Answer(t.Context(), zhao, r.ID, true)
		identitytest.IsReason(t, "accepting", err, "")
		check("the day before", zhao, acting.Wanted{Act: acting.Apply}, acting.ReasonNotYet)
		time.Sleep(24 * time.Hour)
		check("the first day", zhao, acting.Wanted{Act: acting.Apply}, "")
	})
}

// A proposal is answered by who holds the code today, has the name and is proofed; within 30 days; and only while
// whoever made it may make it.
func TestWhoAnswers(t *testing.T) {
	inBubble(t, func(t *testing.T, w *world) {
		li, wang, zhao := w.someone(identitytest.LiCode), w.someone(wangCode), w.someone(zhaoCode)
		w.leads(identitytest.LiCode)
		head := w.as(li)
		answer := func(what string, me acting.Me, id string, reason acting.Reason) {
			t.Helper()
			_, err := w.Answer(t.Context(), me, id, true)
			identitytest.IsReason(t, what, err, string(reason))
		}
		r := w.proposes(li, head, acting.Agent, zhaoCode)
		w.may("who hasn't accepted", zhao, r.ID, acting.ReasonUnknown)
		answer("another", wang, r.ID, acting.ReasonUnknown)
		weak := zhao
		weak.Assurance = 1
		answer("with one factor", weak, r.ID, acting.ReasonAssurance)
		// A code that isn't the person's any more: it may be another's.
		p, err := w.Party(t.Context(), zhao.Party.ID)
		identitytest.IsReason(t, "loading", err, "")
		change := func(do func(*identity.Party)) {
			t.Helper()
			who, err := identity.NewRoster(w.World.Service).Someone(t.Context(), zhao.Account)
			identitytest.IsReason(t, "loading", err, "")
			do(&who.Party)
			n, err := identity.NewRoster(w.World.Service).Renew(t.Context(), who, true)
			identitytest.IsReason(t, "renewing", err, "")
			identitytest.IsReason(t, "storing", errors.Join(w.UpdateAccount(t.Context(), n.Account), w.UpdateParty(t.Context(), *n.Party)), "")
		}
		change(func(p *identity.Party) {
			p.Codes[0].Until = party.DateOf(time.Now()).AddDays(-1)
			p.Codes = append(p.Codes, identity.PartyCode{Code: identitytest.GuestCode})
		})
		answer("who held the code", zhao, r.ID, acting.ReasonUnknown)
		if all, err := w.Mine(t.Context(), zhao); err != nil || len(all) != 0 {
			t.Errorf("who held the code is shown %v, %v", all, err)
		}
		change(func(now *identity.Party) { now.Codes, now.Name = p.Codes, "赵明" })
		answer("somebody of another name", zhao, r.ID, acting.ReasonUnknown)
		change(func(now *identity.Party) { now.Name = p.Name })
		_, err = w.Change(t.Context(), zhao.Account, func(a *identity.Account) error { a.Proofing.Level = 1; return nil })
		identitytest.IsReason(t, "lowering", err, "")
		answer("who isn't proofed", zhao, r.ID, acting.ReasonAssurance)
		_, err = w.Change(t.Context(), zhao.Account, func(a *identity.Account) error { a.Proofing.Level = 2; return nil })
		identitytest.IsReason(t, "raising", err, "")
		time.Sleep(acting.Open)
		answer("after 30 days", zhao, r.ID, acting.ReasonExpired)
		r = w.proposes(li, head, acting.Agent, zhaoCode) // what is over doesn't stand in the way
		answer("a new one", zhao, r.ID, "")
		answer("once more", zhao, r.ID, "")

		// An administrator leaves no proposals behind.
		adminRight := w.appoints(li, head, acting.Administrator, wang)
		admin := w.as(wang)
		sun := w.someone(sunCode)
		r = w.proposes(wang, admin, acting.Agent, sunCode)
		_, err = w.End(t.Context(), li, head, adminRight.ID)
		identitytest.IsReason(t, "dismissing", err, "")
		answer("of who was dismissed", sun, r.ID, acting.ReasonEnded)
		// Nor does a head.
		r = w.proposes(li, head, acting.Agent, sunCode)
		w.leads(zhaoCode)
		answer("of who was replaced", sun, r.ID, acting.ReasonUnproved)
	})
}

// One who declined isn't one; the same may be proposed anew. Who holds two numbers isn't appointed twice.
func TestDeclineAndTwice(t *testing.T) {
	inBubble(t, func(t *testing.T, w *world) {
		li, zhao := w.someone(identitytest.LiCode), w.someone(zhaoCode)
		w.leads(identitytest.LiCode)
		head := w.as(li)
		r := w.proposes(li, head, acting.Agent, zhaoCode)
		w.refused("twice", li, head, appointment(acting.Agent, zhaoCode), acting.ReasonTwice)
		r, err := w.Answer(t.Context(), zhao, r.ID, false)
		if err != nil || r.State != acting.Ended || r.EndedBy != acting.ReasonDeclined {
			t.Fatalf("declined: %+v, %v", r, err)
		}
		_, err = w.Answer(t.Context(), zhao, r.ID, true)
		identitytest.IsReason(t, "accepting what was declined", err, string(acting.ReasonUnknown))
		w.appoints(li, head, acting.Agent, zhao)
		who, err := identity.NewRoster(w.World.Service).Someone(t.Context(), zhao.Account)
		identitytest.IsReason(t, "loading", err, "")
		who.Party.Codes = append(who.Party.Codes, identity.PartyCode{Code: identitytest.GuestCode})
		n, err := identity.NewRoster(w.World.Service).Renew(t.Context(), who, true)
		identitytest.IsReason(t, "renewing", errors.Join(err, w.UpdateAccount(t.Context(), n.Account), w.UpdateParty(t.Context(), *n.Party)), "")
		a := appointment(acting.Agent, identitytest.GuestCode)
		a.Name = "赵敏"
		r, err = w.Propose(t.Context(), li, head, a)
		identitytest.IsReason(t, "by another number", err, "")
		_, err = w.Answer(t.Context(), zhao, r.ID, true)
		identitytest.IsReason(t, "accepting by another number", err, string(acting.ReasonTwice))
	})
}

// Of many at once, one is stored: a proposal, an answer or an end, what a license proves, and its principal.
func TestRaces(t *testing.T) {
	inBubble(t, func(t *testing.T, w *world) {
		li, zhao := w.someone(identitytest.LiCode), w.someone(zhaoCode)
		w.leads(identitytest.LiCode)
		all, err := w.Choices(t.Context(), li, acting.Wanted{})
		if err != nil || len(all) != 1 {
			t.Fatal(all, err)
		}
		race := func(do func(i int) error) (errs []error) {
			var wait sync.WaitGroup
			errs = make([]error, 8)
			for i := range errs {
				wait.Go(func() { errs[i] = do(i) })
			}
			wait.Wait()
			return errs
		}
		var ids [8]string
		for _, err := range race(func(i int) error {
			a, err := w.node().Choose(t.Context(), li, acting.Wanted{}, all[0].Key)
			ids[i] = a.ID
			return err
		}) {
			identitytest.IsReason(t, "choosing at once", err, "")
		}
		if len(slices.Compact(ids[:])) != 1 || len(w.shelf.records) != 1 || len(w.Parties) != 3 {
			t.Fatalf("there are representations %v of %d parties", ids, len(w.Parties))
		}
		head := w.as(li)
		won := 0
		for _, err := range race(func(int) error {
			_, err := w.Propose(t.Context(), li, head, appointment(acting.Agent, zhaoCode))
			return err
		}) {
			if err == nil {
				won++
			} else {
				identitytest.IsReason(t, "proposing at once", err, string(acting.ReasonTwice))
			}
		}
		if won != 1 {
			t.Fatalf("%d proposals were stored", won)
		}
		mine, err := w.Mine(t.Context(), zhao)
		if err != nil || len(mine) != 1 {
			t.Fatal(mine, err)
		}
		errs := race(func(i int) error {
			if i%2 == 0 {
				_, err := w.End(t.Context(), li, head, mine[0].ID)
				return err
			}
			_, err := w.Answer(t.Context(), zhao, mine[0].ID, true)
			return err
		})
		for i, err := range errs {
			if i%2 == 0 {
				identitytest.IsReason(t, "ending", err, "")
			} else if err != nil {
				identitytest.IsReason(t, "accepting what was ended", err, string(acting.ReasonUnknown))
			}
		}
		w.may("whoever was first", zhao, mine[0].ID, map[bool]acting.Reason{true: acting.ReasonEnded, false: acting.ReasonUnknown}[w.shelf.records[mine[0].ID].Revision > 2])
		if w.shelf.records[mine[0].ID].State != acting.Ended {
			t.Error("an end was lost")
		}
	})
}

// A choice's key is one person's; a registry that doesn't answer lets nobody act.
func TestKeysAndRegistry(t *testing.T) {
	inBubble(t, func(t *testing.T, w *world) {
		li, wang := w.someone(identitytest.LiCode), w.someone(wangCode)
		w.leads(identitytest.LiCode)
		all, err := w.Choices(t.Context(), li, acting.Wanted{})
		identitytest.IsReason(t, "choices", err, "")
		w.registry.set(func() { w.registry.facts[wangCode] = w.registry.facts[identitytest.LiCode] }) // an old license that names her still
		_, err = w.Choose(t.Context(), wang, acting.Wanted{}, all[0].Key)
		identitytest.IsReason(t, "another's key", err, string(acting.ReasonUnknown))
		for _, key := range []string{"", "x", all[0].Key + "0"} {
			_, err = w.Choose(t.Context(), li, acting.Wanted{}, key)
			identitytest.IsReason(t, "a made up key", err, string(acting.ReasonUnknown))
		}
		if all, err := w.Choices(t.Context(), wang, acting.Wanted{}); err != nil || len(all) != 0 {
			t.Errorf("whom an old license names may act as %v, %v", all, err)
		}
		head := w.as(li)
		w.registry.set(func() { w.registry.fails = errDown })
		if _, err := w.Check(t.Context(), li, acting.Wanted{}, head.ID); !errors.Is(err, errDown) {
			t.Errorf("without the registry: %v", err)
		}
		if err := w.Live(t.Context(), head.ID, li.Party.ID); !errors.Is(err, errDown) {
			t.Errorf("without the registry, tokens: %v", err)
		}
		if _, err := w.Choices(t.Context(), li, acting.Wanted{}); !errors.Is(err, errDown) {
			t.Errorf("without the registry, choices: %v", err)
		}
		w.registry.set(func() { w.registry.fails = nil })
		_, err = w.End(t.Context(), li, nil, head.ID)
		identitytest.IsReason(t, "ending what a license proves", err, string(acting.ReasonMayNot))
		_, err = w.EndByClerk(t.Context(), acting.Clerk{ID: "cli"}, head.ID, "样例")
		identitytest.IsReason(t, "a clerk", err, string(acting.ReasonMayNot))
		// The account is disabled: tokens and pages end, also for what a license proves.
		_, err = w.DisableAccount(t.Context(), "cli", li.Account, true)
		identitytest.IsReason(t, "disabling", err, "")
		w.may("who is disabled", li, head.ID, acting.ReasonUnknown)
	})
}

// Somebody else heads the organization: what the former one appointed lapses after 30 days unless it is confirmed;
// what has lapsed stays so when there is yet another.
func TestHeadChanges(t *testing.T) {
	inBubble(t, func(t *testing.T, w *world) {
		li, wang, zhao, sun := w.someone(identitytest.LiCode), w.someone(wangCode), w.someone(zhaoCode), w.someone(sunCode)
		w.leads(identitytest.LiCode)
		head := w.as(li)
		kept, lost := w.appoints(li, head, acting.Agent, wang), w.appoints(li, head, acting.Administrator, zhao)
		w.leads(sunCode)
		w.may("who was replaced", li, head.ID, acting.ReasonUnproved)
		admin := w.as(zhao)
		if all, err := w.Choices(t.Context(), zhao, acting.Wanted{}); err != nil || all[0].Lapses != party.DateOf(time.Now().Add(acting.Lapse-1)).String() {
			t.Errorf("who lapses is told %+v, %v", all, err)
		}
		w.refused("who lapses appoints", zhao, admin, appointment(acting.Agent, sunCode), acting.ReasonLapsed)
		other := w.as(sun)
		_, err := w.Confirm(t.Context(), zhao, admin, kept.ID)
		identitytest.IsReason(t, "an administrator confirms", err, string(acting.ReasonMayNot))
		for range 2 {
			r, err := w.Confirm(t.Context(), sun, other, kept.ID)
			if err != nil || len(r.Proof.Confirmed) != 1 {
				t.Fatalf("confirming: %+v, %v", r, err)
			}
		}
		time.Sleep(acting.Lapse)
		w.may("who was confirmed", wang, kept.ID, "")
		w.may("who wasn't", zhao, lost.ID, acting.ReasonLapsed)
		_, err = w.Confirm(t.Context(), sun, other, lost.ID)
		identitytest.IsReason(t, "confirming who has lapsed", err, string(acting.ReasonLapsed))
		identitytest.IsReason(t, "sweeping", w.Sweep(t.Context()), "")
		w.leads(identitytest.ZhangCode) // and yet another: without the sweep there would be 30 days more
		w.may("who has lapsed", zhao, lost.ID, acting.ReasonEnded)
		w.may("who was confirmed by the second", wang, kept.ID, "")
		w.registry.set(func() { w.registry.heads[noodles] = acting.Head{Known: true, Since: time.Now()} }) // suspended
		w.may("the head of a suspended license", sun, other.ID, acting.ReasonUnproved)
		time.Sleep(acting.Lapse)
		w.may("who was confirmed, 30 days after the license was suspended", wang, kept.ID, acting.ReasonLapsed)
	})
}

// A principal has a bounded number of representations, and proposes so many a day.
func TestLimits(t *testing.T) {
	inBubble(t, func(t *testing.T, w *world) {
		li := w.someone(identitytest.LiCode)
		w.leads(identitytest.LiCode)
		head := w.as(li)
		for n := range 4 {
			for i := range 50 {
				a := appointment(acting.Agent, party.Code{Type: party.Passport, Value: "P" + string(rune('A'+n)) + string(rune('a'+i%26)) + string(rune('A'+i/26))})
				a.Name = "某某"
				_, err := w.Propose(t.Context(), li, head, a)
				if n == 3 && i == 49 { // the head is one of 200
					identitytest.IsReason(t, "the 201st", err, string(acting.ReasonTooMany))
					return
				}
				identitytest.IsReason(t, "proposing", err, "")
			}
			w.refused("the 51st of a day", li, head, appointment(acting.Agent, zhaoCode), acting.ReasonTooMany)
			time.Sleep(24 * time.Hour)
		}
		t.Error("there are more than 200")
	})
}
