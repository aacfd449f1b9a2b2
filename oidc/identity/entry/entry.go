// Package entry lets people in who can't log in: they register 注册, or forgot their password
// 忘记密码. Who has an account and is logged in raises by the same evidence how well it is proofed 提升实名等级. All begin with a code that is sent to a phone. Who somebody is, a proofing adapter decides: the
// operator's population register, a carrier, or whoever else is asked about name, number and phone. What
// can't be decided so is a counter's.
//
// Nobody learns whether somebody has an account, unless it is their own or they have its phone.
package entry

import (
	"cmp"
	"context"
	"errors"
	"log/slog"
	"time"

	"yizheng.internal/license/party"
	"yizheng.internal/oidc/identity"
	"yizheng.internal/oidc/identity/notice"
	"yizheng.internal/oidc/identity/password"
	"yizheng.internal/oidc/identity/phonecode"
	"yizheng.internal/oidc/identity/registrar"
	"yizheng.internal/oidc/identity/tries"
	"yizheng.internal/signing/journal"
)

// Config says what a Service works with. All of it is required but Proofer, Most and Changes.
type Config struct {
	People  *identity.Service
	Phones  *phonecode.Service
	Tickets *password.Tickets
	Tries   *tries.Counters
	Notices *notice.Notices
	Proofer identity.IdentityProofer // nil: nobody recovers or is raised, and who registers isn't proofed
	Most    int                      // the highest level that Proofer confirms; default 2
	// Unproofed lets people register whose number nobody confirmed as theirs.
	Unproofed bool
	// Prove notes that the person of an account has its phone; see [factor.Service].ProvePhone.
	Prove   func(ctx context.Context, account, phone string) error
	Changes registrar.Store // nil: nobody raises how well their account is proofed
	Journal Journal
	Log     *slog.Logger
}

// Journal makes and records events; [journal.Recorder] does.
type Journal interface {
	identity.Journal
	Event(ctx context.Context, f journal.Fact) (journal.Event, error)
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
	c.Most = cmp.Or(c.Most, bindsCode)
	return &Service{c, identity.NewRoster(c.People)}, nil
}

// Proofs reports whether somebody can be proofed here: otherwise nobody recovers an account, and accounts
// that are registered have level 0.
func (s *Service) Proofs() bool { return s.c.Proofer != nil }

// Registers reports whether somebody can register here.
func (s *Service) Registers() bool { return s.c.Proofer != nil || s.c.Unproofed }

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
	a.Kind = kind
	v, err := s.visitor(ctx, a, token, who, "")
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
// phone, the account is that person's, to the adapter's level, and the phone's former account loses the phone. If it
// knows name and number only, or nobody is asked, and the operator allows it, the account has no number, and at most level 1:
// it changes nothing for whoever has that name or number, and the phone isn't taken from an account that keeps it.
//
// Somebody who has an account recovers it by the same evidence. *Error: those of Recover, account_exists (the phone is
// that of an account of somebody of that name, who logs in with it), and phone_kept (it is somebody else's, as far as is known).
func (s *Service) Register(ctx context.Context, a phonecode.Attempt, token string, who Person) (Entered, error) {
	a.Kind = kind
	v, err := s.visitor(ctx, a, token, who, "")
	if err != nil {
		return Entered{}, err
	}
	v.proofing = identity.Proofing{Method: identity.MethodSelf, Source: "self", At: time.Now().UTC().Truncate(time.Second)}
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
	return s.registerBound(ctx, v)
}

// bindsCode is the level from which on a number is bound to an account: below it nobody has said that
// whoever asks is that person.
const bindsCode = 2

// recover gives the owner of an account the phone, and a ticket.
func (s *Service) recover(ctx context.Context, v *visitor, account identity.Account) (Entered, error) {
	switch {
	case account.Disabled:
		return Entered{}, s.refuse(ctx, v, account, errDisabled)
	case v.proofing.Level < account.Proofing.Level:
		return Entered{}, s.refuse(ctx, v, account, errTooLow)
	case account.Phone != v.phone.Phone && !v.proofing.Phone:
		return Entered{}, s.refuse(ctx, v, account, errOtherPhone)
	case account.LeftPhone(v.phone.Phone, time.Now()):
		return Entered{}, s.refuse(ctx, v, account, errLeftPhone)
	}
	if err := s.c.Phones.Once(ctx, v.phone); err != nil {
		return Entered{}, err
	}
	return s.letIn(ctx, v, Entered{Account: account})
}

// letIn gives an account the phone that its owner has now, which no longer waits if they were seen, and its owner a ticket.
func (s *Service) letIn(ctx context.Context, v *visitor, in Entered) (Entered, error) {
	var err error
	if in.Account.Phone != v.phone.Phone || v.proofing.Present && in.Account.Waits(time.Now()) {
		if in.Account, err = s.givePhone(ctx, v, in.Account); err != nil {
			return Entered{}, s.refuse(ctx, v, in.Account, err)
		}
	}
	id := in.Account.ID
	if err := s.c.Prove(ctx, id, v.phone.Phone); err != nil { // they are let in all the same
		s.c.Log.WarnContext(ctx, "the proof of a phone could not be noted", "account", id, "error", err)
	}
	if err := s.c.Journal.Record(ctx, identity.Did("", journal.ActionEnter, id, v.attempt.RequestID, journal.ResultOK)); err != nil {
		return Entered{}, err
	}
	if in.Ticket, err = s.c.Tickets.RecoveryTicket(ctx, id, v.phone.Phone, v.proofing.Present, v.attempt.RequestID); err != nil {
		return Entered{}, s.refuse(ctx, v, in.Account, err)
	}
	return in, nil
}

// givePhone gives an account the phone, after its former account has lost it.
func (s *Service) givePhone(ctx context.Context, v *visitor, account identity.Account) (identity.Account, error) {
	owner, err := s.c.People.Claim(ctx, identity.PhoneLogins(v.phone.Phone))
	if err == nil && owner.There && owner.Account.ID != account.ID {
		err = s.takePhone(ctx, v, owner.Account.ID)
	}
	if err != nil {
		return account, err
	}
	changed, former, err := s.c.People.ChangePhone(ctx, identity.PhoneChange{
		Account: account.ID, From: &account.Phone, To: v.phone.Phone, Waits: !v.proofing.Present, Present: v.proofing.Present, Actor: account.ID, RequestID: v.attempt.RequestID,
	})
	if identity.ReasonOf(err) == string(identity.ReasonPhoneChanged) {
		if now, e := s.c.People.Account(ctx, account.ID); e == nil && now.Phone == v.phone.Phone { // by the same form, sent twice at once
			return now, nil
		}
	}
	if err != nil || former == changed.Phone {
		return changed, err
	}
	s.tellFormer(ctx, v, changed, former)
	s.c.Notices.Tell(ctx, changed, notice.PhoneBound, "", v.attempt.Language, v.attempt.RequestID)
	return changed, nil
}

// takePhone takes the phone from an account that has it: carriers gave its number to somebody else.
func (s *Service) takePhone(ctx context.Context, v *visitor, account string) error {
	changed, former, err := s.c.People.ChangePhone(ctx, identity.PhoneChange{Account: account, From: &v.phone.Phone, RequestID: v.attempt.RequestID})
	if identity.ReasonOf(err) == string(identity.ReasonPhoneChanged) {
		return nil // it hasn't that phone any more
	}
	if err == nil {
		s.tellFormer(ctx, v, changed, former)
	}
	return err
}

// tellFormer tells a phone that an account doesn't have it any more. If its number is somebody else's by now, they are told.
func (s *Service) tellFormer(ctx context.Context, v *visitor, account identity.Account, former string) {
	account.Phone = former // without one, nobody is told
	s.c.Notices.Tell(ctx, account, notice.PhoneChanged, "", v.attempt.Language, v.attempt.RequestID)
}

// registerBound makes the account of a person whose number the adapter confirmed. It has no phone at first: so the
// phone's former account loses nothing if this one can't be made.
func (s *Service) registerBound(ctx context.Context, v *visitor) (Entered, error) {
	if err := s.c.Phones.Once(ctx, v.phone); err != nil {
		return Entered{}, err
	}
	account, _, err := s.c.People.Register(ctx, identity.Registration{Name: v.Name, Code: v.Code, Proofing: &v.proofing, RequestID: v.attempt.RequestID})
	if identity.ReasonOf(err) == string(identity.ReasonAccountExists) { // the same form, sent twice at once, came first
		if account, err = s.accountOf(ctx, v); err == nil {
			return s.recover(ctx, v, account)
		}
	}
	if err != nil {
		return Entered{}, s.refuse(ctx, v, identity.Account{}, err)
	}
	return s.letIn(ctx, v, Entered{Account: account, New: true})
}

// registerUnbound makes an account without a number, or recovers one that has none either.
func (s *Service) registerUnbound(ctx context.Context, v *visitor) (Entered, error) {
	if !s.c.Unproofed {
		return Entered{}, s.refuse(ctx, v, identity.Account{}, errTooLow)
	}
	owner, err := s.c.People.Claim(ctx, identity.PhoneLogins(v.phone.Phone))
	if err != nil {
		return Entered{}, err
	}
	if owner.There && (owner.Account.KeepsPhone(time.Now()) || owner.Account.Disabled) {
		return s.ownPhone(ctx, v, owner)
	}
	if err := s.c.Phones.Once(ctx, v.phone); err != nil {
		return Entered{}, err
	}
	if owner.There { // no other one: that may have been made by the same form, sent twice at once
		if err := s.takePhone(ctx, v, owner.Account.ID); err != nil {
			return Entered{}, err
		}
	}
	account, _, err := s.c.People.Register(ctx, identity.Registration{
		Name: v.Name, NoCode: true, Phone: v.phone.Phone, Proofing: &v.proofing, RequestID: v.attempt.RequestID,
	})
	if identity.ReasonOf(err) == reasonPhoneTaken { // the same form, sent twice at once, came first
		if owner, e := s.c.People.Claim(ctx, identity.PhoneLogins(v.phone.Phone)); e == nil && owner.There {
			return s.ownPhone(ctx, v, owner)
		}
	}
	if err != nil {
		return Entered{}, s.refuse(ctx, v, identity.Account{}, err)
	}
	return s.letIn(ctx, v, Entered{Account: account, New: true})
}

// reasonPhoneTaken is a reason of [identity.Service].Register.
const reasonPhoneTaken = "phone_taken"

// ownPhone lets somebody in whose phone an account keeps, if the account is theirs and has no more than they can show.
// They have the phone, so they may know of the account.
func (s *Service) ownPhone(ctx context.Context, v *visitor, owner identity.Claimant) (Entered, error) {
	switch {
	case owner.Account.Disabled || !owner.Party.Named(v.Name):
		return Entered{}, s.refuse(ctx, v, owner.Account, errPhoneKept)
	case len(owner.Party.Codes) > 0 || owner.Account.Proofing.Level > v.proofing.Level:
		return Entered{}, s.refuse(ctx, v, owner.Account, errAccountExists)
	}
	return s.recover(ctx, v, owner.Account)
}

// proofTimeout is how long an adapter is waited for.
const proofTimeout = 15 * time.Second
