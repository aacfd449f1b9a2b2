package factor

import (
	"context"
	"errors"
	"fmt"
	"net/netip"
	"slices"
	"time"

	"yizheng.internal/oidc/identity"
	"yizheng.internal/oidc/identity/certificate"
	"yizheng.internal/oidc/identity/passkey"
	"yizheng.internal/oidc/identity/tries"
	"yizheng.internal/signing/journal"
)

// AloneAttempt is one try to log in with a factor that leads to the account by itself.
type AloneAttempt struct {
	Answer    string     // the browser's, as the factor's Finish takes it
	Channel   string     // as of [Login].Certificate
	Binding   string     // a secret of the login; what another one was asked can't be answered in it
	Address   netip.Addr // the browser's address
	RequestID string
}

// alone is a factor that leads to the account by itself.
type alone interface {
	// options returns what a login page asks for; empty: nobody can log in with the factor.
	options(ctx context.Context, binding string) (string, error)
	// begin reads an attempt.
	begin(a AloneAttempt) lone
}

// lone is a login with such a factor.
type lone struct {
	action               journal.Action
	ofAddress, ofNetwork tries.Limit
	stale                identity.Reason                                     // of a page that was left open: it is no guess
	find                 func(ctx context.Context) (identity.Account, error) // whose it is
	take                 func(a *identity.Account) error
	proof                func() Proof
	refused              *identity.Error // for a person; see outside
}

// AloneOptions returns what a login page asks for, to log in with a factor alone: see [Begun].Options. Empty: nobody
// can. It stores nothing.
func (s *Service) AloneOptions(ctx context.Context, n Name, binding string) (string, error) {
	f, ok := s.factors[n].(alone)
	if !ok {
		return "", nil
	}
	return f.options(ctx, browserBinding(binding))
}

// CheckAlone returns the account of a login with a passkey or a certificate alone, and the proof of it. An unknown one, a
// removed one, a wrong signature and a disabled account all get the same *Error, passkey_refused or certificate_refused;
// the event says which it was. What is wrong with a certificate itself is said. *Error: also passkey_expired and
// certificate_stale, which depend on the page alone; too_many_tries for an address or network with too many refused
// ones in an hour (Retry is set), not for an account: others could lock somebody out; unavailable.
func (s *Service) CheckAlone(ctx context.Context, n Name, a AloneAttempt) (identity.Account, Proof, error) {
	f, ok := s.factors[n].(alone)
	if !ok {
		return identity.Account{}, Proof{}, fmt.Errorf("nobody logs in with %q alone", n)
	}
	l := f.begin(a)
	account, err := s.passwords.checkAlone(ctx, a, l)
	if err != nil {
		return identity.Account{}, Proof{}, outside(err, l.refused)
	}
	return account, l.proof(), nil
}

// checkAlone is [Service.CheckAlone], with the reason for events.
func (t *tools) checkAlone(ctx context.Context, a AloneAttempt, l lone) (account identity.Account, err error) {
	f := identity.Did("", l.action, "", a.RequestID, "")
	defer func() {
		if err != nil {
			f.Result = identity.ReasonOf(err)
			t.Journal.Noted(ctx, f)
		}
	}()
	now := time.Now()
	counted, err := t.CountFrom(ctx, a.Address, l.ofAddress, l.ofNetwork, now)
	if err != nil {
		return identity.Account{}, err
	}
	found, err := l.find(ctx)
	if err == nil {
		f.Subject = found.ID
		account, err = t.People.Change(ctx, found.ID, func(a *identity.Account) error {
			if err := l.take(a); err != nil {
				return err
			}
			if a.Disabled { // after it: only the owner's own authenticator gets as far
				return &identity.Error{Reason: accountDisabled, Detail: l.refused.Detail}
			}
			return nil
		})
	}
	if e, refused := errors.AsType[*identity.Error](err); !refused || e.Reason == l.stale { // it is right, or the fault is ours
		t.TakeBack(ctx, now, counted...)
	}
	if err != nil {
		return identity.Account{}, err
	}
	f.Result = journal.ResultOK
	if err := t.Journal.Record(ctx, f); err != nil {
		return identity.Account{}, fmt.Errorf("recording a login: %w", err)
	}
	return account, nil
}

// accountDisabled is a reason that events have, and people aren't told.
const accountDisabled identity.Reason = "account_disabled"

// hidden are the reasons that tell something about accounts.
var hidden = []identity.Reason{
	passkey.ReasonUnknown, passkey.ReasonWrong, passkey.ReasonCopied, certificate.ReasonUnknown, certificate.ReasonWrong, accountDisabled, identity.ReasonLoginRefused,
}

// outside returns the refusal that the person sees: it is the same for all hidden reasons.
func outside(err error, refused *identity.Error) error {
	e, ok := errors.AsType[*identity.Error](err)
	if ok && slices.Contains(hidden, e.Reason) {
		refused.Err = e
		return refused
	}
	return err
}
