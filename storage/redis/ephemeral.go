package redis

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"math"
	"strings"
	"time"

	"github.com/redis/go-redis/v9"

	"yizheng.internal/license"
	"yizheng.internal/oidc/ephemeral"
)

// Limits of [ephemeral.Store].
const (
	maxKey   = 200
	maxValue = 64 << 10
)

// Put implements [ephemeral.Store]. Redis forgets by its own clock, to the
// millisecond.
func (s *Ephemeral) Put(ctx context.Context, key string, value []byte, k ephemeral.Keeping, now time.Time) error {
	if err := checkKeeping(k); err != nil {
		return fmt.Errorf("keeping a value: %w", err)
	}
	life := k.Until.Sub(now)
	if life <= 0 {
		return s.Delete(ctx, key)
	}
	err := s.callWithRoom(ctx, key, value, func(ctx context.Context) error {
		done, err := s.answered(put.Run(ctx, s.client, s.keys(key), s.placing(key, k, life, value)...).Int64())
		if err == nil && done == full {
			return ephemeral.ErrFull
		}
		return err
	})
	if err != nil {
		return fmt.Errorf("keeping a value: %w", err)
	}
	return nil
}

// Load implements [ephemeral.Store].
func (s *Ephemeral) Load(ctx context.Context, key string, now time.Time) (value []byte, err error) {
	err = s.call(ctx, key, nil, func(ctx context.Context) error {
		value, err = s.client.Get(ctx, s.value(key)).Bytes()
		if errors.Is(err, redis.Nil) {
			return ephemeral.ErrGone
		}
		return err
	})
	if err != nil {
		return nil, fmt.Errorf("loading a kept value: %w", err)
	}
	_, value, _ = bytes.Cut(value, []byte{'\n'}) // the line before says how it is kept
	return value, nil
}

// Swap implements [ephemeral.Store]. A script is one step.
func (s *Ephemeral) Swap(ctx context.Context, key string, old, new []byte, k ephemeral.Keeping, now time.Time) error {
	life := k.Until.Sub(now)
	if k == (ephemeral.Keeping{}) {
		life = 0
	} else if err := checkKeeping(k); err != nil {
		return fmt.Errorf("swapping a kept value: %w", err)
	}
	err := s.callWithRoom(ctx, key, new, func(ctx context.Context) error {
		done, err := s.answered(swap.Run(ctx, s.client, s.keys(key), append(s.placing(key, k, life, new), old)...).Int64())
		switch {
		case err != nil:
			return err
		case done == gone:
			return ephemeral.ErrGone
		case done == changed:
			return ephemeral.ErrChanged
		case done == full:
			return ephemeral.ErrFull
		}
		return nil
	})
	if err != nil {
		return fmt.Errorf("swapping a kept value: %w", err)
	}
	return nil
}

// Delete implements [ephemeral.Store].
func (s *Ephemeral) Delete(ctx context.Context, key string) error {
	err := s.call(ctx, key, nil, func(ctx context.Context) error {
		return remove.Run(ctx, s.client, s.keys(key), key).Err()
	})
	if err != nil {
		return fmt.Errorf("forgetting a kept value: %w", err)
	}
	return nil
}

// count adds to a counter, which begins its window when it is made. What it
// returns is text, for numbers of scripts have 53 bits. A counter without an end,
// which only somebody else can have made, gets one: it might lock out for ever.
var count = redis.NewScript(`
if redis.call('EXISTS', KEYS[1]) == 0 then
	if ARGV[1] == '0' or tonumber(ARGV[2]) <= 0 then return ARGV[1] end
	redis.call('SET', KEYS[1], ARGV[1], 'PX', ARGV[2])
	return ARGV[1]
end
redis.call('INCRBY', KEYS[1], ARGV[1])
if redis.call('PTTL', KEYS[1]) < 0 then redis.call('PEXPIRE', KEYS[1], math.max(tonumber(ARGV[2]), 1)) end
return redis.call('GET', KEYS[1])`)

// Count implements [ephemeral.Store]. A script is one step.
func (s *Ephemeral) Count(ctx context.Context, key string, n int64, window time.Duration, now time.Time) (sum int64, err error) {
	err = s.call(ctx, key, nil, func(ctx context.Context) error {
		sum, err = count.Run(ctx, s.client, []string{s.counter(key)}, n, milliseconds(window)).Int64()
		return err
	})
	if err != nil {
		return 0, fmt.Errorf("counting: %w", err)
	}
	return sum, nil
}

// Ping tells whether Redis answers.
func (s *Ephemeral) Ping(ctx context.Context) error {
	err := s.call(ctx, "ping", nil, func(ctx context.Context) error { return s.client.Ping(ctx).Err() })
	if err != nil {
		return fmt.Errorf("reaching Redis: %w", err)
	}
	return nil
}

func (s *Ephemeral) value(key string) string   { return s.c.Prefix + "v:" + s.slot(key) + key }
func (s *Ephemeral) counter(key string) string { return s.c.Prefix + "c:" + key }

// milliseconds rounds up: Redis keeps nothing for 0 milliseconds.
func milliseconds(d time.Duration) int64 {
	if d > math.MaxInt64-time.Millisecond {
		return d.Milliseconds()
	}
	return (d + time.Millisecond - 1).Milliseconds()
}

// call runs one command, within the time for it.
func (s *Ephemeral) call(ctx context.Context, key string, value []byte, run func(context.Context) error) error {
	if err := ctx.Err(); err != nil {
		return err
	}
	if err := check(key, value); err != nil {
		return err
	}
	limited, cancel := context.WithTimeout(ctx, s.c.Timeout)
	defer cancel()
	err := explain(ctx, run(limited))
	s.condition.note(ctx, err)
	return err
}

// callWithRoom is call for what needs room. Redis may have none although the parts have some:
// its memory is smaller than they are, or others use it. Then the oldest unopened values give
// way.
func (s *Ephemeral) callWithRoom(ctx context.Context, key string, value []byte, run func(context.Context) error) error {
	return s.call(ctx, key, value, func(ctx context.Context) error {
		err := run(ctx)
		if err == nil || !strings.Contains(err.Error(), outOfMemory) {
			return err
		}
		n, clearing := relieve.Run(ctx, s.client, s.keys(key), key, s.values(key)).Int()
		if clearing != nil || n == 0 {
			return err
		}
		s.evicted[0].Add(uint64(n))
		return run(ctx)
	})
}

const outOfMemory = "OOM command not allowed"

// explain turns what Redis and the way to it say into the store's conditions. The
// caller's own cancellation stays what it is.
func explain(ctx context.Context, err error) error {
	switch {
	case err == nil, errors.Is(err, ephemeral.ErrGone), errors.Is(err, ephemeral.ErrChanged):
		return err
	case ctx.Err() != nil:
		return ctx.Err()
	case over(ctx):
		return context.DeadlineExceeded
	case strings.Contains(err.Error(), outOfMemory):
		return fmt.Errorf("%w: the memory that Redis may use is full", ephemeral.ErrFull)
	case errors.Is(err, redis.ErrClosed):
		return fmt.Errorf("%w: the store is closed", license.ErrUnavailable)
	}
	refused := refuses(err)
	err = fmt.Errorf("%w: %w: %w", license.ErrUnavailable, ephemeral.ErrAway, err)
	if refused {
		err = fmt.Errorf("%w: %w", ErrUnusable, err)
	}
	return err
}

// over reports whether the context's time is up: a connection, which is given the
// same time, may notice before the context does.
func over(ctx context.Context) bool {
	deadline, ok := ctx.Deadline()
	return ok && !time.Now().Before(deadline)
}

// check holds a call to the limits of [ephemeral.Store]. Keys are not shown:
// they may be a secret.
func check(key string, value []byte) error {
	if len(key) == 0 || len(key) > maxKey {
		return fmt.Errorf("a key of %d bytes: must be 1 to %d", len(key), maxKey)
	}
	for i := range len(key) {
		if key[i] <= ' ' || key[i] > '~' {
			return errors.New("a key has a character that is not visible ASCII")
		}
	}
	if len(value) > maxValue {
		return fmt.Errorf("a value of %d bytes: must be at most %d", len(value), maxValue)
	}
	return nil
}
