package identity

import (
	"context"

	"yizheng.internal/signing"
)

// Facts returns what a participant's authenticator covers.
func (p *Participant) Facts() *signing.Facts { return p.facts(p.Revision) }

// Upgrade gives parties and accounts of an earlier version their authenticators;
// see library.Library.Upgrade.
func (s *Service) Upgrade(ctx context.Context, store signing.AuthStore) error {
	a := s.c.Vault.Auth()
	if err := a.Give(ctx, store, "parties", func(after string) (all []signing.OldRecord, err error) {
		ps, err := s.c.Parties.ListParties(ctx, after, signing.GivePage)
		for _, r := range ps {
			all = append(all, signing.OldRecord{ID: r.ID, Revision: r.Revision, Auth: r.Auth, Facts: r.facts(r.Revision)})
		}
		return all, err
	}); err != nil {
		return err
	}
	return a.Give(ctx, store, "accounts", func(after string) (all []signing.OldRecord, err error) {
		as, err := s.c.Accounts.ListAccounts(ctx, after, signing.GivePage)
		for _, r := range as {
			all = append(all, signing.OldRecord{ID: r.ID, Revision: r.Revision, Auth: r.Auth, Facts: r.facts(r.Revision)})
		}
		return all, err
	})
}
