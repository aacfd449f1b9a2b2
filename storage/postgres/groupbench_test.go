//go:build linux

package postgres

import (
	"crypto/rand"
	"crypto/sha256"
	"errors"
	"fmt"
	"path/filepath"
	"sync"
	"sync/atomic"
	"syscall"
	"testing"
	"time"

	"yizheng.internal/license"
	"yizheng.internal/oidc/token"
	"yizheng.internal/signing/journal"
	"yizheng.internal/storage/postgres/engine"
	"yizheng.internal/storage/postgres/provider"
)

// BenchmarkGroups writes the same by 32 callers at a time, each change in a
// transaction of its own and in groups, in turns on one database, and reports the
// processor time of both, the server's apart: the ratios are what counts. Between
// two changes a caller works for as long as the service does that issues a license,
// or redeems a code: without that the groups would be larger than they really are.
func BenchmarkGroups(b *testing.B) {
	db := openDB(b, Config{URL: newDatabase(b)})
	var backend int
	if err := db.engine.Conns.QueryRow(b.Context(), "SELECT pg_backend_pid()").Scan(&backend); err != nil {
		b.Fatal(err)
	}
	server, _ := process(b, fmt.Sprint("/proc/", backend))
	for _, c := range []struct {
		name    string
		work    int
		prepare func() (alone, group func() error)
	}{
		{"Save", 6000, func() (func() error, func() error) {
			r := newSave()
			return func() error { return db.Licenses().SaveAlone(b.Context(), r) },
				func() error { return db.Licenses().Save(b.Context(), r) }
		}},
		{"RedeemCode", 4000, func() (func() error, func() error) {
			r := newRedemption()
			return func() error { return db.Provider().RedeemAlone(b.Context(), r) },
				func() error {
					_, err := db.Provider().RedeemCode(b.Context(), r.Code, r.Keep, r.Family, r.Events...)
					return err
				}
		}},
		{"UpdateFamily", 3000, func() (func() error, func() error) {
			f := newFamily(b, db)
			return func() error { return db.Provider().RotateAlone(b.Context(), f) },
				func() error { return db.Provider().UpdateFamily(b.Context(), f) }
		}},
	} {
		b.Run(c.name, func(b *testing.B) {
			const round = 400
			var ours, servers [2]time.Duration
			for n := range max(2, b.N/round) {
				mode := n % 2
				calls := make([]func() error, round)
				for i := range calls {
					alone, group := c.prepare()
					calls[i] = []func() error{alone, group}[mode]
				}
				before, beforeServer := ownTime(b), serverTime(b, server)
				inTurn(b, calls, c.work)
				ours[mode] += ownTime(b) - before
				servers[mode] += serverTime(b, server) - beforeServer
			}
			rounds := max(2, b.N/round)
			per := func(d time.Duration, mode int) float64 {
				return float64(d.Microseconds()) / float64((rounds+1-mode)/2*round)
			}
			b.ReportMetric(per(servers[0], 0), "server-µs/alone")
			b.ReportMetric(per(servers[1], 1), "server-µs/grouped")
			b.ReportMetric(per(servers[1], 1)/per(servers[0], 0), "×server")
			b.ReportMetric(per(ours[0], 0), "our-µs/alone")
			b.ReportMetric(per(ours[1], 1), "our-µs/grouped")
		})
	}
}

// BenchmarkGroupRefusals issues licenses of which one in a hundred is refused, as
// [BenchmarkGroups] does, in turns: a group in which one is refused is written alone
// as a whole, or only that one is.
func BenchmarkGroupRefusals(b *testing.B) {
	db := openDB(b, Config{URL: newDatabase(b)})
	var backend int
	if err := db.engine.Conns.QueryRow(b.Context(), "SELECT pg_backend_pid()").Scan(&backend); err != nil {
		b.Fatal(err)
	}
	server, _ := process(b, fmt.Sprint("/proc/", backend))
	stored := newSave()
	if err := db.Licenses().Save(b.Context(), stored); err != nil {
		b.Fatal(err)
	}
	const round = 400
	var servers, took [2]time.Duration
	rounds := max(2, b.N/round)
	for n := range rounds {
		mode := n % 2
		db.records.Issues.Refusals = []int{0, engine.GroupRefusals}[mode]
		calls := make([]func() error, round)
		for i := range calls {
			r, want := newSave(), error(nil)
			if i%100 == 50 {
				r.Lookups[2].Keys, want = stored.Lookups[2].Keys, license.ErrNumberTaken
			}
			calls[i] = func() error {
				if err := db.Licenses().Save(b.Context(), r); !errors.Is(err, want) {
					return fmt.Errorf("%w, and not %w", err, want)
				}
				return nil
			}
		}
		began, before := time.Now(), serverTime(b, server)
		inTurn(b, calls, 6000)
		servers[mode] += serverTime(b, server) - before
		took[mode] += time.Since(began)
	}
	per := func(d time.Duration, mode int) float64 {
		return float64(d.Microseconds()) / float64((rounds+1-mode)/2*round)
	}
	b.ReportMetric(per(servers[0], 0), "server-µs/all-alone")
	b.ReportMetric(per(servers[1], 1), "server-µs/one-alone")
	b.ReportMetric(per(servers[1], 1)/per(servers[0], 0), "×server")
	b.ReportMetric(per(took[1], 1)/per(took[0], 0), "×time")
}

func newRedemption() provider.Redemption {
	r := provider.Redemption{Keep: epoch, Family: token.FamilyRecord{ID: rand.Text(), Client: "client", Session: rand.Text(), Created: epoch,
		Expires: epoch, Body: make([]byte, 700), Party: newKeys(), Auth: make([]byte, 40)}}
	rand.Read(r.Code[:])
	r.Events = []journal.Event{{Log: journal.Provider, ID: rand.Text(), At: epoch, Action: "code.redeem", Actor: journal.Actor{ID: "client"}, Subject: r.Family.ID, Result: "ok"}}
	return r
}

// inTurn makes calls by 32 callers, each of whom works for a while before each.
func inTurn(b *testing.B, calls []func() error, hashes int) {
	var next atomic.Int64
	var wg sync.WaitGroup
	for range 32 {
		wg.Go(func() {
			for i := next.Add(1) - 1; i < int64(len(calls)); i = next.Add(1) - 1 {
				work(hashes)
				if err := calls[i](); err != nil {
					b.Error(err)
					return
				}
			}
		})
	}
	wg.Wait()
}

// work uses a processor as so many hashes do.
func work(hashes int) {
	var sum [32]byte
	for range hashes {
		sum = sha256.Sum256(sum[:])
	}
}

// serverTime returns the processor time that a server and its backends have used.
func serverTime(b *testing.B, server int) (all time.Duration) {
	b.Helper()
	dirs, err := filepath.Glob("/proc/[0-9]*")
	if err != nil {
		b.Fatal(err)
	}
	for _, dir := range dirs {
		if parent, used := process(b, dir); parent == server || filepath.Base(dir) == fmt.Sprint(server) {
			all += used
		}
	}
	return all
}

func ownTime(b *testing.B) time.Duration {
	b.Helper()
	var own syscall.Rusage
	if err := syscall.Getrusage(syscall.RUSAGE_SELF, &own); err != nil {
		b.Fatal(err)
	}
	return time.Duration(own.Utime.Nano() + own.Stime.Nano())
}
