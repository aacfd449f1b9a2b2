// Package tries counts how often something is tried, by account, device, address or whatever it
// is about, so that nobody can go on guessing. What the limits are, each room says for itself.
package tries

import (
	"context"
	"encoding/hex"
	"log/slog"
	"net/netip"
	"time"

	"yizheng.internal/oidc/ephemeral"
	"yizheng.internal/oidc/identity"
	"yizheng.internal/signing/vault"
)

// Limit is how often something may happen within a window. Counters are named by a MAC, so
// that somebody who reads the store learns nobody's login.
type Limit struct {
	Name   string // never change one: stored counters are found by it
	Most   int64
	Window time.Duration // begins with the first count
}

// Tally is the result of a count.
type Tally struct {
	Limit
	Key string // of the counter
	N   int64  // what it says now
}

// Over reports whether the count is above its limit.
func (t Tally) Over() bool { return t.N > t.Most }

// domainTries is the domain of counters' names. Never change it: stored counters depend on it.
const domainTries = "account.tries"

// Counters counts tries. Safe for concurrent use.
type Counters struct {
	kept  ephemeral.Store
	vault *vault.Vault
	log   *slog.Logger
}

// New returns Counters that are stored in kept, under names that v makes.
func New(kept ephemeral.Store, v *vault.Vault, log *slog.Logger) *Counters {
	return &Counters{kept, v, log}
}

// Count adds one to the counter of a limit that parts name, atomically. Callers count before they
// compare anything, so that simultaneous tries can't exceed the limit. *Error: unavailable.
func (c *Counters) Count(ctx context.Context, l Limit, now time.Time, parts ...string) (Tally, error) {
	return c.add(ctx, 1, l, now, parts)
}

// Read returns what a counter says, as Count does, without adding to it.
func (c *Counters) Read(ctx context.Context, l Limit, now time.Time, parts ...string) (Tally, error) {
	return c.add(ctx, 0, l, now, parts)
}

func (c *Counters) add(ctx context.Context, n int64, l Limit, now time.Time, parts []string) (Tally, error) {
	mac, err := c.vault.MAC(ctx, domainTries, append([]string{l.Name}, parts...)...)
	if err != nil {
		return Tally{}, err
	}
	t := Tally{Limit: l, Key: "identity." + l.Name + "." + hex.EncodeToString(mac.Sum[:])}
	if t.N, err = c.kept.Count(ctx, t.Key, n, l.Window, now); err != nil {
		return Tally{}, Unavailable(err)
	}
	return t, nil
}

// TakeBack undoes counts of tries that were no guesses.
func (c *Counters) TakeBack(ctx context.Context, now time.Time, ts ...Tally) {
	for _, t := range ts {
		if _, err := c.kept.Count(ctx, t.Key, -1, t.Window, now); err != nil {
			c.log.WarnContext(ctx, "a count could not be taken back", "limit", t.Name, "error", err)
		}
	}
}

// Unavailable returns the refusal for the case that the store of counters and codes doesn't
// answer: without the store nobody could be kept from guessing.
func Unavailable(err error) error {
	return &identity.Error{Reason: identity.ReasonUnavailable, Detail: "Logins are not available just now. Try again in a minute.", Err: err, Retry: time.Minute}
}

// AddressOf returns what counts as one address. An IPv6 network of 64 bits does, because one
// machine may have it.
func AddressOf(a netip.Addr) string {
	if n := ephemeral.IPv6Network(a, 64); n != "" {
		return n
	}
	return a.Unmap().String()
}

// NetworkOf returns the 48-bit network of an IPv6 address, as a single customer may have it,
// or "" for IPv4.
func NetworkOf(a netip.Addr) string { return ephemeral.IPv6Network(a, 48) }

// TooMany returns the refusal for a count that is over. The count expires after its window at the
// latest.
func TooMany(t Tally) *identity.Error {
	return &identity.Error{Reason: identity.ReasonTooManyTries, Detail: "There were too many tries. Wait a while and try again.", Retry: t.Window}
}

// CountFrom counts a try by its address and, for IPv6, by its network. *Error: too_many_tries, unavailable.
func (c *Counters) CountFrom(ctx context.Context, a netip.Addr, ofAddress, ofNetwork Limit, now time.Time) (counted []Tally, err error) {
	for _, of := range []struct {
		Limit
		name string
	}{{ofAddress, AddressOf(a)}, {ofNetwork, NetworkOf(a)}} {
		if of.name == "" {
			continue
		}
		t, err := c.Count(ctx, of.Limit, now, of.name)
		if err != nil {
			return nil, err
		}
		if counted = append(counted, t); t.Over() {
			return nil, TooMany(t)
		}
	}
	return counted, nil
}
