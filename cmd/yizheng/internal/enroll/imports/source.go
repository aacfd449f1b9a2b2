package imports

import (
	"time"

	"yizheng.internal/cmd/yizheng/internal/command"
	"yizheng.internal/cmd/yizheng/internal/install"
	"yizheng.internal/cmd/yizheng/internal/texts"
	"yizheng.internal/oidc/identity/intake"
)

// SourceCmd is the verb person source.
type SourceCmd struct {
	Put  sourcePutCmd  `cmd:"" help:"Name a system whose accounts are to be taken in, or change what is known of it."`
	List sourceListCmd `cmd:"" help:"List these systems."`
}

type sourcePutCmd struct {
	install.Settings
	Source  string `arg:"" help:"Its name here: 2 to 32 small letters, digits and -, such as qinghe-portal."`
	Level   int    `required:"" help:"The highest proofing level that its records may have: 1 初级, 2 中级, 3 高级. Rows that claim more are not taken." placeholder:"N"`
	Display string `help:"Its name for people, such as 青禾市民服务网." placeholder:"NAME"`
	JSON    bool   `name:"json" help:"Print JSON."`
}

// sourceInfo is what is shown of a source.
type sourceInfo struct {
	Source  string    `json:"source"`
	Display string    `json:"display_name"`
	Level   int       `json:"level"`
	Created time.Time `json:"created"`
	Updated time.Time `json:"updated"`
}

func infoOf(s intake.Source) sourceInfo {
	return sourceInfo{s.Name, s.DisplayName, s.Level, s.Created, s.Updated}
}

// Run stores the source.
func (c *sourcePutCmd) Run(p *command.Process) error {
	if c.Level < 1 || c.Level > 3 {
		return texts.Usage("person.level")
	}
	in, err := c.Attach(p)
	if err != nil {
		return err
	}
	defer in.Close()
	s, err := in.People.Intake.PutSource(p.Ctx, in.Operator, intake.Source{Name: c.Source, DisplayName: c.Display, Level: c.Level})
	if err != nil {
		return err
	}
	if c.JSON {
		return command.PrintJSON(p.Out, infoOf(s))
	}
	p.Print("source.is", s.Name, s.Level)
	return nil
}

type sourceListCmd struct {
	install.Settings
	JSON bool `name:"json" help:"Print JSON, an object a line."`
}

// Run lists the sources.
func (c *sourceListCmd) Run(p *command.Process) error {
	in, err := c.Attach(p)
	if err != nil {
		return err
	}
	defer in.Close()
	t := p.Listing(c.JSON, "source", "proofing_level", "created", "name")
	return command.Pages(t, func(last intake.Source) ([]intake.Source, error) {
		return in.People.Intake.ListSources(p.Ctx, last.Name, command.PageSize)
	}, func(s intake.Source) error {
		return t.Record(infoOf(s), s.Name, s.Level, texts.Day(s.Created), command.OrDash(command.Printable(s.DisplayName)))
	})
}
