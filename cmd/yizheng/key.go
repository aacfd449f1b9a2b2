package main

import (
	"context"
	"errors"
	"os"
	"strings"
	"time"

	"github.com/schollz/progressbar/v3"
	"golang.org/x/term"

	"yizheng.internal/oidc"
	"yizheng.internal/signing"
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
	settings
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
	Certified string    `json:"certified_until,omitempty"` // the day
	Revoked   time.Time `json:"revoked,omitzero"`
	Reason    string    `json:"reason,omitempty"`
}

// Run lists the keys.
func (c *keyListCmd) Run(p *process) error {
	in, err := c.attach(p)
	if err != nil {
		return err
	}
	defer in.close()
	records, err := in.db.Keys().ListKeys(p.ctx, signing.Purpose(c.Purpose))
	if err != nil {
		return err
	}
	names := in.owners()
	t := p.listing(c.JSON, "id", "purpose", "owner", "state", "created", "certified", "owner_name", "revoked")
	for _, k := range records {
		n, err := names.by(p.ctx, k.Owner)
		if err != nil {
			return err
		}
		info := keyInfo{string(k.ID), k.KID(), string(k.Purpose), k.Owner, n.Name, string(k.State), k.Created, strings.Trim(certifiedUntil(k), "-"), k.Revoked, k.Reason}
		err = t.record(info, k.ID, k.Purpose, orDash(k.Owner), state(k.State), k.Created.Format(time.DateOnly), word{"certificate", certifiedUntil(k)}, orDash(printable(n.Name)), revoked(k))
		if err != nil {
			return err
		}
	}
	return t.Flush()
}

func orDash(s string) string {
	if s == "" {
		return "-"
	}
	return s
}

func certifiedUntil(k signing.KeyRecord) string {
	if len(k.Chain) == 0 {
		return "-"
	}
	c, err := pki.ParseCertificate(k.Chain[0])
	if err != nil {
		return "unreadable"
	}
	return c.NotAfter.Format(time.DateOnly)
}

func revoked(k signing.KeyRecord) string {
	if k.State != signing.KeyRevoked {
		return "-"
	}
	return k.Revoked.Format(time.RFC3339) + " " + k.Reason
}

type keyRotateCmd struct {
	settings
	root
	Purpose string `arg:"" help:"authority, attestation, status, access-token, id-token, id-token-rs256, master, data or lookup." enum:"authority,attestation,status,access-token,id-token,id-token-rs256,master,data,lookup"`
	Owner   string `help:"Of an authority key: the department's id or code." placeholder:"ID"`
	Wait    bool   `help:"Make the next key, wait until every node knows it (and for ID tokens every relying party: five minutes), and activate it: both steps in one. With several nodes, copy its file to them within that time."`
}

// Run rotates the ring by a step, or with --wait by two.
func (c *keyRotateCmd) Run(p *process) error {
	in, err := c.attach(p)
	if err != nil {
		return err
	}
	defer in.close()
	purpose := signing.Purpose(c.Purpose)
	if (purpose == signing.PurposeAuthority) != (c.Owner != "") {
		return usage("key.owner")
	}
	owner := ""
	if c.Owner != "" {
		n, err := in.participant(p.ctx, c.Owner)
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
	p.print("key.waiting", settled)
	select {
	case <-p.ctx.Done():
		return p.ctx.Err()
	case <-time.After(settled):
	}
	_, err = c.step(p, in, purpose, owner)
	return err
}

// step takes the ring one step on and says what to do next.
func (c *keyRotateCmd) step(p *process, in *installation, purpose signing.Purpose, owner string) (signing.KeyRecord, error) {
	ca, err := c.certifier(p.ctx, in, purpose, owner)
	if err != nil {
		return signing.KeyRecord{}, err
	}
	action, object := oidc.ActionKeyCreate, ringName(purpose, owner)
	if next, err := in.next(p.ctx, purpose, owner); err != nil {
		return signing.KeyRecord{}, err
	} else if next != nil {
		action, object = oidc.ActionKeyActivate, string(next.ID)
	}
	var k signing.KeyRecord
	err = in.provider.Recorded(p.ctx, in.actor(), action, object, func() (err error) {
		k, err = in.keys.Rotate(p.ctx, ca, purpose, owner, time.Now())
		return err
	})
	if err != nil {
		return k, err
	}
	return k, in.rotated(p, k)
}

// ringName is what events call a ring.
func ringName(purpose signing.Purpose, owner string) string {
	if owner == "" {
		return string(purpose)
	}
	return string(purpose) + "/" + owner
}

// certifier opens the root if a key is to be made that needs a certificate.
// Activating one that is there needs no root.
func (c *keyRotateCmd) certifier(ctx context.Context, in *installation, purpose signing.Purpose, owner string) (*pki.CA, error) {
	switch purpose {
	case signing.PurposeAuthority, signing.PurposeAttestation, signing.PurposeStatus:
	default:
		return nil, nil
	}
	next, err := in.next(ctx, purpose, owner)
	if err != nil || next != nil {
		return nil, err
	}
	return in.openRoot(ctx, c.root)
}

// next returns the ring's next key, or nil.
func (in *installation) next(ctx context.Context, purpose signing.Purpose, owner string) (*signing.Key, error) {
	ring, err := in.keys.Keyrings().Ring(ctx, purpose, owner)
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
func (in *installation) rotated(p *process, k signing.KeyRecord) error {
	p.print("key.is", k.ID, state(k.State))
	if k.State == signing.KeyNext {
		p.print("key.next", k.ID, signing.Settle(k.Purpose), k.ID)
		return nil
	}
	if k.Purpose == signing.PurposeLookup {
		return in.rehash(p)
	}
	return nil
}

type keyActivateCmd struct {
	settings
	Key string `arg:"" help:"The key's id."`
}

// Run activates the key.
func (c *keyActivateCmd) Run(p *process) error {
	in, err := c.attach(p)
	if err != nil {
		return err
	}
	defer in.close()
	k, err := in.key(p.ctx, c.Key)
	if err != nil {
		return err
	}
	next, err := in.next(p.ctx, k.Purpose, k.Owner)
	if err != nil {
		return err
	}
	if next == nil || next.ID != k.ID {
		return refuse("key.not_next", k.ID, state(k.State))
	}
	// Rotate waits for nodes to know the key, and wraps data keys anew.
	err = in.provider.Recorded(p.ctx, in.actor(), oidc.ActionKeyActivate, string(k.ID), func() (err error) {
		k, err = in.keys.Rotate(p.ctx, nil, k.Purpose, k.Owner, time.Now())
		return err
	})
	if err != nil {
		return err
	}
	return in.rotated(p, k)
}

// key loads a key's record.
func (in *installation) key(ctx context.Context, id string) (signing.KeyRecord, error) {
	k, err := in.db.Keys().LoadKey(ctx, signing.KeyID(id))
	if errors.Is(err, signing.ErrNoKey) {
		return k, refuse("key.unknown", id)
	}
	return k, err
}

type keyRetireCmd struct {
	settings
	Key string `arg:"" help:"The key's id."`
}

// Run retires the key.
func (c *keyRetireCmd) Run(p *process) error {
	in, err := c.attach(p)
	if err != nil {
		return err
	}
	defer in.close()
	k, err := in.key(p.ctx, c.Key)
	if err != nil {
		return err
	}
	err = in.provider.Recorded(p.ctx, in.actor(), oidc.ActionKeyRetire, string(k.ID), func() error {
		return in.keys.Keyrings().Retire(p.ctx, k.ID, time.Now())
	})
	if err != nil {
		return err
	}
	p.print("key.is", k.ID, state(signing.KeyRetired))
	return nil
}

type keyRevokeCmd struct {
	settings
	Key        string    `arg:"" help:"The key's id."`
	Reason     string    `required:"" help:"Why, by RFC 5280: keyCompromise, superseded, cessationOfOperation, affiliationChanged, privilegeWithdrawn, unspecified." placeholder:"REASON"`
	From       time.Time `help:"From when on its signatures are doubted; without it from now on." placeholder:"2026-01-31T00:00:00+08:00"`
	AcceptLoss bool      `help:"Revoke a data key, although nobody can read what it sealed after that."`
}

// Run revokes the key.
func (c *keyRevokeCmd) Run(p *process) error {
	in, err := c.attach(p)
	if err != nil {
		return err
	}
	defer in.close()
	k, err := in.key(p.ctx, c.Key)
	if err != nil {
		return err
	}
	if k.Purpose == signing.PurposeData && !c.AcceptLoss {
		return usage("key.sealed", k.ID)
	}
	if k.Purpose == signing.PurposeLookup && k.State == signing.KeyRetired {
		// What only it can find must first be found by another.
		if err := in.rehash(p); err != nil {
			return err
		}
	}
	now := time.Now()
	if c.From.IsZero() {
		c.From = now
	}
	err = in.provider.Recorded(p.ctx, in.actor(), oidc.ActionKeyRevoke, string(k.ID), func() error {
		return in.keys.Keyrings().Revoke(p.ctx, k.ID, c.Reason, c.From, now)
	})
	if err != nil {
		return err
	}
	p.print("key.is", k.ID, state(signing.KeyRevoked))
	if len(k.Chain) > 0 {
		p.print("key.publish")
	}
	if k.Purpose != signing.PurposeLookup {
		return nil
	}
	return in.purge(p, k.Serial)
}

type keyRehashCmd struct {
	settings
}

// Run writes all lookup keys anew.
func (c *keyRehashCmd) Run(p *process) error {
	in, err := c.attach(p)
	if err != nil {
		return err
	}
	defer in.close()
	return in.provider.Recorded(p.ctx, in.actor(), oidc.ActionKeyRehash, "", func() error { return in.rehash(p) })
}

// rehash writes every license's, party's and account's lookup keys under all live keys.
func (in *installation) rehash(p *process) error {
	n, bar := 0, p.progress(p.words.say("key.rehashing"))
	err := in.registry.Rehash(p.ctx, func(done int) { n = done; _ = bar.Set(done) })
	_ = bar.Finish() // it only draws
	if err != nil {
		return refuse("key.rehash_cut", n, err)
	}
	p.print("key.rehashed", n)
	n, bar = 0, p.progress(p.words.say("key.rehashing_people"))
	err = in.people.RehashLogins(p.ctx, func(done int) { n = done; _ = bar.Set(done) })
	_ = bar.Finish()
	if err != nil {
		return refuse("key.rehash_people_cut", n, err)
	}
	p.print("key.rehashed_people", n)
	if refused := in.keys.Keyrings().Auth().Refused(); len(refused) > 0 {
		// They may be put right: then their old lookup keys are what leads to them.
		return refuse("key.altered", strings.Join(refused[:min(len(refused), alteredNamed)], ", "))
	}
	return nil
}

// purge deletes the lookup keys that a key made.
func (in *installation) purge(p *process, serial int32) error {
	n, bar := 0, p.progress(p.words.say("key.purging"))
	err := in.registry.PurgeLookups(p.ctx, serial, func(gone int) { n = gone; _ = bar.Set(gone) })
	_ = bar.Finish()
	if err != nil {
		return refuse("key.purge_cut", n, err)
	}
	p.print("key.purged", n)
	return nil
}

// progress returns a counter on standard error, where that is a terminal.
func (p *process) progress(what string) *progressbar.ProgressBar {
	f, ok := p.err.(*os.File)
	return progressbar.NewOptions(-1,
		progressbar.OptionSetWriter(p.err), progressbar.OptionSetVisibility(ok && term.IsTerminal(int(f.Fd()))),
		progressbar.OptionSetDescription(what), progressbar.OptionShowCount(), progressbar.OptionShowIts(),
		progressbar.OptionThrottle(100*time.Millisecond), progressbar.OptionClearOnFinish())
}

// bytes returns what shows how many of how many bytes are done, on standard error,
// where that is a terminal, and what ends that.
func (p *process) bytes(what string) (progress func(done, total int64), finish func()) {
	f, ok := p.err.(*os.File)
	bar := progressbar.NewOptions64(1,
		progressbar.OptionSetWriter(p.err), progressbar.OptionSetVisibility(ok && term.IsTerminal(int(f.Fd()))),
		progressbar.OptionSetDescription(what), progressbar.OptionThrottle(100*time.Millisecond), progressbar.OptionClearOnFinish())
	return func(done, total int64) {
		bar.ChangeMax64(max(total, 1))
		_ = bar.Set64(min(done, total))
	}, func() { _ = bar.Finish() }
}
