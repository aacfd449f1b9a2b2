package main

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"time"

	"yizheng.internal/api"
	"yizheng.internal/oidc"
	"yizheng.internal/oidc/identity"
	"yizheng.internal/signing"
	"yizheng.internal/signing/highwater"
)

// lookBackWithin is how long the start compares the database with what this node saw
// of it. What a large one needs more, it gets while requests are served.
const lookBackWithin = 5 * time.Second

// highWater opens what this node saw of the database.
func (in *installation) highWater() (*highwater.Watch, error) {
	return highwater.New(highwater.Config{
		Memory: in.keys, Store: in.db.HighWater(), Auth: in.keys.Keyrings().Auth(), Log: in.log, Reset: in.registry.ForgetSeen,
	})
}

// lookBack compares the database with what this node saw of it, and has everything
// that is written from here on noted.
func (s *service) lookBack(ctx context.Context) (err error) {
	if s.seen, err = s.in.highWater(); err != nil {
		return err
	}
	if failpoint() != nil { // nothing else shall write
		return nil
	}
	s.in.keys.Keyrings().Auth().SetWitness(s.seen)
	within, cancel := context.WithTimeout(ctx, lookBackWithin)
	defer cancel()
	err = s.seen.Check(within)
	switch {
	case errors.Is(err, highwater.ErrLost): // logged; requests are refused
		return nil
	case err != nil && ctx.Err() == nil:
		s.log.Warn("the start could not compare the whole database with what this node saw of it: that goes on while it serves", "error", err)
		return nil
	}
	return err
}

// gauges show whether something was lost, and when that was last looked for.
func (s *service) gauges() []api.Gauge {
	compared := func() float64 { return float64(max(0, s.seen.Status().Checked.Unix())) }
	return []api.Gauge{{Name: "yizheng_database_compared_timestamp_seconds", Value: compared,
		Help: "When all of the database was last compared with what this node saw in it, in seconds since 1970: it is every minute."}, {Name: "yizheng_database_lost_records", Help: "What this node saw in the database and no longer finds there, or finds in an earlier state: above 0 every request is refused until an operator has confirmed what was lost.",
		Value: func() float64 { return float64(len(s.seen.Findings())) }}}
}

// integrity compares the database with what this node saw of it.
func (e *examination) integrity(ctx context.Context, in *installation) {
	const about = "integrity"
	w, err := in.highWater()
	if err == nil {
		if e.CheckWithin > 0 {
			var cancel context.CancelFunc
			ctx, cancel = context.WithTimeout(ctx, e.CheckWithin)
			defer cancel()
		}
		err = w.Compare(ctx)
	}
	switch {
	case errors.Is(err, highwater.ErrLost):
		for _, one := range w.Findings() {
			e.fail(about, "doctor.lost.todo", "%s", one)
		}
	case err != nil:
		e.fail(about, "doctor.check_database.todo", "%v", err)
	default:
		switch s := w.Status(); {
		case s.Full:
			e.warn(about, "doctor.seen_full.todo", "doctor.seen_full", s.Records, s.Events)
		case s.Checked.IsZero():
			e.ok(about, "doctor.unseen")
		default:
			e.ok(about, "doctor.seen", s.Records, s.Events)
		}
	}
}

type integrityCmd struct {
	Accept integrityAcceptCmd `cmd:"" help:"Accept that the database lost what this node saw in it, so that the service goes on."`
}

type integrityAcceptCmd struct {
	settings
	Reason string `required:"" help:"Why: an event keeps it." placeholder:"TEXT"`
}

// maxReason is how many bytes a reason has at most.
const maxReason = 500

// Run accepts what was lost.
func (c *integrityAcceptCmd) Run(p *process) (err error) {
	reason := strings.TrimSpace(c.Reason)
	if reason == "" || len(reason) > maxReason || printable(reason) != reason {
		return usage("--reason: a line of at most %d bytes", maxReason)
	}
	if err := ownData(c.Data); err != nil {
		return err
	}
	in, err := c.attach(p)
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, in.close()) }()
	before, err := in.highWater()
	if err != nil {
		return err
	}
	if err := before.Compare(p.ctx); err != nil && !errors.Is(err, highwater.ErrLost) {
		return err
	}
	lost := before.Findings()
	if len(lost) == 0 {
		fmt.Fprintln(p.out, "Nothing is lost: the database is what this node saw of it. Nothing was changed.")
		return nil
	}
	err = oidc.Recorder(in.db.Provider())(p.ctx, identity.Fact{
		Action: oidc.ActionAcceptLoss, Actor: in.operator, Object: reason, Result: oidc.ResultOK,
	})
	if err != nil {
		return err
	}
	// First the event, then the memory: whoever is stopped in between accepts again.
	if err := signing.ForgetSeen(c.Data); err != nil {
		return err
	}
	after, err := in.highWater()
	if err == nil {
		err = after.Check(p.ctx)
	}
	if err != nil {
		return err
	}
	fmt.Fprintln(p.out, "Accepted as lost, on this node:")
	for _, one := range lost {
		fmt.Fprintf(p.out, "  - %s\n", one)
	}
	for _, line := range []string{
		"What is in the database now is taken for what it is. A running service goes on within seconds.",
		"Do again what was undone: licenses ended, grants withdrawn, clients and accounts disabled, keys revoked since then.",
		"Each other node that refuses needs its own confirmation.",
	} {
		fmt.Fprintln(p.out, line)
	}
	return nil
}
