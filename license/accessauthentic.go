package license

import (
	"context"

	"yizheng.internal/signing"
)

// authenticUses are stores that give out no use code, grant or license that isn't as it
// was written: see AuthenticGrants.
type authenticUses struct {
	AccessStores
	auth *signing.Authenticator
}

// AuthenticUses returns stores whose records are as they were written here. Access
// records have no authenticators: their bodies are sealed, and name themselves.
func AuthenticUses(s AccessStores, a *signing.Authenticator) AccessStores {
	return &authenticUses{s, a}
}

// LoadUse implements [UseStore].
func (s *authenticUses) LoadUse(ctx context.Context, grant GrantID, code [32]byte, request string) (Used, error) {
	u, err := s.AccessStores.LoadUse(ctx, grant, code, request)
	if err == nil {
		err = s.auth.VerifyAlone(u.Code.Facts(), u.Code.Auth)
	}
	if err == nil && u.PutBack {
		err = s.auth.Refuse("use_codes", string(grant), "it was used, and is as it was before that: it was put back")
	}
	if err == nil {
		err = VerifyGrant(s.auth, &u.Grant)
	}
	if err == nil {
		err = Verify(s.auth, &u.License, &u.Version)
	}
	if err != nil {
		return Used{}, err
	}
	return u, nil
}
