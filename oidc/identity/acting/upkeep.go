package acting

import (
	"context"
	"sync"
	"time"
)

// Sweep ends what is over: proposals that nobody accepted, whose last day has passed, who has lapsed, and
// guardianships of who has grown up. Whether it was swept or not, the rules refuse it; but who has lapsed must stay so
// when there is yet another legal representative, and the registry tells of the present one alone.
func (s *appointing) Sweep(ctx context.Context) error {
	return s.shelf.Live(ctx, func(r Representation) (err error) {
		why := ReasonExpired
		if !r.Over(time.Now()) {
			if why, err = s.finished(ctx, r); err != nil || why == "" {
				return err
			}
		}
		_, err = s.finish(ctx, actor{}, r.ID, why)
		return err
	})
}

// Rehash gives every representation its lookup keys under all live lookup keys, and no others, and seals it under the
// active data key; see [identity.Service.RehashLogins]. It calls progress with how many it has done.
func (s *Service) Rehash(ctx context.Context, progress func(done int)) error {
	return s.shelf.Rehash(ctx, progress)
}

// Deliver tells people what waits to be told. It is for a command, which has no Run.
func (s *Service) Deliver(ctx context.Context) { s.shelf.Deliver(ctx) }

// sweepEvery is how often Run sweeps.
const sweepEvery = 12 * time.Hour

// Run tells people what was proposed to them and what ended, and sweeps twice a day, until ctx ends.
func (s *Service) Run(ctx context.Context) {
	var telling sync.WaitGroup
	telling.Go(func() { s.shelf.Run(ctx) })
	defer telling.Wait()
	sweep := time.NewTicker(sweepEvery)
	defer sweep.Stop()
	for {
		select {
		case <-ctx.Done():
			return
		case <-sweep.C:
			if err := s.Sweep(ctx); err != nil && ctx.Err() == nil {
				s.c.Log.WarnContext(ctx, "ending representations that are over; it is tried again", "error", err)
			}
		}
	}
}
