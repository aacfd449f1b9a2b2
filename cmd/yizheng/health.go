package main

import (
	"context"
	"errors"
	"math"
	"slices"
	"time"

	"yizheng.internal/api"
	"yizheng.internal/storage"
)

// soundWithin is how long the start reads the database to see that it is sound. A
// small one is read whole; of a large one, doctor reads the rest.
const soundWithin = 5 * time.Second

// sound refuses a damaged database before anything is written to it.
func (in *installation) sound(ctx context.Context) error {
	ctx, cancel := context.WithTimeout(ctx, soundWithin)
	defer cancel()
	err := in.db.Admin().Check(ctx)
	switch {
	case storage.IsCorrupt(err):
		return refuse("serve.damaged", err)
	case errors.Is(err, context.DeadlineExceeded):
		in.log.Info("the database is too large to be read whole at the start, to see that it is sound: yizheng doctor --check-within 0 does", "read_for", soundWithin.String())
		return nil
	}
	return err
}

// gauges are what the admin listener shows of this node beside requests.
func (in *installation) gauges() []api.Gauge {
	ahead := func() float64 {
		d, known := in.clock.Ahead()
		if !known {
			return math.NaN()
		}
		return d.Seconds()
	}
	return append(slices.Concat(in.poolGauges(), in.evictionGauges(), in.keptGauges()), []api.Gauge{
		{Name: "yizheng_clock_ahead_seconds", Help: "How far this node's clock is ahead of the database's; negative: behind. NaN while that can't be known: see yizheng_database_unused_seconds.", Value: ahead},
		{Name: "yizheng_database_unused_seconds", Help: "How long nobody used the SQLite database before this start, or by how much the machine's clock jumped meanwhile, as long as nothing is purged for it; else 0.",
			Value: func() float64 { return in.clock.Unused().Seconds() }},
		{Name: "yizheng_purge_stopped", Help: "1 while this node purges nothing, for its clock and the database's differ by more than a minute.", Value: func() float64 {
			if in.clock.PurgeStopped() {
				return 1
			}
			return 0
		}},
		{Name: "yizheng_altered_records", Help: "Records of the database that were refused since the start: they are not as this service wrote them, or were put back to an earlier state.", Value: func() float64 {
			n := int64(0)
			for _, refused := range in.keys.Vault().Auth().Refusals() {
				n += refused
			}
			return float64(n)
		}},
	}...)
}
