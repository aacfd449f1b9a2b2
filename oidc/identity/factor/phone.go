package factor

import (
	"context"
	"errors"
	"time"

	"yizheng.internal/oidc/ephemeral"
	"yizheng.internal/oidc/identity"
	"yizheng.internal/oidc/identity/notice"
	"yizheng.internal/oidc/identity/onetime"
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
	Tries: map[journal.Action]string{journal.ActionCodeCheck: "code", journal.ActionLoginPhone: "phone", journal.ActionLoginPerson: "person"},
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
	of := onetime.Key{Subject: l.Account, Binding: l.Binding}
	now := time.Now()
	before, err := p.codes.Load(ctx, of)
	if err != nil && !errors.Is(err, ephemeral.ErrGone) {
		return Begun{}, err
	}
	sent := Begun{Phone: a.MaskedPhone(), Again: onetime.Again}
	if age := now.Sub(before.Sent); err == nil && !before.Used && age < onetime.Again {
		return Begun{Phone: sent.Phone, Again: onetime.Again - age}, nil
	}
	// Of simultaneous requests one sends a code.
	gap, err := p.codes.CountGap(ctx, of, now, before.ID)
	if err != nil {
		return Begun{}, err
	}
	if gap.Over() {
		p.TakeBack(ctx, now, gap)
		return sent, nil
	}
	if err := p.send(ctx, a, of, l.Language, l.RequestID); err != nil {
		p.TakeBack(ctx, now, gap)
		return Begun{}, err
	}
	return sent, nil
}

// send sends a code within the account's limits.
func (p *phoneCodes) send(ctx context.Context, a identity.Account, of onetime.Key, language, requestID string) error {
	f := identity.Did(a.ID, journal.ActionCodeSend, a.ID, requestID, "")
	counted, err := p.codes.CountSent(ctx, time.Now(), a.ID)
	if err != nil {
		f.Result = identity.ReasonOf(err)
		p.Journal.Noted(ctx, f)
		return err
	}
	code, err := p.codes.Keep(ctx, of, onetime.Note{Phone: a.Phone}, ephemeral.PartReserved, a.ID)
	if err != nil {
		p.TakeBack(ctx, time.Now(), counted...)
		return err
	}
	sending, cancel := context.WithTimeout(ctx, onetime.Timeout)
	defer cancel()
	if err = p.Sender.Send(sending, notice.Code(notice.LoginCode, a.Phone, code, language)); err != nil {
		err = onetime.NotSent(err)
		p.codes.Forget(ctx, of) // if the message arrives after all, its code is not valid
	}
	f.Result = identity.ReasonOf(err)
	p.Journal.Noted(ctx, f)
	return err
}

// Finish implements [Factor]: it checks a code for the account and the login. A code allows five
// tries within five minutes, and one use. *Error: code_wrong, code_expired (also if the code was
// used or lost), too_many_tries (Retry is set: another code is needed), unavailable.
func (p *phoneCodes) Finish(ctx context.Context, l Login, code string) (Proof, error) {
	spent, err := p.codes.Spend(ctx, onetime.Key{Subject: l.Account, Binding: l.Binding}, code)
	if err := p.proved(ctx, l, journal.ActionCodeCheck, err); err != nil {
		return Proof{}, err
	}
	// The code came after another factor, so the phone is the person's still.
	if err := p.provePhone(ctx, l.Account, spent.Phone); err != nil {
		p.Log.WarnContext(ctx, "the proof of a phone could not be noted", "account", l.Account, "error", err)
	}
	return Proof{Factor: PhoneCode}, nil
}

// provedAgain is how long after a proof the next one is worth a write.
const provedAgain = 24 * time.Hour

var errPhoneChanged = errors.New("the account has another phone now")

// ProvePhone notes that it was proved just now that the person has the account's phone. It stores
// nothing if that is known from the last day, or if the account has another phone meanwhile.
func (s *Service) ProvePhone(ctx context.Context, account, phone string) error {
	return s.passwords.provePhone(ctx, account, phone)
}

func (t *tools) provePhone(ctx context.Context, account, phone string) error {
	now := time.Now().UTC()
	a, err := t.People.Account(ctx, account)
	if err != nil || a.Phone != phone || now.Sub(a.PhoneProved) < provedAgain {
		return err
	}
	_, err = t.People.Change(ctx, account, func(a *identity.Account) error {
		if a.Phone != phone {
			return errPhoneChanged
		}
		a.PhoneProved = now
		return nil
	})
	if errors.Is(err, errPhoneChanged) {
		return nil
	}
	return err
}
