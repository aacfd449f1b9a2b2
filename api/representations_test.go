package api

import (
	"strings"
	"testing"

	"yizheng.internal/oidc/identity"
	"yizheng.internal/signing/journal"
)

const representationsPath = "/v1/admin/representations"

// A department's system enters a guardian of its own people, finds what it entered by a number, and ends it; another's
// is told the same as of nobody.
func TestRepresentations(t *testing.T) {
	t.Parallel()
	x := newRegistry(t, serviceConfig{})
	account := x.take(t, "portal", "p-1", "张三", portalPerson)
	x.take(t, "clinic", "c-1", "李四", clinicPerson)
	const childCode = "990101202001010021"
	x.take(t, "portal", "p-2", "小明", childCode)
	child := object{"name": "小明", "code": object{"type": "111", "value": childCode}}
	entry := func(name, number string, more ...any) object {
		body := object{
			"kind": "guardian", "principal": child, "representative": object{"name": name, "code": object{"type": "111", "value": number}},
			"acts": []string{"apply", "view"}, "evidence": "样例监护证明 2026-17",
		}
		for i := 0; i+1 < len(more); i += 2 {
			body[more[i].(string)] = more[i+1]
		}
		return body
	}
	x.call(t, x.portal, "POST", representationsPath, entry("李四", clinicPerson)).want(t, 404, "representation_unknown")
	x.call(t, x.portal, "POST", representationsPath, entry("王五", nobodyAtAll)).want(t, 404, "representation_unknown")
	x.call(t, x.portal, "POST", representationsPath, entry("张四", portalPerson)).want(t, 404, "representation_unknown")
	x.call(t, x.portal, "POST", representationsPath, entry("张三", portalPerson)).want(t, 409, "representation_assurance")
	_, err := x.people.Change(t.Context(), account, func(a *identity.Account) error { a.Proofing.Level = 2; return nil })
	mustOf(t)(err)
	x.call(t, x.portal, "POST", representationsPath, entry("张三", portalPerson, "evidence", " ")).want(t, 422, "representation_malformed")
	x.call(t, x.portal, "POST", representationsPath, entry("张三", portalPerson, "born", "1999-01-01")).want(t, 422, "representation_malformed")
	for _, kind := range []string{"legal_representative", "administrator", "agent"} {
		x.call(t, x.portal, "POST", representationsPath, entry("张三", portalPerson, "kind", kind)).want(t, 403, "representation_may_not")
	}
	// Of who isn't theirs it is told the same as of nobody.
	told := x.call(t, x.portal, "POST", representationsPath, entry("张三", portalPerson, "kind", "entrusted", "principal", object{"name": "王五", "code": object{"type": "111", "value": nobodyAtAll}})).want(t, 403, "representation_may_not")
	for _, name := range []string{"李四", "王五"} {
		of := object{"name": name, "code": object{"type": "111", "value": clinicPerson}}
		if got := x.call(t, x.portal, "POST", representationsPath, entry("张三", portalPerson, "kind", "entrusted", "principal", of)).want(t, 403, "representation_may_not"); got.member("detail") != told.member("detail") {
			t.Errorf("of another's person it is told %s, and of nobody %s", got.body, told.body)
		}
	}
	weak := x.peopleClient(t, x.owner(t), 1, "portal")
	x.call(t, weak, "POST", representationsPath, entry("张三", portalPerson)).want(t, 403, "representation_may_not")
	made := x.call(t, x.portal, "POST", representationsPath, entry("张三", portalPerson)).want(t, 201, "")
	x.call(t, x.portal, "POST", representationsPath, entry("张三", portalPerson)).want(t, 409, "representation_twice")
	id := made.member("id")
	if made.member("state") != "accepted" || made.member("evidence") != "样例监护证明 2026-17" {
		t.Fatalf("entered %s", made.body)
	}
	find := object{"code": object{"type": "111", "value": childCode}}
	if all := x.call(t, x.portal, "POST", representationsPath+"/find", find).want(t, 200, ""); strings.Count(all.body, `"id"`) != 1 || !strings.Contains(all.body, id) {
		t.Errorf("found %s", all.body)
	}
	if all := x.call(t, x.clinic, "POST", representationsPath+"/find", find).want(t, 200, ""); strings.Contains(all.body, `"id"`) {
		t.Errorf("another's system found %s", all.body)
	}
	end := object{"why": "样例判决"}
	x.call(t, x.clinic, "POST", representationsPath+"/"+id+"/end", end).want(t, 404, "representation_unknown")
	x.call(t, x.portal, "POST", representationsPath+"/"+strings.Repeat("a", 26)+"/end", end).want(t, 404, "representation_unknown")
	x.call(t, x.portal, "POST", representationsPath+"/"+id+"/end", object{"why": ""}).want(t, 422, "representation_malformed")
	if ended := x.call(t, x.portal, "POST", representationsPath+"/"+id+"/end", end).want(t, 200, ""); ended.member("state") != "ended" || ended.member("ended_by") != "representation_ended" {
		t.Errorf("ended %s", ended.body)
	}
	es, err := x.db.Journal().SearchEvents(t.Context(), journal.Provider, journal.Filter{Subject: id, Limit: 10})
	if err != nil || len(es) != 2 || es[0].Actor.ID != x.portal.id {
		t.Errorf("its events are %v, %v", es, err)
	}
}
