package license

import (
	"context"
	"fmt"
	"slices"
	"time"
)

// maxReusable is how many of a subject's grants are looked at, the newest first.
const maxReusable = 1000

// Reusable returns a live recurring grant by which the client may read exactly
// what an ask would offer the subject now, or "". Nothing may have changed since
// the holder looked: item, licenses and their versions, parts and case are those
// that were shown then, and nothing of it was refused. It shows nothing, so it
// leaves no event; what is made of the grant does.
func (r *Registry) Reusable(ctx context.Context, a Actor, q Ask, s Subject) (id GrantID, err error) {
	defer r.audit(ctx, &err, a, ActionOffer, "", 0)
	o, err := r.resolve(ctx, a, q, s)
	if err != nil {
		return "", err
	}
	keys, err := r.c.Vault.Lookups(ctx, domainParty, s.owner())
	if err != nil {
		return "", err
	}
	now := time.Now()
	var before Cursor
	for range maxReusable / maxLimit {
		records, err := r.c.Stores.ListGrants(ctx, keys, before, maxLimit)
		if err != nil {
			return "", fmt.Errorf("listing grants: %w", err)
		}
		for _, rec := range records {
			if rec.Client != a.Client || rec.Item != q.Item || !rec.Recurring || rec.State != GrantActive || !now.Before(rec.Expires) {
				continue
			}
			b, err := r.openGrant(ctx, rec)
			if err != nil {
				return "", err
			}
			if slices.Equal(b.Shown, o.Hash[:]) && b.Grant.covers(&o) {
				return rec.ID, nil
			}
		}
		if len(records) < maxLimit {
			break
		}
		last := records[len(records)-1]
		before = Cursor{last.Created, ID(last.ID)}
	}
	return "", nil
}

// covers reports whether of each material for which licenses were offered one
// was granted, with all its parts.
func (g *Grant) covers(o *Offer) bool {
	for _, m := range o.Materials {
		if len(m.Licenses) == 0 {
			continue
		}
		i := slices.IndexFunc(g.Licenses, func(l ChosenLicense) bool { return l.Material == m.Material.ID })
		if i < 0 {
			return false
		}
		offered := o.license(g.Licenses[i])
		if offered == nil || !slices.Equal(sorted(offered.Fields), sorted(g.Licenses[i].Fields)) {
			return false
		}
	}
	return len(g.Licenses) > 0
}

func sorted(s []string) []string { return slices.Sorted(slices.Values(s)) }
