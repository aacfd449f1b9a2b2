package main

import (
	"context"
	"errors"
	"strings"
	"time"

	"yizheng.internal/cmd/yizheng/internal/command"
	"yizheng.internal/cmd/yizheng/internal/install"
	"yizheng.internal/cmd/yizheng/internal/texts"
	"yizheng.internal/signing"
	"yizheng.internal/signing/journal"
	"yizheng.internal/signing/pki"
)

type keyCmd struct {
	List     keyListCmd     `cmd:"" help:"List the keys and their states: next → active → retired, or revoked."`
	Rotate   keyRotateCmd   `cmd:"" help:"Take a ring one step on: make its next key, or activate it if it is there."`
	Activate keyActivateCmd `cmd:"" help:"Activate a next key; the active one retires."`
	Retire   keyRetireCmd   `cmd:"" help:"End a key's use for new signatures. What it signed stays valid."`
	Revoke   keyRevokeCmd   `cmd:"" help:"End a key for good. For keyCompromise all it ever signed is doubted."`
	Rehash   keyRehashCmd   `cmd:"" help:"Write the lookup keys of licenses and people anew, under all live lookup keys."`
}

type keyListCmd struct {
	install.Settings
	Purpose string `help:"Only keys for this purpose." placeholder:"PURPOSE"`
	JSON    bool   `name:"json" help:"Print JSON, an object a line."`
}

// keyInfo is what a list shows of a key.
type keyInfo struct {
	ID        string    `json:"id"`
	KID       string    `json:"kid"` // in headers and key sets
	Purpose   string    `json:"purpose"`
	Owner     string    `json:"owner,omitempty"` // the department's code
	OwnerName string    `json:"owner_name,omitempty"`
	State     string    `json:"state"`
	Created   time.Time `json:"created"`
	Certified time.Time `json:"certified_until,omitzero"`
	Revoked   time.Time `json:"revoked,omitzero"`
	Reason    string    `json:"reason,omitempty"`
}

// Run lists the keys.
func (c *keyListCmd) Run(p *command.Process) error {
	in, err := c.Attach(p)
	if err != nil {
		return err
	}
	defer in.Close()
	records, err := in.DB.Keys().ListKeys(p.Ctx, signing.Purpose(c.Purpose))
	if err != nil {
		return err
	}
	names := in.Owners()
	t := p.Listing(c.JSON, "id", "purpose", "owner", "state", "created", "certified", "owner_name", "revoked")
	for _, k := range records {
		n, err := names.By(p.Ctx, k.Owner)
		if err != nil {
			return err
		}
		until, unreadable := certifiedUntil(k)
		info := keyInfo{string(k.ID), k.KID(), string(k.Purpose), k.Owner, n.Name, string(k.State), k.Created, until, k.Revoked, k.Reason}
		certified := texts.Day(until)
		if unreadable {
			certified = "unreadable"
		}
		err = t.Record(info, k.ID, k.Purpose, command.OrDash(k.Owner), texts.State(k.State), texts.Day(k.Created), texts.WordOf("certificate", certified), command.OrDash(command.Printable(n.Name)), revoked(k))
		if err != nil {
			return err
		}
	}
	return t.Flush()
}

// certifiedUntil returns how long a key's certificate is valid, if it has one that can
// be read.
func certifiedUntil(k signing.KeyRecord) (until time.Time, unreadable bool) {
	if len(k.Chain) == 0 {
		return time.Time{}, false
	}
	c, err := pki.ParseCertificate(k.Chain[0])
	if err != nil {
		return time.Time{}, true
	}
	return c.NotAfter, false
}

func revoked(k signing.KeyRecord) string {
	if k.State != signing.KeyRevoked {
		return "-"
	}
	return texts.Moment(k.Revoked) + " " + k.Reason
}

type keyRotateCmd struct {
	install.Settings
	install.RootStore
	Purpose string `arg:"" help:"authority, attestation, status, access-token, id-token, id-token-rs256, master, data or lookup." enum:"authority,attestation,status,access-token,id-token,id-token-rs256,master,data,lookup"`
	Owner   string `help:"Of an authority key: the department's id or code." placeholder:"ID"`
	Wait    bool   `help:"Make the next key, wait until every node knows it (and for ID tokens every relying party: five minutes), and activate it: both steps in one. With several nodes, copy its file to them within that time."`
}

// Run rotates the ring by a step, or with --wait by two.
func (c *keyRotateCmd) Run(p *command.Process) error {
	in, err := c.Attach(p)
	if err != nil {
		return err
	}
	defer in.Close()
	purpose := signing.Purpose(c.Purpose)
	if (purpose == signing.PurposeAuthority) != (c.Owner != "") {
		return texts.Usage("key.owner")
	}
	owner := ""
	if c.Owner != "" {
		n, err := in.Participant(p.Ctx, c.Owner)
		if err != nil {
			return err
		}
		owner = string(n.USCC)
	}
	k, err := c.step(p, in, purpose, owner)
	if err != nil || k.State != signing.KeyNext || !c.Wait {
		return err
	}
	settled := signing.Settle(purpose) + time.Second
	p.Print("key.waiting", settled)
	select {
	case <-p.Ctx.Done():
		return p.Ctx.Err()
	case <-time.After(settled):
	}
	_, err = c.step(p, in, purpose, owner)
	return err
}

// step takes the ring one step on and says what to do next.
func (c *keyRotateCmd) step(p *command.Process, in *install.Installation, purpose signing.Purpose, owner string) (signing.KeyRecord, error) {
	ca, err := c.certifier(p.Ctx, in, purpose, owner)
	if err != nil {
		return signing.KeyRecord{}, err
	}
	action, object := journal.ActionKeyCreate, install.RingName(purpose, owner)
	if next, err := next(p.Ctx, in, purpose, owner); err != nil {
		return signing.KeyRecord{}, err
	} else if next != nil {
		action, object = journal.ActionKeyActivate, string(next.ID)
	}
	var k signing.KeyRecord
	err = in.Provider.Journal.Change(p.Ctx, in.Actor().Did(action, object, ""), func() (err error) {
		k, err = in.Keys.Rotate(p.Ctx, ca, purpose, owner, time.Now())
		return err
	})
	if err != nil {
		return k, err
	}
	return k, rotated(p, in, k)
}

// certifier opens the root if a key is to be made that needs a certificate.
// Activating one that is there needs no root.
func (c *keyRotateCmd) certifier(ctx context.Context, in *install.Installation, purpose signing.Purpose, owner string) (*pki.CA, error) {
	switch purpose {
	case signing.PurposeAuthority, signing.PurposeAttestation, signing.PurposeStatus:
	default:
		return nil, nil
	}
	next, err := next(ctx, in, purpose, owner)
	if err != nil || next != nil {
		return nil, err
	}
	return in.OpenRoot(ctx, c.RootStore)
}

// next returns the ring's next key, or nil.
func next(ctx context.Context, in *install.Installation, purpose signing.Purpose, owner string) (*signing.Key, error) {
	ring, err := in.Keys.Keyrings().Ring(ctx, purpose, owner)
	if err != nil {
		return nil, err
	}
	for _, k := range ring {
		if k.State == signing.KeyNext {
			return k, nil
		}
	}
	return nil, nil
}

// rotated says what a rotation did, and does what has to follow it.
func rotated(p *command.Process, in *install.Installation, k signing.KeyRecord) error {
	p.Print("key.is", k.ID, texts.State(k.State))
	if k.State == signing.KeyNext {
		p.Print("key.next", k.ID, signing.Settle(k.Purpose), k.ID)
		return nil
	}
	if k.Purpose == signing.PurposeLookup {
		return rehash(p, in)
	}
	return nil
}

type keyActivateCmd struct {
	install.Settings
	Key string `arg:"" help:"The key's id."`
}

// Run activates the key.
func (c *keyActivateCmd) Run(p *command.Process) error {
	in, err := c.Attach(p)
	if err != nil {
		return err
	}
	defer in.Close()
	k, err := key(p.Ctx, in, c.Key)
	if err != nil {
		return err
	}
	next, err := next(p.Ctx, in, k.Purpose, k.Owner)
	if err != nil {
		return err
	}
	if next == nil || next.ID != k.ID {
		return texts.Refuse("key.not_next", k.ID, texts.State(k.State))
	}
	// Rotate waits for nodes to know the key, and wraps data keys anew.
	err = in.Provider.Journal.Change(p.Ctx, in.Actor().Did(journal.ActionKeyActivate, string(k.ID), ""), func() (err error) {
		k, err = in.Keys.Rotate(p.Ctx, nil, k.Purpose, k.Owner, time.Now())
		return err
	})
	if err != nil {
		return err
	}
	return rotated(p, in, k)
}

// key loads a key's record.
func key(ctx context.Context, in *install.Installation, id string) (signing.KeyRecord, error) {
	k, err := in.DB.Keys().LoadKey(ctx, signing.KeyID(id))
	if errors.Is(err, signing.ErrNoKey) {
		return k, texts.Refuse("key.unknown", id)
	}
	return k, err
}

type keyRetireCmd struct {
	install.Settings
	Key string `arg:"" help:"The key's id."`
}

// Run retires the key.
func (c *keyRetireCmd) Run(p *command.Process) error {
	in, err := c.Attach(p)
	if err != nil {
		return err
	}
	defer in.Close()
	k, err := key(p.Ctx, in, c.Key)
	if err != nil {
		return err
	}
	err = in.Provider.Journal.Change(p.Ctx, in.Actor().Did(journal.ActionKeyRetire, string(k.ID), ""), func() error {
		return in.Keys.Keyrings().Retire(p.Ctx, k.ID, time.Now())
	})
	if err != nil {
		return err
	}
	p.Print("key.is", k.ID, texts.State(signing.KeyRetired))
	return nil
}

type keyRevokeCmd struct {
	install.Settings
	Key        string    `arg:"" help:"The key's id."`
	Reason     string    `required:"" help:"Why, by RFC 5280: keyCompromise, superseded, cessationOfOperation, affiliationChanged, privilegeWithdrawn, unspecified." placeholder:"REASON"`
	From       time.Time `help:"From when on its signatures are doubted; without it from now on." placeholder:"2026-01-31T00:00:00+08:00"`
	AcceptLoss bool      `help:"Revoke a data key, although nobody can read what it sealed after that."`
}

// Run revokes the key.
func (c *keyRevokeCmd) Run(p *command.Process) error {
	in, err := c.Attach(p)
	if err != nil {
		return err
	}
	defer in.Close()
	k, err := key(p.Ctx, in, c.Key)
	if err != nil {
		return err
	}
	if k.Purpose == signing.PurposeData && !c.AcceptLoss {
		return texts.Usage("key.sealed", k.ID)
	}
	if k.Purpose == signing.PurposeLookup && k.State == signing.KeyRetired {
		// Records that only this key can find must get lookup keys of another key first.
		if err := rehash(p, in); err != nil {
			return err
		}
	}
	now := time.Now()
	if c.From.IsZero() {
		c.From = now
	}
	err = in.Provider.Journal.Change(p.Ctx, in.Actor().Did(journal.ActionKeyRevoke, string(k.ID), ""), func() error {
		return in.Keys.Keyrings().Revoke(p.Ctx, k.ID, c.Reason, c.From, now)
	})
	if err != nil {
		return err
	}
	p.Print("key.is", k.ID, texts.State(signing.KeyRevoked))
	if len(k.Chain) > 0 {
		p.Print("key.publish")
	}
	if k.Purpose != signing.PurposeLookup {
		return nil
	}
	return purge(p, in, k.Serial)
}

type keyRehashCmd struct {
	install.Settings
}

// Run writes all lookup keys anew.
func (c *keyRehashCmd) Run(p *command.Process) error {
	in, err := c.Attach(p)
	if err != nil {
		return err
	}
	defer in.Close()
	return in.Provider.Journal.Change(p.Ctx, in.Actor().Did(journal.ActionKeyRehash, "", ""), func() error { return rehash(p, in) })
}

// rehash writes every license's, party's and account's lookup keys under all live keys.
func rehash(p *command.Process, in *install.Installation) error {
	n, bar := 0, p.Progress(p.Words.Say("key.rehashing"))
	err := in.Library.Rehash(p.Ctx, func(done int) { n = done; _ = bar.Set(done) })
	_ = bar.Finish() // it only draws
	if err != nil {
		return texts.Refuse("key.rehash_cut", n, err)
	}
	p.Print("key.rehashed", n)
	n, bar = 0, p.Progress(p.Words.Say("key.rehashing_people"))
	before := 0 // and of what people were taken in by, and of who may act for whom
	for _, rehash := range []func(context.Context, func(int)) error{in.People.RehashLogins, in.People.Intake.Rehash, in.People.Acting.Rehash} {
		if before = n; err == nil {
			err = rehash(p.Ctx, func(done int) { n = before + done; _ = bar.Set(n) })
		}
	}
	_ = bar.Finish()
	if err != nil {
		return texts.Refuse("key.rehash_people_cut", n, err)
	}
	p.Print("key.rehashed_people", n)
	if refused := in.Keys.Keyrings().Auth().Refused(); len(refused) > 0 {
		// They may be repaired later, and then only their old lookup keys lead to them.
		return texts.Refuse("key.altered", strings.Join(refused[:min(len(refused), install.RefusedShown)], ", "))
	}
	return nil
}

// purge deletes the lookup keys that a key made.
func purge(p *command.Process, in *install.Installation, serial int32) error {
	n, bar := 0, p.Progress(p.Words.Say("key.purging"))
	err := in.Library.Lookups.PurgeLookups(p.Ctx, serial, func(gone int) { n = gone; _ = bar.Set(gone) })
	_ = bar.Finish()
	if err != nil {
		return texts.Refuse("key.purge_cut", n, err)
	}
	p.Print("key.purged", n)
	return nil
}
