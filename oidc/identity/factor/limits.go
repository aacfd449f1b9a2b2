package factor

import (
	"context"
	"encoding/hex"
	"log/slog"
	"net/netip"
	"time"

	"yizheng.internal/oidc/identity"
	"yizheng.internal/signing/vault"
)

// limit is how often something may happen within a window. Counters are named by a MAC, so
// that somebody who reads the store learns nobody's login.
type limit struct {
	name   string
	most   int64
	window time.Duration // begins with the first count
}

// The limits of passwords. docs/design/0004-who-somebody-is.md gives the reasons. When a
// limit of unknown devices is used up, nobody is refused: from then on the answer to the
// password is withheld until a code confirms the login, see [Challenge].
var (
	ofDevice       = limit{"device", 10, time.Hour}            // a known device of an account; beyond, it is unknown
	ofLoginAddress = limit{"login-address", 5, time.Hour}      // a login from one address
	ofLoginDay     = limit{"login-day", 10, 24 * time.Hour}    // a login from all addresses
	ofLoginMonth   = limit{"login-month", 30, 720 * time.Hour} // the same, without a day's first tries, see monthAfter
	ofAddress      = limit{"address", 30, time.Hour}           // an address with all logins, against spraying
	ofNetwork      = limit{"network", 300, time.Hour}          // an IPv6 network of 48 bits, likewise
)

// The limits of an account, for all that is typed for it: name, phone and numbers in turn.
// Nobody can see that one of them is used up: then the right password gets the answer of a
// wrong one, until the limits of what was typed are used up, too. So they are a little wider.
var (
	ofAccountAddress = limit{"account-address", 8, time.Hour}
	ofAccountDay     = limit{"account-day", 15, 24 * time.Hour}
	ofAccountMonth   = limit{"account-month", 40, 720 * time.Hour}
	ofDevices        = limit{"devices", 15, time.Hour} // all known devices of an account
	// ofKnown limits the hashes that an account gets in the lane of known devices, those of
	// right passwords included: one account in a loop must not fill the lane.
	ofKnown = limit{"known", 60, time.Hour}
)

const (
	// monthAfter is how many tries a day don't count for the month, so that a name that is
	// tried once isn't stored for a month.
	monthAfter = 2
	// Beyond these limits an address or a network is refused, because hashes are costly.
	hardOfAddress = 1000
	hardOfNetwork = 5000
)

// The limits of one-time codes.
var (
	ofCodeTries = limit{"code-tries", 5, codeLife} // tries with one code
	ofCodeGap   = limit{"code-gap", 1, codeAgain}  // requests that send the next code
	ofCodeHour  = limit{"code-hour", 5, time.Hour} // codes sent for an account
	ofCodeDay   = limit{"code-day", 10, 24 * time.Hour}
)

// tally is the result of a count.
type tally struct {
	limit
	key string
	n   int64
}

// over reports whether the count is above its limit.
func (t tally) over() bool { return t.n > t.most }

// domainTries is the domain of counters' names. Never change it: stored counters depend on it.
const domainTries = "account.tries"

// counters counts tries.
type counters struct {
	kept  identity.Ephemeral
	vault *vault.Vault
	log   *slog.Logger
}

// count adds one to a counter, atomically. Callers count before they compare anything, so
// that simultaneous tries can't exceed the limit.
func (c *counters) count(ctx context.Context, l limit, now time.Time, parts ...string) (tally, error) {
	mac, err := c.vault.MAC(ctx, domainTries, append([]string{l.name}, parts...)...)
	if err != nil {
		return tally{}, err
	}
	t := tally{limit: l, key: "identity." + l.name + "." + hex.EncodeToString(mac.Sum[:])}
	if t.n, err = c.kept.Count(ctx, t.key, 1, l.window, now); err != nil {
		return tally{}, unavailable(err)
	}
	return t, nil
}

// takeBack undoes counts of tries that were no guesses.
func (c *counters) takeBack(ctx context.Context, now time.Time, ts ...tally) {
	for _, t := range ts {
		if _, err := c.kept.Count(ctx, t.key, -1, t.window, now); err != nil {
			c.log.WarnContext(ctx, "a count could not be taken back", "limit", t.name, "error", err)
		}
	}
}

// unavailable returns the refusal for the case that the store of counters and codes doesn't
// answer: without the store nobody could be kept from guessing.
func unavailable(err error) error {
	return &identity.Error{Reason: identity.ReasonUnavailable, Detail: "Logins are not available just now. Try again in a minute.", Err: err, Retry: time.Minute}
}

// addressOf returns what counts as one address. An IPv6 network of 64 bits does, because one
// machine may have it.
func addressOf(a netip.Addr) string {
	if n := identity.IPv6Network(a, 64); n != "" {
		return n
	}
	return a.Unmap().String()
}

// networkOf returns the 48-bit network of an IPv6 address, as a single customer may have it,
// or "" for IPv4.
func networkOf(a netip.Addr) string { return identity.IPv6Network(a, 48) }
