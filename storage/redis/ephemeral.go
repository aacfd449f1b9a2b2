package redis

import (
	"context"
	"errors"
	"fmt"
	"math"
	"strings"
	"time"

	"github.com/redis/go-redis/v9"

	"yizheng.internal/license"
	"yizheng.internal/oidc/identity"
)

// Limits of [identity.Ephemeral].
const (
	maxKey   = 200
	maxValue = 64 << 10
)

// Put implements [identity.Ephemeral]. Redis forgets by its own clock, to the
// millisecond.
func (s *Ephemeral) Put(ctx context.Context, key string, value []byte, now, expires time.Time) error {
	err := s.call(ctx, key, value, func(ctx context.Context) error {
		if life := expires.Sub(now); life > 0 {
			return s.client.Do(ctx, "SET", s.value(key), value, "PX", milliseconds(life)).Err()
		}
		return s.client.Del(ctx, s.value(key)).Err()
	})
	if err != nil {
		return fmt.Errorf("keeping a value: %w", err)
	}
	return nil
}

// Load implements [identity.Ephemeral].
func (s *Ephemeral) Load(ctx context.Context, key string, now time.Time) (value []byte, err error) {
	err = s.call(ctx, key, nil, func(ctx context.Context) error {
		value, err = s.client.Get(ctx, s.value(key)).Bytes()
		if errors.Is(err, redis.Nil) {
			return identity.ErrGone
		}
		return err
	})
	if err != nil {
		return nil, fmt.Errorf("loading a kept value: %w", err)
	}
	return value, nil
}

// swap returns 0 if nothing is kept, 1 if it isn't the old value, else 2.
var swap = redis.NewScript(`
local value = redis.call('GET', KEYS[1])
if not value then return 0 end
if value ~= ARGV[1] then return 1 end
redis.call('SET', KEYS[1], ARGV[2], 'KEEPTTL')
return 2`)

// Swap implements [identity.Ephemeral]. A script is one step.
func (s *Ephemeral) Swap(ctx context.Context, key string, old, new []byte, now time.Time) error {
	err := s.call(ctx, key, new, func(ctx context.Context) error {
		done, err := swap.Run(ctx, s.client, []string{s.value(key)}, old, new).Int()
		switch {
		case err != nil:
			return err
		case done == 0:
			return identity.ErrGone
		case done == 1:
			return identity.ErrChanged
		}
		return nil
	})
	if err != nil {
		return fmt.Errorf("swapping a kept value: %w", err)
	}
	return nil
}

// Delete implements [identity.Ephemeral].
func (s *Ephemeral) Delete(ctx context.Context, key string) error {
	err := s.call(ctx, key, nil, func(ctx context.Context) error { return s.client.Del(ctx, s.value(key)).Err() })
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

// Count implements [identity.Ephemeral]. A script is one step.
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

func (s *Ephemeral) value(key string) string   { return s.c.Prefix + "v:" + key }
func (s *Ephemeral) counter(key string) string { return s.c.Prefix + "c:" + key }

// milliseconds rounds up, so that what is kept for less than one is kept at all.
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
	return explain(ctx, run(limited))
}

// explain turns what Redis and the way to it say into the store's conditions. The
// caller's own cancellation stays what it is.
func explain(ctx context.Context, err error) error {
	switch {
	case err == nil, errors.Is(err, identity.ErrGone), errors.Is(err, identity.ErrChanged):
		return err
	case ctx.Err() != nil:
		return ctx.Err()
	case over(ctx):
		return context.DeadlineExceeded
	case strings.HasPrefix(err.Error(), "OOM "):
		return fmt.Errorf("%w: the memory that Redis may use is full", identity.ErrFull)
	case errors.Is(err, redis.ErrClosed):
		return fmt.Errorf("%w: the store is closed", license.ErrUnavailable)
	}
	return fmt.Errorf("%w: %w", license.ErrUnavailable, err)
}

// over reports whether the context's time is up: a connection, which is given the
// same time, may notice before the context does.
func over(ctx context.Context) bool {
	deadline, ok := ctx.Deadline()
	return ok && !time.Now().Before(deadline)
}

// check holds a call to the limits of [identity.Ephemeral]. Keys are not shown:
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
