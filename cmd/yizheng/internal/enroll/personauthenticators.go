package enroll

import (
	"time"

	"yizheng.internal/cmd/yizheng/internal/command"
	"yizheng.internal/cmd/yizheng/internal/install"
	"yizheng.internal/cmd/yizheng/internal/texts"
	"yizheng.internal/oidc/identity"
)

type personAuthenticatorsCmd struct {
	install.Settings
	install.Messaging
	Person string `arg:"" help:"The account's id, or a login."`
	Remove string `help:"Remove the one with this id, or all. The person's logins end, and they are told." placeholder:"ID"`
	JSON   bool   `name:"json" help:"Print JSON, an object a line."`
}

// authenticatorInfo is what is shown of an authenticator.
type authenticatorInfo struct {
	ID     string    `json:"id"`
	Factor string    `json:"factor"`
	Name   string    `json:"name,omitempty"`
	Added  time.Time `json:"added"`
}

// Run lists authenticators, those that are left if some were removed.
func (c *personAuthenticatorsCmd) Run(p *command.Process) error {
	in, err := c.AttachTelling(p, c.Messaging)
	if err != nil {
		return err
	}
	defer in.Close()
	a, err := account(p.Ctx, in, c.Person)
	if err != nil {
		return err
	}
	if c.Remove != "" {
		if a, err = c.remove(p, in, a); err != nil {
			return err
		}
		if !c.JSON && (in.Outside.Sender == nil || a.Phone == "") {
			p.Print("person.untold_of_it")
		}
	}
	t := p.Listing(c.JSON, "id", "factor", "since", "name")
	for _, x := range a.Authenticators {
		err := t.Record(authenticatorInfo{x.ID, x.Factor, x.Name, x.Added},
			x.ID, texts.WordOf("factor", x.Factor), texts.Day(x.Added), command.OrDash(command.Printable(x.Name)))
		if err != nil {
			return err
		}
	}
	return t.Flush()
}

// remove removes one of the account's authenticators, or all.
func (c *personAuthenticatorsCmd) remove(p *command.Process, in *install.Installation, a identity.Account) (identity.Account, error) {
	id := c.Remove
	if id == "all" {
		id = ""
	}
	return in.People.Authenticators.RemoveFor(p.Ctx, in.Operator, a.ID, id, "zh-CN")
}
