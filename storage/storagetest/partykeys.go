package storagetest

import (
	"cmp"
	"context"
	"fmt"
	"slices"
	"testing"

	"yizheng.internal/license"
	"yizheng.internal/license/access"
	"yizheng.internal/license/grant"
	"yizheng.internal/signing"
)

// PartyKeys tests [grant.KeyStore] and [access.KeyStore].
func PartyKeys(t *testing.T, open Open) {
	t.Run("Grants", func(t *testing.T) { grantKeys(t, open(t).licensing()) })
	t.Run("Access", func(t *testing.T) { accessKeys(t, open(t).licensing()) })
	t.Run("Purge", func(t *testing.T) { purgePartyKeys(t, open(t).licensing()) })
	t.Run("Ended", func(t *testing.T) {
		s := open(t).licensing()
		_, err := s.GrantsAfter(ended(), "", 1)
		is(t, "GrantsAfter", err, context.Canceled)
		_, err = s.AccessAfter(ended(), 0, 1)
		is(t, "AccessAfter", err, context.Canceled)
		is(t, "AddGrantKeys", s.AddGrantKeys(ended(), "g", nil), context.Canceled)
		is(t, "AddAccessKeys", s.AddAccessKeys(ended(), access.Record{}, nil), context.Canceled)
	})
}

func grantKeys(t *testing.T, s licensing) {
	ctx := t.Context()
	old := newKey()
	var want []grant.Record
	for range 5 {
		g := pending()
		g.Party = []signing.Lookup{old}
		must(t, "SaveGrant", saveGrant(t, s, g))
		g.Revision, g.Party = 1, nil
		want = append(want, g)
	}
	slices.SortFunc(want, func(a, b grant.Record) int { return cmp.Compare(a.ID, b.ID) })
	for _, size := range []int{1, 2, 5, 100} {
		got := paged(t, size, func(last *grant.Record) ([]grant.Record, error) {
			if last == nil {
				return s.GrantsAfter(ctx, "", size)
			}
			return s.GrantsAfter(ctx, last.ID, size)
		})
		same(t, fmt.Sprintf("pages of %d", size), got, want)
	}
	renewed := newKeyOf(2)
	for range 2 { // what leads there already stays
		must(t, "AddGrantKeys", s.AddGrantKeys(ctx, want[3].ID, []signing.Lookup{old, renewed}))
	}
	found, err := s.ListGrants(ctx, []signing.Lookup{renewed}, license.Cursor{}, 10)
	must(t, "ListGrants", err)
	same(t, "grants by the new key", found, want[3:4])
	found, err = s.ListGrants(ctx, []signing.Lookup{old, renewed}, license.Cursor{}, 10)
	must(t, "ListGrants", err)
	same(t, "grants by both keys", len(found), 5)
	is(t, "an unknown grant", s.AddGrantKeys(ctx, grant.ID(newText()), []signing.Lookup{renewed}), license.ErrNotFound)
}

func accessKeys(t *testing.T, s licensing) {
	ctx := t.Context()
	u := usable(t, s)
	var want []access.Record
	for i := range 5 {
		r := u.reading(fmt.Sprint(i))
		r.Record.Result = "refused" // so that the code stays unused
		must(t, "SaveUse", s.SaveUse(ctx, r))
		r.Record.Party = nil
		want = append(want, r.Record)
	}
	for _, size := range []int{1, 2, 5, 100} {
		got := paged(t, size, func(last *access.Record) ([]access.Record, error) {
			if last == nil {
				return s.AccessAfter(ctx, 0, size)
			}
			return s.AccessAfter(ctx, last.Seq, size)
		})
		for i := range min(len(got), len(want)) {
			want[i].Seq = got[i].Seq
		}
		same(t, fmt.Sprintf("pages of %d", size), got, want)
	}
	renewed := newKeyOf(2)
	for range 2 {
		must(t, "AddAccessKeys", s.AddAccessKeys(ctx, want[3], []signing.Lookup{renewed}))
	}
	sameRecords(t, s, "records by the new key", []signing.Lookup{renewed}, want[3])
	unknown := want[3]
	unknown.Seq += 1000
	is(t, "an unknown record", s.AddAccessKeys(ctx, unknown, []signing.Lookup{renewed}), license.ErrNotFound)
}

// purgePartyKeys purges by the few, as the rehash job's end does.
func purgePartyKeys(t *testing.T, s licensing) {
	ctx := t.Context()
	u := usable(t, s)
	old, renewed := newKeyOf(7), newKeyOf(8)
	g := pending()
	g.Party = []signing.Lookup{old, renewed}
	must(t, "SaveGrant", saveGrant(t, s, g))
	r := u.reading("r")
	r.Record.Party = []signing.Lookup{old, renewed}
	must(t, "SaveUse", s.SaveUse(ctx, r))
	gone := 0
	for range 3 {
		n, err := s.PurgeLookups(ctx, 7, 1)
		must(t, "PurgeLookups", err)
		gone += n
	}
	same(t, "purged keys", gone, 2)
	for key, want := range map[signing.Lookup]int{old: 0, renewed: 1} {
		grants, err := s.ListGrants(ctx, []signing.Lookup{key}, license.Cursor{}, 10)
		must(t, "ListGrants", err)
		same(t, fmt.Sprintf("grants by key %d", key.Serial), len(grants), want)
		records, err := s.AccessRecords(ctx, []signing.Lookup{key}, 0, 10)
		must(t, "AccessRecords", err)
		same(t, fmt.Sprintf("records by key %d", key.Serial), len(records), want)
	}
}
