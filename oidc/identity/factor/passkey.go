package factor

import (
	"context"
	"errors"
	"fmt"
	"net/netip"
	"time"

	"yizheng.internal/oidc/identity"
	"yizheng.internal/oidc/identity/guessing"
	"yizheng.internal/oidc/identity/passkey"
	"yizheng.internal/oidc/identity/tries"
	"yizheng.internal/signing/journal"
)

// Passkey is a key pair in a phone, a computer or a security key, which signs for this site alone
// after it has seen the person's finger, face or PIN (W3C Web Authentication).
const Passkey Name = passkey.Factor

// byPasskey is Held, and resists phishing if the authenticator verified its user: the browser
// signs at which site it is (NIST SP 800-63B-4 section 3.2.5). Without that it would be one factor
// like others: whoever found the device could use it (section 3.1.6). We always demand it.
//
// Its methods are swk and user (RFC 8176): a proof of a key that may be in software, with the
// person present. hwk would claim hardware, which only an attestation could show.
var byPasskey = Definition{
	Name: Passkey, Methods: []string{"swk", "user"}, Kind: Held, Strength: oneFactor, Verified: resistant,
	Tries:  map[journal.Action]string{journal.ActionPasskeyCheck: "passkey"},
	prover: func(t *tools) Factor { return &passkeys{t} },
}

// The limits of passkeys that were refused. Signatures aren't guessed: the limits save the work of
// checking them. A login with a passkey alone is limited by address and not by account, so that
// nobody is kept from their passkey by others.
var (
	ofPasskey        = []tries.Limit{{Name: "passkey", Most: 20, Window: time.Hour}}
	ofPasskeyAddress = tries.Limit{Name: "passkey-address", Most: guessing.MostOfAddress, Window: time.Hour}
	ofPasskeyNetwork = tries.Limit{Name: "passkey-network", Most: guessing.MostOfNetwork, Window: time.Hour}
)

// Why a passkey is refused, in events. The person is told ReasonPasskeyRefused instead, whichever
// it is.
const (
	ReasonPasskeyWrong identity.Reason = "passkey_wrong"   // it didn't sign what was asked
	passkeyUnknown     identity.Reason = "passkey_unknown" // no account has it, or this one doesn't
	passkeyCopied      identity.Reason = "passkey_copied"
	passkeyDisabled    identity.Reason = "account_disabled"
)

// passkeys proves that somebody has a passkey of the account's, unlocked. If the passkey itself
// must lead to the account, see [Service.CheckPasskey].
type passkeys struct{ *tools }

// What challenges are bound to: somebody's session, or the login of a browser that shows nobody yet.
func (l *Login) passkeyBinding() string    { return "session." + l.Account + "." + l.Binding }
func browserBinding(binding string) string { return "browser." + binding }

// Begin implements [Factor]: it returns the options with which the page asks for one of the
// account's passkeys. It stores nothing. *Error: no_second_factor, login_refused for a disabled
// account.
func (p *passkeys) Begin(ctx context.Context, l Login) (Begun, error) {
	if p.Passkeys == nil {
		return Begun{}, noPasskeys()
	}
	a, err := p.People.Account(ctx, l.Account)
	if err != nil {
		return Begun{}, err
	}
	if a.Disabled {
		return Begun{}, refusedLogin()
	}
	return p.offer(ctx, l.passkeyBinding(), passkey.Of(&a))
}

func (p *passkeys) offer(ctx context.Context, binding string, allowed []passkey.Passkey) (Begun, error) {
	challenge, err := p.Passkeys.RequestChallenge(ctx, binding)
	if err != nil {
		return Begun{}, err
	}
	options, err := p.Passkeys.RequestJSON(challenge, allowed)
	return Begun{Options: options}, err
}

// Finish implements [Factor]: answer is the browser's, as [passkey.Service].Read reads it. Each
// challenge passes once, within five minutes. *Error: passkey_refused for whatever is wrong, a
// disabled account too; passkey_expired; too_many_tries after twenty wrong ones in an hour (Retry
// is set); unavailable.
func (p *passkeys) Finish(ctx context.Context, l Login, answer string) (Proof, error) {
	signed, err := p.read(ctx, l.passkeyBinding(), answer)
	if err == nil {
		err = p.spend(ctx, ofPasskey, l.Account, func(a *identity.Account) error { return PasskeyError(p.Passkeys.Take(a, signed)) })
	}
	if err := p.proved(ctx, l, journal.ActionPasskeyCheck, err); err != nil {
		return Proof{}, uniform(err)
	}
	return Proof{Factor: Passkey, Verified: true}, nil
}

// read reads an answer and uses up its challenge.
func (p *passkeys) read(ctx context.Context, binding, answer string) (passkey.Assertion, error) {
	if p.Passkeys == nil {
		return passkey.Assertion{}, noPasskeys()
	}
	signed, err := p.Passkeys.Read(ctx, binding, answer)
	return signed, PasskeyError(err)
}

// PasskeyError turns an error of package passkey into an *Error.
func PasskeyError(err error) error {
	switch {
	case errors.Is(err, passkey.ErrExpired):
		return &identity.Error{Reason: identity.ReasonPasskeyExpired, Detail: "The page was open for too long, or was used before. Try again.", Err: err}
	case errors.Is(err, passkey.ErrCount):
		return refusedPasskey(passkeyCopied, err)
	case errors.Is(err, passkey.ErrUnknown):
		return refusedPasskey(passkeyUnknown, err)
	case errors.Is(err, passkey.ErrRefused):
		return refusedPasskey(ReasonPasskeyWrong, err)
	case errors.Is(err, passkey.ErrAway):
		return tries.Unavailable(err)
	}
	return err
}

func refusedPasskey(why identity.Reason, err error) error {
	return &identity.Error{Reason: why, Detail: "This passkey can't be used. Log in in another way.", Err: err}
}

func noPasskeys() error {
	return &identity.Error{Reason: identity.ReasonNoSecondFactor, Detail: "Nobody can log in with a passkey here."}
}

// uniform returns the refusal that the person sees: it is the same for all that tells something
// about accounts.
func uniform(err error) error {
	e, ok := errors.AsType[*identity.Error](err)
	if !ok {
		return err
	}
	switch e.Reason {
	case passkeyUnknown, ReasonPasskeyWrong, passkeyCopied, passkeyDisabled, identity.ReasonLoginRefused:
		return refusedPasskey(identity.ReasonPasskeyRefused, e)
	}
	return err
}

// PasskeyAttempt is one try to log in with a passkey alone.
type PasskeyAttempt struct {
	Answer    string     // the browser's, as [passkey.Service].Read reads it
	Binding   string     // a secret of the login; what another one was asked can't be answered in it
	Address   netip.Addr // the browser's address
	RequestID string
}

// PasskeyOptions returns the options with which a login page asks for any passkey, as JSON; empty:
// nobody can log in with one. It stores nothing.
func (s *Service) PasskeyOptions(ctx context.Context, binding string) (string, error) {
	if s.passkeys.Passkeys == nil {
		return "", nil
	}
	begun, err := s.passkeys.offer(ctx, browserBinding(binding), nil)
	return begun.Options, err
}

// CheckPasskey returns the account of a login with a passkey alone, and the proof of it. The
// authenticator says whose passkey it is, by the account's user handle. An unknown passkey, a
// removed one, a wrong signature and a disabled account all get the same *Error, passkey_refused;
// the event says which it was.
//
// *Error: also passkey_expired, which depends on the page alone; too_many_tries for an address
// or network with too many refused ones in an hour (Retry is set); unavailable.
func (s *Service) CheckPasskey(ctx context.Context, a PasskeyAttempt) (identity.Account, Proof, error) {
	account, err := s.passkeys.check(ctx, a)
	if err != nil {
		return identity.Account{}, Proof{}, uniform(err)
	}
	return account, Proof{Factor: Passkey, Verified: true}, nil
}

// check is [Service.CheckPasskey], with the reason for events.
func (p *passkeys) check(ctx context.Context, a PasskeyAttempt) (account identity.Account, err error) {
	f := identity.Did("", journal.ActionPasskeyCheck, "", a.RequestID, "")
	defer func() {
		if err != nil {
			f.Result = identity.ReasonOf(err)
			p.Journal.Noted(ctx, f)
		}
	}()
	now := time.Now()
	counted, err := p.countAddress(ctx, a.Address, now)
	if err != nil {
		return identity.Account{}, err
	}
	signed, err := p.read(ctx, browserBinding(a.Binding), a.Answer)
	if errors.Is(err, passkey.ErrExpired) { // of a page that was left open: it is no guess
		p.TakeBack(ctx, now, counted...)
	}
	if err != nil {
		return identity.Account{}, err
	}
	found, err := p.People.AccountOfHandle(ctx, signed.Handle())
	if errors.Is(err, identity.ErrNotFound) {
		return identity.Account{}, refusedPasskey(passkeyUnknown, nil)
	}
	if err != nil {
		p.TakeBack(ctx, now, counted...)
		return identity.Account{}, err
	}
	f.Subject = found.ID
	account, err = p.People.Change(ctx, found.ID, func(now *identity.Account) error {
		if err := p.Passkeys.Take(now, signed); err != nil {
			return PasskeyError(err)
		}
		if now.Disabled { // after it: only the owner's own authenticator gets as far
			return refusedPasskey(passkeyDisabled, nil)
		}
		return nil
	})
	if _, refused := errors.AsType[*identity.Error](err); !refused { // it is right, or the fault is ours
		p.TakeBack(ctx, now, counted...)
	}
	if err != nil {
		return identity.Account{}, err
	}
	f.Result = journal.ResultOK
	if err := p.Journal.Record(ctx, f); err != nil {
		return identity.Account{}, fmt.Errorf("recording a login with a passkey: %w", err)
	}
	return account, nil
}

// countAddress counts a try by its address and network.
func (p *passkeys) countAddress(ctx context.Context, a netip.Addr, now time.Time) (counted []tries.Tally, err error) {
	for _, of := range []struct {
		tries.Limit
		name string
	}{{ofPasskeyAddress, tries.AddressOf(a)}, {ofPasskeyNetwork, tries.NetworkOf(a)}} {
		if of.name == "" {
			continue
		}
		c, err := p.Count(ctx, of.Limit, now, of.name)
		if err != nil {
			return nil, err
		}
		if counted = append(counted, c); c.Over() {
			return nil, tries.TooMany(c)
		}
	}
	return counted, nil
}
