package postgres

import (
	"context"
	"fmt"

	"github.com/jackc/pgx/v5"

	"yizheng.internal/oidc"
)

// providerStream is the lock of the provider's events; see appendLock.
var providerStream = lockKey("provider_events", "")

// AppendEvents implements [oidc.Events].
func (s *Provider) AppendEvents(ctx context.Context, es ...oidc.EventRecord) error {
	if len(es) == 0 {
		return ctx.Err()
	}
	err := s.db.write(ctx, func(b *pgx.Batch) { queueProviderEvents(b, es) })
	if err != nil {
		return fmt.Errorf("appending the provider's events: %w", err)
	}
	return nil
}

// queueProviderEvents appends events; those who read wait for it, see appendLock.
func queueProviderEvents(b *pgx.Batch, es []oidc.EventRecord) {
	if len(es) > 0 {
		b.Queue(appendLock, providerStream)
	}
	for _, e := range es {
		b.Queue(`INSERT INTO provider_events (id, at, action, actor, object, request_id, result, hash)
			VALUES ($1, $2, $3, $4, $5, $6, $7, $8)`,
			e.ID, e.At, e.Action, e.Actor, e.Object, e.RequestID, e.Result, e.Hash[:])
	}
}

// ListEvents implements [oidc.Events].
func (s *Provider) ListEvents(ctx context.Context, after int64, limit int) ([]oidc.EventRecord, error) {
	var es []oidc.EventRecord
	err := s.db.follow(ctx, providerStream, func(b *pgx.Batch) {
		b.Queue(`SELECT seq, id, at, action, actor, object, request_id, result, hash
			FROM provider_events WHERE seq > $1 ORDER BY seq LIMIT $2`, after, limit).
			Query(func(rows pgx.Rows) (err error) {
				es, err = pgx.CollectRows(rows, scanProviderEvent)
				return err
			})
	})
	if err != nil {
		return nil, fmt.Errorf("listing the provider's events: %w", err)
	}
	return es, nil
}

func scanProviderEvent(row pgx.CollectableRow) (e oidc.EventRecord, err error) {
	var hash []byte
	err = row.Scan(&e.Seq, &e.ID, &e.At, &e.Action, &e.Actor, &e.Object, &e.RequestID, &e.Result, &hash)
	if err == nil {
		e.Hash, err = sum(hash)
	}
	return e, err
}
