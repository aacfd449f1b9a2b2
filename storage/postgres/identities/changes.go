package identities

import (
	"context"
	"fmt"

	"github.com/jackc/pgx/v5"

	"yizheng.internal/oidc/identity"
	"yizheng.internal/oidc/identity/registrar"
	"yizheng.internal/storage/postgres/engine"
	"yizheng.internal/storage/postgres/ledger"
)

// Changes implements [registrar.Store].
type Changes struct{ DB *engine.DB }

// ChangePerson implements [registrar.Store].
func (s *Changes) ChangePerson(ctx context.Context, change registrar.Change) error {
	err := s.DB.Write(ctx, func(b *pgx.Batch) {
		queueAccountUpdate(b, change.Account)
		if change.Party != nil {
			queuePartyUpdate(b, *change.Party)
		}
		ledger.QueueEvents(b, change.Event)
	})
	if err != nil {
		return fmt.Errorf("changing the person of account %s: %w", change.Account.ID, err)
	}
	return nil
}

// MergePeople implements [registrar.Store]. The merged one lets go first of what leads to the kept one then.
func (s *Changes) MergePeople(ctx context.Context, m registrar.Merge) error {
	err := s.DB.Write(ctx, func(b *pgx.Batch) {
		for _, n := range []identity.Renewal{m.Merged, m.Kept} {
			queueAccountUpdate(b, n.Account)
			queuePartyUpdate(b, *n.Party)
		}
		ledger.QueueEvents(b, m.Events...)
	})
	if err != nil {
		return fmt.Errorf("merging the people of accounts %s and %s: %w", m.Kept.Account.ID, m.Merged.Account.ID, err)
	}
	return nil
}
