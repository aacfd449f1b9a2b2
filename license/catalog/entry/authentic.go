package entry

import (
	"context"
	"errors"
	"strconv"

	"yizheng.internal/signing"
	"yizheng.internal/signing/journal"
)

// authenticStores are stores whose records carry authenticators. They make an authenticator for each record that
// is saved, and return signing.ErrAltered for a record whose authenticator doesn't fit.
type authenticStores struct {
	Stores
	auth *signing.Authenticator
}

// AuthenticStores returns stores that authenticate what they save, and return only records that were saved so.
func AuthenticStores(s Stores, a *signing.Authenticator) Stores { return &authenticStores{s, a} }

// malformed refuses a record whose columns can't even be read.
func malformed(auth *signing.Authenticator, err error, table, id string) error {
	if errors.Is(err, signing.ErrAltered) {
		return auth.Refuse(table, id, "a column of it is malformed")
	}
	return err
}

// facts are what a record's authenticator covers.
func (r *Record) facts(k Kind, revision int64) *signing.Facts {
	return signing.NewFacts(string(k), r.Code, revision).Int(int64(r.Version)).
		Text(string(r.State), r.Owner).Bytes(r.Body).Time(r.Updated)
}

// SaveEntries implements [Store].
func (s *authenticStores) SaveEntries(ctx context.Context, k Kind, e journal.Event, rs ...Record) error {
	var err error
	for i := range rs {
		if rs[i].Auth, _, err = s.auth.Stamp(rs[i].facts(k, rs[i].Revision+1)); err != nil {
			return err
		}
	}
	err = s.Stores.SaveEntries(ctx, k, e, rs...)
	for _, r := range rs {
		err = s.auth.Wrote(err, string(k), r.Code+"/"+strconv.Itoa(r.Version), r.Revision+1)
	}
	return err
}

// LoadEntries implements [Store].
func (s *authenticStores) LoadEntries(ctx context.Context, k Kind, code string, before, limit int) ([]Record, error) {
	rs, err := s.Stores.LoadEntries(ctx, k, code, before, limit)
	err = malformed(s.auth, err, string(k), code)
	for i := range rs {
		if err := s.auth.VerifyAlone(rs[i].facts(k, rs[i].Revision), rs[i].Auth); err != nil {
			return rs, err
		}
	}
	return rs, err
}

// ListEntries implements [Store], and leaves out records whose authenticators don't fit.
func (s *authenticStores) ListEntries(ctx context.Context, k Kind, d Drafts, after string, limit int) ([]Record, error) {
	return signing.Fitting(limit, func(last *Record, n int) ([]Record, error) {
		if last != nil {
			after = last.Code
		}
		return s.Stores.ListEntries(ctx, k, d, after, n)
	}, func(r *Record) error { return s.auth.VerifyAlone(r.facts(k, r.Revision), r.Auth) })
}

func (d *DelegationRecord) facts(revision int64) *signing.Facts {
	return signing.NewFacts("delegations", d.ID, revision).
		Text(string(d.Prefix), d.Participant, d.Document, d.By).Time(d.Created, d.Updated, d.Ended)
}

// SaveDelegation implements [DelegationStore].
func (s *authenticStores) SaveDelegation(ctx context.Context, e journal.Event, d DelegationRecord) (err error) {
	if d.Auth, d.Mark, err = s.auth.Stamp(d.facts(d.Revision + 1)); err != nil {
		return err
	}
	return s.auth.Wrote(s.Stores.SaveDelegation(ctx, e, d), "delegations", d.ID, d.Revision+1)
}

// LoadDelegation implements [DelegationStore].
func (s *authenticStores) LoadDelegation(ctx context.Context, id string) (DelegationRecord, error) {
	d, err := s.Stores.LoadDelegation(ctx, id)
	if err == nil {
		err = s.auth.Verify(d.facts(d.Revision), d.Auth, d.Mark)
	}
	if err == nil && d.ID != id {
		err = s.auth.Refuse("delegations", d.ID, "it stands in another's place")
	}
	if err != nil {
		return DelegationRecord{}, err
	}
	return d, nil
}

// ListDelegations implements [DelegationStore].
func (s *authenticStores) ListDelegations(ctx context.Context, after string, limit int) ([]DelegationRecord, error) {
	return signing.Fitting(limit, func(last *DelegationRecord, n int) ([]DelegationRecord, error) {
		if last != nil {
			after = last.ID
		}
		return s.Stores.ListDelegations(ctx, after, n)
	}, func(d *DelegationRecord) error { return s.auth.Verify(d.facts(d.Revision), d.Auth, d.Mark) })
}
