package licenses

import (
	"context"
	"fmt"
	"time"

	"github.com/jackc/pgx/v5"

	"yizheng.internal/license/catalog/entry"
	"yizheng.internal/signing/journal"
	"yizheng.internal/storage/postgres/engine"
	"yizheng.internal/storage/postgres/ledger"
)

// Delegations implements [entry.DelegationStore].
type Delegations struct{ DB *engine.DB }

// SaveDelegation implements [entry.DelegationStore].
func (s *Delegations) SaveDelegation(ctx context.Context, e journal.Event, d entry.DelegationRecord) error {
	err := s.DB.Write(ctx, func(b *pgx.Batch) {
		if d.Revision == 0 {
			b.Queue(`INSERT INTO delegations (id, prefix, participant, document, given_by, created, updated, ended, revision, auth)
				VALUES ($1, $2, $3, $4, $5, $6, $7, $8, 1, $9) ON CONFLICT (id) DO NOTHING`,
				d.ID, d.Prefix, d.Participant, d.Document, d.By, d.Created, d.Updated, engine.Optional(d.Ended), d.Auth).Exec(engine.Changed(entry.ErrConflict))
		} else {
			b.Queue(ledger.Marked(`UPDATE delegations SET document = $3, given_by = $4, updated = $5, ended = $6, auth = $7, revision = revision + 1
				WHERE id = $1 AND revision = $2`, "delegations", 8),
				d.ID, d.Revision, d.Document, d.By, d.Updated, engine.Optional(d.Ended), d.Auth, d.Mark).Exec(engine.Changed(entry.ErrConflict))
		}
		ledger.QueueEvents(b, e)
	})
	if err != nil {
		return fmt.Errorf("saving delegation %s: %w", d.ID, err)
	}
	return nil
}

const delegationNames = `id, prefix, participant, document, given_by, created, updated, ended, revision, auth,
	(SELECT mark FROM registers WHERE kind = 'delegations' AND registers.id = delegations.id)`

func scanDelegation(row pgx.CollectableRow) (d entry.DelegationRecord, err error) {
	var ended *time.Time
	err = row.Scan(&d.ID, &d.Prefix, &d.Participant, &d.Document, &d.By, &d.Created, &d.Updated, &ended, &d.Revision, &d.Auth, &d.Mark)
	d.Ended = engine.Moment(ended)
	return d, err
}

// LoadDelegation implements [entry.DelegationStore].
func (s *Delegations) LoadDelegation(ctx context.Context, id string) (entry.DelegationRecord, error) {
	ds, err := engine.Collect(ctx, s.DB, scanDelegation, `SELECT `+delegationNames+` FROM delegations WHERE id = $1`, id)
	if err == nil && len(ds) == 0 {
		err = entry.ErrNotFound
	}
	if err != nil {
		return entry.DelegationRecord{}, fmt.Errorf("loading delegation %s: %w", id, err)
	}
	return ds[0], nil
}

// ListDelegations implements [entry.DelegationStore].
func (s *Delegations) ListDelegations(ctx context.Context, after string, limit int) ([]entry.DelegationRecord, error) {
	ds, err := engine.Collect(ctx, s.DB, scanDelegation, `SELECT `+delegationNames+` FROM delegations
		WHERE id > $1 ORDER BY id LIMIT $2`, after, max(limit, 0))
	if err != nil {
		return nil, fmt.Errorf("listing delegations: %w", err)
	}
	return ds, nil
}
