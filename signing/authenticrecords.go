package signing

import (
	"context"
	"errors"
)

// authenticRecords returns only key records that were written here. A key whose record
// doesn't fit its authenticator signs nothing, verifies nothing and is not published; the
// other keys work on.
type authenticRecords struct {
	stored Records
	auth   *Authenticator
}

// AuthenticRecords returns a store that gives records their authenticators when it stores
// them. When it reads, it returns only records that fit theirs.
func AuthenticRecords(stored Records, a *Authenticator) Records {
	return &authenticRecords{stored, a}
}

func (k *KeyRecord) facts(revision int64) *Facts {
	f := NewFacts("keys", string(k.ID), revision).
		Text(string(k.Purpose), k.Owner, k.Algorithm, string(k.State), string(k.WrappedBy), k.Reason).
		Int(int64(k.Serial)).Bytes(k.PublicKey, k.Wrapped).
		Time(k.Created, k.Activated, k.Retired, k.Revoked).Int(int64(len(k.Chain)))
	f.Bytes(k.Chain...)
	if k.Thumbprint != "" { // earlier versions had none: the authenticators of their records stay right
		f.Text(k.Thumbprint)
	}
	return f
}

func (r *authenticRecords) stamp(k *KeyRecord) (err error) {
	k.Auth, k.Mark, err = r.auth.Stamp(k.facts(k.Revision + 1))
	return err
}

// CreateKey implements [Records].
func (r *authenticRecords) CreateKey(ctx context.Context, k KeyRecord) error {
	k.Revision = 0
	if err := r.stamp(&k); err != nil {
		return err
	}
	k.Revision = 1
	return r.stored.CreateKey(ctx, k)
}

// LoadKey implements [Records]. ErrAltered (wrapped) for a record that doesn't fit.
func (r *authenticRecords) LoadKey(ctx context.Context, id KeyID) (KeyRecord, error) {
	k, err := r.stored.LoadKey(ctx, id)
	if err != nil {
		return k, err
	}
	return k, r.auth.Verify(k.facts(k.Revision), k.Auth, k.Mark)
}

// ListKeys implements [Records], and leaves out what doesn't fit.
func (r *authenticRecords) ListKeys(ctx context.Context, purpose Purpose) ([]KeyRecord, error) {
	fit, _, err := r.list(ctx, purpose)
	return fit, err
}

// list is ListKeys that also says how many records were left out.
func (r *authenticRecords) list(ctx context.Context, purpose Purpose) (fit []KeyRecord, altered int, err error) {
	all, err := r.stored.ListKeys(ctx, purpose)
	if err != nil {
		return nil, 0, err
	}
	fit = all[:0]
	for _, k := range all {
		err := r.auth.Verify(k.facts(k.Revision), k.Auth, k.Mark)
		if errors.Is(err, ErrAltered) {
			altered++
			continue
		}
		if err != nil {
			return nil, 0, err
		}
		fit = append(fit, k)
	}
	return fit, altered, nil
}

// UpdateKeys implements [Records].
func (r *authenticRecords) UpdateKeys(ctx context.Context, ks ...KeyRecord) error {
	for i := range ks {
		if err := r.stamp(&ks[i]); err != nil {
			return err
		}
	}
	err := r.stored.UpdateKeys(ctx, ks...)
	for _, k := range ks {
		err = r.auth.Wrote(err, "keys", string(k.ID), k.Revision+1)
	}
	return err
}
