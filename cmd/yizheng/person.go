package main

import (
	"context"
	"errors"
	"io"
	"os"
	"time"

	"yizheng.internal/license/party"
	"yizheng.internal/oidc/identity"
	"yizheng.internal/signing/strictjson"
)

type personCmd struct {
	Add     personAddCmd     `cmd:"" help:"Register somebody who is at the counter with a document, and print a link with which they set their password, once, within 15 minutes."`
	List    personListCmd    `cmd:"" help:"List the accounts. Names and phones are masked."`
	Disable personDisableCmd `cmd:"" help:"Keep somebody from logging in, and end their sessions, within 2 seconds everywhere."`
	Enable  personEnableCmd  `cmd:"" help:"Undo disable."`
	Phone   personPhoneCmd   `cmd:"" help:"Give somebody another phone, for logging in and for codes; without a number none."`
	Reset   personResetCmd   `cmd:"" help:"Print a link with which somebody sets a new password, once, within 15 minutes. The old one works till then."`
}

// personal is what is said of a person. It may come from a file, as everybody on
// the machine sees command lines.
type personal struct {
	Name     string         `help:"Name, as the document has it." placeholder:"NAME" json:"name"`
	CodeType party.CodeType `help:"Type of the document (GB/T 36903 annex A), such as 111 公民身份号码, 414 普通护照, 516 港澳居民来往内地通行证." default:"111" placeholder:"TYPE" json:"code_type"`
	Code     string         `help:"Number of the document." placeholder:"NUMBER" json:"code"`
	Login    string         `help:"Login name that they like to have. Number and phone are logins as well." placeholder:"LOGIN" json:"login_name"`
	Phone    string         `help:"Mobile phone, for codes: 11 digits, or + with the country's code. Without it there is no second factor, and so no license." placeholder:"NUMBER" json:"phone"`
}

type personAddCmd struct {
	settings
	personal
	From  string `help:"JSON file, or - for standard input, with name, code_type, code, login_name, phone instead of those flags: command lines can be seen." placeholder:"FILE"`
	Level int    `help:"How well the clerk knows who it is: 1 初级, 2 中级 (document checked), 3 高级 (document and face checked by machine)." default:"2"`
	JSON  bool   `name:"json" help:"Print JSON."`
}

// Run registers the person.
func (c *personAddCmd) Run(p *process) error {
	who, err := c.read(p)
	if err != nil {
		return err
	}
	if who.Name == "" || who.Code == "" {
		return usage("person.missing")
	}
	if c.Level < 1 || c.Level > 3 {
		return usage("person.level")
	}
	in, err := c.attach(p)
	if err != nil {
		return err
	}
	defer in.close()
	a, _, err := in.people.Register(p.ctx, identity.Registration{
		Name: who.Name, Code: party.Code{Type: who.CodeType, Value: who.Code}, LoginName: who.Login, Phone: who.Phone, Actor: in.operator,
		Proofing: &identity.Proofing{Level: c.Level, Method: "in_person", Source: in.operator, At: time.Now().UTC().Truncate(time.Second)},
	})
	if err != nil {
		return err
	}
	return in.ticket(p, a, c.JSON)
}

// maxPersonal is the largest file of --from, in bytes.
const maxPersonal = 64 << 10

// read returns what the flags or the file say.
func (c *personAddCmd) read(p *process) (who personal, err error) {
	if c.From == "" {
		return c.personal, nil
	}
	r := p.in
	if c.From != "-" {
		f, err := os.Open(c.From)
		if err != nil {
			return who, err
		}
		defer f.Close()
		r = f
	}
	text, err := io.ReadAll(io.LimitReader(r, maxPersonal+1))
	if err != nil {
		return who, err
	}
	if len(text) > maxPersonal {
		return who, usage("person.large", maxPersonal)
	}
	who.CodeType = party.Citizen
	if err := strictjson.Decode(text, &who); err != nil {
		return who, usage("person.malformed") // the cause may quote it
	}
	return who, nil
}

// setup is what is printed for somebody who is to set a password.
type setup struct {
	Account string    `json:"account"`
	URL     string    `json:"setup_url"`
	Ticket  string    `json:"ticket"`
	Expires time.Time `json:"expires"`
}

// ticket prints a setup link. It is printed, and nothing else: no log has it, and
// no server sees what stands behind the #.
func (in *installation) ticket(p *process, a identity.Account, asJSON bool) error {
	expires := time.Now().Add(identity.TicketLife).Truncate(time.Second)
	text, err := in.people.SetupTicket(p.ctx, in.operator, a.ID)
	if err != nil {
		return err
	}
	s := setup{a.ID, in.url + "/setup#ticket=" + text, text, expires}
	if asJSON {
		return printJSON(p.out, s)
	}
	p.print("person.account", s.Account)
	p.print("person.open", s.URL)
	p.print("person.type", s.Ticket)
	p.print("person.type_at", in.url+"/setup")
	p.print("person.until", s.Expires.Format(time.DateTime+" -07:00"))
	return nil
}

type personListCmd struct {
	settings
	JSON bool `name:"json" help:"Print JSON, an object a line."`
}

// personInfo is what is shown of an account.
type personInfo struct {
	Account  string    `json:"account"`
	Name     string    `json:"name"` // masked
	Login    string    `json:"login_name,omitempty"`
	Phone    string    `json:"phone,omitempty"` // masked
	Disabled bool      `json:"disabled"`
	Level    int       `json:"proofing_level"`
	Proofed  string    `json:"proofing_method,omitempty"`
	Password string    `json:"password"` // set, asked for, none
	Created  time.Time `json:"created"`
}

// Run lists the accounts.
func (c *personListCmd) Run(p *process) error {
	in, err := c.attach(p)
	if err != nil {
		return err
	}
	defer in.close()
	t := p.listing(c.JSON, "account", "state", "proofing_level", "proofed", "password", "phone", "created", "login", "person")
	return pages(t, func(last identity.Account) ([]identity.Account, error) {
		return in.people.ListAccounts(p.ctx, last.ID, page)
	}, func(a identity.Account) error {
		n, err := in.people.Party(p.ctx, a.Party)
		if err != nil {
			return err
		}
		return t.record(personInfo{a.ID, party.MaskName(n.Name), a.LoginName, a.MaskedPhone(), a.Disabled, a.Proofing.Level, a.Proofing.Method, passwordOf(a), a.Created},
			a.ID, enabled(a.Disabled), a.Proofing.Level, word{"proofed", orDash(a.Proofing.Method)}, word{"password", passwordOf(a)}, orDash(a.MaskedPhone()),
			a.Created.Format(time.DateOnly), orDash(printable(a.LoginName)), printable(party.MaskName(n.Name)))
	})
}

// passwordOf says whether an account has a password.
func passwordOf(a identity.Account) string {
	switch {
	case !a.Password.IsZero():
		return "set"
	case time.Now().Before(a.Setup.Expires):
		return "asked for"
	}
	return "none"
}

type personDisableCmd struct {
	settings
	Person string `arg:"" help:"The account's id, or a login: login name, phone or number."`
}

// Run disables the account.
func (c *personDisableCmd) Run(p *process) error {
	return c.settings.switchPerson(p, c.Person, true)
}

type personEnableCmd struct {
	settings
	Person string `arg:"" help:"The account's id, or a login."`
}

// Run enables the account.
func (c *personEnableCmd) Run(p *process) error {
	return c.settings.switchPerson(p, c.Person, false)
}

func (s settings) switchPerson(p *process, ref string, disabled bool) error {
	in, err := s.attach(p)
	if err != nil {
		return err
	}
	defer in.close()
	a, err := in.account(p.ctx, ref)
	if err != nil {
		return err
	}
	if a, err = in.people.DisableAccount(p.ctx, in.operator, a.ID, disabled); err != nil {
		return err
	}
	p.print("person.switched", a.ID, enabled(a.Disabled))
	return nil
}

type personPhoneCmd struct {
	settings
	Person string `arg:"" help:"The account's id, or a login."`
	Phone  string `arg:"" optional:"" help:"The new number."`
}

// Run changes the phone.
func (c *personPhoneCmd) Run(p *process) error {
	in, err := c.attach(p)
	if err != nil {
		return err
	}
	defer in.close()
	a, err := in.account(p.ctx, c.Person)
	if err != nil {
		return err
	}
	if a, err = in.people.ChangePhone(p.ctx, in.operator, a.ID, c.Phone); err != nil {
		return err
	}
	p.print("person.phone", a.ID, orDash(a.MaskedPhone()))
	return nil
}

type personResetCmd struct {
	settings
	Person string `arg:"" help:"The account's id, or a login."`
	JSON   bool   `name:"json" help:"Print JSON."`
}

// Run prints a new setup link.
func (c *personResetCmd) Run(p *process) error {
	in, err := c.attach(p)
	if err != nil {
		return err
	}
	defer in.close()
	a, err := in.account(p.ctx, c.Person)
	if err != nil {
		return err
	}
	if a.Disabled {
		return refuse("person.disabled", a.ID)
	}
	return in.ticket(p, a, c.JSON)
}

// account finds an account by its id or by a login.
func (in *installation) account(ctx context.Context, ref string) (identity.Account, error) {
	find := in.people.FindAccount
	if identity.ValidID(ref) {
		find = in.people.Account
	}
	a, err := find(ctx, ref)
	if errors.Is(err, identity.ErrNotFound) {
		return a, refuse("person.unknown")
	}
	return a, err
}
