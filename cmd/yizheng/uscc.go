package main

import (
	"fmt"
	"strings"

	"yizheng.internal/cmd/yizheng/internal/command"
	"yizheng.internal/cmd/yizheng/internal/texts"
	"yizheng.internal/license/party"
)

type usccCmd struct {
	Make  usccMakeCmd  `cmd:"" help:"Make a code for tests and examples. Its area is assigned to nobody, so no real body has the code."`
	Check usccCheckCmd `cmd:"" help:"Check codes, and print them in their one form. Exit code 1 if one is wrong."`
}

type usccMakeCmd struct {
	Area string `help:"The area, 6 digits; those that begin with 99 are nobody's." default:"990100"`
	Kind string `help:"Registration authority and kind of body, such as 11 for a state organ, 91 for an enterprise." default:"11"`
}

// Run makes a code.
func (c *usccMakeCmd) Run(p *command.Process) error {
	code, err := party.MakeUSCC(strings.ToUpper(c.Kind) + c.Area)
	if err != nil {
		return texts.Usage("uscc.parts", err)
	}
	_, err = fmt.Fprintln(p.Out, code)
	return err
}

type usccCheckCmd struct {
	Codes []string `arg:"" help:"The codes."`
}

// Run checks codes.
func (c *usccCheckCmd) Run(p *command.Process) error {
	wrong := false
	for _, text := range c.Codes {
		code, err := party.ParseUSCC(text)
		if err != nil {
			wrong = true
			p.Print("uscc.wrong", command.Printable(text), err)
			continue
		}
		p.Print("uscc.ok", code)
	}
	if wrong {
		return &texts.Exit{Code: texts.ExitFailed}
	}
	return nil
}
