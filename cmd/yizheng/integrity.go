package main

import (
	"context"
	"errors"
	"strings"
	"time"

	"yizheng.internal/api"
	"yizheng.internal/license"
	"yizheng.internal/oidc"
	"yizheng.internal/oidc/identity"
	"yizheng.internal/signing/highwater"
)

// lookBackWithin is how long the start compares the database with what this node saw
// of it. What a large one needs more, it gets while requests are served.
const lookBackWithin = 5 * time.Second

// highWater opens what this node saw of the database.
func (in *installation) highWater() (*highwater.Watch, error) {
	return highwater.New(highwater.Config{
		Memory: in.keys, Store: in.db.HighWater(), Auth: in.keys.Keyrings().Auth(), Log: in.log,
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
	lists, failed := in.registry.ListLosses(ctx)
	for _, one := range lists {
		e.fail(about, "doctor.lost.todo", "%s", one)
	}
	if failed != nil {
		e.fail(about, "doctor.check_database.todo", "%v", failed)
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
	Show   integrityShowCmd   `cmd:"" help:"Show what the database lost that this node saw in it: what accepting gives up. Exit code 1 if there is anything."`
	Accept integrityAcceptCmd `cmd:"" help:"Accept that the database lost what this node saw in it, so that the service goes on."`
}

// losses are what a node saw in its database and doesn't find there.
type losses struct {
	watch *highwater.Watch
	lists []license.ListLoss
}

// losses compares the database with all that this node remembers of it.
func (in *installation) losses(ctx context.Context) (l losses, err error) {
	if l.watch, err = in.highWater(); err != nil {
		return l, err
	}
	if err := l.watch.Compare(ctx); err != nil && !errors.Is(err, highwater.ErrLost) {
		return l, err
	}
	l.lists, err = in.registry.ListLosses(ctx)
	return l, err
}

// print names everything, and reports whether there is anything.
func (l losses) print(p *process) bool {
	all := l.watch.GivenUp()
	for _, list := range l.lists {
		all = append(all, list.String())
	}
	if len(all) == 0 {
		p.print("integrity.none")
		return false
	}
	p.print("integrity.lost")
	for _, one := range all {
		if said, ok := p.words.phrase(one, nil); ok {
			one = said
		}
		p.print("restore.one", one)
	}
	return true
}

type integrityShowCmd struct {
	settings
}

// Run shows what was lost.
func (c *integrityShowCmd) Run(p *process) (err error) {
	in, err := c.attach(p)
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, in.close()) }()
	l, err := in.losses(p.ctx)
	if err != nil {
		return err
	}
	if l.print(p) {
		return &exit{code: exitFailed}
	}
	return nil
}

type integrityAcceptCmd struct {
	settings
	Reason string `required:"" help:"Why: an event keeps it." placeholder:"TEXT"`
}

// maxReason is how many bytes a reason has at most.
const maxReason = 500

// Run accepts what was lost: it names everything first, and what fits is remembered as
// before.
func (c *integrityAcceptCmd) Run(p *process) (err error) {
	reason := strings.TrimSpace(c.Reason)
	if reason == "" || len(reason) > maxReason || printable(reason) != reason {
		return usage("integrity.reason", maxReason)
	}
	in, err := c.attach(p)
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, in.close()) }()
	l, err := in.losses(p.ctx)
	if err != nil {
		return err
	}
	if !l.print(p) {
		return nil
	}
	// First the event, then the memory: whoever is stopped in between accepts again.
	err = oidc.Recorder(in.db.Provider())(p.ctx, identity.Fact{
		Action: oidc.ActionAcceptLoss, Actor: in.operator, Object: reason, Result: oidc.ResultOK,
	})
	if err == nil {
		err = in.registry.AcceptLists(p.ctx, l.lists)
	}
	if err == nil {
		err = l.watch.Accept(p.ctx)
	}
	if err != nil {
		return err
	}
	p.print("integrity.accepted")
	p.print("integrity.again")
	p.print("integrity.others")
	return nil
}
