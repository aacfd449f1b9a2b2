package storagetest

import (
	"context"
	"testing"
	"time"

	"yizheng.internal/oidc"
	"yizheng.internal/oidc/provider"
	"yizheng.internal/oidc/token"
)

// Spent tests [token.Spent].
func Spent(t *testing.T, open Open) {
	s := open(t).Provider
	t.Run("Spend", func(t *testing.T) {
		hash := newHash()
		isSpent(t, s, hash, false)
		must(t, "Spend", s.Spend(t.Context(), hash, at(600)))
		isSpent(t, s, hash, true)
		is(t, "Spend again", s.Spend(t.Context(), hash, at(9999)), token.ErrSpent)
		is(t, "Spend again, for longer", s.Spend(t.Context(), hash, at(9999)), token.ErrSpent)
		isSpent(t, s, newHash(), false)
		isSpent(t, s, [32]byte{}, false)
		must(t, "Spend of the zero hash", s.Spend(t.Context(), [32]byte{}, at(0)))
		isSpent(t, s, [32]byte{}, true)
	})
	t.Run("Race", func(t *testing.T) {
		for range 5 {
			hash := newHash()
			oneWins(t, "spending", race(Writers, func(int) error { return s.Spend(t.Context(), hash, at(600)) }), token.ErrSpent)
			isSpent(t, s, hash, true)
		}
	})
	t.Run("Purge", func(t *testing.T) { purge(t, open(t).Provider) })
	t.Run("PurgeLimit", func(t *testing.T) { purgeLimit(t, open(t).Provider) })
	t.Run("PurgeRace", func(t *testing.T) { purgeRace(t, open(t).Provider) })
	t.Run("Ended", func(t *testing.T) {
		hash := newHash()
		is(t, "Spend", s.Spend(ended(), hash, at(0)), context.Canceled)
		isSpent(t, s, hash, false)
		_, err := s.IsSpent(ended(), hash)
		is(t, "IsSpent", err, context.Canceled)
		must(t, "Spend", s.Spend(t.Context(), hash, at(0)))
		_, err = s.Purge(ended(), at(1), 10)
		is(t, "Purge", err, context.Canceled)
		isSpent(t, s, hash, true)
	})
}

func isSpent(t *testing.T, s token.Spent, hash [32]byte, want bool) {
	t.Helper()
	spent, err := s.IsSpent(t.Context(), hash)
	must(t, "IsSpent", err)
	same(t, "whether it is spent", spent, want)
}

func purged(t *testing.T, s token.Spent, before time.Time, limit, want int) {
	t.Helper()
	n, err := s.Purge(t.Context(), before, limit)
	must(t, "Purge", err)
	same(t, "how many are gone", n, want)
}

// purge lets each kind be over in each way, to the microsecond.
func purge(t *testing.T, s provider.Stores) {
	ctx := t.Context()
	before := at(1000)
	const tick = time.Microsecond
	type over struct {
		name           string
		expires, ended time.Time
		gone           bool
	}
	cases := []over{
		{"long over", at(0), time.Time{}, true},
		{"just over", before.Add(-tick), time.Time{}, true},
		{"over then", before, time.Time{}, false},
		{"not over yet", before.Add(tick), time.Time{}, false},
		{"ended before", at(9999), before.Add(-tick), true},
		{"ended then", at(9999), before, false},
		{"ended later", at(9999), before.Add(tick), false},
		{"expired, then ended", at(999), at(1001), true},
	}
	var checks []func()
	gone := 0
	for _, c := range cases {
		n := newSession()
		n.Expires, n.Ended = c.expires, c.ended
		n = createSession(t, s, n)
		f, code := newFamily(), newHash()
		f.Expires, f.Ended = c.expires, c.ended
		keep := at(9999)
		if c.ended.IsZero() {
			keep = c.expires
		}
		_, err := s.RedeemCode(ctx, code, keep, f)
		must(t, "RedeemCode", err)
		f.Revision = 1
		checks = append(checks, func() {
			isSpent(t, s, code, !c.gone || !c.ended.IsZero())
			_, serr := s.LoadSession(ctx, n.ID)
			_, cerr := s.FindSession(ctx, n.Cookie)
			_, ferr := s.LoadFamily(ctx, f.ID)
			if c.gone {
				is(t, c.name+": LoadSession", serr, oidc.ErrNotFound)
				is(t, c.name+": FindSession", cerr, oidc.ErrNotFound)
				is(t, c.name+": LoadFamily", ferr, oidc.ErrNotFound)
				noneListed(t, s, n)
				return
			}
			sameSession(t, s, c.name, n)
			sameFamily(t, s, c.name, f)
			listed, err := s.ListFamilies(ctx, f.Party, at(0), 10)
			must(t, "ListFamilies", err)
			same(t, c.name+": listed", len(listed) == 1, c.ended.IsZero())
		})
		if c.gone {
			gone += 2 // session and family
			if c.ended.IsZero() {
				gone++ // the code's hash
			}
		}
	}
	purged(t, s, time.Time{}, 100, 0)
	purged(t, s, before, 100, gone)
	purged(t, s, before, 100, 0)
	for _, check := range checks {
		check()
	}

	// What is gone leaves nothing behind that is in the way of the same again; with
	// a sweep also not of the same ids, see Sweeps.
	n := newSession()
	n.Expires = at(0)
	createSession(t, s, n)
	f, code := newFamily(), newHash()
	f.Expires = at(0)
	_, err := s.RedeemCode(ctx, code, at(0), f)
	must(t, "RedeemCode", err)
	purged(t, s, before, 100, 3)
	again := newSession()
	again.Cookie = n.Cookie
	createSession(t, s, again)
	_, err = s.RedeemCode(ctx, code, at(0), newFamily())
	must(t, "RedeemCode of a hash that was forgotten", err)
}

func purgeLimit(t *testing.T, s provider.Stores) {
	for range 7 {
		f, n := newFamily(), newSession()
		f.Expires, n.Expires = at(0), at(0)
		_, err := s.RedeemCode(t.Context(), newHash(), at(0), f)
		must(t, "RedeemCode", err)
		createSession(t, s, n)
	}
	purged(t, s, at(1), 0, 0)
	purged(t, s, at(1), -1, 0)
	purged(t, s, at(1), 5, 15)
	purged(t, s, at(1), 5, 6)
	purged(t, s, at(1), 5, 0)
}

// purgeRace lets several purge at once, while others redeem and end sessions:
// together they forget all that is over, and nothing else.
func purgeRace(t *testing.T, s provider.Stores) {
	const each = 40
	for range each {
		n := newSession()
		n.Expires = at(0)
		createSession(t, s, n)
		must(t, "Spend", s.Spend(t.Context(), newHash(), at(0)))
	}
	live := make([]token.FamilyRecord, 4)
	counts := make([]int, 8)
	for _, err := range race(8, func(i int) error {
		if i >= 4 {
			live[i-4] = newFamily()
			_, err := s.RedeemCode(t.Context(), newHash(), at(600), live[i-4])
			return err
		}
		for {
			n, err := s.Purge(t.Context(), at(1), 3)
			counts[i] += n
			if n == 0 || err != nil {
				return err
			}
		}
	}) {
		must(t, "a race", err)
	}
	rest, err := s.Purge(t.Context(), at(1), 100) // what was locked when the last one looked
	must(t, "Purge", err)
	total := rest
	for _, n := range counts {
		total += n
	}
	same(t, "how many are gone", total, 2*each)
	for _, f := range live {
		f.Revision = 1
		sameFamily(t, s, "a live one", f)
	}
}
