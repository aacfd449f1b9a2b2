package serve

import (
	"context"
	"errors"
	"time"

	"yizheng.internal/api"
	"yizheng.internal/signing/highwater"
)

// lookBackWithin is how long the start compares the database with what this node saw
// of it. What a large one needs more, it gets while requests are served.
const lookBackWithin = 5 * time.Second

// lookBack compares the database with what this node saw of it, and has everything
// that is written from here on noted.
func (s *Service) lookBack(ctx context.Context) (err error) {
	if s.seen, err = s.In.HighWater(); err != nil {
		return err
	}
	if failpoint() != nil { // nothing else shall write
		return nil
	}
	s.In.Keys.Keyrings().Auth().SetWitness(s.seen)
	within, cancel := context.WithTimeout(ctx, lookBackWithin)
	defer cancel()
	err = s.seen.Check(within)
	switch {
	case errors.Is(err, highwater.ErrLost): // logged; requests are refused
		return nil
	case err != nil && ctx.Err() == nil:
		s.Log.Warn("the start could not compare the whole database with what this node saw of it: that goes on while it serves", "error", err)
		return nil
	}
	return err
}

// gauges show whether something was lost, and when that was last looked for.
func (s *Service) lossGauges() []api.Gauge {
	compared := func() float64 { return float64(max(0, s.seen.Status().Checked.Unix())) }
	return []api.Gauge{{Name: "yizheng_database_compared_timestamp_seconds", Value: compared,
		Help: "When all of the database was last compared with what this node saw in it, in seconds since 1970: it is every minute."}, {Name: "yizheng_database_lost_records", Help: "What this node saw in the database and no longer finds there, or finds in an earlier state: above 0 every request is refused until an operator has confirmed what was lost.",
		Value: func() float64 { return float64(len(s.seen.Findings())) }}}
}
