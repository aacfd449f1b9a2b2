package sqlite

import (
	"context"
	"fmt"

	"yizheng.internal/license/catalog/entry"
	"yizheng.internal/license/party"
	"yizheng.internal/signing/journal"
)

// SaveDelegation implements [entry.DelegationStore].
func (s *Licenses) SaveDelegation(ctx context.Context, e journal.Event, d entry.DelegationRecord) error {
	err := s.db.writer.do(ctx, func(c *conn) error {
		if err := saveDelegation(c, d); err != nil {
			return err
		}
		return appendEvents(c, e)
	})
	if err != nil {
		return fmt.Errorf("saving delegation %s: %w", d.ID, err)
	}
	return nil
}

func saveDelegation(c *conn, d entry.DelegationRecord) error {
	if d.Revision == 0 {
		_, err := c.exec(`
			INSERT INTO delegations (id, prefix, participant, document, given_by, created, updated, ended, revision, auth)
			VALUES (?, ?, ?, ?, ?, ?, ?, ?, 1, ?)`,
			d.ID, string(d.Prefix), d.Participant, d.Document, d.By, d.Created, d.Updated, optional(d.Ended), d.Auth)
		return taken(err, entry.ErrConflict)
	}
	n, err := c.exec(`
		UPDATE delegations SET document = ?, given_by = ?, updated = ?, ended = ?, auth = ?, revision = revision + 1
		WHERE id = ? AND revision = ?`,
		d.Document, d.By, d.Updated, optional(d.Ended), d.Auth, d.ID, d.Revision)
	if err == nil && n == 0 {
		return entry.ErrConflict
	}
	if err != nil {
		return err
	}
	return saveMark(c, "delegations", d.ID, d.Mark)
}

const delegationColumns = `id, prefix, participant, document, given_by, created, updated, ended, revision, auth,
	(SELECT mark FROM registers WHERE kind = 'delegations' AND registers.id = delegations.id)`

func scanDelegation(r *row) entry.DelegationRecord {
	return entry.DelegationRecord{
		ID: r.text(),
		Delegation: entry.Delegation{
			Prefix: party.USCC(r.text()), Participant: r.text(), Document: r.text(), By: r.text(),
			Created: r.time(), Updated: r.time(), Ended: r.time(), Revision: r.int64(),
		},
		Auth: r.bytes(), Mark: r.bytes(),
	}
}

const (
	loadDelegation  = `SELECT ` + delegationColumns + ` FROM delegations WHERE id = ?`
	listDelegations = `SELECT ` + delegationColumns + ` FROM delegations WHERE id > ? ORDER BY id LIMIT ?`
)

// LoadDelegation implements [entry.DelegationStore].
func (s *Licenses) LoadDelegation(ctx context.Context, id string) (entry.DelegationRecord, error) {
	var d entry.DelegationRecord
	err := one(ctx, s.db, entry.ErrNotFound, loadDelegation, func(r *row) { d = scanDelegation(r) }, id)
	if err != nil {
		return entry.DelegationRecord{}, fmt.Errorf("loading delegation %s: %w", id, err)
	}
	return d, nil
}

// ListDelegations implements [entry.DelegationStore].
func (s *Licenses) ListDelegations(ctx context.Context, after string, limit int) ([]entry.DelegationRecord, error) {
	ds, err := many(ctx, s.db, listDelegations, scanDelegation, after, max(limit, 0))
	if err != nil {
		return nil, fmt.Errorf("listing delegations: %w", err)
	}
	return ds, nil
}
