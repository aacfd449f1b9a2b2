// Package phonecode logs people in with their phone 短信验证码登录: a code is sent to the number that
// somebody gives, and whoever types the code has the phone. Numbers get other owners, so that is
// enough only for an account that is known to have the number still. Otherwise name and number
// decide, see [Service.Identify].
//
// Nobody learns whether a phone has an account, unless they have the phone and can say whose it is:
// codes are sent to every number, and who isn't known gets the same questions and answers.
package phonecode

import (
	"cmp"
	"context"
	"errors"
	"log/slog"
	"net/netip"
	"time"

	"yizheng.internal/oidc/ephemeral"
	"yizheng.internal/oidc/identity"
	"yizheng.internal/oidc/identity/device"
	"yizheng.internal/oidc/identity/notice"
	"yizheng.internal/oidc/identity/onetime"
	"yizheng.internal/oidc/identity/tries"
	"yizheng.internal/signing/journal"
	"yizheng.internal/signing/vault"
)

// Config says what a Service works with. All of it is required but PerDay.
type Config struct {
	People  *identity.Service
	Tries   *tries.Counters
	Codes   *onetime.Codes
	Vault   *vault.Vault
	Sender  notice.Sender
	Journal identity.Journal
	Log     *slog.Logger
	// Prove notes that the person of an account has its phone; see [factor.Service].ProvePhone.
	Prove func(ctx context.Context, account, phone string) error
	// PerDay is how many codes may be sent a day, so that a flood of requests doesn't cost what
	// nobody agreed to; see [Share]. Default: 10,000.
	PerDay int64
}

// DefaultPerDay is the default of [Config].PerDay, and LeastPerDay the smallest.
const (
	DefaultPerDay = 10_000
	LeastPerDay   = 4
)

// Service logs people in with their phone. Safe for concurrent use.
type Service struct {
	c       Config
	devices *device.Devices // that have seen the account's password
	phones  *device.Devices // that have seen a code of its phone
}

// New checks c and returns a Service.
func New(c Config) (*Service, error) {
	if c.People == nil || c.Tries == nil || c.Codes == nil || c.Vault == nil || c.Sender == nil || c.Journal == nil || c.Log == nil || c.Prove == nil {
		return nil, errors.New("logins by phone need People, Tries, Codes, a Vault, a Sender, a Journal, a Log and Prove")
	}
	c.PerDay = max(cmp.Or(c.PerDay, DefaultPerDay), LeastPerDay)
	return &Service{c, device.New(c.Vault), device.NewOfPhones(c.Vault)}, nil
}

// Attempt is a login with a phone, at any of its steps.
type Attempt struct {
	Phone string // as typed
	// Kind is what the message says that the code is for; empty: [notice.PhoneCode]. A code of one kind
	// is none of another.
	Kind      notice.Kind
	Device    string // what [device.Devices].Token gave this browser; empty: nothing
	Address   netip.Addr
	Binding   string // a secret of the browser and its request: another browser can't go on
	Language  string // of the message, such as zh-CN or en
	RequestID string
}

// Sent says that a code was sent, if one could be.
type Sent struct {
	Again time.Duration // how long to wait before the next one
}

// subject is the subject of the codes, in place of an account's id; the kind follows, if there is one.
const subject = "phone"

func (a *Attempt) key(phone string) onetime.Key {
	of := subject
	if a.Kind != "" {
		of += "." + string(a.Kind)
	}
	return onetime.Key{Subject: of, Binding: phone + "." + a.Binding}
}

// asked is a phone that somebody gave.
type asked struct {
	Attempt
	phone string // E.164
	who   identity.Claimant
	known bool // the account knows the device, by its password
	// counted says that the account knows the device in whatever way: so much is enough for codes
	// to be counted apart from strangers'.
	counted bool
}

// ask reads what somebody gave. Of a disabled account it says what it says of none.
func (s *Service) ask(ctx context.Context, a Attempt) (asked, error) {
	phone, err := identity.ReadPhone(a.Phone)
	if err != nil {
		return asked{}, err
	}
	who, err := s.c.People.Claim(ctx, identity.PhoneLogins(phone))
	if err != nil {
		return asked{}, err
	}
	who.There = who.There && !who.Account.Disabled
	known, err := s.devices.Known(ctx, who.Account, a.Device)
	if err != nil {
		return asked{}, err
	}
	seen, err := s.phones.Known(ctx, who.Account, a.Device)
	q := asked{Attempt: a, phone: phone, who: who, known: who.There && known != ""}
	q.counted = q.known || who.There && seen != ""
	return q, err
}

// fact returns a fact about the account, or about nobody.
func (q *asked) fact(action journal.Action, err error) journal.Fact {
	f := identity.Did("", action, "", q.RequestID, identity.ReasonOf(err))
	if q.who.There {
		f.Subject = q.who.Account.ID
	}
	return f
}

// Send sends a code to a phone, whether it has an account or not. If it is called again for the same
// login before Again has passed, it sends nothing. A new code ends the earlier one.
//
// When the day's share of codes is used up, the answer is the same, and no code is right; only a
// device that the account knows is told. *Error: phone_invalid, too_many_codes (Retry is set), code_not_sent,
// unavailable.
func (s *Service) Send(ctx context.Context, a Attempt) (Sent, error) {
	q, err := s.ask(ctx, a)
	if err != nil {
		return Sent{}, err
	}
	of, now := a.key(q.phone), time.Now()
	before, err := s.c.Codes.Load(ctx, of)
	if err != nil && !errors.Is(err, ephemeral.ErrGone) {
		return Sent{}, err
	}
	if age := now.Sub(before.Sent); err == nil && !before.Used && age < onetime.Again {
		return Sent{onetime.Again - age}, nil
	}
	gap, err := s.c.Codes.CountGap(ctx, of, now, before.ID)
	if err != nil {
		return Sent{}, err
	}
	if gap.Over() { // the same form, sent twice at once
		s.c.Tries.TakeBack(context.WithoutCancel(ctx), now, gap)
		return Sent{onetime.Again}, nil
	}
	if err := s.send(ctx, &q, of, now); err != nil {
		s.c.Tries.TakeBack(context.WithoutCancel(ctx), now, gap)
		return Sent{}, err
	}
	return Sent{onetime.Again}, nil
}

// send sends a code within the limits. A stranger's answer takes answerTime, whether one is sent or not.
func (s *Service) send(ctx context.Context, q *asked, of onetime.Key, now time.Time) error {
	counted, spent, err := s.count(ctx, q, now)
	if err == nil && spent && q.counted {
		err = errShare
	}
	if err != nil {
		s.c.Journal.Noted(ctx, q.fact(journal.ActionCodeSend, err))
		return err
	}
	code, err := s.c.Codes.Keep(ctx, of, onetime.Note{Void: spent}, ephemeral.PartOpened, ephemeral.NetworkOf(q.Address))
	if err != nil {
		s.c.Tries.TakeBack(context.WithoutCancel(ctx), now, counted...)
		return err
	}
	if spent {
		s.c.Journal.Noted(ctx, q.fact(journal.ActionCodeSend, errShare))
	} else if err := s.deliver(ctx, q, of, code, counted); err != nil {
		return err
	}
	if q.counted {
		return nil
	}
	return until(ctx, now.Add(answerTime))
}

// answerTime is how long a stranger waits until the page says that a code was sent: gateways take
// less.
const answerTime = time.Second

// until waits for a time, or returns the context's error.
func until(ctx context.Context, at time.Time) error {
	wait := time.NewTimer(time.Until(at))
	defer wait.Stop()
	select {
	case <-wait.C:
		return nil
	case <-ctx.Done():
		return ctx.Err()
	}
}

// errShare refuses a code because the day's share is used up.
var errShare = &identity.Error{Reason: "codes_used_up", Detail: "No more messages can be sent today. Log in with your password."}

// deliver hands the message over to the gateway, also if the person doesn't wait for the page. What the
// gateway surely didn't take isn't counted.
func (s *Service) deliver(ctx context.Context, q *asked, of onetime.Key, code string, counted []tries.Tally) error {
	after := context.WithoutCancel(ctx)
	sending, cancel := context.WithTimeout(after, onetime.Timeout)
	defer cancel()
	err := s.c.Sender.Send(sending, notice.Code(cmp.Or(q.Kind, notice.PhoneCode), q.phone, code, q.Language))
	if err != nil {
		s.c.Codes.Forget(after, of)
		if errors.Is(err, notice.ErrNotTaken) {
			s.c.Tries.TakeBack(after, time.Now(), counted...)
		}
		s.c.Log.WarnContext(ctx, "a login code could not be sent", "error", err)
		err = onetime.NotSent(err)
	}
	s.c.Journal.Noted(ctx, q.fact(journal.ActionCodeSend, err))
	return err
}

// proofLife is how long a proof of the phone is enough to log in on another device: carriers give
// a number to somebody else no earlier than that after they took it back.
const proofLife = 90 * 24 * time.Hour

// The limits of wrong codes for a phone, and of an address, from devices that the account doesn't know.
// Beyond them a right code leads to the question: so nobody is locked out, and guessing codes for a year
// opens nothing.
var (
	ofGuesses      = tries.Limit{Name: "phone-guesses", Most: 30, Window: 30 * day}
	ofWrongAddress = tries.Limit{Name: "phone-wrong", Most: 100, Window: day}
	ofWrongNetwork = tries.Limit{Name: "phone-wrong-network", Most: 300, Window: day}
)

// Check returns the account of a phone if the code is right, and the account is known to have the
// phone still: on a device that it knows, or because that was proved in the last 90 days. Otherwise
// it returns a *Question. The same code from the same browser within a minute gets the same answer,
// because a form may be sent twice. *Error: phone_invalid, and those of [onetime.Codes].Spend.
func (s *Service) Check(ctx context.Context, a Attempt, code string) (identity.Account, error) {
	q, err := s.ask(ctx, a)
	if err != nil {
		return identity.Account{}, err
	}
	spent, over, err := s.spend(ctx, &q, ofGuesses, code)
	if err != nil {
		s.c.Journal.Noted(ctx, q.fact(journal.ActionLoginPhone, err))
		return identity.Account{}, err
	}
	proved := q.who.There && over == nil && time.Since(q.who.Account.PhoneProved) < proofLife
	if !q.known && !proved {
		return identity.Account{}, s.question(ctx, &q, spent)
	}
	if err := s.c.Journal.Record(ctx, q.fact(journal.ActionLoginPhone, nil)); err != nil {
		return identity.Account{}, err
	}
	if q.known { // somebody new with the number doesn't have the device
		s.prove(ctx, &q)
	}
	return q.who.Account, nil
}

// spend uses a code up. over is a limit of wrong codes that is over, if any: then a right one isn't enough.
func (s *Service) spend(ctx context.Context, q *asked, guesses tries.Limit, code string) (spent onetime.Code, over *tries.Tally, err error) {
	now := time.Now()
	var counted []tries.Tally
	if !q.known {
		if counted, err = s.countAddress(ctx, q, now, []tries.Limit{ofWrongAddress}, ofWrongNetwork); err != nil {
			return onetime.Code{}, nil, err
		}
		c, err := s.c.Tries.Count(ctx, guesses, now, q.phone)
		if err != nil {
			return onetime.Code{}, nil, err
		}
		counted = append(counted, c)
		over = worst(counted)
	}
	spent, err = s.c.Codes.SpendTwice(ctx, q.key(q.phone), code)
	if identity.ReasonOf(err) != string(identity.ReasonCodeWrong) { // it was right, or there was none to guess
		s.c.Tries.TakeBack(context.WithoutCancel(ctx), now, counted...)
	}
	return spent, over, err
}

// DeviceToken returns a token for the browser of somebody who has logged in with their phone: codes for
// it are counted apart from strangers'. It eases no guessing, and answers no question. had is what the
// browser has already; see [device.Devices].Token.
func (s *Service) DeviceToken(ctx context.Context, account identity.Account, had string) (string, error) {
	if known, err := s.devices.Known(ctx, account, had); known != "" || err != nil {
		return had, err // that counts, too
	}
	return s.phones.Token(ctx, account, had)
}

// prove notes that the phone is the account's still. If that fails, the login succeeds all the same.
func (s *Service) prove(ctx context.Context, q *asked) {
	if err := s.c.Prove(ctx, q.who.Account.ID, q.phone); err != nil {
		s.c.Log.WarnContext(ctx, "the proof of a phone could not be noted", "account", q.who.Account.ID, "error", err)
	}
}
