package identity

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"sync/atomic"
	"time"

	"yizheng.internal/license/party"
	"yizheng.internal/signing/journal"
	"yizheng.internal/signing/vault"
)

// Journal records what this package does; [journal.Recorder] implements it. This package records
// no events that a Recorder merges, so it doesn't need the Recorder's Run.
type Journal interface {
	Record(ctx context.Context, f journal.Fact) error
	Noted(ctx context.Context, f journal.Fact)
	Change(ctx context.Context, f journal.Fact, change func() error) error
}

// Config says what a Service works with.
type Config struct {
	Parties   Parties
	Accounts  Accounts
	Vault     *vault.Vault
	Passwords Passwords       // for accounts that are registered with a password
	Proofer   IdentityProofer // nil: nobody can be proofed
	Journal   Journal
}

// Passwords checks and hashes the passwords of new accounts. The package
// [yizheng.internal/oidc/identity/password] implements it. That package has the rules for
// passwords, and it imports this one.
type Passwords interface {
	// New checks a new password of an account and its person, and hashes it. Refusals
	// are *Error.
	New(ctx context.Context, password string, a Account, p Party) (PasswordHash, error)
	// Blank returns a hash that no password has, at the current cost.
	Blank() PasswordHash
}

// Claim is who somebody says they are.
type Claim struct {
	Name  string
	Code  party.Code
	Phone string // E.164; empty: it isn't asked about
}

// IdentityProofer checks a claimed identity against a register.
type IdentityProofer interface {
	// Proof returns the evidence that there is such a person, or an *Error with the reason
	// not_matched. Any other error means that the register doesn't answer.
	Proof(ctx context.Context, c Claim) (Proofing, error)
}

// Service has the rules of who somebody is. Safe for concurrent use.
type Service struct {
	sealer
	c     Config
	decoy atomic.Pointer[decoy]
}

// NewService checks c and returns a Service.
func NewService(c Config) (*Service, error) {
	if c.Parties == nil || c.Accounts == nil || c.Vault == nil || c.Passwords == nil || c.Journal == nil {
		return nil, errors.New("the service of identities needs Parties, Accounts, a Vault, Passwords and a Journal")
	}
	auth := c.Vault.Auth()
	c.Parties, c.Accounts = AuthenticParties(c.Parties, auth), AuthenticAccounts(c.Accounts, auth)
	return &Service{sealer: sealer{c.Vault}, c: c}, nil
}

// Account returns an account by its id, or ErrNotFound.
func (s *Service) Account(ctx context.Context, id string) (Account, error) {
	if !ValidID(id) {
		return Account{}, ErrNotFound
	}
	r, err := s.c.Accounts.LoadAccount(ctx, id)
	if err != nil {
		return Account{}, fmt.Errorf("loading an account: %w", err)
	}
	return s.openAccount(ctx, r)
}

// Party returns a party by its id, or ErrNotFound.
func (s *Service) Party(ctx context.Context, id string) (Party, error) {
	if !ValidID(id) {
		return Party{}, ErrNotFound
	}
	r, err := s.c.Parties.LoadParty(ctx, id)
	if err != nil {
		return Party{}, fmt.Errorf("loading a party: %w", err)
	}
	return s.openParty(ctx, r)
}

// FindAccount returns the account to which a login name, phone or number leads, as typed,
// or ErrNotFound. It is for operators: people who log in must not learn its result.
func (s *Service) FindAccount(ctx context.Context, login string) (Account, error) {
	keys, err := s.loginKeys(ctx, ReadLogin(login))
	if err != nil {
		return Account{}, err
	}
	r, err := s.c.Accounts.FindAccount(ctx, keys)
	if err != nil {
		return Account{}, fmt.Errorf("finding an account: %w", err)
	}
	a, err := s.openAccount(ctx, r)
	if err != nil {
		return Account{}, err
	}
	typed := ReadLogin(login)
	if _, has, err := s.named(ctx, a, true, typed); err != nil {
		return Account{}, err
	} else if !has {
		return Account{}, ErrNotFound
	}
	// A code that is no longer held doesn't lead to the account any more.
	p, err := s.Party(ctx, a.Party)
	if err != nil {
		return Account{}, err
	}
	for _, l := range a.logins(p, party.DateOf(time.Now())) {
		if slices.Contains(typed, l) {
			return a, nil
		}
	}
	return Account{}, ErrNotFound
}

// ListAccounts returns up to limit accounts with an ID greater than after, by ID.
func (s *Service) ListAccounts(ctx context.Context, after string, limit int) ([]Account, error) {
	records, err := s.c.Accounts.ListAccounts(ctx, after, limit)
	if err != nil {
		return nil, fmt.Errorf("listing accounts: %w", err)
	}
	accounts := make([]Account, 0, len(records))
	for _, r := range records {
		a, err := s.openAccount(ctx, r)
		if err != nil {
			return nil, err
		}
		accounts = append(accounts, a)
	}
	return accounts, nil
}

// changeTries is how many times a change is tried when other changes keep coming first.
const changeTries = 5

// Change applies do to a stored account and returns the result. do may return an error; it
// is called again if another change was stored first.
func (s *Service) Change(ctx context.Context, id string, do func(*Account) error) (Account, error) {
	for try := 1; ; try++ {
		a, err := s.Account(ctx, id)
		if err != nil {
			return Account{}, err
		}
		p, err := s.Party(ctx, a.Party)
		if err != nil {
			return Account{}, err
		}
		if err := do(&a); err != nil {
			return Account{}, err
		}
		a.Updated = time.Now().UTC()
		r, err := s.sealAccount(ctx, a, p)
		if err != nil {
			return Account{}, err
		}
		err = s.c.Accounts.UpdateAccount(ctx, r)
		if errors.Is(err, ErrConflict) && try < changeTries {
			continue
		}
		if err != nil {
			return Account{}, fmt.Errorf("changing account %s: %w", id, err)
		}
		a.Revision++
		return a, nil
	}
}
