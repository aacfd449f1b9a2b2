// Package redis keeps in a Redis 6 or newer what may be lost: it implements
// ephemeral.Store. Several nodes share it. A Redis that is emptied or stopped
// costs whoever is logging in a fresh start, and nothing else.
//
// How much room values may take is counted here, in parts (parts.go), so that no
// flood fills it; Redis itself knows no such thing. Counters are not counted: where
// the memory of Redis is limited, its policy should be allkeys-lru, and the limit
// twice MaxBytes, so that the counters that nobody asked for go first.
package redis

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"log/slog"
	"net/url"
	"strings"
	"sync/atomic"
	"time"

	"github.com/redis/go-redis/v9"
	"github.com/redis/go-redis/v9/maintnotifications"

	"yizheng.internal/license"
	"yizheng.internal/oidc/ephemeral"
)

// Config says which Redis to use, and how.
type Config struct {
	// URL is redis://user:password@host:port/database, or rediss:// with TLS.
	// Parameters of go-redis are understood, such as pool_size. With further
	// hosts, ?addr=host:port&addr=host:port, it is a cluster; with master_name=name
	// the hosts are Sentinels, whose password stands before the host, and
	// password= is the server's.
	URL string
	// Prefix begins every key, so that several installations may share a Redis.
	// Default: yizheng:
	Prefix string
	// MaxValues and MaxBytes are how much is kept at most, apart from counters; the
	// parts' shares are in parts.go. Defaults: 200,000 and 128 MiB, which is about
	// what Redis needs for it. All nodes should have the same.
	MaxValues int
	MaxBytes  int64
	// Timeout is how long one call takes at most. Default: 1 s.
	Timeout time.Duration
	// Patient has Open succeed although Redis doesn't answer: calls fail until it
	// does. One that answers and can't be used is refused all the same.
	Patient bool
	// Log hears what happens to connections. The library has one log for the whole
	// program: the last one opened sets it. Default: discards.
	Log *slog.Logger
}

// Ephemeral implements [yizheng.internal/oidc/ephemeral.Store]. It is safe for
// concurrent use.
type Ephemeral struct {
	c      Config
	client redis.UniversalClient
	slots  int // of indexes

	evicted [ephemeral.PartReserved]atomic.Uint64

	condition condition
}

// Open returns the store, and checks that Redis answers and does what is needed:
// if it doesn't, the error is license.ErrUnavailable, and ErrUnusable too where
// waiting won't help. No error holds the URL, for that may hold a password.
func Open(ctx context.Context, c Config) (*Ephemeral, error) {
	c.Prefix = cmp.Or(c.Prefix, "yizheng:")
	c.Timeout = cmp.Or(c.Timeout, time.Second)
	c.MaxValues = cmp.Or(max(c.MaxValues, 0), 200_000)
	c.MaxBytes = cmp.Or(max(c.MaxBytes, 0), 128<<20)
	if c.Log == nil {
		c.Log = slog.New(slog.DiscardHandler)
	}
	client, err := connect(c.URL, c.Timeout)
	if err != nil {
		return nil, err
	}
	redis.SetLogger(logger{c.Log, &quietLog{}})
	s := &Ephemeral{c: c, client: client, slots: 1}
	if _, ok := client.(*redis.ClusterClient); ok {
		s.slots = slots
	}
	err = s.Probe(ctx)
	if c.Patient && errors.Is(err, license.ErrUnavailable) && !errors.Is(err, ErrUnusable) {
		c.Log.WarnContext(ctx, "Redis doesn't answer: nobody can log in until it does", "error", err)
		err = nil
	}
	if err != nil {
		client.Close()
		return nil, err
	}
	return s, nil
}

// Close ends all connections. Later calls fail.
func (s *Ephemeral) Close() error { return s.client.Close() }

// errURL is the error of a URL that can't be read. The library's own errors quote
// parts of it.
var errURL = errors.New("the Redis URL is malformed: it has the form redis://user:password@host:port/database, with special characters percent-encoded and parameters that go-redis knows")

// connect returns a client for the URL, which connects when it is used. Nothing is tried twice:
// a second try would count twice, or find that the first one had changed the value; and whoever
// asks a Redis that is down shall know soon.
func connect(rawURL string, timeout time.Duration) (client redis.UniversalClient, err error) {
	u, err := url.Parse(rawURL)
	if err != nil || u.Scheme != "redis" && u.Scheme != "rediss" || u.Host == "" || u.Fragment != "" || strings.Contains(u.Host, ",") {
		return nil, errURL
	}
	q := u.Query()
	for name, value := range map[string]string{
		"max_retries": "-1", "protocol": "2",
		"dial_timeout": timeout.String(), "read_timeout": timeout.String(), "write_timeout": timeout.String(),
	} {
		if !q.Has(name) {
			q.Set(name, value)
		}
	}
	u.RawQuery = q.Encode()
	// Nobody needs to know which library this is, or what one vendor's servers
	// announce of their maintenance.
	quiet := &maintnotifications.Config{Mode: maintnotifications.ModeDisabled}
	switch {
	case q.Get("master_name") != "":
		var o *redis.FailoverOptions
		if o, err = redis.ParseFailoverURL(u.String()); err == nil {
			o.DialerRetries, o.ContextTimeoutEnabled, o.DisableIdentity = 1, true, true
			client = redis.NewFailoverClient(o)
		}
	case q.Has("addr"):
		var o *redis.ClusterOptions
		if o, err = redis.ParseClusterURL(u.String()); err == nil {
			o.DialerRetries, o.ContextTimeoutEnabled, o.DisableIdentity, o.MaintNotificationsConfig = 1, true, true, quiet
			client = redis.NewClusterClient(o)
		}
	default:
		var o *redis.Options
		if o, err = redis.ParseURL(u.String()); err == nil {
			o.DialerRetries, o.ContextTimeoutEnabled, o.DisableIdentity, o.MaintNotificationsConfig = 1, true, true, quiet
			client = redis.NewClient(o)
		}
	}
	if err != nil {
		return nil, errURL
	}
	return client, nil
}

// logger hands the library's messages on. They name addresses and no data.
type logger struct {
	log   *slog.Logger
	quiet *quietLog
}

// Printf implements the library's interface.
func (l logger) Printf(ctx context.Context, format string, v ...any) {
	if skipped, pass := l.quiet.turn(time.Now()); pass {
		l.log.WarnContext(ctx, "redis", "message", fmt.Sprintf(format, v...), "more_like_it", skipped)
	}
}
