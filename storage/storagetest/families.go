package storagetest

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
)

// Families tests [token.FamilyStore].
func Families(t *testing.T, open Open) {
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
		f, code := newFamily(), newHash()
		_, err := s.RedeemCode(ended(), code, at(0), f)
		is(t, "RedeemCode", err, context.Canceled)
		unspent(t, s, code, f)
		_, err = s.LoadFamily(ended(), f.ID)
		is(t, "LoadFamily", err, context.Canceled)
		is(t, "UpdateFamily", s.UpdateFamily(ended(), f), context.Canceled)
		_, err = s.ListFamilies(ended(), f.Party, at(0), 1)
		is(t, "ListFamilies", err, context.Canceled)
	})
}

// newFamily makes a record of a family that isn't stored.
func newFamily() tokens.FamilyRecord {
	return tokens.FamilyRecord{
		ID: newText(), Client: newText(), Session: newText(), Number: 1, Rotated: at(0), Created: at(0), Expires: at(8 * 3600),
		Body: []byte("sealed family"), Party: []signing.Lookup{newKey(), newKeyOf(2)},
	}
}

func redeem(t *testing.T, s tokens.FamilyStore, f tokens.FamilyRecord) tokens.FamilyRecord {
	t.Helper()
	first, err := s.RedeemCode(t.Context(), newHash(), at(600), f)
	must(t, "RedeemCode", err)
	same(t, "the family of an earlier use", first, "")
	f.Revision = 1
	return f
}

func sameFamily(t *testing.T, s tokens.FamilyStore, what string, want tokens.FamilyRecord) {
	t.Helper()
	want.Party = nil
	got, err := s.LoadFamily(t.Context(), want.ID)
	must(t, what, err)
	same(t, what, got, want)
}

// unspent checks that a code can be redeemed, and that nothing is there of a family.
func unspent(t *testing.T, s provider.Stores, code [32]byte, f tokens.FamilyRecord) {
	t.Helper()
	spent, err := s.IsSpent(t.Context(), code)
	must(t, "IsSpent", err)
	same(t, "whether the code is spent", spent, false)
	_, err = s.LoadFamily(t.Context(), f.ID)
	is(t, "LoadFamily", err, oidc.ErrNotFound)
	listed, err := s.ListFamilies(t.Context(), f.Party, time.Time{}, 10)
	must(t, "ListFamilies", err)
	same(t, "families of a refused one's party", len(listed), 0)
}

func familiesRoundTrip(t *testing.T, s tokens.FamilyStore) {
	f := newFamily()
	f.Revision, f.Number, f.EndedBy = 9, 1<<40, "holder" // a new one has revision 1, whatever is said
	f.Rotated, f.Created, f.Expires, f.Ended = finer, finer, finer, finer
	f = redeem(t, s, f)
	f.Rotated, f.Created, f.Expires, f.Ended = kept, kept, kept, kept
	sameFamily(t, s, "a family", f)
	sameFamily(t, s, "one that says nothing", redeem(t, s, tokens.FamilyRecord{ID: newText(), Body: []byte{}}))
	sameFamily(t, s, "one without a body", redeem(t, s, tokens.FamilyRecord{ID: newText()}))
	_, err := s.LoadFamily(t.Context(), newText())
	is(t, "an unknown ID", err, oidc.ErrNotFound)
	_, err = s.LoadFamily(t.Context(), "")
	is(t, "no ID", err, oidc.ErrNotFound)
}

// familiesRedeem redeems codes that were spent before, in each way.
func familiesRedeem(t *testing.T, s provider.Stores) {
	ctx := t.Context()
	f, code := newFamily(), newHash()
	_, err := s.RedeemCode(ctx, code, at(600), f)
	must(t, "RedeemCode", err)
	spent, err := s.IsSpent(ctx, code)
	must(t, "IsSpent", err)
	same(t, "whether the code is spent", spent, true)
	f.Revision = 1
	for range 2 {
		again := newFamily()
		first, err := s.RedeemCode(ctx, code, at(9999), again)
		is(t, "RedeemCode again", err, tokens.ErrSpent)
		same(t, "the first use's family", first, f.ID)
		_, err = s.LoadFamily(ctx, again.ID)
		is(t, "LoadFamily of the second one", err, oidc.ErrNotFound)
		listed, err := s.ListFamilies(ctx, again.Party, at(0), 10)
		must(t, "ListFamilies", err)
		same(t, "families of the second one's party", len(listed), 0)
		sameFamily(t, s, "the first one", f)
	}
	first, err := s.RedeemCode(ctx, code, at(600), f) // word for word
	is(t, "RedeemCode again, with the same family", err, tokens.ErrSpent)
	same(t, "the first use's family", first, f.ID)
	is(t, "Spend of a code", s.Spend(ctx, code, at(600)), tokens.ErrSpent)

	token := newHash()
	must(t, "Spend", s.Spend(ctx, token, at(600)))
	first, err = s.RedeemCode(ctx, token, at(600), newFamily())
	is(t, "RedeemCode of what was spent otherwise", err, tokens.ErrSpent)
	same(t, "its family", first, "")

	twin, unused := newFamily(), newHash()
	twin.ID = f.ID
	first, err = s.RedeemCode(ctx, unused, at(600), twin)
	is(t, "RedeemCode with a family's ID that is taken", err, oidc.ErrExists)
	same(t, "its family", first, "")
	sameFamily(t, s, "the family that is there", f)
	twin.ID = newText()
	unspent(t, s, unused, twin)
}

func familiesUpdate(t *testing.T, s tokens.FamilyStore) {
	ctx := t.Context()
	f := redeem(t, s, newFamily())
	f.Number, f.Rotated, f.Expires, f.Ended, f.EndedBy, f.Body = 2, finer, finer, finer, "refresh_reuse", nil
	must(t, "UpdateFamily", s.UpdateFamily(ctx, f))
	f.Revision, f.Rotated, f.Expires, f.Ended = 2, kept, kept, kept
	sameFamily(t, s, "an updated family", f)
	f.Rotated, f.Ended, f.EndedBy, f.Session, f.Body = time.Time{}, time.Time{}, "", "", []byte("offline now")
	must(t, "UpdateFamily", s.UpdateFamily(ctx, f))
	f.Revision = 3
	sameFamily(t, s, "one without its session", f)
	for _, revision := range []int64{0, 1, 2, 4} {
		wrong := f
		wrong.Revision, wrong.Number = revision, 77
		is(t, fmt.Sprint("UpdateFamily of revision ", revision), s.UpdateFamily(ctx, wrong), oidc.ErrConflict)
	}
	unknown := newFamily()
	unknown.Revision = 1
	is(t, "UpdateFamily of an unknown one", s.UpdateFamily(ctx, unknown), oidc.ErrConflict)
	sameFamily(t, s, "the family after refusals", f)

	moved := f
	moved.Client, moved.Created, moved.Party = newText(), at(77), []signing.Lookup{newKey()}
	must(t, "UpdateFamily", s.UpdateFamily(ctx, moved))
	f.Revision = 4
	sameFamily(t, s, "the family after what never changes was to change", f)
	listed, err := s.ListFamilies(ctx, moved.Party, time.Time{}, 10)
	must(t, "ListFamilies", err)
	same(t, "families of another party that it was to have", len(listed), 0)
}

// familiesEvents holds events to the fate of what they tell of.
func familiesEvents(t *testing.T, d Database) {
	s := d.Provider
	ctx := t.Context()
	events := []journal.Event{providerEvent(), providerEvent(), providerEvent()}
	f, code := newFamily(), newHash()
	_, err := s.RedeemCode(ctx, code, at(600), f, events[0], events[1])
	must(t, "RedeemCode", err)
	_, err = s.RedeemCode(ctx, code, at(600), newFamily(), providerEvent())
	is(t, "RedeemCode again", err, tokens.ErrSpent)
	_, err = s.RedeemCode(ctx, newHash(), at(600), f, providerEvent())
	is(t, "RedeemCode with an ID that is taken", err, oidc.ErrExists)
	is(t, "UpdateFamily of revision 0", s.UpdateFamily(ctx, f, providerEvent()), oidc.ErrConflict)
	f.Revision = 1
	must(t, "UpdateFamily", s.UpdateFamily(ctx, f, events[2]))
	sameProviderEvents(t, d.Journal, events)
}

// familiesRace lets many redeem one code at once: all losers learn who won.
func familiesRace(t *testing.T, s provider.Stores) {
	for range 5 {
		code := newHash()
		fs, firsts := make([]tokens.FamilyRecord, Writers), make([]string, Writers)
		for i := range fs {
			fs[i] = newFamily()
		}
		errs := race(Writers, func(i int) (err error) {
			if i == Writers-1 { // one comes another way
				return s.Spend(t.Context(), code, at(600))
			}
			firsts[i], err = s.RedeemCode(t.Context(), code, at(600), fs[i])
			return err
		})
		winner := oneWins(t, "a code", errs, tokens.ErrSpent)
		want := ""
		if winner < Writers-1 {
			want = fs[winner].ID
			fs[winner].Revision = 1
			sameFamily(t, s, "the winner", fs[winner])
		}
		for i, first := range firsts[:Writers-1] {
			if i == winner {
				same(t, "what the winner learns", first, "")
				continue
			}
			same(t, "what a loser learns", first, want)
			_, err := s.LoadFamily(t.Context(), fs[i].ID)
			is(t, "a loser's family", err, oidc.ErrNotFound)
		}
	}
}

// familiesRaceOfCodes lets many redeem a code of their own each: all succeed.
func familiesRaceOfCodes(t *testing.T, s tokens.FamilyStore) {
	party := []signing.Lookup{newKey(), newKeyOf(2)}
	errs := race(Writers, func(i int) error {
		f := newFamily()
		f.Party = party
		if i%2 == 1 {
			f.Party = []signing.Lookup{party[1], party[0]}
		}
		_, err := s.RedeemCode(t.Context(), newHash(), at(600), f, providerEvent())
		return err
	})
	must(t, "RedeemCode", errors.Join(errs...))
	listed, err := s.ListFamilies(t.Context(), party, at(0), 2*Writers)
	must(t, "ListFamilies", err)
	same(t, "families", len(listed), Writers)
}

func familiesRaceOfUpdates(t *testing.T, s tokens.FamilyStore) {
	f := redeem(t, s, newFamily())
	for revision := range int64(5) {
		errs := race(Writers, func(i int) error {
			mine := f
			mine.Number, mine.Body = int64(100+i), fmt.Append(nil, "body of ", i)
			return s.UpdateFamily(t.Context(), mine)
		})
		winner := oneWins(t, "an update", errs, oidc.ErrConflict)
		f.Revision, f.Number, f.Body = revision+2, int64(100+winner), fmt.Append(nil, "body of ", winner)
		sameFamily(t, s, "the winner", f)
	}
}

func familiesList(t *testing.T, s tokens.FamilyStore) {
	ctx := t.Context()
	old, new := newKey(), newKeyOf(2)
	var want []tokens.FamilyRecord // newest first
	for i, keys := range [][]signing.Lookup{{old}, {old, new}, {old, new}, {new}, {new, old, new}} {
		f := newFamily()
		f.Party, f.Created = keys, at(i/2) // two were made at the same time
		f.ID = fmt.Sprintf("%d%s", i, f.ID)
		f = redeem(t, s, f)
		f.Party = nil
		want = slices.Insert(want, 0, f)
	}
	for _, spoil := range []func(*tokens.FamilyRecord){
		func(f *tokens.FamilyRecord) { f.Ended = at(99) },
		func(f *tokens.FamilyRecord) { f.Expires = at(100) },
		func(f *tokens.FamilyRecord) { f.Expires = at(50) },
		func(f *tokens.FamilyRecord) { f.Party = []signing.Lookup{newKey(), {Serial: 2, Sum: old.Sum}} },
	} {
		f := newFamily()
		f.ID, f.Party = "99"+f.ID, []signing.Lookup{old, new}
		spoil(&f)
		redeem(t, s, f)
	}
	list := func(limit int, keys ...signing.Lookup) []tokens.FamilyRecord {
		t.Helper()
		got, err := s.ListFamilies(ctx, keys, at(100), limit)
		must(t, "ListFamilies", err)
		return got
	}
	same(t, "by both keys", list(10, old, new), want)
	same(t, "by both keys, the other way round", list(10, new, old), want)
	same(t, "by the older key", list(10, old), []tokens.FamilyRecord{want[0], want[2], want[3], want[4]})
	same(t, "by the newer key", list(10, new), want[:4])
	for limit := range 7 {
		got := list(limit, old, new)
		same(t, fmt.Sprint("up to ", limit), len(got), min(limit, 5))
		for i := range got {
			same(t, fmt.Sprint("up to ", limit), got[i], want[i])
		}
	}
	same(t, "by no key", len(list(10)), 0)
	same(t, "by an unknown key", len(list(10, newKey())), 0)

	f := want[0]
	f.Ended, f.EndedBy = at(101), "holder"
	must(t, "UpdateFamily", s.UpdateFamily(ctx, f))
	same(t, "after one ended", list(10, old, new), want[1:])
}
