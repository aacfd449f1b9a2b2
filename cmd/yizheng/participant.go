package main

import (
	"context"
	"errors"
	"time"

	"yizheng.internal/license/party"
	"yizheng.internal/oidc"
	"yizheng.internal/oidc/identity"
	"yizheng.internal/signing"
	"yizheng.internal/signing/pki"
)

type participantCmd struct {
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
	settings
	root
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
func (c *participantAddCmd) Run(p *process) error {
	in, err := c.attach(p)
	if err != nil {
		return err
	}
	defer in.close()
	class := identity.Class(c.Class)
	var ca *pki.CA
	if class == identity.Government {
		// First, as a participant without a key is of no use.
		if ca, err = in.openRoot(p.ctx, c.root); err != nil {
			return err
		}
	}
	n, err := c.register(p.ctx, in, class)
	if err != nil {
		return err
	}
	key, err := in.certify(p.ctx, ca, n)
	if err != nil {
		return err
	}
	if c.JSON {
		return printJSON(p.out, added{n.ID, n.USCC, n.Name, n.Names, key.ID})
	}
	p.print("participant.is", n.ID, n.USCC, printable(n.Name))
	if key.ID != "" {
		p.print("participant.key", key.ID, state(key.State))
	}
	p.print("participant.next", n.USCC)
	return nil
}

// register creates the participant, or finds the one that an earlier try
// created and left without a key.
func (c *participantAddCmd) register(ctx context.Context, in *installation, class identity.Class) (identity.Participant, error) {
	spec := identity.Spec{USCC: c.USCC, Name: c.Name, Names: c.NameIn, Class: class, AreaCode: c.AreaCode, Level: c.Level}
	if c.Parent != "" {
		parent, err := in.participant(ctx, c.Parent)
		if err != nil {
			return identity.Participant{}, refuse("usage.of", "--parent", err)
		}
		spec.Parent = parent.ID
	}
	n, err := in.provider.CreateParticipant(ctx, in.actor(), spec)
	if !errors.Is(err, identity.ErrExists) {
		return n, err
	}
	n, found := in.participant(ctx, c.USCC)
	if found != nil {
		return n, found
	}
	ring, found := in.keys.Keyrings().Ring(ctx, signing.PurposeAuthority, string(n.USCC))
	if found != nil {
		return n, found
	}
	if n.Class != identity.Government || class != n.Class || len(ring) > 0 {
		return n, refuse("participant.taken", n.USCC, n.ID)
	}
	return n, nil
}

// certify gives a department its first key, certified by the root. Other
// participants get none, and one that has keys keeps them.
func (in *installation) certify(ctx context.Context, ca *pki.CA, p identity.Participant) (signing.KeyRecord, error) {
	if p.Class != identity.Government {
		return signing.KeyRecord{}, nil
	}
	ring, err := in.keys.Keyrings().Ring(ctx, signing.PurposeAuthority, string(p.USCC))
	if err != nil || len(ring) > 0 {
		return signing.KeyRecord{}, err
	}
	var k signing.KeyRecord
	err = in.provider.Recorded(ctx, in.actor(), oidc.ActionKeyCreate, ringName(signing.PurposeAuthority, string(p.USCC)), func() (err error) {
		k, err = in.keys.AddAuthority(ctx, ca, pki.Subject{Name: p.Name, USCC: string(p.USCC)}, time.Now())
		return err
	})
	return k, err
}

type participantListCmd struct {
	settings
	JSON bool `name:"json" help:"Print JSON, an object a line."`
}

// Run lists the participants.
func (c *participantListCmd) Run(p *process) error {
	in, err := c.attach(p)
	if err != nil {
		return err
	}
	defer in.close()
	t := p.listing(c.JSON, "id", "uscc", "class", "level", "area", "state", "name")
	return pages(t, func(last identity.Participant) ([]identity.Participant, error) {
		return in.provider.ListParticipants(p.ctx, last.ID, page)
	}, func(n identity.Participant) error {
		return t.record(participantInfoOf(n), n.ID, n.USCC, word{"class", string(n.Class)}, n.Level, n.AreaCode, enabled(n.Disabled), printable(n.Name))
	})
}

type participantDisableCmd struct {
	settings
	Participant string `arg:"" help:"Its id or code."`
}

// Run disables the participant.
func (c *participantDisableCmd) Run(p *process) error {
	return c.settings.switchParticipant(p, c.Participant, true)
}

type participantEnableCmd struct {
	settings
	Participant string `arg:"" help:"Its id or code."`
}

// Run enables the participant.
func (c *participantEnableCmd) Run(p *process) error {
	return c.settings.switchParticipant(p, c.Participant, false)
}

func (s settings) switchParticipant(p *process, ref string, disabled bool) error {
	in, err := s.attach(p)
	if err != nil {
		return err
	}
	defer in.close()
	n, err := in.changeParticipant(p, ref, revision{}, func(n *identity.Participant) error {
		n.Disabled = disabled
		return nil
	})
	if err != nil {
		return err
	}
	p.print("participant.switched", n.ID, enabled(n.Disabled))
	return nil
}

func enabled(disabled bool) word {
	if disabled {
		return state("disabled")
	}
	return state("enabled")
}
