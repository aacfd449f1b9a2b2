package provider

import (
	"context"
	"fmt"
	"time"

	"yizheng.internal/oidc"
	"yizheng.internal/oidc/consent"
	"yizheng.internal/signing"
	"yizheng.internal/signing/journal"
	"yizheng.internal/storage/sqlite/engine"
	"yizheng.internal/storage/sqlite/ledger"
)

// Consents implements [consent.Store].
type Consents struct{ DB *engine.DB }

// CreateConsent implements [consent.Store].
func (s *Consents) CreateConsent(ctx context.Context, c consent.Record, instead []consent.Ended, es ...journal.Event) error {
	err := s.DB.Write(ctx, func(conn *engine.Conn) error {
		_, err := conn.Exec(`INSERT INTO consents (id, client, created, expires, body) VALUES (?, ?, ?, ?, ?)`,
			c.ID, c.Client, c.Created, c.Expires, c.Body)
		if err != nil {
			return engine.Taken(err, oidc.ErrExists)
		}
		for _, key := range c.Party {
			_, err := conn.Exec(`
				INSERT INTO consent_parties (serial, sum, created, consent) VALUES (?, ?, ?, ?)
				ON CONFLICT (serial, sum, created, consent) DO NOTHING`, key.Serial, key.Sum[:], c.Created, c.ID)
			if err != nil {
				return err
			}
		}
		if err := deleteConsents(conn, instead); err != nil {
			return err
		}
		return ledger.AppendEvents(conn, es...)
	})
	if err != nil {
		return fmt.Errorf("creating consent %s: %w", c.ID, err)
	}
	return nil
}

// DeleteConsents implements [consent.Store].
func (s *Consents) DeleteConsents(ctx context.Context, ended []consent.Ended, es ...journal.Event) error {
	err := s.DB.Write(ctx, func(conn *engine.Conn) error {
		if err := deleteConsents(conn, ended); err != nil {
			return err
		}
		return ledger.AppendEvents(conn, es...)
	})
	if err != nil {
		return fmt.Errorf("deleting consents: %w", err)
	}
	return nil
}

// deleteConsents leaves of consents their registers, and rows from which it is known
// when those may go.
func deleteConsents(conn *engine.Conn, ended []consent.Ended) error {
	for _, c := range ended {
		n, err := conn.Exec(`UPDATE consents SET body = NULL WHERE id = ?`, c.ID)
		if err == nil && n == 1 {
			err = ledger.SaveMark(conn, "consents", c.ID, c.Mark)
		}
		if err == nil {
			_, err = conn.Exec(`DELETE FROM consent_parties WHERE consent = ?`, c.ID)
		}
		if err != nil {
			return err
		}
	}
	return nil
}

const consentsOf = `
	SELECT c.id, c.client, c.created, c.expires, c.body, (SELECT mark FROM registers WHERE kind = 'consents' AND id = c.id)
	FROM consent_parties k CROSS JOIN consents c ON c.id = k.consent
	WHERE k.serial = ? AND k.sum = ? AND c.expires > ?
	ORDER BY k.created DESC, k.consent DESC LIMIT ?`

// ListConsents implements [consent.Store], with a query for each key.
func (s *Consents) ListConsents(ctx context.Context, party []signing.Lookup, at time.Time, limit int) ([]consent.Record, error) {
	all, err := ofParty(ctx, s.DB, consentsOf, func(r *engine.Row) consent.Record {
		return consent.Record{ID: r.Text(), Client: r.Text(), Created: r.Time(), Expires: r.Time(), Body: r.Bytes(), Mark: r.Bytes()}
	}, party, at, limit, func(r consent.Record) (time.Time, string) { return r.Created, r.ID })
	if err != nil {
		return nil, fmt.Errorf("listing consents: %w", err)
	}
	return all, nil
}
