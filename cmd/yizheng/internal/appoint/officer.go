// Package appoint has the verbs about who works for whom, and who acts for whom: officer and representation.
package appoint

import (
	"fmt"
	"strings"
	"time"

	"yizheng.internal/cmd/yizheng/internal/command"
	"yizheng.internal/cmd/yizheng/internal/install"
	"yizheng.internal/cmd/yizheng/internal/texts"
	"yizheng.internal/license/party"
	"yizheng.internal/oidc/identity/officer"
)

// OfficerCmd is the verb officer.
type OfficerCmd struct {
	Appoint officerAppointCmd `cmd:"" help:"Propose somebody as a participant's first administrator, or as the second where there is only one. Another operator approves it."`
	Approve officerApproveCmd `cmd:"" help:"Approve what another operator proposed. Then the person accepts it at their login."`
	List    officerListCmd    `cmd:"" help:"List a participant's posts. Names and numbers are masked."`
	Dismiss officerDismissCmd `cmd:"" help:"End a post, or take a proposal back: at once, everywhere."`
}

// staff is who acts on posts by a command.
func staff(in *install.Installation) officer.Caller {
	return officer.Caller{Actor: in.Operator, Operator: true}
}

type officerAppointCmd struct {
	install.Settings
	Participant string         `arg:"" help:"The participant's id or code."`
	First       bool           `help:"That it is the first administrator, or the second where there is only one: operators appoint nobody else." required:""`
	Name        string         `help:"Name, as the person's document has it." required:"" placeholder:"NAME"`
	CodeType    party.CodeType `help:"Type of the document (GB/T 36903 annex A)." default:"111" placeholder:"TYPE"`
	Code        string         `help:"Number of the document; - reads it from standard input: command lines can be seen." required:"" placeholder:"NUMBER"`
	StaffNumber string         `help:"Their staff number 工号." required:"" placeholder:"NUMBER"`
	Division    string         `help:"Their division 处室." required:"" placeholder:"NAME"`
	Until       string         `help:"The last day. Without it there is none." placeholder:"DATE"`
	JSON        bool           `name:"json" help:"Print JSON."`
}

// Run proposes the person.
func (c *officerAppointCmd) Run(p *command.Process) error {
	number, err := command.Typed(p, c.Code)
	if err != nil {
		return err
	}
	a := officer.Appointment{Name: c.Name, Code: party.Code{Type: c.CodeType, Value: number}, StaffNumber: c.StaffNumber, Division: c.Division, Roles: []officer.Role{officer.Administrator}}
	if c.Until != "" {
		if a.Until, err = party.ParseDate(c.Until); err != nil {
			return texts.Usage("person.day", "--until")
		}
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
	a.Participant = n.ID
	post, err := in.People.Officers.Appoint(p.Ctx, staff(in), a)
	if err != nil {
		return err
	}
	return c.print(p, post)
}

func (c *officerAppointCmd) print(p *command.Process, post officer.Post) error {
	if c.JSON {
		return command.PrintJSON(p.Out, postInfo(officer.Seen{Post: post}))
	}
	p.Print("officer.proposed", post.ID)
	return nil
}

type officerApproveCmd struct {
	install.Settings
	Post string `arg:"" help:"The post's id."`
}

// Run approves the post.
func (c *officerApproveCmd) Run(p *command.Process) error {
	in, err := c.Attach(p)
	if err != nil {
		return err
	}
	defer in.Close()
	post, err := in.People.Officers.Approve(p.Ctx, staff(in), c.Post)
	if err != nil {
		return err
	}
	p.Print("officer.approved", post.ID)
	return nil
}

type officerDismissCmd struct {
	install.Settings
	Post string `arg:"" help:"The post's id."`
}

// Run ends the post.
func (c *officerDismissCmd) Run(p *command.Process) error {
	in, err := c.Attach(p)
	if err != nil {
		return err
	}
	defer in.Close()
	post, err := in.People.Officers.Dismiss(p.Ctx, staff(in), c.Post)
	if err != nil {
		return err
	}
	p.Print("officer.dismissed", post.ID)
	return nil
}

type officerListCmd struct {
	install.Settings
	Participant string `arg:"" help:"The participant's id or code."`
	Ended       bool   `help:"Those that have ended, too."`
	JSON        bool   `name:"json" help:"Print JSON, an object a line."`
}

// officerInfo is what is shown of a post.
type officerInfo struct {
	Post        string         `json:"post"`
	State       string         `json:"state"`
	Roles       []officer.Role `json:"roles"`
	StaffNumber string         `json:"staff_number"`
	Division    string         `json:"division"`
	Name        string         `json:"name"` // masked
	Code        string         `json:"code"` // masked
	From        party.Date     `json:"from"`
	Until       party.Date     `json:"until,omitzero"`
	By          string         `json:"appointed_by"`
	Approved    string         `json:"approved_by,omitempty"`
	Accepted    time.Time      `json:"accepted,omitzero"`
}

func postInfo(s officer.Seen) officerInfo {
	return officerInfo{
		s.ID, standing(s), s.Roles, s.StaffNumber, s.Division, party.MaskName(s.Name), s.Code.Mask(), s.From, s.Until, s.Appointed.By, s.Approved.By, s.AcceptedAt,
	}
}

// standing says how far a post has come, or why it doesn't count.
func standing(s officer.Seen) string {
	switch {
	case s.State == officer.Ended:
		return string(s.Ending)
	case s.Lapsed(time.Now()):
		return "lapsed"
	case s.Waits():
		return "waiting"
	case s.State == officer.Proposed:
		return "offered"
	case s.Over != "":
		return string(s.Over)
	}
	return string(officer.Accepted)
}

// Run lists the posts.
func (c *officerListCmd) Run(p *command.Process) error {
	in, err := c.Attach(p)
	if err != nil {
		return err
	}
	defer in.Close()
	n, err := in.Participant(p.Ctx, c.Participant)
	if err != nil {
		return err
	}
	t := p.Listing(c.JSON, "post", "state", "roles", "staff_number", "division", "since", "person")
	return command.Pages(t, func(last officer.Seen) ([]officer.Seen, error) {
		posts, _, err := in.People.Officers.List(p.Ctx, staff(in), officer.Search{Participant: n.ID, Ended: c.Ended}, last.ID, command.PageSize)
		return posts, err
	}, func(s officer.Seen) error {
		since := any("-")
		if !s.AcceptedAt.IsZero() {
			since = texts.Day(s.AcceptedAt)
		}
		return t.Record(postInfo(s), s.ID, texts.WordOf("post", standing(s)), strings.Trim(fmt.Sprint(s.Roles), "[]"), command.Printable(s.StaffNumber),
			command.Printable(s.Division), since, command.Printable(party.MaskName(s.Name)))
	})
}
