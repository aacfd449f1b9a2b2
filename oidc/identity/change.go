package identity

import (
	"context"
	"fmt"
	"time"

	"yizheng.internal/signing/journal"
)

// byAccount is the kind of a count of tries by somebody who is logged in: no
// login was typed.
const byAccount loginKind = "account"

// ChangePassword sets another password for an account whose owner knows the one
// it has, a.Password, and returns the account. It is for somebody who is logged
// in to it; a.Login, a.Binding and a.Language count for nothing.
//
// Tries of the old one are limited and counted as those of CheckPassword are, on
// a known device by the same counts, for a stolen session must not help with
// guessing. Where those are used up the answer is too_many_tries, whether the
// password is right or not, with Retry set: nothing is sent, as whoever is kept
// from it here can still log in.
//
// *Error: wrong_password (also of a disabled account), too_many_tries, busy,
// unavailable; and only if the old one is right password_same and those of
// SetPassword, which tell something of the person. Of changes side by side one
// succeeds, by the account's revision; a setup ticket ends with it.
func (s *Service) ChangePassword(ctx context.Context, a Attempt, account, password string) (Account, error) {
	f := did(account, journal.ActionPasswordChange, account, a.RequestID, "")
	now, err := s.owner(ctx, a, account)
	if err != nil {
		return Account{}, s.refusedChange(ctx, f, err)
	}
	hash, err := s.anotherPassword(ctx, now, a.Password, password)
	if err != nil {
		return Account{}, s.refusedChange(ctx, f, err)
	}
	var changed Account
	err = s.c.Journal.Change(ctx, f, func() (err error) {
		changed, err = s.change(ctx, account, func(c *Account) error {
			if c.Disabled || !c.Password.Set.Equal(now.Password.Set) { // the one that was checked is no more
				return wrongPassword()
			}
			hash.Set = time.Now().UTC() // not before: what the old one opened meanwhile is over too
			c.Password, c.Setup = hash, SetupTicket{}
			return nil
		})
		return err
	})
	if err != nil {
		return Account{}, fmt.Errorf("changing a password: %w", err)
	}
	return changed, nil
}

// refusedChange leaves a fact of a change that never began.
func (s *Service) refusedChange(ctx context.Context, f journal.Fact, err error) error {
	f.Result = ReasonOf(err)
	s.c.Journal.Noted(ctx, f)
	return fmt.Errorf("changing a password: %w", err)
}

func wrongPassword() error {
	return &Error{Reason: "wrong_password", Detail: "The password that the account has now is another one."}
}

// owner returns an account if a.Password is its password, within the limits.
func (s *Service) owner(ctx context.Context, a Attempt, id string) (Account, error) {
	began := time.Now()
	account, err := s.Account(ctx, id)
	if err != nil {
		return Account{}, err
	}
	who := claimant{account, true}
	t, err := s.try(ctx, a, login{kind: byAccount, value: id}, who, began)
	if err != nil {
		return Account{}, err
	}
	if refused := t.withheld(); refused != nil {
		return Account{}, refused
	}
	reason, err := s.judge(ctx, who, a.Password, t.lane)
	if err != nil {
		return Account{}, err
	}
	if reason != "" {
		return Account{}, wrongPassword()
	}
	s.takeBack(ctx, began, t.counted...)
	return account, nil
}

// withheld returns the refusal of a try whose answer is not to be given, or nil.
func (t *tried) withheld() error {
	refused := t.refused
	for _, c := range t.counted { // those of the account too: here it hides nothing
		if c.over() && (refused == nil || refused.Retry < c.window) {
			refused = tooManyTries(c)
		}
	}
	if refused == nil {
		return nil
	}
	return refused
}

// anotherPassword checks and hashes a password that takes the place of old,
// which is the account's.
func (s *Service) anotherPassword(ctx context.Context, a Account, old, password string) (PasswordHash, error) {
	before, _ := normalPassword(old)
	if after, ok := normalPassword(password); ok && after == before {
		return PasswordHash{}, &Error{Reason: "password_same", Detail: "That is the password the account has. Choose another."}
	}
	p, err := s.Party(ctx, a.Party)
	if err != nil {
		return PasswordHash{}, err
	}
	return s.newPassword(ctx, password, a, p)
}
