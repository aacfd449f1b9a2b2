package grant

import (
	"context"
	"fmt"
	"maps"
	"slices"
	"strings"
	"time"

	"yizheng.internal/license"
	"yizheng.internal/license/audit"
	"yizheng.internal/license/offer"
	"yizheng.internal/signing/journal"
)

// maxReusable is how many of a subject's grants are looked at, the newest first.
const maxReusable = 1000

// Reusable returns a live recurring grant by which the client may read exactly what an ask would offer the
// subject now, or "" if there is none. Nothing may have changed since the holder looked: item, licenses and their
// versions, parts and case are those that were shown then, and the holder refused none of them. Reusable shows
// nothing, so it leaves no event; using the grant does.
func (r *Service) Reusable(ctx context.Context, a audit.Actor, q offer.Ask, s offer.Subject) (id ID, err error) {
	defer audit.Refusal(ctx, r.c.Journal, &err, a, journal.ActionGrantOffer, "")
	if _, err := r.c.Offers.Check(ctx, q, &s); err != nil {
		return "", err
	}
	offers := reoffers{}
	keys, err := r.c.Vault.Lookups(ctx, domainParty, s.Owner())
	if err != nil {
		return "", err
	}
	now := time.Now()
	var before license.Cursor
	for range maxReusable / license.MaxLimit {
		records, err := r.c.Store.ListGrants(ctx, keys, before, license.MaxLimit)
		if err != nil {
			return "", fmt.Errorf("listing grants: %w", err)
		}
		for _, rec := range records {
			if rec.Client != a.Client || rec.Item != q.Item || !rec.Recurring || rec.State != Active || !now.Before(rec.Expires) {
				continue
			}
			b, err := r.openGrant(ctx, rec)
			if err != nil {
				return "", err
			}
			o, err := offers.of(b.Find, func() (offer.Offer, error) { return r.c.Offers.Resolve(ctx, a, q, s, b.Find) })
			if err != nil {
				return "", err
			}
			if o != nil && slices.Equal(b.Shown, o.Hash[:]) && b.Grant.covers(o) {
				return rec.ID, nil
			}
		}
		if len(records) < license.MaxLimit {
			break
		}
		last := records[len(records)-1]
		before = license.Cursor{Created: last.Created, ID: audit.ID(last.ID)}
	}
	return "", nil
}

// maxReoffers is how many offers are made anew to find a grant that was given in one of them. There is one offer
// for each thing that holders looked for, beginning with the newest grant.
const maxReoffers = 3

// reoffers are the offers made anew, by what the holder looked for.
type reoffers map[string]*offer.Offer

// of returns the offer for what the holder looked for, and makes each offer once. It returns nil if the offer
// would exceed maxReoffers.
func (o reoffers) of(find offer.Find, offer func() (offer.Offer, error)) (*offer.Offer, error) {
	var key strings.Builder
	for _, material := range slices.Sorted(maps.Keys(find)) {
		key.WriteString(material + "\x00" + find[material] + "\x00")
	}
	if made, ok := o[key.String()]; ok || len(o) == maxReoffers {
		return made, nil
	}
	made, err := offer()
	if err != nil {
		return nil, err
	}
	o[key.String()] = &made
	return &made, nil
}

// covers reports whether, for each material for which licenses were offered, one of them was granted with all its
// parts.
func (g *Grant) covers(o *offer.Offer) bool {
	for _, m := range o.Materials {
		if len(m.Licenses) == 0 && m.Outcome != offer.OutcomeChoice {
			continue
		}
		i := slices.IndexFunc(g.Licenses, func(l offer.ChosenLicense) bool { return l.Material == m.Material.ID })
		if i < 0 {
			return false
		}
		offered := o.License(g.Licenses[i])
		if offered == nil || !slices.Equal(sorted(offered.Fields), sorted(g.Licenses[i].Fields)) {
			return false
		}
	}
	return len(g.Licenses) > 0
}

func sorted(s []string) []string { return slices.Sorted(slices.Values(s)) }
