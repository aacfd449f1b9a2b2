package identity

import (
	"context"
	"fmt"

	"yizheng.internal/signing"
)

// Facts are what a participant's authenticator covers.
func (p *Participant) Facts() *signing.Facts { return p.facts(p.Revision) }

// Upgrade gives parties and accounts of an earlier version their authenticators;
// see license.Registry.Upgrade.
func (s *Service) Upgrade(ctx context.Context, store signing.AuthStore) error {
	if err := s.authenticateParties(ctx, store); err != nil {
		return fmt.Errorf("giving parties their authenticators: %w", err)
	}
	if err := s.authenticateAccounts(ctx, store); err != nil {
		return fmt.Errorf("giving accounts their authenticators: %w", err)
	}
	return nil
}

func (s *Service) authenticateParties(ctx context.Context, store signing.AuthStore) error {
	for after := ""; ; {
		records, err := s.c.Parties.ListParties(ctx, after, rehashPage)
		if err != nil {
			return err
		}
		var rows []signing.AuthRow
		for _, r := range records {
			after = r.ID
			if r.Auth != nil {
				continue
			}
			row := signing.AuthRow{Table: "parties", ID: r.ID, Revision: r.Revision}
			if row.Auth, row.Mark, err = s.c.Vault.Auth().Stamp(r.facts(r.Revision)); err != nil {
				return err
			}
			rows = append(rows, row)
		}
		if err := store.SetAuthenticators(ctx, rows...); err != nil {
			return err
		}
		if len(records) < rehashPage {
			return nil
		}
	}
}

func (s *Service) authenticateAccounts(ctx context.Context, store signing.AuthStore) error {
	for after := ""; ; {
		records, err := s.c.Accounts.ListAccounts(ctx, after, rehashPage)
		if err != nil {
			return err
		}
		var rows []signing.AuthRow
		for _, r := range records {
			after = r.ID
			if r.Auth != nil {
				continue
			}
			row := signing.AuthRow{Table: "accounts", ID: r.ID, Revision: r.Revision}
			if row.Auth, row.Mark, err = s.c.Vault.Auth().Stamp(r.facts(r.Revision)); err != nil {
				return err
			}
			rows = append(rows, row)
		}
		if err := store.SetAuthenticators(ctx, rows...); err != nil {
			return err
		}
		if len(records) < rehashPage {
			return nil
		}
	}
}
