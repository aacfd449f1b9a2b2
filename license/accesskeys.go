package license

import (
	"context"
	"fmt"

	"yizheng.internal/license/party"
	"yizheng.internal/signing"
)

// AccessKeyStore renews the lookup keys by which parties find their access records, after
// the lookup key was rotated, as [GrantKeyStore] does those of grants. Every driver passes
// storagetest.PartyKeys.
type AccessKeyStore interface {
	// AccessAfter returns up to limit access records with a Seq greater than
	// after, by Seq.
	AccessAfter(ctx context.Context, after int64, limit int) ([]AccessRecord, error)
	// AddAccessKeys adds keys that lead to a stored access record, of which Seq and At
	// count; those that do already stay as they are. ErrNotFound for no such record.
	AddAccessKeys(ctx context.Context, a AccessRecord, party []signing.Lookup) error
}

// accessPage is how many records are renewed at a time.
const accessPage = 200

// Rehash is rehashGrants for access records.
func (r *Readings) Rehash(ctx context.Context, each func()) error {
	var after int64
	for {
		records, err := r.c.Store.AccessAfter(ctx, after, accessPage)
		if err != nil {
			return fmt.Errorf("listing access records: %w", err)
		}
		for _, rec := range records {
			a, err := r.opened(ctx, rec)
			if err != nil {
				return err
			}
			_, v, err := r.c.Records.Load(ctx, rec.License, rec.Version)
			if err != nil {
				return fmt.Errorf("loading license %s: %w", rec.License, err)
			}
			keys, err := r.readersKeys(ctx, a.owner(), v)
			if err != nil {
				return err
			}
			if err := r.c.Store.AddAccessKeys(ctx, rec, keys); err != nil {
				return fmt.Errorf("renewing lookup keys of access record %s: %w", rec.ID, err)
			}
			after = rec.Seq
			each()
		}
		if len(records) < accessPage {
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
func (r *Readings) readersKeys(ctx context.Context, owner string, v VersionRecord) ([]signing.Lookup, error) {
	held, err := r.c.Records.Holders(ctx, v)
	if err != nil {
		return nil, err
	}
	var codes []party.Code
	for _, h := range held {
		codes = append(codes, party.Code{Type: h.CodeType, Value: h.Code})
	}
	return r.accessKeys(ctx, owner, codes)
}
