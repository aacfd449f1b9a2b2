package identity

import (
	"context"
	"crypto/rand"
	"crypto/subtle"
	"encoding/base64"
	"fmt"
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
	keys, err := s.loginKeys(ctx, []Login{handleLogin(handle)})
	if err != nil {
		return Account{}, err
	}
	r, err := s.c.Accounts.FindAccount(ctx, keys)
	if err != nil {
		return Account{}, fmt.Errorf("finding an account by a user handle: %w", err)
	}
	a, err := s.openAccount(ctx, r)
	if err != nil {
		return Account{}, err
	}
	if subtle.ConstantTimeCompare(a.Handle, handle) != 1 { // the row that led here isn't trusted
		_ = s.c.Vault.Auth().Refuse("account_logins", a.ID, "the user handle of another account leads to it") // logged, and counted
		return Account{}, ErrNotFound
	}
	return a, nil
}
