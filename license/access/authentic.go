package access

import (
	"context"

	"yizheng.internal/license"
	grants "yizheng.internal/license/grant"
	"yizheng.internal/signing"
)

// authenticUses are stores that give out no use code, grant or license that isn't as it
// was written: see [grant.AuthenticStores].
type authenticUses struct {
	Stores
	auth *signing.Authenticator
}

// AuthenticStores returns stores whose records are as they were written here. Access
// records have no authenticators: their bodies are sealed, and name themselves.
func AuthenticStores(s Stores, a *signing.Authenticator) Stores {
	return &authenticUses{s, a}
}

// LoadUse implements [Store].
func (s *authenticUses) LoadUse(ctx context.Context, grant grants.ID, code [32]byte, request string) (Used, error) {
	u, err := s.Stores.LoadUse(ctx, grant, code, request)
	if err == nil {
		err = s.auth.VerifyAlone(u.Code.Facts(), u.Code.Auth)
	}
	if err == nil && u.PutBack {
		err = s.auth.Refuse("use_codes", string(grant), "it was used, and is as it was before that: it was put back")
	}
	if err == nil {
		err = grants.Verify(s.auth, &u.Grant)
	}
	if err == nil {
		err = license.Verify(s.auth, &u.License, &u.Version)
	}
	// Each is as it was written; that they belong together isn't said by that.
	if err == nil && (u.Code.Grant != grant || u.Code.Hash != code || u.Grant.ID != grant ||
		u.Code.License != u.License.ID || u.Code.Version != u.Version.Version) {
		err = s.auth.Refuse("use_codes", string(grant), "it leads to another license, or is of another grant")
	}
	if err != nil {
		return Used{}, err
	}
	return u, nil
}
