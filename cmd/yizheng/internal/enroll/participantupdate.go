package enroll

import (
	"errors"
	"maps"
	"time"

	"yizheng.internal/cmd/yizheng/internal/command"
	"yizheng.internal/cmd/yizheng/internal/install"
	"yizheng.internal/cmd/yizheng/internal/texts"
	"yizheng.internal/license/party"
	"yizheng.internal/oidc/identity"
)

// participantInfo is what is shown of a participant.
type participantInfo struct {
	ID        string         `json:"id"`
	USCC      party.USCC     `json:"uscc"`
	Name      string         `json:"name"`
	Names     party.Names    `json:"names,omitempty"`
	Class     identity.Class `json:"class"`
	AreaCode  string         `json:"area_code"`
	Level     int            `json:"level"`
	Parent    string         `json:"parent,omitempty"`
	Successor string         `json:"successor,omitempty"`
	Disabled  bool           `json:"disabled"`
	Revision  int64          `json:"revision"`
	Created   time.Time      `json:"created"`
	Updated   time.Time      `json:"updated"`
}

func participantInfoOf(n identity.Participant) participantInfo {
	return participantInfo{
		n.ID, n.USCC, n.Name, n.Names, n.Class, n.AreaCode, n.Level, n.Parent, n.Successor, n.Disabled, n.Revision, n.Created, n.Updated,
	}
}

type participantRenameCmd struct {
	install.Settings
	revision
	Participant string            `arg:"" help:"Its id or code."`
	Name        string            `arg:"" help:"Its new name, as credentials shall carry it."`
	NameIn      map[string]string `name:"name-in" mapsep:"none" help:"Its new name in another language than Chinese, by language tag; an empty one takes it away. Names that aren't given stay." placeholder:"TAG=NAME"`
	JSON        bool              `name:"json" help:"Print JSON."`
}

// Run renames the participant.
func (c *participantRenameCmd) Run(p *command.Process) error {
	in, err := c.Attach(p)
	if err != nil {
		return err
	}
	defer in.Close()
	n, err := changeParticipant(p, in, c.Participant, c.revision, func(n *identity.Participant) error {
		names := renamed(n.Names, c.NameIn)
		if n.Name == c.Name && maps.Equal(n.Names, names) {
			return texts.Usage("participant.same_name")
		}
		n.Name, n.Names = c.Name, names
		return nil
	})
	if err != nil {
		return err
	}
	if c.JSON {
		return command.PrintJSON(p.Out, participantInfoOf(n))
	}
	p.Print("participant.is", n.ID, n.USCC, command.Printable(n.Name))
	for _, tag := range n.Names.Languages() {
		p.Print("participant.name_in", tag, command.Printable(n.Names[tag]))
	}
	if n.Class == identity.Government {
		p.Print("participant.old_licenses")
		p.Print("participant.old_certificate", n.USCC)
	}
	return nil
}

type participantUpdateCmd struct {
	install.Settings
	revision
	Participant string  `arg:"" help:"Its id or code."`
	AreaCode    *string `help:"Its area, 6 digits (GB/T 2260)." placeholder:"CODE"`
	Level       *int    `help:"1 national, 2 provincial, 3 city, 4 county, 5 other." placeholder:"N"`
	Parent      *string `help:"The id or code of its superior participant; empty for none." placeholder:"ID"`
	Successor   *string `help:"The id or code of the participant that took over its duties; empty for none." placeholder:"ID"`
	JSON        bool    `name:"json" help:"Print JSON."`
}

// Run changes the participant.
func (c *participantUpdateCmd) Run(p *command.Process) error {
	if c.AreaCode == nil && c.Level == nil && c.Parent == nil && c.Successor == nil {
		return texts.Usage("change.nothing", "participant")
	}
	in, err := c.Attach(p)
	if err != nil {
		return err
	}
	defer in.Close()
	related := func(flag string, ref *string, to *string) error {
		if ref == nil || *ref == "" {
			set(to, ref)
			return nil
		}
		n, err := in.Participant(p.Ctx, *ref)
		if err != nil {
			return texts.Refuse("usage.of", flag, err)
		}
		*to = n.ID
		return nil
	}
	n, err := changeParticipant(p, in, c.Participant, c.revision, func(n *identity.Participant) error {
		set(&n.AreaCode, c.AreaCode)
		set(&n.Level, c.Level)
		return errors.Join(related("--parent", c.Parent, &n.Parent), related("--successor", c.Successor, &n.Successor))
	})
	if err != nil {
		return err
	}
	if c.JSON {
		return command.PrintJSON(p.Out, participantInfoOf(n))
	}
	p.Print("participant.updated", n.ID, n.Revision, command.Printable(n.Name))
	return nil
}

// changeParticipant changes a participant and returns it as it is then.
func changeParticipant(p *command.Process, in *install.Installation, ref string, r revision, change func(*identity.Participant) error) (identity.Participant, error) {
	n, err := in.Participant(p.Ctx, ref)
	if err != nil {
		return n, err
	}
	if err := r.check(n.Revision, "participant", n.ID); err != nil {
		return n, err
	}
	if err := change(&n); err != nil {
		return n, err
	}
	n, err = in.Provider.Clients.UpdateParticipant(p.Ctx, in.Actor(), n)
	if errors.Is(err, identity.ErrConflict) {
		return n, texts.Refuse("participant.changed")
	}
	return n, err
}
