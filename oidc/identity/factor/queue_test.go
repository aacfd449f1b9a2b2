package factor_test

import (
	"errors"
	"fmt"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"yizheng.internal/oidc/identity"
	"yizheng.internal/oidc/identity/identitytest"
	"yizheng.internal/oidc/identity/password"
	"yizheng.internal/oidc/identity/people"
)

// What waits for a hash is bounded in number and in time.
func TestBusy(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := identitytest.NewWorld(t)
		w.Zhang(t)
		s := w.Open(t, func(c *people.Config) { c.Hashing.Slots = 1 })
		leave, err := s.Hash.Enter(t.Context(), password.LaneNew)
		identitytest.IsReason(t, "entering", err, "")
		var mu sync.Mutex
		reasons := map[string]int{}
		var wg sync.WaitGroup
		began := time.Now()
		for n := range password.Waiting + 3 {
			wg.Go(func() {
				_, err := s.CheckPassword(t.Context(), identitytest.From(identitytest.Attempt(fmt.Sprint("somebody.", n), identitytest.Password), n))
				e, _ := errors.AsType[*identity.Error](err)
				mu.Lock()
				defer mu.Unlock()
				reasons[fmt.Sprint(e.Reason, " ", time.Since(began))]++
			})
		}
		wg.Wait()
		if reasons["busy 0s"] != 3 || reasons[fmt.Sprint("busy ", password.WaitMost)] != password.Waiting {
			t.Errorf("answers are %v", reasons)
		}
		leave()
		_, err = s.CheckPassword(t.Context(), identitytest.Attempt("xiaoyan.zhang", identitytest.Password))
		identitytest.IsReason(t, "afterwards", err, "")
	})
}
