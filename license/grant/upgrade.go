package grant

import (
	"context"

	"yizheng.internal/signing"
)

// Upgrade adds the authenticators to grants and use codes that an earlier version of the program stored without
// them.
func (r *Service) Upgrade(ctx context.Context, s signing.AuthStore) error {
	for after := ID(""); ; {
		grants, err := r.c.Store.GrantsAfter(ctx, after, keysPage)
		if err != nil {
			return err
		}
		for _, g := range grants {
			g, codes, err := r.c.Store.LoadGrant(ctx, g.ID)
			if err != nil {
				return err
			}
			for _, c := range codes {
				row := signing.AuthRow{Table: "use_codes", ID: string(c.Grant), Hash: c.Hash[:]}
				if err := r.setAuth(ctx, s, c.Auth, c.Facts(), row); err != nil {
					return err
				}
			}
			if err := r.setAuth(ctx, s, g.Auth, g.Facts(g.Revision), signing.AuthRow{Table: "grants", ID: string(g.ID), Revision: g.Revision}); err != nil {
				return err
			}
			after = g.ID
		}
		if len(grants) < keysPage {
			return nil
		}
	}
}

// setAuth saves the authenticator of a record that has none.
func (r *Service) setAuth(ctx context.Context, s signing.AuthStore, have []byte, f *signing.Facts, row signing.AuthRow) (err error) {
	if have != nil {
		return nil
	}
	if row.Auth, row.Mark, err = r.c.Vault.Auth().Stamp(f); err != nil {
		return err
	}
	return s.SetAuthenticators(ctx, row)
}
