package main

import (
	"cmp"
	"context"
	"encoding/pem"
	"errors"
	"io/fs"
	"log/slog"
	"os"
	"path/filepath"
	"strings"
	"time"

	"yizheng.internal/api"
	"yizheng.internal/license"
	"yizheng.internal/license/party"
	"yizheng.internal/oidc"
	"yizheng.internal/oidc/identity"
	"yizheng.internal/signing"
	"yizheng.internal/signing/jose"
	"yizheng.internal/signing/pki"
	"yizheng.internal/signing/sm2"
	"yizheng.internal/storage"
)

// installation is an open data directory with its database, and the two halves
// on top of them.
type installation struct {
	settings settings
	url      string // the public URL that it is bound to
	db       storage.Database
	keys     *signing.Installation
	verifier *jose.Verifier
	provider *oidc.Provider
	registry *license.Registry
	people   *identity.Service
	kept     storage.Ephemeral // what may be lost
	outside  outside
	clock    *storage.Clock
	log      *slog.Logger
	step     func(name string)
	activity *api.Activity // nil: nothing is counted
	operator string        // who acts through this command, for the events
}

// openDatabase opens the database alone.
func (s settings) openDatabase(ctx context.Context, log *slog.Logger, step func(string)) (*installation, error) {
	return s.openStorage(ctx, storage.Options{Log: log, Step: step})
}

// openStorage is openDatabase with all options.
func (s settings) openStorage(ctx context.Context, o storage.Options) (*installation, error) {
	log := o.Log
	db, err := storage.Open(ctx, s.databaseURL(), o)
	if err != nil {
		return nil, refuse("open.database", err)
	}
	return &installation{
		settings: s, db: db, log: log, step: o.Step,
		verifier: jose.NewVerifier(sm2.Config{Log: log}), clock: storage.NewClock(db.Admin(), log), operator: operator,
	}, nil
}

// openKeys opens the keys, which makes them at the first start.
func (in *installation) openKeys(ctx context.Context) error {
	name, code, err := in.settings.registry()
	if err != nil {
		return err
	}
	in.keys, err = signing.OpenInstallation(ctx, signing.InstallationConfig{
		Dir: in.settings.Data, Records: in.db.Keys(), PassphraseFile: in.settings.PassphraseFile,
		RegistryName: name, RegistryUSCC: code, Log: in.log, Lists: in.db.Keys(), PublicURL: in.url,
	}, time.Now())
	return err
}

// registry returns what the registry's certificates call it: what the settings
// say, else what the root's certificate says, else the placeholder.
func (s settings) registry() (name, code string, err error) {
	name, code = s.RegistryName, s.RegistryUSCC
	if code != "" {
		parsed, err := party.ParseUSCC(code)
		if err != nil {
			return "", "", usage("usage.uscc", "--registry-uscc", err)
		}
		code = string(parsed)
	}
	text, err := os.ReadFile(filepath.Join(s.Data, "anchors.pem"))
	if err != nil && !errors.Is(err, fs.ErrNotExist) {
		return "", "", err
	}
	made := pki.Subject{Name: placeholderName, USCC: placeholderUSCC}
	if block, _ := pem.Decode(text); block != nil {
		if root, err := pki.ParseCertificate(block.Bytes); err == nil { // else OpenInstallation says it better
			made = root.Subject
		}
	}
	if name == "" {
		name = made.Name
	}
	if code == "" {
		code = made.USCC
	}
	return name, code, nil
}

// join puts the two halves on top of the keys and the database.
func (in *installation) join(ctx context.Context, publicURL string) error {
	in.url = publicURL
	var err error
	in.registry, err = license.New(ctx, license.Config{
		Stores: in.db.Licenses(), Keyrings: in.keys.Keyrings(), Vault: in.keys.Vault(), Anchors: in.keys.Anchors(),
		Verifier: in.verifier, AuthorityName: in.authorityName, PublicURL: publicURL, Log: in.log, Step: in.step,
		Seen: in.keys,
	})
	if err != nil {
		return err
	}
	c := oidc.Config{
		Issuer: publicURL, Clients: in.db.Provider(), Participants: in.db.Provider(), Events: in.db.Provider(),
		Keyrings: in.keys.Keyrings(), Verifier: in.verifier, Log: in.log, Step: in.step,
	}
	if err := in.logins(&c); err != nil {
		return err
	}
	in.provider, err = oidc.New(c)
	return err
}

// authorityName tells the registry what credentials call a department.
func (in *installation) authorityName(ctx context.Context, code party.USCC) (string, error) {
	p, err := in.provider.FindParticipant(ctx, code)
	if errors.Is(err, identity.ErrNotFound) {
		return "", license.ErrNotFound
	}
	return p.Name, err
}

// attach opens an installation for a command, beside a service that may be
// running. It makes nothing: whatever is missing is an error that says what to do.
func (s settings) attach(p *process) (*installation, error) {
	log := slog.New(slog.NewTextHandler(p.err, &slog.HandlerOptions{Level: slog.LevelWarn}))
	if err := s.present(); err != nil {
		return nil, err
	}
	if err := ownData(s.Data); err != nil {
		return nil, err
	}
	in, err := s.openDatabase(p.ctx, log, nil)
	if err != nil {
		return nil, err
	}
	in.operator = p.actor
	// A command keeps nothing that may be lost: no Redis need answer for it.
	if err := in.openEphemeral(p.ctx, "", false); err != nil {
		return nil, errors.Join(err, in.close())
	}
	if err := in.openExisting(p.ctx); err != nil {
		return nil, errors.Join(err, in.close())
	}
	return in, nil
}

// openExisting opens the keys, which must be there, and joins the halves.
func (in *installation) openExisting(ctx context.Context) error {
	if err := in.checkSchema(ctx); err != nil {
		return err
	}
	// The first start binds the public URL when all else is made: a command before that
	// would bind another one, or make keys.
	_, err := license.StoredPublicURL(ctx, in.db.Licenses())
	if errors.Is(err, license.ErrNotFound) {
		records, err := in.db.Keys().ListKeys(ctx, "")
		if err == nil && len(records) > 0 {
			err = refuse("open.unfinished", in.settings.Data)
		}
		return cmp.Or(err, errNoInstallation(in.settings.Data))
	}
	if err != nil {
		return err
	}
	if err := in.openKeys(ctx); err != nil {
		return err
	}
	if err := in.joinStored(ctx); err != nil {
		return err
	}
	return in.upgrade(ctx)
}

// joinStored joins under the public URL of the first start, which binds it.
func (in *installation) joinStored(ctx context.Context) error {
	stored, err := license.StoredPublicURL(ctx, in.db.Licenses())
	if errors.Is(err, license.ErrNotFound) {
		return refuse("open.unfinished", in.settings.Data)
	}
	if err != nil {
		return err
	}
	given := stored
	if in.settings.PublicURL != "" {
		if given, err = canonicalURL(in.settings.PublicURL); err != nil {
			return err
		}
	}
	return in.join(ctx, given)
}

func errNoInstallation(dir string) error {
	return refuse("open.nothing", dir)
}

// present checks that a directory and a SQLite file are there, so that no
// command makes empty ones where --data was misspelt.
func (s settings) present() error {
	there, err := isDir(s.Data)
	if err != nil {
		return err
	}
	if !there {
		return errNoInstallation(s.Data)
	}
	path, ok := strings.CutPrefix(s.databaseURL(), "sqlite:")
	if !ok {
		return nil
	}
	if _, err := os.Stat(path); errors.Is(err, fs.ErrNotExist) {
		return errNoInstallation(s.Data)
	} else if err != nil {
		return err
	}
	return nil
}

// checkSchema returns an error unless the schema is the one this program needs.
func (in *installation) checkSchema(ctx context.Context) error {
	have, want, err := in.db.Admin().SchemaVersion(ctx)
	switch {
	case err != nil:
		return err
	case have < want:
		return refuse("open.old_schema", have, want)
	case have > want:
		return refuse("open.new_schema", have, want)
	}
	return nil
}

// participant finds a participant by its id or its code.
func (in *installation) participant(ctx context.Context, ref string) (identity.Participant, error) {
	if identity.ValidID(ref) {
		p, err := in.provider.Participant(ctx, ref)
		if errors.Is(err, identity.ErrNotFound) {
			return p, refuse("participant.unknown", ref)
		}
		return p, err
	}
	code, err := party.ParseUSCC(ref)
	if err != nil {
		return identity.Participant{}, usage("participant.neither", ref, err)
	}
	p, err := in.provider.FindParticipant(ctx, code)
	if errors.Is(err, identity.ErrNotFound) {
		return p, refuse("participant.unknown_code", code)
	}
	return p, err
}

// openRoot opens the root's keystore, for commands that certify keys.
func (r root) open(data string) (*pki.CA, error) {
	dir := r.Root
	if dir == "" {
		dir = filepath.Join(data, "root")
	}
	return signing.OpenRoot(dir, r.RootPassphraseFile)
}

// close closes what was opened.
func (in *installation) close() error {
	err := in.db.Close()
	if in.kept != nil {
		err = errors.Join(err, in.kept.Close())
	}
	return err
}
