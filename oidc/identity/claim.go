package identity

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"time"
)

// Claimant is the account that somebody claims to have, and its party. If there is no such account,
// There is false and both are the decoy's.
type Claimant struct {
	Account Account
	Party   Party
	There   bool
}

// Claim finds the account of a login; logins are the readings of what was typed. Whether there
// is an account or not, it makes the same queries and opens the same number of records.
func (s *Service) Claim(ctx context.Context, logins []Login) (Claimant, error) {
	keys, err := s.loginKeys(ctx, logins)
	if err != nil {
		return Claimant{}, err
	}
	d, err := s.aDecoy(ctx)
	if err != nil {
		return Claimant{}, err
	}
	r, err := s.c.Accounts.FindAccount(ctx, keys)
	there := err == nil
	if errors.Is(err, ErrNotFound) {
		r, err = d.record, nil
	}
	if err != nil {
		return Claimant{}, fmt.Errorf("finding an account: %w", err)
	}
	account, err := s.openAccount(ctx, r)
	var p Party
	if err == nil {
		var named bool
		if p, named, err = s.named(ctx, account, there, logins); err == nil && there && !named {
			there = false
			if account, err = s.openAccount(ctx, d.record); err == nil {
				p, err = s.openParty(ctx, d.party)
			}
		}
	}
	if err != nil && !there { // the decoy's key may have been purged meanwhile
		s.decoy.CompareAndSwap(d, nil)
	}
	return Claimant{account, p, there}, err
}

// decoy is an account that nobody has. It is sealed like other accounts, so that an unknown
// login costs the same as a known one.
type decoy struct {
	record AccountRecord
	party  PartyRecord
}

// aDecoy returns the decoy, and makes it the first time.
func (s *Service) aDecoy(ctx context.Context) (*decoy, error) {
	if d := s.decoy.Load(); d != nil {
		return d, nil
	}
	now := time.Now().UTC()
	d := &decoy{}
	a := Account{
		ID: NewID(), Party: NewID(), LoginName: "nobody.at.all", Phone: "+8610000000000", Password: s.c.Passwords.Blank(),
		Proofing: Proofing{Level: 2, Method: "register_match", Source: "decoy", At: now}, Created: now, Updated: now, Revision: 1,
	}
	var err error
	if d.record, err = s.sealAccount(ctx, a, Party{}); err != nil {
		return nil, err
	}
	p := Party{ID: a.Party, Kind: Person, Name: "nobody", Codes: []PartyCode{{Source: "decoy"}}, Created: now, Updated: now, Revision: 1}
	if d.party, err = s.sealParty(ctx, p); err != nil {
		return nil, err
	}
	s.decoy.Store(d)
	return d, nil
}

// named returns an account's party, and whether it has one of the logins that led to it, because the row
// that led to it isn't trusted. Codes that are no longer held count, too. For a login that
// leads to nobody, named opens the decoy's party, so that it costs the same.
func (s *Service) named(ctx context.Context, a Account, there bool, logins []Login) (Party, bool, error) {
	has := func(kind LoginKind, value string) bool {
		return value != "" && slices.Contains(logins, Login{kind, value})
	}
	p, err := s.partyNamed(ctx, a.Party)
	if err != nil {
		return Party{}, false, err
	}
	found := has(byName, a.LoginName) || has(byPhone, a.Phone) ||
		slices.ContainsFunc(p.Codes, func(c PartyCode) bool { return has(byCode, foldCode(c.Value)) })
	if there && !found {
		_ = s.c.Vault.Auth().Refuse("account_logins", a.ID, "the login of another account leads to it") // logged, and counted
	}
	return p, there && found, nil
}

// partyNamed opens a party, or the decoy's if there is none.
func (s *Service) partyNamed(ctx context.Context, id string) (Party, error) {
	r, err := s.c.Parties.LoadParty(ctx, id)
	if errors.Is(err, ErrNotFound) {
		var d *decoy
		if d, err = s.aDecoy(ctx); err == nil {
			r = d.party
		}
	}
	if err != nil {
		return Party{}, fmt.Errorf("loading a party: %w", err)
	}
	return s.openParty(ctx, r)
}
