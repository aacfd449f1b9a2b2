package signing

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"path/filepath"
)

// authenticate lets only authentic key records through from here on. Until an
// installation of an earlier version is upgraded, records without authenticators
// are taken as they are.
func (i *Installation) authenticate(ctx context.Context) error {
	if err := i.ensureAuthenticatorKey(ctx); err != nil {
		return err
	}
	upgrading, err := exists(i.c.path(keysName, upgradingName))
	if err != nil {
		return err
	}
	i.auth = NewAuthenticator(i.keys, i.c.Log)
	i.auth.tolerant.Store(upgrading)
	i.c.Records = &authenticRecords{i.stored, i.auth}
	records, err := i.c.Records.ListKeys(ctx, "")
	if err != nil {
		return err
	}
	if len(records) == 0 {
		return fmt.Errorf("no key record of the database was written under these keys: is this the database of these keys? "+
			"Where another node was upgraded first, copy %s.key from there: %w", AuthenticatorKey, ErrInstallation)
	}
	return nil
}

// ensureAuthenticatorKey makes the key of records' authenticators in an installation
// of an earlier version. Of two nodes one makes it, and the other one needs its copy.
func (i *Installation) ensureAuthenticatorKey(ctx context.Context) error {
	path := i.keys.path(AuthenticatorKey)
	if there, err := exists(path); err != nil || there {
		return err
	}
	unlock, err := i.lock(ctx)
	if err != nil {
		return err
	}
	defer unlock()
	if there, err := exists(path); err != nil || there { // who held the lock made it
		return err
	}
	records, err := i.stored.ListKeys(ctx, "")
	if err != nil {
		return err
	}
	for _, k := range records {
		if k.Auth != nil {
			return fmt.Errorf("the key of records' authenticators is not in the keystore: copy %s.key into %s from the node that was "+
				"upgraded first, or from a backup: %w", AuthenticatorKey, i.keys.dir, ErrInstallation)
		}
	}
	note := []byte("Records in the database are getting their authenticators; the next start goes on with it.\n")
	if err := createFile(i.c.path(keysName, upgradingName), note); err != nil && !errors.Is(err, fs.ErrExist) {
		return err
	}
	if err := i.keys.GenerateSecret(AuthenticatorKey); err != nil && !errors.Is(err, ErrExists) {
		return err
	}
	i.c.Log.Warn("the key of records' authenticators was made; copy its file to the other nodes and to the backup of the keys",
		"key", AuthenticatorKey, "dir", i.keys.dir)
	return nil
}

// Upgrading reports whether the database is of a version before records were
// authenticated, and not upgraded yet. Meanwhile records without authenticators
// are taken as they are.
func (i *Installation) Upgrading() bool { return i.auth.tolerant.Load() }

// UpgradeKeys gives key records of an earlier version their authenticators. It can be
// cut off and run again.
func (i *Installation) UpgradeKeys(ctx context.Context, s AuthStore) error {
	records, err := i.stored.ListKeys(ctx, "")
	if err != nil {
		return fmt.Errorf("listing keys: %w", err)
	}
	var rows []AuthRow
	for _, k := range records {
		if k.Auth != nil {
			continue
		}
		row := AuthRow{Table: "keys", ID: string(k.ID), Revision: k.Revision}
		if row.Auth, row.Mark, err = i.auth.Stamp(k.facts(k.Revision)); err != nil {
			return err
		}
		rows = append(rows, row)
	}
	if err := s.SetAuthenticators(ctx, rows...); err != nil {
		return fmt.Errorf("giving key records their authenticators: %w", err)
	}
	return nil
}

// Upgraded notes that every record has its authenticator: from here on those
// without one are refused, by other processes on this directory from their next
// start on.
func (i *Installation) Upgraded() error {
	err := removeFile(filepath.Join(i.c.path(keysName), upgradingName))
	if err != nil && !errors.Is(err, fs.ErrNotExist) {
		return fmt.Errorf("noting that the database is upgraded: %w", err)
	}
	i.auth.tolerant.Store(false)
	return nil
}

// GivePage is how many records a page of [Authenticator.Give] has at most; a shorter
// one is the last.
const GivePage = 200

// OldRecord is one that may have no authenticator yet.
type OldRecord struct {
	ID       string
	Revision int64
	Auth     []byte // nil: it has none
	Facts    *Facts
}

// Give gives the records of a table that have no authenticator theirs. Page returns
// those with an ID greater than after, by ID. It can be cut off and run again.
func (a *Authenticator) Give(ctx context.Context, s AuthStore, table string, page func(after string) ([]OldRecord, error)) error {
	for after := ""; ; {
		records, err := page(after)
		if err != nil {
			return fmt.Errorf("giving %s their authenticators: %w", table, err)
		}
		var rows []AuthRow
		for _, r := range records {
			after = r.ID
			if r.Auth != nil {
				continue
			}
			row := AuthRow{Table: table, ID: r.ID, Revision: r.Revision}
			if row.Auth, row.Mark, err = a.Stamp(r.Facts); err != nil {
				return err
			}
			rows = append(rows, row)
		}
		if err := s.SetAuthenticators(ctx, rows...); err != nil {
			return fmt.Errorf("giving %s their authenticators: %w", table, err)
		}
		if len(records) < GivePage {
			return nil
		}
	}
}
