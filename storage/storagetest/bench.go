//go:build unix

package storagetest

import (
	"bytes"
	"context"
	"errors"
	"sync/atomic"
	"syscall"
	"testing"
	"time"

	"yizheng.internal/oidc"
	"yizheng.internal/oidc/identity"
	"yizheng.internal/oidc/provider"
	"yizheng.internal/oidc/session"
	"yizheng.internal/oidc/token"
)

// benched is how many call at once in benchmarks: as many as requests under way
// on a busy node.
const benched = 64

// CPU returns the processor time that servers have used so far; nil: there are none.
type CPU func() time.Duration

// BenchmarkLogins measures what a login, a refresh and a look at a token ask of a
// database, by many callers at once. Bodies have the size of real ones. Beside the
// time it reports the processor time of an operation, the servers' included: that
// says what a core can do, whatever else the machine does.
func BenchmarkLogins(b *testing.B, s provider.Stores, servers CPU) {
	ctx := context.Background()
	body := bytes.Repeat([]byte{0xa5}, 700)
	sessions, families := make([]session.Record, 1000), make([]token.FamilyRecord, 1000)
	for i := range sessions {
		sessions[i], families[i] = newSession(), newFamily()
		sessions[i].Body, families[i].Body = body, body
		if err := s.CreateSession(ctx, sessions[i]); err != nil {
			b.Fatal(err)
		}
		if _, err := s.RedeemCode(ctx, newHash(), at(600), families[i]); err != nil {
			b.Fatal(err)
		}
	}
	var turn atomic.Int64
	next := func() int { return int(turn.Add(1)) % len(sessions) }
	refresh := func() error {
		for i := next(); ; {
			f, err := s.LoadFamily(ctx, families[i].ID)
			if err != nil {
				return err
			}
			if _, err := s.LoadSession(ctx, sessions[i].ID); err != nil {
				return err
			}
			f.Number, f.Rotated = f.Number+1, time.Now()
			if err = s.UpdateFamily(ctx, f); !errors.Is(err, oidc.ErrConflict) {
				return err
			}
		}
	}
	for _, c := range []struct {
		name string
		call func() error
	}{
		{"RedeemCode", func() error {
			f := newFamily()
			f.Body = body
			_, err := s.RedeemCode(ctx, newHash(), at(600), f, providerEvent())
			return err
		}},
		{"Refresh", refresh}, // LoadFamily, LoadSession and UpdateFamily
		{"Arrive", func() error { // a row of an import
			a := newArrival()
			a.Made.Party.Body, a.Made.Account.Body, a.Link.Body = body, body, body
			return s.Arrive(ctx, a)
		}},
		{"Spend", func() error { return s.Spend(ctx, newHash(), at(600)) }},
		{"FindSession", func() error { _, err := s.FindSession(ctx, sessions[next()].Cookie); return err }},
		{"LoadFamily", func() error { _, err := s.LoadFamily(ctx, families[next()].ID); return err }},
		{"IsSpent", func() error { _, err := s.IsSpent(ctx, newHash()); return err }},
	} {
		b.Run(c.name, func(b *testing.B) { inParallel(b, servers, c.call) })
	}
}

// BenchmarkEphemeral measures what is kept where it may be lost, of the size of an
// authorization request; see [BenchmarkLogins].
func BenchmarkEphemeral(b *testing.B, s identity.Ephemeral, servers CPU) {
	ctx := context.Background()
	value, other := bytes.Repeat([]byte{0xa5}, 1500), bytes.Repeat([]byte{0x5a}, 1500)
	keys := make([]string, 1000)
	put := func(key string) error {
		now := time.Now()
		return s.Put(ctx, key, value, identity.Keeping{Part: identity.PartReserved, Until: now.Add(10 * time.Minute)}, now)
	}
	for i := range keys {
		keys[i] = newText()
		if err := put(keys[i]); err != nil {
			b.Fatal(err)
		}
	}
	var turn atomic.Int64
	next := func() string { return keys[int(turn.Add(1))%len(keys)] }
	for _, c := range []struct {
		name string
		call func() error
	}{
		{"PutDelete", func() error {
			key := newText()
			if err := put(key); err != nil {
				return err
			}
			return s.Delete(ctx, key)
		}},
		{"Load", func() error { _, err := s.Load(ctx, next(), time.Now()); return err }},
		{"PutSwapDelete", func() error {
			key := newText()
			if err := put(key); err != nil {
				return err
			}
			if err := s.Swap(ctx, key, value, other, identity.Keeping{}, time.Now()); err != nil {
				return err
			}
			return s.Delete(ctx, key)
		}},
		{"Count", func() error { _, err := s.Count(ctx, next(), 1, 10*time.Minute, time.Now()); return err }},
	} {
		b.Run(c.name, func(b *testing.B) { inParallel(b, servers, c.call) })
	}
}

func inParallel(b *testing.B, servers CPU, call func() error) {
	b.SetParallelism(benched)
	b.ReportAllocs()
	used := func() time.Duration {
		var own syscall.Rusage
		if err := syscall.Getrusage(syscall.RUSAGE_SELF, &own); err != nil {
			b.Fatal(err)
		}
		d := time.Duration(own.Utime.Nano() + own.Stime.Nano())
		if servers != nil {
			d += servers()
		}
		return d
	}
	before := used()
	b.RunParallel(func(pb *testing.PB) {
		for pb.Next() {
			if err := call(); err != nil {
				b.Error(err)
				return
			}
		}
	})
	b.ReportMetric(float64((used()-before).Microseconds())/float64(b.N), "cpu-us/op")
}
