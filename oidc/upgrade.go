package oidc

import (
	"context"
	"fmt"

	"yizheng.internal/signing"
)

const upgradePage = 200

// OldRecords lists the records of sessions and families, for giving those of an
// earlier version their authenticators.
type OldRecords interface {
	// SessionsAfter returns up to limit sessions with an ID greater than after, by ID.
	SessionsAfter(ctx context.Context, after string, limit int) ([]SessionRecord, error)
	// FamiliesAfter is SessionsAfter for families.
	FamiliesAfter(ctx context.Context, after string, limit int) ([]FamilyRecord, error)
}

// Upgrade gives the provider's records of an earlier version their
// authenticators; see license.Registry.Upgrade.
func (p *Provider) Upgrade(ctx context.Context, s signing.AuthStore, old OldRecords) error {
	a := p.c.Keyrings.Auth()
	if err := authenticate(ctx, a, s, "participants", func(after string) ([]oldRecord, error) {
		ps, err := p.c.Participants.ListParticipants(ctx, after, upgradePage)
		var all []oldRecord
		for _, r := range ps {
			all = append(all, oldRecord{r.ID, r.Revision, r.Auth, r.Facts()})
		}
		return all, err
	}); err != nil {
		return err
	}
	if err := authenticate(ctx, a, s, "clients", func(after string) ([]oldRecord, error) {
		cs, err := p.c.Clients.ListClients(ctx, "", after, upgradePage)
		var all []oldRecord
		for _, r := range cs {
			all = append(all, oldRecord{r.ID, r.Revision, r.Auth, r.facts(r.Revision)})
		}
		return all, err
	}); err != nil {
		return err
	}
	if err := authenticate(ctx, a, s, "sessions", func(after string) ([]oldRecord, error) {
		ss, err := old.SessionsAfter(ctx, after, upgradePage)
		var all []oldRecord
		for _, r := range ss {
			all = append(all, oldRecord{r.ID, r.Revision, r.Auth, r.facts(r.Revision)})
		}
		return all, err
	}); err != nil {
		return err
	}
	return authenticate(ctx, a, s, "families", func(after string) ([]oldRecord, error) {
		fs, err := old.FamiliesAfter(ctx, after, upgradePage)
		var all []oldRecord
		for _, r := range fs {
			all = append(all, oldRecord{r.ID, r.Revision, r.Auth, r.facts(r.Revision)})
		}
		return all, err
	})
}

// oldRecord is one that may have no authenticator yet.
type oldRecord struct {
	id       string
	revision int64
	auth     []byte
	facts    *signing.Facts
}

func authenticate(ctx context.Context, a *signing.Authenticator, s signing.AuthStore, table string, page func(after string) ([]oldRecord, error)) error {
	for after := ""; ; {
		records, err := page(after)
		if err != nil {
			return fmt.Errorf("giving %s their authenticators: %w", table, err)
		}
		var rows []signing.AuthRow
		for _, r := range records {
			after = r.id
			if r.auth != nil {
				continue
			}
			row := signing.AuthRow{Table: table, ID: r.id, Revision: r.revision}
			if row.Auth, row.Mark, err = a.Stamp(r.facts); err != nil {
				return err
			}
			rows = append(rows, row)
		}
		if err := s.SetAuthenticators(ctx, rows...); err != nil {
			return fmt.Errorf("giving %s their authenticators: %w", table, err)
		}
		if len(records) < upgradePage {
			return nil
		}
	}
}
