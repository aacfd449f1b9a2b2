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
	"yizheng.internal/storage/storagetest/catalog"
	"yizheng.internal/storage/storagetest/grants"
	"yizheng.internal/storage/storagetest/ledger"
	"yizheng.internal/storage/storagetest/provider"
	"yizheng.internal/storage/storagetest/suite"
)

// HighWater tests [highwater.Store].
func HighWater(t *testing.T, open suite.Open) {
	d := open(t)
	t.Run("Registers", func(t *testing.T) { highWaterRegisters(t, d) })
	t.Run("Logs", func(t *testing.T) { highWaterLogs(t, open(t)) })
	t.Run("Ends", func(t *testing.T) { highWaterEnds(t, open(t)) })
	t.Run("Standing", func(t *testing.T) { highWaterStanding(t, d) })
	t.Run("Missing", func(t *testing.T) { highWaterMissing(t, d) })
	t.Run("Ended", func(t *testing.T) {
		_, err := d.HighWater.Registers(suite.Ended(), "clients", "", 1)
		suite.Is(t, "Registers", err, context.Canceled)
		_, err = d.HighWater.Newest(suite.Ended(), highwater.Events)
		suite.Is(t, "Newest", err, context.Canceled)
		_, err = d.HighWater.Missing(suite.Ended(), [][32]byte{suite.NewHash()})
		suite.Is(t, "Missing", err, context.Canceled)
	})
}

func highWaterRegisters(t *testing.T, d suite.Database) {
	s, ctx := d.HighWater, t.Context()
	var ids []string
	for n := range 5 {
		g := grants.Pending()
		suite.Must(t, "SaveGrant", grants.SaveGrant(t, d.Licensing(), g))
		g.Revision, g.Mark = 1, fmt.Appendf(nil, "mark %d", n)
		suite.Must(t, "SaveGrant again", grants.SaveGrant(t, d.Licensing(), g))
		ids = append(ids, string(g.ID))
	}
	slices.Sort(ids)
	var got []string
	for after := ""; ; {
		page, err := s.Registers(ctx, "grants", after, 2)
		suite.Must(t, "Registers", err)
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
	suite.Same(t, "the registers", got, ids)
	none, err := s.Registers(ctx, "keys", "", 10)
	suite.Must(t, "Registers of another table", err)
	suite.Same(t, "of another table", len(none), 0)
	none, err = s.Registers(ctx, "grants", "", 0)
	suite.Must(t, "Registers with a limit of 0", err)
	suite.Same(t, "with a limit of 0", len(none), 0)

	item := catalog.Draft(1)
	suite.Must(t, "SaveEntries", catalog.SaveEntries(t, catalog.OfKind{Licensing: d.Licensing(), Kind: entry.KindItem}, item))
	item.Revision = 1
	suite.Must(t, "SaveEntries again", catalog.SaveEntries(t, catalog.OfKind{Licensing: d.Licensing(), Kind: entry.KindItem}, item))
	page, err := s.Registers(ctx, "service_items", "", 10)
	suite.Must(t, "Registers of items", err)
	suite.Same(t, "items", page, []highwater.Register{{ID: item.Code + "/1", Revision: 2}})
	page, err = s.Registers(ctx, "service_items", page[0].ID, 10)
	suite.Must(t, "Registers of items after the last", err)
	suite.Same(t, "items after the last", len(page), 0)
	page, err = s.Registers(ctx, "license_types", "", 10)
	suite.Must(t, "Registers of types", err)
	suite.Same(t, "types", len(page), 0)
}

func highWaterLogs(t *testing.T, d suite.Database) {
	s, ctx := d.HighWater, t.Context()
	for _, log := range []highwater.Log{highwater.Events, highwater.ProviderEvents} {
		newest, err := s.Newest(ctx, log)
		suite.Must(t, "Newest of nothing", err)
		suite.Same(t, "the newest of nothing", newest, highwater.Row{})
		var want []highwater.Row
		for range 5 {
			if log == highwater.Events {
				e := ledger.Event("", journal.ActionLicenseSearch)
				suite.Must(t, "AppendEvents", d.Journal.AppendEvents(ctx, e))
				want = append(want, highwater.Row{At: e.At, Hash: e.Hash})
			} else {
				e := ledger.ProviderEvent()
				suite.Must(t, "AppendEvents", d.Journal.AppendEvents(ctx, e))
				want = append(want, highwater.Row{At: e.At, Hash: e.Hash})
			}
		}
		newest, err = s.Newest(ctx, log)
		suite.Must(t, "Newest", err)
		rows, err := s.Rows(ctx, log, 0, newest.Seq, 10)
		suite.Must(t, "Rows", err)
		for n := range want {
			if n < len(rows) {
				want[n].Seq = rows[n].Seq
				want[n].At = want[n].At.UTC().Truncate(time.Microsecond)
			}
		}
		suite.Same(t, "the rows", rows, want)
		suite.Same(t, "the newest", newest, want[4])
		rows, err = s.Rows(ctx, log, want[1].Seq, want[3].Seq, 10)
		suite.Must(t, "Rows in between", err)
		suite.Same(t, "rows in between", rows, want[2:4])
		rows, err = s.Rows(ctx, log, want[1].Seq, want[3].Seq, 1)
		suite.Must(t, "Rows, one", err)
		suite.Same(t, "one row", rows, want[2:3])
	}
}

// highWaterEnds tests that rows name what ended with their events.
func highWaterEnds(t *testing.T, d suite.Database) {
	var es []journal.Event
	for _, action := range []journal.Action{journal.ActionSessionEnd, journal.ActionFamilyEnd, journal.ActionRefreshReuse, journal.ActionCodeReuse, journal.ActionTokenRevoke, journal.ActionSessionBegin} {
		e := ledger.ProviderEvent()
		e.Action, e.Subject = action, "of "+string(action)
		es = append(es, e)
	}
	suite.Must(t, "AppendEvents", d.Journal.AppendEvents(t.Context(), es...))
	rows, err := d.HighWater.Rows(t.Context(), highwater.ProviderEvents, 0, 1000, 10)
	suite.Must(t, "Rows", err)
	var got [][2]string
	for _, r := range rows {
		got = append(got, [2]string{r.Table, r.Ended})
	}
	suite.Same(t, "what ended", got, [][2]string{{"sessions", "of session.end"}, {"families", "of family.end"}, {"families", "of refresh.reuse"},
		{"families", "of code.reuse"}, {"families", "of token.revoke"}, {"", ""}})
}

func highWaterStanding(t *testing.T, d suite.Database) {
	s, ctx := d.HighWater, t.Context()
	a, b := provider.CreateSession(t, d.Provider, provider.NewSession()), provider.CreateSession(t, d.Provider, provider.NewSession())
	b.Ended = suite.At(5)
	suite.Must(t, "UpdateSession", d.Provider.UpdateSession(ctx, b))
	f := provider.Redeem(t, d.Provider, provider.NewFamily())
	want := []highwater.Standing{{ID: a.ID, Revision: 1, Expires: a.Expires}, {ID: b.ID, Revision: 2, Ended: true, Expires: b.Expires}}
	if want[0].ID > want[1].ID {
		slices.Reverse(want)
	}
	got, err := s.Standing(ctx, "sessions", []string{suite.NewText(), b.ID, a.ID, f.ID})
	suite.Must(t, "Standing", err)
	suite.Same(t, "sessions", got, want)
	got, err = s.Standing(ctx, "families", []string{a.ID, f.ID})
	suite.Must(t, "Standing of families", err)
	suite.Same(t, "families", got, []highwater.Standing{{ID: f.ID, Revision: 1, Expires: f.Expires}})
}

func highWaterMissing(t *testing.T, d suite.Database) {
	s, ctx := d.HighWater, t.Context()
	a, b, c := suite.NewHash(), suite.NewHash(), suite.NewHash()
	suite.Must(t, "Spend", d.Provider.Spend(ctx, a, suite.At(600)))
	suite.Must(t, "Spend", d.Provider.Spend(ctx, c, suite.At(600)))
	missing, err := s.Missing(ctx, [][32]byte{a, b, c})
	suite.Must(t, "Missing", err)
	suite.Same(t, "missing", missing, [][32]byte{b})
	missing, err = s.Missing(ctx, nil)
	suite.Must(t, "Missing of none", err)
	suite.Same(t, "missing of none", len(missing), 0)
}

// Authenticators tests [signing.AuthStore].
func Authenticators(t *testing.T, open suite.Open) {
	d := open(t)
	ctx := t.Context()
	s := provider.CreateSession(t, d.Provider, provider.NewSession())
	f := provider.Redeem(t, d.Provider, provider.NewFamily())
	g := grants.Pending()
	suite.Must(t, "SaveGrant", grants.SaveGrant(t, d.Licensing(), g))
	item := catalog.Draft(3)
	suite.Must(t, "SaveEntries", catalog.SaveEntries(t, catalog.OfKind{Licensing: d.Licensing(), Kind: entry.KindItem}, item))
	auth, mark := []byte("authenticator"), []byte("a register")
	rows := []signing.AuthRow{
		{Table: "sessions", ID: s.ID, Revision: 1, Auth: auth, Mark: mark},
		{Table: "families", ID: f.ID, Revision: 1, Auth: auth},
		{Table: "grants", ID: string(g.ID), Revision: 7, Auth: auth}, // which it doesn't have
		{Table: "service_items", ID: item.Code, Part: 3, Revision: 1, Auth: auth},
	}
	suite.Is(t, "SetAuthenticators when ended", d.Auth.SetAuthenticators(suite.Ended(), rows...), context.Canceled)
	suite.Must(t, "SetAuthenticators", d.Auth.SetAuthenticators(ctx, rows...))
	stored := func(what string) {
		t.Helper()
		got, err := d.Provider.LoadSession(ctx, s.ID)
		suite.Must(t, "LoadSession", err)
		suite.Same(t, what+": a session's", [][]byte{got.Auth, got.Mark}, [][]byte{auth, mark})
		family, err := d.Provider.LoadFamily(ctx, f.ID)
		suite.Must(t, "LoadFamily", err)
		suite.Same(t, what+": a family's", [][]byte{family.Auth, family.Mark}, [][]byte{auth, nil})
		grant, _, err := d.Licenses.LoadGrant(ctx, g.ID)
		suite.Must(t, "LoadGrant", err)
		suite.Same(t, what+": a grant's of another revision", grant.Auth, []byte(nil))
		items, err := d.Licenses.LoadEntries(ctx, entry.KindItem, item.Code, 0, 10)
		suite.Must(t, "LoadEntries", err)
		suite.Same(t, what+": an item's", items[0].Auth, auth)
	}
	stored("first")
	// What has one keeps it.
	for n := range rows {
		rows[n].Auth = []byte("another one")
	}
	suite.Must(t, "SetAuthenticators again", d.Auth.SetAuthenticators(ctx, rows...))
	stored("again")
	if err := d.Auth.SetAuthenticators(ctx, signing.AuthRow{Table: "no_such_table", ID: "1", Auth: auth}); err == nil {
		t.Error("a table that isn't there is taken")
	}
	pages(t, "SessionsAfter", d, newSessions(t, d))
}

// newSessions stores some sessions and families, and returns how many there are.
func newSessions(t *testing.T, d suite.Database) int {
	t.Helper()
	for range 4 {
		provider.CreateSession(t, d.Provider, provider.NewSession())
		provider.Redeem(t, d.Provider, provider.NewFamily())
	}
	return 5
}

// pages tests SessionsAfter and FamiliesAfter: all come, once, in the order of their ids.
func pages(t *testing.T, what string, d suite.Database, n int) {
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
			suite.Must(t, table, err)
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
