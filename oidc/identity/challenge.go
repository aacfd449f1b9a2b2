package identity

import (
	"context"
	"crypto/rand"
	"encoding/base64"
	"fmt"
	"time"

	"yizheng.internal/signing/journal"
)

// Challenge is CheckPassword's answer when there were too many tries from
// unknown devices: whether the password is right is not said. If it is, and the
// account has a phone, a code is on its way there, with which ConfirmLogin
// returns the account. Who doesn't get a code can't tell why.
type Challenge struct {
	Handle string        // names it to ConfirmLogin; a secret of the browser's form
	Life   time.Duration // from now
}

// Error implements error.
func (c *Challenge) Error() string { return c.refusal().Error() }

// Unwrap returns an *Error with the reason code_needed.
func (c *Challenge) Unwrap() error { return c.refusal() }

func (c *Challenge) refusal() *Error {
	return &Error{Reason: "code_needed", Detail: "There were many tries. If login and password are right, a code was sent to the account's phone."}
}

// challengeTime is how long a guarded try takes, whatever is sent meanwhile.
const challengeTime = 5 * time.Second

// challenge keeps the answer to a guarded try, and sends the code if the
// password was right. It takes the same time either way. The counts are taken
// back when the code comes: sooner, whoever counted along would learn of it.
func (s *Service) challenge(ctx context.Context, a Attempt, who claimant, reason string, counted []tally, began time.Time) error {
	c := &Challenge{Handle: newChallenge(), Life: codeLife}
	var kept codeRecord
	if reason == "" {
		kept.Account, kept.Checked = who.account.ID, who.account.Password.Set
	}
	for _, t := range counted {
		kept.Counted = append(kept.Counted, t.key)
	}
	code, err := s.keepCode(ctx, codeKeyOf{challengeSubject, c.Handle + "." + a.Binding}, kept, PartOpened, NetworkOf(a.Address))
	if err != nil {
		return err
	}
	if reason == "" && who.account.Phone != "" {
		if err := s.sendConfirmation(ctx, a, who.account, code, began); err != nil {
			s.c.Log.WarnContext(ctx, "a login's confirmation could not be sent", "account", who.account.ID, "error", err)
		}
	}
	s.c.Journal.Noted(ctx, who.fact(journal.ActionLoginChallenge, orOK(reason), a.RequestID))
	wait := time.NewTimer(time.Until(began.Add(challengeTime)))
	defer wait.Stop()
	select {
	case <-wait.C:
		return c
	case <-ctx.Done():
		return ctx.Err()
	}
}

// challengeSubject stands where an account's id does.
const challengeSubject = "login"

func newChallenge() string {
	b := make([]byte, 32)
	rand.Read(b)
	return base64.RawURLEncoding.EncodeToString(b)
}

func orOK(reason string) string {
	if reason == "" {
		return journal.ResultOK
	}
	return reason
}

// sendConfirmation sends the code of a challenge, within the account's limits
// and the time that a guarded try takes.
func (s *Service) sendConfirmation(ctx context.Context, a Attempt, account Account, code string, began time.Time) error {
	if _, err := s.countCode(ctx, account.ID, time.Now()); err != nil {
		return err
	}
	ctx, cancel := context.WithDeadline(ctx, began.Add(challengeTime-challengeTime/10))
	defer cancel()
	err := s.c.Sender.Send(ctx, Message{Phone: account.Phone, Text: codeText(code, a.Language, true), Code: code})
	s.c.Journal.Noted(ctx, did("", journal.ActionCodeSend, account.ID, a.RequestID, ReasonOf(err)))
	return err
}

// ConfirmLogin returns the account of a challenge, when its code is right, for
// the browser with that binding: password and code are both checked then.
// *Error as those of CheckCode, and login_refused if the account was disabled, or
// got another password, meanwhile.
func (s *Service) ConfirmLogin(ctx context.Context, handle, binding, code, requestID string) (Account, error) {
	kept, err := s.spendCode(ctx, codeKeyOf{challengeSubject, handle + "." + binding}, code)
	f := did("", journal.ActionLoginConfirm, kept.Account, requestID, ReasonOf(err))
	if err != nil {
		s.c.Journal.Noted(ctx, f)
		return Account{}, err
	}
	account, err := s.Account(ctx, kept.Account)
	if err != nil {
		return Account{}, fmt.Errorf("confirming a login: %w", err)
	}
	switch {
	case account.Disabled:
		f.Result = "account_disabled"
	case !account.Password.Set.Equal(kept.Checked): // it got another one meanwhile
		f.Result = "wrong_password"
	}
	if f.Result != journal.ResultOK {
		s.c.Journal.Noted(ctx, f)
		return Account{}, refusedLogin()
	}
	if err := s.c.Journal.Record(ctx, f); err != nil {
		return Account{}, err
	}
	for _, key := range kept.Counted {
		s.takeBack(ctx, time.Now(), tally{limit: limit{window: time.Hour}, key: key})
	}
	return account, nil
}
