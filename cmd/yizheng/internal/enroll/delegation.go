package enroll

import (
	"context"

	"yizheng.internal/cmd/yizheng/internal/command"
	"yizheng.internal/cmd/yizheng/internal/install"
	"yizheng.internal/cmd/yizheng/internal/texts"
	"yizheng.internal/license/audit"
	"yizheng.internal/license/catalog/entry"
	"yizheng.internal/license/party"
	"yizheng.internal/oidc/identity"
)

// delegated is what both delegating and withdrawing need.
type delegated struct {
	install.Settings
	Participant string `arg:"" help:"The participant's id or code."`
	Prefix      string `required:"" help:"The unified social credit code of the body with which the codes begin, such as the ministry that defines a national type." placeholder:"CODE"`
	Document    string `required:"" help:"The document that says so: its number and title." placeholder:"TEXT"`
}

type delegateFunc func(d *entry.Delegations, ctx context.Context, a audit.Actor, n entry.Definer, prefix party.USCC, document string) (entry.Delegation, error)

// run delegates or withdraws, and prints what became of it.
func (c *delegated) run(p *command.Process, do delegateFunc, said string) error {
	prefix, err := party.ParseUSCC(c.Prefix)
	if err != nil {
		return texts.Usage("usage.uscc", "--prefix", err)
	}
	in, err := c.Attach(p)
	if err != nil {
		return err
	}
	defer in.Close()
	n, err := in.Participant(p.Ctx, c.Participant)
	if err != nil {
		return err
	}
	if _, err := do(in.Library.Catalog().Delegations(), p.Ctx, audit.Actor{Client: in.Operator}, definerOf(n), prefix, c.Document); err != nil {
		return err
	}
	p.Print(said, n.ID, prefix)
	return nil
}

func definerOf(n identity.Participant) entry.Definer {
	return entry.Definer{ID: n.ID, USCC: n.USCC}
}

type participantDelegateCmd struct{ delegated }

// Run delegates the code.
func (c *participantDelegateCmd) Run(p *command.Process) error {
	return c.run(p, (*entry.Delegations).Give, "delegation.given")
}

type participantUndelegateCmd struct{ delegated }

// Run withdraws the delegation.
func (c *participantUndelegateCmd) Run(p *command.Process) error {
	return c.run(p, (*entry.Delegations).Withdraw, "delegation.withdrawn")
}

type participantDelegationsCmd struct {
	install.Settings
	JSON bool `name:"json" help:"Print JSON, an object a line."`
}

// delegationInfo is what a list shows of a delegation.
type delegationInfo struct {
	entry.Delegation
	USCC party.USCC `json:"participant_uscc,omitempty"`
	Name string     `json:"participant_name,omitempty"`
}

// Run lists the delegations.
func (c *participantDelegationsCmd) Run(p *command.Process) error {
	in, err := c.Attach(p)
	if err != nil {
		return err
	}
	defer in.Close()
	names := in.Owners()
	t := p.Listing(c.JSON, "prefix", "participant", "participant_name", "state", "since", "document")
	return command.Pages(t, func(last entry.Delegation) ([]entry.Delegation, error) {
		return in.Library.Catalog().Delegations().List(p.Ctx, last, command.PageSize)
	}, func(d entry.Delegation) error {
		n, err := names.Of(p.Ctx, d.Participant)
		if err != nil {
			return err
		}
		is := texts.State("in_force")
		if !d.Ended.IsZero() {
			is = texts.State("withdrawn")
		}
		return t.Record(delegationInfo{d, n.USCC, n.Name}, d.Prefix, n.USCC, command.Printable(n.Name), is, party.DateOf(d.Updated), command.Printable(d.Document))
	})
}
