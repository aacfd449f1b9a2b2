package catalog

import (
	"context"
	"errors"
	"strconv"

	"yizheng.internal/license/credential"
	"yizheng.internal/signing"
	"yizheng.internal/signing/journal"
)

// authenticStores are stores whose records carry authenticators: they are made
// of what is saved, and what comes back without fitting ones is signing.ErrAltered.
type authenticStores struct {
	Stores
	auth *signing.Authenticator
}

// AuthenticStores returns stores whose records are as they were written here.
func AuthenticStores(s Stores, a *signing.Authenticator) Stores { return &authenticStores{s, a} }

// malformed refuses a record whose columns can't even be read.
func malformed(auth *signing.Authenticator, err error, table, id string) error {
	if errors.Is(err, signing.ErrAltered) {
		return auth.Refuse(table, id, "a column of it is malformed")
	}
	return err
}

func (t *TypeRecord) facts(revision int64) *signing.Facts {
	return signing.NewFacts("license_types", string(t.Code), revision).Int(int64(t.Version)).
		Text(string(t.State), t.Owner).Bytes(t.Body).Time(t.Updated)
}

func (i *ItemRecord) facts(revision int64) *signing.Facts {
	return signing.NewFacts("service_items", string(i.Code), revision).Int(int64(i.Version)).
		Text(string(i.State), i.Owner).Bytes(i.Body).Time(i.Updated)
}

// SaveTypes implements [TypeStore].
func (s *authenticStores) SaveTypes(ctx context.Context, e journal.Event, ts ...TypeRecord) error {
	var err error
	for i := range ts {
		if ts[i].Auth, _, err = s.auth.Stamp(ts[i].facts(ts[i].Revision + 1)); err != nil {
			return err
		}
	}
	err = s.Stores.SaveTypes(ctx, e, ts...)
	for _, t := range ts {
		err = s.auth.Wrote(err, "license_types", string(t.Code)+"/"+strconv.Itoa(t.Version), t.Revision+1)
	}
	return err
}

// LoadTypes implements [TypeStore].
func (s *authenticStores) LoadTypes(ctx context.Context, code credential.TypeCode, before, limit int) ([]TypeRecord, error) {
	ts, err := s.Stores.LoadTypes(ctx, code, before, limit)
	err = malformed(s.auth, err, "license_types", string(code))
	return ts, s.verifyTypes(ts, err)
}

// ListTypes implements [TypeStore], and leaves out what doesn't fit.
func (s *authenticStores) ListTypes(ctx context.Context, d Drafts, after credential.TypeCode, limit int) ([]TypeRecord, error) {
	return signing.Fitting(limit, func(last *TypeRecord, n int) ([]TypeRecord, error) {
		if last != nil {
			after = last.Code
		}
		return s.Stores.ListTypes(ctx, d, after, n)
	}, func(t *TypeRecord) error { return s.auth.VerifyAlone(t.facts(t.Revision), t.Auth) })
}

func (s *authenticStores) verifyTypes(ts []TypeRecord, err error) error {
	for i := range ts {
		if err := s.auth.VerifyAlone(ts[i].facts(ts[i].Revision), ts[i].Auth); err != nil {
			return err
		}
	}
	return err
}

// SaveItems implements [ItemStore].
func (s *authenticStores) SaveItems(ctx context.Context, e journal.Event, is ...ItemRecord) error {
	var err error
	for i := range is {
		if is[i].Auth, _, err = s.auth.Stamp(is[i].facts(is[i].Revision + 1)); err != nil {
			return err
		}
	}
	err = s.Stores.SaveItems(ctx, e, is...)
	for _, i := range is {
		err = s.auth.Wrote(err, "service_items", string(i.Code)+"/"+strconv.Itoa(i.Version), i.Revision+1)
	}
	return err
}

// LoadItems implements [ItemStore].
func (s *authenticStores) LoadItems(ctx context.Context, code ItemCode, before, limit int) ([]ItemRecord, error) {
	is, err := s.Stores.LoadItems(ctx, code, before, limit)
	err = malformed(s.auth, err, "service_items", string(code))
	return is, s.verifyItems(is, err)
}

// ListItems implements [ItemStore], and leaves out what doesn't fit.
func (s *authenticStores) ListItems(ctx context.Context, d Drafts, after ItemCode, limit int) ([]ItemRecord, error) {
	return signing.Fitting(limit, func(last *ItemRecord, n int) ([]ItemRecord, error) {
		if last != nil {
			after = last.Code
		}
		return s.Stores.ListItems(ctx, d, after, n)
	}, func(i *ItemRecord) error { return s.auth.VerifyAlone(i.facts(i.Revision), i.Auth) })
}

func (s *authenticStores) verifyItems(is []ItemRecord, err error) error {
	for i := range is {
		if err := s.auth.VerifyAlone(is[i].facts(is[i].Revision), is[i].Auth); err != nil {
			return err
		}
	}
	return err
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
