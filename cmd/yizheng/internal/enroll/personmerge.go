package enroll

import (
	"yizheng.internal/cmd/yizheng/internal/command"
	"yizheng.internal/cmd/yizheng/internal/install"
	"yizheng.internal/cmd/yizheng/internal/texts"
	"yizheng.internal/license/party"
	"yizheng.internal/oidc/identity"
	"yizheng.internal/oidc/identity/registrar"
)

type personMergeCmd struct {
	install.Settings
	install.Messaging
	Keep      string         `required:"" help:"A number of the one who stays; - reads it from standard input: command lines can be seen." placeholder:"NUMBER"`
	KeepType  party.CodeType `help:"Its type (GB/T 36903 annex A)." default:"111" placeholder:"TYPE"`
	Merge     string         `required:"" help:"A number of the other, whose numbers go over." placeholder:"NUMBER"`
	MergeType party.CodeType `help:"Its type (GB/T 36903 annex A)." default:"111" placeholder:"TYPE"`
	Evidence  string         `required:"" help:"On what it rests that they are one: 1 to 200 characters. It is kept with both." placeholder:"TEXT"`
	Yes       bool           `help:"Merge them: the names and numbers that were shown are right."`
}

// Run shows whom it is about, and merges them if that was confirmed.
func (c *personMergeCmd) Run(p *command.Process) error {
	keep, err := command.Typed(p, c.Keep)
	if err != nil {
		return err
	}
	in, err := c.AttachTelling(p, c.Messaging)
	if err != nil {
		return err
	}
	defer in.Close()
	m := registrar.Merger{Keep: party.Code{Type: c.KeepType, Value: keep}, Merge: party.Code{Type: c.MergeType, Value: c.Merge}, Evidence: c.Evidence, Language: "zh-CN"}
	both, err := in.People.Registrar.Pair(p.Ctx, operator(in), m)
	if err != nil {
		return err
	}
	if !both.Done {
		p.Print("person.merge_keep", both.Kept.Account.ID, party.MaskName(both.Kept.Party.Name), codesOf(both.Kept.Party), both.Kept.Account.Proofing.Level)
		p.Print("person.merge_other", both.Merged.Account.ID, party.MaskName(both.Merged.Party.Name), codesOf(both.Merged.Party), both.Merged.Account.Proofing.Level)
		if !c.Yes {
			return texts.Refuse("person.merge_confirm")
		}
	}
	who, err := in.People.Registrar.Merge(p.Ctx, operator(in), m)
	if err != nil {
		return err
	}
	p.Print("person.merged", who.Account.ID, who.Account.Revision)
	if in.Outside.Sender == nil {
		p.Print("person.untold")
	}
	return nil
}

// codesOf returns somebody's numbers, masked.
func codesOf(who identity.Party) (s string) {
	for i, c := range who.Codes {
		if i > 0 {
			s += ", "
		}
		s += string(c.Type) + " " + c.Mask()
	}
	return s
}
