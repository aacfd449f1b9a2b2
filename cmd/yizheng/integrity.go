package main

import (
	"context"
	"errors"
	"strings"

	"yizheng.internal/cmd/yizheng/internal/command"
	"yizheng.internal/cmd/yizheng/internal/install"
	"yizheng.internal/cmd/yizheng/internal/texts"
	"yizheng.internal/license/status"
	"yizheng.internal/oidc"
	"yizheng.internal/signing/highwater"
	"yizheng.internal/signing/journal"
)

type integrityCmd struct {
	Show   integrityShowCmd   `cmd:"" help:"Show what the database lost that this node saw in it: what accepting gives up. Exit code 1 if there is anything."`
	Accept integrityAcceptCmd `cmd:"" help:"Accept that the database lost what this node saw in it, so that the service goes on."`
}

// losses are what a node saw in its database and doesn't find there.
type losses struct {
	watch *highwater.Watch
	lists []status.Loss
}

// lossesOf compares the database with all that this node remembers of it.
func lossesOf(ctx context.Context, in *install.Installation) (l losses, err error) {
	if l.watch, err = in.HighWater(); err != nil {
		return l, err
	}
	if err := l.watch.Compare(ctx); err != nil && !errors.Is(err, highwater.ErrLost) {
		return l, err
	}
	l.lists, err = in.Library.Lists().Losses(ctx)
	return l, err
}

// print names everything, and reports whether there is anything.
func (l losses) print(p *command.Process) bool {
	all := l.watch.GivenUp()
	for _, list := range l.lists {
		all = append(all, list.Lines()...)
	}
	if len(all) == 0 {
		p.Print("integrity.none")
		return false
	}
	p.Print("integrity.lost")
	for _, one := range all {
		if said, ok := p.Words.Phrase(one, nil); ok {
			one = said
		}
		p.Print("restore.one", one)
	}
	return true
}

type integrityShowCmd struct {
	install.Settings
}

// Run shows what was lost.
func (c *integrityShowCmd) Run(p *command.Process) (err error) {
	in, err := c.Attach(p)
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, in.Close()) }()
	l, err := lossesOf(p.Ctx, in)
	if err != nil {
		return err
	}
	if l.print(p) {
		return &texts.Exit{Code: texts.ExitFailed}
	}
	return nil
}

type integrityAcceptCmd struct {
	install.Settings
	Reason string `required:"" help:"Why: an event keeps it." placeholder:"TEXT"`
}

// maxReason is how many bytes a reason has at most.
const maxReason = 500

// Run accepts what was lost: it names everything first, and what fits is remembered as
// before.
func (c *integrityAcceptCmd) Run(p *command.Process) (err error) {
	reason := strings.TrimSpace(c.Reason)
	if reason == "" || len(reason) > maxReason || command.Printable(reason) != reason {
		return texts.Usage("integrity.reason", maxReason)
	}
	in, err := c.Attach(p)
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, in.Close()) }()
	l, err := lossesOf(p.Ctx, in)
	if err != nil {
		return err
	}
	if !l.print(p) {
		return nil
	}
	// The event is written first, then this node's memory. After a crash in between, the
	// operator accepts again.
	err = oidc.NewRecorder(in.DB.Journal(), nil).Record(p.Ctx, oidc.Actor{ID: in.Operator}.Did(journal.ActionAcceptLoss, reason, journal.ResultOK))
	if err == nil {
		err = in.Library.Lists().Accept(p.Ctx, l.lists)
	}
	if err == nil {
		err = l.watch.Accept(p.Ctx)
	}
	if err != nil {
		return err
	}
	p.Print("integrity.accepted")
	if len(l.lists) > 0 {
		p.Print("integrity.entries")
	}
	p.Print("integrity.again")
	p.Print("integrity.others")
	return nil
}
