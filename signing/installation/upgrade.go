package installation

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"path/filepath"

	"yizheng.internal/signing"
	"yizheng.internal/signing/durable"
)

// authenticate makes sure that from now on only authentic key records are used. Until an
// installation of an earlier version is upgraded, records without authenticators are
// accepted.
func (i *Installation) authenticate(ctx context.Context) error {
	if err := i.ensureAuthenticatorKey(ctx); err != nil {
		return err
	}
	upgrading, err := durable.Exists(i.c.path(keysName, upgradingName))
	if err != nil {
		return err
	}
	i.auth = signing.NewAuthenticator(i.keys, i.c.Log)
	i.auth.Tolerate(upgrading)
	i.c.Records = signing.AuthenticRecords(i.stored, i.auth)
	records, err := i.c.Records.ListKeys(ctx, "")
	if err != nil {
		return err
	}
	if len(records) == 0 {
		return fmt.Errorf("no key record of the database was written under these keys: is this the database of these keys? "+
			"Where another node was upgraded first, copy %s.key from there: %w", signing.AuthenticatorKey, ErrNotWhole)
	}
	return nil
}

// ensureAuthenticatorKey makes the key of authenticators in an installation of an earlier
// version. One node makes it; the others need a copy of its file.
func (i *Installation) ensureAuthenticatorKey(ctx context.Context) error {
	if there, err := i.keys.Holds(signing.AuthenticatorKey); err != nil || there {
		return err
	}
	unlock, err := i.lock(ctx)
	if err != nil {
		return err
	}
	defer unlock()
	if there, err := i.keys.Holds(signing.AuthenticatorKey); err != nil || there { // who held the lock made it
		return err
	}
	records, err := i.stored.ListKeys(ctx, "")
	if err != nil {
		return err
	}
	for _, k := range records {
		if k.Auth != nil {
			return fmt.Errorf("the key of records' authenticators is not in the keystore: copy %s.key into %s from the node that was "+
				"upgraded first, or from a backup: %w", signing.AuthenticatorKey, i.keys.Dir(), ErrNotWhole)
		}
	}
	note := []byte("Records in the database are getting their authenticators; the next start goes on with it.\n")
	if err := durable.Create(i.c.path(keysName, upgradingName), note); err != nil && !errors.Is(err, fs.ErrExist) {
		return err
	}
	if err := i.keys.GenerateSecret(signing.AuthenticatorKey); err != nil && !errors.Is(err, signing.ErrExists) {
		return err
	}
	i.c.Log.Warn("the key of records' authenticators was made; copy its file to the other nodes and to the backup of the keys",
		"key", signing.AuthenticatorKey, "dir", i.keys.Dir())
	return nil
}

// Upgrading reports whether the database is of a version before records were
// authenticated, and not upgraded yet. Meanwhile records without authenticators
// are taken as they are.
func (i *Installation) Upgrading() bool { return i.auth.Tolerates() }

// UpgradeKeys gives key records of an earlier version their authenticators. It can be
// cut off and run again.
func (i *Installation) UpgradeKeys(ctx context.Context, s signing.AuthStore) error {
	return i.auth.GiveKeys(ctx, s, i.stored)
}

// Upgraded notes that every record has its authenticator: from here on those
// without one are refused, by other processes on this directory from their next
// start on.
func (i *Installation) Upgraded() error {
	err := durable.Remove(filepath.Join(i.c.path(keysName), upgradingName))
	if err != nil && !errors.Is(err, fs.ErrNotExist) {
		return fmt.Errorf("noting that the database is upgraded: %w", err)
	}
	i.auth.Tolerate(false)
	return nil
}
