package enroll

import (
	"context"
	"errors"
	"io"
	"os"
	"time"

	"yizheng.internal/cmd/yizheng/internal/command"
	"yizheng.internal/cmd/yizheng/internal/enroll/imports"
	"yizheng.internal/cmd/yizheng/internal/install"
	"yizheng.internal/cmd/yizheng/internal/texts"
	"yizheng.internal/license/party"
	"yizheng.internal/oidc/identity"
	"yizheng.internal/oidc/identity/authenticator"
	"yizheng.internal/oidc/identity/password"
	"yizheng.internal/oidc/identity/registrar"
	"yizheng.internal/signing/strictjson"
)

// PersonCmd is the verb person.
type PersonCmd struct {
	Add            personAddCmd            `cmd:"" help:"Register somebody who is at the counter with a document, and print a link with which they set their password, once, within 15 minutes."`
	List           personListCmd           `cmd:"" help:"List the accounts. Names and phones are masked."`
	Disable        personDisableCmd        `cmd:"" help:"Keep somebody from logging in, and end their sessions, within 2 seconds everywhere."`
	Enable         personEnableCmd         `cmd:"" help:"Undo disable."`
	Level          personLevelCmd          `cmd:"" help:"Change how well it is known who somebody is, with the evidence for it."`
	Name           personNameCmd           `cmd:"" help:"Give somebody another name, with the evidence for it. The one before stays as a former name."`
	Code           personCodeCmd           `cmd:"" help:"Numbers of somebody's documents: add one, end one, with the evidence for it."`
	Close          personCloseCmd          `cmd:"" help:"Close somebody's account for good, with the evidence for it. What they logged in with is deleted."`
	Merge          personMergeCmd          `cmd:"" help:"Make two people one, with the evidence for it: one keeps the numbers of both, the other's account is closed. It can't be undone. Without --yes it only shows whom it is about, masked."`
	Reopen         personReopenCmd         `cmd:"" help:"Open an account again that was closed by mistake. If it was disabled before, it still is."`
	Phone          personPhoneCmd          `cmd:"" help:"Give somebody another phone, for logging in and for codes; without a number none. Their logins end, and both phones are told."`
	Authenticators personAuthenticatorsCmd `cmd:"" help:"List somebody's passkeys, apps and recovery codes, or remove what they lost or didn't add themselves."`
	Import         imports.ImportCmd       `cmd:"" help:"Take in the accounts of another system from files: CSV, XLSX or JSON Lines, a person a row. Rows that can't be taken are written to a file, with the reason, to be mended there and given again. It can be stopped and started again at any time."`
	Source         imports.SourceCmd       `cmd:"" help:"Systems whose accounts are taken in, and how well they knew their people."`
	Reset          personResetCmd          `cmd:"" help:"Print a link with which somebody sets a new password, once, within 15 minutes. The old one works till then."`
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
	install.Settings
	personal
	From  string `help:"JSON file, or - for standard input, with name, code_type, code, login_name, phone instead of those flags: command lines can be seen." placeholder:"FILE"`
	Level int    `help:"How well the clerk knows who it is: 1 初级, 2 中级 (document checked), 3 高级 (document and face checked by machine)." default:"2"`
	JSON  bool   `name:"json" help:"Print JSON."`
}

// Run registers the person.
func (c *personAddCmd) Run(p *command.Process) error {
	who, err := c.read(p)
	if err != nil {
		return err
	}
	if who.Name == "" || who.Code == "" {
		return texts.Usage("person.missing")
	}
	if c.Level < 1 || c.Level > 3 {
		return texts.Usage("person.level")
	}
	in, err := c.Attach(p)
	if err != nil {
		return err
	}
	defer in.Close()
	a, _, err := in.People.Register(p.Ctx, identity.Registration{
		Name: who.Name, Code: party.Code{Type: who.CodeType, Value: who.Code}, LoginName: who.Login, Phone: who.Phone, Actor: in.Operator,
		Proofing: &identity.Proofing{Level: c.Level, Method: identity.MethodCounter, Source: in.Operator, At: time.Now().UTC().Truncate(time.Second)},
	})
	if err != nil {
		return err
	}
	return ticket(p, in, a, c.JSON)
}

// maxPersonal is the largest file of --from, in bytes.
const maxPersonal = 64 << 10

// read returns what the flags or the file say.
func (c *personAddCmd) read(p *command.Process) (who personal, err error) {
	if c.From == "" {
		return c.personal, nil
	}
	r := p.In
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
		return who, texts.Usage("person.large", maxPersonal)
	}
	who.CodeType = party.Citizen
	if err := strictjson.Decode(text, &who); err != nil {
		if e, ok := errors.AsType[*strictjson.Error](err); ok && e.Pointer != "" {
			return who, texts.Usage("person.malformed_at", e.Pointer, e.Kind)
		}
		return who, texts.Usage("person.malformed") // the cause may quote it
	}
	return who, nil
}

// setup is what is printed for somebody who is to set a password.
type setup struct {
	Account string    `json:"account"`
	URL     string    `json:"setup_url"`
	Ticket  string    `json:"ticket"`
	Expires time.Time `json:"expires"`
	// Authenticators is how many passkeys, apps and sets of recovery codes stay.
	Authenticators int `json:"authenticators"`
}

// ticket prints a setup link. It is printed, and nothing else: no log has it, and
// no server sees what stands behind the #.
func ticket(p *command.Process, in *install.Installation, a identity.Account, asJSON bool) error {
	expires := time.Now().Add(password.TicketLife).Truncate(time.Second)
	text, err := in.People.Tickets.SetupTicket(p.Ctx, in.Operator, a.ID)
	if err != nil {
		return err
	}
	s := setup{a.ID, in.URL + "/setup#ticket=" + text, text, expires, len(a.Authenticators)}
	if asJSON {
		return command.PrintJSON(p.Out, s)
	}
	p.Print("person.account", s.Account)
	p.Print("person.open", s.URL)
	p.Print("person.type", s.Ticket)
	p.Print("person.type_at", in.URL+"/setup")
	p.Print("person.until", s.Expires)
	if s.Authenticators > 0 {
		p.Print("person.stay", s.Authenticators)
	}
	return nil
}

type personListCmd struct {
	install.Settings
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
func (c *personListCmd) Run(p *command.Process) error {
	in, err := c.Attach(p)
	if err != nil {
		return err
	}
	defer in.Close()
	t := p.Listing(c.JSON, "account", "state", "proofing_level", "proofed", "password", "phone", "created", "login", "person")
	return command.Pages(t, func(last identity.Account) ([]identity.Account, error) {
		return in.People.ListAccounts(p.Ctx, last.ID, command.PageSize)
	}, func(a identity.Account) error {
		n, err := in.People.Party(p.Ctx, a.Party)
		if err != nil {
			return err
		}
		return t.Record(personInfo{a.ID, party.MaskName(n.Name), a.LoginName, a.MaskedPhone(), a.Disabled, a.Proofing.Level, a.Proofing.Method, passwordOf(a), a.Created},
			a.ID, enabled(a.Disabled), a.Proofing.Level, texts.WordOf("proofed", command.OrDash(a.Proofing.Method)), texts.WordOf("password", passwordOf(a)), command.OrDash(a.MaskedPhone()),
			texts.Day(a.Created), command.OrDash(command.Printable(a.LoginName)), command.Printable(party.MaskName(n.Name)))
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
	install.Settings
	Person string `arg:"" help:"The account's id, or a login: login name, phone or number."`
}

// Run disables the account.
func (c *personDisableCmd) Run(p *command.Process) error {
	return switchPerson(p, c.Settings, c.Person, true)
}

type personEnableCmd struct {
	install.Settings
	Person string `arg:"" help:"The account's id, or a login."`
}

// Run enables the account.
func (c *personEnableCmd) Run(p *command.Process) error {
	return switchPerson(p, c.Settings, c.Person, false)
}

func switchPerson(p *command.Process, s install.Settings, ref string, disabled bool) error {
	who, err := changed(p, s, ref, func(r *registrar.Service, by registrar.Caller, to registrar.Target) (identity.Someone, error) {
		return r.Disable(p.Ctx, by, to, disabled)
	})
	if err != nil {
		return err
	}
	a := who.Account
	p.Print("person.switched", a.ID, enabled(a.Disabled))
	return nil
}

type personPhoneCmd struct {
	install.Settings
	install.Messaging
	Person string `arg:"" help:"The account's id, or a login."`
	Phone  string `arg:"" optional:"" help:"The new number."`
	// Present is the operator's word that this is the person.
	Present bool `help:"The person is here, identified by their document: the phone is a second factor at once. The number may be the one that the account has."`
}

// Run changes the phone.
func (c *personPhoneCmd) Run(p *command.Process) error {
	if c.Present && c.Phone == "" {
		return texts.Refuse("person.present_phone")
	}
	in, err := c.AttachTelling(p, c.Messaging)
	if err != nil {
		return err
	}
	defer in.Close()
	a, err := account(p.Ctx, in, c.Person)
	if err != nil {
		return err
	}
	change := in.People.Authenticators.ChangePhone
	if c.Present {
		change = in.People.Authenticators.ConfirmPhone
	}
	a, err = change(p.Ctx, in.Operator, a.ID, c.Phone, "zh-CN")
	if e, ok := errors.AsType[*identity.Error](err); ok && e.Reason == authenticator.ReasonPhoneUnchanged {
		return texts.Refuse("person.same_phone")
	}
	if err != nil {
		return err
	}
	if a.Phone == "" {
		p.Print("person.phoneless", a.ID)
	} else {
		p.Print("person.phone", a.ID, a.MaskedPhone())
		if a.Waits(time.Now()) {
			p.Print("person.phone_waits", texts.Moment(a.PhoneWaits))
		}
	}
	if in.Outside.Sender == nil {
		p.Print("person.untold")
	}
	return nil
}

type personResetCmd struct {
	install.Settings
	Person string `arg:"" help:"The account's id, or a login."`
	JSON   bool   `name:"json" help:"Print JSON."`
}

// Run prints a new setup link.
func (c *personResetCmd) Run(p *command.Process) error {
	in, err := c.Attach(p)
	if err != nil {
		return err
	}
	defer in.Close()
	a, err := account(p.Ctx, in, c.Person)
	if err != nil {
		return err
	}
	if a.Disabled {
		return texts.Refuse("person.disabled", a.ID)
	}
	return ticket(p, in, a, c.JSON)
}

// account finds an account by its id or by a login.
func account(ctx context.Context, in *install.Installation, ref string) (identity.Account, error) {
	find := in.People.FindAccount
	if identity.ValidID(ref) {
		find = in.People.Account
	}
	a, err := find(ctx, ref)
	if errors.Is(err, identity.ErrNotFound) {
		return a, texts.Refuse("person.unknown")
	}
	return a, err
}
