// Package entry lets people in who can't log in: they register 注册, or forgot their password
// 忘记密码. Both begin with a code that is sent to a phone. Who somebody is, a proofing adapter decides: the
// operator's population register, a carrier, or whoever else is asked about name, number and phone. What
// can't be decided so is a counter's.
//
// Nobody learns whether somebody has an account, unless it is their own.
package entry

import (
	"context"
	"errors"
	"log/slog"
	"time"

	"yizheng.internal/license/party"
	"yizheng.internal/oidc/identity"
	"yizheng.internal/oidc/identity/notice"
	"yizheng.internal/oidc/identity/password"
	"yizheng.internal/oidc/identity/phonecode"
	"yizheng.internal/oidc/identity/tries"
	"yizheng.internal/signing/journal"
)

// Config says what a Service works with. All of it is required but Proofer.
type Config struct {
	People  *identity.Service
	Phones  *phonecode.Service
	Tickets *password.Tickets
	Tries   *tries.Counters
	Notices *notice.Notices
	Proofer identity.IdentityProofer // nil: nobody recovers, and who registers isn't proofed
	// Prove notes that the person of an account has its phone; see [factor.Service].ProvePhone.
	Prove   func(ctx context.Context, account, phone string) error
	Journal identity.Journal
	Log     *slog.Logger
}

// Service lets people in. Safe for concurrent use.
type Service struct {
	c      Config
	people *identity.Roster
}

// New checks c and returns a Service.
func New(c Config) (*Service, error) {
	if c.People == nil || c.Phones == nil || c.Tickets == nil || c.Tries == nil || c.Notices == nil || c.Prove == nil || c.Journal == nil || c.Log == nil {
		return nil, errors.New("letting people in needs People, Phones, Tickets, Tries, Notices, a Journal and a Log")
	}
	return &Service{c, identity.NewRoster(c.People)}, nil
}

// Proofs reports whether somebody can be proofed here: otherwise nobody recovers an account, and accounts
// that are registered have level 0.
func (s *Service) Proofs() bool { return s.c.Proofer != nil }

// Person is who somebody says they are. Whoever registers where nobody is proofed says only their name.
type Person struct {
	Name string
	Code party.Code
}

// Entered says who was let in.
type Entered struct {
	Account identity.Account
	New     bool   // it was made just now; otherwise it was there, and is recovered
	Ticket  string // with which a password is set; see [password.Tickets]
}

// kind is what the messages say that codes are for.
const kind = notice.EntryCode

// Send sends a code to a phone, as [phonecode.Service].Send does.
func (s *Service) Send(ctx context.Context, a phonecode.Attempt) (phonecode.Sent, error) {
	a.Kind = kind
	return s.c.Phones.Send(ctx, a)
}

// Prove uses up a code, as [phonecode.Service].Prove does, and returns the token for Recover or Register.
func (s *Service) Prove(ctx context.Context, a phonecode.Attempt, code string) (token string, err error) {
	a.Kind = kind
	return s.c.Phones.Prove(ctx, a, code)
}

// Recover lets the owner of an account set another password: a proofing adapter confirms who they are, as
// well as the account's owner was proofed, and they have the account's phone or one that the adapter
// knows as theirs. That one becomes the account's; both phones are told.
//
// *Error: name_invalid, code_invalid, code_expired (of the token), too_many_tries, unavailable, proofing_unavailable,
// and not_confirmed, the same if no such person is known, if there is no account, if it is disabled, and if the evidence
// isn't enough for it: the account is recovered at a counter then.
func (s *Service) Recover(ctx context.Context, a phonecode.Attempt, token string, who Person) (Entered, error) {
	if !s.Proofs() {
		return Entered{}, notConfirmed("no_proofing")
	}
	v, err := s.visitor(ctx, a, token, who)
	if err != nil {
		return Entered{}, err
	}
	if err := s.confirm(ctx, v); err != nil {
		return Entered{}, err
	}
	account, err := s.accountOf(ctx, v)
	if err != nil {
		return Entered{}, s.refuse(ctx, v, identity.Account{}, err)
	}
	return s.recover(ctx, v, account)
}

// Register makes an account for somebody who has a phone. If a proofing adapter confirms name, number and
// phone, the account is that person's, to the adapter's level. If it knows name and number only, or nobody is
// asked, the account has no number, and at most level 1: it changes nothing for whoever has that name or number.
//
// Somebody who has an account recovers it by the same evidence. The phone's former account loses the phone.
//
// *Error: those of Recover, and account_exists: the phone is that of an account of somebody of that name, who
// logs in with it.
func (s *Service) Register(ctx context.Context, a phonecode.Attempt, token string, who Person) (Entered, error) {
	v, err := s.visitor(ctx, a, token, who)
	if err != nil {
		return Entered{}, err
	}
	v.registers = true
	v.proofing = identity.Proofing{Method: MethodSelf, Source: "self", At: time.Now().UTC().Truncate(time.Second)}
	if s.Proofs() {
		if err := s.confirm(ctx, v); err != nil {
			return Entered{}, err
		}
	}
	if v.proofing.Level < bindsCode {
		return s.registerUnbound(ctx, v)
	}
	account, err := s.accountOf(ctx, v)
	switch {
	case err == nil:
		return s.recover(ctx, v, account)
	case !errors.Is(err, identity.ErrNotFound):
		return Entered{}, s.refuse(ctx, v, identity.Account{}, err)
	}
	return s.open(ctx, v, identity.Registration{Name: v.Name, Code: v.Code})
}

// MethodSelf is the method of a proofing of level 0: somebody said who they are.
const MethodSelf = "self"

// bindsCode is the level from which on a number is bound to an account: below it nobody has said that
// whoever asks is that person.
const bindsCode = 2

// recover gives the owner of an account a ticket, and the account the phone.
func (s *Service) recover(ctx context.Context, v *visitor, account identity.Account) (Entered, error) {
	switch {
	case account.Disabled:
		return Entered{}, s.refuse(ctx, v, account, errDisabled)
	case v.proofing.Level < account.Proofing.Level:
		return Entered{}, s.refuse(ctx, v, account, errTooLow)
	case account.Phone != v.phone.Phone && !v.proofing.Phone:
		return Entered{}, s.refuse(ctx, v, account, errOtherPhone)
	}
	if err := s.once(ctx, v, account); err != nil {
		return Entered{}, err
	}
	if account.Phone != v.phone.Phone {
		var err error
		if account, err = s.givePhone(ctx, v, account); err != nil {
			return Entered{}, err
		}
	}
	s.prove(ctx, v, account)
	ticket := func() (string, error) { return s.c.Tickets.RecoveryTicket(ctx, account.ID, v.attempt.RequestID) }
	if account.Password.IsZero() && time.Since(account.Created) < password.TicketLife { // they registered just now, by the same form
		ticket = func() (string, error) { return s.c.Tickets.SetupTicket(ctx, account.ID, account.ID) }
	}
	text, err := ticket()
	return Entered{Account: account, Ticket: text}, err
}

// prove notes that the account's owner has its phone. If that fails, they are let in all the same.
func (s *Service) prove(ctx context.Context, v *visitor, account identity.Account) {
	if err := s.c.Prove(ctx, account.ID, v.phone.Phone); err != nil {
		s.c.Log.WarnContext(ctx, "the proof of a phone could not be noted", "account", account.ID, "error", err)
	}
}

// givePhone gives an account the phone that its owner has now.
func (s *Service) givePhone(ctx context.Context, v *visitor, account identity.Account) (identity.Account, error) {
	if err := s.takePhone(ctx, v); err != nil {
		return account, err
	}
	changed, former, err := s.c.People.ChangePhone(ctx, account.ID, account.ID, v.phone.Phone)
	if err != nil {
		return account, err
	}
	if former != "" {
		old := changed
		old.Phone = former
		s.c.Notices.Tell(ctx, old, notice.PhoneChanged, "", v.attempt.Language, v.attempt.RequestID)
	}
	s.c.Notices.Tell(ctx, changed, notice.PhoneBound, "", v.attempt.Language, v.attempt.RequestID)
	return changed, nil
}

// takePhone takes the phone from the account that has it: carriers gave its number to somebody else.
func (s *Service) takePhone(ctx context.Context, v *visitor) error {
	owner, err := s.c.People.Claim(ctx, identity.PhoneLogins(v.phone.Phone))
	if err != nil || !owner.There {
		return err
	}
	_, _, err = s.c.People.ChangePhone(ctx, "", owner.Account.ID, "")
	return err
}

// registerUnbound makes an account without a number, or recovers one that has none either.
func (s *Service) registerUnbound(ctx context.Context, v *visitor) (Entered, error) {
	owner, err := s.c.People.Claim(ctx, identity.PhoneLogins(v.phone.Phone))
	if err != nil {
		return Entered{}, err
	}
	if owner.There && owner.Party.Named(v.Name) && !owner.Account.Disabled {
		if len(owner.Party.Codes) > 0 || owner.Account.Proofing.Level > v.proofing.Level {
			return Entered{}, s.refuse(ctx, v, owner.Account, &identity.Error{Reason: identity.ReasonAccountExists, Detail: "You have an account. Log in with a code that is sent to your phone."})
		}
		return s.recover(ctx, v, owner.Account)
	}
	return s.open(ctx, v, identity.Registration{Name: v.Name, NoCode: true})
}

// open makes an account. It takes the phone from its former account first, when all else is sure.
func (s *Service) open(ctx context.Context, v *visitor, r identity.Registration) (Entered, error) {
	r.Phone, r.RequestID, r.Proofing = v.phone.Phone, v.attempt.RequestID, &v.proofing
	r, err := r.Checked()
	if err != nil {
		return Entered{}, err
	}
	if err := s.once(ctx, v, identity.Account{}); err != nil {
		return Entered{}, err
	}
	if err := s.takePhone(ctx, v); err != nil {
		return Entered{}, err
	}
	account, _, err := s.c.People.Register(ctx, r)
	if e, ok := errors.AsType[*identity.Error](err); ok {
		return Entered{}, s.refuse(ctx, v, identity.Account{}, e) // such as a number that is another's login
	}
	if err != nil {
		return Entered{}, err
	}
	s.prove(ctx, v, account)
	ticket, err := s.c.Tickets.SetupTicket(ctx, account.ID, account.ID)
	return Entered{account, true, ticket}, err
}

// once uses the token up, and records that somebody was let in.
func (s *Service) once(ctx context.Context, v *visitor, account identity.Account) error {
	if err := s.c.Phones.Once(ctx, v.phone); err != nil {
		return err
	}
	return s.c.Journal.Record(ctx, identity.Did("", journal.ActionEnter, account.ID, v.attempt.RequestID, journal.ResultOK))
}

// proofTimeout is how long an adapter is waited for.
const proofTimeout = 15 * time.Second
