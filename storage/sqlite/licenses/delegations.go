package licenses

import (
	"context"
	"fmt"

	"yizheng.internal/license/catalog/entry"
	"yizheng.internal/license/party"
	"yizheng.internal/signing/journal"
	"yizheng.internal/storage/sqlite/engine"
	"yizheng.internal/storage/sqlite/ledger"
)

// Delegations implements [entry.DelegationStore].
type Delegations struct{ DB *engine.DB }

// SaveDelegation implements [entry.DelegationStore].
func (s *Delegations) SaveDelegation(ctx context.Context, e journal.Event, d entry.DelegationRecord) error {
	err := s.DB.Write(ctx, func(c *engine.Conn) error {
		if err := saveDelegation(c, d); err != nil {
			return err
		}
		return ledger.AppendEvents(c, e)
	})
	if err != nil {
		return fmt.Errorf("saving delegation %s: %w", d.ID, err)
	}
	return nil
}

func saveDelegation(c *engine.Conn, d entry.DelegationRecord) error {
	if d.Revision == 0 {
		_, err := c.Exec(`
			INSERT INTO delegations (id, prefix, participant, document, given_by, created, updated, ended, revision, auth)
			VALUES (?, ?, ?, ?, ?, ?, ?, ?, 1, ?)`,
			d.ID, string(d.Prefix), d.Participant, d.Document, d.By, d.Created, d.Updated, engine.Optional(d.Ended), d.Auth)
		return engine.Taken(err, entry.ErrConflict)
	}
	n, err := c.Exec(`
		UPDATE delegations SET document = ?, given_by = ?, updated = ?, ended = ?, auth = ?, revision = revision + 1
		WHERE id = ? AND revision = ?`,
		d.Document, d.By, d.Updated, engine.Optional(d.Ended), d.Auth, d.ID, d.Revision)
	if err == nil && n == 0 {
		return entry.ErrConflict
	}
	if err != nil {
		return err
	}
	return ledger.SaveMark(c, "delegations", d.ID, d.Mark)
}

const delegationColumns = `id, prefix, participant, document, given_by, created, updated, ended, revision, auth,
	(SELECT mark FROM registers WHERE kind = 'delegations' AND registers.id = delegations.id)`

func scanDelegation(r *engine.Row) entry.DelegationRecord {
	return entry.DelegationRecord{
		ID: r.Text(),
		Delegation: entry.Delegation{
			Prefix: party.USCC(r.Text()), Participant: r.Text(), Document: r.Text(), By: r.Text(),
			Created: r.Time(), Updated: r.Time(), Ended: r.Time(), Revision: r.Int64(),
		},
		Auth: r.Bytes(), Mark: r.Bytes(),
	}
}

const (
	loadDelegation  = `SELECT ` + delegationColumns + ` FROM delegations WHERE id = ?`
	listDelegations = `SELECT ` + delegationColumns + ` FROM delegations WHERE id > ? ORDER BY id LIMIT ?`
)

// LoadDelegation implements [entry.DelegationStore].
func (s *Delegations) LoadDelegation(ctx context.Context, id string) (entry.DelegationRecord, error) {
	var d entry.DelegationRecord
	err := engine.One(ctx, s.DB, entry.ErrNotFound, loadDelegation, func(r *engine.Row) { d = scanDelegation(r) }, id)
	if err != nil {
		return entry.DelegationRecord{}, fmt.Errorf("loading delegation %s: %w", id, err)
	}
	return d, nil
}

// ListDelegations implements [entry.DelegationStore].
func (s *Delegations) ListDelegations(ctx context.Context, after string, limit int) ([]entry.DelegationRecord, error) {
	ds, err := engine.Many(ctx, s.DB, listDelegations, scanDelegation, after, max(limit, 0))
	if err != nil {
		return nil, fmt.Errorf("listing delegations: %w", err)
	}
	return ds, nil
}
