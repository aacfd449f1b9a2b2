package main

import (
	"errors"
	"os"
	"path/filepath"
	"runtime/debug"
	"strings"
	"time"

	"yizheng.internal/oidc"
	"yizheng.internal/oidc/identity"
	"yizheng.internal/signing"
	"yizheng.internal/storage"
	"yizheng.internal/storage/backup"
)

type backupCmd struct {
	settings
	Dir     string `arg:"" help:"New directory for the backup. The database goes to DIR/data, in which everything personal is sealed."`
	KeysDir string `name:"keys-dir" help:"New directory for the keys that open it; without it DIR/keys. Keep it apart from the data, and the passphrase apart from both." placeholder:"DIR"`
}

// keysPart returns where the keys' part of a backup lies.
func keysPart(dir, given string) string {
	if given != "" {
		return given
	}
	return filepath.Join(dir, string(backup.Keys))
}

// Run makes a backup beside a running service.
func (c *backupCmd) Run(p *process) (err error) {
	in, err := c.attach(p)
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, in.close()) }()
	data, keys := filepath.Join(c.Dir, string(backup.Data)), keysPart(c.Dir, c.KeysDir)
	for _, dir := range []string{data, keys} {
		if err := backup.Begin(dir); err != nil {
			return err
		}
	}
	m, err := in.describe(p)
	if err != nil {
		return err
	}
	err = in.provider.Recorded(p.ctx, in.actor(), oidc.ActionBackup, m.Backup, func() error { return in.save(p, m, data, keys) })
	if errors.Is(err, oidc.ErrUnrecorded) { // as on a full disk, when a backup is wanted most
		p.complain(p.words.say("backup.unrecorded", err))
		err = in.save(p, m, data, keys)
	}
	if err != nil {
		return err
	}
	p.print("backup.made", m.Backup, m.Made.Format(time.RFC3339))
	p.print("backup.data", data)
	p.print("backup.keys", keys)
	p.print("backup.lacks")
	return nil
}

// save writes both parts of a backup.
func (in *installation) save(p *process, m backup.Manifest, data, keys string) error {
	steps, done := p.bytes(p.words.say("backup.copying"))
	err := in.db.Admin().Save(p.ctx, data, steps)
	if done(); err != nil {
		return err
	}
	// The keys come after the data: each that the data name is there then.
	if err := signing.CopyKeys(keys, in.settings.Data); err != nil {
		return err
	}
	mac := func(message []byte) ([]byte, error) { return in.keys.Module().MAC(signing.KeyID(m.Key), message) }
	for part, dir := range map[backup.Part]string{backup.Data: data, backup.Keys: keys} {
		m.Part = part
		if err := backup.Finish(p.ctx, dir, m, mac); err != nil {
			return err
		}
	}
	return nil
}

// describe returns the manifest of a backup that begins now.
func (in *installation) describe(p *process) (backup.Manifest, error) {
	m := backup.Manifest{Backup: backup.NewID(), Made: time.Now().UTC().Truncate(time.Second), Program: programVersion()}
	var err error
	if m.Driver, _, err = storage.Driver(in.settings.databaseURL()); err != nil {
		return m, err
	}
	if m.Schema, _, err = in.db.Admin().SchemaVersion(p.ctx); err != nil {
		return m, err
	}
	if m.Newest, err = newestEvent(p.ctx, in); err != nil {
		return m, err
	}
	k, err := in.keys.Keyrings().Active(p.ctx, signing.PurposeLookup, "")
	m.Key = string(k.ID)
	return m, err
}

func programVersion() string {
	info, ok := debug.ReadBuildInfo()
	if !ok {
		return "unknown"
	}
	var version strings.Builder
	version.WriteString(orDash(info.Main.Version))
	for _, s := range info.Settings {
		if s.Key == "vcs.revision" {
			version.WriteString(" " + s.Value)
		}
	}
	return version.String()
}

type restoreCmd struct {
	settings
	Dir     string `arg:"" help:"Directory of the backup; its data are in DIR/data."`
	KeysDir string `name:"keys-dir" help:"Directory of the backup's keys; without it DIR/keys." placeholder:"DIR"`
}

// Run makes an installation out of a backup, where there is none.
func (c *restoreCmd) Run(p *process) error {
	data, keys := filepath.Join(c.Dir, string(backup.Data)), keysPart(c.Dir, c.KeysDir)
	d, k, err := c.read(data, keys)
	if err != nil {
		return err
	}
	passphrase, err := c.emptyTarget(p)
	if err != nil {
		return err
	}
	if err := verify(p, data, keys, d, k, passphrase); err != nil {
		return err
	}
	m := d.Manifest
	now := time.Now().UTC()
	steps, done := p.bytes(p.words.say("restore.restoring"))
	_, err = storage.Restore(p.ctx, c.databaseURL(), storage.Options{}, storage.Saved{Dir: data, Driver: m.Driver, Schema: m.Schema}, now, steps)
	if done(); err != nil {
		return err
	}
	// Without keys the service refuses to start on the database: so they come last.
	if err := signing.CopyKeys(c.Data, keys); err != nil {
		return refuse("restore.keys_left", err)
	}
	if err := c.confirm(p, m, now); err != nil {
		return refuse("restore.closed", err)
	}
	return nil
}

// emptyTarget checks that nothing is where the installation is to be made, but for
// the passphrase of its keys, which it returns.
func (c *restoreCmd) emptyTarget(p *process) (signing.Passphrase, error) {
	if err := os.MkdirAll(c.Data, 0o700); err != nil {
		return nil, err
	}
	entries, err := os.ReadDir(c.Data)
	if err != nil {
		return nil, err
	}
	for _, e := range entries {
		if e.Name() != "keys.pass" && e.Name() != "lost+found" {
			return nil, refuse("restore.not_empty", filepath.Join(c.Data, e.Name()))
		}
	}
	if err := storage.CheckEmpty(p.ctx, c.databaseURL(), storage.Options{}); err != nil {
		return nil, err
	}
	file := c.PassphraseFile
	if file == "" {
		file = filepath.Join(c.Data, "keys.pass")
	}
	passphrase, err := signing.ReadPassphraseFile(file)
	if err != nil {
		return nil, refuse("restore.passphrase", file, err)
	}
	return passphrase, nil
}

// read reads what the two parts of a backup say of themselves.
func (c *restoreCmd) read(data, keys string) (d, k backup.Sealed, err error) {
	if d, err = backup.Read(data, backup.Data); err != nil {
		return d, k, err
	}
	if k, err = backup.Read(keys, backup.Keys); err != nil {
		return d, k, err
	}
	if err := d.Fits(&k); err != nil {
		return d, k, err
	}
	driver, _, err := storage.Driver(c.databaseURL())
	if err == nil && driver != d.Driver {
		err = usage("restore.driver", d.Driver, driver)
	}
	return d, k, err
}

// verify reads all of a backup and checks that it is as it was made, before
// anything is written.
func verify(p *process, data, keys string, d, k backup.Sealed, passphrase signing.Passphrase) error {
	steps, done := p.bytes(p.words.say("restore.verifying"))
	defer done()
	read, total := int64(0), d.Size()+k.Size()
	progress := func(n int64) { read += n; steps(read, total) }
	if err := k.Verify(p.ctx, keys, progress); err != nil {
		return err
	}
	store, err := signing.OpenKeystore(filepath.Join(keys, "keys"), passphrase)
	if err != nil {
		return refuse("restore.keys", err)
	}
	mac := func(message []byte) ([]byte, error) { return store.MAC(signing.KeyID(d.Key), message) }
	if err := errors.Join(d.Check(mac), k.Check(mac)); err != nil {
		return err
	}
	return d.Verify(p.ctx, data, progress)
}

// confirm opens what was restored, records that it was, and says what is lost.
func (c *restoreCmd) confirm(p *process, m backup.Manifest, now time.Time) (err error) {
	in, err := c.attach(p)
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, in.close()) }()
	err = oidc.Recorder(in.db.Provider())(p.ctx, identity.Fact{
		Action: oidc.ActionRestore, Actor: in.operator, Object: m.Backup, Result: oidc.ResultOK,
	})
	if err != nil {
		return err
	}
	newest := p.words.say("restore.no_event")
	if !m.Newest.IsZero() {
		newest = p.words.say("restore.newest", m.Newest.UTC().Format(time.RFC3339))
	}
	made := m.Made.UTC().Format(time.RFC3339)
	p.print("restore.done", m.Backup, made, newest)
	p.print("restore.lost", made, now.Format(time.RFC3339))
	for _, key := range []string{"restore.lost.issued", "restore.lost.ended", "restore.lost.changed", "restore.lost.logins"} {
		p.print("restore.one", p.words.say(key))
	}
	p.print("restore.lists")
	return nil
}
