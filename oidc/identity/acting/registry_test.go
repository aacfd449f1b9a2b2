package acting_test

import (
	"errors"
	"testing"
	"time"

	"yizheng.internal/license/party"
	"yizheng.internal/oidc/identity"
	"yizheng.internal/oidc/identity/acting"
	"yizheng.internal/oidc/identity/identitytest"
)

// papers has a clerk enter a legal representative of the noodle shop.
func (w *world) papers(who party.Code) (acting.Representation, error) {
	return w.Enter(w.t.Context(), acting.Clerk{ID: "cli"}, acting.Checked{
		Kind: acting.LegalRepresentative, Principal: acting.Party{Name: shopName, Code: noodles}, Representative: acting.Party{Name: personName[who], Code: who},
		Bounds: acting.Bounds{Acts: acting.Acts()}, Evidence: "营业执照正本 2026-17",
	})
}

// While licenses in force contradict each other, papers prove no legal representative.
func TestDisputed(t *testing.T) {
	inBubble(t, func(t *testing.T, w *world) {
		li := w.someone(identitytest.LiCode)
		w.someone(wangCode)
		w.leads(party.Code{})
		time.Sleep(time.Hour)
		r, err := w.papers(identitytest.LiCode)
		identitytest.IsReason(t, "entering", err, "")
		w.may("by papers that are newer than the last license", li, r.ID, "")
		w.registry.set(func() {
			h := w.registry.heads[noodles]
			h.Disputed = true
			w.registry.heads[noodles] = h
		})
		w.may("while licenses contradict each other", li, r.ID, acting.ReasonUnproved)
		_, err = w.papers(wangCode)
		identitytest.IsReason(t, "entering another", err, string(acting.ReasonUnproved))
	})
}

// A legal representative by papers whose account is closed or disabled is none: whom they appointed lapses from then on.
func TestHeadsAccount(t *testing.T) {
	for what, disable := range map[string]func(a *identity.Account){
		"disabled": func(a *identity.Account) { a.Disable(true, "") },
		"deceased": func(a *identity.Account) {
			a.Close(identity.Closing{Kind: identity.Deceased, On: party.DateOf(time.Now()), Evidence: "样例", Source: "cli"})
		},
	} {
		inBubble(t, func(t *testing.T, w *world) {
			li, wang := w.someone(identitytest.LiCode), w.someone(wangCode)
			_, err := w.papers(identitytest.LiCode)
			identitytest.IsReason(t, "entering", err, "")
			agent := w.appoints(li, w.as(li), acting.Agent, wang)
			time.Sleep(2 * acting.Lapse)
			_, err = w.Change(t.Context(), li.Account, func(a *identity.Account) error { disable(a); return nil })
			identitytest.IsReason(t, what, err, "")
			w.may("the agent of who is "+what, wang, agent.ID, "")
			time.Sleep(acting.Lapse - time.Second)
			w.may("the agent, for 30 days", wang, agent.ID, "")
			time.Sleep(time.Second)
			w.may("the agent, later", wang, agent.ID, acting.ReasonLapsed)
		})
	}
}

// What the registry can't tell of one organization leaves the others, and what is asked of one isn't asked of all.
func TestOneOfMany(t *testing.T) {
	inBubble(t, func(t *testing.T, w *world) {
		li := w.someone(identitytest.LiCode)
		other := uscc("91990101MA0000001")
		w.leads(identitytest.LiCode)
		head := w.as(li)
		w.registry.set(func() {
			second := w.registry.facts[identitytest.LiCode][0]
			second.Codes, second.Name, second.License = []party.Code{other}, "另一公司", "license-9"
			w.registry.facts[identitytest.LiCode] = append(w.registry.facts[identitytest.LiCode], second)
			w.registry.heads[other] = w.registry.heads[noodles]
		})
		if all, err := w.Choices(t.Context(), li, acting.Wanted{}); err != nil || len(all) != 2 {
			t.Fatalf("the choices are %v, %v", all, err)
		}
		w.registry.set(func() { w.registry.asked = 0 })
		if err := w.Live(t.Context(), head.ID, li.Party.ID); err != nil || w.registry.asked != 1 {
			t.Errorf("one of two: %v, asked %d times", err, w.registry.asked)
		}
		w.registry.set(func() { w.registry.fail = map[party.Code]error{other: errDown} })
		if all, err := w.Choices(t.Context(), li, acting.Wanted{}); err != nil || len(all) != 1 || all[0].Principal.Code != noodles {
			t.Errorf("without the other's license the choices are %v, %v", all, err)
		}
		if err := w.Live(t.Context(), head.ID, li.Party.ID); err != nil {
			t.Errorf("without the other's license: %v", err)
		}
		w.registry.set(func() { w.registry.fail = map[party.Code]error{noodles: errDown} })
		if err := w.Live(t.Context(), head.ID, li.Party.ID); !errors.Is(err, errDown) {
			t.Errorf("without the license: %v", err)
		}
	})
}

// Whose proofing was lowered acts for nobody, tokens included.
func TestProofingLowered(t *testing.T) {
	inBubble(t, func(t *testing.T, w *world) {
		li := w.someone(identitytest.LiCode)
		w.leads(identitytest.LiCode)
		head := w.as(li)
		_, err := w.Change(t.Context(), li.Account, func(a *identity.Account) error { a.Proofing.Level = 1; return nil })
		identitytest.IsReason(t, "lowering", err, "")
		identitytest.IsReason(t, "tokens", w.Live(t.Context(), head.ID, li.Party.ID), string(acting.ReasonAssurance))
	})
}

// Of several dates of birth the earliest counts: an adult doesn't become a child by a later license.
func TestEarliestBirth(t *testing.T) {
	inBubble(t, func(t *testing.T, w *world) {
		wang := w.someone(wangCode)
		w.bears(wangCode, day(t, "1999-12-30"), newborn)
		a := w.as(wang)
		w.bears(wangCode, day(t, "1981-12-30"), newborn)
		w.may("by an earlier date of another license", wang, a.ID, acting.ReasonOfAge)
		w.bears(wangCode, day(t, "1999-12-30"), minorCode) // born 1988-02-29 by the number
		all, err := w.Choices(t.Context(), wang, acting.Wanted{})
		if err != nil || len(all) != 1 {
			t.Fatal(all, err)
		}
		if got, err := w.Choose(t.Context(), wang, acting.Wanted{}, all[0].Key); err != nil || got.Born != "1988-02-29" {
			t.Errorf("born %s, %v", got.Born, err)
		}
	})
}
