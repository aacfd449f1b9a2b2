//go:build unix

package suite

import (
	"syscall"
	"testing"
	"time"
)

// benched is how many call at once in benchmarks: as many as requests under way
// on a busy node.
const benched = 64

// CPU returns the processor time that servers have used so far; nil: there are none.
type CPU func() time.Duration

// InParallel runs a call many times at once, and reports the processor time that it took, the
// servers' included.
func InParallel(b *testing.B, servers CPU, call func() error) {
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
