package imports

import (
	"context"
	"errors"
	"fmt"
	"testing"
	"testing/synctest"
	"time"

	"yizheng.internal/license"
	"yizheng.internal/oidc/identity/intake"
)

// TestPatiently: a database that is away for a while ends no import; one that stays away does, and
// so does whoever interrupts it, and any other error at once.
func TestPatiently(t *testing.T) {
	gone, broken := fmt.Errorf("storing: %w", license.ErrUnavailable), errors.New("broken")
	for _, test := range []struct {
		what        string
		interrupted time.Duration // after that; 0: never
		answers     func(since time.Duration) error
		want        error
		after       time.Duration
	}{
		{"there", 0, func(time.Duration) error { return nil }, nil, 0},
		{"away for 20 s", 0, func(since time.Duration) error {
			if since < 20*time.Second {
				return gone
			}
			return nil
		}, nil, 31500 * time.Millisecond},
		{"away", 0, func(time.Duration) error { return gone }, gone, 31500 * time.Millisecond},
		{"interrupted", 5 * time.Second, func(time.Duration) error { return gone }, gone, 5 * time.Second},
		{"broken", 0, func(time.Duration) error { return broken }, broken, 0},
	} {
		t.Run(test.what, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				began := time.Now()
				ctx, cancel := context.WithCancel(t.Context())
				defer cancel()
				if test.interrupted > 0 {
					time.AfterFunc(test.interrupted, cancel)
				}
				_, err := patiently(ctx, func(ctx context.Context) (intake.Outcome, error) {
					if ctx.Err() != nil {
						t.Error("what was begun isn't done to its end")
					}
					return intake.Taken, test.answers(time.Since(began))
				})
				if !errors.Is(err, test.want) || time.Since(began) != test.after {
					t.Errorf("%v after %s, want %v after %s", err, time.Since(began), test.want, test.after)
				}
			})
		})
	}
}
