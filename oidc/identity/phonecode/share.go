package phonecode

import (
	"context"
	"log/slog"
	"strings"
	"time"

	"yizheng.internal/oidc/identity/onetime"
	"yizheng.internal/oidc/identity/tries"
)

// Share is how many of a day's codes some of those who ask may use up. Each has its own count, and
// lies within the next one: so strangers who ask for many codes leave some to those who are known,
// and what they don't use is everybody's.
type Share string

// The shares, the narrowest first. What of a day is left for phones that have accounts is half, and
// half of that for devices that the accounts know.
const (
	Abroad    Share = "abroad"    // phones of other countries without an account: a hundredth
	Unbound   Share = "unbound"   // phones without an account: half
	Bound     Share = "bound"     // phones with an account, for devices that it doesn't know: as many as for strangers
	Strangers Share = "strangers" // devices that the phone's account doesn't know: three quarters
	All       Share = "all"
)

const day = 24 * time.Hour

// limit returns the limit of a share.
func (s *Service) limit(of Share) tries.Limit {
	most := s.c.PerDay
	switch of {
	case Abroad:
		most = max(most/100, 1)
	case Unbound:
		most /= 2
	case Bound, Strangers:
		most -= most / 4
	}
	return tries.Limit{Name: "sms-" + string(of), Most: most, Window: day}
}

// shares returns the shares that a code counts for.
func (q *asked) shares() []Share {
	switch {
	case q.counted:
		return []Share{All}
	case q.who.There:
		return []Share{Bound, Strangers, All}
	case strings.HasPrefix(q.phone, "+86"):
		return []Share{Unbound, Strangers, All}
	}
	return []Share{Abroad, Unbound, Strangers, All}
}

// The limits of codes by who asks. One address may be that of a whole hall, or of a carrier's
// customers; a device that an account knows is limited only by the account's own limits.
var (
	ofAddress    = tries.Limit{Name: "phone-address", Most: 100, Window: time.Hour}
	ofNetwork    = tries.Limit{Name: "phone-network", Most: 300, Window: time.Hour}
	ofAddressDay = tries.Limit{Name: "phone-address-day", Most: 500, Window: day}
)

// The names under which the limits of one phone are counted: strangers use up what strangers have,
// and leave the account's own devices theirs.
const (
	byStranger = "phone"
	byOwner    = "phone-known"
)

// count counts a code that is about to be sent, and returns the counts to take back if it isn't, and whether none may be sent
// any more today. Whoever is refused learns of limits that they could have counted themselves: of the
// address, and of the phone, whether it has an account or not. *Error: too_many_codes, unavailable.
func (s *Service) count(ctx context.Context, q *asked, now time.Time) (counted []tries.Tally, spent bool, err error) {
	whom := []string{byStranger, q.phone}
	if q.counted {
		whom = []string{byOwner, q.who.Account.ID}
	} else {
		if counted, err = s.countAddress(ctx, q, now, []tries.Limit{ofAddress, ofAddressDay}, ofNetwork); err != nil {
			return nil, false, err
		}
		if over := worst(counted); over != nil {
			return nil, false, onetime.TooMany(*over)
		}
		counted = nil // they stay: what a gateway refuses was asked for all the same
	}
	sent, err := s.c.Codes.CountSent(ctx, now, whom...)
	if err != nil {
		return nil, false, err
	}
	counted = sent
	var used []tries.Tally
	for _, of := range q.shares() {
		c, err := s.c.Tries.Count(ctx, s.limit(of), now)
		if err != nil {
			return nil, false, err
		}
		used = append(used, c)
		if c.Over() { // what isn't sent uses up nothing
			s.alarm(ctx, of, c)
			s.c.Tries.TakeBack(ctx, now, used...)
			return counted, true, nil
		}
	}
	for i, of := range q.shares() {
		s.alarm(ctx, of, used[i])
	}
	return append(counted, used...), false, nil
}

// countAddress counts a request by its address and, for IPv6, by its network.
func (s *Service) countAddress(ctx context.Context, q *asked, now time.Time, address []tries.Limit, network tries.Limit) (counted []tries.Tally, err error) {
	for _, l := range address {
		c, err := s.c.Tries.Count(ctx, l, now, tries.AddressOf(q.Address))
		if err != nil {
			return nil, err
		}
		counted = append(counted, c)
	}
	if name := tries.NetworkOf(q.Address); name != "" {
		c, err := s.c.Tries.Count(ctx, network, now, name)
		if err != nil {
			return nil, err
		}
		counted = append(counted, c)
	}
	return counted, nil
}

// worst returns the count that is over for the longest window, or nil.
func worst(counted []tries.Tally) (over *tries.Tally) {
	for i := range counted {
		if c := &counted[i]; c.Over() && (over == nil || over.Window < c.Window) {
			over = c
		}
	}
	return over
}

// alarm tells operators when four fifths of a share are used, and when all of it is: once a day.
func (s *Service) alarm(ctx context.Context, of Share, t tries.Tally) {
	stage, level, text := "", slog.LevelWarn, "four fifths of a day's login codes were sent"
	switch {
	case t.Over():
		stage, level, text = "all", slog.LevelError, "a day's login codes are used up: for up to 24 hours no more are sent (--sms-per-day)"
	case t.N > t.Most*4/5:
		stage = "most"
	default:
		return
	}
	told, err := s.c.Tries.Count(ctx, tries.Limit{Name: "sms-told-" + stage, Most: 1, Window: day}, time.Now(), string(of))
	if err == nil && !told.Over() {
		s.c.Log.Log(ctx, level, text, "share", of, "most", t.Most)
	}
}
