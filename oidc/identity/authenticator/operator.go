package authenticator

import (
	"context"
	"slices"
	"time"

	"yizheng.internal/oidc/identity"
	"yizheng.internal/oidc/identity/factor"
	"yizheng.internal/oidc/identity/notice"
	"yizheng.internal/signing/journal"
)

// ChangePhone gives an account another phone, or none, as [identity.Service.ChangePhone] does, and
// tells the one that the account had and the one that it has. The actor is an operator, who has
// seen that the owner asks for it. *Error: those of that method, and phone_unchanged.
func (s *Service) ChangePhone(ctx context.Context, actor, account, phone, language string) (identity.Account, error) {
	a, err := s.c.People.Account(ctx, account)
	if err != nil {
		return identity.Account{}, err
	}
	if to, err := identity.ReadPhone(phone); phone == a.Phone || err == nil && to == a.Phone {
		return a, &identity.Error{Reason: ReasonPhoneUnchanged, Detail: "the account has that phone already"}
	}
	return s.changePhone(ctx, identity.PhoneChange{Actor: actor, Account: account, From: &a.Phone, To: phone}, language)
}

// ReasonPhoneUnchanged says that an account has the phone that it is to be given.
const ReasonPhoneUnchanged identity.Reason = "phone_unchanged"

// ConfirmPhone gives an account a phone, which may be the one that it has, for an owner whom the actor identified in
// person by their document: it is a second factor at once. *Error: those of [identity.Service.ChangePhone].
func (s *Service) ConfirmPhone(ctx context.Context, actor, account, phone, language string) (a identity.Account, err error) {
	err = s.c.Journal.Change(ctx, identity.Did(actor, journal.ActionPhonePresent, account, "", ""), func() (err error) {
		a, err = s.changePhone(ctx, identity.PhoneChange{Actor: actor, Account: account, To: phone, Present: true}, language)
		return err
	})
	return a, err
}

// changePhone changes a phone, and tells both; one that stays is told, too, for it counts for more than before.
func (s *Service) changePhone(ctx context.Context, c identity.PhoneChange, language string) (identity.Account, error) {
	a, former, err := s.c.People.ChangePhone(ctx, c)
	if err != nil {
		return a, err
	}
	if former != a.Phone {
		before := a
		before.Phone = former
		s.c.Notices.Tell(ctx, before, notice.PhoneChanged, "", language, "")
	}
	s.c.Notices.Tell(ctx, a, notice.PhoneBound, "", language, "")
	return a, nil
}

// RemoveFor removes an authenticator of an account, or all if id is empty, for an owner who is at
// the counter without it. All that was logged in to the account ends, offline access too, and the
// owner is told of each. The actor is an operator. *Error: authenticator_unknown.
func (s *Service) RemoveFor(ctx context.Context, actor, account, id, language string) (a identity.Account, err error) {
	var removed []identity.Authenticator
	err = s.c.Journal.Change(ctx, identity.Did(actor, journal.ActionFactorRemove, account, "", ""), func() (err error) {
		a, err = s.c.People.Change(ctx, account, func(a *identity.Account) error {
			removed = slices.Clone(a.Authenticators)
			if id != "" {
				i, err := find(a, id)
				if err != nil {
					return err
				}
				removed = removed[i : i+1]
			}
			if len(removed) == 0 {
				return unknown()
			}
			a.Authenticators = slices.DeleteFunc(a.Authenticators, func(x identity.Authenticator) bool { return id == "" || x.ID == id })
			unlinked(a, removed...)
			a.Secure(time.Now())
			return nil
		})
		return err
	})
	if err != nil {
		return identity.Account{}, err
	}
	for _, x := range removed {
		s.c.Notices.Tell(ctx, a, notice.AuthenticatorRemoved, described(x, language), language, "")
	}
	return a, nil
}

// described is what a message calls an authenticator: what it is, with its owner's name for it.
func described(x identity.Authenticator, language string) string {
	what := kind(factor.Name(x.Factor), language)
	switch {
	case x.Name == "":
		return what
	case what == kinds[factor.Name(x.Factor)][1]:
		return what + " “" + x.Name + "”"
	}
	return what + "“" + x.Name + "”"
}
