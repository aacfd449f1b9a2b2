package sqlite

import (
	"context"
	"fmt"

	"yizheng.internal/oidc"
)

// AppendEvents implements [oidc.Events].
func (s *Provider) AppendEvents(ctx context.Context, es ...oidc.EventRecord) error {
	if err := s.db.writer.do(ctx, func(c *conn) error { return appendProviderEvents(c, es) }); err != nil {
		return fmt.Errorf("appending the provider's events: %w", err)
	}
	return nil
}

func appendProviderEvents(c *conn, es []oidc.EventRecord) error {
	for _, e := range es {
		_, err := c.exec(`
			INSERT INTO provider_events (id, at, action, actor, object, request_id, result, hash)
			VALUES (?, ?, ?, ?, ?, ?, ?, ?)`,
			e.ID, e.At, e.Action, e.Actor, e.Object, e.RequestID, e.Result, e.Hash[:])
		if err != nil {
			return err
		}
	}
	return nil
}

const listEvents = `
	SELECT seq, id, at, action, actor, object, request_id, result, hash
	FROM provider_events WHERE seq > ? ORDER BY seq LIMIT ?`

// ListEvents implements [oidc.Events].
func (s *Provider) ListEvents(ctx context.Context, after int64, limit int) ([]oidc.EventRecord, error) {
	es, err := many(ctx, s.db, listEvents, scanProviderEvent, after, max(limit, 0))
	if err != nil {
		return nil, fmt.Errorf("listing the provider's events: %w", err)
	}
	return es, nil
}

func scanProviderEvent(r *row) oidc.EventRecord {
	return oidc.EventRecord{
		Seq: r.int64(), ID: r.text(), At: r.time(), Action: r.text(), Actor: r.text(), Object: r.text(),
		RequestID: r.text(), Result: r.text(), Hash: r.sum(),
	}
}
