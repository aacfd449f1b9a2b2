package appoint

import (
	"strings"
	"time"

	"yizheng.internal/cmd/yizheng/internal/command"
	"yizheng.internal/cmd/yizheng/internal/install"
	"yizheng.internal/cmd/yizheng/internal/texts"
	"yizheng.internal/license/party"
	"yizheng.internal/oidc/identity/acting"
)

// RepresentationCmd is what a clerk does about who may act for whom.
type RepresentationCmd struct {
	Add  representationAddCmd  `cmd:"" help:"Enter who may act for whom, of which you have checked the evidence. What licenses of the registry prove needs no entry."`
	List representationListCmd `cmd:"" help:"List the representations of a person or an organization, by one of their numbers. That you looked is recorded."`
	End  representationEndCmd  `cmd:"" help:"End a representation, at once and everywhere. What a license proves ends with the license."`
}

// clerk is who enters what they checked by a command.
func clerk(in *install.Installation) acting.Clerk { return acting.Clerk{ID: in.Operator} }

type representationAddCmd struct {
	install.Settings
	Kind              string         `required:"" help:"legal_representative 法定代表人、负责人、经营者, administrator 管理员, agent 经办人, guardian 监护人 or entrusted 受托人." enum:"legal_representative,administrator,agent,guardian,entrusted" placeholder:"KIND"`
	PrincipalName     string         `required:"" help:"The name of who is represented." placeholder:"NAME"`
	PrincipalCode     string         `required:"" help:"The number of who is represented; - reads a line from standard input." placeholder:"NUMBER"`
	PrincipalCodeType party.CodeType `help:"Its type (GB/T 36903 annex A). Without it: 001 of an organization, 111 of a person." placeholder:"TYPE"`
	Name              string         `required:"" help:"The representative's name." placeholder:"NAME"`
	Code              string         `required:"" help:"The representative's number; - reads a line from standard input, after that of who is represented." placeholder:"NUMBER"`
	CodeType          party.CodeType `help:"Its type." default:"111" placeholder:"TYPE"`
	Born              string         `help:"A child's date of birth, if its number doesn't say it." placeholder:"YYYY-MM-DD"`
	Act               []string       `help:"For what: apply 办理事项, view 查看证照. Both with a comma, or the flag again." default:"apply,view" enum:"apply,view" placeholder:"ACT"`
	Item              []string       `help:"Only for these service items, by their codes." placeholder:"CODE"`
	Type              []string       `help:"Only for licenses of these types, by their codes." placeholder:"CODE"`
	From              string         `help:"The first day. Without it: today." placeholder:"YYYY-MM-DD"`
	Until             string         `help:"The last day. Without it: until it is ended." placeholder:"YYYY-MM-DD"`
	Evidence          string         `required:"" help:"What you checked: 1 to 200 characters. It is kept with the representation." placeholder:"TEXT"`
	Yes               bool           `help:"Enter it; without this, what would be entered is shown."`
}

// Run enters the representation.
func (c *representationAddCmd) Run(p *command.Process) error {
	checked, err := c.checked(p)
	if err != nil {
		return err
	}
	p.Print("representation.adding", texts.WordOf("acting", string(checked.Kind)), masked(checked.Representative), masked(checked.Principal))
	if !c.Yes {
		return texts.Refuse("representation.unconfirmed")
	}
	in, err := c.Attach(p)
	if err != nil {
		return err
	}
	defer in.Close()
	r, err := in.People.Acting.Enter(p.Ctx, clerk(in), checked)
	if err != nil {
		return err
	}
	p.Print("representation.added", r.ID)
	return nil
}

// masked says who one of the two is, without showing who.
func masked(of acting.Party) string {
	name := of.Name
	if of.Code.Type.Class() == party.Person {
		name = party.MaskName(name)
	}
	return command.Printable(name) + " " + of.Code.Mask()
}

// checked reads what is to be entered.
func (c *representationAddCmd) checked(p *command.Process) (of acting.Checked, err error) {
	of = acting.Checked{Kind: acting.Kind(c.Kind), Evidence: c.Evidence}
	principal, representative := c.PrincipalCode, c.Code
	if principal == "-" || representative == "-" {
		text, err := command.Typed(p, "-")
		if err != nil {
			return of, err
		}
		lines := strings.Split(text, "\n")
		for _, code := range []*string{&principal, &representative} {
			if *code == "-" {
				*code, lines = strings.TrimSpace(lines[0]), append(lines[1:], "")
			}
		}
	}
	if c.PrincipalCodeType == "" {
		c.PrincipalCodeType = party.Citizen
		if of.Kind.OfOrganization() {
			c.PrincipalCodeType = party.SocialCredit
		}
	}
	if of.Principal, err = side(c.PrincipalName, c.PrincipalCodeType, principal, "--principal-code"); err != nil {
		return of, err
	}
	if of.Representative, err = side(c.Name, c.CodeType, representative, "--code"); err != nil {
		return of, err
	}
	of.Bounds.Items, of.Bounds.Types = c.Item, c.Type
	for _, a := range c.Act {
		of.Bounds.Acts = append(of.Bounds.Acts, acting.Act(a))
	}
	for _, day := range []struct {
		flag, text string
		to         *party.Date
	}{{"--born", c.Born, &of.Born}, {"--from", c.From, &of.Bounds.From}, {"--until", c.Until, &of.Bounds.Until}} {
		if day.text == "" {
			continue
		}
		if *day.to, err = party.ParseDate(day.text); err != nil {
			return of, texts.Usage("person.day", day.flag)
		}
	}
	return of, nil
}

// side reads one of the two.
func side(name string, t party.CodeType, value, flag string) (acting.Party, error) {
	code, err := party.ParseCode(t, value)
	if err != nil {
		return acting.Party{}, texts.Usage("usage.of", flag, err)
	}
	return acting.Party{Name: name, Code: code}, nil
}

type representationListCmd struct {
	install.Settings
	Code     string         `required:"" help:"One of the numbers of either side; - reads it from standard input." placeholder:"NUMBER"`
	CodeType party.CodeType `help:"Its type (GB/T 36903 annex A)." default:"111" placeholder:"TYPE"`
	JSON     bool           `name:"json" help:"Print JSON, an object a line."`
}

// representationInfo is what is shown of a representation. Names are masked.
type representationInfo struct {
	ID             string       `json:"representation"`
	Kind           acting.Kind  `json:"kind"`
	State          acting.State `json:"state"`
	Principal      string       `json:"principal"`
	Representative string       `json:"representative"`
	acting.Bounds
	Proof   acting.Proof  `json:"proof"`
	EndedBy acting.Reason `json:"ended_by,omitempty"`
	Why     string        `json:"why,omitempty"`
	Created time.Time     `json:"created"`
	Updated time.Time     `json:"updated"`
}

// Run lists the representations.
func (c *representationListCmd) Run(p *command.Process) error {
	value, err := command.Typed(p, c.Code)
	if err != nil {
		return err
	}
	code, err := party.ParseCode(c.CodeType, value)
	if err != nil {
		return texts.Usage("usage.of", "--code", err)
	}
	in, err := c.Attach(p)
	if err != nil {
		return err
	}
	defer in.Close()
	all, err := in.People.Acting.OfCode(p.Ctx, clerk(in), code)
	if err != nil {
		return err
	}
	t := p.Listing(c.JSON, "representation", "kind", "state", "created", "until", "principal", "representative")
	for _, r := range all {
		of := representationInfo{r.ID, r.Kind, r.State, masked(r.Principal), masked(r.Representative), r.Bounds, r.Proof, r.EndedBy, r.Why, r.Created, r.Updated}
		err := t.Record(of, r.ID, texts.WordOf("acting", string(r.Kind)), texts.WordOf("acting", string(r.State)), texts.Day(r.Created),
			command.OrDash(r.Until.String()), of.Principal, of.Representative)
		if err != nil {
			return err
		}
	}
	return t.Flush()
}

type representationEndCmd struct {
	install.Settings
	install.Messaging
	Representation string `arg:"" help:"Its id, see representation list."`
	Why            string `required:"" help:"Why: 1 to 200 characters. It is kept with the representation." placeholder:"TEXT"`
	Yes            bool   `help:"End it; without this, nothing is done."`
}

// Run ends the representation.
func (c *representationEndCmd) Run(p *command.Process) error {
	if !c.Yes {
		return texts.Refuse("representation.unconfirmed")
	}
	in, err := c.AttachTelling(p, c.Messaging)
	if err != nil {
		return err
	}
	defer in.Close()
	r, err := in.People.Acting.EndByClerk(p.Ctx, clerk(in), c.Representation, c.Why)
	if err != nil {
		return err
	}
	in.People.Acting.Deliver(p.Ctx)
	p.Print("representation.finished", r.ID, texts.WordOf("acting", string(r.Kind)), masked(r.Representative), masked(r.Principal))
	return nil
}
