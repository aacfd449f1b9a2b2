package factor

import (
	"context"
	"fmt"
	"time"

	"yizheng.internal/oidc/identity"
	"yizheng.internal/oidc/identity/notice"
	"yizheng.internal/oidc/identity/password"
	"yizheng.internal/signing/journal"
)

// byAccount is the login kind under which tries of somebody who is logged in are counted,
// because no login was typed.
const byAccount identity.LoginKind = "account"

// change is [Service.ChangePassword].
func (p *passwords) change(ctx context.Context, a Attempt, account, next string) (identity.Account, error) {
	f := identity.Did(account, journal.ActionPasswordChange, account, a.RequestID, "")
	now, err := p.owner(ctx, a, account)
	if err != nil {
		return identity.Account{}, p.refusedChange(ctx, f, err)
	}
	hash, err := p.anotherPassword(ctx, now, a.Password, next)
	if err != nil {
		return identity.Account{}, p.refusedChange(ctx, f, err)
	}
	var changed identity.Account
	err = p.Journal.Change(ctx, f, func() (err error) {
		changed, err = p.People.Change(ctx, account, func(c *identity.Account) error {
			if c.Disabled || !c.Password.Set.Equal(now.Password.Set) { // the password changed after the check
				return wrongPassword()
			}
			hash.Set = time.Now().UTC() // not earlier, so that logins with the old password meanwhile end, too
			c.Password, c.Setup = hash, identity.SetupTicket{}
			return nil
		})
		return err
	})
	if err != nil {
		return identity.Account{}, fmt.Errorf("changing a password: %w", err)
	}
	p.Notices.Tell(ctx, changed, notice.PasswordChanged, "", a.Language, a.RequestID)
	return changed, nil
}

// refusedChange records a change that was refused before it began.
func (p *passwords) refusedChange(ctx context.Context, f journal.Fact, err error) error {
	f.Result = identity.ReasonOf(err)
	p.Journal.Noted(ctx, f)
	return fmt.Errorf("changing a password: %w", err)
}

func wrongPassword() error {
	return &identity.Error{Reason: identity.ReasonWrongPassword, Detail: "The password that the account has now is another one."}
}

// owner returns an account if a.Password is its password, within the limits.
func (p *passwords) owner(ctx context.Context, a Attempt, id string) (identity.Account, error) {
	began := time.Now()
	account, err := p.People.Account(ctx, id)
	if err != nil {
		return identity.Account{}, err
	}
	who := identity.Claimant{Account: account, There: true}
	v, err := p.limits.Count(ctx, a.guess(identity.Login{Kind: byAccount, Value: id}, who), began)
	if err != nil {
		return identity.Account{}, err
	}
	if refused := v.Withheld(); refused != nil {
		return identity.Account{}, refused
	}
	reason, err := p.judge(ctx, who, a.Password, v.Lane)
	if err != nil {
		return identity.Account{}, err
	}
	if reason != "" {
		return identity.Account{}, wrongPassword()
	}
	p.TakeBack(ctx, began, v.Counted...)
	return account, nil
}

// anotherPassword checks and hashes the password next, which replaces the account's
// password old.
func (p *passwords) anotherPassword(ctx context.Context, a identity.Account, old, next string) (identity.PasswordHash, error) {
	before, _ := password.Normal(old)
	if after, ok := password.Normal(next); ok && after == before {
		return identity.PasswordHash{}, &identity.Error{Reason: "password_same", Detail: "That is the password the account has. Choose another."}
	}
	who, err := p.People.Party(ctx, a.Party)
	if err != nil {
		return identity.PasswordHash{}, err
	}
	return p.Passwords.New(ctx, next, a, who)
}
