package authenticator

import (
	"bytes"
	"context"
	"slices"

	"yizheng.internal/oidc/identity"
	"yizheng.internal/oidc/identity/factor"
	"yizheng.internal/oidc/identity/notice"
	"yizheng.internal/oidc/identity/passkey"
	"yizheng.internal/signing/journal"
)

// PasskeySetup is what a page needs to add a passkey.
type PasskeySetup struct {
	Options string // for the browser; see [passkey.Service].CreationJSON
	Token   string // the form that finishes carries it
}

func (o *Owner) passkeyBinding() string { return o.Account + "." + o.Session }

// PreparePasskey begins to add a passkey of the owner's. *Error: authenticator_limit,
// passkey_unsupported.
func (s *Service) PreparePasskey(ctx context.Context, o Owner) (PasskeySetup, error) {
	if s.c.Passkeys == nil {
		return PasskeySetup{}, unsupported()
	}
	a, err := s.c.People.Account(ctx, o.Account)
	if err != nil {
		return PasskeySetup{}, err
	}
	if err := CheckRoom(&a, factor.Passkey); err != nil {
		return PasskeySetup{}, err
	}
	handle := a.Handle // or the one that the account gets with its first passkey
	if len(handle) == 0 {
		handle = identity.NewHandle()
	}
	challenge, err := s.c.Passkeys.CreationChallenge(ctx, o.passkeyBinding())
	if err != nil {
		return PasskeySetup{}, err
	}
	options, err := s.c.Passkeys.CreationJSON(challenge, passkey.Owner{Handle: handle, Name: called(&a)}, passkey.Of(&a))
	if err != nil {
		return PasskeySetup{}, err
	}
	token, err := seal(ctx, s, &o, factor.Passkey, begin(handle))
	return PasskeySetup{options, token}, err
}

// AddPasskey adds the passkey that a browser made for a setup, under a name; answer is the
// browser's, as [passkey.ReadCreated] reads it. The form sent twice adds it once. The owner is
// told; nothing that is logged in ends. *Error: passkey_refused, passkey_expired, setup_expired,
// passkey_unsupported, name_invalid, authenticator_limit, session_over, stronger_login, too_many_tries, unavailable.
func (s *Service) AddPasskey(ctx context.Context, o Owner, token, name, answer string) error {
	if s.c.Passkeys == nil {
		return unsupported()
	}
	p, err := open[[]byte](ctx, s, &o, factor.Passkey, token)
	if err != nil {
		return err
	}
	if name, err = checkName(name); err != nil {
		return err
	}
	created, err := passkey.ReadCreated(answer)
	if err != nil {
		return refusedPasskey(err)
	}
	if a, err := s.c.People.Account(ctx, o.Account); err != nil || hasPasskey(&a, created.ID()) {
		return err // it was added by the same form
	}
	if err := s.c.Factors.CountChange(ctx, o.Account); err != nil {
		return err
	}
	k, err := s.c.Passkeys.Register(ctx, o.passkeyBinding(), created)
	if err != nil {
		return refusedPasskey(err)
	}
	account, err := s.changeStrongly(ctx, o, journal.ActionFactorAdd, func(a *identity.Account) error {
		if len(a.Handle) == 0 {
			a.Handle = p.What
		}
		if !bytes.Equal(a.Handle, p.What) { // another page added the first passkey meanwhile: this one couldn't be found
			return &identity.Error{Reason: "setup_expired", Detail: "Another passkey was added meanwhile. Begin anew."}
		}
		if err := CheckRoom(a, factor.Passkey); err != nil {
			return err
		}
		return put(a, factor.Passkey, name, k)
	})
	if err == nil {
		s.c.Notices.Tell(ctx, account, notice.AuthenticatorAdded, kind(factor.Passkey, o.Language), o.Language, o.RequestID)
	}
	return err
}

func unsupported() error {
	return &identity.Error{Reason: "passkey_unsupported", Detail: "Passkeys can't be used here."}
}

// refusedPasskey is what the owner is told of a passkey that can't be added.
func refusedPasskey(err error) error {
	err = passkey.Refusal(err)
	if identity.ReasonOf(err) == string(passkey.ReasonWrong) {
		return &identity.Error{Reason: identity.ReasonPasskeyRefused, Detail: "The passkey can't be added. Try again, or use another device.", Err: err}
	}
	return err
}

func hasPasskey(a *identity.Account, id []byte) bool {
	return slices.ContainsFunc(passkey.Of(a), func(k passkey.Passkey) bool { return bytes.Equal(k.ID, id) })
}
