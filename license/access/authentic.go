package access

import (
	"context"

	"yizheng.internal/license"
	grants "yizheng.internal/license/grant"
	"yizheng.internal/signing"
)

// authenticUses are stores that return a use code, grant or license only if it is as it was written: see
// [grant.AuthenticStores].
type authenticUses struct {
	Stores
	auth *signing.Authenticator
}

// AuthenticStores returns stores whose LoadUse returns only records that are as they were written. Access records
// have no authenticators: their bodies are sealed, each to the id of its record.
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
		err = s.auth.Refuse("use_codes", string(grant), "it was used, but is stored as unused: somebody put the earlier row back")
	}
	if err == nil {
		err = grants.Verify(s.auth, &u.Grant)
	}
	if err == nil {
		err = license.Verify(s.auth, &u.License, &u.Version)
	}
	// Each record is as it was written. That doesn't show yet that they belong together.
	if err == nil && (u.Code.Grant != grant || u.Code.Hash != code || u.Grant.ID != grant ||
		u.Code.License != u.License.ID || u.Code.Version != u.Version.Version) {
		err = s.auth.Refuse("use_codes", string(grant), "it leads to another license, or is of another grant")
	}
	if err != nil {
		return Used{}, err
	}
	return u, nil
}
