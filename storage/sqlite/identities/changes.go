package identities

import (
	"context"
	"fmt"

	"yizheng.internal/oidc/identity"
	"yizheng.internal/oidc/identity/registrar"
	"yizheng.internal/storage/sqlite/engine"
	"yizheng.internal/storage/sqlite/ledger"
)

// Changes implements [registrar.Store].
type Changes struct{ DB *engine.DB }

// ChangePerson implements [registrar.Store].
func (s *Changes) ChangePerson(ctx context.Context, change registrar.Change) error {
	err := s.DB.Write(ctx, func(c *engine.Conn) error {
		if err := updateAccount(c, change.Account); err != nil {
			return err
		}
		if change.Party != nil {
			if err := updateParty(c, *change.Party); err != nil {
				return err
			}
		}
		return ledger.AppendEvents(c, change.Event)
	})
	if err != nil {
		return fmt.Errorf("changing the person of account %s: %w", change.Account.ID, err)
	}
	return nil
}

// MergePeople implements [registrar.Store]. The merged one lets go first of what leads to the kept one then.
func (s *Changes) MergePeople(ctx context.Context, m registrar.Merge) error {
	err := s.DB.Write(ctx, func(c *engine.Conn) error {
		for _, n := range []identity.Renewal{m.Merged, m.Kept} {
			if err := updateAccount(c, n.Account); err != nil {
				return err
			}
			if err := updateParty(c, *n.Party); err != nil {
				return err
			}
		}
		return ledger.AppendEvents(c, m.Events...)
	})
	if err != nil {
		return fmt.Errorf("merging the people of accounts %s and %s: %w", m.Kept.Account.ID, m.Merged.Account.ID, err)
	}
	return nil
}
