package storagetest

import (
	"context"
	"fmt"
	"slices"
	"strings"
	"testing"

	"yizheng.internal/license"
	"yizheng.internal/signing"
)

// Lookups tests [license.LookupStore].
func Lookups(t *testing.T, open Open) {
	t.Run("Versions", func(t *testing.T) { versions(t, open(t).licensing()) })
	t.Run("Add", func(t *testing.T) { addLookups(t, open(t).licensing()) })
	t.Run("Purge", func(t *testing.T) { purgeLookups(t, open(t).licensing()) })
	t.Run("PurgePeople", func(t *testing.T) { purgePeople(t, open(t)) })
	t.Run("Ended", func(t *testing.T) {
		s := open(t).licensing()
		r := issue(t, s)
		save(t, s, r)
		key := newKey()
		_, err := s.Versions(ended(), license.Located{}, 1)
		is(t, "Versions", err, context.Canceled)
		err = s.AddLookups(ended(), license.Located{License: r.Record.ID, Version: 1}, 1,
			[]license.LookupRow{{Kind: license.LookupIdentifier, Keys: []signing.Lookup{key}}})
		is(t, "AddLookups", err, context.Canceled)
		_, err = s.Locate(t.Context(), license.LookupIdentifier, []signing.Lookup{key})
		is(t, "Locate after that", err, license.ErrNotFound)
		_, err = s.PurgeLookups(ended(), 1, 100)
		is(t, "PurgeLookups", err, context.Canceled)
		_, err = s.Locate(t.Context(), license.LookupIdentifier, r.Lookups[0].Keys[:1])
		must(t, "Locate after that", err)
	})
}

func versions(t *testing.T, s licensing) {
	var want []license.VersionRecord
	for range 4 {
		first := issue(t, s)
		save(t, s, first)
		second := later(t, s, first, 1)
		save(t, s, second)
		first.Add.State, first.Add.Ending, first.Add.Suspension = license.Superseded, []byte("sealed ending"), []byte("sealed suspension")
		want = append(want, *first.Add, *second.Add)
	}
	slices.SortStableFunc(want, func(a, b license.VersionRecord) int {
		return strings.Compare(string(a.License), string(b.License))
	})
	for _, size := range []int{1, 3, 8, 100} {
		got := paged(t, size, func(last *license.VersionRecord) ([]license.VersionRecord, error) {
			var after license.Located
			if last != nil {
				after = license.Located{License: last.License, Version: last.Version}
			}
			return s.Versions(t.Context(), after, size)
		})
		same(t, fmt.Sprintf("pages of %d", size), got, want)
	}
}

// newRows makes a row of each kind with new keys of a serial.
func newRows(serial int32) []license.LookupRow {
	var rows []license.LookupRow
	for _, kind := range []license.LookupKind{
		license.LookupIdentifier, license.LookupVerification, license.LookupNumber, license.LookupHolder,
	} {
		rows = append(rows, license.LookupRow{
			Kind: kind, Keys: []signing.Lookup{newKeyOf(serial)}, Exclusive: kind == license.LookupNumber,
		})
	}
	return rows
}

// leads checks whether all the keys of rows lead to a place, or none leads anywhere.
func leads(t *testing.T, s licensing, what string, rows []license.LookupRow, to *license.Located) {
	t.Helper()
	for _, row := range rows {
		for _, key := range row.Keys {
			keys := []signing.Lookup{key}
			found, err := s.Search(t.Context(), license.Query{Kind: row.Kind, Keys: keys, Limit: 10})
			must(t, "Search", err)
			if to == nil && len(found) != 0 || to != nil && (len(found) != 1 || found[0].ID != to.License) {
				t.Errorf("%s: a key of kind %s leads to %+v, want %+v", what, row.Kind, found, to)
			}
			if row.Kind != license.LookupIdentifier && row.Kind != license.LookupVerification {
				continue
			}
			l, err := s.Locate(t.Context(), row.Kind, keys)
			if to == nil {
				is(t, what+": Locate", err, license.ErrNotFound)
				continue
			}
			must(t, what+": Locate", err)
			same(t, what+": Locate", l, *to)
		}
	}
}

func addLookups(t *testing.T, s licensing) {
	ctx := t.Context()
	first := issue(t, s)
	save(t, s, first)
	second := later(t, s, first, 1)
	save(t, s, second)
	other := issue(t, s)
	save(t, s, other)
	at1, at2 := license.Located{License: first.Record.ID, Version: 1}, license.Located{License: first.Record.ID, Version: 2}

	rows := newRows(2)
	must(t, "AddLookups", s.AddLookups(ctx, at1, 2, rows))
	leads(t, s, "added", rows, &at1)
	must(t, "AddLookups again", s.AddLookups(ctx, at1, 2, rows))
	leads(t, s, "added again", rows, &at1)
	mixed := append(newRows(2), second.Lookups...)
	must(t, "AddLookups to version 1 of what leads to version 2", s.AddLookups(ctx, at1, 2, mixed))
	leads(t, s, "what is new beside what is there", mixed[:4], &at1)
	leads(t, s, "what is there", second.Lookups, &at2)
	must(t, "AddLookups of none", s.AddLookups(ctx, at1, 2, nil))

	for kind, want := range map[license.LookupKind]error{
		license.LookupIdentifier:   license.ErrIdentifierTaken,
		license.LookupVerification: license.ErrIdentifierTaken,
		license.LookupNumber:       license.ErrNumberTaken,
	} {
		fresh := newRows(2)
		taken := license.LookupRow{Kind: kind, Keys: []signing.Lookup{newKeyOf(2), row(other, kind).Keys[1]}, Exclusive: true}
		is(t, "AddLookups of what leads to another license", s.AddLookups(ctx, at1, 2, append(slices.Clone(fresh), taken)), want)
		leads(t, s, "beside a refused key", fresh, nil)
	}
	fresh := newRows(2)
	is(t, "AddLookups of an unknown license", s.AddLookups(ctx, license.Located{License: newID(), Version: 1}, 1, fresh), license.ErrNotFound)
	is(t, "AddLookups of an unknown version", s.AddLookups(ctx, license.Located{License: first.Record.ID, Version: 3}, 2, fresh), license.ErrNotFound)
	leads(t, s, "of an unknown version", fresh, nil)
	is(t, "AddLookups at another revision", s.AddLookups(ctx, at1, 1, fresh), license.ErrConflict)
	leads(t, s, "at another revision", fresh, nil)

	number := *row(other, license.LookupNumber)
	number.Exclusive, number.Former = false, true
	must(t, "AddLookups that makes a number former", s.AddLookups(ctx, license.Located{License: other.Record.ID, Version: 1}, 1, []license.LookupRow{number}))
	number.Exclusive, number.Former = true, false
	must(t, "AddLookups of another's former number", s.AddLookups(ctx, at1, 2, []license.LookupRow{number}))
}

// purgeLookups deletes the keys of serial 1, of which each saved license has
// six: identifier, verification, number, two holders, and the request's.
func purgeLookups(t *testing.T, s licensing) {
	var rs []license.SaveRequest
	for range 5 {
		r := issue(t, s)
		save(t, s, r)
		rs = append(rs, r)
	}
	for name, c := range map[string]struct {
		serial int32
		limit  int
	}{"an unknown serial": {9, 100}, "limit 0": {1, 0}} {
		n, err := s.PurgeLookups(t.Context(), c.serial, c.limit)
		must(t, "PurgeLookups", err)
		same(t, name, n, 0)
	}
	total := 0
	for calls := 0; ; calls++ {
		n, err := s.PurgeLookups(t.Context(), 1, 7)
		must(t, "PurgeLookups", err)
		if n > 7 || calls > 30 {
			t.Fatalf("call %d purged %d keys, limit 7", calls, n)
		}
		if total += n; n == 0 {
			break
		}
	}
	same(t, "purged keys", total, 30)
	for _, r := range rs {
		old, left := slices.Clone(r.Lookups), slices.Clone(r.Lookups)
		for i, row := range r.Lookups {
			old[i].Keys, left[i].Keys = row.Keys[:1], row.Keys[1:]
		}
		leads(t, s, "serial 1", old, nil)
		leads(t, s, "serial 2", left, &license.Located{License: r.Record.ID, Version: 1})
		_, err := s.LoadRequest(t.Context(), r.Request.Keys[:1])
		is(t, "LoadRequest by serial 1", err, license.ErrNotFound)
		_, err = s.LoadRequest(t.Context(), r.Request.Keys[1:])
		must(t, "LoadRequest by serial 2", err)
	}
}

// purgePeople deletes the keys of serial 1 that lead to a person: what they led
// to is found by those of serial 2.
func purgePeople(t *testing.T, db Database) {
	ctx, s := t.Context(), db.Provider
	p, a := createParty(t, s, newParty()), createAccount(t, s, newAccount())
	n, f, l := createSession(t, s, newSession()), redeem(t, s, newFamily()), createLink(t, s, newLink())
	total := 0
	for range 6 {
		purged, err := db.Licenses.PurgeLookups(ctx, 1, 3)
		must(t, "PurgeLookups", err)
		if purged > 3 {
			t.Errorf("%d keys were purged, limit 3", purged)
		}
		total += purged
	}
	same(t, "purged keys", total, 2+2+1+1+1)
	noParty(t, s, "a party by serial 1", p.Codes[0], p.Codes[2])
	noAccount(t, s, "an account by serial 1", a.Logins[0], a.Logins[2])
	p.Codes, a.Logins = []signing.Lookup{p.Codes[1], p.Codes[3]}, []signing.Lookup{a.Logins[1], a.Logins[3]}
	sameParty(t, s, "the party by serial 2", p)
	sameAccount(t, s, "the account by serial 2", a)
	noLink(t, s, "a link by serial 1", l.Keys[0])
	l.Keys = l.Keys[1:]
	sameLink(t, s, "the link by serial 2", l)
	for serial, want := range []int{0, 1} {
		sessions, err := s.ListSessions(ctx, n.Party[serial:serial+1], at(0), 10)
		must(t, "ListSessions", err)
		same(t, fmt.Sprint("sessions by serial ", serial+1), len(sessions), want)
		families, err := s.ListFamilies(ctx, f.Party[serial:serial+1], at(0), 10)
		must(t, "ListFamilies", err)
		same(t, fmt.Sprint("families by serial ", serial+1), len(families), want)
	}
}
