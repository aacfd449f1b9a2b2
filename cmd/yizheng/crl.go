package main

import (
	"bytes"
	"context"
	"fmt"
	"os"
	"time"

	"yizheng.internal/signing"
)

type crlCmd struct {
	Publish crlPublishCmd `cmd:"" help:"Make and publish the root's next list of revoked certificates. Needs the root."`
	Show    crlShowCmd    `cmd:"" help:"Show the published lists: number, until when they are good, what is on them."`
}

type crlPublishCmd struct {
	settings
	root
	Out  string `help:"Write the list into this file, too, as DER." placeholder:"FILE"`
	Days int    `help:"How many days the list is good for, 1 to 366: verifiers without a network go by an old one for so long at most." default:"30" placeholder:"DAYS"`
}

// Run publishes a list.
func (c *crlPublishCmd) Run(p *process) error {
	if c.Days < 1 || c.Days > 366 {
		return usage("--days is 1 to 366")
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
	list, err := in.keys.PublishRevocationList(p.ctx, ca, time.Duration(c.Days)*24*time.Hour, time.Now())
	if err != nil {
		return err
	}
	if c.Out != "" {
		if err := os.WriteFile(c.Out, list.Raw, 0o644); err != nil {
			return err
		}
	}
	fmt.Fprintf(p.out, "revocation list %v is published with %d certificates; publish the next one before %s\n",
		list.Number, len(list.Entries), list.NextUpdate.Format(time.RFC3339))
	return nil
}

type crlShowCmd struct {
	settings
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
	t := newTable(p.out, "ROOT", "NUMBER", "FROM", "UNTIL", "SERIAL", "REVOKED", "REASON")
	for _, root := range roots {
		der, err := in.db.Keys().LoadRevocationList(p.ctx, root.ID)
		if err != nil {
			return err
		}
		list, err := in.keys.Anchors().RevocationList(p.ctx, in.verifier, der)
		if err != nil {
			return err
		}
		row := []any{root.ID, list.Number, list.ThisUpdate.Format(time.RFC3339), list.NextUpdate.Format(time.RFC3339)}
		if len(list.Entries) == 0 {
			t.row(append(row, "-", "-", "-")...)
		}
		for _, e := range list.Entries {
			t.row(append(row[:4:4], e.Serial.Text(16), e.At.Format(time.RFC3339), e.Reason)...)
		}
	}
	return t.Flush()
}

// openRoot opens the root's keystore, for commands that certify keys and publish
// lists. Certificates that it makes say where its lists are.
func (in *installation) openRoot(ctx context.Context, r root) (*signing.CA, error) {
	ca, err := r.open(in.settings.Data)
	if err != nil {
		return nil, err
	}
	ring, err := in.keys.Keyrings().Ring(ctx, signing.PurposeRoot, "")
	if err != nil {
		return nil, err
	}
	for _, k := range ring {
		if len(k.Chain) > 0 && bytes.Equal(k.Chain[0], ca.Certificate.Raw) {
			ca.ListURL = in.url + signing.RevocationListPath(k.ID)
		}
	}
	return ca, nil
}
