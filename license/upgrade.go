package license

import (
	"context"
	"fmt"

	"yizheng.internal/signing"
)

// Upgrade gives every record of an earlier version its authenticator. It can be
// cut off and run again, and beside other nodes that do the same. It is called only
// while an installation is being upgraded: then records without authenticators are
// taken as they are.
func (r *Registry) Upgrade(ctx context.Context, s signing.AuthStore) error {
	if err := r.catalog.Upgrade(ctx, s); err != nil {
		return err
	}
	for _, step := range []struct {
		what string
		do   func(context.Context, signing.AuthStore) error
	}{
		{"licenses", r.authenticateLicenses}, {"grants", r.authenticateGrants},
	} {
		if err := step.do(ctx, s); err != nil {
			return fmt.Errorf("giving %s their authenticators: %w", step.what, err)
		}
	}
	return nil
}

func (r *Registry) authenticateLicenses(ctx context.Context, s signing.AuthStore) error {
	for at := (Located{}); ; {
		vs, err := r.c.Stores.Versions(ctx, at, rehashPage)
		if err != nil {
			return err
		}
		var rows []signing.AuthRow
		for _, v := range vs {
			at = Located{v.License, v.Version}
			rec, v, err := r.c.Stores.Load(ctx, v.License, v.Version)
			if err != nil {
				return err
			}
			if v.Auth == nil {
				row := signing.AuthRow{Table: "license_versions", ID: string(v.License), Part: int64(v.Version)}
				if row.Auth, _, err = r.c.Vault.Auth().Stamp(v.facts()); err != nil {
					return err
				}
				rows = append(rows, row)
			}
			if rec.Auth == nil && v.Version == rec.Version {
				row := signing.AuthRow{Table: "licenses", ID: string(rec.ID), Revision: rec.Revision}
				if row.Auth, row.Mark, err = r.c.Vault.Auth().Stamp(rec.facts(rec.Revision)); err != nil {
					return err
				}
				rows = append(rows, row)
			}
		}
		if err := s.SetAuthenticators(ctx, rows...); err != nil {
			return err
		}
		if len(vs) < rehashPage {
			return nil
		}
	}
}

func (r *Registry) authenticateGrants(ctx context.Context, s signing.AuthStore) error {
	for after := GrantID(""); ; {
		grants, err := r.c.Stores.GrantsAfter(ctx, after, rehashPage)
		if err != nil {
			return err
		}
		for _, g := range grants {
			g, codes, err := r.c.Stores.LoadGrant(ctx, g.ID)
			if err != nil {
				return err
			}
			for _, c := range codes {
				row := signing.AuthRow{Table: "use_codes", ID: string(c.Grant), Hash: c.Hash[:]}
				if err := r.setAuth(ctx, s, c.Auth, c.facts(), row); err != nil {
					return err
				}
			}
			if err := r.setAuth(ctx, s, g.Auth, g.facts(g.Revision), signing.AuthRow{Table: "grants", ID: string(g.ID), Revision: g.Revision}); err != nil {
				return err
			}
			after = g.ID
		}
		if len(grants) < rehashPage {
			return nil
		}
	}
}

// setAuth saves the authenticator of a record that has none.
func (r *Registry) setAuth(ctx context.Context, s signing.AuthStore, have []byte, f *signing.Facts, row signing.AuthRow) (err error) {
	if have != nil {
		return nil
	}
	if row.Auth, row.Mark, err = r.c.Vault.Auth().Stamp(f); err != nil {
		return err
	}
	return s.SetAuthenticators(ctx, row)
}
