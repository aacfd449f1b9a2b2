package catalog_test

import (
	"encoding/json"
	"strings"
	"testing"
	"time"

	"yizheng.internal/license/audit"
	"yizheng.internal/license/catalog"
	"yizheng.internal/license/catalog/entry"
	"yizheng.internal/license/credential"
	"yizheng.internal/license/party"
	"yizheng.internal/signing/journal"
)

var (
	operator = audit.Actor{Client: "cli"}
	squatter = audit.Actor{Client: "squat", Participant: "p9", USCC: "91350100M000100Y43", RequestID: "r9"}
	ministry = audit.Actor{Client: "ministry", Participant: "p8", USCC: string(national), RequestID: "r8"}
)

// putters put, publish and retire an entry of each kind.
func putters(w *world, t *testing.T, number string) map[string]func(a audit.Actor, prefix party.USCC) (put, publish, retire error) {
	typ := func(p party.USCC) credential.TypeCode { return credential.TypeCode(string(p) + number) }
	item := func(p party.USCC) catalog.ItemCode { return catalog.ItemCode(string(p) + "-permit-" + number) }
	return map[string]func(audit.Actor, party.USCC) (error, error, error){
		"type": func(a audit.Actor, p party.USCC) (error, error, error) {
			_, _, put := w.Catalog().Types().Put(t.Context(), a, typ(p), definition())
			_, publish := w.Catalog().Types().Publish(t.Context(), a, typ(p))
			_, retire := w.Catalog().Types().Retire(t.Context(), a, typ(p))
			return put, publish, retire
		},
		"item": func(a audit.Actor, p party.USCC) (error, error, error) {
			_, _, put := w.Catalog().Items().Put(t.Context(), a, item(p), ownItem())
			_, publish := w.Catalog().Items().Publish(t.Context(), a, item(p))
			_, retire := w.Catalog().Items().Retire(t.Context(), a, item(p))
			return put, publish, retire
		},
	}
}

// Nobody defines types or items under another body's code, also not of one that will
// be connected later, unless the operator delegated that to them by name.
func TestCodesAreTheirDefiners(t *testing.T) {
	w := newWorld(t)
	for name, do := range putters(w, t, "777") {
		for range 2 {
			if put, _, _ := do(squatter, national); reason(t, put) != "code_prefix" {
				t.Errorf("%s: taken under another's code: %v", name, put)
			}
		}
		if put, publish, retire := do(squatter, party.USCC(squatter.USCC)); put != nil || publish != nil || retire != nil {
			t.Errorf("%s: under one's own code: %v, %v, %v", name, put, publish, retire)
		}
		if put, publish, retire := do(ministry, national); put != nil || publish != nil || retire != nil {
			t.Errorf("%s: by the ministry itself: %v, %v, %v", name, put, publish, retire)
		}
		if put, publish, _ := do(cataloguer, national); reason(t, put) != name+"_owner" || reason(t, publish) != name+"_owner" {
			t.Errorf("%s: the ministry's own, by somebody to whom its code is delegated: %v, %v", name, put, publish)
		}
	}
	for _, code := range []catalog.ItemCode{"food-permit", "1", catalog.ItemCode(squatter.USCC[:17]), catalog.ItemCode(strings.ToLower(squatter.USCC)) + "-1"} {
		if _, _, err := w.Catalog().Items().Put(t.Context(), squatter, code, ownItem()); reason(t, err) != "code_prefix" {
			t.Errorf("%s is taken, which is nobody's: %v", code, err)
		}
	}
}

func TestDelegation(t *testing.T) {
	w := newWorld(t)
	ctx := t.Context()
	for _, c := range []struct {
		prefix           party.USCC
		document, reason string
	}{
		{national, "", "length"}, {national, strings.Repeat("长", 201), "length"}, {national, "a\u202eb", "characters"},
		{"11100000000013338X", "函", "uscc"}, {"", "函", "uscc"}, {party.USCC(squatter.USCC), "函", "prefix_own"},
	} {
		if _, err := w.Catalog().Delegations().Give(ctx, operator, definer(squatter), c.prefix, c.document); reason(t, err) != c.reason {
			t.Errorf("delegating %s by %.20q: %v, want %s", c.prefix, c.document, err, c.reason)
		}
	}
	if _, err := w.Catalog().Delegations().Withdraw(ctx, operator, definer(squatter), national, "函"); reason(t, err) != "delegation_unknown" {
		t.Errorf("withdrawing what was never given: %v", err)
	}
	d, err := w.Catalog().Delegations().Give(ctx, operator, definer(squatter), national, "样例函〔2026〕1号")
	if err != nil || d.Participant != squatter.Participant || d.Prefix != national || !d.Ended.IsZero() || d.By != "cli" {
		t.Fatalf("%+v, %v", d, err)
	}
	for name, do := range putters(w, t, "778") {
		if put, publish, retire := do(squatter, national); put != nil || publish != nil || retire != nil {
			t.Errorf("%s: delegated: %v, %v, %v", name, put, publish, retire)
		}
		if put, publish, retire := do(cataloguer, national); reason(t, put) != name+"_owner" || reason(t, publish) != name+"_owner" || reason(t, retire) != name+"_owner" {
			t.Errorf("%s: of somebody else with the same delegation: %v, %v, %v", name, put, publish, retire)
		}
		if put, _, _ := do(ministry, national); reason(t, put) != name+"_owner" {
			t.Errorf("%s: of somebody whose delegation is in force, by the ministry: %v", name, put)
		}
	}
	if _, err := w.Catalog().Delegations().Withdraw(ctx, operator, definer(squatter), national, "样例函〔2026〕2号"); err != nil {
		t.Fatal(err)
	}
	if _, err := w.Catalog().Delegations().Withdraw(ctx, operator, definer(squatter), national, "样例函〔2026〕2号"); reason(t, err) != "delegation_unknown" {
		t.Errorf("withdrawn twice: %v", err)
	}
	for name, do := range putters(w, t, "778") {
		if put, publish, _ := do(squatter, national); reason(t, put) != "code_prefix" || reason(t, publish) != "code_prefix" {
			t.Errorf("%s: after it was withdrawn: %v, %v", name, put, publish)
		}
		if put, publish, retire := do(cataloguer, national); put != nil || publish != nil || retire != nil {
			t.Errorf("%s: taken over by somebody who has it: %v, %v, %v", name, put, publish, retire)
		}
	}
	events, err := w.DB.Journal().ListEvents(ctx, journal.Stream{Log: journal.Registry}, 0, 200)
	if err != nil {
		t.Fatal(err)
	}
	given := map[journal.Action]int{}
	for _, e := range events {
		if e.Result == "ok" {
			given[e.Action]++
		}
	}
	if given[journal.ActionDelegate] != 2 || given[journal.ActionUndelegate] != 1 { // with the world's
		t.Errorf("events: %v", given)
	}
	all, err := w.Catalog().Delegations().List(ctx, entry.Delegation{}, 1)
	if err != nil || len(all) != 1 || all[0].Participant != cataloguer.Participant {
		t.Fatalf("the first: %v, %v", all, err)
	}
	if rest, err := w.Catalog().Delegations().List(ctx, all[0], 10); err != nil || len(rest) != 1 || rest[0].Document != "样例函〔2026〕2号" || rest[0].Ended.IsZero() {
		t.Errorf("the rest: %v, %v", rest, err)
	}
}

// What was taken by earlier versions: a type or an item under another's code is given up to
// its definer, and an item with nobody's code stays with its owner.
func TestTakenBefore(t *testing.T) {
	w := newWorld(t)
	ctx := t.Context()
	const squatted, bare = catalog.ItemCode(national + "-squatted"), catalog.ItemCode("food-permit")
	const typ = credential.TypeCode(national + "779")
	stores := w.CatalogStores()
	older := func(code string, what any, save func(journal.Event, []byte) error) {
		t.Helper()
		body, err := json.Marshal(what)
		if err != nil {
			t.Fatal(err)
		}
		if err := save(journal.Event{Log: journal.Registry, ID: "older-" + code, At: time.Now()}, body); err != nil {
			t.Fatal(err)
		}
	}
	for _, code := range []catalog.ItemCode{squatted, bare} {
		i := catalog.ServiceItem{Code: code, Version: 1, State: entry.Draft, ItemDefinition: ownItem(), Owner: squatter.Participant}
		older(string(code), i, func(e journal.Event, body []byte) error {
			return stores.SaveEntries(ctx, entry.KindItem, e, entry.Record{Code: string(code), Version: 1, State: i.State, Owner: i.Owner, Body: body, Updated: time.Now()})
		})
	}
	y := catalog.Type{Code: typ, Version: 1, State: entry.Draft, Definition: definition(), Owner: squatter.Participant}
	older(string(typ), y, func(e journal.Event, body []byte) error {
		return stores.SaveEntries(ctx, entry.KindType, e, entry.Record{Code: string(typ), Version: 1, State: y.State, Owner: y.Owner, Body: body, Updated: time.Now()})
	})

	if _, err := w.Catalog().Items().Publish(ctx, squatter, bare); err != nil {
		t.Errorf("an item that begins with nobody's code, by its owner: %v", err)
	}
	if _, _, err := w.Catalog().Items().Put(ctx, cataloguer, bare, ownItem()); reason(t, err) != "item_owner" {
		t.Errorf("the same by another: %v", err)
	}
	if _, err := w.Catalog().Items().Publish(ctx, squatter, squatted); reason(t, err) != "code_prefix" {
		t.Errorf("under another's code: %v", err)
	}
	if _, err := w.Catalog().Types().Publish(ctx, squatter, typ); reason(t, err) != "code_prefix" {
		t.Errorf("a type under another's code: %v", err)
	}
	if _, _, err := w.Catalog().Items().Put(ctx, cataloguer, squatted, ownItem()); reason(t, err) != "item_owner" {
		t.Errorf("by somebody to whom the code is delegated: %v", err)
	}
	if i, _, err := w.Catalog().Items().Put(ctx, ministry, squatted, ownItem()); err != nil || i.Owner != ministry.Participant {
		t.Errorf("by the body whose code it is: %+v, %v", i, err)
	}
	if _, err := w.Catalog().Items().Publish(ctx, ministry, squatted); err != nil {
		t.Error(err)
	}
	if y, _, err := w.Catalog().Types().Put(ctx, ministry, typ, definition()); err != nil || y.Owner != ministry.Participant {
		t.Errorf("a type by the body whose code it is: %+v, %v", y, err)
	}
}
