package main

import (
	"errors"
	"os"
	"path/filepath"
	"time"

	"yizheng.internal/cmd/yizheng/internal/command"
	"yizheng.internal/cmd/yizheng/internal/install"
	"yizheng.internal/cmd/yizheng/internal/texts"
	"yizheng.internal/oidc"
	"yizheng.internal/signing"
	"yizheng.internal/signing/installation"
	"yizheng.internal/signing/journal"
	"yizheng.internal/signing/keystore"
	"yizheng.internal/storage"
	"yizheng.internal/storage/backup"
)

type backupCmd struct {
	install.Settings
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
func (c *backupCmd) Run(p *command.Process) (err error) {
	in, err := c.Attach(p)
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, in.Close()) }()
	data, keys := filepath.Join(c.Dir, string(backup.Data)), keysPart(c.Dir, c.KeysDir)
	for _, dir := range []string{data, keys} {
		if install.Inside(in.Settings.Data, dir) {
			return texts.Refuse("backup.inside", dir, in.Settings.Data)
		}
	}
	for _, dir := range []string{data, keys} {
		if err := backup.Begin(dir); err != nil {
			return err
		}
	}
	m, err := describe(p, in)
	if err != nil {
		return err
	}
	err = in.Provider.Journal.Change(p.Ctx, in.Actor().Did(journal.ActionBackup, m.Backup, ""), func() error { return save(p, in, m, data, keys) })
	if errors.Is(err, journal.ErrUnrecorded) { // as on a full disk, when a backup is wanted most
		p.Complain(p.Words.Say("backup.unrecorded", err))
		err = save(p, in, m, data, keys)
	}
	if err != nil {
		return err
	}
	p.Print("backup.made", m.Backup, m.Made)
	p.Print("backup.data", data)
	p.Print("backup.keys", keys)
	p.Print("backup.lacks")
	return nil
}

// save writes both parts of a backup.
func save(p *command.Process, in *install.Installation, m backup.Manifest, data, keys string) error {
	steps, done := p.Bytes(p.Words.Say("backup.copying"))
	err := in.DB.Admin().Save(p.Ctx, data, steps)
	if done(); err != nil {
		return err
	}
	// The keys are saved after the data, so that each key that the data name is there.
	if err := installation.CopyKeys(keys, in.Settings.Data); err != nil {
		return err
	}
	mac := func(message []byte) ([]byte, error) { return in.Keys.Module().MAC(signing.KeyID(m.Key), message) }
	for part, dir := range map[backup.Part]string{backup.Data: data, backup.Keys: keys} {
		m.Part = part
		if err := backup.Finish(p.Ctx, dir, m, mac); err != nil {
			return err
		}
	}
	return nil
}

// describe returns the manifest of a backup that begins now.
func describe(p *command.Process, in *install.Installation) (backup.Manifest, error) {
	m := backup.Manifest{Backup: backup.NewID(), Made: time.Now().UTC().Truncate(time.Second), Program: command.ProgramVersion()}
	var err error
	if m.Driver, _, err = storage.Driver(in.Settings.Database()); err != nil {
		return m, err
	}
	if m.Schema, _, err = in.DB.Admin().SchemaVersion(p.Ctx); err != nil {
		return m, err
	}
	if m.Newest, err = install.NewestEvent(p.Ctx, in); err != nil {
		return m, err
	}
	k, err := in.Keys.Keyrings().Active(p.Ctx, signing.PurposeLookup, "")
	m.Key = string(k.ID)
	return m, err
}

type restoreCmd struct {
	install.Settings
	Dir     string `arg:"" help:"Directory of the backup; its data are in DIR/data."`
	KeysDir string `name:"keys-dir" help:"Directory of the backup's keys; without it DIR/keys." placeholder:"DIR"`
}

// Run makes an installation out of a backup, where there is none.
func (c *restoreCmd) Run(p *command.Process) error {
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
	steps, done := p.Bytes(p.Words.Say("restore.restoring"))
	_, err = storage.Restore(p.Ctx, c.Database(), storage.Options{}, storage.Saved{Dir: data, Driver: m.Driver, Schema: m.Schema}, now, steps)
	if done(); err != nil {
		return err
	}
	// The keys are restored last, because without them the service refuses to start on the
	// database.
	if err := installation.CopyKeys(c.Data, keys); err != nil {
		return texts.Refuse("restore.keys_left", err)
	}
	if err := c.confirm(p, m, now); err != nil {
		return texts.Refuse("restore.closed", err)
	}
	return nil
}

// emptyTarget checks that nothing is where the installation is to be made, but for
// the passphrase of its keys, which it returns.
func (c *restoreCmd) emptyTarget(p *command.Process) (keystore.Passphrase, error) {
	if err := os.MkdirAll(c.Data, 0o700); err != nil {
		return nil, err
	}
	entries, err := os.ReadDir(c.Data)
	if err != nil {
		return nil, err
	}
	for _, e := range entries {
		if e.Name() != "keys.pass" && e.Name() != "lost+found" {
			return nil, texts.Refuse("restore.not_empty", filepath.Join(c.Data, e.Name()))
		}
	}
	if err := storage.CheckEmpty(p.Ctx, c.Database(), storage.Options{}); err != nil {
		return nil, err
	}
	file := c.PassphraseFile
	if file == "" {
		file = filepath.Join(c.Data, "keys.pass")
	}
	passphrase, err := keystore.ReadPassphraseFile(file)
	if err != nil {
		return nil, texts.Refuse("restore.passphrase", file, err)
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
	driver, _, err := storage.Driver(c.Database())
	if err == nil && driver != d.Driver {
		err = texts.Usage("restore.driver", d.Driver, driver)
	}
	return d, k, err
}

// verify reads all of a backup and checks that it is as it was made, before
// anything is written.
func verify(p *command.Process, data, keys string, d, k backup.Sealed, passphrase keystore.Passphrase) error {
	steps, done := p.Bytes(p.Words.Say("restore.verifying"))
	defer done()
	read, total := int64(0), d.Size()+k.Size()
	progress := func(n int64) { read += n; steps(read, total) }
	if err := k.Verify(p.Ctx, keys, progress); err != nil {
		return err
	}
	store, err := keystore.Open(filepath.Join(keys, "keys"), passphrase)
	if err != nil {
		return texts.Refuse("restore.keys", err)
	}
	mac := func(message []byte) ([]byte, error) { return store.MAC(signing.KeyID(d.Key), message) }
	if err := errors.Join(d.Check(mac), k.Check(mac)); err != nil {
		return err
	}
	return d.Verify(p.Ctx, data, progress)
}

// confirm opens what was restored, records that it was, and says what is lost.
func (c *restoreCmd) confirm(p *command.Process, m backup.Manifest, now time.Time) (err error) {
	in, err := c.Attach(p)
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, in.Close()) }()
	err = oidc.NewRecorder(in.DB.Journal(), nil).Record(p.Ctx, oidc.Actor{ID: in.Operator}.Did(journal.ActionRestore, m.Backup, journal.ResultOK))
	if err != nil {
		return err
	}
	newest := p.Words.Say("restore.no_event")
	if !m.Newest.IsZero() {
		newest = p.Words.Say("restore.newest", m.Newest)
	}
	made := m.Made
	p.Print("restore.done", m.Backup, made, newest)
	p.Print("restore.lost", made, now)
	for _, key := range []string{"restore.lost.issued", "restore.lost.ended", "restore.lost.changed", "restore.lost.logins"} {
		p.Print("restore.one", p.Words.Say(key))
	}
	p.Print("restore.lists")
	return nil
}
