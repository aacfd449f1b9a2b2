package identities

import (
	"context"
	"fmt"

	"yizheng.internal/oidc/identity"
	"yizheng.internal/signing"
	"yizheng.internal/storage/sqlite/engine"
	"yizheng.internal/storage/sqlite/ledger"
)

// Accounts implements [identity.Accounts].
type Accounts struct{ DB *engine.DB }

// CreateAccount implements [identity.Accounts].
func (s *Accounts) CreateAccount(ctx context.Context, a identity.AccountRecord) error {
	if err := s.DB.Write(ctx, func(c *engine.Conn) error { return createAccount(c, a) }); err != nil {
		return fmt.Errorf("creating account %s: %w", a.ID, err)
	}
	return nil
}

func createAccount(c *engine.Conn, a identity.AccountRecord) error {
	_, err := c.Exec(`
		INSERT INTO accounts (id, party, disabled, revision, body, created, updated, auth) VALUES (?, ?, ?, 1, ?, ?, ?, ?)`,
		a.ID, a.Party, a.Disabled, a.Body, a.Created, a.Updated, a.Auth)
	if err != nil {
		return engine.Taken(err, identity.ErrExists)
	}
	return saveLogins(c, a)
}

// UpdateAccount implements [identity.Accounts].
func (s *Accounts) UpdateAccount(ctx context.Context, a identity.AccountRecord) error {
	if err := s.DB.Write(ctx, func(c *engine.Conn) error { return updateAccount(c, a) }); err != nil {
		return fmt.Errorf("updating account %s: %w", a.ID, err)
	}
	return nil
}

func updateAccount(c *engine.Conn, a identity.AccountRecord) error {
	n, err := c.Exec(`
		UPDATE accounts SET disabled = ?, revision = revision + 1, body = ?, updated = ?, auth = ?
		WHERE id = ? AND revision = ?`, a.Disabled, a.Body, a.Updated, a.Auth, a.ID, a.Revision)
	if err != nil {
		return err
	}
	if n == 0 {
		return identity.ErrConflict
	}
	if err := ledger.SaveMark(c, "accounts", a.ID, a.Mark); err != nil {
		return err
	}
	if _, err := c.Exec("DELETE FROM account_logins WHERE account = ?", a.ID); err != nil {
		return err
	}
	return saveLogins(c, a)
}

func saveLogins(c *engine.Conn, a identity.AccountRecord) error {
	return lead(c, `
		INSERT INTO account_logins (serial, sum, account) VALUES (?, ?, ?)
		ON CONFLICT (serial, sum) DO UPDATE SET account = excluded.account WHERE account = excluded.account`, a.Logins, a.ID)
}

// lead has each key lead to a record, by a statement that changes nothing if it leads to
// another one: then ErrExists.
func lead(c *engine.Conn, sql string, keys []signing.Lookup, id string) error {
	for _, key := range keys {
		n, err := c.Exec(sql, key.Serial, key.Sum[:], id)
		if err != nil {
			return err
		}
		if n == 0 {
			return identity.ErrExists
		}
	}
	return nil
}

const accountColumns = `a.id, a.party, a.disabled, a.revision, a.body, a.created, a.updated, a.auth,
	(SELECT mark FROM registers WHERE kind = 'accounts' AND registers.id = a.id)`

func scanAccount(r *engine.Row) identity.AccountRecord {
	return identity.AccountRecord{
		ID: r.Text(), Party: r.Text(), Disabled: r.Bool(), Revision: r.Int64(), Body: r.Bytes(),
		Created: r.Time(), Updated: r.Time(), Auth: r.Bytes(), Mark: r.Bytes(),
	}
}

const (
	LoadAccount  = `SELECT ` + accountColumns + ` FROM accounts a WHERE a.id = ?`
	accountOf    = `SELECT ` + accountColumns + ` FROM accounts a WHERE a.party = ?`
	FindAccount  = `SELECT ` + accountColumns + ` FROM account_logins k CROSS JOIN accounts a ON a.id = k.account WHERE k.serial = ? AND k.sum = ?`
	listAccounts = `SELECT ` + accountColumns + ` FROM accounts a WHERE a.id > ? ORDER BY a.id LIMIT ?`
)

// LoadAccount implements [identity.Accounts].
func (s *Accounts) LoadAccount(ctx context.Context, id string) (a identity.AccountRecord, err error) {
	err = engine.One(ctx, s.DB, identity.ErrNotFound, LoadAccount, func(r *engine.Row) { a = scanAccount(r) }, id)
	if err != nil {
		return identity.AccountRecord{}, fmt.Errorf("loading an account: %w", err)
	}
	return a, nil
}

// LoadAccountOf implements [identity.Accounts].
func (s *Accounts) LoadAccountOf(ctx context.Context, party string) (a identity.AccountRecord, err error) {
	err = engine.One(ctx, s.DB, identity.ErrNotFound, accountOf, func(r *engine.Row) { a = scanAccount(r) }, party)
	if err != nil {
		return identity.AccountRecord{}, fmt.Errorf("loading a party's account: %w", err)
	}
	return a, nil
}

// FindAccount implements [identity.Accounts].
func (s *Accounts) FindAccount(ctx context.Context, keys []signing.Lookup) (identity.AccountRecord, error) {
	a, err := byKeys(ctx, s.DB, keys, FindAccount, scanAccount)
	if err != nil {
		return identity.AccountRecord{}, fmt.Errorf("finding an account: %w", err)
	}
	return a, nil
}

// ListAccounts implements [identity.Accounts].
func (s *Accounts) ListAccounts(ctx context.Context, after string, limit int) ([]identity.AccountRecord, error) {
	as, err := engine.Many(ctx, s.DB, listAccounts, scanAccount, after, max(limit, 0))
	if err != nil {
		return nil, fmt.Errorf("listing accounts: %w", err)
	}
	return as, nil
}
