package licenses

import (
	"context"
	"fmt"
	"slices"
	"strings"
	"testing"

	"yizheng.internal/license"
	"yizheng.internal/signing"
	"yizheng.internal/storage/storagetest/suite"
)

// Lookups tests [license.LookupStore].
func Lookups(t *testing.T, open suite.Open) {
	t.Run("Versions", func(t *testing.T) { versions(t, open(t).Licensing()) })
	t.Run("Add", func(t *testing.T) { addLookups(t, open(t).Licensing()) })
	t.Run("Purge", func(t *testing.T) { purgeLookups(t, open(t).Licensing()) })
	t.Run("Ended", func(t *testing.T) {
		s := open(t).Licensing()
		r := Issue(t, s)
		Save(t, s, r)
		key := suite.NewKey()
		_, err := s.Versions(suite.Ended(), license.Located{}, 1)
		suite.Is(t, "Versions", err, context.Canceled)
		err = s.AddLookups(suite.Ended(), license.Located{License: r.Record.ID, Version: 1}, 1,
			[]license.LookupRow{{Kind: license.LookupIdentifier, Keys: []signing.Lookup{key}}})
		suite.Is(t, "AddLookups", err, context.Canceled)
		_, err = s.Locate(t.Context(), license.LookupIdentifier, []signing.Lookup{key})
		suite.Is(t, "Locate after that", err, license.ErrNotFound)
		_, err = s.PurgeLookups(suite.Ended(), 1, 100)
		suite.Is(t, "PurgeLookups", err, context.Canceled)
		_, err = s.Locate(t.Context(), license.LookupIdentifier, r.Lookups[0].Keys[:1])
		suite.Must(t, "Locate after that", err)
	})
}

func versions(t *testing.T, s suite.Licensing) {
	var want []license.VersionRecord
	for range 4 {
		first := Issue(t, s)
		Save(t, s, first)
		second := Later(t, s, first, 1)
		Save(t, s, second)
		first.Add.State, first.Add.Ending, first.Add.Suspension = license.Superseded, []byte("sealed ending"), []byte("sealed suspension")
		want = append(want, *first.Add, *second.Add)
	}
	slices.SortStableFunc(want, func(a, b license.VersionRecord) int {
		return strings.Compare(string(a.License), string(b.License))
	})
	for _, size := range []int{1, 3, 8, 100} {
		got := suite.Paged(t, size, func(last *license.VersionRecord) ([]license.VersionRecord, error) {
			var after license.Located
			if last != nil {
				after = license.Located{License: last.License, Version: last.Version}
			}
			return s.Versions(t.Context(), after, size)
		})
		suite.Same(t, fmt.Sprintf("pages of %d", size), got, want)
	}
}

// newRows makes a row of each kind with new keys of a serial.
func newRows(serial int32) []license.LookupRow {
	var rows []license.LookupRow
	for _, kind := range []license.LookupKind{
		license.LookupIdentifier, license.LookupVerification, license.LookupNumber, license.LookupHolder,
	} {
		rows = append(rows, license.LookupRow{
			Kind: kind, Keys: []signing.Lookup{suite.NewKeyOf(serial)}, Exclusive: kind == license.LookupNumber,
		})
	}
	return rows
}

// leads checks whether all the keys of rows lead to a place, or none leads anywhere.
func leads(t *testing.T, s suite.Licensing, what string, rows []license.LookupRow, to *license.Located) {
	t.Helper()
	for _, row := range rows {
		for _, key := range row.Keys {
			keys := []signing.Lookup{key}
			found, err := s.Search(t.Context(), license.Query{Kind: row.Kind, Keys: keys, Limit: 10})
			suite.Must(t, "Search", err)
			if to == nil && len(found) != 0 || to != nil && (len(found) != 1 || found[0].ID != to.License) {
				t.Errorf("%s: a key of kind %s leads to %+v, want %+v", what, row.Kind, found, to)
			}
			if row.Kind != license.LookupIdentifier && row.Kind != license.LookupVerification {
				continue
			}
			l, err := s.Locate(t.Context(), row.Kind, keys)
			if to == nil {
				suite.Is(t, what+": Locate", err, license.ErrNotFound)
				continue
			}
			suite.Must(t, what+": Locate", err)
			suite.Same(t, what+": Locate", l, *to)
		}
	}
}

func addLookups(t *testing.T, s suite.Licensing) {
	ctx := t.Context()
	first := Issue(t, s)
	Save(t, s, first)
	second := Later(t, s, first, 1)
	Save(t, s, second)
	other := Issue(t, s)
	Save(t, s, other)
	at1, at2 := license.Located{License: first.Record.ID, Version: 1}, license.Located{License: first.Record.ID, Version: 2}

	rows := newRows(2)
	suite.Must(t, "AddLookups", s.AddLookups(ctx, at1, 2, rows))
	leads(t, s, "added", rows, &at1)
	suite.Must(t, "AddLookups again", s.AddLookups(ctx, at1, 2, rows))
	leads(t, s, "added again", rows, &at1)
	mixed := append(newRows(2), second.Lookups...)
	suite.Must(t, "AddLookups to version 1 of what leads to version 2", s.AddLookups(ctx, at1, 2, mixed))
	leads(t, s, "what is new beside what is there", mixed[:4], &at1)
	leads(t, s, "what is there", second.Lookups, &at2)
	suite.Must(t, "AddLookups of none", s.AddLookups(ctx, at1, 2, nil))

	for kind, want := range map[license.LookupKind]error{
		license.LookupIdentifier:   license.ErrIdentifierTaken,
		license.LookupVerification: license.ErrIdentifierTaken,
		license.LookupNumber:       license.ErrNumberTaken,
	} {
		fresh := newRows(2)
		taken := license.LookupRow{Kind: kind, Keys: []signing.Lookup{suite.NewKeyOf(2), Row(other, kind).Keys[1]}, Exclusive: true}
		suite.Is(t, "AddLookups of what leads to another license", s.AddLookups(ctx, at1, 2, append(slices.Clone(fresh), taken)), want)
		leads(t, s, "beside a refused key", fresh, nil)
	}
	fresh := newRows(2)
	suite.Is(t, "AddLookups of an unknown license", s.AddLookups(ctx, license.Located{License: suite.NewID(), Version: 1}, 1, fresh), license.ErrNotFound)
	suite.Is(t, "AddLookups of an unknown version", s.AddLookups(ctx, license.Located{License: first.Record.ID, Version: 3}, 2, fresh), license.ErrNotFound)
	leads(t, s, "of an unknown version", fresh, nil)
	suite.Is(t, "AddLookups at another revision", s.AddLookups(ctx, at1, 1, fresh), license.ErrConflict)
	leads(t, s, "at another revision", fresh, nil)

	number := *Row(other, license.LookupNumber)
	number.Exclusive, number.Former = false, true
	suite.Must(t, "AddLookups that makes a number former", s.AddLookups(ctx, license.Located{License: other.Record.ID, Version: 1}, 1, []license.LookupRow{number}))
	number.Exclusive, number.Former = true, false
	suite.Must(t, "AddLookups of another's former number", s.AddLookups(ctx, at1, 2, []license.LookupRow{number}))
}

// purgeLookups deletes the keys of serial 1, of which each saved license has
// six: identifier, verification, number, two holders, and the request's.
func purgeLookups(t *testing.T, s suite.Licensing) {
	var rs []license.SaveRequest
	for range 5 {
		r := Issue(t, s)
		Save(t, s, r)
		rs = append(rs, r)
	}
	for name, c := range map[string]struct {
		serial int32
		limit  int
	}{"an unknown serial": {9, 100}, "limit 0": {1, 0}} {
		n, err := s.PurgeLookups(t.Context(), c.serial, c.limit)
		suite.Must(t, "PurgeLookups", err)
		suite.Same(t, name, n, 0)
	}
	total := 0
	for calls := 0; ; calls++ {
		n, err := s.PurgeLookups(t.Context(), 1, 7)
		suite.Must(t, "PurgeLookups", err)
		if n > 7 || calls > 30 {
			t.Fatalf("call %d purged %d keys, limit 7", calls, n)
		}
		if total += n; n == 0 {
			break
		}
	}
	suite.Same(t, "purged keys", total, 30)
	for _, r := range rs {
		old, left := slices.Clone(r.Lookups), slices.Clone(r.Lookups)
		for i, row := range r.Lookups {
			old[i].Keys, left[i].Keys = row.Keys[:1], row.Keys[1:]
		}
		leads(t, s, "serial 1", old, nil)
		leads(t, s, "serial 2", left, &license.Located{License: r.Record.ID, Version: 1})
		_, err := s.LoadRequest(t.Context(), r.Request.Keys[:1])
		suite.Is(t, "LoadRequest by serial 1", err, license.ErrNotFound)
		_, err = s.LoadRequest(t.Context(), r.Request.Keys[1:])
		suite.Must(t, "LoadRequest by serial 2", err)
	}
}
