package access

import (
	"context"
	"fmt"

	"yizheng.internal/license"
	"yizheng.internal/license/party"
	"yizheng.internal/signing"
)

// KeyStore renews the lookup keys by which parties find their access records, after
// the lookup key was rotated, as [grant.KeyStore] does those of grants. Every driver passes
// storagetest/grants.PartyKeys.
type KeyStore interface {
	// AccessAfter returns up to limit access records with a Seq greater than
	// after, by Seq.
	AccessAfter(ctx context.Context, after int64, limit int) ([]Record, error)
	// AddAccessKeys adds keys that lead to a stored access record; a.Seq and a.At say which. Keys
	// that lead to it already stay as they are. It returns ErrNotFound if there is no such record.
	AddAccessKeys(ctx context.Context, a Record, party []signing.Lookup) error
}

// accessPage is how many records are renewed at a time.
const accessPage = 200

// Rehash gives every access record its lookup keys under all live lookup keys, and calls each after each record.
func (r *Service) Rehash(ctx context.Context, each func()) error {
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

// owner returns the id of the party whose grant the reading was by.
func (b *body) owner() string {
	if b.Acting != "" {
		return b.Acting
	}
	return b.Party
}

// readersKeys returns the lookup keys of everybody who may see the record of a reading: the owner of the grant,
// and the holders of the version that was read.
func (r *Service) readersKeys(ctx context.Context, owner string, v license.VersionRecord) ([]signing.Lookup, error) {
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
