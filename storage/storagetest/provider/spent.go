package provider

import (
	"context"
	"testing"
	"time"

	"yizheng.internal/oidc"
	"yizheng.internal/oidc/provider"
	"yizheng.internal/oidc/token"
	"yizheng.internal/storage/storagetest/suite"
)

// Spent tests [token.Spent].
func Spent(t *testing.T, open suite.Open) {
	s := open(t).Provider
	t.Run("Spend", func(t *testing.T) {
		hash := suite.NewHash()
		IsSpent(t, s, hash, false)
		suite.Must(t, "Spend", s.Spend(t.Context(), hash, suite.At(600)))
		IsSpent(t, s, hash, true)
		suite.Is(t, "Spend again", s.Spend(t.Context(), hash, suite.At(9999)), token.ErrSpent)
		suite.Is(t, "Spend again, for longer", s.Spend(t.Context(), hash, suite.At(9999)), token.ErrSpent)
		IsSpent(t, s, suite.NewHash(), false)
		IsSpent(t, s, [32]byte{}, false)
		suite.Must(t, "Spend of the zero hash", s.Spend(t.Context(), [32]byte{}, suite.At(0)))
		IsSpent(t, s, [32]byte{}, true)
	})
	t.Run("Race", func(t *testing.T) {
		for range 5 {
			hash := suite.NewHash()
			suite.OneWins(t, "spending", suite.Race(suite.Writers, func(int) error { return s.Spend(t.Context(), hash, suite.At(600)) }), token.ErrSpent)
			IsSpent(t, s, hash, true)
		}
	})
	t.Run("Purge", func(t *testing.T) { purge(t, open(t).Provider) })
	t.Run("PurgeLimit", func(t *testing.T) { purgeLimit(t, open(t).Provider) })
	t.Run("PurgeRace", func(t *testing.T) { purgeRace(t, open(t).Provider) })
	t.Run("Ended", func(t *testing.T) {
		hash := suite.NewHash()
		suite.Is(t, "Spend", s.Spend(suite.Ended(), hash, suite.At(0)), context.Canceled)
		IsSpent(t, s, hash, false)
		_, err := s.IsSpent(suite.Ended(), hash)
		suite.Is(t, "IsSpent", err, context.Canceled)
		suite.Must(t, "Spend", s.Spend(t.Context(), hash, suite.At(0)))
		_, err = s.Purge(suite.Ended(), suite.At(1), 10)
		suite.Is(t, "Purge", err, context.Canceled)
		IsSpent(t, s, hash, true)
	})
}

// IsSpent checks whether a hash is spent.
func IsSpent(t *testing.T, s token.Spent, hash [32]byte, want bool) {
	t.Helper()
	spent, err := s.IsSpent(t.Context(), hash)
	suite.Must(t, "IsSpent", err)
	suite.Same(t, "whether it is spent", spent, want)
}

// Purged checks how many hashes a purge deletes.
func Purged(t *testing.T, s token.Spent, before time.Time, limit, want int) {
	t.Helper()
	n, err := s.Purge(t.Context(), before, limit)
	suite.Must(t, "Purge", err)
	suite.Same(t, "how many are gone", n, want)
}

// purge lets each kind be over in each way, to the microsecond.
func purge(t *testing.T, s provider.Stores) {
	ctx := t.Context()
	before := suite.At(1000)
	const tick = time.Microsecond
	type over struct {
		name           string
		expires, ended time.Time
		gone           bool
	}
	cases := []over{
		{"long over", suite.At(0), time.Time{}, true},
		{"just over", before.Add(-tick), time.Time{}, true},
		{"over then", before, time.Time{}, false},
		{"not over yet", before.Add(tick), time.Time{}, false},
		{"ended before", suite.At(9999), before.Add(-tick), true},
		{"ended then", suite.At(9999), before, false},
		{"ended later", suite.At(9999), before.Add(tick), false},
		{"expired, then ended", suite.At(999), suite.At(1001), true},
	}
	var checks []func()
	gone := 0
	for _, c := range cases {
		n := NewSession()
		n.Expires, n.Ended = c.expires, c.ended
		n = CreateSession(t, s, n)
		f, code := NewFamily(), suite.NewHash()
		f.Expires, f.Ended = c.expires, c.ended
		keep := suite.At(9999)
		if c.ended.IsZero() {
			keep = c.expires
		}
		_, err := s.RedeemCode(ctx, code, keep, f)
		suite.Must(t, "RedeemCode", err)
		f.Revision = 1
		checks = append(checks, func() {
			IsSpent(t, s, code, !c.gone || !c.ended.IsZero())
			_, serr := s.LoadSession(ctx, n.ID)
			_, cerr := s.FindSession(ctx, n.Cookie)
			_, ferr := s.LoadFamily(ctx, f.ID)
			if c.gone {
				suite.Is(t, c.name+": LoadSession", serr, oidc.ErrNotFound)
				suite.Is(t, c.name+": FindSession", cerr, oidc.ErrNotFound)
				suite.Is(t, c.name+": LoadFamily", ferr, oidc.ErrNotFound)
				noneListed(t, s, n)
				return
			}
			SameSession(t, s, c.name, n)
			SameFamily(t, s, c.name, f)
			listed, err := s.ListFamilies(ctx, f.Party, suite.At(0), 10)
			suite.Must(t, "ListFamilies", err)
			suite.Same(t, c.name+": listed", len(listed) == 1, c.ended.IsZero())
		})
		if c.gone {
			gone += 2 // session and family
			if c.ended.IsZero() {
				gone++ // the code's hash
			}
		}
	}
	Purged(t, s, time.Time{}, 100, 0)
	Purged(t, s, before, 100, gone)
	Purged(t, s, before, 100, 0)
	for _, check := range checks {
		check()
	}

	// What is gone leaves nothing behind that is in the way of the same again; with
	// a sweep also not of the same ids, see Sweeps.
	n := NewSession()
	n.Expires = suite.At(0)
	CreateSession(t, s, n)
	f, code := NewFamily(), suite.NewHash()
	f.Expires = suite.At(0)
	_, err := s.RedeemCode(ctx, code, suite.At(0), f)
	suite.Must(t, "RedeemCode", err)
	Purged(t, s, before, 100, 3)
	again := NewSession()
	again.Cookie = n.Cookie
	CreateSession(t, s, again)
	_, err = s.RedeemCode(ctx, code, suite.At(0), NewFamily())
	suite.Must(t, "RedeemCode of a hash that was forgotten", err)
}

func purgeLimit(t *testing.T, s provider.Stores) {
	for range 7 {
		f, n := NewFamily(), NewSession()
		f.Expires, n.Expires = suite.At(0), suite.At(0)
		_, err := s.RedeemCode(t.Context(), suite.NewHash(), suite.At(0), f)
		suite.Must(t, "RedeemCode", err)
		CreateSession(t, s, n)
	}
	Purged(t, s, suite.At(1), 0, 0)
	Purged(t, s, suite.At(1), -1, 0)
	Purged(t, s, suite.At(1), 5, 15)
	Purged(t, s, suite.At(1), 5, 6)
	Purged(t, s, suite.At(1), 5, 0)
}

// purgeRace lets several purge at once, while others redeem and end sessions:
// together they forget all that is over, and nothing else.
func purgeRace(t *testing.T, s provider.Stores) {
	const each = 40
	for range each {
		n := NewSession()
		n.Expires = suite.At(0)
		CreateSession(t, s, n)
		suite.Must(t, "Spend", s.Spend(t.Context(), suite.NewHash(), suite.At(0)))
	}
	live := make([]token.FamilyRecord, 4)
	counts := make([]int, 8)
	for _, err := range suite.Race(8, func(i int) error {
		if i >= 4 {
			live[i-4] = NewFamily()
			_, err := s.RedeemCode(t.Context(), suite.NewHash(), suite.At(600), live[i-4])
			return err
		}
		for {
			n, err := s.Purge(t.Context(), suite.At(1), 3)
			counts[i] += n
			if n == 0 || err != nil {
				return err
			}
		}
	}) {
		suite.Must(t, "a race", err)
	}
	rest, err := s.Purge(t.Context(), suite.At(1), 100) // what was locked when the last one looked
	suite.Must(t, "Purge", err)
	total := rest
	for _, n := range counts {
		total += n
	}
	suite.Same(t, "how many are gone", total, 2*each)
	for _, f := range live {
		f.Revision = 1
		SameFamily(t, s, "a live one", f)
	}
}
