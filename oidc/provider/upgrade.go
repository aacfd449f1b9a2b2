package provider

import (
	"context"

	"yizheng.internal/oidc/session"
	"yizheng.internal/oidc/token"
	"yizheng.internal/signing"
)

// OldRecords lists the records of sessions and families, so that those of an earlier
// version can get their authenticators.
type OldRecords interface {
	// SessionsAfter returns up to limit sessions with an ID greater than after, by ID.
	SessionsAfter(ctx context.Context, after string, limit int) ([]session.Record, error)
	// FamiliesAfter is SessionsAfter for families.
	FamiliesAfter(ctx context.Context, after string, limit int) ([]token.FamilyRecord, error)
}

// Upgrade gives the provider's records of an earlier version their
// authenticators; see library.Library.Upgrade.
func (p *Provider) Upgrade(ctx context.Context, s signing.AuthStore, old OldRecords) error {
	a := p.c.Keyrings.Auth()
	if err := a.Give(ctx, s, "participants", func(after string) ([]signing.OldRecord, error) {
		ps, err := p.c.Participants.ListParticipants(ctx, after, signing.GivePage)
		var all []signing.OldRecord
		for _, r := range ps {
			all = append(all, signing.OldRecord{ID: r.ID, Revision: r.Revision, Auth: r.Auth, Facts: r.Facts()})
		}
		return all, err
	}); err != nil {
		return err
	}
	if err := a.Give(ctx, s, "clients", func(after string) ([]signing.OldRecord, error) {
		cs, err := p.c.Clients.ListClients(ctx, "", after, signing.GivePage)
		var all []signing.OldRecord
		for _, r := range cs {
			all = append(all, signing.OldRecord{ID: r.ID, Revision: r.Revision, Auth: r.Auth, Facts: r.Facts(r.Revision)})
		}
		return all, err
	}); err != nil {
		return err
	}
	if err := a.Give(ctx, s, "sessions", func(after string) ([]signing.OldRecord, error) {
		ss, err := old.SessionsAfter(ctx, after, signing.GivePage)
		var all []signing.OldRecord
		for _, r := range ss {
			all = append(all, signing.OldRecord{ID: r.ID, Revision: r.Revision, Auth: r.Auth, Facts: r.Facts(r.Revision)})
		}
		return all, err
	}); err != nil {
		return err
	}
	return a.Give(ctx, s, "families", func(after string) ([]signing.OldRecord, error) {
		fs, err := old.FamiliesAfter(ctx, after, signing.GivePage)
		var all []signing.OldRecord
		for _, r := range fs {
			all = append(all, signing.OldRecord{ID: r.ID, Revision: r.Revision, Auth: r.Auth, Facts: r.Facts(r.Revision)})
		}
		return all, err
	})
}
