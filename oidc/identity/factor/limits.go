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

// limit is how often something may happen within a window. What is counted is
// named by a MAC, so that whoever reads the store learns nobody's login.
type limit struct {
	name   string
	most   int64
	window time.Duration // begins with the first
}

// The limits of passwords. docs/design/0004-who-somebody-is.md says why these.
// Those of an unknown device that are used up refuse nobody: from then on the
// password's answer is withheld until a code confirms it, see [Challenge].
var (
	ofDevice       = limit{"device", 10, time.Hour}            // a known device of an account; then it counts as unknown
	ofLoginAddress = limit{"login-address", 5, time.Hour}      // a login from one address
	ofLoginDay     = limit{"login-day", 10, 24 * time.Hour}    // a login from everywhere
	ofLoginMonth   = limit{"login-month", 30, 720 * time.Hour} // the same, of the tries after a day's first
	ofAddress      = limit{"address", 30, time.Hour}           // an address over all logins, against spraying
	ofNetwork      = limit{"network", 300, time.Hour}          // an IPv6 network of 48 bits likewise
)

// The limits of an account, whatever was typed for it: name, phone and numbers in turn.
// Nobody can see that one of them is used up: the right password is then answered as a wrong
// one, until the limits of what was typed are used up as well. So they are a little wider.
var (
	ofAccountAddress = limit{"account-address", 8, time.Hour}
	ofAccountDay     = limit{"account-day", 15, 24 * time.Hour}
	ofAccountMonth   = limit{"account-month", 40, 720 * time.Hour}
	ofDevices        = limit{"devices", 15, time.Hour} // of all known devices of an account
	// ofKnown is how many hashes an account gets in the queue of known devices, right
	// passwords too: one account in a loop must not fill it.
	ofKnown = limit{"known", 60, time.Hour}
)

const (
	// monthAfter is how many tries a day make the longer count begin, so that a
	// name tried once isn't kept for a month.
	monthAfter = 2
	// Beyond these an address or network is refused, for hashes cost.
	hardOfAddress = 1000
	hardOfNetwork = 5000
)

// The limits of one-time codes.
var (
	ofCodeTries = limit{"code-tries", 5, codeLife} // at one code
	ofCodeGap   = limit{"code-gap", 1, codeAgain}  // who sends the next one
	ofCodeHour  = limit{"code-hour", 5, time.Hour} // sent for an account
	ofCodeDay   = limit{"code-day", 10, 24 * time.Hour}
)

// tally is what a count came to.
type tally struct {
	limit
	key string
	n   int64
}

// over reports whether it was counted too often.
func (t tally) over() bool { return t.n > t.most }

// domainTries is the domain of counters' names. It is stored, in effect: never change it.
const domainTries = "account.tries"

// counters counts tries.
type counters struct {
	kept  identity.Ephemeral
	vault *vault.Vault
	log   *slog.Logger
}

// count counts one more, atomically, before anything is compared: of tries side
// by side no more than the limit get as far.
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

// takeBack undoes counts: those tries were no guesses.
func (c *counters) takeBack(ctx context.Context, now time.Time, ts ...tally) {
	for _, t := range ts {
		if _, err := c.kept.Count(ctx, t.key, -1, t.window, now); err != nil {
			c.log.WarnContext(ctx, "a count could not be taken back", "limit", t.name, "error", err)
		}
	}
}

// unavailable is the refusal when the store of counters and codes doesn't
// answer: without it nobody could be kept from guessing.
func unavailable(err error) error {
	return &identity.Error{Reason: identity.ReasonUnavailable, Detail: "Logins are not available just now. Try again in a minute.", Err: err, Retry: time.Minute}
}

// addressOf returns what counts as one address: an IPv6 network of 64 bits is
// one machine's.
func addressOf(a netip.Addr) string {
	if n := identity.IPv6Network(a, 64); n != "" {
		return n
	}
	return a.Unmap().String()
}

// networkOf returns the network of an IPv6 address that one customer may have
// whole, else "".
func networkOf(a netip.Addr) string { return identity.IPv6Network(a, 48) }
