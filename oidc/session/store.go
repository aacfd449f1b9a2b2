package session

import (
	"context"
	"time"

	"yizheng.internal/signing"
	"yizheng.internal/signing/journal"
)

// Record is a login session as a store keeps it.
type Record struct {
	ID       string   // of identity.NewID
	Cookie   [32]byte // SHA-256 of the session cookie, which changes with each login and step-up
	Revision int64    // counts updates, from 1
	Created  time.Time
	Seen     time.Time // last use, correct to a few minutes
	Expires  time.Time // the latest end, even if it is used
	Ended    time.Time // when it was logged out or otherwise ended; zero: live
	Body     []byte    // sealed: account, party, factors, when, where
	// Party has the lookup keys that lead to the person's sessions. They are written with
	// a new session, and not read back.
	Party []signing.Lookup

	Auth []byte // see signing.Authenticator; read and written with the record
	Mark []byte // the record's register, likewise; nil before revision 2
}

// Store keeps sessions. Events passed to a method are appended in the same
// transaction, as AppendEvents does: both are on disk, or neither. Every driver
// passes storagetest/provider.Sessions.
type Store interface {
	// CreateSession stores s with revision 1. ErrExists if its ID or Cookie is taken.
	CreateSession(ctx context.Context, s Record, es ...journal.Event) error
	// LoadSession returns the session with that ID, or ErrNotFound.
	LoadSession(ctx context.Context, id string) (Record, error)
	// FindSession returns the session with that cookie, or ErrNotFound.
	FindSession(ctx context.Context, cookie [32]byte) (Record, error)
	// UpdateSession saves s and counts its revision up, if the stored revision is
	// s.Revision; otherwise ErrConflict. ErrExists if its Cookie is another session's.
	// ID, Created and Party never change.
	UpdateSession(ctx context.Context, s Record, es ...journal.Event) error
	// ListSessions returns up to limit sessions to which one of the keys leads, and that
	// have not ended and expire after a time: the newest first, and among those made at
	// the same time the greatest ID first.
	ListSessions(ctx context.Context, party []signing.Lookup, at time.Time, limit int) ([]Record, error)
}

// Authentic returns a store that returns only sessions of s as they were written here.
func Authentic(s Store, a *signing.Authenticator) Store {
	return &authenticSessions{s, a}
}

type authenticSessions struct {
	Store
	auth *signing.Authenticator
}

// Facts returns the facts from which the authenticator of the record is made, at a revision.
func (s *Record) Facts(revision int64) *signing.Facts {
	return signing.NewFacts("sessions", s.ID, revision).Bytes(s.Cookie[:]).Time(s.Created, s.Seen, s.Expires, s.Ended).Sealed(s.Body)
}

func (s *authenticSessions) verify(r Record, err error) (Record, error) {
	if err == nil {
		err = s.auth.Verify(r.Facts(r.Revision), r.Auth, r.Mark)
	}
	if err != nil {
		return Record{}, err
	}
	return r, nil
}

// CreateSession implements [Store].
func (s *authenticSessions) CreateSession(ctx context.Context, r Record, es ...journal.Event) (err error) {
	if r.Auth, r.Mark, err = s.auth.Stamp(r.Facts(1)); err != nil {
		return err
	}
	return s.Store.CreateSession(ctx, r, es...)
}

// UpdateSession implements [Store].
func (s *authenticSessions) UpdateSession(ctx context.Context, r Record, es ...journal.Event) (err error) {
	if r.Auth, r.Mark, err = s.auth.Stamp(r.Facts(r.Revision + 1)); err != nil {
		return err
	}
	err = s.Store.UpdateSession(ctx, r, es...)
	if w := s.auth.Witness(); err == nil && w != nil && !r.Ended.IsZero() {
		w.Over("sessions", r.ID, r.Revision+1, r.Expires)
	}
	return err
}

// LoadSession implements [Store].
func (s *authenticSessions) LoadSession(ctx context.Context, id string) (Record, error) {
	return s.verify(s.Store.LoadSession(ctx, id))
}

// FindSession implements [Store]. The row that leads from a cookie to a session isn't
// trusted: the session itself must have that cookie.
func (s *authenticSessions) FindSession(ctx context.Context, cookie [32]byte) (Record, error) {
	r, err := s.verify(s.Store.FindSession(ctx, cookie))
	if err == nil && r.Cookie != cookie {
		return Record{}, s.auth.Refuse("sessions", r.ID, "a cookie leads to it that is another session's")
	}
	return r, err
}

// ListSessions implements [Store], and leaves out sessions that were altered.
func (s *authenticSessions) ListSessions(ctx context.Context, party []signing.Lookup, at time.Time, limit int) ([]Record, error) {
	all, err := s.Store.ListSessions(ctx, party, at, limit)
	if err != nil {
		return nil, err
	}
	return signing.FittingAll(all, func(r *Record) error { return s.auth.Verify(r.Facts(r.Revision), r.Auth, r.Mark) })
}
