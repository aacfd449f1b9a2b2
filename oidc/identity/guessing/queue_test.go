package guessing_test

import (
	"context"
	"fmt"
	"sync"
	"testing"
	"testing/synctest"

	"yizheng.internal/oidc/identity/guessing"
	"yizheng.internal/oidc/identity/identitytest"
	"yizheng.internal/oidc/identity/password"
	"yizheng.internal/oidc/identity/people"
)

// However many wait with wrong passwords, who uses a known device doesn't wait behind
// them; nor does who tries for the first time behind those who tried too often. A try
// that nobody looked at doesn't count.
func TestQueues(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := identitytest.NewWorld(t)
		a := w.Zhang(t)
		s := w.Open(t, func(c *people.Config) { c.Hashing.Slots = 1 })
		device, err := s.DeviceToken(t.Context(), a, "")
		identitytest.IsReason(t, "device token", err, "")
		ctx, cancel := context.WithCancel(t.Context())
		var wg sync.WaitGroup
		fill := func(l password.Lane) {
			leave, err := s.Hash.Enter(ctx, l)
			identitytest.IsReason(t, "entering", err, "")
			wg.Go(func() { <-ctx.Done(); leave() })
			for range password.Waiting {
				wg.Go(func() { // the bubble's clock stands still, so it waits until it is let go
					if leave, err := s.Hash.Enter(ctx, l); err == nil {
						leave()
					}
				})
			}
			synctest.Wait()
		}
		fill(password.LaneGuarded)
		_, err = s.CheckPassword(t.Context(), identitytest.Attempt("xiaoyan.zhang", identitytest.Password))
		identitytest.IsReason(t, "an unknown device beside a flood of those with too many tries", err, "")
		for range 5 {
			_, err = s.CheckPassword(t.Context(), identitytest.From(identitytest.Attempt("somebody.else", "guess"), 3))
			identitytest.IsReason(t, "a guess", err, "login_refused")
		}
		_, err = s.CheckPassword(t.Context(), identitytest.From(identitytest.Attempt("somebody.else", "guess"), 3))
		identitytest.IsReason(t, "a guess beyond the limit, beside that flood", err, "busy")
		fill(password.LaneNew)
		for range 10 {
			_, err = s.CheckPassword(t.Context(), identitytest.Attempt("xiaoyan.zhang", identitytest.Password))
			identitytest.IsReason(t, "an unknown device in a flood", err, "busy")
		}
		known := identitytest.Attempt("xiaoyan.zhang", identitytest.Password)
		known.Device = device
		for n := range int(guessing.MostOfKnown) {
			_, err = s.CheckPassword(t.Context(), known)
			identitytest.IsReason(t, fmt.Sprint("login ", n, " on the known device in a flood"), err, "")
		}
		_, err = s.CheckPassword(t.Context(), known)
		identitytest.IsReason(t, "one account in a loop", err, "busy")
		cancel()
		wg.Wait()
	})
}
