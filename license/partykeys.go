package license

import (
	"context"
	"fmt"

	"yizheng.internal/license/party"
	"yizheng.internal/signing"
)

// PartyKeyStore renews the lookup keys by which parties find their grants and
// access records, after the lookup key was rotated. LookupStore.PurgeLookups
// deletes the old ones. Every driver passes storagetest.PartyKeys.
type PartyKeyStore interface {
	// GrantsAfter returns up to limit grants with an ID greater than after, by ID.
	GrantsAfter(ctx context.Context, after GrantID, limit int) ([]GrantRecord, error)
	// AddGrantKeys adds keys that lead to a stored grant; those that do already
	// stay as they are. ErrNotFound for no such grant.
	AddGrantKeys(ctx context.Context, id GrantID, party []signing.Lookup) error
	// AccessAfter returns up to limit access records with a Seq greater than
	// after, by Seq.
	AccessAfter(ctx context.Context, after int64, limit int) ([]AccessRecord, error)
	// AddAccessKeys is AddGrantKeys for an access record, of which Seq and At count.
	AddAccessKeys(ctx context.Context, a AccessRecord, party []signing.Lookup) error
}

// rehashGrants gives every grant its lookup keys under all live lookup keys,
// and calls each for each.
func (r *Registry) rehashGrants(ctx context.Context, each func()) error {
	var after GrantID
	for {
		grants, err := r.c.Stores.GrantsAfter(ctx, after, rehashPage)
		if err != nil {
			return fmt.Errorf("listing grants: %w", err)
		}
		for _, rec := range grants {
			b, err := r.openGrant(ctx, rec)
			if err != nil {
				return err
			}
			keys, err := r.c.Vault.Lookups(ctx, domainParty, b.Grant.owner())
			if err != nil {
				return err
			}
			if err := r.c.Stores.AddGrantKeys(ctx, rec.ID, keys); err != nil {
				return fmt.Errorf("renewing lookup keys of grant %s: %w", rec.ID, err)
			}
			after = rec.ID
			each()
		}
		if len(grants) < rehashPage {
			return nil
		}
	}
}

// rehashAccess is rehashGrants for access records.
func (r *Registry) rehashAccess(ctx context.Context, each func()) error {
	var after int64
	for {
		records, err := r.c.Stores.AccessAfter(ctx, after, rehashPage)
		if err != nil {
			return fmt.Errorf("listing access records: %w", err)
		}
		for _, rec := range records {
			a, err := r.openAccess(ctx, rec)
			if err != nil {
				return err
			}
			_, v, err := r.c.Stores.Load(ctx, rec.License, rec.Version)
			if err != nil {
				return fmt.Errorf("loading license %s: %w", rec.License, err)
			}
			keys, err := r.readersKeys(ctx, a.owner(), v)
			if err != nil {
				return err
			}
			if err := r.c.Stores.AddAccessKeys(ctx, rec, keys); err != nil {
				return fmt.Errorf("renewing lookup keys of access record %s: %w", rec.ID, err)
			}
			after = rec.Seq
			each()
		}
		if len(records) < rehashPage {
			return nil
		}
	}
}

// owner returns the id of the party by whose grant the reading was.
func (b *accessBody) owner() string {
	if b.Acting != "" {
		return b.Acting
	}
	return b.Party
}

// readersKeys returns the lookup keys of all whose record a reading of a version
// is: the owner of the grant, and the license's holders.
func (r *Registry) readersKeys(ctx context.Context, owner string, v VersionRecord) ([]signing.Lookup, error) {
	var held body
	if err := r.openJSON(ctx, v, "body", v.Body, &held); err != nil {
		return nil, err
	}
	var codes []party.Code
	for _, h := range held.Holders {
		codes = append(codes, party.Code{Type: h.CodeType, Value: h.Code})
	}
	return r.accessKeys(ctx, owner, codes)
}
