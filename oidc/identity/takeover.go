package identity

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"time"

	"yizheng.internal/license/party"
)

// Takeover describes an account of another system that is to be an account here.
type Takeover struct {
	// Registration passed [Registration.Checked]. Its Password is empty, and its Proofing is set:
	// the other system's. A zero time of that says that it isn't known.
	Registration
	// Hash returns the password as the other system hashed it; nil: there is none. It is called
	// once all else is known to be right, because it may be slow.
	Hash func(context.Context) (PasswordHash, error)
}

// Newcomer has the records of an account that isn't stored yet. Whoever stores them does so in one
// transaction with an event.
type Newcomer struct {
	Account AccountRecord
	Party   *PartyRecord // nil: the person is known as a party already
}

// TakeOver checks an account of another system like Register does, and returns the account's id and
// the records of which it is made. If the person has an account already, it returns that one's id
// and nil, and nothing of that account changes. Refusals are *Error.
//
// Another process may be quicker. Then the records can't be stored, and TakeOver is asked again.
func (s *Service) TakeOver(ctx context.Context, t Takeover) (account string, n *Newcomer, err error) {
	if t.Registration, err = t.Registration.Checked(); err != nil {
		return "", nil, err
	}
	if t.Proofing == nil || t.Password != "" {
		return "", nil, errors.New("taking over an account: it needs a proofing, and no password")
	}
	now := time.Now().UTC()
	p, err := s.findParty(ctx, t.Registration)
	found := err == nil
	switch {
	case errors.Is(err, ErrNotFound):
		p = t.party(t.Proofing.Source, now)
		p.ID = NewOrderedID()
	case err != nil:
		return "", nil, finding(err)
	default:
		if account, err = s.accountOf(ctx, p); !errors.Is(err, ErrNotFound) {
			return account, nil, err
		}
	}
	a := Account{ID: NewOrderedID(), Party: p.ID, LoginName: t.LoginName, Phone: t.Phone, Source: t.Proofing.Source, Proofing: *t.Proofing, Created: now, Updated: now, Revision: 1}
	if err := s.checkFree(ctx, a, p); err != nil {
		return "", nil, err
	}
	if t.Hash != nil {
		if a.Password, err = t.Hash(ctx); err != nil {
			return "", nil, err
		}
	}
	n, err = s.newcomer(ctx, a, p, found)
	return a.ID, n, err
}

// newcomer makes the records of an account, and of its party unless that was found.
func (s *Service) newcomer(ctx context.Context, a Account, p Party, found bool) (n *Newcomer, err error) {
	n = &Newcomer{}
	if n.Account, err = s.sealAccount(ctx, a, p); err != nil {
		return nil, err
	}
	if n.Account.Auth, n.Account.Mark, err = s.c.Vault.Auth().Stamp(n.Account.facts(1)); err != nil || found {
		return n, err
	}
	r, err := s.sealParty(ctx, p)
	if err != nil {
		return nil, err
	}
	n.Party = &r
	r.Auth, r.Mark, err = s.c.Vault.Auth().Stamp(r.facts(1))
	return n, err
}

// accountOf returns the id of a person's account, if one of the codes leads to it, or ErrNotFound. An
// account to which none leads any more is found when another one is made.
func (s *Service) accountOf(ctx context.Context, p Party) (string, error) {
	for _, l := range (Account{}).logins(p, party.DateOf(time.Now())) {
		keys, err := s.loginKeys(ctx, []Login{l})
		if err != nil {
			return "", err
		}
		r, err := s.c.Accounts.FindAccount(ctx, keys)
		if errors.Is(err, ErrNotFound) || err == nil && r.Party != p.ID {
			continue
		}
		if err != nil {
			return "", fmt.Errorf("finding an account: %w", err)
		}
		a, err := s.openAccount(ctx, r)
		if err != nil || slices.Contains(a.logins(p, party.DateOf(time.Now())), l) {
			return a.ID, err
		}
	}
	return "", ErrNotFound
}
