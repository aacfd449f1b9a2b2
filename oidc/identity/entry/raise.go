package entry

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"time"

	"yizheng.internal/license/party"
	"yizheng.internal/oidc/identity"
	"yizheng.internal/oidc/identity/authenticator"
	"yizheng.internal/oidc/identity/notice"
	"yizheng.internal/oidc/identity/phonecode"
	"yizheng.internal/oidc/identity/registrar"
	"yizheng.internal/oidc/identity/tries"
	"yizheng.internal/signing/journal"
)

// Raising is the part of a Service that is for who is logged in: they raise how well their account is proofed.
type Raising struct{ *Service }

// NewRaising returns the part of s that raises; s may be nil: then nobody is raised.
func NewRaising(s *Service) Raising { return Raising{s} }

// Most returns the highest level to which somebody is raised here, or 0 if nobody is.
func (s Raising) Most() int {
	if s.Service == nil || !s.Proofs() || s.c.Changes == nil {
		return 0
	}
	return s.c.Most
}

// of makes an attempt the owner's own: a code of one session is none in another, and none of a login.
func of(o *authenticator.Owner, a phonecode.Attempt) phonecode.Attempt {
	a.Kind = notice.RaiseCode
	a.Binding += "." + o.Account + "." + o.Session
	return a
}

// Send sends a code to the phone of the owner's account, as [phonecode.Service].Send does. *Error: those of that,
// session_over, stronger_login, and no_phone.
func (s Raising) Send(ctx context.Context, o authenticator.Owner, a phonecode.Attempt) (phonecode.Sent, error) {
	who, err := s.own(ctx, &o)
	if err != nil {
		return phonecode.Sent{}, err
	}
	a = of(&o, a)
	a.Phone = who.Account.Phone
	return s.c.Phones.Send(ctx, a)
}

// Prove uses up a code, as [phonecode.Service].Prove does, and returns the token for Raise.
func (s Raising) Prove(ctx context.Context, o authenticator.Owner, a phonecode.Attempt, code string) (token string, err error) {
	who, err := s.own(ctx, &o)
	if err != nil {
		return "", err
	}
	a = of(&o, a)
	a.Phone = who.Account.Phone
	return s.c.Phones.Prove(ctx, a, code)
}

// own returns the owner of an account, if their session stands.
func (s Raising) own(ctx context.Context, o *authenticator.Owner) (identity.Someone, error) {
	who, err := s.people.Someone(ctx, o.Account)
	if err == nil {
		err = o.Stands(&who.Account)
	}
	if err == nil {
		err = o.IsStrongest(&who.Account, time.Now())
	}
	if err == nil && who.Account.Phone == "" {
		err = &identity.Error{Reason: identity.ReasonNoPhone, Detail: "The account has no phone. Go to a counter with your identity document."}
	}
	return who, err
}

// raiseTries is how often a change is tried when other changes keep coming first.
const raiseTries = 5

// Raise raises how well the owner's account is proofed, as registering would: a proofing adapter confirms that
// name, number and the account's phone, which was proved just now, are one person's. From level 2 on the number is
// theirs from then on. An account that has a number keeps it and its name: it is raised by that number alone. Nothing is ever lowered.
//
// Where the number is somebody's already, that account keeps it and its owner is told; this one stays as it is until
// a counter decides. *Error: name_invalid, code_invalid, code_expired (of the token), too_many_tries, unavailable,
// proofing_unavailable, session_over, stronger_login, no_phone, and not_confirmed, the same whatever doesn't fit.
func (s Raising) Raise(ctx context.Context, o authenticator.Owner, a phonecode.Attempt, token string, who Person) (identity.Account, error) {
	if s.Most() == 0 {
		return identity.Account{}, notConfirmed("no_proofing")
	}
	if _, err := s.own(ctx, &o); err != nil {
		return identity.Account{}, err
	}
	v, err := s.visitor(ctx, of(&o, a), token, who, o.Account)
	if err != nil {
		return identity.Account{}, err
	}
	if err := s.confirm(ctx, v); err != nil {
		return identity.Account{}, err
	}
	for try := 1; ; try++ {
		someone, err := s.own(ctx, &o)
		if err != nil {
			return identity.Account{}, err
		}
		if v.raised(&someone) { // by the same form, sent twice
			return someone.Account, nil
		}
		if try == 1 {
			if err := s.c.Phones.Once(ctx, v.phone); err != nil {
				return identity.Account{}, err
			}
		}
		err = s.raise(ctx, v, someone)
		if errors.Is(err, identity.ErrConflict) && try < raiseTries {
			continue
		}
		if err != nil {
			return identity.Account{}, s.refuse(ctx, v, someone.Account, err)
		}
		after, err := s.c.People.Account(ctx, o.Account)
		if err == nil {
			s.c.Notices.Tell(ctx, after, notice.LevelRaised, "", v.attempt.Language, v.attempt.RequestID)
		}
		return after, err
	}
}

// holds reports whether somebody holds the visitor's number today.
func (v *visitor) holds(who *identity.Someone) bool {
	today := party.DateOf(time.Now())
	return slices.ContainsFunc(who.Party.Codes, func(c identity.PartyCode) bool { return c.Code == v.Code && c.Held(today) })
}

// raised reports whether the account was raised with the same number a moment ago.
func (v *visitor) raised(who *identity.Someone) bool {
	p := who.Account.Proofing
	same := v.holds(who) || p.Level < bindsCode && len(who.Party.Codes) == 0
	return same && who.Party.Named(v.Name) && p.Level == v.proofing.Level && p.Method == v.proofing.Method && p.Source == v.proofing.Source &&
		time.Since(p.At) < time.Minute
}

// raise is one try to raise somebody.
func (s Raising) raise(ctx context.Context, v *visitor, who identity.Someone) error {
	bound, err := s.take(ctx, v, &who)
	if err != nil {
		return err
	}
	n, err := s.people.Renew(ctx, who, bound)
	if err != nil {
		return err
	}
	e, err := s.c.Journal.Event(ctx, identity.Did(v.owner, v.action, v.owner, v.attempt.RequestID, journal.ResultOK))
	if err != nil {
		return err
	}
	err = s.people.Wrote(s.c.Changes.ChangePerson(ctx, registrar.Change{Renewal: n, Event: e}), n)
	if errors.Is(err, identity.ErrExists) { // somebody else was quicker, or logs in with that number
		return s.held(ctx, v)
	}
	if err != nil {
		return fmt.Errorf("raising an account: %w", err)
	}
	return nil
}

// Why nobody is raised, for the event: the page says the same of all.
var (
	errOtherName   = &identity.Error{Reason: "name_differs"}
	errOtherNumber = &identity.Error{Reason: "number_differs"} // the account has another one
	errNumberHeld  = &identity.Error{Reason: "number_held"}    // somebody else has it
)

// take changes somebody as the adapter's answer lets it, and reports whether the number was bound.
func (s Raising) take(ctx context.Context, v *visitor, who *identity.Someone) (bound bool, err error) {
	a, p, level := &who.Account, &who.Party, v.proofing.Level
	unbound := len(p.Codes) == 0
	switch {
	case a.Phone != v.phone.Phone: // it was changed meanwhile
		return false, errOtherPhone
	case level <= a.Proofing.Level, level < bindsCode && !(unbound && s.c.Unproofed):
		return false, errTooLow
	case !unbound && !v.holds(who):
		return false, errOtherNumber
	case !p.Named(v.Name) && (!unbound || level < bindsCode):
		return false, errOtherName
	case unbound && level >= bindsCode:
		if err := s.bind(ctx, v, who); err != nil {
			return false, err
		}
		bound = true
	}
	a.Source = a.Origin() // it outlives the proofing that said so at first
	a.Proofing, a.PhoneProved = v.proofing, time.Now().UTC()
	return bound, nil
}

// bind gives somebody who has no number the one that was confirmed as theirs, and its name: what the account was
// called before, somebody said.
func (s Raising) bind(ctx context.Context, v *visitor, who *identity.Someone) error {
	_, err := s.people.FindSomeone(ctx, v.Code)
	if err == nil {
		return s.held(ctx, v)
	}
	if errors.Is(err, identity.ErrNotFound) {
		err = s.people.CheckFree(ctx, *who, v.Code)
	}
	if errors.Is(err, identity.ErrExists) { // somebody was quicker, or logs in with that number
		return s.held(ctx, v)
	}
	if err != nil {
		return err
	}
	if !who.Party.Named(v.Name) {
		who.Party.Name, who.Party.FormerNames = v.Name, nil
	}
	who.Party.Codes = []identity.PartyCode{{Code: v.Code, Source: v.proofing.Source}}
	return nil
}

// ofTold is how often somebody is told a day that another account gave their number.
var ofTold = tries.Limit{Name: "raise-told", Most: 1, Window: day}

// held refuses a number that is somebody's, and tells them: who asked has their name, number and a phone that the
// adapter knows as theirs, so most likely it is their second account.
func (s Raising) held(ctx context.Context, v *visitor) error {
	other, err := s.people.FindSomeone(ctx, v.Code)
	switch {
	case errors.Is(err, identity.ErrNotFound):
		return errNumberHeld
	case err == nil && other.Account.ID == v.owner: // the same form in another tab was quicker
		return identity.ErrConflict
	}
	if err != nil {
		return err
	}
	told, err := s.c.Tries.Count(ctx, ofTold, time.Now(), other.Account.ID)
	if err != nil {
		return err
	}
	s.c.Journal.Noted(ctx, identity.Did("", journal.ActionNumberClaim, other.Account.ID, v.attempt.RequestID, journal.ResultOK))
	if !told.Over() {
		s.c.Notices.Tell(ctx, other.Account, notice.NumberClaimed, "", v.attempt.Language, v.attempt.RequestID)
	}
	return errNumberHeld
}
