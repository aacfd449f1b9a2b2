package grant

import (
	"context"

	"yizheng.internal/license"
	"yizheng.internal/license/audit"
	"yizheng.internal/signing"
	"yizheng.internal/signing/journal"
)

// authenticGrants are stores whose records carry authenticators. They make an authenticator for each record that
// is saved, and return signing.ErrAltered for a record whose authenticator doesn't fit.
type authenticGrants struct {
	Stores
	auth *signing.Authenticator
}

// AuthenticStores returns stores that authenticate what they save, and return only records that were saved so.
func AuthenticStores(s Stores, a *signing.Authenticator) Stores {
	return &authenticGrants{s, a}
}

// Facts returns what a grant's authenticator covers at a revision.
func (g *Record) Facts(revision int64) *signing.Facts {
	return signing.NewFacts("grants", string(g.ID), revision).
		Text(string(g.State), g.Client, string(g.Item), string(g.Basis)).Flag(g.Recurring).
		Time(g.Created, g.Expires).Sealed(g.Body).Bytes(g.Code)
}

// Facts returns what a use code's authenticator covers.
func (c *UseCodeRecord) Facts() *signing.Facts {
	return signing.NewFacts("use_codes", string(c.Grant), 0).Bytes(c.Hash[:]).Text(string(c.License)).
		Int(int64(c.Version), int64(c.Number)).Time(c.Created, c.First)
}

// SaveGrant implements [Store].
func (s *authenticGrants) SaveGrant(ctx context.Context, g Record, codes []UseCodeRecord, e journal.Event) error {
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
	return s.auth.Wrote(s.Stores.SaveGrant(ctx, g, stamped, e), "grants", string(g.ID), g.Revision+1)
}

// LoadGrant implements [Store].
func (s *authenticGrants) LoadGrant(ctx context.Context, id ID) (Record, []UseCodeRecord, error) {
	g, codes, err := s.Stores.LoadGrant(ctx, id)
	if err == nil {
		err = s.verify(&g)
	}
	for i := range codes {
		if err == nil {
			err = s.auth.VerifyAlone(codes[i].Facts(), codes[i].Auth)
		}
	}
	if err != nil {
		return Record{}, nil, err
	}
	return g, codes, nil
}

// ListGrants implements [Store], and leaves out grants whose authenticators don't fit.
func (s *authenticGrants) ListGrants(ctx context.Context, keys []signing.Lookup, before license.Cursor, limit int) ([]Record, error) {
	return signing.Fitting(limit, func(after *Record, n int) ([]Record, error) {
		if after != nil {
			before = license.Cursor{Created: after.Created, ID: audit.ID(after.ID)}
		}
		return s.Stores.ListGrants(ctx, keys, before, n)
	}, s.verify)
}

// GrantsAfter implements [KeyStore], and leaves out grants whose authenticators don't fit.
func (s *authenticGrants) GrantsAfter(ctx context.Context, after ID, limit int) ([]Record, error) {
	return signing.Fitting(limit, func(last *Record, n int) ([]Record, error) {
		if last != nil {
			after = last.ID
		}
		return s.Stores.GrantsAfter(ctx, after, n)
	}, s.verify)
}

// Verify checks a grant's record.
func Verify(auth *signing.Authenticator, g *Record) error {
	return auth.Verify(g.Facts(g.Revision), g.Auth, g.Mark)
}

func (s *authenticGrants) verify(g *Record) error { return Verify(s.auth, g) }
