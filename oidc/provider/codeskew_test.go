package provider

import (
	"context"
	"errors"
	"testing"
	"testing/synctest"
	"time"

	"yizheng.internal/oidc"
	"yizheng.internal/oidc/ephemeral"
	"yizheng.internal/oidc/keeper"
)

// slowClock is a store for what may be lost whose own clock is behind those of
// the nodes, and that can't be written to for a while.
type slowClock struct {
	ephemeral.Store
	behind time.Duration
	stuck  bool
}

var errStuck = errors.New("it takes no writes")

func (s *slowClock) Load(ctx context.Context, key string, now time.Time) ([]byte, error) {
	return s.Store.Load(ctx, key, now.Add(-s.behind))
}

func (s *slowClock) Delete(ctx context.Context, key string) error {
	if s.stuck {
		return errStuck
	}
	return s.Store.Delete(ctx, key)
}

// A spent code's payload is gone at once.
func TestSpentCodeIsForgotten(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := newWorld(t)
		b := w.browser()
		b.session(t, w.zhang, 1)
		c := code(t, b.authorize(t, w.bureau))
		key := keeper.KeyOf("code", oidc.SecretOf(c).Hash().String())
		if _, err := w.kept.Load(t.Context(), key, time.Now()); err != nil {
			t.Fatalf("before it is spent: %v", err)
		}
		w.redeem(t, w.bureau, c)
		if _, err := w.kept.Load(t.Context(), key, time.Now()); !errors.Is(err, ephemeral.ErrGone) {
			t.Errorf("after it was spent: %v", err)
		}
	})
}

// A code that comes again ends what it yielded, although the second node's clock
// is two minutes ahead and still finds what the code stood for. One that was not
// spent has expired there, and yields nothing.
func TestCodeReuseWithAClockAhead(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := newWorld(t)
		b := w.browser()
		b.session(t, w.zhang, 1)
		store := &slowClock{Store: w.kept, stuck: true}
		w.ephemeral = store
		w.provider, _ = w.node(t, 2)
		spent, unspent := code(t, b.authorize(t, w.bureau)), code(t, b.authorize(t, w.bureau))
		tokens := w.redeem(t, w.bureau, spent)

		elsewhere, _ := w.node(t, 2)
		store.behind = 2 * time.Minute
		time.Sleep(2 * time.Minute) // to this store no time has passed
		_, err := elsewhere.Redeem(t.Context(), w.bureau, redemption(w.bureau, unspent))
		if _, reason := codeOf(t, err); reason != "code_expired" {
			t.Errorf("an unspent code: %v", err)
		}
		_, err = elsewhere.Redeem(t.Context(), w.bureau, redemption(w.bureau, spent))
		if _, reason := codeOf(t, err); reason != "code_reuse" {
			t.Errorf("a spent code: %v", err)
		}
		time.Sleep(2 * time.Second)
		if _, err := w.Redeem(t.Context(), w.bureau, refreshing(tokens.Refresh.Reveal())); !isInvalidGrant(err) {
			t.Errorf("the refresh token lives: %v", err)
		}
		families := 0
		for _, f := range w.memory.families {
			if f.Client != w.bureau.ID {
				continue
			}
			families++
			if f.Ended.IsZero() {
				t.Errorf("family %+v lives", f)
			}
		}
		if families == 0 {
			t.Error("there is no family: it proves nothing")
		}
	})
}
