package officer

import (
	"context"

	"yizheng.internal/signing"
)

type authenticStore struct {
	Store
	auth *signing.Authenticator
}

// Authentic returns a store that returns only posts of s as they were written here, and
// signing.ErrAltered for any other.
func Authentic(s Store, a *signing.Authenticator) Store { return &authenticStore{s, a} }

func (r *Record) facts(revision int64) *signing.Facts {
	return signing.NewFacts(table, r.ID, revision).
		Text(r.Participant, r.Party, r.Roles, string(r.State)).Sealed(r.Body).Time(r.Created, r.Updated)
}

func (s *authenticStore) verify(r *Record) error {
	return s.auth.Verify(r.facts(r.Revision), r.Auth, r.Mark)
}

// SavePost implements [Store].
func (s *authenticStore) SavePost(ctx context.Context, c Change) (err error) {
	r := &c.Record
	if r.Auth, r.Mark, err = s.auth.Stamp(r.facts(r.Revision + 1)); err != nil {
		return err
	}
	return s.auth.Wrote(s.Store.SavePost(ctx, c), table, r.ID, r.Revision+1)
}

// LoadPost implements [Store].
func (s *authenticStore) LoadPost(ctx context.Context, id string) (Record, error) {
	r, err := s.Store.LoadPost(ctx, id)
	if err == nil {
		err = s.verify(&r)
	}
	if err == nil && r.ID != id {
		err = s.auth.Refuse(table, r.ID, "it stands in another's place")
	}
	if err != nil {
		return Record{}, err
	}
	return r, nil
}

// FindPosts implements [Store], and leaves out posts that were altered.
func (s *authenticStore) FindPosts(ctx context.Context, of Whose, limit int) ([]Record, error) {
	all, err := s.Store.FindPosts(ctx, of, limit)
	if err != nil {
		return nil, err
	}
	return signing.FittingAll(all, s.verify)
}

// ListPosts implements [Store], and leaves out posts that were altered.
func (s *authenticStore) ListPosts(ctx context.Context, f Filter, after string, limit int) ([]Record, error) {
	return signing.Fitting(limit, func(last *Record, n int) ([]Record, error) {
		if last != nil {
			after = last.ID
		}
		return s.Store.ListPosts(ctx, f, after, n)
	}, s.verify)
}
