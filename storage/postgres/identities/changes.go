package identities

import (
	"context"
	"fmt"

	"github.com/jackc/pgx/v5"

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
