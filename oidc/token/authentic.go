package token

import (
	"context"
	"time"

	"yizheng.internal/signing"
	"yizheng.internal/signing/journal"
)

// AuthenticFamilies returns a store that returns only families of f as they were written here.
func AuthenticFamilies(f FamilyStore, s Spent, a *signing.Authenticator) FamilyStore {
	return &authenticFamilies{f, a, &authenticSpent{s, a}}
}

type authenticFamilies struct {
	FamilyStore
	auth  *signing.Authenticator
	spent *authenticSpent
}

// authenticSpent is a [Spent] that remembers for a while which hashes this node itself has
// spent.
type authenticSpent struct {
	Spent
	auth *signing.Authenticator
}

// AuthenticSpent returns a [Spent] that notices if a hash that this node has spent was
// deleted from the store.
func AuthenticSpent(s Spent, a *signing.Authenticator) Spent { return &authenticSpent{s, a} }

// check returns an error if this node spent a hash and the store no longer has it.
func (s *authenticSpent) check(ctx context.Context, w signing.Witness, hash [32]byte) error {
	if !w.WasSpent(hash) {
		return nil
	}
	spent, err := s.Spent.IsSpent(ctx, hash)
	if err != nil || spent {
		return err
	}
	w.Lost("a code or an assertion that was spent here is no longer so: it was deleted")
	return s.auth.Refuse("spent", "", "it was spent here, and is no longer so")
}

// Spend implements [Spent].
func (s *authenticSpent) Spend(ctx context.Context, hash [32]byte, keep time.Time) error {
	w := s.auth.Witness()
	if w == nil {
		return s.Spent.Spend(ctx, hash, keep)
	}
	if err := s.check(ctx, w, hash); err != nil {
		return err
	}
	err := s.Spent.Spend(ctx, hash, keep)
	if err == nil {
		w.Spent(hash, keep)
	}
	return err
}

// IsSpent implements [Spent].
func (s *authenticSpent) IsSpent(ctx context.Context, hash [32]byte) (bool, error) {
	spent, err := s.Spent.IsSpent(ctx, hash)
	if w := s.auth.Witness(); err == nil && !spent && w != nil && w.WasSpent(hash) {
		w.Lost("a code, an assertion or the end of a token that was stored here is no longer so: it was deleted")
		return true, nil
	}
	return spent, err
}

// Facts returns the facts from which the authenticator of the record is made, at a revision.
func (f *FamilyRecord) Facts(revision int64) *signing.Facts {
	return signing.NewFacts("families", f.ID, revision).Text(f.Client, f.Session, f.EndedBy).Int(f.Number).
		Time(f.Rotated, f.Created, f.Expires, f.Ended).Sealed(f.Body)
}

// RedeemCode implements [FamilyStore].
func (s *authenticFamilies) RedeemCode(ctx context.Context, code [32]byte, keep time.Time, f FamilyRecord, es ...journal.Event) (first string, err error) {
	if f.Auth, f.Mark, err = s.auth.Stamp(f.Facts(1)); err != nil {
		return "", err
	}
	w := s.auth.Witness()
	if w == nil {
		return s.FamilyStore.RedeemCode(ctx, code, keep, f, es...)
	}
	if err := s.spent.check(ctx, w, code); err != nil {
		return "", err
	}
	first, err = s.FamilyStore.RedeemCode(ctx, code, keep, f, es...)
	if err == nil {
		w.Spent(code, keep)
	}
	return first, err
}

// UpdateFamily implements [FamilyStore].
func (s *authenticFamilies) UpdateFamily(ctx context.Context, f FamilyRecord, es ...journal.Event) (err error) {
	if f.Auth, f.Mark, err = s.auth.Stamp(f.Facts(f.Revision + 1)); err != nil {
		return err
	}
	err = s.FamilyStore.UpdateFamily(ctx, f, es...)
	if w := s.auth.Witness(); err == nil && w != nil && !f.Ended.IsZero() {
		w.Over("families", f.ID, f.Revision+1, f.Expires)
	}
	return err
}

// LoadFamily implements [FamilyStore].
func (s *authenticFamilies) LoadFamily(ctx context.Context, id string) (FamilyRecord, error) {
	f, err := s.FamilyStore.LoadFamily(ctx, id)
	if err == nil {
		err = s.auth.Verify(f.Facts(f.Revision), f.Auth, f.Mark)
	}
	if err != nil {
		return FamilyRecord{}, err
	}
	return f, nil
}

// ListFamilies implements [FamilyStore], and leaves out families that were altered.
func (s *authenticFamilies) ListFamilies(ctx context.Context, party []signing.Lookup, at time.Time, limit int) ([]FamilyRecord, error) {
	all, err := s.FamilyStore.ListFamilies(ctx, party, at, limit)
	if err != nil {
		return nil, err
	}
	return signing.FittingAll(all, func(f *FamilyRecord) error { return s.auth.Verify(f.Facts(f.Revision), f.Auth, f.Mark) })
}
