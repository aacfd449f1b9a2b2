package identity

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"time"

	"yizheng.internal/license/party"
)

// Someone is a person with their account.
type Someone struct {
	Account Account
	Party   Party
}

// Roster finds people with their accounts. Safe for concurrent use.
type Roster struct{ s *Service }

// NewRoster returns a roster of the people that s knows.
func NewRoster(s *Service) *Roster { return &Roster{s} }

// Someone returns the person of an account, by its id, or ErrNotFound.
func (r *Roster) Someone(ctx context.Context, account string) (Someone, error) {
	a, err := r.s.Account(ctx, account)
	if err != nil {
		return Someone{}, err
	}
	p, err := r.s.Party(ctx, a.Party)
	return Someone{a, p}, err
}

// SomeoneOf returns the person who is a party, by its id, or ErrNotFound if they have no account.
func (r *Roster) SomeoneOf(ctx context.Context, party string) (Someone, error) {
	record, err := r.s.c.Accounts.LoadAccountOf(ctx, party)
	if err != nil {
		return Someone{}, err
	}
	return r.Someone(ctx, record.ID)
}

// FindSomeone returns the person to whom a code leads, or has led, or ErrNotFound. Whether there is
// such a person or not, it makes the same queries and opens as many records.
func (r *Roster) FindSomeone(ctx context.Context, code party.Code) (Someone, error) {
	s := r.s
	keys, err := s.codeKeys(ctx, code)
	if err != nil {
		return Someone{}, err
	}
	d, err := s.aDecoy(ctx)
	if err != nil {
		return Someone{}, err
	}
	found, err := s.c.Parties.FindParty(ctx, keys)
	there := err == nil
	if errors.Is(err, ErrNotFound) {
		found, err = d.party, nil
	}
	if err != nil {
		return Someone{}, fmt.Errorf("finding a party: %w", err)
	}
	p, err := s.openParty(ctx, found)
	if err != nil {
		return Someone{}, r.undecoyed(d, there, err)
	}
	if there && !slices.Contains(p.AllCodes(), code) { // the row that led here isn't trusted
		return Someone{}, s.c.Vault.Auth().Refuse("party_codes", p.ID, "the code of another party leads to it")
	}
	account, err := s.c.Accounts.LoadAccountOf(ctx, p.ID)
	if errors.Is(err, ErrNotFound) {
		there, account, err = false, d.record, nil
	}
	if err != nil {
		return Someone{}, fmt.Errorf("finding an account: %w", err)
	}
	a, err := s.openAccount(ctx, account)
	found.ID = p.ID
	if err == nil { // once more, after the account: its revision counts the party's changes, too
		p, err = s.partyNamed(ctx, a.Party)
	}
	switch {
	case err != nil:
		return Someone{}, r.undecoyed(d, there, err)
	case !there:
		return Someone{}, ErrNotFound
	case a.Party != found.ID:
		return Someone{}, s.c.Vault.Auth().Refuse("account_parties", a.ID, "another party leads to it")
	}
	return Someone{a, p}, nil
}

// CheckFree returns ErrExists if what somebody may type for a code leads to another's account, in whatever
// reading.
func (r *Roster) CheckFree(ctx context.Context, who Someone, code party.Code) error {
	for _, l := range ReadLogin(code.Value) {
		keys, err := r.s.loginKeys(ctx, []Login{l})
		if err != nil {
			return err
		}
		other, err := r.s.c.Accounts.FindAccount(ctx, keys)
		if err == nil && other.Party != who.Party.ID {
			return ErrExists
		}
		if err != nil && !errors.Is(err, ErrNotFound) {
			return fmt.Errorf("finding an account: %w", err)
		}
	}
	return nil
}

// undecoyed forgets a decoy that can't be opened: its key may have been purged meanwhile.
func (r *Roster) undecoyed(d *decoy, there bool, err error) error {
	if !there {
		r.s.decoy.CompareAndSwap(d, nil)
	}
	return err
}

// Renewal has the records of somebody who was changed, for the next revision. Whoever stores them does
// so in one transaction with an event.
type Renewal struct {
	Account AccountRecord
	Party   *PartyRecord // nil: it stays as it is
}

// Renew returns the records of somebody who was read and then changed. The account is written in any
// case: so its revision counts all changes, and two changes at once can't both be stored.
func (r *Roster) Renew(ctx context.Context, who Someone, party bool) (n Renewal, err error) {
	s, now := r.s, time.Now().UTC()
	who.Account.Updated = now
	if n.Account, err = s.sealAccount(ctx, who.Account, who.Party); err != nil {
		return Renewal{}, err
	}
	auth := s.c.Vault.Auth()
	if n.Account.Auth, n.Account.Mark, err = auth.Stamp(n.Account.facts(n.Account.Revision + 1)); err != nil || !party {
		return n, err
	}
	who.Party.Updated = now
	p, err := s.sealParty(ctx, who.Party)
	if err != nil {
		return Renewal{}, err
	}
	n.Party = &p
	p.Auth, p.Mark, err = auth.Stamp(p.facts(p.Revision + 1))
	return n, err
}

// Wrote tells what this node saw of the database that a renewal was stored, unless err isn't nil, and
// returns err.
func (r *Roster) Wrote(err error, n Renewal) error {
	auth := r.s.c.Vault.Auth()
	err = auth.Wrote(err, "accounts", n.Account.ID, n.Account.Revision+1)
	if n.Party != nil {
		err = auth.Wrote(err, "parties", n.Party.ID, n.Party.Revision+1)
	}
	return err
}
