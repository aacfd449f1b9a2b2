package serve

import (
	"context"
	"os"
	"runtime/debug"
	"runtime/metrics"
	"time"
)

// A registry is idle most of the day, beside a database on the same machine. Then it keeps
// little memory. Under load it collects garbage less often, because with a small heap that
// costs as much as the requests do.
const (
	idlePercent = 50       // GOGC while idle: see runtime/debug
	busyPercent = 800      // the most while busy
	busyGarbage = 48 << 20 // bytes of garbage that may lie while busy, if idlePercent allows less
	busyRate    = 4 << 20  // bytes allocated in a second that are work
	idleAfter   = 3        // seconds without work
)

// sparing makes the process keep little memory, unless the operator set the Go
// runtime's own variables.
func sparing() {
	if collectorIsOurs() {
		debug.SetGCPercent(idlePercent)
	}
}

func collectorIsOurs() bool { return os.Getenv("GOGC") == "" && os.Getenv("GOMEMLIMIT") == "" }

// keepSparing adapts the garbage collector to the load until ctx ends.
func keepSparing(ctx context.Context) {
	if !collectorIsOurs() {
		return
	}
	tick := time.NewTicker(time.Second)
	defer tick.Stop()
	samples := []metrics.Sample{{Name: "/gc/heap/allocs:bytes"}, {Name: "/gc/heap/live:bytes"}}
	percent, idle, before := idlePercent, 0, uint64(0)
	for {
		select {
		case <-ctx.Done():
			return
		case <-tick.C:
		}
		metrics.Read(samples)
		allocated, live := samples[0].Value.Uint64(), samples[1].Value.Uint64()
		switch {
		case allocated-before > busyRate:
			idle = 0
			if want := gcPercent(live); want > percent*5/4 || want < percent*4/5 { // changing it stops the world
				percent = want
				debug.SetGCPercent(percent)
			}
		case percent != idlePercent:
			if idle++; idle == idleAfter {
				percent = idlePercent
				debug.SetGCPercent(percent)
				debug.FreeOSMemory()
			}
		}
		before = allocated
	}
}

// gcPercent returns how much garbage may lie under load, in percent of what is
// in use.
func gcPercent(live uint64) int {
	return int(min(max(busyGarbage*100/max(live, 1), idlePercent), busyPercent))
}
