package license

import (
	"context"
	"errors"
	"strconv"

	"yizheng.internal/license/audit"
	"yizheng.internal/license/party"
	"yizheng.internal/license/status"
	"yizheng.internal/signing"
)

// authenticStores are stores whose records carry authenticators. They make an authenticator for each record that
// is saved, and return signing.ErrAltered for a record whose authenticator doesn't fit. So the rest of the
// package never sees a record that was written without them.
type authenticStores struct {
	Stores
	auth *signing.Authenticator
}

// AuthenticStores returns stores that authenticate the licenses and versions that they save, and return only those
// whose authenticators fit. Rows of lookup keys have none.
func AuthenticStores(s Stores, a *signing.Authenticator) Stores { return &authenticStores{s, a} }

func (r *Record) facts(revision int64) *signing.Facts {
	return signing.NewFacts("licenses", string(r.ID), revision).
		Text(string(r.Type), string(r.Authority), string(r.State)).Int(int64(r.Version)).Time(r.Created, r.Updated)
}

// Facts returns what a version's authenticator covers.
func (v *VersionRecord) Facts() *signing.Facts {
	return signing.NewFacts("license_versions", string(v.License), 0).
		Int(int64(v.Version), int64(v.TypeVersion), v.StatusList, int64(v.StatusIndex)).
		Text(string(v.State), string(v.Origin), string(v.TrustGrade), civil(v.ValidFrom), civil(v.ValidUntil)).
		Time(v.Issued).Sealed(v.Body, v.Credential, v.HolderKey, v.Ending, v.Suspension)
}

// civil returns a date as a fact, empty if there is none.
func civil(d party.Date) string {
	if d.IsZero() {
		return ""
	}
	return d.String()
}

// Save implements [Store].
func (s *authenticStores) Save(ctx context.Context, q SaveRequest) error {
	var err error
	if q.Record.Auth, q.Record.Mark, err = s.auth.Stamp(q.Record.facts(q.Record.Revision + 1)); err != nil {
		return err
	}
	if q.Add != nil {
		add := *q.Add
		if add.Auth, _, err = s.auth.Stamp(add.Facts()); err != nil {
			return err
		}
		q.Add = &add
	}
	states := make([]VersionState, len(q.States))
	for i, st := range q.States {
		if st.Auth, err = s.stateAuth(ctx, q.Record.ID, st); err != nil {
			return err
		}
		states[i] = st
	}
	q.States = states
	if q.Status, err = status.Stamp(s.auth, q.Status, q.Record.Revision+1); err != nil {
		return err
	}
	return s.auth.Wrote(status.Unreserved(s.auth, s.Stores.Save(ctx, q)), "licenses", string(q.Record.ID), q.Record.Revision+1)
}

// stateAuth returns the authenticator of a stored version in its new state. If the version changes meanwhile, the
// license's revision changes with it, and Save fails.
func (s *authenticStores) stateAuth(ctx context.Context, id audit.ID, st VersionState) ([]byte, error) {
	_, v, err := s.Load(ctx, id, st.Version)
	if err != nil {
		return nil, err
	}
	v.State = st.State
	if st.Ending != nil {
		v.Ending = st.Ending
	}
	if st.Suspension != nil {
		v.Suspension = st.Suspension
	}
	auth, _, err := s.auth.Stamp(v.Facts())
	return auth, err
}

// Load implements [Store].
func (s *authenticStores) Load(ctx context.Context, id audit.ID, version int) (Record, VersionRecord, error) {
	r, v, err := s.Stores.Load(ctx, id, version)
	switch {
	case err == nil:
		err = Verify(s.auth, &r, &v)
	case errors.Is(err, ErrNotFound):
		err = versionGone(ctx, s, id, version, err)
	default:
		err = malformed(s.auth, err, "licenses", string(id))
	}
	if err != nil {
		return Record{}, VersionRecord{}, err
	}
	return r, v, nil
}

// versionGone tells a license that does not exist from one whose version was deleted, or whose number of versions
// was altered. err is what the store returned.
func versionGone(ctx context.Context, s *authenticStores, id audit.ID, version int, err error) error {
	other := 0
	if version == 0 { // the newest was wanted; version 1 always exists
		other = 1
	}
	r, _, found := s.Stores.Load(ctx, id, other)
	if found != nil || version > max(0, r.Version) {
		return err
	}
	return s.auth.Refuse("licenses", string(id), "one of its versions is not there")
}

// malformed refuses a record whose columns can't even be read.
func malformed(auth *signing.Authenticator, err error, table, id string) error {
	if errors.Is(err, signing.ErrAltered) {
		return auth.Refuse(table, id, "a column of it is malformed")
	}
	return err
}

// Search implements [Store], and leaves out records whose authenticators don't fit.
func (s *authenticStores) Search(ctx context.Context, q Query) ([]Record, error) {
	return signing.Fitting(q.Limit, func(after *Record, n int) ([]Record, error) {
		q := q
		if q.Limit = n; after != nil {
			q.Before = Cursor{after.Created, after.ID}
		}
		return s.Stores.Search(ctx, q)
	}, func(r *Record) error { return s.auth.Verify(r.facts(r.Revision), r.Auth, r.Mark) })
}

// Versions implements [LookupStore], and leaves out versions whose authenticators don't fit.
func (s *authenticStores) Versions(ctx context.Context, after Located, limit int) ([]VersionRecord, error) {
	return signing.Fitting(limit, func(last *VersionRecord, n int) ([]VersionRecord, error) {
		if last != nil {
			after = Located{last.License, last.Version}
		}
		return s.Stores.Versions(ctx, after, n)
	}, func(v *VersionRecord) error { return s.auth.VerifyAlone(v.Facts(), v.Auth) })
}

// Verify checks the authenticators of a license and of one of its versions, and that the two belong together. It
// compares their states, because the rows of versions have no registers of their own.
func Verify(auth *signing.Authenticator, r *Record, v *VersionRecord) error {
	if err := auth.Verify(r.facts(r.Revision), r.Auth, r.Mark); err != nil {
		return err
	}
	if err := auth.VerifyAlone(v.Facts(), v.Auth); err != nil {
		return err
	}
	fits := v.State == Superseded || v.State == Ended
	if v.Version == r.Version {
		fits = v.State == r.State
	}
	if v.License != r.ID || v.Version > r.Version || !fits {
		return auth.Refuse("license_versions", string(v.License)+"/"+strconv.Itoa(v.Version),
			"it is "+string(v.State)+", which its license is not: one of them was put back")
	}
	return nil
}
