package postgres

import (
	"cmp"
	"context"
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/jackc/pgx/v5"

	"yizheng.internal/oidc"
	"yizheng.internal/oidc/session"
	"yizheng.internal/signing"
	"yizheng.internal/signing/journal"
)

// CreateSession implements [session.Store].
func (s *Provider) CreateSession(ctx context.Context, n session.Record, es ...journal.Event) error {
	sums, serials := columns(n.Party)
	err := s.db.write(ctx, func(b *pgx.Batch) {
		b.Queue(`INSERT INTO sessions (id, cookie, revision, created, seen, expires, ended, body, auth)
			VALUES ($1, $2, 1, $3, $4, $5, $6, $7, $8) ON CONFLICT (id) DO NOTHING`,
			n.ID, n.Cookie[:], n.Created, n.Seen, n.Expires, optional(n.Ended), n.Body, n.Auth).Exec(changed(oidc.ErrExists))
		b.Queue(`INSERT INTO session_cookies (cookie, session) VALUES ($1, $2) ON CONFLICT (cookie) DO NOTHING`,
			n.Cookie[:], n.ID).Exec(changed(oidc.ErrExists))
		b.Queue(`INSERT INTO session_parties (sum, serial, created, session)
			SELECT k.sum, k.serial, $1, $2 FROM unnest($3::bytea[], $4::integer[]) AS k (sum, serial)`,
			n.Created, n.ID, sums, serials)
		queueEvents(b, es...)
	})
	if err != nil {
		return fmt.Errorf("creating session %s: %w", n.ID, err)
	}
	return nil
}

const (
	dropCookie = `DELETE FROM session_cookies
		WHERE cookie = (SELECT cookie FROM sessions WHERE id = $1 AND revision = $2 AND cookie <> $3)`
)

var updateSession = marked(`UPDATE sessions SET cookie = $3, revision = revision + 1, seen = $4, expires = $5, ended = $6, body = $7, auth = $8
		WHERE id = $1 AND revision = $2`, "sessions", 9)

// UpdateSession implements [session.Store]. A cookie that stays is left alone.
// Of two callers that change it, the second deletes nothing, for the first did,
// and then loses by the revision.
func (s *Provider) UpdateSession(ctx context.Context, n session.Record, es ...journal.Event) error {
	err := s.db.write(ctx, func(b *pgx.Batch) {
		b.Queue(dropCookie, n.ID, n.Revision, n.Cookie[:])
		b.Queue(updateSession, n.ID, n.Revision, n.Cookie[:], n.Seen, n.Expires, optional(n.Ended), n.Body, n.Auth, n.Mark).Exec(changed(oidc.ErrConflict))
		b.Queue(`INSERT INTO session_cookies (cookie, session) SELECT $1, $2
			WHERE NOT EXISTS (SELECT FROM session_cookies WHERE cookie = $1 AND session = $2)`, n.Cookie[:], n.ID)
		queueEvents(b, es...)
	})
	if violates(err, "session_cookies_") {
		err = oidc.ErrExists
	}
	if err != nil {
		return fmt.Errorf("updating session %s: %w", n.ID, err)
	}
	return nil
}

const sessionNames = `s.id, s.cookie, s.revision, s.created, s.seen, s.expires, s.ended, s.body, s.auth,
	(SELECT mark FROM registers WHERE kind = 'sessions' AND registers.id = s.id)`

func scanSession(row pgx.CollectableRow) (n session.Record, err error) {
	var cookie []byte
	var ended *time.Time
	if err := row.Scan(&n.ID, &cookie, &n.Revision, &n.Created, &n.Seen, &n.Expires, &ended, &n.Body, &n.Auth, &n.Mark); err != nil {
		return n, err
	}
	n.Ended = moment(ended)
	n.Cookie, err = sum(cookie)
	return n, err
}

// moment reverses optional.
func moment(t *time.Time) time.Time {
	if t == nil {
		return time.Time{}
	}
	return *t
}

const (
	loadSession = `SELECT ` + sessionNames + ` FROM sessions s WHERE s.id = $1`
	findSession = `SELECT ` + sessionNames + ` FROM sessions s WHERE s.id = (SELECT session FROM session_cookies WHERE cookie = $1)`
)

// LoadSession implements [session.Store].
func (s *Provider) LoadSession(ctx context.Context, id string) (session.Record, error) {
	n, err := one(ctx, s.db, oidc.ErrNotFound, scanSession, loadSession, id)
	if err != nil {
		return session.Record{}, fmt.Errorf("loading session %s: %w", id, err)
	}
	return n, nil
}

// FindSession implements [session.Store].
func (s *Provider) FindSession(ctx context.Context, cookie [32]byte) (session.Record, error) {
	n, err := one(ctx, s.db, oidc.ErrNotFound, scanSession, findSession, cookie[:])
	if err != nil {
		return session.Record{}, fmt.Errorf("finding a session: %w", err)
	}
	return n, nil
}

// one runs a query that has one row, or none, which is the error none.
func one[T any](ctx context.Context, db *DB, none error, scan pgx.RowToFunc[T], sql string, args ...any) (T, error) {
	rows, err := collect(ctx, db, scan, sql, args...)
	if err == nil && len(rows) == 0 {
		err = none
	}
	if err != nil {
		var zero T
		return zero, err
	}
	return rows[0], nil
}

// sessionsOf seeks each session by its id, in one partition: OFFSET 0 keeps the
// planner from reading all of them for a join.
const sessionsOf = `SELECT ` + sessionNames + ` FROM session_parties k
	CROSS JOIN LATERAL (SELECT * FROM sessions WHERE id = k.session OFFSET 0) s
	WHERE k.serial = $1 AND k.sum = $2 AND s.ended IS NULL AND s.expires > $3
	ORDER BY k.created DESC, k.session DESC LIMIT $4`

// ListSessions implements [session.Store], with a query for each key.
func (s *Provider) ListSessions(ctx context.Context, party []signing.Lookup, at time.Time, limit int) ([]session.Record, error) {
	all, err := ofParty(ctx, s.db, scanSession, sessionsOf, party, at, limit)
	if err != nil {
		return nil, fmt.Errorf("listing sessions: %w", err)
	}
	slices.SortFunc(all, func(a, b session.Record) int {
		return cmp.Or(b.Created.Compare(a.Created), strings.Compare(b.ID, a.ID))
	})
	all = slices.CompactFunc(all, func(a, b session.Record) bool { return a.ID == b.ID })
	return all[:min(len(all), max(limit, 0))], nil
}

// ofParty collects what a query finds for each of a party's keys, in one round
// trip: the same may come by several.
func ofParty[T any](ctx context.Context, db *DB, scan pgx.RowToFunc[T], sql string, party []signing.Lookup, at time.Time, limit int) ([]T, error) {
	var all []T
	err := db.read(ctx, func(b *pgx.Batch) {
		all = nil
		for _, key := range sorted(party) {
			b.Queue(sql, key.Serial, key.Sum[:], at, max(limit, 0)).Query(func(rows pgx.Rows) error {
				more, err := pgx.CollectRows(rows, scan)
				all = append(all, more...)
				return err
			})
		}
	})
	return all, err
}

// SessionsAfter implements [provider.OldRecords].
func (s *Provider) SessionsAfter(ctx context.Context, after string, limit int) ([]session.Record, error) {
	all, err := collect(ctx, s.db, scanSession, `SELECT `+sessionNames+` FROM sessions s WHERE s.id > $1 ORDER BY s.id LIMIT $2`,
		after, max(limit, 0))
	if err != nil {
		return nil, fmt.Errorf("listing all sessions: %w", err)
	}
	return all, nil
}
