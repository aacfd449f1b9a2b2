package storage

import (
	"context"
	"errors"
	"strings"
	"time"

	"yizheng.internal/oidc/ephemeral"
	"yizheng.internal/storage/memory"
	"yizheng.internal/storage/redis"
)

// Ephemeral is an open store for what may be lost.
type Ephemeral interface {
	ephemeral.Store
	// Ping tells whether the store answers.
	Ping(ctx context.Context) error
	// Probe tells whether the store does everything that logins need of it.
	Probe(ctx context.Context) error
	// Evicted returns, for each part from [ephemeral.PartUnopened] on, how many values made room
	// for others before they expired, in calls of this process.
	Evicted() [ephemeral.PartReserved]uint64
	// Pool returns how many connections are in use, idle, and open at most, how many callers
	// have waited for one, and how long together. A store without connections returns zeros.
	Pool() (inUse, idle, most int, waits int64, waited time.Duration)
	// Condition returns whether the last call was answered, and how many weren't.
	Condition() (up bool, failures uint64)
	// Close ends what is under way and closes the store. Later calls fail.
	Close() error
}

// OpenEphemeral opens the store for what may be lost that a URL names:
//
//	memory:, or nothing     the process's own memory, for one node alone
//	redis://…, rediss://…   a Redis, which several nodes share: see redis.Config
//
// If a Redis doesn't answer, the error is license.ErrUnavailable, unless the options are
// patient. One that answers and can't be used is always an error. No error echoes the URL,
// which may hold a password. Of the options it takes Log and Patient.
func OpenEphemeral(ctx context.Context, rawURL string, o Options) (Ephemeral, error) {
	scheme, rest, _ := strings.Cut(rawURL, ":")
	switch strings.ToLower(scheme) {
	case "", "memory":
		if rest != "" {
			return nil, errors.New("the URL of the store in memory is memory: and nothing more")
		}
		return memory.New(memory.Config{}), nil
	case "redis", "rediss":
		s, err := redis.Open(ctx, redis.Config{URL: rawURL, Log: o.Log, Patient: o.Patient})
		if err != nil {
			return nil, err
		}
		return s, nil
	}
	return nil, errors.New("the URL of the store for what may be lost has an unknown scheme: it is memory: or begins with redis:// or rediss://")
}
