// Package guessing says how often passwords may be tried, so that nobody can go on guessing and
// nobody can lock out another person. What a right password yields is oidc/identity/factor's affair.
package guessing

import (
	"context"
	"net/netip"
	"time"

	"yizheng.internal/oidc/identity"
	"yizheng.internal/oidc/identity/device"
	"yizheng.internal/oidc/identity/password"
	"yizheng.internal/oidc/identity/tries"
)

// Guess is one try of a password, right or wrong.
type Guess struct {
	Typed   identity.Login    // what was typed, as it is counted
	Who     identity.Claimant // whom it leads to; a decoy if it leads to nobody
	Device  string            // what [device.Devices] gave this browser; empty: nothing
	Address netip.Addr        // the browser's
}

// Verdict is what the limits say about a try.
type Verdict struct {
	Counted []tries.Tally   // the counts to take back if the try is no guess
	Guarded bool            // the answer must be withheld
	Hidden  bool            // the right password must get the answer of a wrong one
	Lane    password.Lane   // the lane in which the hash waits
	Refused *identity.Error // nil: the password may be looked at
}

// add adds a count. If it is over, the try is guarded, and refused if no code can be sent.
func (v *Verdict) add(c tries.Tally, canSend bool) {
	v.Counted = append(v.Counted, c)
	if !c.Over() {
		return
	}
	v.Guarded = true
	if !canSend && (v.Refused == nil || v.Refused.Retry < c.Window) {
		v.Refused = tries.TooMany(c)
	}
}

// Withheld returns the refusal of a try whose answer must not be given, or nil. It is for
// somebody who is logged in to the account already: to them counts of the account needn't be
// hidden.
func (v *Verdict) Withheld() error {
	refused := v.Refused
	for _, c := range v.Counted {
		if c.Over() && (refused == nil || refused.Retry < c.Window) {
			refused = tries.TooMany(c)
		}
	}
	if refused == nil {
		return nil
	}
	return refused
}

// Limiter holds tries to the limits. Safe for concurrent use.
type Limiter struct {
	counters *tries.Counters
	devices  *device.Devices
	sends    bool
}

// New returns a Limiter that counts with c and knows devices by d. If sends is true, codes can
// be sent, so that tries over the limits needn't be refused.
func New(c *tries.Counters, d *device.Devices, sends bool) *Limiter { return &Limiter{c, d, sends} }

// Count counts a try against its limits. Callers count before they look at the password. *Error:
// unavailable.
func (l *Limiter) Count(ctx context.Context, g Guess, now time.Time) (Verdict, error) {
	known, err := l.devices.Known(ctx, g.Who.Account, g.Device)
	if err != nil {
		return Verdict{}, err
	}
	if known != "" {
		v, err := l.tryKnown(ctx, g.Who.Account.ID, known, now)
		if err != nil || !v.Guarded {
			return v, err
		}
	}
	v, err := l.tryFrom(ctx, g.Address, now)
	if err == nil && !v.Guarded && v.Refused == nil {
		err = l.tryLogin(ctx, &v, g.Typed, tries.AddressOf(g.Address), now)
	}
	if err == nil && !v.Guarded && v.Refused == nil {
		err = l.tryAccount(ctx, &v, g.Who.Account.ID, tries.AddressOf(g.Address), now)
	}
	if v.Guarded {
		v.Lane = password.LaneGuarded
	}
	return v, err
}

// tryKnown counts a try of a known device. The try is guarded if there were too many.
func (l *Limiter) tryKnown(ctx context.Context, account, device string, now time.Time) (Verdict, error) {
	v := Verdict{Lane: password.LaneKnown}
	one, err := l.counters.Count(ctx, ofDevice, now, account, device)
	if err != nil {
		return Verdict{}, err
	}
	v.add(one, true)
	all, err := l.counters.Count(ctx, ofDevices, now, account)
	if err != nil {
		return Verdict{}, err
	}
	v.add(all, true)
	hashes, err := l.counters.Count(ctx, ofKnown, now, account)
	if err == nil && hashes.Over() {
		v.Lane = password.LaneNew
	}
	return v, err
}

// tryAccount counts a try of an unknown device by account. A login that leads to no
// account counts for the decoy, so that it costs the same.
func (l *Limiter) tryAccount(ctx context.Context, v *Verdict, account, from string, now time.Time) error {
	for _, of := range []struct {
		tries.Limit
		parts []string
	}{{ofAccountAddress, []string{account, from}}, {ofAccountDay, []string{account}}, {ofAccountMonth, []string{account}}} {
		if of.Limit == ofAccountMonth && !l.sends {
			continue // nobody shall be refused for a month
		}
		c, err := l.counters.Count(ctx, of.Limit, now, of.parts...)
		if err != nil {
			return err
		}
		v.Counted = append(v.Counted, c)
		v.Hidden = v.Hidden || c.Over()
	}
	return nil
}

// tryFrom counts a try of an unknown device by its address and network. Beyond their
// hard limits it is refused, because the hash is costly.
func (l *Limiter) tryFrom(ctx context.Context, a netip.Addr, now time.Time) (v Verdict, err error) {
	for _, of := range []struct {
		tries.Limit
		hard int64
		name string
	}{{ofAddress, MostOfAddress, tries.AddressOf(a)}, {ofNetwork, MostOfNetwork, tries.NetworkOf(a)}} {
		if of.name == "" {
			continue
		}
		c, err := l.counters.Count(ctx, of.Limit, now, of.name)
		if err != nil {
			return Verdict{}, err
		}
		if v.add(c, l.sends); c.N > of.hard {
			v.Refused = tries.TooMany(c)
			return v, nil
		}
	}
	return v, nil
}

// tryLogin counts a try of an unknown device by what was typed, not by the account. So
// the limits don't tell whether two logins lead to one account, or to any. It isn't called if
// the address is guarded already, so that no address can fill the store with counts of made-up
// logins.
func (l *Limiter) tryLogin(ctx context.Context, v *Verdict, typed identity.Login, from string, now time.Time) error {
	here, err := l.counters.Count(ctx, ofLoginAddress, now, string(typed.Kind), typed.Value, from)
	if err != nil {
		return err
	}
	v.add(here, l.sends)
	day, err := l.counters.Count(ctx, ofLoginDay, now, string(typed.Kind), typed.Value)
	if err != nil {
		return err
	}
	v.add(day, l.sends)
	if day.N <= monthAfter || !l.sends { // nobody shall be refused for a month
		return nil
	}
	month, err := l.counters.Count(ctx, ofLoginMonth, now, string(typed.Kind), typed.Value)
	if err != nil {
		return err
	}
	v.add(month, l.sends)
	return nil
}
