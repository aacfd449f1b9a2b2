package serve

import (
	"context"
	"errors"
	"math"
	"slices"
	"time"

	"yizheng.internal/api"
	"yizheng.internal/cmd/yizheng/internal/install"
	"yizheng.internal/cmd/yizheng/internal/texts"
	"yizheng.internal/storage"
)

// soundWithin is how long the start reads the database to see that it is sound. A
// small one is read whole; of a large one, doctor reads the rest.
const soundWithin = 5 * time.Second

// sound refuses a damaged database before anything is written to it.
func sound(ctx context.Context, in *install.Installation) error {
	ctx, cancel := context.WithTimeout(ctx, soundWithin)
	defer cancel()
	err := in.DB.Admin().Check(ctx)
	switch {
	case storage.IsCorrupt(err):
		return texts.Refuse("serve.damaged", err)
	case errors.Is(err, context.DeadlineExceeded):
		in.Log.Info("the database is too large to be read whole at the start, to see that it is sound: yizheng doctor --check-within 0 does", "read_for", soundWithin.String())
		return nil
	}
	return err
}

// gauges are what the admin listener shows of this node beside requests.
func (s *Service) gauges() []api.Gauge {
	ahead := func() float64 {
		d, known := s.In.Clock.Ahead()
		if !known {
			return math.NaN()
		}
		return d.Seconds()
	}
	return append(slices.Concat(s.poolGauges(), s.evictionGauges(), s.keptGauges()), []api.Gauge{
		{Name: "yizheng_clock_ahead_seconds", Help: "How far this node's clock is ahead of the database's; negative: behind. NaN while that can't be known: see yizheng_database_unused_seconds.", Value: ahead},
		{Name: "yizheng_database_unused_seconds", Help: "How long nobody used the SQLite database before this start, or by how much the machine's clock jumped meanwhile, as long as nothing is purged for it; else 0.",
			Value: func() float64 { return s.In.Clock.Unused().Seconds() }},
		{Name: "yizheng_purge_stopped", Help: "1 while this node purges nothing, for its clock and the database's differ by more than a minute.", Value: func() float64 {
			if s.In.Clock.PurgeStopped() {
				return 1
			}
			return 0
		}},
		{Name: "yizheng_altered_records", Help: "Records of the database that were refused since the start: they are not as this service wrote them, or were put back to an earlier state.", Value: func() float64 {
			n := int64(0)
			for _, refused := range s.In.Keys.Vault().Auth().Refusals() {
				n += refused
			}
			return float64(n)
		}},
	}...)
}
