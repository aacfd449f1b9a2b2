package representation

import (
	"cmp"
	"context"
	"errors"
	"fmt"

	"yizheng.internal/oidc/identity"
	"yizheng.internal/oidc/identity/notice"
)

// page is how many records are taken at a time.
const page = 200

// Rehash gives every representation its lookup keys under all live lookup keys, and no others, and seals it under the
// active data key; see [identity.Service.RehashLogins]. It calls progress with how many it has done.
func (s *Shelf) Rehash(ctx context.Context, progress func(done int)) error {
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
func (s *Shelf) each(ctx context.Context, do func(Record) error) error {
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

// telling is what is written to somebody's phone.
type telling struct {
	account   identity.Account
	kind      notice.Kind
	requestID string
}

// tellings is how many wait at most: what comes on top isn't told, but stands in the portal all the same.
const tellings = 256

// tell has Run tell people, so that nobody learns by the time it takes who has an account.
func (s *Shelf) tell(all []telling) {
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

// Live calls do for every representation that hasn't ended. An error doesn't keep it from the others; the first is
// returned.
func (s *Shelf) Live(ctx context.Context, do func(Representation) error) error {
	var first error
	err := s.each(ctx, func(rec Record) error {
		if rec.State == Ended {
			return nil
		}
		r, err := s.unseal(ctx, rec)
		if err == nil {
			err = do(r)
		}
		first = cmp.Or(first, err)
		return ctx.Err()
	})
	return cmp.Or(err, first)
}

// Run tells people what was done, until ctx ends.
func (s *Shelf) Run(ctx context.Context) {
	for {
		select {
		case <-ctx.Done():
			return
		case t := <-s.told:
			s.c.Notices.Tell(ctx, t.account, t.kind, "", "", t.requestID)
		}
	}
}

// Deliver tells people what waits to be told. It is for a command, which has no Run.
func (s *Shelf) Deliver(ctx context.Context) {
	for {
		select {
		case t := <-s.told:
			s.c.Notices.Tell(ctx, t.account, t.kind, "", "", t.requestID)
		default:
			return
		}
	}
}
