package license

import (
	"context"

	"yizheng.internal/signing"
)

// Upgrade adds the authenticators to licenses that an earlier version of the program stored without them: see
// [signing.AuthStore].
func (r *Lookups) Upgrade(ctx context.Context, s signing.AuthStore) error {
	for at := (Located{}); ; {
		vs, err := r.c.Store.Versions(ctx, at, rehashPage)
		if err != nil {
			return err
		}
		var rows []signing.AuthRow
		for _, v := range vs {
			at = Located{v.License, v.Version}
			rec, v, err := r.c.Store.Load(ctx, v.License, v.Version)
			if err != nil {
				return err
			}
			if v.Auth == nil {
				row := signing.AuthRow{Table: "license_versions", ID: string(v.License), Part: int64(v.Version)}
				if row.Auth, _, err = r.c.Vault.Auth().Stamp(v.Facts()); err != nil {
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
