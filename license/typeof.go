package license

import (
	"context"
	"errors"
	"fmt"

	"yizheng.internal/license/catalog"
	"yizheng.internal/license/refusal"
)

// TypeOf returns the type that a version of a license was issued under, for
// lists that name the license: nothing of what it holds, so it leaves no event.
// *refusal.Error license_unknown if there is no such license.
func (r *Registry) TypeOf(ctx context.Context, id ID, version int) (catalog.Type, error) {
	if !id.Valid() {
		return catalog.Type{}, refusal.Missing("license_unknown", "There is no such license.")
	}
	rec, v, err := r.c.Stores.Load(ctx, id, version)
	if errors.Is(err, ErrNotFound) {
		return catalog.Type{}, refusal.Missing("license_unknown", "There is no such license.")
	} else if err != nil {
		return catalog.Type{}, fmt.Errorf("loading license %s: %w", id, err)
	}
	return r.catalog.Types().Version(ctx, rec.Type, v.TypeVersion)
}
