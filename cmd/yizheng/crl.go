package main

import (
	"os"
	"time"

	"yizheng.internal/cmd/yizheng/internal/command"
	"yizheng.internal/cmd/yizheng/internal/install"
	"yizheng.internal/cmd/yizheng/internal/texts"
	"yizheng.internal/signing"
	"yizheng.internal/signing/journal"
	"yizheng.internal/signing/pki"
)

type crlCmd struct {
	Publish crlPublishCmd `cmd:"" help:"Make and publish the root's next list of revoked certificates. Needs the root."`
	Show    crlShowCmd    `cmd:"" help:"Show the published lists: number, until when they are good, what is on them."`
}

type crlPublishCmd struct {
	install.Settings
	install.RootStore
	Out  string `help:"Write the list into this file, too, as DER." placeholder:"FILE"`
	Days int    `help:"How many days the list is good for, 1 to 366: a verifier without a network trusts an old list that long at most." default:"30" placeholder:"DAYS"`
}

// Run publishes a list.
func (c *crlPublishCmd) Run(p *command.Process) error {
	if c.Days < 1 || c.Days > 366 {
		return texts.Usage("crl.days")
	}
	in, err := c.Attach(p)
	if err != nil {
		return err
	}
	defer in.Close()
	ca, err := in.OpenRoot(p.Ctx, c.RootStore)
	if err != nil {
		return err
	}
	root, err := in.RootID(p.Ctx, ca)
	if err != nil {
		return err
	}
	var list *pki.RevocationList
	err = in.Provider.Journal.Change(p.Ctx, in.Actor().Did(journal.ActionListPublish, string(root), ""), func() (err error) {
		list, err = in.Keys.PublishRevocationList(p.Ctx, ca, time.Duration(c.Days)*24*time.Hour, time.Now())
		return err
	})
	if err != nil {
		return err
	}
	if c.Out != "" {
		if err := os.WriteFile(c.Out, list.Raw, 0o644); err != nil {
			return err
		}
	}
	p.Print("crl.published", list.Number, len(list.Entries), list.NextUpdate)
	return nil
}

type crlShowCmd struct {
	install.Settings
	JSON bool `name:"json" help:"Print JSON, a list a line."`
}

// listInfo is what is shown of a revocation list.
type listInfo struct {
	Root    string        `json:"root"`
	Number  string        `json:"number"`
	From    time.Time     `json:"from"`
	Until   time.Time     `json:"until"`
	Revoked []listedEntry `json:"revoked"`
}

type listedEntry struct {
	Serial string    `json:"serial"` // hexadecimal
	At     time.Time `json:"at"`
	Reason string    `json:"reason"`
}

// Run shows the lists.
func (c *crlShowCmd) Run(p *command.Process) error {
	in, err := c.Attach(p)
	if err != nil {
		return err
	}
	defer in.Close()
	roots, err := in.Keys.Keyrings().Ring(p.Ctx, signing.PurposeRoot, "")
	if err != nil {
		return err
	}
	t := p.Listing(c.JSON, "root", "number", "from", "until", "serial", "revoked_at", "reason")
	for _, root := range roots {
		der, err := in.DB.Keys().LoadRevocationList(p.Ctx, root.ID)
		if err != nil {
			return err
		}
		list, err := in.Keys.Anchors().RevocationList(p.Ctx, in.Verifier, der)
		if err != nil {
			return err
		}
		info := listInfo{string(root.ID), list.Number.String(), list.ThisUpdate, list.NextUpdate, []listedEntry{}}
		for _, e := range list.Entries {
			info.Revoked = append(info.Revoked, listedEntry{e.Serial.Text(16), e.At, e.Reason})
		}
		if c.JSON {
			if err := command.PrintJSON(p.Out, info); err != nil {
				return err
			}
			continue
		}
		row := []any{root.ID, list.Number, list.ThisUpdate, list.NextUpdate}
		if len(info.Revoked) == 0 {
			t.Row(append(row, "-", "-", "-")...)
		}
		for _, e := range info.Revoked {
			t.Row(append(row[:4:4], e.Serial, e.At, e.Reason)...)
		}
	}
	return t.Flush()
}
