package identity

import (
	"context"
	"encoding/binary"
	"encoding/hex"
	"net/netip"
	"strconv"
	"time"
)

// limit is how often something may happen within a window. What is counted is
// named by a MAC, so that whoever reads the store learns nobody's login.
type limit struct {
	name   string
	most   int64
	window time.Duration // begins at times of its own; of codes with the first count
}

// The limits of passwords. docs/design/0004-who-somebody-is.md says why these.
// Those of an unknown device that are used up refuse nobody: from then on the
// password's answer is withheld until a code confirms it, see [Challenge].
var (
	ofDevice       = limit{"device", 10, time.Hour}         // a known device of an account; then it counts as unknown
	ofLoginAddress = limit{"login-address", 5, time.Hour}   // a login from one address
	ofLoginDay     = limit{"login-day", 10, 24 * time.Hour} // a login from everywhere
	ofLoginMonth   = limit{"login-month", 30, 720 * time.Hour}
	ofAddress      = limit{"address", 30, time.Hour}   // an address over all logins, against spraying
	ofAddressHard  = limit{"address", 1000, time.Hour} // and beyond this it is refused: hashes cost
)

// monthAfter is how many tries a day make the longer count begin, so that a name
// tried once isn't kept for a month.
const monthAfter = 3

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
	key  string
	n    int64
	ends time.Time // of the window
}

// over reports whether it was counted too often.
func (t tally) over() bool { return t.n > t.most }

// count counts one more, atomically, before anything is compared: of tries side
// by side no more than the limit get as far. Windows of different names begin
// at different times.
func (s *Service) count(ctx context.Context, l limit, now time.Time, parts ...string) (tally, error) {
	mac, err := s.c.Vault.MAC(ctx, domainTries, append([]string{l.name}, parts...)...)
	if err != nil {
		return tally{}, err
	}
	window := l.window.Nanoseconds()
	offset := int64(binary.BigEndian.Uint64(mac.Sum[:8])>>1) % window
	index := (now.UnixNano() + offset) / window
	if l == ofCodeTries {
		index = 0
	}
	t := tally{
		limit: l, ends: time.Unix(0, (index+1)*window-offset),
		key: "identity." + l.name + "." + strconv.FormatInt(index, 36) + "." + hex.EncodeToString(mac.Sum[:]),
	}
	if t.n, err = s.c.Ephemeral.Count(ctx, t.key, 1, l.window, now); err != nil {
		return tally{}, unavailable(err)
	}
	return t, nil
}

// takeBack undoes counts: those tries were no guesses.
func (s *Service) takeBack(ctx context.Context, now time.Time, ts ...tally) {
	for _, t := range ts {
		if _, err := s.c.Ephemeral.Count(ctx, t.key, -1, t.window, now); err != nil {
			s.c.Log.WarnContext(ctx, "a count could not be taken back", "limit", t.name, "error", err)
		}
	}
}

// unavailable is the refusal when the store of counters and codes doesn't
// answer: without it nobody could be kept from guessing.
func unavailable(err error) error {
	return &Error{Reason: "unavailable", Detail: "Logins are not available just now. Try again in a minute.", Err: err, Retry: time.Minute}
}

// addressOf returns what counts as one address: an IPv6 network of 64 bits is
// one household's, or one machine's.
func addressOf(a netip.Addr) string {
	a = a.Unmap().WithZone("")
	if a.Is6() {
		if p, err := a.Prefix(64); err == nil {
			return p.String()
		}
	}
	return a.String()
}
