package oidc

import (
	"context"
	"errors"
	"slices"
	"time"

	"yizheng.internal/signing"
	"yizheng.internal/signing/journal"
)

// What follows are stores whose records carry authenticators: they are made of what
// is saved, and what comes back without fitting ones is signing.ErrAltered.

// AuthenticClients returns clients as they were written here.
func AuthenticClients(c Clients, a *signing.Authenticator) Clients { return &authenticClients{c, a} }

type authenticClients struct {
	Clients
	auth *signing.Authenticator
}

func (c *ClientRecord) facts(revision int64) *signing.Facts {
	return signing.NewFacts("clients", c.ID, revision).Text(c.Participant).Flag(c.Disabled).Bytes(c.Body).Time(c.Created, c.Updated)
}

// CreateClient implements [Clients].
func (s *authenticClients) CreateClient(ctx context.Context, c ClientRecord) (err error) {
	if c.Auth, c.Mark, err = s.auth.Stamp(c.facts(1)); err != nil {
		return err
	}
	return s.Clients.CreateClient(ctx, c)
}

// UpdateClient implements [Clients].
func (s *authenticClients) UpdateClient(ctx context.Context, c ClientRecord) (err error) {
	if c.Auth, c.Mark, err = s.auth.Stamp(c.facts(c.Revision + 1)); err != nil {
		return err
	}
	return s.auth.Wrote(s.Clients.UpdateClient(ctx, c), "clients", c.ID, c.Revision+1)
}

// LoadClient implements [Clients].
func (s *authenticClients) LoadClient(ctx context.Context, id string) (ClientRecord, error) {
	c, err := s.Clients.LoadClient(ctx, id)
	if err == nil {
		err = s.auth.Verify(c.facts(c.Revision), c.Auth, c.Mark)
	}
	if err != nil {
		return ClientRecord{}, err
	}
	return c, nil
}

// ListClients implements [Clients], and leaves out what doesn't fit.
func (s *authenticClients) ListClients(ctx context.Context, participant, after string, limit int) ([]ClientRecord, error) {
	return signing.Fitting(limit, func(last *ClientRecord, n int) ([]ClientRecord, error) {
		if last != nil {
			after = last.ID
		}
		return s.Clients.ListClients(ctx, participant, after, n)
	}, func(c *ClientRecord) error { return s.auth.Verify(c.facts(c.Revision), c.Auth, c.Mark) })
}

// AuthenticSessions returns sessions as they were written here.
func AuthenticSessions(s Sessions, a *signing.Authenticator) Sessions {
	return &authenticSessions{s, a}
}

// AuthenticFamilies returns families as they were written here.
func AuthenticFamilies(f Families, s Spent, a *signing.Authenticator) Families {
	return &authenticFamilies{f, a, &authenticSpent{s, a}}
}

type authenticSessions struct {
	Sessions
	auth *signing.Authenticator
}

func (s *SessionRecord) facts(revision int64) *signing.Facts {
	return signing.NewFacts("sessions", s.ID, revision).Bytes(s.Cookie[:]).Time(s.Created, s.Seen, s.Expires, s.Ended).Sealed(s.Body)
}

func (s *authenticSessions) verify(r SessionRecord, err error) (SessionRecord, error) {
	if err == nil {
		err = s.auth.Verify(r.facts(r.Revision), r.Auth, r.Mark)
	}
	if err != nil {
		return SessionRecord{}, err
	}
	return r, nil
}

// CreateSession implements [Sessions].
func (s *authenticSessions) CreateSession(ctx context.Context, r SessionRecord, es ...journal.Event) (err error) {
	if r.Auth, r.Mark, err = s.auth.Stamp(r.facts(1)); err != nil {
		return err
	}
	return s.Sessions.CreateSession(ctx, r, es...)
}

// UpdateSession implements [Sessions].
func (s *authenticSessions) UpdateSession(ctx context.Context, r SessionRecord, es ...journal.Event) (err error) {
	if r.Auth, r.Mark, err = s.auth.Stamp(r.facts(r.Revision + 1)); err != nil {
		return err
	}
	err = s.Sessions.UpdateSession(ctx, r, es...)
	if w := s.auth.Witness(); err == nil && w != nil && !r.Ended.IsZero() {
		w.Over("sessions", r.ID, r.Revision+1, r.Expires)
	}
	return err
}

// LoadSession implements [Sessions].
func (s *authenticSessions) LoadSession(ctx context.Context, id string) (SessionRecord, error) {
	return s.verify(s.Sessions.LoadSession(ctx, id))
}

// FindSession implements [Sessions]. The row that leads from a cookie to a session
// decides nothing: the session itself must have that cookie.
func (s *authenticSessions) FindSession(ctx context.Context, cookie [32]byte) (SessionRecord, error) {
	r, err := s.verify(s.Sessions.FindSession(ctx, cookie))
	if err == nil && r.Cookie != cookie {
		return SessionRecord{}, s.auth.Refuse("sessions", r.ID, "a cookie leads to it that is another session's")
	}
	return r, err
}

// ListSessions implements [Sessions], and leaves out what doesn't fit.
func (s *authenticSessions) ListSessions(ctx context.Context, party []signing.Lookup, at time.Time, limit int) ([]SessionRecord, error) {
	all, err := s.Sessions.ListSessions(ctx, party, at, limit)
	if err != nil {
		return nil, err
	}
	return fitting(all, func(r *SessionRecord) error { return s.auth.Verify(r.facts(r.Revision), r.Auth, r.Mark) })
}

type authenticFamilies struct {
	Families
	auth  *signing.Authenticator
	spent *authenticSpent
}

// authenticSpent is what was spent, of which this node remembers for a while what it
// spent itself.
type authenticSpent struct {
	Spent
	auth *signing.Authenticator
}

// AuthenticSpent returns what was spent, as far as this node knows even if it was
// deleted.
func AuthenticSpent(s Spent, a *signing.Authenticator) Spent { return &authenticSpent{s, a} }

// check returns an error if a hash was spent here and is no longer so in the store.
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

// AuthenticConsents returns consents that were not withdrawn.
func AuthenticConsents(c Consents, a *signing.Authenticator) Consents {
	return &authenticConsents{c, a}
}

type authenticConsents struct {
	Consents
	auth *signing.Authenticator
}

// stamp makes the registers of consents that end. Their revision is the second when they
// would have expired, so that whoever compares registers knows when they may go.
func (s *authenticConsents) stamp(all []EndedConsent) (ended []EndedConsent, err error) {
	ended = slices.Clone(all)
	for i, c := range ended {
		if _, ended[i].Mark, err = s.auth.Stamp(signing.NewFacts("consents", c.ID, c.Expires.Unix())); err != nil {
			return nil, err
		}
	}
	return ended, nil
}

// CreateConsent implements [Consents].
func (s *authenticConsents) CreateConsent(ctx context.Context, c ConsentRecord, instead []EndedConsent, es ...journal.Event) error {
	ended, err := s.stamp(instead)
	if err != nil {
		return err
	}
	return s.Consents.CreateConsent(ctx, c, ended, es...)
}

// DeleteConsents implements [Consents].
func (s *authenticConsents) DeleteConsents(ctx context.Context, all []EndedConsent, es ...journal.Event) error {
	ended, err := s.stamp(all)
	if err != nil {
		return err
	}
	return s.Consents.DeleteConsents(ctx, ended, es...)
}

// ListConsents implements [Consents], and leaves out those that were withdrawn, and
// whose rows were put back.
func (s *authenticConsents) ListConsents(ctx context.Context, party []signing.Lookup, at time.Time, limit int) ([]ConsentRecord, error) {
	all, err := s.Consents.ListConsents(ctx, party, at, limit)
	if err != nil {
		return nil, err
	}
	return fitting(all, func(c *ConsentRecord) error {
		if c.Mark == nil {
			return nil
		}
		return s.auth.Refuse("consents", c.ID, "it was withdrawn")
	})
}

func (f *FamilyRecord) facts(revision int64) *signing.Facts {
	return signing.NewFacts("families", f.ID, revision).Text(f.Client, f.Session, f.EndedBy).Int(f.Number).
		Time(f.Rotated, f.Created, f.Expires, f.Ended).Sealed(f.Body)
}

// RedeemCode implements [Families].
func (s *authenticFamilies) RedeemCode(ctx context.Context, code [32]byte, keep time.Time, f FamilyRecord, es ...journal.Event) (first string, err error) {
	if f.Auth, f.Mark, err = s.auth.Stamp(f.facts(1)); err != nil {
		return "", err
	}
	w := s.auth.Witness()
	if w == nil {
		return s.Families.RedeemCode(ctx, code, keep, f, es...)
	}
	if err := s.spent.check(ctx, w, code); err != nil {
		return "", err
	}
	first, err = s.Families.RedeemCode(ctx, code, keep, f, es...)
	if err == nil {
		w.Spent(code, keep)
	}
	return first, err
}

// UpdateFamily implements [Families].
func (s *authenticFamilies) UpdateFamily(ctx context.Context, f FamilyRecord, es ...journal.Event) (err error) {
	if f.Auth, f.Mark, err = s.auth.Stamp(f.facts(f.Revision + 1)); err != nil {
		return err
	}
	err = s.Families.UpdateFamily(ctx, f, es...)
	if w := s.auth.Witness(); err == nil && w != nil && !f.Ended.IsZero() {
		w.Over("families", f.ID, f.Revision+1, f.Expires)
	}
	return err
}

// LoadFamily implements [Families].
func (s *authenticFamilies) LoadFamily(ctx context.Context, id string) (FamilyRecord, error) {
	f, err := s.Families.LoadFamily(ctx, id)
	if err == nil {
		err = s.auth.Verify(f.facts(f.Revision), f.Auth, f.Mark)
	}
	if err != nil {
		return FamilyRecord{}, err
	}
	return f, nil
}

// ListFamilies implements [Families], and leaves out what doesn't fit.
func (s *authenticFamilies) ListFamilies(ctx context.Context, party []signing.Lookup, at time.Time, limit int) ([]FamilyRecord, error) {
	all, err := s.Families.ListFamilies(ctx, party, at, limit)
	if err != nil {
		return nil, err
	}
	return fitting(all, func(f *FamilyRecord) error { return s.auth.Verify(f.facts(f.Revision), f.Auth, f.Mark) })
}

// fitting returns those that are as they were written.
func fitting[T any](all []T, verify func(*T) error) (fit []T, err error) {
	fit = slices.DeleteFunc(all, func(one T) bool {
		e := verify(&one)
		if e != nil && !errors.Is(e, signing.ErrAltered) {
			err = e
		}
		return e != nil
	})
	return fit, err
}
