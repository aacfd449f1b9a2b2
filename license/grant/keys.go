package grant

import (
	"context"
	"fmt"

	"yizheng.internal/signing"
)

// KeyStore renews the lookup keys by which parties find their grants, after the lookup key was rotated.
// [license.LookupStore].PurgeLookups deletes the old ones. Every driver passes storagetest/grants.PartyKeys.
type KeyStore interface {
	// GrantsAfter returns up to limit grants with an ID greater than after, by ID.
	GrantsAfter(ctx context.Context, after ID, limit int) ([]Record, error)
	// AddGrantKeys adds keys that lead to a stored grant. Keys that lead to it already stay as they are. It
	// returns ErrNotFound if there is no such grant.
	AddGrantKeys(ctx context.Context, id ID, party []signing.Lookup) error
}

// keysPage is how many records are renewed at a time.
const keysPage = 200

// PartyKeys returns the lookup keys by which a party's records are found.
func (r *Service) PartyKeys(ctx context.Context, owner string) ([]signing.Lookup, error) {
	return r.c.Vault.Lookups(ctx, domainParty, owner)
}

// Rehash gives every grant its lookup keys under all live lookup keys, and calls each after each grant.
func (r *Service) Rehash(ctx context.Context, each func()) error {
	var after ID
	for {
		grants, err := r.c.Store.GrantsAfter(ctx, after, keysPage)
		if err != nil {
			return fmt.Errorf("listing grants: %w", err)
		}
		for _, rec := range grants {
			b, err := r.openGrant(ctx, rec)
			if err != nil {
				return err
			}
			keys, err := r.c.Vault.Lookups(ctx, domainParty, b.Grant.Owner())
			if err != nil {
				return err
			}
			if err := r.c.Store.AddGrantKeys(ctx, rec.ID, keys); err != nil {
				return fmt.Errorf("renewing lookup keys of grant %s: %w", rec.ID, err)
			}
			after = rec.ID
			each()
		}
		if len(grants) < keysPage {
			return nil
		}
	}
}
