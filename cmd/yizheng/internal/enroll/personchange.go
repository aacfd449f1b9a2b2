package enroll

import (
	"time"

	"yizheng.internal/cmd/yizheng/internal/command"
	"yizheng.internal/cmd/yizheng/internal/install"
	"yizheng.internal/cmd/yizheng/internal/texts"
	"yizheng.internal/license/party"
	"yizheng.internal/oidc/identity"
	"yizheng.internal/oidc/identity/registrar"
)

// operator is who changes people by a command.
func operator(in *install.Installation) registrar.Caller {
	return registrar.Caller{Actor: in.Operator, Operator: true}
}

type personLevelCmd struct {
	install.Settings
	Person   string `arg:"" help:"The account's id, or a login."`
	Level    int    `arg:"" help:"1 初级, 2 中级 (document checked), 3 高级 (document and face checked by machine)."`
	Evidence string `required:"" help:"On what it rests, such as the document that was seen: 1 to 200 characters. It is kept with the level." placeholder:"TEXT"`
}

// Run changes the level.
func (c *personLevelCmd) Run(p *command.Process) error {
	if c.Level < 1 || c.Level > 3 {
		return texts.Usage("person.level")
	}
	who, err := changed(p, c.Settings, c.Person, func(r *registrar.Service, by registrar.Caller, to registrar.Target) (identity.Someone, error) {
		return r.SetLevel(p.Ctx, by, to, c.Level, c.Evidence)
	})
	if err != nil {
		return err
	}
	p.Print("person.leveled", who.Account.ID, who.Account.Proofing.Level)
	return nil
}

// change is what an operator does to somebody.
type change func(r *registrar.Service, by registrar.Caller, to registrar.Target) (identity.Someone, error)

// changed changes somebody, by an account's id or a login, and returns who they are then.
func changed(p *command.Process, s install.Settings, ref string, do change) (identity.Someone, error) {
	in, err := s.Attach(p)
	if err != nil {
		return identity.Someone{}, err
	}
	defer in.Close()
	a, err := account(p.Ctx, in, ref)
	if err != nil {
		return identity.Someone{}, err
	}
	return do(in.People.Registrar, operator(in), registrar.Target{Account: a.ID})
}

// changePerson changes somebody, and says so.
func changePerson(p *command.Process, s install.Settings, ref string, do change) error {
	who, err := changed(p, s, ref, do)
	if err != nil {
		return err
	}
	p.Print("person.changed", who.Account.ID, who.Account.Revision)
	return nil
}

type personNameCmd struct {
	install.Settings
	Person   string `arg:"" help:"The account's id, or a login."`
	Name     string `arg:"" help:"The new name; - reads it from standard input: command lines can be seen."`
	Evidence string `required:"" help:"On what it rests: 1 to 200 characters. It is kept with the name." placeholder:"TEXT"`
}

// Run changes the name.
func (c *personNameCmd) Run(p *command.Process) error {
	name, err := command.Typed(p, c.Name)
	if err != nil {
		return err
	}
	return changePerson(p, c.Settings, c.Person, func(r *registrar.Service, by registrar.Caller, to registrar.Target) (identity.Someone, error) {
		return r.Rename(p.Ctx, by, to, name, c.Evidence)
	})
}

type personCodeCmd struct {
	Add personCodeAddCmd `cmd:"" help:"Add a number that somebody holds now. They log in with it as well."`
	End personCodeEndCmd `cmd:"" help:"Say that somebody holds a number no longer. It stays, and they don't log in with it any more."`
}

// number is that of a document.
type number struct {
	Code     string         `required:"" help:"Number of the document; - reads it from standard input: command lines can be seen." placeholder:"NUMBER"`
	CodeType party.CodeType `help:"Type of the document (GB/T 36903 annex A)." default:"111" placeholder:"TYPE"`
	Evidence string         `required:"" help:"On what it rests: 1 to 200 characters. It is kept with the number." placeholder:"TEXT"`
}

func (n number) read(p *command.Process) (party.Code, error) {
	value, err := command.Typed(p, n.Code)
	return party.Code{Type: n.CodeType, Value: value}, err
}

type personCodeAddCmd struct {
	install.Settings
	number
	Person string `arg:"" help:"The account's id, or a login."`
	Since  string `help:"The first day, today at the latest. Without it: not known." placeholder:"YYYY-MM-DD"`
	First  bool   `help:"It is the one that counts from now on: departments see it at logins."`
}

// Run adds the number.
func (c *personCodeAddCmd) Run(p *command.Process) error {
	code, err := c.read(p)
	if err != nil {
		return err
	}
	n := registrar.NewCode{Code: code, Evidence: c.Evidence, First: c.First}
	if c.Since != "" {
		if n.From, err = party.ParseDate(c.Since); err != nil {
			return texts.Usage("person.day", "--since")
		}
	}
	return changePerson(p, c.Settings, c.Person, func(r *registrar.Service, by registrar.Caller, to registrar.Target) (identity.Someone, error) {
		return r.AddCode(p.Ctx, by, to, n)
	})
}

type personCodeEndCmd struct {
	install.Settings
	number
	Person string `arg:"" help:"The account's id, or a login."`
	Until  string `required:"" help:"The last day, yesterday at the latest." placeholder:"YYYY-MM-DD"`
}

// Run ends the number.
func (c *personCodeEndCmd) Run(p *command.Process) error {
	code, err := c.read(p)
	if err != nil {
		return err
	}
	until, err := party.ParseDate(c.Until)
	if err != nil {
		return texts.Usage("person.day", "--until")
	}
	return changePerson(p, c.Settings, c.Person, func(r *registrar.Service, by registrar.Caller, to registrar.Target) (identity.Someone, error) {
		return r.EndCode(p.Ctx, by, to, code, until, c.Evidence)
	})
}

type personCloseCmd struct {
	install.Settings
	Person   string `arg:"" help:"The account's id, or a login."`
	Deceased bool   `help:"Its owner has died; without it: they asked for it."`
	On       string `help:"The day of it. Without it: today." placeholder:"YYYY-MM-DD"`
	Evidence string `required:"" help:"On what it rests: 1 to 200 characters. It is kept with the account." placeholder:"TEXT"`
}

// Run closes the account.
func (c *personCloseCmd) Run(p *command.Process) (err error) {
	of := identity.Closing{Kind: identity.ClosedDown, On: party.DateOf(time.Now()), Evidence: c.Evidence}
	if c.Deceased {
		of.Kind = identity.Deceased
	}
	if c.On != "" {
		if of.On, err = party.ParseDate(c.On); err != nil {
			return texts.Usage("person.day", "--on")
		}
	}
	return changePerson(p, c.Settings, c.Person, func(r *registrar.Service, by registrar.Caller, to registrar.Target) (identity.Someone, error) {
		return r.Close(p.Ctx, by, to, of)
	})
}

type personReopenCmd struct {
	install.Settings
	Person string `arg:"" help:"The account's id, or a number of the person."`
}

// Run opens the account again.
func (c *personReopenCmd) Run(p *command.Process) error {
	return changePerson(p, c.Settings, c.Person, func(r *registrar.Service, by registrar.Caller, to registrar.Target) (identity.Someone, error) {
		return r.Reopen(p.Ctx, by, to)
	})
}
