package postgres

import (
	"context"
	"fmt"
	"time"

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
	if len(es) == 0 {
		return
	}
	b.Queue(appendLock, providerStream)
	type event = oidc.EventRecord
	b.Queue(`INSERT INTO provider_events (id, at, action, actor, object, request_id, result, hash)
		SELECT * FROM unnest($1::text[], $2::timestamptz[], $3::text[], $4::text[], $5::text[], $6::text[], $7::text[],
			$8::bytea[])`,
		column(es, func(e *event) string { return e.ID }),
		column(es, func(e *event) time.Time { return e.At }),
		column(es, func(e *event) string { return e.Action }),
		column(es, func(e *event) string { return e.Actor }),
		column(es, func(e *event) string { return e.Object }),
		column(es, func(e *event) string { return e.RequestID }),
		column(es, func(e *event) string { return e.Result }),
		column(es, func(e *event) []byte { return e.Hash[:] }))
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
