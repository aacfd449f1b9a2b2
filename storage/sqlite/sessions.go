package sqlite

import (
	"cmp"
	"context"
	"fmt"
	"slices"
	"strings"
	"time"

	"yizheng.internal/oidc"
	"yizheng.internal/oidc/session"
	"yizheng.internal/signing"
	"yizheng.internal/signing/journal"
)

// CreateSession implements [session.Store].
func (s *Provider) CreateSession(ctx context.Context, n session.Record, es ...journal.Event) error {
	err := s.db.writer.do(ctx, func(c *conn) error {
		_, err := c.exec(`
			INSERT INTO sessions (id, cookie, revision, created, seen, expires, ended, body, auth)
			VALUES (?, ?, 1, ?, ?, ?, ?, ?, ?)`,
			n.ID, n.Cookie[:], n.Created, n.Seen, n.Expires, optional(n.Ended), n.Body, n.Auth)
		if err != nil {
			return taken(err, oidc.ErrExists)
		}
		for _, key := range n.Party {
			_, err := c.exec(`
				INSERT INTO session_parties (serial, sum, created, session) VALUES (?, ?, ?, ?)
				ON CONFLICT (serial, sum, created, session) DO NOTHING`, key.Serial, key.Sum[:], n.Created, n.ID)
			if err != nil {
				return err
			}
		}
		return appendEvents(c, es...)
	})
	if err != nil {
		return fmt.Errorf("creating session %s: %w", n.ID, err)
	}
	return nil
}

// UpdateSession implements [session.Store].
func (s *Provider) UpdateSession(ctx context.Context, n session.Record, es ...journal.Event) error {
	err := s.db.writer.do(ctx, func(c *conn) error {
		changed, err := c.exec(`
			UPDATE sessions SET cookie = ?, revision = revision + 1, seen = ?, expires = ?, ended = ?, body = ?, auth = ?
			WHERE id = ? AND revision = ?`,
			n.Cookie[:], n.Seen, n.Expires, optional(n.Ended), n.Body, n.Auth, n.ID, n.Revision)
		if err != nil {
			return taken(err, oidc.ErrExists)
		}
		if changed == 0 {
			return oidc.ErrConflict
		}
		if err := saveMark(c, "sessions", n.ID, n.Mark); err != nil {
			return err
		}
		return appendEvents(c, es...)
	})
	if err != nil {
		return fmt.Errorf("updating session %s: %w", n.ID, err)
	}
	return nil
}

const sessionColumns = `s.id, s.cookie, s.revision, s.created, s.seen, s.expires, s.ended, s.body, s.auth,
	(SELECT mark FROM registers WHERE kind = 'sessions' AND registers.id = s.id)`

func scanSession(r *row) session.Record {
	return session.Record{
		ID: r.text(), Cookie: r.sum(), Revision: r.int64(), Created: r.time(), Seen: r.time(),
		Expires: r.time(), Ended: r.time(), Body: r.bytes(), Auth: r.bytes(), Mark: r.bytes(),
	}
}

const (
	loadSession = `SELECT ` + sessionColumns + ` FROM sessions s WHERE s.id = ?`
	findSession = `SELECT ` + sessionColumns + ` FROM sessions s WHERE s.cookie = ?`
)

// LoadSession implements [session.Store].
func (s *Provider) LoadSession(ctx context.Context, id string) (session.Record, error) {
	return s.session(ctx, loadSession, id)
}

// FindSession implements [session.Store].
func (s *Provider) FindSession(ctx context.Context, cookie [32]byte) (session.Record, error) {
	return s.session(ctx, findSession, cookie[:])
}

func (s *Provider) session(ctx context.Context, sql string, key any) (n session.Record, err error) {
	err = one(ctx, s.db, oidc.ErrNotFound, sql, func(r *row) { n = scanSession(r) }, key)
	if err != nil {
		return session.Record{}, fmt.Errorf("loading a session: %w", err)
	}
	return n, nil
}

const sessionsOf = `
	SELECT ` + sessionColumns + ` FROM session_parties k CROSS JOIN sessions s ON s.id = k.session
	WHERE k.serial = ? AND k.sum = ? AND s.ended IS NULL AND s.expires > ?
	ORDER BY k.created DESC, k.session DESC LIMIT ?`

// ListSessions implements [session.Store], with a query for each key.
func (s *Provider) ListSessions(ctx context.Context, party []signing.Lookup, at time.Time, limit int) ([]session.Record, error) {
	all, err := ofParty(ctx, s.db, sessionsOf, scanSession, party, at, limit)
	if err != nil {
		return nil, fmt.Errorf("listing sessions: %w", err)
	}
	slices.SortFunc(all, func(a, b session.Record) int {
		return cmp.Or(b.Created.Compare(a.Created), strings.Compare(b.ID, a.ID))
	})
	all = slices.CompactFunc(all, func(a, b session.Record) bool { return a.ID == b.ID })
	return all[:min(len(all), max(limit, 0))], nil
}

// ofParty collects what a query finds for each of a party's keys: the same may
// come by several.
func ofParty[T any](ctx context.Context, db *DB, sql string, scan func(*row) T, party []signing.Lookup, at time.Time, limit int) ([]T, error) {
	var all []T
	err := db.readers.do(ctx, func(c *conn) error {
		for _, key := range party {
			err := c.query(sql, func(r *row) { all = append(all, scan(r)) }, key.Serial, key.Sum[:], at, max(limit, 0))
			if err != nil {
				return err
			}
		}
		return nil
	})
	return all, err
}

// SessionsAfter implements [provider.OldRecords].
func (s *Provider) SessionsAfter(ctx context.Context, after string, limit int) ([]session.Record, error) {
	all, err := many(ctx, s.db, "SELECT "+sessionColumns+" FROM sessions s WHERE s.id > ? ORDER BY s.id LIMIT ?", scanSession, after, max(limit, 0))
	if err != nil {
		return nil, fmt.Errorf("listing all sessions: %w", err)
	}
	return all, nil
}
