// Package enroll has the commands by which an operator connects organizations, registers
// their applications, and makes people's accounts: participant, client, person. Each changes
// one record, prints what it is then, and leaves an event. What takes in many is in imports.
package enroll

import (
	"context"
	"errors"

	"yizheng.internal/cmd/yizheng/internal/command"
	"yizheng.internal/cmd/yizheng/internal/install"
	"yizheng.internal/cmd/yizheng/internal/texts"
	"yizheng.internal/license/party"
	"yizheng.internal/oidc/identity"
	"yizheng.internal/signing"
	"yizheng.internal/signing/pki"
)

// ParticipantCmd is the verb participant.
type ParticipantCmd struct {
	Add     participantAddCmd     `cmd:"" help:"Connect an organization. A department of the government gets a key to sign licenses with, certified by the root."`
	List    participantListCmd    `cmd:"" help:"List the participants."`
	Rename  participantRenameCmd  `cmd:"" help:"Give a participant another name: pages and new licenses have it within 2 seconds everywhere. Its code and id stay."`
	Update  participantUpdateCmd  `cmd:"" help:"Change a participant's area, level, superior or successor. What you don't name stays as it is. Its code, id and class never change."`
	Disable participantDisableCmd `cmd:"" help:"Refuse a participant's clients, within 2 seconds everywhere."`
	Enable  participantEnableCmd  `cmd:"" help:"Undo disable."`

	Delegate    participantDelegateCmd    `cmd:"" help:"Let a participant define types and items whose codes begin with another body's code, by a document."`
	Undelegate  participantUndelegateCmd  `cmd:"" help:"Withdraw that, by a document. What was defined stays."`
	Delegations participantDelegationsCmd `cmd:"" help:"List what was delegated, and by which documents."`
}

type participantAddCmd struct {
	install.Settings
	install.RootStore
	USCC     string            `name:"uscc" required:"" help:"Its unified social credit code 统一社会信用代码." placeholder:"CODE"`
	Name     string            `required:"" help:"Its name, as credentials shall carry it." placeholder:"NAME"`
	NameIn   map[string]string `name:"name-in" mapsep:"none" help:"Its name in another language than Chinese, by language tag, for pages in it: en=NAME. Several with the flag again." placeholder:"TAG=NAME"`
	Class    string            `help:"What it is: government, public_service, enterprise." default:"government" enum:"government,public_service,enterprise"`
	AreaCode string            `required:"" help:"Its area, 6 digits (GB/T 2260)." placeholder:"CODE"`
	Level    int               `help:"1 national, 2 provincial, 3 city, 4 county, 5 other." default:"5"`
	Parent   string            `help:"The id or code of its superior participant." placeholder:"ID"`
	JSON     bool              `name:"json" help:"Print JSON."`
}

// added is what participant add prints.
type added struct {
	ID    string        `json:"id"`
	USCC  party.USCC    `json:"uscc"`
	Name  string        `json:"name"`
	Names party.Names   `json:"names,omitempty"`
	Key   signing.KeyID `json:"key,omitempty"`
}

// Run connects an organization. Run again after it was cut off, it does the rest.
func (c *participantAddCmd) Run(p *command.Process) error {
	in, err := c.Attach(p)
	if err != nil {
		return err
	}
	defer in.Close()
	class := identity.Class(c.Class)
	var ca *pki.CA
	if class == identity.Government {
		// First, as a participant without a key is of no use.
		if ca, err = in.OpenRoot(p.Ctx, c.RootStore); err != nil {
			return err
		}
	}
	n, err := c.register(p.Ctx, in, class)
	if err != nil {
		return err
	}
	key, err := in.Certify(p.Ctx, ca, n)
	if err != nil {
		return err
	}
	if c.JSON {
		return command.PrintJSON(p.Out, added{n.ID, n.USCC, n.Name, n.Names, key.ID})
	}
	p.Print("participant.is", n.ID, n.USCC, command.Printable(n.Name))
	if key.ID != "" {
		p.Print("participant.key", key.ID, texts.State(key.State))
	}
	p.Print("participant.next", n.USCC)
	return nil
}

// register creates the participant, or finds the one that an earlier try
// created and left without a key.
func (c *participantAddCmd) register(ctx context.Context, in *install.Installation, class identity.Class) (identity.Participant, error) {
	spec := identity.Spec{USCC: c.USCC, Name: c.Name, Names: c.NameIn, Class: class, AreaCode: c.AreaCode, Level: c.Level}
	if c.Parent != "" {
		parent, err := in.Participant(ctx, c.Parent)
		if err != nil {
			return identity.Participant{}, texts.Refuse("usage.of", "--parent", err)
		}
		spec.Parent = parent.ID
	}
	n, err := in.Provider.Clients.CreateParticipant(ctx, in.Actor(), spec)
	if !errors.Is(err, identity.ErrExists) {
		return n, err
	}
	n, found := in.Participant(ctx, c.USCC)
	if found != nil {
		return n, found
	}
	ring, found := in.Keys.Keyrings().Ring(ctx, signing.PurposeAuthority, string(n.USCC))
	if found != nil {
		return n, found
	}
	if n.Class != identity.Government || class != n.Class || len(ring) > 0 {
		return n, texts.Refuse("participant.taken", n.USCC, n.ID)
	}
	return n, nil
}

type participantListCmd struct {
	install.Settings
	JSON bool `name:"json" help:"Print JSON, an object a line."`
}

// Run lists the participants.
func (c *participantListCmd) Run(p *command.Process) error {
	in, err := c.Attach(p)
	if err != nil {
		return err
	}
	defer in.Close()
	t := p.Listing(c.JSON, "id", "uscc", "class", "level", "area", "state", "name")
	return command.Pages(t, func(last identity.Participant) ([]identity.Participant, error) {
		return in.Provider.Clients.ListParticipants(p.Ctx, last.ID, command.PageSize)
	}, func(n identity.Participant) error {
		return t.Record(participantInfoOf(n), n.ID, n.USCC, texts.WordOf("class", string(n.Class)), n.Level, n.AreaCode, enabled(n.Disabled), command.Printable(n.Name))
	})
}

type participantDisableCmd struct {
	install.Settings
	Participant string `arg:"" help:"Its id or code."`
}

// Run disables the participant.
func (c *participantDisableCmd) Run(p *command.Process) error {
	return switchParticipant(p, c.Settings, c.Participant, true)
}

type participantEnableCmd struct {
	install.Settings
	Participant string `arg:"" help:"Its id or code."`
}

// Run enables the participant.
func (c *participantEnableCmd) Run(p *command.Process) error {
	return switchParticipant(p, c.Settings, c.Participant, false)
}

func switchParticipant(p *command.Process, s install.Settings, ref string, disabled bool) error {
	in, err := s.Attach(p)
	if err != nil {
		return err
	}
	defer in.Close()
	n, err := changeParticipant(p, in, ref, revision{}, func(n *identity.Participant) error {
		n.Disabled = disabled
		return nil
	})
	if err != nil {
		return err
	}
	p.Print("participant.switched", n.ID, enabled(n.Disabled))
	return nil
}

func enabled(disabled bool) texts.Word {
	if disabled {
		return texts.State("disabled")
	}
	return texts.State("enabled")
}
