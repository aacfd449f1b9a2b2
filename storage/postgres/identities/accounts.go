package identities

import (
	"context"
	"fmt"

	"github.com/jackc/pgx/v5"

	"yizheng.internal/oidc/identity"
	"yizheng.internal/signing"
	"yizheng.internal/storage/postgres/engine"
	"yizheng.internal/storage/postgres/ledger"
)

// Accounts implements [identity.Accounts].
type Accounts struct{ DB *engine.DB }

// CreateAccount implements [identity.Accounts].
func (s *Accounts) CreateAccount(ctx context.Context, a identity.AccountRecord) error {
	if err := s.DB.Write(ctx, func(b *pgx.Batch) { queueAccount(b, a) }); err != nil {
		return fmt.Errorf("creating account %s: %w", a.ID, err)
	}
	return nil
}

// queueAccount creates an account.
func queueAccount(b *pgx.Batch, a identity.AccountRecord) {
	b.Queue(`INSERT INTO accounts (id, party, disabled, revision, body, created, updated, auth)
		VALUES ($1, $2, $3, 1, $4, $5, $6, $7) ON CONFLICT (id) DO NOTHING`,
		a.ID, a.Party, a.Disabled, a.Body, a.Created, a.Updated, a.Auth).Exec(engine.Changed(identity.ErrExists))
	b.Queue(`INSERT INTO account_parties (party, account) VALUES ($1, $2) ON CONFLICT (party) DO NOTHING`,
		a.Party, a.ID).Exec(engine.Changed(identity.ErrExists))
	queueLogins(b, a)
}

// UpdateAccount implements [identity.Accounts].
func (s *Accounts) UpdateAccount(ctx context.Context, a identity.AccountRecord) error {
	if err := s.DB.Write(ctx, func(b *pgx.Batch) { queueAccountUpdate(b, a) }); err != nil {
		return fmt.Errorf("updating account %s: %w", a.ID, err)
	}
	return nil
}

// queueAccountUpdate saves an account.
func queueAccountUpdate(b *pgx.Batch, a identity.AccountRecord) {
	b.Queue(ledger.Marked(`UPDATE accounts SET disabled = $3, revision = revision + 1, body = $4, updated = $5, auth = $6
		WHERE id = $1 AND revision = $2`, "accounts", 7), a.ID, a.Revision, a.Disabled, a.Body, a.Updated, a.Auth, a.Mark).Exec(engine.Changed(identity.ErrConflict))
	b.Queue(`DELETE FROM account_logins WHERE account = $1`, a.ID)
	queueLogins(b, a)
}

// queueLogins makes logins lead to the account; see queueCodes.
func queueLogins(b *pgx.Batch, a identity.AccountRecord) {
	sums, serials := engine.Columns(a.Logins)
	b.Queue(`INSERT INTO account_logins (sum, serial, account)
		SELECT k.sum, k.serial, $1 FROM unnest($2::bytea[], $3::integer[]) AS k (sum, serial)
		ON CONFLICT (serial, sum) DO NOTHING`, a.ID, sums, serials).Exec(changedAll(len(sums), identity.ErrExists))
}

const accountNames = `a.id, a.party, a.disabled, a.revision, a.body, a.created, a.updated, a.auth,
	(SELECT mark FROM registers WHERE kind = 'accounts' AND registers.id = a.id)`

func scanAccount(row pgx.CollectableRow) (a identity.AccountRecord, err error) {
	return a, row.Scan(&a.ID, &a.Party, &a.Disabled, &a.Revision, &a.Body, &a.Created, &a.Updated, &a.Auth, &a.Mark)
}

const (
	LoadAccount = `SELECT ` + accountNames + ` FROM accounts a WHERE a.id = $1`
	accountOf   = `SELECT ` + accountNames + ` FROM accounts a WHERE a.id = (SELECT account FROM account_parties WHERE party = $1)`
	FindAccount = `SELECT ` + accountNames + ` FROM accounts a
		WHERE a.id = (SELECT account FROM account_logins WHERE serial = $1 AND sum = $2)`
)

// LoadAccount implements [identity.Accounts].
func (s *Accounts) LoadAccount(ctx context.Context, id string) (identity.AccountRecord, error) {
	a, err := engine.One(ctx, s.DB, identity.ErrNotFound, scanAccount, LoadAccount, id)
	if err != nil {
		return identity.AccountRecord{}, fmt.Errorf("loading account %s: %w", id, err)
	}
	return a, nil
}

// LoadAccountOf implements [identity.Accounts].
func (s *Accounts) LoadAccountOf(ctx context.Context, party string) (identity.AccountRecord, error) {
	a, err := engine.One(ctx, s.DB, identity.ErrNotFound, scanAccount, accountOf, party)
	if err != nil {
		return identity.AccountRecord{}, fmt.Errorf("loading the account of party %s: %w", party, err)
	}
	return a, nil
}

// FindAccount implements [identity.Accounts].
func (s *Accounts) FindAccount(ctx context.Context, keys []signing.Lookup) (identity.AccountRecord, error) {
	a, err := byKeys(ctx, s.DB, scanAccount, FindAccount, keys)
	if err != nil {
		return identity.AccountRecord{}, fmt.Errorf("finding an account: %w", err)
	}
	return a, nil
}

// ListAccounts implements [identity.Accounts].
func (s *Accounts) ListAccounts(ctx context.Context, after string, limit int) ([]identity.AccountRecord, error) {
	as, err := engine.Collect(ctx, s.DB, scanAccount, `SELECT `+accountNames+` FROM accounts a WHERE a.id > $1 ORDER BY a.id LIMIT $2`,
		after, max(limit, 0))
	if err != nil {
		return nil, fmt.Errorf("listing accounts: %w", err)
	}
	return as, nil
}
