package api

import (
	"fmt"
	"io"
	"net/http"
	"strconv"
	"sync"
	"sync/atomic"
	"testing"
	"time"
)

// BenchmarkIssueHTTP issues licenses over HTTP on loopback, on SQLite with all
// production checks: by one client after the other and by 64 at a time, on the
// disk as it is and on one whose fsync takes 20 ms longer. Writes are committed
// in groups, so many issuers share a sync: the ratio of 64 to 1 is to be 1.3 at
// least, and 10 on the slow disk.
func BenchmarkIssueHTTP(b *testing.B) {
	d := newDisk(b)
	s := newService(b, serviceConfig{VFS: d.name})
	var number atomic.Int64
	for _, slow := range []time.Duration{0, 20 * time.Millisecond} {
		one := 0.0
		for _, issuers := range []int{1, 64} {
			b.Run(fmt.Sprintf("fsync=+%v/issuers=%d", slow, issuers), func(b *testing.B) {
				d.slow.Store(int64(slow))
				defer d.slow.Store(0)
				client := *s.department
				client.token = s.token(b, s.department)
				begin := time.Now()
				b.ResetTimer()
				issueMany(b, s, &client, issuers, &number)
				rate := float64(b.N) / time.Since(begin).Seconds()
				b.ReportMetric(rate, "issues/s")
				if issuers == 1 {
					one = rate
				} else if one > 0 {
					b.ReportMetric(rate/one, "×one")
				}
			})
		}
	}
}

// issueMany issues b.N licenses by so many issuers at a time.
func issueMany(b *testing.B, s *service, c *clientOfTest, issuers int, number *atomic.Int64) {
	var left atomic.Int64
	left.Store(int64(b.N))
	var wg sync.WaitGroup
	for range issuers {
		wg.Go(func() {
			for left.Add(-1) >= 0 {
				n := "样例" + strconv.FormatInt(number.Add(1), 10)
				r := s.request(b, "POST", "/v1/licenses", jsonText(issueBody(n, nil)))
				r.Header.Set("Authorization", "Bearer "+c.token)
				r.Header.Set(idempotencyKey, fmt.Sprintf("%x", n))
				a, err := s.client.Do(r)
				if err != nil {
					b.Error(err)
					return
				}
				_, err = io.Copy(io.Discard, a.Body)
				a.Body.Close()
				if err != nil || a.StatusCode != http.StatusCreated {
					b.Errorf("got %d, %v", a.StatusCode, err)
					return
				}
			}
		})
	}
	wg.Wait()
}
