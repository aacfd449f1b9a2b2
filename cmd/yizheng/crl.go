package main

import (
	"bytes"
	"context"
	"os"
	"time"

	"yizheng.internal/oidc"
	"yizheng.internal/signing"
	"yizheng.internal/signing/pki"
)

type crlCmd struct {
	Publish crlPublishCmd `cmd:"" help:"Make and publish the root's next list of revoked certificates. Needs the root."`
	Show    crlShowCmd    `cmd:"" help:"Show the published lists: number, until when they are good, what is on them."`
}

type crlPublishCmd struct {
	settings
	root
	Out  string `help:"Write the list into this file, too, as DER." placeholder:"FILE"`
	Days int    `help:"How many days the list is good for, 1 to 366: a verifier without a network trusts an old list that long at most." default:"30" placeholder:"DAYS"`
}

// Run publishes a list.
func (c *crlPublishCmd) Run(p *process) error {
	if c.Days < 1 || c.Days > 366 {
		return usage("crl.days")
	}
	in, err := c.attach(p)
	if err != nil {
		return err
	}
	defer in.close()
	ca, err := in.openRoot(p.ctx, c.root)
	if err != nil {
		return err
	}
	root, err := in.rootID(p.ctx, ca)
	if err != nil {
		return err
	}
	var list *pki.RevocationList
	err = in.provider.Recorded(p.ctx, in.actor(), oidc.ActionListPublish, string(root), func() (err error) {
		list, err = in.keys.PublishRevocationList(p.ctx, ca, time.Duration(c.Days)*24*time.Hour, time.Now())
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
	p.print("crl.published", list.Number, len(list.Entries), list.NextUpdate.Format(time.RFC3339))
	return nil
}

type crlShowCmd struct {
	settings
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
func (c *crlShowCmd) Run(p *process) error {
	in, err := c.attach(p)
	if err != nil {
		return err
	}
	defer in.close()
	roots, err := in.keys.Keyrings().Ring(p.ctx, signing.PurposeRoot, "")
	if err != nil {
		return err
	}
	t := p.listing(c.JSON, "root", "number", "from", "until", "serial", "revoked_at", "reason")
	for _, root := range roots {
		der, err := in.db.Keys().LoadRevocationList(p.ctx, root.ID)
		if err != nil {
			return err
		}
		list, err := in.keys.Anchors().RevocationList(p.ctx, in.verifier, der)
		if err != nil {
			return err
		}
		info := listInfo{string(root.ID), list.Number.String(), list.ThisUpdate, list.NextUpdate, []listedEntry{}}
		for _, e := range list.Entries {
			info.Revoked = append(info.Revoked, listedEntry{e.Serial.Text(16), e.At, e.Reason})
		}
		if c.JSON {
			if err := printJSON(p.out, info); err != nil {
				return err
			}
			continue
		}
		row := []any{root.ID, list.Number, list.ThisUpdate.Format(time.RFC3339), list.NextUpdate.Format(time.RFC3339)}
		if len(info.Revoked) == 0 {
			t.row(append(row, "-", "-", "-")...)
		}
		for _, e := range info.Revoked {
			t.row(append(row[:4:4], e.Serial, e.At.Format(time.RFC3339), e.Reason)...)
		}
	}
	return t.Flush()
}

// openRoot opens the root's keystore, for commands that certify keys and publish
// lists. Certificates that it makes say where its lists are.
func (in *installation) openRoot(ctx context.Context, r root) (*pki.CA, error) {
	ca, err := r.open(in.settings.Data)
	if err != nil {
		return nil, err
	}
	id, err := in.rootID(ctx, ca)
	if id != "" {
		ca.ListURL = in.url + signing.RevocationListPath(id)
	}
	return ca, err
}

// rootID returns the id under which a root's certificate is known here, or none.
func (in *installation) rootID(ctx context.Context, ca *pki.CA) (signing.KeyID, error) {
	ring, err := in.keys.Keyrings().Ring(ctx, signing.PurposeRoot, "")
	for _, k := range ring {
		if len(k.Chain) > 0 && bytes.Equal(k.Chain[0], ca.Certificate.Raw) {
			return k.ID, err
		}
	}
	return "", err
}
