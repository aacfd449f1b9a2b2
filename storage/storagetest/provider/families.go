package provider

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"testing"
	"time"

	"yizheng.internal/oidc"
	"yizheng.internal/oidc/provider"
	tokens "yizheng.internal/oidc/token"
	"yizheng.internal/signing"
	"yizheng.internal/signing/journal"
	"yizheng.internal/storage/storagetest/ledger"
	"yizheng.internal/storage/storagetest/suite"
)

// Families tests [token.FamilyStore].
func Families(t *testing.T, open suite.Open) {
	s := open(t).Provider
	t.Run("RoundTrip", func(t *testing.T) { familiesRoundTrip(t, s) })
	t.Run("Redeem", func(t *testing.T) { familiesRedeem(t, s) })
	t.Run("Update", func(t *testing.T) { familiesUpdate(t, s) })
	t.Run("Events", func(t *testing.T) { familiesEvents(t, open(t)) })
	t.Run("RaceOfOneCode", func(t *testing.T) { familiesRace(t, s) })
	t.Run("RaceOfCodes", func(t *testing.T) { familiesRaceOfCodes(t, s) })
	t.Run("RaceOfUpdates", func(t *testing.T) { familiesRaceOfUpdates(t, s) })
	t.Run("List", func(t *testing.T) { familiesList(t, s) })
	t.Run("Ended", func(t *testing.T) {
		f, code := NewFamily(), suite.NewHash()
		_, err := s.RedeemCode(suite.Ended(), code, suite.At(0), f)
		suite.Is(t, "RedeemCode", err, context.Canceled)
		unspent(t, s, code, f)
		_, err = s.LoadFamily(suite.Ended(), f.ID)
		suite.Is(t, "LoadFamily", err, context.Canceled)
		suite.Is(t, "UpdateFamily", s.UpdateFamily(suite.Ended(), f), context.Canceled)
		_, err = s.ListFamilies(suite.Ended(), f.Party, suite.At(0), 1)
		suite.Is(t, "ListFamilies", err, context.Canceled)
	})
}

// NewFamily makes a record of a family that isn't stored.
func NewFamily() tokens.FamilyRecord {
	return tokens.FamilyRecord{
		ID: suite.NewText(), Client: suite.NewText(), Session: suite.NewText(), Number: 1, Rotated: suite.At(0), Created: suite.At(0), Expires: suite.At(8 * 3600),
		Body: []byte("sealed family"), Party: []signing.Lookup{suite.NewKey(), suite.NewKeyOf(2)},
	}
}

// Redeem stores a new family with its code.
func Redeem(t *testing.T, s tokens.FamilyStore, f tokens.FamilyRecord) tokens.FamilyRecord {
	t.Helper()
	first, err := s.RedeemCode(t.Context(), suite.NewHash(), suite.At(600), f)
	suite.Must(t, "RedeemCode", err)
	suite.Same(t, "the family of an earlier use", first, "")
	f.Revision = 1
	return f
}

// SameFamily checks what a store has of a family.
func SameFamily(t *testing.T, s tokens.FamilyStore, what string, want tokens.FamilyRecord) {
	t.Helper()
	want.Party = nil
	got, err := s.LoadFamily(t.Context(), want.ID)
	suite.Must(t, what, err)
	suite.Same(t, what, got, want)
}

// unspent checks that a code can be redeemed, and that nothing is there of a family.
func unspent(t *testing.T, s provider.Stores, code [32]byte, f tokens.FamilyRecord) {
	t.Helper()
	spent, err := s.IsSpent(t.Context(), code)
	suite.Must(t, "IsSpent", err)
	suite.Same(t, "whether the code is spent", spent, false)
	_, err = s.LoadFamily(t.Context(), f.ID)
	suite.Is(t, "LoadFamily", err, oidc.ErrNotFound)
	listed, err := s.ListFamilies(t.Context(), f.Party, time.Time{}, 10)
	suite.Must(t, "ListFamilies", err)
	suite.Same(t, "families of a refused one's party", len(listed), 0)
}

func familiesRoundTrip(t *testing.T, s tokens.FamilyStore) {
	f := NewFamily()
	f.Revision, f.Number, f.EndedBy = 9, 1<<40, "holder" // a new one has revision 1, whatever is said
	f.Rotated, f.Created, f.Expires, f.Ended = suite.Finer, suite.Finer, suite.Finer, suite.Finer
	f = Redeem(t, s, f)
	f.Rotated, f.Created, f.Expires, f.Ended = suite.Kept, suite.Kept, suite.Kept, suite.Kept
	SameFamily(t, s, "a family", f)
	SameFamily(t, s, "one that says nothing", Redeem(t, s, tokens.FamilyRecord{ID: suite.NewText(), Body: []byte{}}))
	SameFamily(t, s, "one without a body", Redeem(t, s, tokens.FamilyRecord{ID: suite.NewText()}))
	_, err := s.LoadFamily(t.Context(), suite.NewText())
	suite.Is(t, "an unknown ID", err, oidc.ErrNotFound)
	_, err = s.LoadFamily(t.Context(), "")
	suite.Is(t, "no ID", err, oidc.ErrNotFound)
}

// familiesRedeem redeems codes that were spent before, in each way.
func familiesRedeem(t *testing.T, s provider.Stores) {
	ctx := t.Context()
	f, code := NewFamily(), suite.NewHash()
	_, err := s.RedeemCode(ctx, code, suite.At(600), f)
	suite.Must(t, "RedeemCode", err)
	spent, err := s.IsSpent(ctx, code)
	suite.Must(t, "IsSpent", err)
	suite.Same(t, "whether the code is spent", spent, true)
	f.Revision = 1
	for range 2 {
		again := NewFamily()
		first, err := s.RedeemCode(ctx, code, suite.At(9999), again)
		suite.Is(t, "RedeemCode again", err, tokens.ErrSpent)
		suite.Same(t, "the first use's family", first, f.ID)
		_, err = s.LoadFamily(ctx, again.ID)
		suite.Is(t, "LoadFamily of the second one", err, oidc.ErrNotFound)
		listed, err := s.ListFamilies(ctx, again.Party, suite.At(0), 10)
		suite.Must(t, "ListFamilies", err)
		suite.Same(t, "families of the second one's party", len(listed), 0)
		SameFamily(t, s, "the first one", f)
	}
	first, err := s.RedeemCode(ctx, code, suite.At(600), f) // word for word
	suite.Is(t, "RedeemCode again, with the same family", err, tokens.ErrSpent)
	suite.Same(t, "the first use's family", first, f.ID)
	suite.Is(t, "Spend of a code", s.Spend(ctx, code, suite.At(600)), tokens.ErrSpent)

	token := suite.NewHash()
	suite.Must(t, "Spend", s.Spend(ctx, token, suite.At(600)))
	first, err = s.RedeemCode(ctx, token, suite.At(600), NewFamily())
	suite.Is(t, "RedeemCode of what was spent otherwise", err, tokens.ErrSpent)
	suite.Same(t, "its family", first, "")

	twin, unused := NewFamily(), suite.NewHash()
	twin.ID = f.ID
	first, err = s.RedeemCode(ctx, unused, suite.At(600), twin)
	suite.Is(t, "RedeemCode with a family's ID that is taken", err, oidc.ErrExists)
	suite.Same(t, "its family", first, "")
	SameFamily(t, s, "the family that is there", f)
	twin.ID = suite.NewText()
	unspent(t, s, unused, twin)
}

func familiesUpdate(t *testing.T, s tokens.FamilyStore) {
	ctx := t.Context()
	f := Redeem(t, s, NewFamily())
	f.Number, f.Rotated, f.Expires, f.Ended, f.EndedBy, f.Body = 2, suite.Finer, suite.Finer, suite.Finer, "refresh_reuse", nil
	suite.Must(t, "UpdateFamily", s.UpdateFamily(ctx, f))
	f.Revision, f.Rotated, f.Expires, f.Ended = 2, suite.Kept, suite.Kept, suite.Kept
	SameFamily(t, s, "an updated family", f)
	f.Rotated, f.Ended, f.EndedBy, f.Session, f.Body = time.Time{}, time.Time{}, "", "", []byte("offline now")
	suite.Must(t, "UpdateFamily", s.UpdateFamily(ctx, f))
	f.Revision = 3
	SameFamily(t, s, "one without its session", f)
	for _, revision := range []int64{0, 1, 2, 4} {
		wrong := f
		wrong.Revision, wrong.Number = revision, 77
		suite.Is(t, fmt.Sprint("UpdateFamily of revision ", revision), s.UpdateFamily(ctx, wrong), oidc.ErrConflict)
	}
	unknown := NewFamily()
	unknown.Revision = 1
	suite.Is(t, "UpdateFamily of an unknown one", s.UpdateFamily(ctx, unknown), oidc.ErrConflict)
	SameFamily(t, s, "the family after refusals", f)

	moved := f
	moved.Client, moved.Created, moved.Party = suite.NewText(), suite.At(77), []signing.Lookup{suite.NewKey()}
	suite.Must(t, "UpdateFamily", s.UpdateFamily(ctx, moved))
	f.Revision = 4
	SameFamily(t, s, "the family after what never changes was to change", f)
	listed, err := s.ListFamilies(ctx, moved.Party, time.Time{}, 10)
	suite.Must(t, "ListFamilies", err)
	suite.Same(t, "families of another party that it was to have", len(listed), 0)
}

// familiesEvents holds events to the fate of what they tell of.
func familiesEvents(t *testing.T, d suite.Database) {
	s := d.Provider
	ctx := t.Context()
	events := []journal.Event{ledger.ProviderEvent(), ledger.ProviderEvent(), ledger.ProviderEvent()}
	f, code := NewFamily(), suite.NewHash()
	_, err := s.RedeemCode(ctx, code, suite.At(600), f, events[0], events[1])
	suite.Must(t, "RedeemCode", err)
	_, err = s.RedeemCode(ctx, code, suite.At(600), NewFamily(), ledger.ProviderEvent())
	suite.Is(t, "RedeemCode again", err, tokens.ErrSpent)
	_, err = s.RedeemCode(ctx, suite.NewHash(), suite.At(600), f, ledger.ProviderEvent())
	suite.Is(t, "RedeemCode with an ID that is taken", err, oidc.ErrExists)
	suite.Is(t, "UpdateFamily of revision 0", s.UpdateFamily(ctx, f, ledger.ProviderEvent()), oidc.ErrConflict)
	f.Revision = 1
	suite.Must(t, "UpdateFamily", s.UpdateFamily(ctx, f, events[2]))
	ledger.SameProviderEvents(t, d.Journal, events)
}

// familiesRace lets many redeem one code at once: all losers learn who won.
func familiesRace(t *testing.T, s provider.Stores) {
	for range 5 {
		code := suite.NewHash()
		fs, firsts := make([]tokens.FamilyRecord, suite.Writers), make([]string, suite.Writers)
		for i := range fs {
			fs[i] = NewFamily()
		}
		errs := suite.Race(suite.Writers, func(i int) (err error) {
			if i == suite.Writers-1 { // one comes another way
				return s.Spend(t.Context(), code, suite.At(600))
			}
			firsts[i], err = s.RedeemCode(t.Context(), code, suite.At(600), fs[i])
			return err
		})
		winner := suite.OneWins(t, "a code", errs, tokens.ErrSpent)
		want := ""
		if winner < suite.Writers-1 {
			want = fs[winner].ID
			fs[winner].Revision = 1
			SameFamily(t, s, "the winner", fs[winner])
		}
		for i, first := range firsts[:suite.Writers-1] {
			if i == winner {
				suite.Same(t, "what the winner learns", first, "")
				continue
			}
			suite.Same(t, "what a loser learns", first, want)
			_, err := s.LoadFamily(t.Context(), fs[i].ID)
			suite.Is(t, "a loser's family", err, oidc.ErrNotFound)
		}
	}
}

// familiesRaceOfCodes lets many redeem a code of their own each: all succeed.
func familiesRaceOfCodes(t *testing.T, s tokens.FamilyStore) {
	party := []signing.Lookup{suite.NewKey(), suite.NewKeyOf(2)}
	errs := suite.Race(suite.Writers, func(i int) error {
		f := NewFamily()
		f.Party = party
		if i%2 == 1 {
			f.Party = []signing.Lookup{party[1], party[0]}
		}
		_, err := s.RedeemCode(t.Context(), suite.NewHash(), suite.At(600), f, ledger.ProviderEvent())
		return err
	})
	suite.Must(t, "RedeemCode", errors.Join(errs...))
	listed, err := s.ListFamilies(t.Context(), party, suite.At(0), 2*suite.Writers)
	suite.Must(t, "ListFamilies", err)
	suite.Same(t, "families", len(listed), suite.Writers)
}

func familiesRaceOfUpdates(t *testing.T, s tokens.FamilyStore) {
	f := Redeem(t, s, NewFamily())
	for revision := range int64(5) {
		errs := suite.Race(suite.Writers, func(i int) error {
			mine := f
			mine.Number, mine.Body = int64(100+i), fmt.Append(nil, "body of ", i)
			return s.UpdateFamily(t.Context(), mine)
		})
		winner := suite.OneWins(t, "an update", errs, oidc.ErrConflict)
		f.Revision, f.Number, f.Body = revision+2, int64(100+winner), fmt.Append(nil, "body of ", winner)
		SameFamily(t, s, "the winner", f)
	}
}

func familiesList(t *testing.T, s tokens.FamilyStore) {
	ctx := t.Context()
	old, new := suite.NewKey(), suite.NewKeyOf(2)
	var want []tokens.FamilyRecord // newest first
	for i, keys := range [][]signing.Lookup{{old}, {old, new}, {old, new}, {new}, {new, old, new}} {
		f := NewFamily()
		f.Party, f.Created = keys, suite.At(i/2) // two were made at the same time
		f.ID = fmt.Sprintf("%d%s", i, f.ID)
		f = Redeem(t, s, f)
		f.Party = nil
		want = slices.Insert(want, 0, f)
	}
	for _, spoil := range []func(*tokens.FamilyRecord){
		func(f *tokens.FamilyRecord) { f.Ended = suite.At(99) },
		func(f *tokens.FamilyRecord) { f.Expires = suite.At(100) },
		func(f *tokens.FamilyRecord) { f.Expires = suite.At(50) },
		func(f *tokens.FamilyRecord) { f.Party = []signing.Lookup{suite.NewKey(), {Serial: 2, Sum: old.Sum}} },
	} {
		f := NewFamily()
		f.ID, f.Party = "99"+f.ID, []signing.Lookup{old, new}
		spoil(&f)
		Redeem(t, s, f)
	}
	list := func(limit int, keys ...signing.Lookup) []tokens.FamilyRecord {
		t.Helper()
		got, err := s.ListFamilies(ctx, keys, suite.At(100), limit)
		suite.Must(t, "ListFamilies", err)
		return got
	}
	suite.Same(t, "by both keys", list(10, old, new), want)
	suite.Same(t, "by both keys, the other way round", list(10, new, old), want)
	suite.Same(t, "by the older key", list(10, old), []tokens.FamilyRecord{want[0], want[2], want[3], want[4]})
	suite.Same(t, "by the newer key", list(10, new), want[:4])
	for limit := range 7 {
		got := list(limit, old, new)
		suite.Same(t, fmt.Sprint("up to ", limit), len(got), min(limit, 5))
		for i := range got {
			suite.Same(t, fmt.Sprint("up to ", limit), got[i], want[i])
		}
	}
	suite.Same(t, "by no key", len(list(10)), 0)
	suite.Same(t, "by an unknown key", len(list(10, suite.NewKey())), 0)

	f := want[0]
	f.Ended, f.EndedBy = suite.At(101), "holder"
	suite.Must(t, "UpdateFamily", s.UpdateFamily(ctx, f))
	suite.Same(t, "after one ended", list(10, old, new), want[1:])
}
