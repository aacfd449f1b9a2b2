package acting_test

import (
	"errors"
	"slices"
	"strings"
	"testing"
	"time"

	"yizheng.internal/license/party"
	"yizheng.internal/oidc/identity"
	"yizheng.internal/oidc/identity/acting"
	"yizheng.internal/oidc/identity/identitytest"
	"yizheng.internal/oidc/identity/notice"
	"yizheng.internal/signing/journal"
)

func day(t *testing.T, text string) party.Date {
	t.Helper()
	d, err := party.ParseDate(text)
	if err != nil {
		t.Fatal(err)
	}
	return d
}

// until lets time pass until a day in China begins, or another moment from there.
func until(t *testing.T, text string, more time.Duration) {
	t.Helper()
	time.Sleep(time.Until(day(t, text).Start().Add(more)))
}

// bears has the registry know somebody as a parent.
func (w *world) bears(parent party.Code, born party.Date, child ...party.Code) {
	w.registry.set(func() {
		w.registry.facts[parent] = []acting.Fact{{
			Kind: acting.Guardian, Of: identity.Person, Codes: child, Name: "小明", License: "license-2", Version: 1, Type: "birth-certificate", Born: born,
		}}
	})
}

// A mother acts for her newborn: she agrees for the child until its 14th birthday, and acts until its 18th.
func TestGuardian(t *testing.T) {
	inBubble(t, func(t *testing.T, w *world) {
		wang := w.someone(wangCode)
		w.bears(wangCode, day(t, "1999-12-30"), newborn)
		a := w.as(wang)
		if a.Kind != acting.Guardian || !a.Consents || a.Principal.Kind != identity.Person || a.Principal.Codes[0].Code != newborn || a.Born != "1999-12-30" {
			t.Fatalf("a mother acts as %+v", a)
		}
		consents := func(what string, want bool) {
			t.Helper()
			a, err := w.Check(t.Context(), wang, acting.Wanted{Act: acting.Apply}, a.ID)
			r, other := w.Relatives(t.Context(), wang, nil, "item")
			if err != nil || other != nil || a.Consents != want || slices.Contains(r.Children, newborn) != want {
				t.Errorf("%s: agrees %v, %v; children %v, %v", what, a.Consents, err, r.Children, other)
			}
		}
		until(t, "2013-12-30", -time.Second)
		consents("a second before the 14th birthday", true)
		until(t, "2013-12-30", 0)
		consents("on the 14th birthday", false)
		until(t, "2017-12-30", -time.Second)
		consents("a second before the 18th birthday", false)
		until(t, "2017-12-30", 0)
		w.may("on the 18th birthday", wang, a.ID, acting.ReasonOfAge)
		if all, err := w.Choices(t.Context(), wang, acting.Wanted{}); err != nil || len(all) != 0 {
			t.Errorf("on the 18th birthday the choices are %v, %v", all, err)
		}
		w.registry.set(func() { clear(w.registry.facts) })
		w.may("without the license", wang, a.ID, acting.ReasonUnproved)
	})
}

// Who was born on 29 February comes of age on the last day of February; the birth date of the child's number
// counts if the license doesn't say it; without any, the license proves nothing.
func TestBirthdays(t *testing.T) {
	inBubble(t, func(t *testing.T, w *world) {
		wang := w.someone(wangCode)
		w.bears(wangCode, party.Date{}, newborn)
		if all, err := w.Choices(t.Context(), wang, acting.Wanted{}); err != nil || len(all) != 0 {
			t.Errorf("for a child whose birth isn't known: %v, %v", all, err)
		}
		w.bears(wangCode, party.Date{}, minorCode) // 1988-02-29
		a := w.as(wang)
		if a.Born != "1988-02-29" {
			t.Errorf("born %s", a.Born)
		}
		until(t, "2002-02-28", -time.Second)
		if a, err := w.Check(t.Context(), wang, acting.Wanted{}, a.ID); err != nil || !a.Consents {
			t.Errorf("a second before: %v, %v", a.Consents, err)
		}
		until(t, "2002-02-28", 0)
		if a, err := w.Check(t.Context(), wang, acting.Wanted{}, a.ID); err != nil || a.Consents {
			t.Errorf("at 14: %v, %v", a.Consents, err)
		}
		until(t, "2006-02-28", 0)
		w.may("at 18", wang, a.ID, acting.ReasonOfAge)
	})
}

// Two parents of a child have a choice of the same, and neither the other's key.
func TestKeysOfParents(t *testing.T) {
	inBubble(t, func(t *testing.T, w *world) {
		wang, zhao := w.someone(wangCode), w.someone(zhaoCode)
		w.bears(wangCode, day(t, "1999-12-30"), newborn)
		w.bears(zhaoCode, day(t, "1999-12-30"), newborn)
		all, err := w.Choices(t.Context(), wang, acting.Wanted{})
		if err != nil || len(all) != 1 {
			t.Fatal(all, err)
		}
		_, err = w.Choose(t.Context(), zhao, acting.Wanted{}, all[0].Key)
		identitytest.IsReason(t, "the other parent's key", err, string(acting.ReasonUnknown))
		if a, b := w.as(wang), w.as(zhao); a.ID == b.ID || a.Principal.ID != b.Principal.ID {
			t.Errorf("they act as %+v and %+v", a, b)
		}
	})
}

// A parent whose child has died acts for nobody.
func TestDeceased(t *testing.T) {
	inBubble(t, func(t *testing.T, w *world) {
		wang, child, sun := w.someone(wangCode), w.someone(minorCode), w.someone(sunCode)
		w.bears(wangCode, party.Date{}, minorCode)
		a := w.as(wang)
		w.refused("a minor entrusts", child, nil, appointment(acting.Entrusted, sunCode), acting.ReasonMayNot)
		entrusted := w.appoints(wang, nil, acting.Entrusted, sun)
		w.may("who was entrusted", sun, entrusted.ID, "")
		died := func(account string) {
			t.Helper()
			_, err := w.Change(t.Context(), account, func(a *identity.Account) error {
				a.Close(identity.Closing{Kind: identity.Deceased, On: party.DateOf(time.Now()), Evidence: "样例", Source: "cli"})
				return nil
			})
			identitytest.IsReason(t, "dying", err, "")
		}
		died(child.Account)
		w.may("the parent", wang, a.ID, acting.ReasonEnded)
		if all, err := w.Choices(t.Context(), wang, acting.Wanted{}); err != nil || len(all) != 0 {
			t.Errorf("the choices are %v, %v", all, err)
		}
		died(wang.Account)
		w.may("whom somebody entrusted who has died", sun, entrusted.ID, acting.ReasonEnded)
	})
}

// A spouse agrees by entrusting; when the divorce is registered that is no spouse's any more.
func TestSpouse(t *testing.T) {
	inBubble(t, func(t *testing.T, w *world) {
		wang, zhao := w.someone(wangCode), w.someone(zhaoCode)
		relatives := func(what string, spouse int, agreed bool) {
			t.Helper()
			r, err := w.Relatives(t.Context(), wang, nil, "item")
			if err != nil || len(r.Spouse) != spouse || r.SpouseAgreed != agreed {
				t.Errorf("%s: %+v, %v", what, r, err)
			}
		}
		relatives("unmarried", 0, false)
		w.registry.set(func() {
			w.registry.spouse[wangCode] = &acting.Fact{Of: identity.Person, Codes: []party.Code{zhaoCode}, Name: "赵敏", License: "license-3"}
		})
		relatives("who agreed to nothing", 1, false)
		a := appointment(acting.Entrusted, wangCode)
		a.Bounds.Items = []string{"another-item"}
		r, err := w.Propose(t.Context(), zhao, nil, a)
		identitytest.IsReason(t, "proposing", err, "")
		_, err = w.Answer(t.Context(), wang, r.ID, true)
		identitytest.IsReason(t, "accepting", err, "")
		relatives("who agreed to another item", 1, false)
		_, err = w.End(t.Context(), zhao, nil, r.ID)
		identitytest.IsReason(t, "ending", err, "")
		a.Bounds = acting.Bounds{Acts: acting.Acts(), Types: []string{"marriage-certificate"}}
		r, err = w.Propose(t.Context(), zhao, nil, a)
		identitytest.IsReason(t, "proposing", err, "")
		_, err = w.Answer(t.Context(), wang, r.ID, true)
		identitytest.IsReason(t, "accepting", err, "")
		relatives("who agreed to licenses of a type alone", 1, false)
		_, err = w.End(t.Context(), zhao, nil, r.ID)
		identitytest.IsReason(t, "ending", err, "")
		r = w.appoints(zhao, nil, acting.Entrusted, wang)
		relatives("who agreed", 1, true)
		_, err = w.End(t.Context(), wang, nil, w.appoints(wang, nil, acting.Entrusted, zhao).ID) // the other way round isn't it
		identitytest.IsReason(t, "ending", err, "")
		w.registry.set(func() { clear(w.registry.spouse) })
		relatives("divorced", 0, false)
		w.registry.set(func() { w.registry.fails = errDown })
		if _, err := w.Relatives(t.Context(), wang, nil, "item"); !errors.Is(err, errDown) {
			t.Errorf("without the registry: %v", err)
		}
	})
}

// What a clerk enters is in force at once; it goes no farther than the registry lets it.
func TestClerk(t *testing.T) {
	inBubble(t, func(t *testing.T, w *world) {
		li, wang := w.someone(identitytest.LiCode), w.someone(wangCode)
		cli := acting.Clerk{ID: "cli:wu"}
		shop := acting.Party{Name: shopName, Code: noodles}
		head := acting.Checked{
			Kind: acting.LegalRepresentative, Principal: shop, Representative: acting.Party{Name: "李建国", Code: identitytest.LiCode},
			Bounds: acting.Bounds{Acts: acting.Acts()}, Evidence: "营业执照正本 2026-17",
		}
		enter := func(what string, c acting.Clerk, of acting.Checked, reason acting.Reason) acting.Representation {
			t.Helper()
			r, err := w.Enter(t.Context(), c, of)
			identitytest.IsReason(t, what, err, string(reason))
			return r
		}
		wrong := head
		wrong.Representative.Name = "李建军"
		enter("another name", cli, wrong, acting.ReasonUnknown)
		wrong = head
		wrong.Representative.Code = zhaoCode
		enter("nobody", cli, wrong, acting.ReasonUnknown)
		wrong = head
		wrong.Evidence = " "
		enter("no evidence", cli, wrong, acting.ReasonMalformed)
		enter("another's system", acting.Clerk{ID: "client", System: true, Sources: []string{"qinghe"}, Level: 3}, head, acting.ReasonMayNot)
		wrong = head
		wrong.Kind, wrong.Principal = acting.Guardian, acting.Party{Name: "某某", Code: party.Code{Type: party.OtherPerson, Value: "Y1"}}
		before := len(w.Parties)
		enter("a child whose birth isn't known", cli, wrong, acting.ReasonUnproved)
		if len(w.Parties) != before {
			t.Error("a refused entry leaves a party behind")
		}
		r := enter("a head", cli, head, "")
		enter("twice", cli, head, acting.ReasonTwice)
		wrong = head
		wrong.Principal.Name = "另一公司"
		wrong.Kind = acting.Agent
		enter("a known code with another name", cli, wrong, acting.ReasonMalformed)
		a := w.as(li)
		if a.ID != r.ID || a.Proof.Clerk != "cli:wu" || a.Proof.License != "" {
			t.Fatalf("the head acts as %+v", a)
		}
		agent := w.appoints(li, a, acting.Agent, wang)
		relatives, err := w.Relatives(t.Context(), li, a, "item")
		if err != nil || !slices.Equal(relatives.Head, []party.Code{identitytest.LiCode}) {
			t.Errorf("the head is %v, %v", relatives.Head, err)
		}
		// A license that names somebody goes before papers.
		time.Sleep(time.Hour)
		w.leads(sunCode)
		w.may("whom a license doesn't name", li, r.ID, acting.ReasonUnproved)
		enter("against the registry", cli, head, acting.ReasonUnproved)
		w.may("the agent, for 30 days", wang, agent.ID, "")
		time.Sleep(acting.Lapse)
		w.may("the agent, later", wang, agent.ID, acting.ReasonLapsed)

		found, err := w.OfCode(t.Context(), cli, noodles)
		if err != nil || len(found) != 2 {
			t.Errorf("of the shop there are %v, %v", found, err)
		}
		if found, err := w.OfCode(t.Context(), acting.Clerk{ID: "client", System: true}, noodles); err != nil || len(found) != 0 {
			t.Errorf("another's system finds %v, %v", found, err)
		}
		_, err = w.EndByClerk(t.Context(), acting.Clerk{ID: "client", System: true}, agent.ID, "样例")
		identitytest.IsReason(t, "another's system ends", err, string(acting.ReasonUnknown))
		for range 2 {
			if r, err := w.EndByClerk(t.Context(), cli, agent.ID, "公司来函"); err != nil || r.State != acting.Ended || !strings.Contains(r.Why, "公司来函") {
				t.Errorf("ended: %+v, %v", r, err)
			}
		}
	})
}

// A department's system enters who acts for people of its own alone, if it proofs them well, and is told the same of
// all others; those who are represented are told.
func TestClientEnters(t *testing.T) {
	inBubble(t, func(t *testing.T, w *world) {
		wang, zhao, sun := w.someone(wangCode), w.someone(zhaoCode), w.someone(sunCode)
		child := w.someone(minorCode)
		for account, source := range map[string]string{wang.Account: "qinghe", zhao.Account: "qinghe", child.Account: "qinghe", sun.Account: "clinic"} {
			_, err := w.Change(t.Context(), account, func(a *identity.Account) error { a.Source = source; return nil })
			identitytest.IsReason(t, "giving a source", err, "")
		}
		system := acting.Clerk{ID: "client", System: true, Sources: []string{"qinghe"}, Level: 2}
		of := acting.Checked{
			Kind: acting.Entrusted, Principal: acting.Party{Name: "赵敏", Code: zhaoCode}, Representative: acting.Party{Name: "王芳", Code: wangCode},
			Bounds: acting.Bounds{Acts: acting.Acts()}, Evidence: "公证书 2026-17",
		}
		refused := func(what string, by acting.Clerk, change func(c *acting.Checked), reason acting.Reason) (detail string) {
			t.Helper()
			c := of
			change(&c)
			_, err := w.Enter(t.Context(), by, c)
			identitytest.IsReason(t, what, err, string(reason))
			if reason != "" {
				detail = err.Error()
			}
			return detail
		}
		for _, k := range []acting.Kind{acting.LegalRepresentative, acting.Administrator, acting.Agent} {
			refused(string(k), system, func(c *acting.Checked) { c.Kind, c.Principal = k, acting.Party{Name: shopName, Code: noodles} }, acting.ReasonMayNot)
		}
		weak := system
		weak.Level = 1
		refused("a client of level 1", weak, func(*acting.Checked) {}, acting.ReasonMayNot)
		nobody := refused("nobody", system, func(c *acting.Checked) { c.Principal = acting.Party{Name: "李建国", Code: identitytest.LiCode} }, acting.ReasonMayNot)
		for what, p := range map[string]acting.Party{
			"another's person": {Name: "孙杰", Code: sunCode}, "another's person by another name": {Name: "孙某", Code: sunCode}, "one's own by another name": {Name: "赵某", Code: zhaoCode},
		} {
			if got := refused(what, system, func(c *acting.Checked) { c.Principal = p }, acting.ReasonMayNot); got != nobody {
				t.Errorf("%s: %q, and of nobody %q", what, got, nobody)
			}
		}
		refused("another's representative", system, func(c *acting.Checked) { c.Representative = acting.Party{Name: "孙杰", Code: sunCode} }, acting.ReasonUnknown)
		refused("its own", system, func(*acting.Checked) {}, "")
		refused("its own child", system, func(c *acting.Checked) {
			c.Kind, c.Principal = acting.Guardian, acting.Party{Name: "小明", Code: minorCode}
		}, "")
		told := map[string]int{}
		for _, e := range w.shelf.events {
			if e.Action == journal.ActionRepresentationBegun {
				told[e.Subject]++
			}
		}
		if told[wang.Account] != 2 || told[zhao.Account] != 1 || told[child.Account] != 1 {
			t.Errorf("told: %v", told)
		}
	})
}

// A clerk enters guardians of minors alone, by evidence; a proven one beside it is another.
func TestClerkGuardian(t *testing.T) {
	inBubble(t, func(t *testing.T, w *world) {
		wang := w.someone(wangCode)
		of := acting.Checked{
			Kind: acting.Guardian, Principal: acting.Party{Name: "小明", Code: minorCode}, Representative: acting.Party{Name: "王芳", Code: wangCode},
			Bounds: acting.Bounds{Acts: acting.Acts()}, Evidence: "村委会监护证明 2026-17",
		}
		wrong := of
		wrong.Born = day(t, "1989-02-28")
		_, err := w.Enter(t.Context(), acting.Clerk{ID: "cli"}, wrong)
		identitytest.IsReason(t, "another birthday than the number's", err, string(acting.ReasonMalformed))
		wrong = of
		wrong.Principal = acting.Party{Name: "张小䶮", Code: party.Code{Type: party.OtherPerson, Value: "Y1"}}
		_, err = w.Enter(t.Context(), acting.Clerk{ID: "cli"}, wrong)
		identitytest.IsReason(t, "no birthday", err, string(acting.ReasonUnproved))
		wrong.Born = day(t, "1981-12-31")
		_, err = w.Enter(t.Context(), acting.Clerk{ID: "cli"}, wrong)
		identitytest.IsReason(t, "an adult", err, string(acting.ReasonOfAge))
		r, err := w.Enter(t.Context(), acting.Clerk{ID: "cli"}, of)
		if err != nil || r.Born != "1988-02-29" {
			t.Fatal(r, err)
		}
		w.bears(wangCode, party.Date{}, minorCode)
		if a := w.as(wang); a.ID == r.ID || a.Proof.License == "" {
			t.Errorf("what a license proves goes first: %+v", a)
		}
		until(t, "2006-02-28", 0)
		identitytest.IsReason(t, "sweeping", w.Sweep(t.Context()), "")
		w.may("at 18", wang, r.ID, acting.ReasonEnded)
	})
}

// The person is told of a proposal if there is one, after the answer; the events name those whom it concerns.
func TestTold(t *testing.T) {
	inBubble(t, func(t *testing.T, w *world) {
		li, zhao := w.someone(identitytest.LiCode), w.someone(zhaoCode)
		w.leads(identitytest.LiCode)
		head := w.as(li)
		sent := w.SMS.Count()
		w.Asked()
		r := w.proposes(li, head, acting.Agent, zhaoCode)
		known := w.Asked()
		w.proposes(li, head, acting.Agent, sunCode) // nobody has that number
		unknown := w.Asked()
		if w.SMS.Count() != sent {
			t.Error("the answer waits for the gateway")
		}
		if !slices.Equal(known, unknown) {
			t.Errorf("whether there is somebody shows in what is asked:\n%v\n%v", known, unknown)
		}
		w.Deliver(t.Context())
		if w.SMS.Count() != sent+1 || w.SMS.Last(t).Kind != notice.RepresentationOffered || w.SMS.Last(t).Phone != "+8613800130022" && !strings.HasPrefix(w.SMS.Last(t).Phone, "+86138001") {
			t.Errorf("told: %+v", w.SMS.Sent()[sent:])
		}
		_, err := w.Answer(t.Context(), zhao, r.ID, true)
		identitytest.IsReason(t, "accepting", err, "")
		_, err = w.End(t.Context(), li, head, r.ID)
		identitytest.IsReason(t, "ending", err, "")
		var got []string
		for _, e := range w.shelf.events {
			name := map[string]string{li.Account: "li", zhao.Account: "zhao", r.ID: "it", head.ID: "head"}
			got = append(got, string(e.Action)+" "+name[e.Actor.ID]+" "+name[e.Subject])
		}
		want := []string{
			"representation.choose li head", "representation.propose li it", "representation.offered li zhao", "representation.propose li ",
			"representation.accept zhao it", "representation.begun zhao li", "representation.end li it", "representation.ended li zhao",
		}
		if !slices.Equal(got, want) {
			t.Errorf("the events are\n%q, want\n%q", got, want)
		}
	})
}

// A rotated lookup key: what was written before is found under the new one alone, once it is rehashed.
func TestRehash(t *testing.T) {
	inBubble(t, func(t *testing.T, w *world) {
		li, zhao := w.someone(identitytest.LiCode), w.someone(zhaoCode)
		w.leads(identitytest.LiCode)
		r := w.proposes(li, w.as(li), acting.Agent, zhaoCode)
		old := w.RotateLookup(t)
		identitytest.IsReason(t, "rehashing people", w.RehashLogins(t.Context(), nil), "")
		identitytest.IsReason(t, "rehashing", w.Rehash(t.Context(), nil), "")
		w.RevokeKey(t, old)
		if mine, err := w.Mine(t.Context(), zhao); err != nil || len(mine) != 1 || mine[0].ID != r.ID {
			t.Errorf("after the rotation %v, %v", mine, err)
		}
		w.refused("twice", li, w.as(li), appointment(acting.Agent, zhaoCode), acting.ReasonTwice)
	})
}
