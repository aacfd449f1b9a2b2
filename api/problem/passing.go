package problem

import (
	"context"
	"errors"
	"log/slog"
	"sync"
	"time"

	"yizheng.internal/license"
	"yizheng.internal/oidc"
	"yizheng.internal/oidc/ephemeral"
	"yizheng.internal/oidc/identity"
	"yizheng.internal/signing/highwater"
)

// Passes reports whether an error is about this moment and not about the
// request: a store that is down, full or too slow, a request whose time was up,
// too many at once. Every endpoint answers it with 503 and Retry-After, and
// every page with a page that says so.
func Passes(err error) bool {
	if e, ok := errors.AsType[*oidc.Error](err); ok {
		return e.Code == oidc.TemporarilyUnavailable
	}
	if e, ok := errors.AsType[*identity.Error](err); ok {
		return e.Reason == identity.ReasonUnavailable || e.Reason == identity.ReasonBusy
	}
	return errors.Is(err, license.ErrUnavailable) || errors.Is(err, highwater.ErrLost) || errors.Is(err, ephemeral.ErrFull) ||
		errors.Is(err, context.DeadlineExceeded) || errors.Is(err, context.Canceled)
}

// Cancelled reports whether an error says only that the client no longer waits.
func Cancelled(ctx context.Context, err error) bool {
	return errors.Is(err, context.Canceled) && errors.Is(ctx.Err(), context.Canceled)
}

// RetrySoon is what Retry-After says, in seconds, where nothing better is known.
const RetrySoon = 5

// passingEvery is how often a failure that passes is logged.
const passingEvery = time.Minute

// Log logs failures. While a store is away, it doesn't write a line for each request: of each
// kind of failure that passes it logs the first, and then one a minute, with the number of
// those in between. The metrics count them all. Safe for concurrent use.
type Log struct {
	log *slog.Logger
	mu  sync.Mutex
	of  map[string]*passing
}

// passing is one kind of failure.
type passing struct {
	logged  time.Time
	skipped int
}

// NewLog returns a Log that writes to log.
func NewLog(log *slog.Logger) *Log {
	return &Log{log: log, of: map[string]*passing{}}
}

// kindOf names what is away: one line about Redis must not hide one about the database.
func kindOf(err error) string {
	switch {
	case errors.Is(err, ephemeral.ErrAway), errors.Is(err, ephemeral.ErrFull):
		return "redis"
	case errors.Is(err, highwater.ErrLost):
		return "lost"
	case errors.Is(err, license.ErrUnavailable):
		return "database"
	case errors.Is(err, context.DeadlineExceeded), errors.Is(err, context.Canceled):
		return "time"
	}
	return "other"
}

// Error logs a failure as an error, unless it passes and its like was just logged.
func (l *Log) Error(ctx context.Context, message string, err error, args ...any) {
	l.write(ctx, slog.LevelError, message, err, args)
}

// Warn is Error for what is answered all the same.
func (l *Log) Warn(ctx context.Context, message string, err error, args ...any) {
	l.write(ctx, slog.LevelWarn, message, err, args)
}

func (l *Log) write(ctx context.Context, level slog.Level, message string, err error, args []any) {
	if Passes(err) {
		skipped, say := l.turn(kindOf(err), time.Now())
		if !say {
			return
		}
		if skipped > 0 {
			args = append(args, "more_like_it", skipped)
		}
	}
	if e, ok := errors.AsType[*identity.Error](err); ok && e.Err != nil {
		args = append(args, "cause", e.Err) // which its text, meant for people, doesn't hold
	}
	l.log.Log(ctx, level, message, append(args, "error", err)...)
}

// turn reports whether a failure of that kind is to be logged now, and how many
// weren't since the last one that was.
func (l *Log) turn(kind string, now time.Time) (skipped int, say bool) {
	l.mu.Lock()
	defer l.mu.Unlock()
	p := l.of[kind]
	if p == nil {
		p = &passing{}
		l.of[kind] = p
	}
	if !p.logged.IsZero() && now.Sub(p.logged) < passingEvery {
		p.skipped++
		return 0, false
	}
	skipped = p.skipped
	p.logged, p.skipped = now, 0
	return skipped, true
}
