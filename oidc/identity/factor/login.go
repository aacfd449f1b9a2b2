package factor

import (
	"context"
	"net/netip"
	"time"

	"yizheng.internal/oidc/identity"
	"yizheng.internal/oidc/identity/guessing"
	"yizheng.internal/oidc/identity/password"
	"yizheng.internal/signing/journal"
)

// Attempt is one try to log in with a password.
type Attempt struct {
	Login     string // login name, phone or code number, as typed
	Password  string
	Device    string     // what DeviceToken gave this browser; empty: nothing
	Address   netip.Addr // the browser's address
	Binding   string     // a secret of the browser, to which a Challenge is bound
	Language  string     // the language of a message, such as zh-CN or en
	RequestID string
}

// guess returns what the limits look at.
func (a Attempt) guess(typed identity.Login, who identity.Claimant) guessing.Guess {
	return guessing.Guess{Typed: typed, Who: who, Device: a.Device, Address: a.Address}
}

// check is [Service.CheckPassword].
func (p *passwords) check(ctx context.Context, a Attempt) (identity.Account, error) {
	began := time.Now()
	logins := identity.ReadLogin(a.Login)
	who, err := p.People.Claim(ctx, logins)
	if err != nil {
		return identity.Account{}, err
	}
	v, err := p.limits.Count(ctx, a.guess(logins[0], who), began)
	if err != nil {
		return identity.Account{}, err
	}
	if v.Refused != nil {
		p.Journal.Noted(ctx, factOf(who, journal.ActionLogin, string(v.Refused.Reason), a.RequestID))
		return identity.Account{}, v.Refused
	}
	reason, err := p.judge(ctx, who, a.Password, v.Lane)
	if err != nil {
		p.TakeBack(context.WithoutCancel(ctx), began, v.Counted...) // nothing was compared
		return identity.Account{}, err
	}
	if v.Guarded {
		return identity.Account{}, p.challenge(ctx, a, who, reason, v.Counted, began)
	}
	if v.Hidden && reason == "" {
		reason = "account_tries"
	}
	if reason != "" {
		p.Journal.Noted(ctx, factOf(who, journal.ActionLogin, reason, a.RequestID))
		return identity.Account{}, refusedLogin()
	}
	p.TakeBack(ctx, began, v.Counted...)
	if err := p.Journal.Record(ctx, factOf(who, journal.ActionLogin, journal.ResultOK, a.RequestID)); err != nil {
		return identity.Account{}, err
	}
	return p.renewHash(ctx, who.Account, a.Password), nil
}

func refusedLogin() error {
	return &identity.Error{Reason: identity.ReasonLoginRefused, Detail: "Login or password is wrong, or the account can't be used. Check both and try again."}
}

// factOf returns a fact about the account, or about nobody.
func factOf(c identity.Claimant, action journal.Action, result, requestID string) journal.Fact {
	f := identity.Did("", action, "", requestID, result)
	if c.There {
		f.Subject = c.Account.ID
	}
	return f
}

// judge checks a password and returns the reason to refuse it, or "". It always computes one
// hash.
func (p *passwords) judge(ctx context.Context, who identity.Claimant, text string, l password.Lane) (reason string, err error) {
	hash := who.Account.Password
	if hash.IsZero() {
		hash = p.Passwords.Blank()
	}
	right, err := p.Passwords.Matches(ctx, hash, text, l)
	switch {
	case err != nil:
		return "", err
	case !who.There:
		return "unknown_account", nil
	case who.Account.Disabled:
		return "account_disabled", nil
	case who.Account.Password.IsZero():
		return "no_password", nil
	case !right:
		return "wrong_password", nil
	}
	return "", nil
}

// renewHash hashes a password again at the current cost, if its hash was made at another
// cost. If that fails, the login still succeeds. All else of the account stays as it was when it was
// checked: a password or authenticator that was changed since ends the login.
func (p *passwords) renewHash(ctx context.Context, a identity.Account, typed string) identity.Account {
	if !p.Passwords.Outdated(a.Password, typed) {
		return a
	}
	renewed, err := p.Passwords.Renew(ctx, a.Password, typed)
	if err == nil {
		renewed.Set = a.Password.Set
		_, err = p.People.Change(ctx, a.ID, func(now *identity.Account) error {
			if string(now.Password.Sum) == string(a.Password.Sum) { // otherwise the password was changed just now
				now.Password = renewed
			}
			return nil
		})
	}
	if err != nil {
		p.Log.WarnContext(ctx, "a password's hash could not be renewed", "account", a.ID, "error", err)
		return a
	}
	a.Password = renewed
	return a
}
