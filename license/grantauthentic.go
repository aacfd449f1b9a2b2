package license

import (
	"context"

	"yizheng.internal/license/audit"
	"yizheng.internal/signing"
	"yizheng.internal/signing/journal"
)

// authenticGrants are stores whose records carry authenticators: they are made of what is
// saved, and what comes back without fitting ones is signing.ErrAltered.
type authenticGrants struct {
	GrantStores
	auth *signing.Authenticator
}

// AuthenticGrants returns stores whose records are as they were written here.
func AuthenticGrants(s GrantStores, a *signing.Authenticator) GrantStores {
	return &authenticGrants{s, a}
}

// Facts returns what a grant's authenticator is over, at a revision.
func (g *GrantRecord) Facts(revision int64) *signing.Facts {
	return signing.NewFacts("grants", string(g.ID), revision).
		Text(string(g.State), g.Client, string(g.Item), string(g.Basis)).Flag(g.Recurring).
		Time(g.Created, g.Expires).Sealed(g.Body).Bytes(g.Code)
}

// Facts returns what a use code's authenticator is over.
func (c *UseCodeRecord) Facts() *signing.Facts {
	return signing.NewFacts("use_codes", string(c.Grant), 0).Bytes(c.Hash[:]).Text(string(c.License)).
		Int(int64(c.Version), int64(c.Number)).Time(c.Created, c.First)
}

// SaveGrant implements [GrantStore].
func (s *authenticGrants) SaveGrant(ctx context.Context, g GrantRecord, codes []UseCodeRecord, e journal.Event) error {
	var err error
	if g.Auth, g.Mark, err = s.auth.Stamp(g.Facts(g.Revision + 1)); err != nil {
		return err
	}
	stamped := make([]UseCodeRecord, len(codes))
	for i, c := range codes {
		if c.Auth, _, err = s.auth.Stamp(c.Facts()); err != nil {
			return err
		}
		stamped[i] = c
	}
	return s.auth.Wrote(s.GrantStores.SaveGrant(ctx, g, stamped, e), "grants", string(g.ID), g.Revision+1)
}

// LoadGrant implements [GrantStore].
func (s *authenticGrants) LoadGrant(ctx context.Context, id GrantID) (GrantRecord, []UseCodeRecord, error) {
	g, codes, err := s.GrantStores.LoadGrant(ctx, id)
	if err == nil {
		err = s.verify(&g)
	}
	for i := range codes {
		if err == nil {
			err = s.auth.VerifyAlone(codes[i].Facts(), codes[i].Auth)
		}
	}
	if err != nil {
		return GrantRecord{}, nil, err
	}
	return g, codes, nil
}

// ListGrants implements [GrantStore], and leaves out what doesn't fit.
func (s *authenticGrants) ListGrants(ctx context.Context, keys []signing.Lookup, before Cursor, limit int) ([]GrantRecord, error) {
	return signing.Fitting(limit, func(after *GrantRecord, n int) ([]GrantRecord, error) {
		if after != nil {
			before = Cursor{after.Created, audit.ID(after.ID)}
		}
		return s.GrantStores.ListGrants(ctx, keys, before, n)
	}, s.verify)
}

// GrantsAfter implements [GrantKeyStore], and leaves out what doesn't fit.
func (s *authenticGrants) GrantsAfter(ctx context.Context, after GrantID, limit int) ([]GrantRecord, error) {
	return signing.Fitting(limit, func(last *GrantRecord, n int) ([]GrantRecord, error) {
		if last != nil {
			after = last.ID
		}
		return s.GrantStores.GrantsAfter(ctx, after, n)
	}, s.verify)
}

// VerifyGrant checks a grant's record.
func VerifyGrant(auth *signing.Authenticator, g *GrantRecord) error {
	return auth.Verify(g.Facts(g.Revision), g.Auth, g.Mark)
}

func (s *authenticGrants) verify(g *GrantRecord) error { return VerifyGrant(s.auth, g) }
