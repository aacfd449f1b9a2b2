package factor

import (
	"context"
	"crypto/rand"
	"fmt"
	"time"

	"yizheng.internal/oidc/ephemeral"
	"yizheng.internal/oidc/identity"
	"yizheng.internal/oidc/identity/notice"
	"yizheng.internal/oidc/identity/onetime"
	"yizheng.internal/oidc/identity/tries"
	"yizheng.internal/signing/journal"
)

// Challenge is CheckPassword's answer after too many tries from unknown devices. It doesn't
// say whether the password is right. If it is, and the account has a phone, a code is sent to
// that phone, and with this code ConfirmLogin returns the account. Somebody who gets no code
// can't tell why.
type Challenge struct {
	Handle string // names the challenge to ConfirmLogin; a secret of the browser's form
}

// Error implements error.
func (c *Challenge) Error() string { return c.refusal().Error() }

// Unwrap returns an *Error with the reason code_needed.
func (c *Challenge) Unwrap() error { return c.refusal() }

func (c *Challenge) refusal() *identity.Error {
	return &identity.Error{Reason: "code_needed", Detail: "There were many tries. If login and password are right, a code was sent to the account's phone."}
}

// challengeTime is how long a guarded try takes, whether or not a code is sent.
const challengeTime = 5 * time.Second

// challenge stores the answer to a guarded try, and sends the code if the password was right.
// It takes the same time either way. The counts are taken back only when the right code is
// typed: if that happened earlier, an attacker who watches the limits would learn that the
// password was right.
func (p *passwords) challenge(ctx context.Context, a Attempt, who identity.Claimant, reason string, counted []tries.Tally, began time.Time) error {
	c := &Challenge{Handle: rand.Text()}
	kept := onetime.Note{Void: reason != ""}
	if reason == "" {
		kept.Account, kept.Checked = who.Account.ID, who.Account.Password.Set
	}
	for _, t := range counted {
		kept.Counted = append(kept.Counted, t.Key)
	}
	code, err := p.codes.Keep(ctx, onetime.Key{Subject: challengeSubject, Binding: c.Handle + "." + a.Binding}, kept, ephemeral.PartOpened, ephemeral.NetworkOf(a.Address))
	if err != nil {
		return err
	}
	if reason == "" && who.Account.Phone != "" {
		if err := p.sendConfirmation(ctx, a, who.Account, code, began); err != nil {
			p.Log.WarnContext(ctx, "a login's confirmation could not be sent", "account", who.Account.ID, "error", err)
		}
	}
	p.Journal.Noted(ctx, factOf(who, journal.ActionLoginChallenge, orOK(reason), a.RequestID))
	wait := time.NewTimer(time.Until(began.Add(challengeTime)))
	defer wait.Stop()
	select {
	case <-wait.C:
		return c
	case <-ctx.Done():
		return ctx.Err()
	}
}

// challengeSubject is the subject of a challenge's code, in place of an account's id.
const challengeSubject = "login"

func orOK(reason string) string {
	if reason == "" {
		return journal.ResultOK
	}
	return reason
}

// sendConfirmation sends the code of a challenge, within the account's limits
// and the time that a guarded try takes.
func (p *passwords) sendConfirmation(ctx context.Context, a Attempt, account identity.Account, code string, began time.Time) error {
	if _, err := p.codes.CountSent(ctx, time.Now(), account.ID); err != nil {
		return err
	}
	ctx, cancel := context.WithDeadline(ctx, began.Add(challengeTime-challengeTime/10))
	defer cancel()
	err := p.Sender.Send(ctx, notice.Code(notice.DeviceCode, account.Phone, code, a.Language))
	p.Journal.Noted(ctx, identity.Did("", journal.ActionCodeSend, account.ID, a.RequestID, identity.ReasonOf(err)))
	return err
}

// confirm is [Service.ConfirmLogin].
func (p *passwords) confirm(ctx context.Context, handle, binding, code, requestID string) (identity.Account, error) {
	kept, err := p.codes.Spend(ctx, onetime.Key{Subject: challengeSubject, Binding: handle + "." + binding}, code)
	f := identity.Did("", journal.ActionLoginConfirm, kept.Account, requestID, identity.ReasonOf(err))
	if err != nil {
		p.Journal.Noted(ctx, f)
		return identity.Account{}, err
	}
	account, err := p.People.Account(ctx, kept.Account)
	if err != nil {
		return identity.Account{}, fmt.Errorf("confirming a login: %w", err)
	}
	switch {
	case account.Disabled:
		f.Result = "account_disabled"
	case !account.Password.Set.Equal(kept.Checked): // the password changed meanwhile
		f.Result = "wrong_password"
	}
	if f.Result != journal.ResultOK {
		p.Journal.Noted(ctx, f)
		return identity.Account{}, refusedLogin()
	}
	if err := p.Journal.Record(ctx, f); err != nil {
		return identity.Account{}, err
	}
	for _, key := range kept.Counted {
		p.TakeBack(ctx, time.Now(), tries.Tally{Limit: tries.Limit{Window: time.Hour}, Key: key})
	}
	return account, nil
}
