package factor

import (
	"context"
	"errors"
	"time"

	"yizheng.internal/oidc/identity"
	"yizheng.internal/oidc/identity/notice"
	"yizheng.internal/signing/journal"
)

// PhoneCode is the factor of a one-time code that is sent to the account's phone.
const PhoneCode Name = "sms"

// byPhone defines the code as a factor. The phone is in a field of the account and not in its
// list of authenticators, because accounts had phones before there were others.
var byPhone = Definition{
	Name: PhoneCode, Methods: []string{"sms"}, Kind: Held, Strength: oneFactor, Phone: true,
	Of: func(a identity.Account) []identity.Authenticator {
		if a.Phone == "" {
			return nil
		}
		return []identity.Authenticator{{Factor: string(PhoneCode), Name: a.MaskedPhone()}}
	},
	Tries: map[journal.Action]string{journal.ActionCodeCheck: "code"},
	Sends: journal.ActionCodeSend, Channel: "sms",
	prover: func(t *tools) Factor { return &phoneCodes{t} },
}

// phoneCodes proves that somebody holds the account's phone.
type phoneCodes struct{ *tools }

// Begin implements [Factor]: it sends a one-time code of six digits, bound to the login, to the
// account's phone. If it is called again before Again has passed, it sends nothing and returns
// the same phone. A new code ends the earlier one. *Error: no_phone, too_many_codes (Retry is
// set), no_second_factor, code_not_sent, unavailable; login_refused for a disabled account.
func (p *phoneCodes) Begin(ctx context.Context, l Login) (Begun, error) {
	if p.Sender == nil {
		return Begun{}, &identity.Error{Reason: identity.ReasonNoSecondFactor, Detail: "No messages can be sent here, so there is no second factor."}
	}
	a, err := p.People.Account(ctx, l.Account)
	switch {
	case err != nil:
		return Begun{}, err
	case a.Disabled:
		return Begun{}, refusedLogin()
	case a.Phone == "":
		return Begun{}, &identity.Error{Reason: identity.ReasonNoPhone, Detail: "The account has no phone. It can be added at a counter."}
	}
	of := codeKeyOf{l.Account, l.Binding}
	now := time.Now()
	before, _, err := p.codes.load(ctx, of)
	if err != nil && !errors.Is(err, identity.ErrGone) {
		return Begun{}, err
	}
	sent := Begun{Phone: a.MaskedPhone(), Again: codeAgain}
	if age := now.Sub(before.Sent); err == nil && !before.Used && age < codeAgain {
		return Begun{Phone: sent.Phone, Again: codeAgain - age}, nil
	}
	// Of simultaneous requests one sends a code.
	gap, err := p.count(ctx, ofCodeGap, now, l.Account, l.Binding, before.ID)
	if err != nil {
		return Begun{}, err
	}
	if gap.over() {
		p.takeBack(ctx, now, gap)
		return sent, nil
	}
	if err := p.send(ctx, a, of, l.Language, l.RequestID); err != nil {
		p.takeBack(ctx, now, gap)
		return Begun{}, err
	}
	return sent, nil
}

// send sends a code within the account's limits.
func (p *phoneCodes) send(ctx context.Context, a identity.Account, of codeKeyOf, language, requestID string) error {
	f := identity.Did(a.ID, journal.ActionCodeSend, a.ID, requestID, "")
	counted, err := p.codes.countSent(ctx, a.ID, time.Now())
	if err != nil {
		f.Result = identity.ReasonOf(err)
		p.Journal.Noted(ctx, f)
		return err
	}
	code, err := p.codes.keep(ctx, of, codeRecord{}, identity.PartReserved, a.ID)
	if err != nil {
		p.takeBack(ctx, time.Now(), counted...)
		return err
	}
	sending, cancel := context.WithTimeout(ctx, codeTimeout)
	defer cancel()
	if err = p.Sender.Send(sending, notice.Code(notice.LoginCode, a.Phone, code, language)); err != nil {
		err = &identity.Error{Reason: "code_not_sent", Detail: "The message could not be sent. Try again in a moment.", Err: err, Retry: 10 * time.Second}
		p.codes.forget(ctx, of) // if the message arrives after all, its code is not valid
	}
	f.Result = identity.ReasonOf(err)
	p.Journal.Noted(ctx, f)
	return err
}

// Finish implements [Factor]: it checks a code for the account and the login. A code allows five
// tries within five minutes, and one use. *Error: code_wrong, code_expired (also if the code was
// used or lost), too_many_tries (Retry is set: another code is needed), unavailable.
func (p *phoneCodes) Finish(ctx context.Context, l Login, code string) (Proof, error) {
	_, err := p.codes.spend(ctx, codeKeyOf{l.Account, l.Binding}, code)
	if err := p.proved(ctx, l, journal.ActionCodeCheck, err); err != nil {
		return Proof{}, err
	}
	return Proof{Factor: PhoneCode}, nil
}
