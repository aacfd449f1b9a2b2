package sqlite

import (
	"context"
	"crypto/sha256"
	"errors"
	"fmt"
	"regexp"
	"slices"
	"strings"
	"testing"
	"time"

	"yizheng.internal/license"
	"yizheng.internal/license/access"
	"yizheng.internal/license/catalog/entry"
	"yizheng.internal/license/grant"
	"yizheng.internal/license/party"
	"yizheng.internal/oidc/client"
	"yizheng.internal/oidc/identity"
	"yizheng.internal/oidc/session"
	"yizheng.internal/oidc/token"
	"yizheng.internal/signing"
	"yizheng.internal/signing/journal"
	"yizheng.internal/storage/sqlite/engine"
	"yizheng.internal/storage/sqlite/grants"
	"yizheng.internal/storage/sqlite/identities"
	"yizheng.internal/storage/sqlite/ledger"
	"yizheng.internal/storage/sqlite/licenses"
	"yizheng.internal/storage/sqlite/provider"
)

// hot are the queries of every issue, read and verification, with what their
// plans say in this order.
func hot(t *testing.T) map[string]struct {
	sql  string
	plan []string
} {
	holder, values, err := licenses.SearchQuery(license.Query{Kind: license.LookupHolder, Limit: 1}, &signing.Lookup{})
	if err != nil || len(values) != 3 {
		t.Fatal(values, err)
	}
	next, _, err := licenses.SearchQuery(license.Query{Kind: license.LookupHolder, Limit: 1, State: license.Active,
		Before: license.Cursor{Created: time.Now(), ID: "x"}}, &signing.Lookup{})
	if err != nil {
		t.Fatal(err)
	}
	ofAuthority, _, err := licenses.SearchQuery(license.Query{Authority: "a", Limit: 1,
		Before: license.Cursor{Created: time.Now(), ID: "x"}}, nil)
	if err != nil {
		t.Fatal(err)
	}
	return map[string]struct {
		sql  string
		plan []string
	}{
		"Load": {licenses.LoadLicense, []string{
			"SEARCH l USING PRIMARY KEY (id=?)",
			"SEARCH v USING INDEX sqlite_autoindex_license_versions_1 (license=? AND version=?)"}},
		"Locate":      {licenses.Locate, []string{"SEARCH identifiers USING PRIMARY KEY (serial=? AND sum=?)"}},
		"LoadRequest": {licenses.LoadRequest, []string{"SEARCH requests USING PRIMARY KEY (serial=? AND sum=?)"}},
		"LoadStatus":  {licenses.LoadStatus, []string{"SEARCH status_entries USING PRIMARY KEY (list=? AND position=?)"}},
		"LoadList":    {licenses.LoadList, []string{"SEARCH status_entries USING COVERING INDEX status_entries_set (list=?)"}},
		"History":     {ledger.ListOf(journal.License), []string{"SEARCH history USING INDEX history_of_license (license=? AND seq>?)"}},
		"Search by holder": {holder, []string{
			"SEARCH k USING PRIMARY KEY (serial=? AND sum=?)", "SEARCH l USING PRIMARY KEY (id=?)"}},
		"Search by holder, the next page": {next, []string{
			"SEARCH k USING PRIMARY KEY (serial=? AND sum=? AND created<?)", "SEARCH l USING PRIMARY KEY (id=?)"}},
		"Search by authority, the next page": {ofAuthority, []string{
			"SEARCH l USING INDEX licenses_by_authority (authority=? AND created<?)"}},
		"LoadGrant":  {grants.LoadGrant, []string{"SEARCH g USING INDEX sqlite_autoindex_grants_1 (id=?)"}},
		"GrantCodes": {grants.GrantCodes, []string{"SEARCH c USING INDEX sqlite_autoindex_use_codes_2 (grant_id=?)"}},
		"ListGrants": {grants.GrantsFirst, []string{
			"SEARCH k USING PRIMARY KEY (serial=? AND sum=?)", "SEARCH g USING INDEX sqlite_autoindex_grants_1 (id=?)"}},
		"ListGrants, the next page": {grants.GrantsAfter, []string{
			"SEARCH k USING PRIMARY KEY (serial=? AND sum=? AND created<?)", "SEARCH g USING INDEX sqlite_autoindex_grants_1 (id=?)"}},
		"LoadUse": {grants.LoadUse, []string{
			"SEARCH c USING PRIMARY KEY (grant_id=? AND hash=?)", "SEARCH g USING INDEX sqlite_autoindex_grants_1 (id=?)",
			"SEARCH l USING PRIMARY KEY (id=?)", "SEARCH v USING INDEX sqlite_autoindex_license_versions_1 (license=? AND version=?)",
			"SEARCH q USING PRIMARY KEY (grant_id=? AND hash=?)"}},
		"EarlierUse": {grants.EarlierUse, []string{
			"SEARCH q USING PRIMARY KEY (grant_id=? AND hash=? AND request=?)", "SEARCH a USING INTEGER PRIMARY KEY (rowid=?)"}},
		"AccessRecords": {grants.AccessOf, []string{
			"SEARCH k USING PRIMARY KEY (serial=? AND sum=? AND seq<?)", "SEARCH a USING INTEGER PRIMARY KEY (rowid=?)"}},
		"LicenseAccessRecords": {grants.AccessOfLicense, []string{"SEARCH a USING INDEX access_records_of_license (license=? AND seq<?)"}},
		"LoadParty":            {identities.LoadParty, []string{"SEARCH p USING INDEX sqlite_autoindex_parties_1 (id=?)"}},
		"FindParty":            {identities.FindParty, []string{"SEARCH k USING PRIMARY KEY (serial=? AND sum=?)", "SEARCH p USING INDEX sqlite_autoindex_parties_1 (id=?)"}},
		"LoadAccount":          {identities.LoadAccount, []string{"SEARCH a USING INDEX sqlite_autoindex_accounts_1 (id=?)"}},
		"FindAccount": {identities.FindAccount, []string{
			"SEARCH k USING PRIMARY KEY (serial=? AND sum=?)", "SEARCH a USING INDEX sqlite_autoindex_accounts_1 (id=?)"}},
		"LoadSession": {provider.LoadSession, []string{"SEARCH s USING INDEX sqlite_autoindex_sessions_1 (id=?)"}},
		"FindSession": {provider.FindSession, []string{"SEARCH s USING INDEX sqlite_autoindex_sessions_2 (cookie=?)"}},
		"ListSessions": {provider.SessionsOf, []string{
			"SEARCH k USING PRIMARY KEY (serial=? AND sum=?)", "SEARCH s USING INDEX sqlite_autoindex_sessions_1 (id=?)"}},
		"LoadFamily": {provider.LoadFamily, []string{"SEARCH f USING INDEX sqlite_autoindex_families_1 (id=?)"}},
		"ListFamilies": {provider.FamiliesOf, []string{
			"SEARCH k USING PRIMARY KEY (serial=? AND sum=?)", "SEARCH f USING INDEX sqlite_autoindex_families_1 (id=?)"}},
		"IsSpent":         {provider.IsSpent, []string{"SEARCH spent USING PRIMARY KEY (hash=?)"}},
		"FamilyOf":        {provider.FamilyOf, []string{"SEARCH spent USING PRIMARY KEY (hash=?)"}},
		"LoadClient":      {provider.LoadClient, []string{"SEARCH clients USING INDEX sqlite_autoindex_clients_1 (id=?)"}},
		"FindParticipant": {identities.FindParticipant, []string{"SEARCH participants USING INDEX sqlite_autoindex_participants_2 (uscc=?)"}},
	}
}

// cold are the statements that may read a whole table, for it is small, or in
// the order of an index.
var cold = []string{
	"FROM sqlite_schema", "FROM goose_db_version", "FROM signing_keys", "FROM status_lists ORDER BY list DESC LIMIT 1",
	"UPDATE readiness",
}

var bare = regexp.MustCompile(`(?s)^\s*(SELECT|INSERT|UPDATE|DELETE|WITH)`)

// ofRegister reports whether a step reads the register beside a record.
func ofRegister(step string) bool {
	return strings.HasPrefix(step, "CORRELATED SCALAR SUBQUERY") || step == "SEARCH registers USING PRIMARY KEY (kind=? AND id=?)"
}

// TestPlans holds the hot queries to their indexes, and sees that no other
// statement of the program scans or sorts; also when somebody ran ANALYZE.
func TestPlans(t *testing.T) {
	t.Parallel()
	db := openTest(t, quick)
	everything(t, db)
	check := func(t *testing.T) {
		for name, q := range hot(t) {
			if got := slices.DeleteFunc(plan(t, db, q.sql), ofRegister); !slices.Equal(got, q.plan) {
				t.Errorf("%s:\n got %q\nwant %q", name, got, q.plan)
			}
		}
		statements := db.engine.Statements()
		checked := 0
		for _, sql := range statements {
			if !bare.MatchString(sql) || slices.ContainsFunc(cold, func(c string) bool { return strings.Contains(sql, c) }) {
				continue
			}
			checked++
			for _, step := range plan(t, db, sql) {
				if strings.Contains(step, "SCAN") || strings.Contains(step, "TEMP B-TREE") {
					t.Errorf("%s\nsays %s", sql, step)
				}
			}
		}
		t.Logf("%d statements", checked)
		if checked < 90 {
			t.Errorf("only %d statements were looked at", checked)
		}
	}
	t.Run("as made", check)
	var events []journal.Event
	for i := range 300 {
		r := newLicense(0, 0)
		r.Add.Body, r.Add.Credential = nil, nil
		if err := db.Licenses().Save(t.Context(), r); err != nil {
			t.Fatal(err)
		}
		for _, call := range shares(db.Licenses(), r, fmt.Sprint(random())) {
			if err := call(); err != nil {
				t.Fatal(err)
			}
		}
		for _, call := range logins(db.Provider(), r.Lookups[1].Keys, fmt.Sprint("analyzed ", i)) {
			if err := call(); err != nil {
				t.Fatal(err)
			}
		}
		r.Event.Log, r.Event.Subject = journal.Registry, ""
		events = append(events, r.Event)
	}
	if err := db.Journal().AppendEvents(t.Context(), events...); err != nil {
		t.Fatal(err)
	}
	if err := db.Journal().AppendEvents(t.Context(), slices.Repeat([]journal.Event{{Log: journal.Provider}}, 300)...); err != nil {
		t.Fatal(err)
	}
	err := db.engine.Write(t.Context(), func(c *engine.Conn) error {
		_, err := c.Exec("ANALYZE")
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
	db.engine.Renew() // connections read the statistics when they begin
	everything(t, db)
	t.Run("analyzed", check)
}

// plan returns the steps of a query's plan.
func plan(t *testing.T, db *DB, sql string) []string {
	t.Helper()
	var steps []string
	err := db.engine.Read(t.Context(), func(c *engine.Conn) error {
		return c.Query("EXPLAIN QUERY PLAN "+sql, func(r *engine.Row) {
			r.Int64() // id, parent, and what isn't used
			r.Int64()
			r.Int64()
			steps = append(steps, r.Text())
		})
	})
	if err != nil {
		t.Fatalf("%s: %v", sql, err)
	}
	return steps
}

// everything calls every method, so that the connections know every statement.
func everything(t *testing.T, db *DB) {
	t.Helper()
	ctx := context.Background()
	l, p, k := db.Licenses(), db.Provider(), db.Keys()
	at := func(r license.SaveRequest) license.Located {
		return license.Located{License: r.Record.ID, Version: 1}
	}
	list, _, err := l.Reserve(ctx, []int{1}, 10, time.Now())
	if err != nil {
		t.Fatal(err)
	}
	r := newLicense(list, 1)
	r.States = []license.VersionState{{Version: 1, State: license.Active}}
	ev := r.Event
	ev.Log, ev.Subject = journal.Registry, ""
	fresh := fmt.Sprint(random())
	calls := []func() error{
		func() error { return l.Save(ctx, r) },
		func() error {
			r := r
			r.Record.Revision, r.Add, r.Lookups, r.Request = 1, nil, nil, nil
			return l.Save(ctx, r)
		},
		func() error { return db.Journal().AppendEvents(ctx, r.Event, ev) },
		func() error { return l.AddLookups(ctx, at(r), 2, newLicense(0, 0).Lookups) },
		func() error { _, err := l.PurgeLookups(ctx, 9, 10); return err },
		func() error {
			db.Sweeper.due = map[string]time.Time{}
			_, _, err := db.Sweep(ctx, time.Now())
			return err
		},
		func() error { _, err := l.ClaimSetting(ctx, "a", "b"); return err },
		func() error { return l.ReplaceSetting(ctx, "a", "b", "b") },
		func() error {
			return l.SaveEntries(ctx, entry.KindType, ev, entry.Record{Code: fresh, Body: []byte("{}")})
		},
		func() error {
			return l.SaveEntries(ctx, entry.KindType, ev, entry.Record{Code: fresh, Revision: 1, Body: []byte("{}")})
		},
		func() error { return db.Journal().AppendEvents(ctx, journal.Event{Log: journal.Provider, ID: fresh}) },
		func() error { return p.CreateClient(ctx, client.Record{ID: fresh, Body: []byte("{}")}) },
		func() error {
			return p.UpdateClient(ctx, client.Record{ID: fresh, Body: []byte("{}"), Revision: 1})
		},
		func() error {
			return p.CreateParticipant(ctx, identity.Participant{ID: fresh, USCC: party.USCC(fresh)})
		},
		func() error { return p.UpdateParticipant(ctx, identity.Participant{ID: fresh, Revision: 1}) },
		func() error { return k.CreateKey(ctx, signing.KeyRecord{ID: signing.KeyID(fresh), Owner: fresh}) },
		func() error { return k.UpdateKeys(ctx, signing.KeyRecord{ID: signing.KeyID(fresh), Revision: 1}) },
	}
	calls = append(calls, shares(l, r, fresh)...)
	calls = append(calls, logins(p, r.Lookups[0].Keys, fresh)...)
	calls = append(calls, reads(db, r, list, fresh)...)
	for i, call := range calls {
		if err := call(); err != nil {
			t.Fatalf("call %d: %v", i, err)
		}
	}
}

// shares calls every method that is about service items, grants and readings.
func shares(l *Licenses, r license.SaveRequest, fresh string) []func() error {
	ctx := context.Background()
	ev, id, keys := r.Event, grant.ID(fresh), r.Lookups[0].Keys
	ev.Log, ev.Subject = journal.Registry, ""
	item := entry.Record{Code: fresh, Body: []byte("{}")}
	changed := item
	changed.Revision = 1
	code := grant.UseCodeRecord{Grant: id, License: r.Record.ID, Version: 1, Number: 1}
	return []func() error{
		func() error { return l.SaveEntries(ctx, entry.KindItem, ev, item) },
		func() error { return l.SaveEntries(ctx, entry.KindItem, ev, changed) },
		func() error { _, err := l.LoadEntries(ctx, entry.KindItem, item.Code, 0, 2); return err },
		func() error { _, err := l.LoadEntries(ctx, entry.KindItem, item.Code, 2, 1); return err },
		func() error { _, err := l.UseOfEntries(ctx, entry.KindItem, "p"); return err },
		func() error {
			_, err := l.ListEntries(ctx, entry.KindItem, entry.Drafts{Of: "p"}, "", 1)
			return err
		},
		func() error { return l.SaveGrant(ctx, grant.Record{ID: id, Party: keys}, nil, ev) },
		func() error {
			return l.SaveGrant(ctx, grant.Record{ID: id, Revision: 1}, []grant.UseCodeRecord{code}, ev)
		},
		func() error { _, _, err := l.LoadGrant(ctx, id); return err },
		func() error { _, err := l.ListGrants(ctx, keys, license.Cursor{}, 1); return err },
		func() error {
			_, err := l.ListGrants(ctx, keys, license.Cursor{Created: time.Now(), ID: "x"}, 1)
			return err
		},
		func() error {
			u, err := l.LoadUse(ctx, id, code.Hash, "")
			if err != nil {
				return err
			}
			return l.SaveUse(ctx, access.Reading{
				Record: access.Record{Grant: id, License: r.Record.ID, Result: access.ResultOK, Party: keys},
				Event:  ev, GrantRevision: u.Grant.Revision, LicenseRevision: u.License.Revision,
			})
		},
		func() error { _, err := l.AccessRecords(ctx, keys, 0, 1); return err },
		func() error { _, err := l.LicenseAccessRecords(ctx, r.Record.ID, 0, 1); return err },
		func() error { _, err := l.GrantsAfter(ctx, "", 1); return err },
		func() error { return l.AddGrantKeys(ctx, id, keys) },
		func() error { _, err := l.AccessAfter(ctx, 0, 1); return err },
		func() error { return l.AddAccessKeys(ctx, access.Record{Seq: 1}, keys) },
	}
}

// logins calls every method that is about parties, accounts, sessions and
// families, and leaves one of each.
func logins(p *Provider, keys []signing.Lookup, fresh string) []func() error {
	ctx, at := context.Background(), time.Now().Add(time.Hour)
	hash := sha256.Sum256([]byte(fresh))
	person := identity.PartyRecord{ID: fresh, Codes: keys}
	account := identity.AccountRecord{ID: fresh, Party: fresh, Logins: keys}
	session := session.Record{ID: fresh, Cookie: hash, Created: at, Expires: at, Party: keys}
	family := token.FamilyRecord{ID: fresh, Created: at, Expires: at, Party: keys}
	return []func() error{
		func() error { return p.CreateParty(ctx, person) },
		func() error { person.Revision = 1; return p.UpdateParty(ctx, person) },
		func() error { _, err := p.LoadParty(ctx, fresh); return err },
		func() error { _, err := p.FindParty(ctx, keys); return err },
		func() error { _, err := p.ListParties(ctx, "", 1); return err },
		func() error { return p.CreateAccount(ctx, account) },
		func() error { account.Revision = 1; return p.UpdateAccount(ctx, account) },
		func() error { _, err := p.LoadAccount(ctx, fresh); return err },
		func() error { _, err := p.FindAccount(ctx, keys); return err },
		func() error { _, err := p.ListAccounts(ctx, "", 1); return err },
		func() error { return p.CreateSession(ctx, session) },
		func() error { session.Revision = 1; return p.UpdateSession(ctx, session) },
		func() error { _, err := p.LoadSession(ctx, fresh); return err },
		func() error { _, err := p.FindSession(ctx, hash); return err },
		func() error { _, err := p.ListSessions(ctx, keys, time.Now(), 1); return err },
		func() error { _, err := p.RedeemCode(ctx, hash, at, family); return err },
		func() error {
			if _, err := p.RedeemCode(ctx, hash, at, family); !errors.Is(err, token.ErrSpent) {
				return fmt.Errorf("redeemed twice: %w", err)
			}
			return nil
		},
		func() error { family.Revision = 1; return p.UpdateFamily(ctx, family) },
		func() error { _, err := p.LoadFamily(ctx, fresh); return err },
		func() error { _, err := p.ListFamilies(ctx, keys, time.Now(), 1); return err },
		func() error { return p.Spend(ctx, sha256.Sum256(hash[:]), at) },
		func() error { _, err := p.IsSpent(ctx, hash); return err },
		func() error { _, err := p.Purge(ctx, time.Time{}, 1); return err },
	}
}

// reads calls every method that reads.
func reads(db *DB, r license.SaveRequest, list int64, fresh string) []func() error {
	ctx := context.Background()
	l, p, k := db.Licenses(), db.Provider(), db.Keys()
	return []func() error{
		func() error { _, _, err := l.Load(ctx, r.Record.ID, 0); return err },
		func() error { _, err := l.Locate(ctx, license.LookupIdentifier, r.Lookups[0].Keys); return err },
		func() error { _, err := l.LoadRequest(ctx, r.Request.Keys); return err },
		func() error { _, _, err := l.LoadList(ctx, list, -1); return err },
		func() error { _, err := l.LoadStatus(ctx, list, 1); return err },
		func() error {
			_, err := db.Journal().ListEvents(ctx, journal.Stream{Log: journal.License, License: string(r.Record.ID)}, 0, 10)
			return err
		},
		func() error {
			_, err := db.Journal().ListEvents(ctx, journal.Stream{Log: journal.Registry}, 0, 10)
			return err
		},
		func() error { _, err := l.LoadEntries(ctx, entry.KindType, "t", 0, 2); return err },
		func() error { _, err := l.LoadEntries(ctx, entry.KindType, "t", 2, 1); return err },
		func() error { _, err := l.UseOfEntries(ctx, entry.KindType, "p"); return err },
		func() error {
			_, err := l.ListEntries(ctx, entry.KindType, entry.Drafts{Of: "p"}, "", 1)
			return err
		},
		func() error { _, err := l.Versions(ctx, license.Located{}, 1); return err },
		func() error { _, err := l.Search(ctx, license.Query{Authority: "a", Limit: 1}); return err },
		func() error { _, err := k.LoadKey(ctx, signing.KeyID(fresh)); return err },
		func() error { _, err := p.LoadClient(ctx, fresh); return err },
		func() error { _, err := p.LoadParticipant(ctx, fresh); return err },
		func() error {
			_, err := db.Journal().ListEvents(ctx, journal.Stream{Log: journal.Provider}, 0, 10)
			return err
		},
		func() error { _, err := p.ListClients(ctx, "", "", 1); return err },
		func() error { _, err := p.ListClients(ctx, "p", "", 1); return err },
		func() error { _, err := p.ListParticipants(ctx, "", 1); return err },
		func() error { _, err := k.ListKeys(ctx, ""); return err },
	}
}
