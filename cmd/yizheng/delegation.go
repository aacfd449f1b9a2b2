package main

import (
	"context"

	"yizheng.internal/license"
	"yizheng.internal/license/party"
	"yizheng.internal/oidc/identity"
)

// delegated is what both delegating and withdrawing need.
type delegated struct {
	settings
	Participant string `arg:"" help:"The participant's id or code."`
	Prefix      string `required:"" help:"The unified social credit code of the body with which the codes begin, such as the ministry that defines a national type." placeholder:"CODE"`
	Document    string `required:"" help:"The document that says so: its number and title." placeholder:"TEXT"`
}

type delegateFunc func(r *license.Registry, ctx context.Context, a license.Actor, n license.Definer, prefix party.USCC, document string) (license.Delegation, error)

// run delegates or withdraws, and prints what became of it.
func (c *delegated) run(p *process, do delegateFunc, said string) error {
	prefix, err := party.ParseUSCC(c.Prefix)
	if err != nil {
		return usage("usage.uscc", "--prefix", err)
	}
	in, err := c.attach(p)
	if err != nil {
		return err
	}
	defer in.close()
	n, err := in.participant(p.ctx, c.Participant)
	if err != nil {
		return err
	}
	if _, err := do(in.registry, p.ctx, license.Actor{Client: in.operator}, definerOf(n), prefix, c.Document); err != nil {
		return err
	}
	p.print(said, n.ID, prefix)
	return nil
}

func definerOf(n identity.Participant) license.Definer {
	return license.Definer{ID: n.ID, USCC: n.USCC}
}

type participantDelegateCmd struct{ delegated }

// Run delegates the code.
func (c *participantDelegateCmd) Run(p *process) error {
	return c.run(p, (*license.Registry).Delegate, "delegation.given")
}

type participantUndelegateCmd struct{ delegated }

// Run withdraws the delegation.
func (c *participantUndelegateCmd) Run(p *process) error {
	return c.run(p, (*license.Registry).Undelegate, "delegation.withdrawn")
}

type participantDelegationsCmd struct {
	settings
	JSON bool `name:"json" help:"Print JSON, an object a line."`
}

// delegationInfo is what a list shows of a delegation.
type delegationInfo struct {
	license.Delegation
	USCC party.USCC `json:"participant_uscc,omitempty"`
	Name string     `json:"participant_name,omitempty"`
}

// Run lists the delegations.
func (c *participantDelegationsCmd) Run(p *process) error {
	in, err := c.attach(p)
	if err != nil {
		return err
	}
	defer in.close()
	names := in.owners()
	t := p.listing(c.JSON, "prefix", "participant", "participant_name", "state", "since", "document")
	return pages(t, func(last license.Delegation) ([]license.Delegation, error) {
		return in.registry.Delegations(p.ctx, last, page)
	}, func(d license.Delegation) error {
		n, err := names.of(p.ctx, d.Participant)
		if err != nil {
			return err
		}
		is := state("in_force")
		if !d.Ended.IsZero() {
			is = state("withdrawn")
		}
		return t.record(delegationInfo{d, n.USCC, n.Name}, d.Prefix, n.USCC, printable(n.Name), is, party.DateOf(d.Updated), printable(d.Document))
	})
}

// catalogCodes looks for entries whose codes begin with another body's, which their
// owners were never given, or no longer have: they can use them, and not change them.
func (e *examination) catalogCodes(ctx context.Context, in *installation) {
	const about = "catalog"
	names := in.owners()
	look := func(kind, code, owner string) error {
		prefix := license.CodePrefix(code)
		if prefix == "" {
			return nil
		}
		n, err := names.of(ctx, owner)
		if err != nil {
			return err
		}
		holds, err := in.registry.Holds(ctx, definerOf(n), code)
		if err == nil && !holds {
			e.warn(about, e.words.say("doctor.delegate.todo", n.ID, prefix),
				"doctor.delegate", word{"kind", kind}, code)
		}
		return err
	}
	types := func() error {
		return every(func(last license.Type) ([]license.Type, error) { return in.registry.Types(ctx, last.Code, page) },
			func(t license.Type) error { return look("type", string(t.Code), t.Owner) })
	}
	items := func() error {
		return every(func(last license.ServiceItem) ([]license.ServiceItem, error) {
			return in.registry.Items(ctx, last.Code, page)
		}, func(i license.ServiceItem) error { return look("item", string(i.Code), i.Owner) })
	}
	for _, all := range []func() error{types, items} {
		if err := all(); err != nil {
			e.fail(about, "", "%v", err)
			return
		}
	}
}
