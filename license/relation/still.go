package relation

import (
	"context"

	"yizheng.internal/license/audit"
	"yizheng.internal/license/party"
)

// Still reports whether a license proves, in that version, that somebody with these codes is married, or represents
// somebody: a divorce is seen although the marriage certificate is in force.
func (r *Service) Still(ctx context.Context, codes []party.Code, id audit.ID, version int) (bool, error) {
	spouse, err := r.Spouse(ctx, codes)
	if err != nil {
		return false, err
	}
	if spouse != nil && spouse.License == id {
		return spouse.Version == version, nil
	}
	facts, err := r.Represented(ctx, codes)
	for _, f := range facts {
		if f.License == id && f.Version == version {
			return err == nil, err
		}
	}
	return false, err
}
