package storagetest

import (
	"context"
	"fmt"
	"slices"
	"testing"
	"time"

	"yizheng.internal/license/catalog/entry"
	"yizheng.internal/signing"
	"yizheng.internal/signing/highwater"
	"yizheng.internal/signing/journal"
)

// HighWater tests [highwater.Store].
func HighWater(t *testing.T, open Open) {
	d := open(t)
	t.Run("Registers", func(t *testing.T) { highWaterRegisters(t, d) })
	t.Run("Logs", func(t *testing.T) { highWaterLogs(t, open(t)) })
	t.Run("Ends", func(t *testing.T) { highWaterEnds(t, open(t)) })
	t.Run("Standing", func(t *testing.T) { highWaterStanding(t, d) })
	t.Run("Missing", func(t *testing.T) { highWaterMissing(t, d) })
	t.Run("Ended", func(t *testing.T) {
		_, err := d.HighWater.Registers(ended(), "clients", "", 1)
		is(t, "Registers", err, context.Canceled)
		_, err = d.HighWater.Newest(ended(), highwater.Events)
		is(t, "Newest", err, context.Canceled)
		_, err = d.HighWater.Missing(ended(), [][32]byte{newHash()})
		is(t, "Missing", err, context.Canceled)
	})
}

func highWaterRegisters(t *testing.T, d Database) {
	s, ctx := d.HighWater, t.Context()
	var ids []string
	for n := range 5 {
		g := pending()
		must(t, "SaveGrant", saveGrant(t, d.licensing(), g))
		g.Revision, g.Mark = 1, fmt.Appendf(nil, "mark %d", n)
		must(t, "SaveGrant again", saveGrant(t, d.licensing(), g))
		ids = append(ids, string(g.ID))
	}
	slices.Sort(ids)
	var got []string
	for after := ""; ; {
		page, err := s.Registers(ctx, "grants", after, 2)
		must(t, "Registers", err)
		for _, r := range page {
			if r.Revision != 0 || len(r.Mark) != 6 {
				t.Errorf("a register is %+v", r)
			}
			got = append(got, r.ID)
			after = r.ID
		}
		if len(page) < 2 {
			break
		}
	}
	same(t, "the registers", got, ids)
	none, err := s.Registers(ctx, "keys", "", 10)
	must(t, "Registers of another table", err)
	same(t, "of another table", len(none), 0)
	none, err = s.Registers(ctx, "grants", "", 0)
	must(t, "Registers with a limit of 0", err)
	same(t, "with a limit of 0", len(none), 0)

	item := draft(1)
	must(t, "SaveEntries", saveEntries(t, ofKind{d.licensing(), entry.KindItem}, item))
	item.Revision = 1
	must(t, "SaveEntries again", saveEntries(t, ofKind{d.licensing(), entry.KindItem}, item))
	page, err := s.Registers(ctx, "service_items", "", 10)
	must(t, "Registers of items", err)
	same(t, "items", page, []highwater.Register{{ID: item.Code + "/1", Revision: 2}})
	page, err = s.Registers(ctx, "service_items", page[0].ID, 10)
	must(t, "Registers of items after the last", err)
	same(t, "items after the last", len(page), 0)
	page, err = s.Registers(ctx, "license_types", "", 10)
	must(t, "Registers of types", err)
	same(t, "types", len(page), 0)
}

func highWaterLogs(t *testing.T, d Database) {
	s, ctx := d.HighWater, t.Context()
	for _, log := range []highwater.Log{highwater.Events, highwater.ProviderEvents} {
		newest, err := s.Newest(ctx, log)
		must(t, "Newest of nothing", err)
		same(t, "the newest of nothing", newest, highwater.Row{})
		var want []highwater.Row
		for range 5 {
			if log == highwater.Events {
				e := event("", journal.ActionLicenseSearch)
				must(t, "AppendEvents", d.Journal.AppendEvents(ctx, e))
				want = append(want, highwater.Row{At: e.At, Hash: e.Hash})
			} else {
				e := providerEvent()
				must(t, "AppendEvents", d.Journal.AppendEvents(ctx, e))
				want = append(want, highwater.Row{At: e.At, Hash: e.Hash})
			}
		}
		newest, err = s.Newest(ctx, log)
		must(t, "Newest", err)
		rows, err := s.Rows(ctx, log, 0, newest.Seq, 10)
		must(t, "Rows", err)
		for n := range want {
			if n < len(rows) {
				want[n].Seq = rows[n].Seq
				want[n].At = want[n].At.UTC().Truncate(time.Microsecond)
			}
		}
		same(t, "the rows", rows, want)
		same(t, "the newest", newest, want[4])
		rows, err = s.Rows(ctx, log, want[1].Seq, want[3].Seq, 10)
		must(t, "Rows in between", err)
		same(t, "rows in between", rows, want[2:4])
		rows, err = s.Rows(ctx, log, want[1].Seq, want[3].Seq, 1)
		must(t, "Rows, one", err)
		same(t, "one row", rows, want[2:3])
	}
}

// highWaterEnds tests that rows name what ended with their events.
func highWaterEnds(t *testing.T, d Database) {
	var es []journal.Event
	for _, action := range []journal.Action{journal.ActionSessionEnd, journal.ActionFamilyEnd, journal.ActionRefreshReuse, journal.ActionCodeReuse, journal.ActionTokenRevoke, journal.ActionSessionBegin} {
		e := providerEvent()
		e.Action, e.Subject = action, "of "+string(action)
		es = append(es, e)
	}
	must(t, "AppendEvents", d.Journal.AppendEvents(t.Context(), es...))
	rows, err := d.HighWater.Rows(t.Context(), highwater.ProviderEvents, 0, 1000, 10)
	must(t, "Rows", err)
	var got [][2]string
	for _, r := range rows {
		got = append(got, [2]string{r.Table, r.Ended})
	}
	same(t, "what ended", got, [][2]string{{"sessions", "of session.end"}, {"families", "of family.end"}, {"families", "of refresh.reuse"},
		{"families", "of code.reuse"}, {"families", "of token.revoke"}, {"", ""}})
}

func highWaterStanding(t *testing.T, d Database) {
	s, ctx := d.HighWater, t.Context()
	a, b := createSession(t, d.Provider, newSession()), createSession(t, d.Provider, newSession())
	b.Ended = at(5)
	must(t, "UpdateSession", d.Provider.UpdateSession(ctx, b))
	f := redeem(t, d.Provider, newFamily())
	want := []highwater.Standing{{ID: a.ID, Revision: 1, Expires: a.Expires}, {ID: b.ID, Revision: 2, Ended: true, Expires: b.Expires}}
	if want[0].ID > want[1].ID {
		slices.Reverse(want)
	}
	got, err := s.Standing(ctx, "sessions", []string{newText(), b.ID, a.ID, f.ID})
	must(t, "Standing", err)
	same(t, "sessions", got, want)
	got, err = s.Standing(ctx, "families", []string{a.ID, f.ID})
	must(t, "Standing of families", err)
	same(t, "families", got, []highwater.Standing{{ID: f.ID, Revision: 1, Expires: f.Expires}})
}

func highWaterMissing(t *testing.T, d Database) {
	s, ctx := d.HighWater, t.Context()
	a, b, c := newHash(), newHash(), newHash()
	must(t, "Spend", d.Provider.Spend(ctx, a, at(600)))
	must(t, "Spend", d.Provider.Spend(ctx, c, at(600)))
	missing, err := s.Missing(ctx, [][32]byte{a, b, c})
	must(t, "Missing", err)
	same(t, "missing", missing, [][32]byte{b})
	missing, err = s.Missing(ctx, nil)
	must(t, "Missing of none", err)
	same(t, "missing of none", len(missing), 0)
}

// Authenticators tests [signing.AuthStore].
func Authenticators(t *testing.T, open Open) {
	d := open(t)
	ctx := t.Context()
	s := createSession(t, d.Provider, newSession())
	f := redeem(t, d.Provider, newFamily())
	g := pending()
	must(t, "SaveGrant", saveGrant(t, d.licensing(), g))
	item := draft(3)
	must(t, "SaveEntries", saveEntries(t, ofKind{d.licensing(), entry.KindItem}, item))
	auth, mark := []byte("authenticator"), []byte("a register")
	rows := []signing.AuthRow{
		{Table: "sessions", ID: s.ID, Revision: 1, Auth: auth, Mark: mark},
		{Table: "families", ID: f.ID, Revision: 1, Auth: auth},
		{Table: "grants", ID: string(g.ID), Revision: 7, Auth: auth}, // which it doesn't have
		{Table: "service_items", ID: item.Code, Part: 3, Revision: 1, Auth: auth},
	}
	is(t, "SetAuthenticators when ended", d.Auth.SetAuthenticators(ended(), rows...), context.Canceled)
	must(t, "SetAuthenticators", d.Auth.SetAuthenticators(ctx, rows...))
	stored := func(what string) {
		t.Helper()
		got, err := d.Provider.LoadSession(ctx, s.ID)
		must(t, "LoadSession", err)
		same(t, what+": a session's", [][]byte{got.Auth, got.Mark}, [][]byte{auth, mark})
		family, err := d.Provider.LoadFamily(ctx, f.ID)
		must(t, "LoadFamily", err)
		same(t, what+": a family's", [][]byte{family.Auth, family.Mark}, [][]byte{auth, nil})
		grant, _, err := d.Licenses.LoadGrant(ctx, g.ID)
		must(t, "LoadGrant", err)
		same(t, what+": a grant's of another revision", grant.Auth, []byte(nil))
		items, err := d.Licenses.LoadEntries(ctx, entry.KindItem, item.Code, 0, 10)
		must(t, "LoadEntries", err)
		same(t, what+": an item's", items[0].Auth, auth)
	}
	stored("first")
	// What has one keeps it.
	for n := range rows {
		rows[n].Auth = []byte("another one")
	}
	must(t, "SetAuthenticators again", d.Auth.SetAuthenticators(ctx, rows...))
	stored("again")
	if err := d.Auth.SetAuthenticators(ctx, signing.AuthRow{Table: "no_such_table", ID: "1", Auth: auth}); err == nil {
		t.Error("a table that isn't there is taken")
	}
	pages(t, "SessionsAfter", d, newSessions(t, d))
}

// newSessions stores some sessions and families, and returns how many there are.
func newSessions(t *testing.T, d Database) int {
	t.Helper()
	for range 4 {
		createSession(t, d.Provider, newSession())
		redeem(t, d.Provider, newFamily())
	}
	return 5
}

// pages tests SessionsAfter and FamiliesAfter: all come, once, in the order of their ids.
func pages(t *testing.T, what string, d Database, n int) {
	t.Helper()
	for table, list := range map[string]func(after string) ([]string, error){
		"sessions": func(after string) (ids []string, err error) {
			all, err := d.Provider.SessionsAfter(t.Context(), after, 2)
			for _, s := range all {
				ids = append(ids, s.ID)
			}
			return ids, err
		},
		"families": func(after string) (ids []string, err error) {
			all, err := d.Provider.FamiliesAfter(t.Context(), after, 2)
			for _, f := range all {
				ids = append(ids, f.ID)
			}
			return ids, err
		},
	} {
		var all []string
		for after := ""; ; {
			ids, err := list(after)
			must(t, table, err)
			all = append(all, ids...)
			if len(ids) < 2 {
				break
			}
			after = ids[1]
		}
		if len(all) != n || !slices.IsSorted(all) || len(slices.Compact(slices.Clone(all))) != n {
			t.Errorf("%s: the pages of %s are %q, want %d", what, table, all, n)
		}
	}
}
