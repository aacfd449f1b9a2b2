package representation

import (
	"context"

	"yizheng.internal/signing"
	"yizheng.internal/signing/journal"
)

// table is what facts and sealed columns call the representations. Never change it.
const table = "representations"

// AuthenticRepresentations returns a store that gives representations their authenticators, and returns
// only those of s that are as they were written here, and signing.ErrAltered for any other.
func AuthenticRepresentations(s Store, a *signing.Authenticator) Store {
	if of, ok := s.(*authentic); ok && of.auth == a {
		return s
	}
	return &authentic{s, a}
}

type authentic struct {
	Store
	auth *signing.Authenticator
}

func (r *Record) facts(revision int64) *signing.Facts {
	return signing.NewFacts(table, r.ID, revision).Text(string(r.State)).Sealed(r.Body).Time(r.Created, r.Updated)
}

func (s *authentic) verify(r *Record) error {
	return s.auth.Verify(r.facts(r.Revision), r.Auth, r.Mark)
}

// CreateRepresentation implements [Store].
func (s *authentic) CreateRepresentation(ctx context.Context, r Record, es ...journal.Event) (err error) {
	if r.Auth, r.Mark, err = s.auth.Stamp(r.facts(1)); err != nil {
		return err
	}
	return s.Store.CreateRepresentation(ctx, r, es...)
}

// UpdateRepresentation implements [Store].
func (s *authentic) UpdateRepresentation(ctx context.Context, r Record, es ...journal.Event) (err error) {
	if r.Auth, r.Mark, err = s.auth.Stamp(r.facts(r.Revision + 1)); err != nil {
		return err
	}
	return s.auth.Wrote(s.Store.UpdateRepresentation(ctx, r, es...), table, r.ID, r.Revision+1)
}

// LoadRepresentation implements [Store].
func (s *authentic) LoadRepresentation(ctx context.Context, id string) (Record, error) {
	r, err := s.Store.LoadRepresentation(ctx, id)
	if err == nil {
		err = s.verify(&r)
	}
	if err != nil {
		return Record{}, err
	}
	return r, nil
}

// FindRepresentations implements [Store], and leaves out representations that were altered.
func (s *authentic) FindRepresentations(ctx context.Context, keys []signing.Lookup, limit int) ([]Record, error) {
	all, err := s.Store.FindRepresentations(ctx, keys, limit)
	if err != nil {
		return nil, err
	}
	return signing.FittingAll(all, s.verify)
}

// ListRepresentations implements [Store], and leaves out representations that were altered.
func (s *authentic) ListRepresentations(ctx context.Context, after string, limit int) ([]Record, error) {
	return signing.Fitting(limit, func(last *Record, n int) ([]Record, error) {
		if last != nil {
			after = last.ID
		}
		return s.Store.ListRepresentations(ctx, after, n)
	}, s.verify)
}
