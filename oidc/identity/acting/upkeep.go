package acting

import (
	"context"
	"errors"
	"fmt"
	"time"

	"yizheng.internal/license/party"
	"yizheng.internal/oidc/identity"
	"yizheng.internal/oidc/identity/notice"
)

// page is how many records are taken at a time.
const page = 200

// Rehash gives every representation its lookup keys under all live lookup keys, and no others, and seals it under the
// active data key; see [identity.Service.RehashLogins]. It calls progress with how many it has done.
func (s *Service) Rehash(ctx context.Context, progress func(done int)) error {
	done := 0
	return s.each(ctx, func(rec Record) error {
		for try := 1; ; try++ {
			r, err := s.unseal(ctx, rec)
			if err != nil {
				return err
			}
			again, err := s.seal(ctx, &r)
			if err == nil {
				err = s.c.Store.UpdateRepresentation(ctx, again)
			}
			if errors.Is(err, identity.ErrConflict) && try < changeTries {
				if rec, err = s.c.Store.LoadRepresentation(ctx, rec.ID); err == nil {
					continue
				}
			}
			if err != nil {
				return fmt.Errorf("renewing lookup keys of representation %s: %w", rec.ID, err)
			}
			if done++; progress != nil && done%page == 0 {
				progress(done)
			}
			return nil
		}
	})
}

// each calls do for every representation.
func (s *Service) each(ctx context.Context, do func(Record) error) error {
	for after := ""; ; {
		records, err := s.c.Store.ListRepresentations(ctx, after, page)
		if err != nil {
			return fmt.Errorf("listing representations: %w", err)
		}
		for _, r := range records {
			if err := do(r); err != nil {
				return err
			}
			after = r.ID
		}
		if len(records) < page {
			return nil
		}
	}
}

// Sweep ends what is over: proposals that nobody accepted, whose last day has passed, who has lapsed, and
// guardianships of who has grown up. A refusal comes of the rules whether it was swept or not; but who has lapsed
// stays so when there is another legal representative again.
func (s *Service) Sweep(ctx context.Context) error {
	return s.each(ctx, func(rec Record) error {
		if rec.State == Ended {
			return nil
		}
		r, err := s.unseal(ctx, rec)
		if err != nil {
			return err
		}
		at := time.Now()
		why, n := ReasonExpired, &now{at: at, today: party.DateOf(at)}
		if !r.over(n) {
			if why, err = s.finished(ctx, r); err != nil || why == "" {
				return err
			}
		}
		_, err = s.finish(ctx, actor{id: sweeper}, r.ID, why)
		return err
	})
}

// sweeper is who ends what is over, for the events.
const sweeper = "upkeep"

// telling is what is written to somebody's phone.
type telling struct {
	account   identity.Account
	kind      notice.Kind
	requestID string
}

// tellings is how many wait at most: what comes on top isn't told, but stands in the portal all the same.
const tellings = 256

// tell has Run tell people, so that nobody learns by the time it takes who has an account.
func (s *Service) tell(all []telling) {
	if s.c.Notices == nil {
		return
	}
	for _, t := range all {
		select {
		case s.told <- t:
		default:
			s.c.Log.Warn("a person isn't told what was done, because too many are", "account", t.account.ID, "kind", t.kind)
		}
	}
}

// sweepEvery is how often Run sweeps.
const sweepEvery = 12 * time.Hour

// Run tells people what was proposed to them and what ended, and sweeps twice a day, until ctx ends.
func (s *Service) Run(ctx context.Context) {
	sweep := time.NewTicker(sweepEvery)
	defer sweep.Stop()
	for {
		select {
		case <-ctx.Done():
			return
		case t := <-s.told:
			s.c.Notices.Tell(ctx, t.account, t.kind, "", "", t.requestID)
		case <-sweep.C:
			if err := s.Sweep(ctx); err != nil && ctx.Err() == nil {
				s.c.Log.WarnContext(ctx, "ending representations that are over; it is tried again", "error", err)
			}
		}
	}
}
