// Package installation keeps the keys in a data directory and the key records in a database together. It makes all
// keys at the first start, opens them at later ones, adds and rotates keys, and publishes revocation lists. Without
// the keys nothing in the database can be read: if some are missing, or belong to another database, it says in an
// error what to copy, and never makes new ones in their place.
package installation

import (
	"context"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"path/filepath"
	"time"

	"yizheng.internal/signing"
	"yizheng.internal/signing/durable"
	"yizheng.internal/signing/keystore"
	"yizheng.internal/signing/pki"
	"yizheng.internal/signing/vault"
)

// ErrNotWhole says that a data directory and a database do not belong
// together, or that a part of the directory is missing. Its message says what
// to copy or restore; keys are never made anew in place of lost ones.
var ErrNotWhole = errors.New("data directory and database are not one whole installation")

// Installation is a data directory's keys: made once, on the first start.
//
//	DIR/root/            the root's keystore and certificate, which serve never loads
//	DIR/root.pass        its passphrase: to be moved away for production
//	DIR/keys/            the registry's keystore
//	DIR/keys.pass        its passphrase
//	DIR/anchors.pem      the root's certificate
//	DIR/unfinished       exists while the first start is under way
//	DIR/lock             locked by the process that makes keys
//
// A further node needs copies of keys/, keys.pass and anchors.pem.
type Installation struct {
	c        Config
	stored   signing.Records // Config.Records; c.Records returns only authentic ones of them
	auth     *signing.Authenticator
	keys     *keystore.Keystore
	keyrings *signing.Keyrings
	vault    *vault.Vault
	anchors  *pki.Anchors
}

// Config says what Open needs. All but the last five
// fields are required.
type Config struct {
	Dir          string
	Records      signing.Records
	RegistryName string // stands in the registry's own certificates …
	RegistryUSCC string // … with this unified social credit code

	PassphraseFile     string       // of Dir/keys; default Dir/keys.pass, made on the first start
	RootPassphraseFile string       // of Dir/root; default Dir/root.pass, made on the first start
	Log                *slog.Logger // default: discards

	Lists     signing.RevocationLists // nil: no revocation lists are kept
	PublicURL string                  // where the lists are served; empty: certificates made at the first start say nothing of lists
}

const (
	rootName       = "root"
	keysName       = "keys"
	passSuffix     = ".pass"
	anchorsName    = "anchors.pem"
	unfinishedName = "unfinished"
	lockName       = "lock"
	// upgradingName lies among the keys, so that it is copied with them.
	upgradingName = "upgrading"
)

func (c Config) path(elem ...string) string {
	return filepath.Join(append([]string{c.Dir}, elem...)...)
}

// Open opens a data directory. If directory and database are both empty, it first makes all
// keys. It makes them once, also when two processes start together, or when one was killed
// halfway and starts again. If an earlier version made the installation and some ring did
// not exist then, Open makes that ring's first key. now is the date of what is made.
// Errors, wrapped: ErrNotWhole, [keystore.ErrPassphrase].
func Open(ctx context.Context, c Config, now time.Time) (*Installation, error) {
	if c.Dir == "" || c.Records == nil || c.RegistryName == "" || c.RegistryUSCC == "" {
		return nil, errors.New("opening the installation: directory, records, or the registry's name or code is missing")
	}
	if c.PassphraseFile == "" {
		c.PassphraseFile = c.path(keysName + passSuffix)
	}
	if c.RootPassphraseFile == "" {
		c.RootPassphraseFile = c.path(rootName + passSuffix)
	}
	if c.Log == nil {
		c.Log = slog.New(slog.DiscardHandler)
	}
	// It looks without the lock first: a whole installation may lie on a read-only disk.
	if s, err := c.survey(ctx); err != nil || s.verdict() != nil {
		if err := c.start(ctx, now); err != nil {
			return nil, fmt.Errorf("opening the installation %s: %w", c.Dir, err)
		}
	}
	i, err := c.open(ctx, now)
	if err != nil {
		return nil, fmt.Errorf("opening the installation %s: %w", c.Dir, err)
	}
	return i, nil
}

// start makes the keys if this is a first start, or goes on with one that was interrupted.
func (c Config) start(ctx context.Context, now time.Time) error {
	if err := durable.MakeDir(c.Dir); err != nil {
		return err
	}
	unlock, err := durable.Lock(ctx, c.path(lockName))
	if err != nil {
		return err
	}
	defer unlock()
	s, err := c.survey(ctx)
	if err != nil {
		return err
	}
	switch {
	case s.unfinished:
		c.Log.Warn("the first start was interrupted and goes on", "dir", c.Dir)
	case s.empty():
		if err := durable.Create(c.path(unfinishedName), []byte("The first start is under way, or was interrupted and goes on with the next one.\n")); err != nil {
			return err
		}
	default:
		return s.verdict()
	}
	return c.bootstrap(ctx, now)
}

// survey says which parts of an installation there are.
type survey struct {
	root, keys, anchors bool
	records             int
	unfinished          bool
}

func (c Config) survey(ctx context.Context) (s survey, err error) {
	records, err := c.Records.ListKeys(ctx, "")
	if err != nil {
		return s, err
	}
	s.records = len(records)
	// The marker is looked for last. It is written before the first key and removed after the
	// last, so if there are keys and then no marker, the first start is over.
	for _, look := range []struct {
		at   string
		seen *bool
	}{
		{c.path(rootName), &s.root},
		{c.path(keysName, keystore.ManifestName), &s.keys},
		{c.path(anchorsName), &s.anchors},
		{c.path(unfinishedName), &s.unfinished},
	} {
		if *look.seen, err = durable.Exists(look.at); err != nil {
			return s, err
		}
	}
	return s, nil
}

func (s survey) empty() bool { return !s.root && !s.keys && !s.anchors && s.records == 0 }

// verdict returns nil for a whole installation, else what is wrong with it.
func (s survey) verdict() error {
	const whole = keysName + "/, " + keysName + passSuffix + " and " + anchorsName
	switch {
	case s.unfinished:
		return fmt.Errorf("its first start is unfinished: %w", ErrNotWhole)
	case s.empty():
		return fmt.Errorf("it is empty: %w", ErrNotWhole)
	case !s.keys && !s.anchors && !s.root:
		return fmt.Errorf("the database holds %d key records, but the directory no keys: copy %s here from the node "+
			"that was started first, or from a backup: %w", s.records, whole, ErrNotWhole)
	case !s.keys || !s.anchors:
		return fmt.Errorf("the directory holds only a part of an installation: copy %s here from another node, "+
			"or from a backup: %w", whole, ErrNotWhole)
	case s.records == 0:
		return fmt.Errorf("the directory holds an installation's keys, but the database no key records: check the "+
			"database's address or restore its backup; to begin anew, move the directory away: %w", ErrNotWhole)
	}
	return nil
}

// open opens a whole installation, and makes the keys that later versions have added. It
// doesn't touch the root.
func (c Config) open(ctx context.Context, now time.Time) (*Installation, error) {
	i := &Installation{c: c, stored: c.Records}
	passphrase, err := keystore.ReadPassphraseFile(c.PassphraseFile)
	if err != nil {
		return nil, err
	}
	if i.keys, err = keystore.Open(c.path(keysName), passphrase); err != nil {
		return nil, err
	}
	pem, err := durable.Read(c.path(anchorsName), pki.MaxAnchors)
	if err != nil {
		return nil, err
	}
	if i.anchors, err = pki.ParseAnchors(pem); err != nil {
		return nil, fmt.Errorf("%s: %w", c.path(anchorsName), err)
	}
	if err := i.authenticate(ctx); err != nil {
		return nil, err
	}
	i.keyrings, err = signing.NewKeyrings(signing.KeyringsConfig{Records: i.c.Records, Module: i.keys, Auth: i.auth, Log: c.Log})
	if err != nil {
		return nil, err
	}
	i.vault, err = vault.Open(ctx, i.keyrings, i.keys)
	if errors.Is(err, signing.ErrSealed) {
		return nil, fmt.Errorf("%w: %w: is this the database of these keys?", ErrNotWhole, err)
	}
	if err != nil {
		return nil, err
	}
	if err := i.addMissing(ctx, now); err != nil {
		return nil, err
	}
	return i, i.look(ctx)
}

// look warns of rings that can't sign here. That is no error, because the commands that
// mend it must open the installation too.
func (i *Installation) look(ctx context.Context) error {
	for _, p := range signingPurposes {
		k, err := i.keyrings.Active(ctx, p, "")
		switch {
		case errors.Is(err, signing.ErrNoKey):
			i.c.Log.Warn("no key is active for this purpose; make one with yizheng key rotate", "purpose", p)
		case err != nil:
			return err
		case k.Signer == nil:
			i.c.Log.Warn("an active key is not in the keystore here; copy its file from the node that made it", "key", k.ID, "dir", i.keys.Dir())
		}
	}
	return nil
}

// Keyrings returns the installation's keyrings.
func (i *Installation) Keyrings() *signing.Keyrings { return i.keyrings }

// Vault returns the installation's vault.
func (i *Installation) Vault() *vault.Vault { return i.vault }

// Anchors returns the roots that the installation trusts: those of anchors.pem.
func (i *Installation) Anchors() *pki.Anchors { return i.anchors }

// Module returns the registry's keystore. The root's key is not in it.
func (i *Installation) Module() signing.Module { return i.keys }

// Memory returns what this node remembers beside its keys.
func (i *Installation) Memory() *Memory { return &Memory{dir: i.c.path(seenName), auth: i.auth} }

// Format implements [fmt.Formatter]: the keys inside are not to be printed.
func (i *Installation) Format(s fmt.State, _ rune) {
	_, _ = io.WriteString(s, "installation "+i.c.Dir)
}

// lock keeps other processes from making keys in this directory.
func (i *Installation) lock(ctx context.Context) (unlock func(), err error) {
	return durable.Lock(ctx, i.c.path(lockName))
}
