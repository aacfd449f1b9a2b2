package provider

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
	"yizheng.internal/storage/postgres/engine"
	"yizheng.internal/storage/postgres/ledger"
)

// Sessions implements [session.Store], and lists all sessions.
type Sessions struct{ DB *engine.DB }

// CreateSession implements [session.Store].
func (s *Sessions) CreateSession(ctx context.Context, n session.Record, es ...journal.Event) error {
	sums, serials := engine.Columns(n.Party)
	err := s.DB.Write(ctx, func(b *pgx.Batch) {
		b.Queue(`INSERT INTO sessions (id, cookie, revision, created, seen, expires, ended, body, auth)
			VALUES ($1, $2, 1, $3, $4, $5, $6, $7, $8) ON CONFLICT (id) DO NOTHING`,
			n.ID, n.Cookie[:], n.Created, n.Seen, n.Expires, engine.Optional(n.Ended), n.Body, n.Auth).Exec(engine.Changed(oidc.ErrExists))
		b.Queue(`INSERT INTO session_cookies (cookie, session) VALUES ($1, $2) ON CONFLICT (cookie) DO NOTHING`,
			n.Cookie[:], n.ID).Exec(engine.Changed(oidc.ErrExists))
		b.Queue(`INSERT INTO session_parties (sum, serial, created, session)
			SELECT k.sum, k.serial, $1, $2 FROM unnest($3::bytea[], $4::integer[]) AS k (sum, serial)`,
			n.Created, n.ID, sums, serials)
		ledger.QueueEvents(b, es...)
	})
	if err != nil {
		return fmt.Errorf("creating session %s: %w", n.ID, err)
	}
	return nil
}

const (
	DropCookie = `DELETE FROM session_cookies
		WHERE cookie = (SELECT cookie FROM sessions WHERE id = $1 AND revision = $2 AND cookie <> $3)`
)

var UpdateSession = ledger.Marked(`UPDATE sessions SET cookie = $3, revision = revision + 1, seen = $4, expires = $5, ended = $6, body = $7, auth = $8
		WHERE id = $1 AND revision = $2`, "sessions", 9)

// UpdateSession implements [session.Store]. A cookie that stays is left alone.
// Of two callers that change it, the second deletes nothing, for the first did,
// and then loses by the revision.
func (s *Sessions) UpdateSession(ctx context.Context, n session.Record, es ...journal.Event) error {
	err := s.DB.Write(ctx, func(b *pgx.Batch) {
		b.Queue(DropCookie, n.ID, n.Revision, n.Cookie[:])
		b.Queue(UpdateSession, n.ID, n.Revision, n.Cookie[:], n.Seen, n.Expires, engine.Optional(n.Ended), n.Body, n.Auth, n.Mark).Exec(engine.Changed(oidc.ErrConflict))
		b.Queue(`INSERT INTO session_cookies (cookie, session) SELECT $1, $2
			WHERE NOT EXISTS (SELECT FROM session_cookies WHERE cookie = $1 AND session = $2)`, n.Cookie[:], n.ID)
		ledger.QueueEvents(b, es...)
	})
	if engine.Violates(err, "session_cookies_") {
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
	n.Ended = engine.Moment(ended)
	n.Cookie, err = engine.Sum(cookie)
	return n, err
}

const (
	LoadSession = `SELECT ` + sessionNames + ` FROM sessions s WHERE s.id = $1`
	FindSession = `SELECT ` + sessionNames + ` FROM sessions s WHERE s.id = (SELECT session FROM session_cookies WHERE cookie = $1)`
)

// LoadSession implements [session.Store].
func (s *Sessions) LoadSession(ctx context.Context, id string) (session.Record, error) {
	n, err := engine.One(ctx, s.DB, oidc.ErrNotFound, scanSession, LoadSession, id)
	if err != nil {
		return session.Record{}, fmt.Errorf("loading session %s: %w", id, err)
	}
	return n, nil
}

// FindSession implements [session.Store].
func (s *Sessions) FindSession(ctx context.Context, cookie [32]byte) (session.Record, error) {
	n, err := engine.One(ctx, s.DB, oidc.ErrNotFound, scanSession, FindSession, cookie[:])
	if err != nil {
		return session.Record{}, fmt.Errorf("finding a session: %w", err)
	}
	return n, nil
}

// SessionsOf seeks each session by its id, in one partition: OFFSET 0 keeps the
// planner from reading all of them for a join.
const SessionsOf = `SELECT ` + sessionNames + ` FROM session_parties k
	CROSS JOIN LATERAL (SELECT * FROM sessions WHERE id = k.session OFFSET 0) s
	WHERE k.serial = $1 AND k.sum = $2 AND s.ended IS NULL AND s.expires > $3
	ORDER BY k.created DESC, k.session DESC LIMIT $4`

// ListSessions implements [session.Store], with a query for each key.
func (s *Sessions) ListSessions(ctx context.Context, party []signing.Lookup, at time.Time, limit int) ([]session.Record, error) {
	all, err := ofParty(ctx, s.DB, scanSession, SessionsOf, party, at, limit, func(r session.Record) (time.Time, string) { return r.Created, r.ID })
	if err != nil {
		return nil, fmt.Errorf("listing sessions: %w", err)
	}
	return all, nil
}

// ofParty collects what a query finds for each of a party's keys, in one round trip, and
// returns the newest. The same record may come by several keys. made says of one when it was
// made, and its id.
func ofParty[T any](ctx context.Context, db *engine.DB, scan pgx.RowToFunc[T], sql string, party []signing.Lookup, at time.Time, limit int, made func(T) (time.Time, string)) ([]T, error) {
	var all []T
	err := db.Read(ctx, func(b *pgx.Batch) {
		all = nil
		for _, key := range engine.Sorted(party) {
			b.Queue(sql, key.Serial, key.Sum[:], at, max(limit, 0)).Query(func(rows pgx.Rows) error {
				more, err := pgx.CollectRows(rows, scan)
				all = append(all, more...)
				return err
			})
		}
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
	all, err := engine.Collect(ctx, s.DB, scanSession, `SELECT `+sessionNames+` FROM sessions s WHERE s.id > $1 ORDER BY s.id LIMIT $2`,
		after, max(limit, 0))
	if err != nil {
		return nil, fmt.Errorf("listing all sessions: %w", err)
	}
	return all, nil
}
