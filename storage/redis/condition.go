package redis

import (
	"context"
	"crypto/rand"
	"errors"
	"fmt"
	"strings"
	"sync"
	"time"

	"yizheng.internal/license"
	"yizheng.internal/oidc/ephemeral"
)

// ErrUnusable says that Redis answers, and refuses what is needed: by its rights,
// its password, or because it is a replica. Waiting won't help. It comes with
// license.ErrUnavailable and with what Redis said.
var ErrUnusable = errors.New("it answers, but it can't be used: check the user's rights (docs/operating.md has the least), the password, and that it is no replica")

// refuses reports whether Redis gave an answer that waiting doesn't change. If a command in a
// script was refused, that answer comes after other words.
func refuses(err error) bool {
	for _, text := range []string{"NOPERM", "NOAUTH", "WRONGPASS", "READONLY", "can't run this command", "ERR AUTH", "ERR unknown command", "ERR invalid password"} {
		if strings.Contains(err.Error(), text) {
			return true
		}
	}
	return false
}

// condition counts how calls went.
type condition struct {
	mu       sync.Mutex
	down     bool
	failures uint64
}

// note notes a call's error, but for one that the caller's own cancellation made.
func (c *condition) note(ctx context.Context, err error) {
	away := errors.Is(err, license.ErrUnavailable)
	if err != nil && ctx.Err() != nil && !away {
		return
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	c.down = away
	if away {
		c.failures++
	}
}

// Condition returns whether the last call was answered, and how many weren't.
func (s *Ephemeral) Condition() (up bool, failures uint64) {
	s.condition.mu.Lock()
	defer s.condition.mu.Unlock()
	return !s.condition.down, s.condition.failures
}

// probeLife is after how long the keys of an interrupted probe expire.
const probeLife = 10 * time.Second

// Probe does everything that logins need of Redis, with keys of its own: a Redis
// that can be pinged may still refuse to be written. ErrUnusable if it does.
func (s *Ephemeral) Probe(ctx context.Context) error {
	key, now := "probe."+rand.Text(), time.Now()
	keeping := ephemeral.Keeping{Part: ephemeral.PartUnopened, Until: now.Add(probeLife)}
	value, other := []byte("1"), []byte("2")
	for _, step := range []struct {
		name string
		do   func() error
	}{
		{"ping", func() error { return s.Ping(ctx) }},
		{"write", func() error { return s.Put(ctx, key, value, keeping, now) }},
		{"swap", func() error { return s.Swap(ctx, key, value, other, keeping, now) }},
		{"read", func() error {
			got, err := s.Load(ctx, key, now)
			if err == nil && string(got) != string(other) {
				err = fmt.Errorf("%w: what was written is not what is read", license.ErrUnavailable)
			}
			return err
		}},
		{"delete", func() error { return s.Delete(ctx, key) }},
		{"count", func() error { _, err := s.Count(ctx, key, 1, time.Millisecond, now); return err }},
		{"count again", func() error { _, err := s.Count(ctx, key, 1, time.Millisecond, now); return err }},
	} {
		if err := step.do(); err != nil {
			return fmt.Errorf("probing Redis (%s): %w", step.name, err)
		}
	}
	return nil
}

// quietLog lets one line a minute of the library's log through. If the server is away, the
// library logs a line for each connection that it tries.
type quietLog struct {
	mu      sync.Mutex
	last    time.Time
	skipped int
}

// turn reports whether a line may pass now, and how many didn't before it.
func (q *quietLog) turn(now time.Time) (skipped int, pass bool) {
	q.mu.Lock()
	defer q.mu.Unlock()
	if !q.last.IsZero() && now.Sub(q.last) < time.Minute {
		q.skipped++
		return 0, false
	}
	skipped = q.skipped
	q.last, q.skipped = now, 0
	return skipped, true
}
