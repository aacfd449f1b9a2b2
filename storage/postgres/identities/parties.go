// Package identities keeps in PostgreSQL who there is: participants, parties with their codes,
// and accounts.
package identities

import (
	"context"
	"fmt"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgconn"

	"yizheng.internal/oidc/identity"
	"yizheng.internal/signing"
	"yizheng.internal/storage/postgres/engine"
	"yizheng.internal/storage/postgres/ledger"
)

// Parties implements [identity.Parties].
type Parties struct{ DB *engine.DB }

// CreateParty implements [identity.Parties].
func (s *Parties) CreateParty(ctx context.Context, p identity.PartyRecord) error {
	if err := s.DB.Write(ctx, func(b *pgx.Batch) { queueParty(b, p) }); err != nil {
		return fmt.Errorf("creating party %s: %w", p.ID, err)
	}
	return nil
}

// queueParty creates a party.
func queueParty(b *pgx.Batch, p identity.PartyRecord) {
	b.Queue(`INSERT INTO parties (id, kind, revision, body, created, updated, auth) VALUES ($1, $2, 1, $3, $4, $5, $6)
		ON CONFLICT (id) DO NOTHING`, p.ID, p.Kind, p.Body, p.Created, p.Updated, p.Auth).Exec(engine.Changed(identity.ErrExists))
	queueCodes(b, p)
}

// UpdateParty implements [identity.Parties].
func (s *Parties) UpdateParty(ctx context.Context, p identity.PartyRecord) error {
	if err := s.DB.Write(ctx, func(b *pgx.Batch) { queuePartyUpdate(b, p) }); err != nil {
		return fmt.Errorf("updating party %s: %w", p.ID, err)
	}
	return nil
}

// queuePartyUpdate saves a party.
func queuePartyUpdate(b *pgx.Batch, p identity.PartyRecord) {
	b.Queue(ledger.Marked(`UPDATE parties SET kind = $3, revision = revision + 1, body = $4, updated = $5, auth = $6
		WHERE id = $1 AND revision = $2`, "parties", 7), p.ID, p.Revision, p.Kind, p.Body, p.Updated, p.Auth, p.Mark).Exec(engine.Changed(identity.ErrConflict))
	b.Queue(`DELETE FROM party_codes WHERE party = $1`, p.ID)
	queueCodes(b, p)
}

// queueCodes makes codes lead to the party. The unique index keeps one that leads
// to another, also one that is stored at the same time.
func queueCodes(b *pgx.Batch, p identity.PartyRecord) {
	sums, serials := engine.Columns(p.Codes)
	b.Queue(`INSERT INTO party_codes (sum, serial, party)
		SELECT k.sum, k.serial, $1 FROM unnest($2::bytea[], $3::integer[]) AS k (sum, serial)
		ON CONFLICT (serial, sum) DO NOTHING`, p.ID, sums, serials).Exec(changedAll(len(sums), identity.ErrExists))
}

// changedAll returns a callback that returns e unless its statement changed n rows.
func changedAll(n int, e error) func(pgconn.CommandTag) error {
	return func(tag pgconn.CommandTag) error {
		if tag.RowsAffected() != int64(n) {
			return e
		}
		return nil
	}
}

const partyNames = `p.id, p.kind, p.revision, p.body, p.created, p.updated, p.auth,
	(SELECT mark FROM registers WHERE kind = 'parties' AND registers.id = p.id)`

func scanParty(row pgx.CollectableRow) (p identity.PartyRecord, err error) {
	return p, row.Scan(&p.ID, &p.Kind, &p.Revision, &p.Body, &p.Created, &p.Updated, &p.Auth, &p.Mark)
}

const (
	LoadParty = `SELECT ` + partyNames + ` FROM parties p WHERE p.id = $1`
	FindParty = `SELECT ` + partyNames + ` FROM parties p
		WHERE p.id = (SELECT party FROM party_codes WHERE serial = $1 AND sum = $2)`
)

// LoadParty implements [identity.Parties].
func (s *Parties) LoadParty(ctx context.Context, id string) (identity.PartyRecord, error) {
	p, err := engine.One(ctx, s.DB, identity.ErrNotFound, scanParty, LoadParty, id)
	if err != nil {
		return identity.PartyRecord{}, fmt.Errorf("loading party %s: %w", id, err)
	}
	return p, nil
}

// FindParty implements [identity.Parties].
func (s *Parties) FindParty(ctx context.Context, keys []signing.Lookup) (identity.PartyRecord, error) {
	p, err := byKeys(ctx, s.DB, scanParty, FindParty, keys)
	if err != nil {
		return identity.PartyRecord{}, fmt.Errorf("finding a party: %w", err)
	}
	return p, nil
}

// byKeys returns the row of the first key that has one. All are asked for in one
// round trip: how long that takes says little of who is there.
func byKeys[T any](ctx context.Context, db *engine.DB, scan pgx.RowToFunc[T], sql string, keys []signing.Lookup) (T, error) {
	var all []T
	err := db.Read(ctx, func(b *pgx.Batch) {
		all = nil
		for _, key := range keys {
			b.Queue(sql, key.Serial, key.Sum[:]).Query(func(rows pgx.Rows) error {
				more, err := pgx.CollectRows(rows, scan)
				all = append(all, more...)
				return err
			})
		}
	})
	if err == nil && len(all) == 0 {
		err = identity.ErrNotFound
	}
	if err != nil {
		var zero T
		return zero, err
	}
	return all[0], nil
}

// ListParties implements [identity.Parties].
func (s *Parties) ListParties(ctx context.Context, after string, limit int) ([]identity.PartyRecord, error) {
	ps, err := engine.Collect(ctx, s.DB, scanParty, `SELECT `+partyNames+` FROM parties p WHERE p.id > $1 ORDER BY p.id LIMIT $2`,
		after, max(limit, 0))
	if err != nil {
		return nil, fmt.Errorf("listing parties: %w", err)
	}
	return ps, nil
}
