package grants

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
	"yizheng.internal/storage/storagetest/suite"
)

// PartyKeys tests [grant.KeyStore] and [access.KeyStore].
func PartyKeys(t *testing.T, open suite.Open) {
	t.Run("Grants", func(t *testing.T) { grantKeys(t, open(t).Licensing()) })
	t.Run("Access", func(t *testing.T) { accessKeys(t, open(t).Licensing()) })
	t.Run("Purge", func(t *testing.T) { purgePartyKeys(t, open(t).Licensing()) })
	t.Run("Ended", func(t *testing.T) {
		s := open(t).Licensing()
		_, err := s.GrantsAfter(suite.Ended(), "", 1)
		suite.Is(t, "GrantsAfter", err, context.Canceled)
		_, err = s.AccessAfter(suite.Ended(), 0, 1)
		suite.Is(t, "AccessAfter", err, context.Canceled)
		suite.Is(t, "AddGrantKeys", s.AddGrantKeys(suite.Ended(), "g", nil), context.Canceled)
		suite.Is(t, "AddAccessKeys", s.AddAccessKeys(suite.Ended(), access.Record{}, nil), context.Canceled)
	})
}

func grantKeys(t *testing.T, s suite.Licensing) {
	ctx := t.Context()
	old := suite.NewKey()
	var want []grant.Record
	for range 5 {
		g := Pending()
		g.Party = []signing.Lookup{old}
		suite.Must(t, "SaveGrant", SaveGrant(t, s, g))
		g.Revision, g.Party = 1, nil
		want = append(want, g)
	}
	slices.SortFunc(want, func(a, b grant.Record) int { return cmp.Compare(a.ID, b.ID) })
	for _, size := range []int{1, 2, 5, 100} {
		got := suite.Paged(t, size, func(last *grant.Record) ([]grant.Record, error) {
			if last == nil {
				return s.GrantsAfter(ctx, "", size)
			}
			return s.GrantsAfter(ctx, last.ID, size)
		})
		suite.Same(t, fmt.Sprintf("pages of %d", size), got, want)
	}
	renewed := suite.NewKeyOf(2)
	for range 2 { // what leads there already stays
		suite.Must(t, "AddGrantKeys", s.AddGrantKeys(ctx, want[3].ID, []signing.Lookup{old, renewed}))
	}
	found, err := s.ListGrants(ctx, []signing.Lookup{renewed}, license.Cursor{}, 10)
	suite.Must(t, "ListGrants", err)
	suite.Same(t, "grants by the new key", found, want[3:4])
	found, err = s.ListGrants(ctx, []signing.Lookup{old, renewed}, license.Cursor{}, 10)
	suite.Must(t, "ListGrants", err)
	suite.Same(t, "grants by both keys", len(found), 5)
	suite.Is(t, "an unknown grant", s.AddGrantKeys(ctx, grant.ID(suite.NewText()), []signing.Lookup{renewed}), license.ErrNotFound)
}

func accessKeys(t *testing.T, s suite.Licensing) {
	ctx := t.Context()
	u := Usable(t, s)
	var want []access.Record
	for i := range 5 {
		r := u.Reading(fmt.Sprint(i))
		r.Record.Result = "refused" // so that the code stays unused
		suite.Must(t, "SaveUse", s.SaveUse(ctx, r))
		r.Record.Party = nil
		want = append(want, r.Record)
	}
	for _, size := range []int{1, 2, 5, 100} {
		got := suite.Paged(t, size, func(last *access.Record) ([]access.Record, error) {
			if last == nil {
				return s.AccessAfter(ctx, 0, size)
			}
			return s.AccessAfter(ctx, last.Seq, size)
		})
		for i := range min(len(got), len(want)) {
			want[i].Seq = got[i].Seq
		}
		suite.Same(t, fmt.Sprintf("pages of %d", size), got, want)
	}
	renewed := suite.NewKeyOf(2)
	for range 2 {
		suite.Must(t, "AddAccessKeys", s.AddAccessKeys(ctx, want[3], []signing.Lookup{renewed}))
	}
	SameRecords(t, s, "records by the new key", []signing.Lookup{renewed}, want[3])
	unknown := want[3]
	unknown.Seq += 1000
	suite.Is(t, "an unknown record", s.AddAccessKeys(ctx, unknown, []signing.Lookup{renewed}), license.ErrNotFound)
}

// purgePartyKeys purges by the few, as the rehash job's end does.
func purgePartyKeys(t *testing.T, s suite.Licensing) {
	ctx := t.Context()
	u := Usable(t, s)
	old, renewed := suite.NewKeyOf(7), suite.NewKeyOf(8)
	g := Pending()
	g.Party = []signing.Lookup{old, renewed}
	suite.Must(t, "SaveGrant", SaveGrant(t, s, g))
	r := u.Reading("r")
	r.Record.Party = []signing.Lookup{old, renewed}
	suite.Must(t, "SaveUse", s.SaveUse(ctx, r))
	gone := 0
	for range 3 {
		n, err := s.PurgeLookups(ctx, 7, 1)
		suite.Must(t, "PurgeLookups", err)
		gone += n
	}
	suite.Same(t, "purged keys", gone, 2)
	for key, want := range map[signing.Lookup]int{old: 0, renewed: 1} {
		grants, err := s.ListGrants(ctx, []signing.Lookup{key}, license.Cursor{}, 10)
		suite.Must(t, "ListGrants", err)
		suite.Same(t, fmt.Sprintf("grants by key %d", key.Serial), len(grants), want)
		records, err := s.AccessRecords(ctx, []signing.Lookup{key}, 0, 10)
		suite.Must(t, "AccessRecords", err)
		suite.Same(t, fmt.Sprintf("records by key %d", key.Serial), len(records), want)
	}
}
