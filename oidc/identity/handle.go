package identity

import (
	"context"
	"crypto/rand"
	"crypto/subtle"
	"encoding/base64"
	"fmt"
	"slices"
)

// HandleSize is how many random bytes a user handle has: as many as may be (WebAuthn section
// 14.6.1), so that it tells nothing and is guessed by nobody.
const HandleSize = 64

// NewHandle returns a user handle for an account's passkeys.
func NewHandle() []byte {
	handle := make([]byte, HandleSize)
	_, _ = rand.Read(handle) // never fails
	return handle
}

// handleLogin is the login by which a user handle is looked up.
func handleLogin(handle []byte) Login {
	return Login{byHandle, base64.RawURLEncoding.EncodeToString(handle)}
}

// AccountOfHandle returns the account with a user handle, or ErrNotFound. Handles are random: so
// its answer and its time tell nothing that whoever has a handle didn't know.
func (s *Service) AccountOfHandle(ctx context.Context, handle []byte) (Account, error) {
	if len(handle) != HandleSize {
		return Account{}, ErrNotFound
	}
	return accountOfLogin(ctx, s, handleLogin(handle), func(a *Account) bool { return subtle.ConstantTimeCompare(a.Handle, handle) == 1 })
}

// OfLink returns the account to which [Authenticator].Link of one of its authenticators leads, or
// ErrNotFound.
func (r *Roster) OfLink(ctx context.Context, link string) (Account, error) {
	return accountOfLogin(ctx, r.s, Login{byLink, link}, func(a *Account) bool {
		return slices.ContainsFunc(a.Authenticators, func(x Authenticator) bool { return link != "" && x.Link == link })
	})
}

// accountOfLogin returns the account to which a login leads that nobody types, or ErrNotFound.
func accountOfLogin(ctx context.Context, s *Service, l Login, has func(*Account) bool) (Account, error) {
	keys, err := s.loginKeys(ctx, []Login{l})
	if err != nil {
		return Account{}, err
	}
	r, err := s.c.Accounts.FindAccount(ctx, keys)
	if err != nil {
		return Account{}, fmt.Errorf("finding an account by a %s: %w", l.Kind, err)
	}
	a, err := s.openAccount(ctx, r)
	if err != nil {
		return Account{}, err
	}
	if !has(&a) { // the row that led here isn't trusted
		_ = s.c.Vault.Auth().Refuse("account_logins", a.ID, "the "+string(l.Kind)+" of another account leads to it") // logged, and counted
		return Account{}, ErrNotFound
	}
	return a, nil
}
