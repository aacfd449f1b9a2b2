package factor

import (
	"context"
	"errors"
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

// passkeys proves that somebody has a passkey of the account's, unlocked. See [Service.CheckAlone], too.
type passkeys struct{ *tools }

// What challenges are bound to: somebody's session, or the login of a browser that shows nobody yet.
func (l *Login) passkeyBinding() string    { return "session." + l.Account + "." + l.Binding }
func browserBinding(binding string) string { return "browser." + binding }

// Begin implements [Factor]: it returns the options with which the page asks for one of the account's
// passkeys. It stores nothing. *Error: no_second_factor, login_refused for a disabled account.
func (p *passkeys) Begin(ctx context.Context, l Login) (Begun, error) {
	a, err := p.usable(ctx, l.Account, p.Passkeys != nil)
	if err != nil {
		return Begun{}, err
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
		err = p.spend(ctx, ofPasskey, l.Account, func(a *identity.Account) error { return passkey.Refusal(p.Passkeys.Take(a, signed)) })
	}
	if err := p.proved(ctx, l, journal.ActionPasskeyCheck, err); err != nil {
		return Proof{}, outside(err, passkey.Refuse(identity.ReasonPasskeyRefused, nil))
	}
	return Proof{Factor: Passkey, Verified: true}, nil
}

// read reads an answer and uses up its challenge.
func (p *passkeys) read(ctx context.Context, binding, answer string) (passkey.Assertion, error) {
	if p.Passkeys == nil {
		return passkey.Assertion{}, notHere()
	}
	signed, err := p.Passkeys.Read(ctx, binding, answer)
	return signed, passkey.Refusal(err)
}

// options implements [alone].
func (p *passkeys) options(ctx context.Context, binding string) (string, error) {
	if p.Passkeys == nil {
		return "", nil
	}
	begun, err := p.offer(ctx, binding, nil)
	return begun.Options, err
}

// begin implements [alone].
func (p *passkeys) begin(a AloneAttempt) lone {
	var signed passkey.Assertion
	return lone{
		action: journal.ActionPasskeyCheck, ofAddress: ofPasskeyAddress, ofNetwork: ofPasskeyNetwork, stale: identity.ReasonPasskeyExpired,
		find: func(ctx context.Context) (found identity.Account, err error) {
			if signed, err = p.read(ctx, browserBinding(a.Binding), a.Answer); err != nil {
				return identity.Account{}, err
			}
			found, err = p.People.AccountOfHandle(ctx, signed.Handle())
			if errors.Is(err, identity.ErrNotFound) {
				err = passkey.Refuse(passkey.ReasonUnknown, nil)
			}
			return found, err
		},
		take:    func(a *identity.Account) error { return passkey.Refusal(p.Passkeys.Take(a, signed)) },
		proof:   func() Proof { return Proof{Factor: Passkey, Verified: true} },
		refused: passkey.Refuse(identity.ReasonPasskeyRefused, nil),
	}
}
