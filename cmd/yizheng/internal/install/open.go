// Package install opens an installation: its data directory with the keys, the database, and
// the two halves on top of them. Whoever opens one gets a whole one, or an error that says
// what to do. The settings that say where an installation is are here, from flags, the
// environment and the YAML file, and what every command and the service share: participants
// and their first keys, the root, the public URL, and who acts.
package install

import (
	"yizheng.internal/api/join"
	"yizheng.internal/oidc/identity/acting"

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

	"yizheng.internal/cmd/yizheng/internal/command"
	"yizheng.internal/cmd/yizheng/internal/texts"
	"yizheng.internal/license"
	"yizheng.internal/license/library"
	"yizheng.internal/license/party"
	"yizheng.internal/oidc/identity"
	"yizheng.internal/oidc/identity/people"
	"yizheng.internal/oidc/provider"
	"yizheng.internal/signing/installation"
	"yizheng.internal/signing/jose"
	"yizheng.internal/signing/pki"
	"yizheng.internal/signing/sm2"
	"yizheng.internal/storage"
)

// Installation is an open data directory with its database, and the two halves
// on top of them.
type Installation struct {
	Settings Settings
	URL      string // the public URL that it is bound to
	DB       storage.Database
	Keys     *installation.Installation
	Verifier *jose.Verifier
	Provider *provider.Provider
	Library  *library.Library
	People   *people.People
	Kept     storage.Ephemeral // what may be lost
	Outside  Outside
	Clock    *storage.Clock
	Log      *slog.Logger
	Step     func(name string)
	Operator string // who acts through this command, for the events
}

// OpenDatabase opens the database alone.
func (s Settings) OpenDatabase(ctx context.Context, log *slog.Logger, step func(string)) (*Installation, error) {
	return s.OpenStorage(ctx, storage.Options{Log: log, Step: step})
}

// OpenStorage is openDatabase with all options.
func (s Settings) OpenStorage(ctx context.Context, o storage.Options) (*Installation, error) {
	log := o.Log
	db, err := storage.Open(ctx, s.Database(), o)
	if err != nil {
		return nil, texts.Refuse("open.database", err)
	}
	return &Installation{
		Settings: s, DB: db, Log: log, Step: o.Step,
		Verifier: jose.NewVerifier(sm2.Config{Log: log}), Clock: storage.NewClock(db.Admin(), log), Operator: Operator,
	}, nil
}

// OpenKeys opens the keys, which makes them at the first start.
func (in *Installation) OpenKeys(ctx context.Context) error {
	name, code, err := in.Settings.Registry()
	if err != nil {
		return err
	}
	in.Keys, err = installation.Open(ctx, installation.Config{
		Dir: in.Settings.Data, Records: in.DB.Keys(), PassphraseFile: in.Settings.PassphraseFile,
		RegistryName: name, RegistryUSCC: code, Log: in.Log, Lists: in.DB.Keys(), PublicURL: in.URL,
	}, time.Now())
	return err
}

// Registry returns what the registry's certificates call it: what the settings
// say, else what the root's certificate says, else the placeholder.
func (s Settings) Registry() (name, code string, err error) {
	name, code = s.RegistryName, s.RegistryUSCC
	if code != "" {
		parsed, err := party.ParseUSCC(code)
		if err != nil {
			return "", "", texts.Usage("usage.uscc", "--registry-uscc", err)
		}
		code = string(parsed)
	}
	text, err := os.ReadFile(filepath.Join(s.Data, "anchors.pem"))
	if err != nil && !errors.Is(err, fs.ErrNotExist) {
		return "", "", err
	}
	made := pki.Subject{Name: placeholderName, USCC: PlaceholderUSCC}
	if block, _ := pem.Decode(text); block != nil {
		if root, err := pki.ParseCertificate(block.Bytes); err == nil { // else installation.Open says it better
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

// Join puts the two halves on top of the keys and the database.
func (in *Installation) Join(ctx context.Context, publicURL string) error {
	in.URL = publicURL
	var err error
	in.Library, err = library.New(ctx, library.Config{
		Stores: in.DB.Licenses(), Journal: in.DB.Journal(), Keyrings: in.Keys.Keyrings(), Vault: in.Keys.Vault(), Anchors: in.Keys.Anchors(),
		Verifier: in.Verifier, AuthorityName: in.authorityName, PublicURL: publicURL, Log: in.Log, Step: in.Step,
		Believed: in.Outside.Believed, Lawful: in.Outside.Lawful, Seen: in.Keys.Memory(),
		Live: join.Live(func() *acting.Service {
			if in.People == nil {
				return nil
			}
			return in.People.Acting
		}),
	})
	if err != nil {
		return err
	}
	c := provider.Config{
		Issuer: publicURL, Clients: in.DB.Provider(), Participants: in.DB.Provider(), Events: in.DB.Journal(),
		Keyrings: in.Keys.Keyrings(), Verifier: in.Verifier, Log: in.Log, Step: in.Step,
	}
	if err := in.logins(&c); err != nil {
		return err
	}
	in.Provider, err = provider.New(c)
	return err
}

// authorityName tells the registry what credentials call a department.
func (in *Installation) authorityName(ctx context.Context, code party.USCC) (string, error) {
	p, err := in.Provider.Clients.FindParticipant(ctx, code)
	if errors.Is(err, identity.ErrNotFound) {
		return "", license.ErrNotFound
	}
	return p.Name, err
}

// Attach opens an installation for a command, beside a service that may be
// running. It makes nothing: whatever is missing is an error that says what to do.
func (s Settings) Attach(p *command.Process) (*Installation, error) {
	return s.AttachWith(p, Outside{})
}

// AttachTelling is Attach for a command that tells people what it did.
func (s Settings) AttachTelling(p *command.Process, m Messaging) (*Installation, error) {
	sender, err := m.Sender()
	if err != nil {
		return nil, err
	}
	return s.AttachWith(p, Outside{Sender: sender})
}

// AttachWith is Attach for a command that needs something of the world.
func (s Settings) AttachWith(p *command.Process, o Outside) (*Installation, error) {
	log := command.Warnings(p.Err)
	if err := s.Present(); err != nil {
		return nil, err
	}
	if err := ownData(s.Data); err != nil {
		return nil, err
	}
	in, err := s.OpenDatabase(p.Ctx, log, nil)
	if err != nil {
		return nil, err
	}
	in.Operator, in.Outside = p.Actor, o
	// A command stores nothing that may be lost, so it needs no Redis.
	if err := in.OpenEphemeral(p.Ctx, "", false); err != nil {
		return nil, errors.Join(err, in.Close())
	}
	if err := in.openExisting(p.Ctx); err != nil {
		return nil, errors.Join(err, in.Close())
	}
	return in, nil
}

// openExisting opens the keys, which must be there, and joins the halves.
func (in *Installation) openExisting(ctx context.Context) error {
	if err := in.CheckSchema(ctx); err != nil {
		return err
	}
	// The first start stores the public URL last. A command that ran before would store another
	// one, or make keys.
	_, err := library.StoredPublicURL(ctx, in.DB.Licenses())
	if errors.Is(err, license.ErrNotFound) {
		records, err := in.DB.Keys().ListKeys(ctx, "")
		if err == nil && len(records) > 0 {
			err = texts.Refuse("open.unfinished", in.Settings.Data)
		}
		return cmp.Or(err, errNoInstallation(in.Settings.Data))
	}
	if err != nil {
		return err
	}
	if err := in.OpenKeys(ctx); err != nil {
		return err
	}
	if err := in.JoinStored(ctx); err != nil {
		return err
	}
	return in.Upgrade(ctx)
}

// JoinStored joins under the public URL of the first start, which binds it.
func (in *Installation) JoinStored(ctx context.Context) error {
	stored, err := library.StoredPublicURL(ctx, in.DB.Licenses())
	if errors.Is(err, license.ErrNotFound) {
		return texts.Refuse("open.unfinished", in.Settings.Data)
	}
	if err != nil {
		return err
	}
	given := stored
	if in.Settings.PublicURL != "" {
		if given, err = CanonicalURL(in.Settings.PublicURL); err != nil {
			return err
		}
	}
	return in.Join(ctx, given)
}

func errNoInstallation(dir string) error {
	return texts.Refuse("open.nothing", dir)
}

// Present checks that a directory and a SQLite file are there, so that no
// command makes empty ones where --data was misspelt.
func (s Settings) Present() error {
	there, err := isDir(s.Data)
	if err != nil {
		return err
	}
	if !there {
		return errNoInstallation(s.Data)
	}
	path, ok := strings.CutPrefix(s.Database(), "sqlite:")
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

// CheckSchema returns an error unless the schema is the one this program needs.
func (in *Installation) CheckSchema(ctx context.Context) error {
	have, want, err := in.DB.Admin().SchemaVersion(ctx)
	switch {
	case err != nil:
		return err
	case have < want:
		return texts.Refuse("open.old_schema", have, want)
	case have > want:
		return texts.Refuse("open.new_schema", have, want)
	}
	return nil
}

// Close closes what was opened.
func (in *Installation) Close() error {
	err := in.DB.Close()
	if in.Kept != nil {
		err = errors.Join(err, in.Kept.Close())
	}
	return err
}
