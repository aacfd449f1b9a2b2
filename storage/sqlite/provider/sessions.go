package provider

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
	"yizheng.internal/storage/sqlite/engine"
	"yizheng.internal/storage/sqlite/ledger"
)

// Sessions implements [session.Store], and lists all sessions.
type Sessions struct{ DB *engine.DB }

// CreateSession implements [session.Store].
func (s *Sessions) CreateSession(ctx context.Context, n session.Record, es ...journal.Event) error {
	err := s.DB.Write(ctx, func(c *engine.Conn) error {
		_, err := c.Exec(`
			INSERT INTO sessions (id, cookie, revision, created, seen, expires, ended, body, auth)
			VALUES (?, ?, 1, ?, ?, ?, ?, ?, ?)`,
			n.ID, n.Cookie[:], n.Created, n.Seen, n.Expires, engine.Optional(n.Ended), n.Body, n.Auth)
		if err != nil {
			return engine.Taken(err, oidc.ErrExists)
		}
		for _, key := range n.Party {
			_, err := c.Exec(`
				INSERT INTO session_parties (serial, sum, created, session) VALUES (?, ?, ?, ?)
				ON CONFLICT (serial, sum, created, session) DO NOTHING`, key.Serial, key.Sum[:], n.Created, n.ID)
			if err != nil {
				return err
			}
		}
		return ledger.AppendEvents(c, es...)
	})
	if err != nil {
		return fmt.Errorf("creating session %s: %w", n.ID, err)
	}
	return nil
}

// UpdateSession implements [session.Store].
func (s *Sessions) UpdateSession(ctx context.Context, n session.Record, es ...journal.Event) error {
	err := s.DB.Write(ctx, func(c *engine.Conn) error {
		changed, err := c.Exec(`
			UPDATE sessions SET cookie = ?, revision = revision + 1, seen = ?, expires = ?, ended = ?, body = ?, auth = ?
			WHERE id = ? AND revision = ?`,
			n.Cookie[:], n.Seen, n.Expires, engine.Optional(n.Ended), n.Body, n.Auth, n.ID, n.Revision)
		if err != nil {
			return engine.Taken(err, oidc.ErrExists)
		}
		if changed == 0 {
			return oidc.ErrConflict
		}
		if err := ledger.SaveMark(c, "sessions", n.ID, n.Mark); err != nil {
			return err
		}
		return ledger.AppendEvents(c, es...)
	})
	if err != nil {
		return fmt.Errorf("updating session %s: %w", n.ID, err)
	}
	return nil
}

const sessionColumns = `s.id, s.cookie, s.revision, s.created, s.seen, s.expires, s.ended, s.body, s.auth,
	(SELECT mark FROM registers WHERE kind = 'sessions' AND registers.id = s.id)`

func scanSession(r *engine.Row) session.Record {
	return session.Record{
		ID: r.Text(), Cookie: r.Sum(), Revision: r.Int64(), Created: r.Time(), Seen: r.Time(),
		Expires: r.Time(), Ended: r.Time(), Body: r.Bytes(), Auth: r.Bytes(), Mark: r.Bytes(),
	}
}

const (
	LoadSession = `SELECT ` + sessionColumns + ` FROM sessions s WHERE s.id = ?`
	FindSession = `SELECT ` + sessionColumns + ` FROM sessions s WHERE s.cookie = ?`
)

// LoadSession implements [session.Store].
func (s *Sessions) LoadSession(ctx context.Context, id string) (session.Record, error) {
	return s.session(ctx, LoadSession, id)
}

// FindSession implements [session.Store].
func (s *Sessions) FindSession(ctx context.Context, cookie [32]byte) (session.Record, error) {
	return s.session(ctx, FindSession, cookie[:])
}

func (s *Sessions) session(ctx context.Context, sql string, key any) (n session.Record, err error) {
	err = engine.One(ctx, s.DB, oidc.ErrNotFound, sql, func(r *engine.Row) { n = scanSession(r) }, key)
	if err != nil {
		return session.Record{}, fmt.Errorf("loading a session: %w", err)
	}
	return n, nil
}

const SessionsOf = `
	SELECT ` + sessionColumns + ` FROM session_parties k CROSS JOIN sessions s ON s.id = k.session
	WHERE k.serial = ? AND k.sum = ? AND s.ended IS NULL AND s.expires > ?
	ORDER BY k.created DESC, k.session DESC LIMIT ?`

// ListSessions implements [session.Store], with a query for each key.
func (s *Sessions) ListSessions(ctx context.Context, party []signing.Lookup, at time.Time, limit int) ([]session.Record, error) {
	all, err := ofParty(ctx, s.DB, SessionsOf, scanSession, party, at, limit, func(r session.Record) (time.Time, string) { return r.Created, r.ID })
	if err != nil {
		return nil, fmt.Errorf("listing sessions: %w", err)
	}
	return all, nil
}

// ofParty collects what a query finds for each of a party's keys, and returns the newest. The
// same record may come by several keys. made says of one when it was made, and its id.
func ofParty[T any](ctx context.Context, db *engine.DB, sql string, scan func(*engine.Row) T, party []signing.Lookup, at time.Time, limit int, made func(T) (time.Time, string)) ([]T, error) {
	var all []T
	err := db.Read(ctx, func(c *engine.Conn) error {
		for _, key := range party {
			err := c.Query(sql, func(r *engine.Row) { all = append(all, scan(r)) }, key.Serial, key.Sum[:], at, max(limit, 0))
			if err != nil {
				return err
			}
		}
		return nil
	})
	if err != nil {
		return nil, err
	}
	slices.SortFunc(all, func(a, b T) int {
		madeA, idA := made(a)
		madeB, idB := made(b)
		return cmp.Or(madeB.Compare(madeA), strings.Compare(idB, idA))
	})
	all = slices.CompactFunc(all, func(a, b T) bool {
		_, idA := made(a)
		_, idB := made(b)
		return idA == idB
	})
	return all[:min(len(all), max(limit, 0))], nil
}

// SessionsAfter implements [provider.OldRecords].
func (s *Sessions) SessionsAfter(ctx context.Context, after string, limit int) ([]session.Record, error) {
	all, err := engine.Many(ctx, s.DB, "SELECT "+sessionColumns+" FROM sessions s WHERE s.id > ? ORDER BY s.id LIMIT ?", scanSession, after, max(limit, 0))
	if err != nil {
		return nil, fmt.Errorf("listing all sessions: %w", err)
	}
	return all, nil
}
