package factor

import (
	"context"
	"net/netip"
	"time"

	"yizheng.internal/oidc/identity"
	"yizheng.internal/oidc/identity/device"
	"yizheng.internal/oidc/identity/password"
	"yizheng.internal/oidc/identity/tries"
)

// tried is what the limits say about a try.
type tried struct {
	counted []tries.Tally // the counts to take back if the try is no guess
	guarded bool          // the answer must be withheld
	hidden  bool          // the right password must get the answer of a wrong one
	lane    password.Lane // the lane in which the hash waits
	refused *identity.Error
}

// add adds a count. If it is over, the try is guarded, and refused if no code can be sent.
func (t *tried) add(c tries.Tally, canSend bool) {
	t.counted = append(t.counted, c)
	if !c.Over() {
		return
	}
	t.guarded = true
	if !canSend && (t.refused == nil || t.refused.Retry < c.Window) {
		t.refused = tries.TooMany(c)
	}
}

// limiter says how often passwords may be tried.
type limiter struct {
	*tries.Counters
	devices *device.Devices
	sends   bool // codes can be sent, so that tries over the limits needn't be refused
}

// try counts an attempt against its limits.
func (l *limiter) try(ctx context.Context, a Attempt, typed identity.Login, who identity.Claimant, now time.Time) (tried, error) {
	known, err := l.devices.Known(ctx, who.Account, a.Device)
	if err != nil {
		return tried{}, err
	}
	if known != "" {
		t, err := l.tryKnown(ctx, who.Account.ID, known, now)
		if err != nil || !t.guarded {
			return t, err
		}
	}
	t, err := l.tryFrom(ctx, a.Address, now)
	if err == nil && !t.guarded && t.refused == nil {
		err = l.tryLogin(ctx, &t, typed, tries.AddressOf(a.Address), now)
	}
	if err == nil && !t.guarded && t.refused == nil {
		err = l.tryAccount(ctx, &t, who.Account.ID, tries.AddressOf(a.Address), now)
	}
	if t.guarded {
		t.lane = password.LaneGuarded
	}
	return t, err
}

// tryKnown counts an attempt of a known device. The try is guarded if there were too many.
func (l *limiter) tryKnown(ctx context.Context, account, device string, now time.Time) (tried, error) {
	t := tried{lane: password.LaneKnown}
	one, err := l.Count(ctx, ofDevice, now, account, device)
	if err != nil {
		return tried{}, err
	}
	t.add(one, true)
	all, err := l.Count(ctx, ofDevices, now, account)
	if err != nil {
		return tried{}, err
	}
	t.add(all, true)
	hashes, err := l.Count(ctx, ofKnown, now, account)
	if err == nil && hashes.Over() {
		t.lane = password.LaneNew
	}
	return t, err
}

// tryAccount counts an attempt of an unknown device by account. A login that leads to no
// account counts for the decoy, so that it costs the same.
func (l *limiter) tryAccount(ctx context.Context, t *tried, account, from string, now time.Time) error {
	for _, of := range []struct {
		tries.Limit
		parts []string
	}{{ofAccountAddress, []string{account, from}}, {ofAccountDay, []string{account}}, {ofAccountMonth, []string{account}}} {
		if of.Limit == ofAccountMonth && !l.sends {
			continue // nobody shall be refused for a month
		}
		c, err := l.Count(ctx, of.Limit, now, of.parts...)
		if err != nil {
			return err
		}
		t.counted = append(t.counted, c)
		t.hidden = t.hidden || c.Over()
	}
	return nil
}

// tryFrom counts an attempt of an unknown device by its address and network. Beyond their
// hard limits it is refused, because the hash is costly.
func (l *limiter) tryFrom(ctx context.Context, a netip.Addr, now time.Time) (t tried, err error) {
	for _, of := range []struct {
		tries.Limit
		hard int64
		name string
	}{{ofAddress, hardOfAddress, tries.AddressOf(a)}, {ofNetwork, hardOfNetwork, tries.NetworkOf(a)}} {
		if of.name == "" {
			continue
		}
		c, err := l.Count(ctx, of.Limit, now, of.name)
		if err != nil {
			return tried{}, err
		}
		if t.add(c, l.sends); c.N > of.hard {
			t.refused = tries.TooMany(c)
			return t, nil
		}
	}
	return t, nil
}

// tryLogin counts an attempt of an unknown device by what was typed, not by the account. So
// the limits don't tell whether two logins lead to one account, or to any. It isn't called if
// the address is guarded already, so that no address can fill the store with counts of made-up
// logins.
func (l *limiter) tryLogin(ctx context.Context, t *tried, typed identity.Login, from string, now time.Time) error {
	here, err := l.Count(ctx, ofLoginAddress, now, string(typed.Kind), typed.Value, from)
	if err != nil {
		return err
	}
	t.add(here, l.sends)
	day, err := l.Count(ctx, ofLoginDay, now, string(typed.Kind), typed.Value)
	if err != nil {
		return err
	}
	t.add(day, l.sends)
	if day.N <= monthAfter || !l.sends { // nobody shall be refused for a month
		return nil
	}
	month, err := l.Count(ctx, ofLoginMonth, now, string(typed.Kind), typed.Value)
	if err != nil {
		return err
	}
	t.add(month, l.sends)
	return nil
}
