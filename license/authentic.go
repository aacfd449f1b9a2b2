package license

import (
	"context"
	"errors"
	"strconv"

	"yizheng.internal/license/catalog"
	"yizheng.internal/license/party"
	"yizheng.internal/license/status"
	"yizheng.internal/signing"
	"yizheng.internal/signing/journal"
)

// authenticStores are stores whose records carry authenticators: they are made
// of what is saved, and what comes back without fitting ones is signing.ErrAltered.
// So the rest of the package never sees a record that was written past it.
type authenticStores struct {
	ownStores
	auth *signing.Authenticator
}

// AuthenticStores returns stores whose records are as they were written here.
func AuthenticStores(s Stores, a *signing.Authenticator) Stores {
	return allStores{&authenticStores{s, a}, status.AuthenticStores(s, a), catalog.AuthenticStores(s, a)}
}

// allStores are those of the registry and of its rooms.
type allStores struct {
	ownStores
	listStores
	catalogStores
}

type (
	listStores    interface{ status.Stores }
	catalogStores interface{ catalog.Stores }
)

func (r *Record) facts(revision int64) *signing.Facts {
	return signing.NewFacts("licenses", string(r.ID), revision).
		Text(string(r.Type), string(r.Authority), string(r.State)).Int(int64(r.Version)).Time(r.Created, r.Updated)
}

func (v *VersionRecord) facts() *signing.Facts {
	return signing.NewFacts("license_versions", string(v.License), 0).
		Int(int64(v.Version), int64(v.TypeVersion), v.StatusList, int64(v.StatusIndex)).
		Text(string(v.State), string(v.Origin), string(v.TrustGrade), civil(v.ValidFrom), civil(v.ValidUntil)).
		Time(v.Issued).Sealed(v.Body, v.Credential, v.HolderKey, v.Ending, v.Suspension)
}

// civil is a date as a fact, empty for none.
func civil(d party.Date) string {
	if d.IsZero() {
		return ""
	}
	return d.String()
}

func (g *GrantRecord) facts(revision int64) *signing.Facts {
	return signing.NewFacts("grants", string(g.ID), revision).
		Text(string(g.State), g.Client, string(g.Item), string(g.Basis)).Flag(g.Recurring).
		Time(g.Created, g.Expires).Sealed(g.Body).Bytes(g.Code)
}

func (c *UseCodeRecord) facts() *signing.Facts {
	return signing.NewFacts("use_codes", string(c.Grant), 0).Bytes(c.Hash[:]).Text(string(c.License)).
		Int(int64(c.Version), int64(c.Number)).Time(c.Created, c.First)
}

// verify checks a license and a version of it, and that they belong together: the
// versions' rows have no registers of their own.
func (s *authenticStores) verify(r *Record, v *VersionRecord) error {
	if err := s.auth.Verify(r.facts(r.Revision), r.Auth, r.Mark); err != nil {
		return err
	}
	if err := s.auth.VerifyAlone(v.facts(), v.Auth); err != nil {
		return err
	}
	fits := v.State == Superseded || v.State == Ended
	if v.Version == r.Version {
		fits = v.State == r.State
	}
	if v.License != r.ID || v.Version > r.Version || !fits {
		return s.auth.Refuse("license_versions", string(v.License)+"/"+strconv.Itoa(v.Version),
			"it is "+string(v.State)+", which its license is not: one of them was put back")
	}
	return nil
}

// Save implements [Store].
func (s *authenticStores) Save(ctx context.Context, q SaveRequest) error {
	var err error
	if q.Record.Auth, q.Record.Mark, err = s.auth.Stamp(q.Record.facts(q.Record.Revision + 1)); err != nil {
		return err
	}
	if q.Add != nil {
		add := *q.Add
		if add.Auth, _, err = s.auth.Stamp(add.facts()); err != nil {
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
	return s.auth.Wrote(status.Unreserved(s.auth, s.ownStores.Save(ctx, q)), "licenses", string(q.Record.ID), q.Record.Revision+1)
}

// stateAuth returns the authenticator of a stored version in its new state. Should
// the version change meanwhile, so has the license's revision, and Save fails.
func (s *authenticStores) stateAuth(ctx context.Context, id ID, st VersionState) ([]byte, error) {
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
	auth, _, err := s.auth.Stamp(v.facts())
	return auth, err
}

// Load implements [Store].
func (s *authenticStores) Load(ctx context.Context, id ID, version int) (Record, VersionRecord, error) {
	r, v, err := s.ownStores.Load(ctx, id, version)
	switch {
	case err == nil:
		err = s.verify(&r, &v)
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

// versionGone tells a license that is not there from one whose version was deleted, or
// whose number of versions was altered. Err is what the store said.
func versionGone(ctx context.Context, s *authenticStores, id ID, version int, err error) error {
	other := 0
	if version == 0 { // the newest: the first one is always there
		other = 1
	}
	r, _, found := s.ownStores.Load(ctx, id, other)
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

// Search implements [Store], and leaves out what doesn't fit.
func (s *authenticStores) Search(ctx context.Context, q Query) ([]Record, error) {
	return signing.Fitting(q.Limit, func(after *Record, n int) ([]Record, error) {
		q := q
		if q.Limit = n; after != nil {
			q.Before = Cursor{after.Created, after.ID}
		}
		return s.ownStores.Search(ctx, q)
	}, func(r *Record) error { return s.auth.Verify(r.facts(r.Revision), r.Auth, r.Mark) })
}

// Versions implements [LookupStore], and leaves out what doesn't fit.
func (s *authenticStores) Versions(ctx context.Context, after Located, limit int) ([]VersionRecord, error) {
	return signing.Fitting(limit, func(last *VersionRecord, n int) ([]VersionRecord, error) {
		if last != nil {
			after = Located{last.License, last.Version}
		}
		return s.ownStores.Versions(ctx, after, n)
	}, func(v *VersionRecord) error { return s.auth.VerifyAlone(v.facts(), v.Auth) })
}

// SaveGrant implements [GrantStore].
func (s *authenticStores) SaveGrant(ctx context.Context, g GrantRecord, codes []UseCodeRecord, e journal.Event) error {
	var err error
	if g.Auth, g.Mark, err = s.auth.Stamp(g.facts(g.Revision + 1)); err != nil {
		return err
	}
	stamped := make([]UseCodeRecord, len(codes))
	for i, c := range codes {
		if c.Auth, _, err = s.auth.Stamp(c.facts()); err != nil {
			return err
		}
		stamped[i] = c
	}
	return s.auth.Wrote(s.ownStores.SaveGrant(ctx, g, stamped, e), "grants", string(g.ID), g.Revision+1)
}

// LoadGrant implements [GrantStore].
func (s *authenticStores) LoadGrant(ctx context.Context, id GrantID) (GrantRecord, []UseCodeRecord, error) {
	g, codes, err := s.ownStores.LoadGrant(ctx, id)
	if err == nil {
		err = s.verifyGrant(&g)
	}
	for i := range codes {
		if err == nil {
			err = s.auth.VerifyAlone(codes[i].facts(), codes[i].Auth)
		}
	}
	if err != nil {
		return GrantRecord{}, nil, err
	}
	return g, codes, nil
}

// ListGrants implements [GrantStore], and leaves out what doesn't fit.
func (s *authenticStores) ListGrants(ctx context.Context, keys []signing.Lookup, before Cursor, limit int) ([]GrantRecord, error) {
	return signing.Fitting(limit, func(after *GrantRecord, n int) ([]GrantRecord, error) {
		if after != nil {
			before = Cursor{after.Created, ID(after.ID)}
		}
		return s.ownStores.ListGrants(ctx, keys, before, n)
	}, s.verifyGrant)
}

// GrantsAfter implements [PartyKeyStore], and leaves out what doesn't fit.
func (s *authenticStores) GrantsAfter(ctx context.Context, after GrantID, limit int) ([]GrantRecord, error) {
	return signing.Fitting(limit, func(last *GrantRecord, n int) ([]GrantRecord, error) {
		if last != nil {
			after = last.ID
		}
		return s.ownStores.GrantsAfter(ctx, after, n)
	}, s.verifyGrant)
}

func (s *authenticStores) verifyGrant(g *GrantRecord) error {
	return s.auth.Verify(g.facts(g.Revision), g.Auth, g.Mark)
}

// LoadUse implements [UseStore].
func (s *authenticStores) LoadUse(ctx context.Context, grant GrantID, code [32]byte, request string) (Used, error) {
	u, err := s.ownStores.LoadUse(ctx, grant, code, request)
	if err == nil {
		err = s.auth.VerifyAlone(u.Code.facts(), u.Code.Auth)
	}
	if err == nil && u.PutBack {
		err = s.auth.Refuse("use_codes", string(grant), "it was used, and is as it was before that: it was put back")
	}
	if err == nil {
		err = s.verifyGrant(&u.Grant)
	}
	if err == nil {
		err = s.verify(&u.License, &u.Version)
	}
	if err != nil {
		return Used{}, err
	}
	return u, nil
}
