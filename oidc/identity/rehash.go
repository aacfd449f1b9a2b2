package identity

import (
	"context"
	"errors"
	"fmt"
)

// rehashPage is how many records RehashLogins takes at a time.
const rehashPage = 200

// RehashLogins gives every party and account its lookup keys under all live lookup keys, and
// no others, and seals it under the active data key. It calls progress, if not nil, with how
// many it has done. It can be run again, and beside a running service.
//
// Run it before a lookup key is revoked, so that no login depends on that key alone. Run it
// again afterwards, so that nothing made under that key is left.
func (s *Service) RehashLogins(ctx context.Context, progress func(done int)) error {
	done := 0
	count := func() {
		if done++; progress != nil && done%rehashPage == 0 {
			progress(done)
		}
	}
	if err := s.rehashParties(ctx, count); err != nil {
		return err
	}
	if err := s.rehashAccounts(ctx, count); err != nil {
		return err
	}
	if progress != nil {
		progress(done)
	}
	return nil
}

func (s *Service) rehashParties(ctx context.Context, each func()) error {
	for after := ""; ; {
		records, err := s.c.Parties.ListParties(ctx, after, rehashPage)
		if err != nil {
			return fmt.Errorf("listing parties: %w", err)
		}
		for _, r := range records {
			if err := s.rehashParty(ctx, r); err != nil {
				return fmt.Errorf("renewing lookup keys of party %s: %w", r.ID, err)
			}
			after = r.ID
			each()
		}
		if len(records) < rehashPage {
			return nil
		}
	}
}

func (s *Service) rehashParty(ctx context.Context, r PartyRecord) error {
	for try := 1; ; try++ {
		p, err := s.openParty(ctx, r)
		if err != nil {
			return err
		}
		if r, err = s.sealParty(ctx, p); err != nil {
			return err
		}
		err = s.c.Parties.UpdateParty(ctx, r)
		if !errors.Is(err, ErrConflict) || try == changeTries {
			return err
		}
		if r, err = s.c.Parties.LoadParty(ctx, r.ID); err != nil {
			return err
		}
	}
}

func (s *Service) rehashAccounts(ctx context.Context, each func()) error {
	for after := ""; ; {
		records, err := s.c.Accounts.ListAccounts(ctx, after, rehashPage)
		if err != nil {
			return fmt.Errorf("listing accounts: %w", err)
		}
		for _, r := range records {
			if _, err := s.Change(ctx, r.ID, func(*Account) error { return nil }); err != nil {
				return fmt.Errorf("renewing lookup keys of account %s: %w", r.ID, err)
			}
			after = r.ID
			each()
		}
		if len(records) < rehashPage {
			return nil
		}
	}
}
