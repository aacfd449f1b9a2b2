package ledger

import (
	"context"
	"encoding/json"
	"fmt"

	"yizheng.internal/signing"
	"yizheng.internal/storage/sqlite/engine"
)

// Keys implements [signing.Records] and [signing.RevocationLists].
type Keys struct{ DB *engine.DB }

// CreateKey implements [signing.Records]. Unique indexes make the second caller
// lose.
func (s *Keys) CreateKey(ctx context.Context, k signing.KeyRecord) error {
	chain, err := chainText(k.Chain)
	if err != nil {
		return fmt.Errorf("creating key %s: %w", k.ID, err)
	}
	err = s.DB.Write(ctx, func(c *engine.Conn) error {
		exists, err := c.Exists(`
			SELECT 1 FROM signing_keys WHERE id = ? OR purpose = ? AND owner = ? AND serial = ?`,
			string(k.ID), string(k.Purpose), k.Owner, k.Serial)
		if err != nil {
			return err
		}
		if exists {
			return signing.ErrExists
		}
		_, err = c.Exec(`
			INSERT INTO signing_keys (id, purpose, owner, serial, algorithm, state, public_key, chain,
				wrapped, wrapped_by, created, activated, retired, revoked, reason, thumbprint, revision, auth)
			VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, 1, ?)`,
			string(k.ID), string(k.Purpose), k.Owner, k.Serial, k.Algorithm, string(k.State), k.PublicKey, chain,
			k.Wrapped, string(k.WrappedBy), k.Created, engine.Optional(k.Activated), engine.Optional(k.Retired), engine.Optional(k.Revoked), k.Reason, k.Thumbprint, k.Auth)
		return engine.Taken(err, signing.ErrConflict) // what is left is signing_keys_one_active
	})
	if err != nil {
		return fmt.Errorf("creating key %s: %w", k.ID, err)
	}
	return nil
}

// UpdateKeys implements [signing.Records].
func (s *Keys) UpdateKeys(ctx context.Context, ks ...signing.KeyRecord) error {
	err := s.DB.Write(ctx, func(c *engine.Conn) error {
		for _, k := range ks {
			if err := updateKey(c, k); err != nil {
				return fmt.Errorf("key %s: %w", k.ID, engine.Taken(err, signing.ErrConflict))
			}
		}
		return nil
	})
	if err != nil {
		return fmt.Errorf("updating keys: %w", err)
	}
	return nil
}

func updateKey(c *engine.Conn, k signing.KeyRecord) error {
	chain, err := chainText(k.Chain)
	if err != nil {
		return err
	}
	n, err := c.Exec(`
		UPDATE signing_keys SET algorithm = ?, state = ?, public_key = ?, chain = ?, wrapped = ?, wrapped_by = ?,
			activated = ?, retired = ?, revoked = ?, reason = ?, revision = revision + 1, auth = ?
		WHERE id = ? AND revision = ?`,
		k.Algorithm, string(k.State), k.PublicKey, chain, k.Wrapped, string(k.WrappedBy),
		engine.Optional(k.Activated), engine.Optional(k.Retired), engine.Optional(k.Revoked), k.Reason, k.Auth, string(k.ID), k.Revision)
	if err == nil && n == 0 {
		return signing.ErrConflict
	}
	if err != nil {
		return err
	}
	return SaveMark(c, "keys", string(k.ID), k.Mark)
}

// chainText returns certificates as the table keeps them, NULL for none.
func chainText(chain [][]byte) (any, error) {
	if chain == nil {
		return nil, nil
	}
	text, err := json.Marshal(chain)
	return string(text), err
}

const keyColumns = `id, purpose, owner, serial, algorithm, state, public_key, chain,
	wrapped, wrapped_by, created, activated, retired, revoked, reason, thumbprint, revision, auth,
	(SELECT mark FROM registers WHERE kind = 'keys' AND registers.id = signing_keys.id)`

func scanKey(r *engine.Row) signing.KeyRecord {
	k := signing.KeyRecord{
		ID: signing.KeyID(r.Text()), Purpose: signing.Purpose(r.Text()), Owner: r.Text(), Serial: int32(r.Int64()),
		Algorithm: r.Text(), State: signing.KeyState(r.Text()), PublicKey: r.Bytes(),
	}
	if chain := r.Text(); chain != "" {
		r.Fail(json.Unmarshal([]byte(chain), &k.Chain))
	}
	k.Wrapped, k.WrappedBy, k.Created = r.Bytes(), signing.KeyID(r.Text()), r.Time()
	k.Activated, k.Retired, k.Revoked = r.Time(), r.Time(), r.Time()
	k.Reason, k.Thumbprint, k.Revision, k.Auth, k.Mark = r.Text(), r.Text(), r.Int64(), r.Bytes(), r.Bytes()
	return k
}

// LoadKey implements [signing.Records].
func (s *Keys) LoadKey(ctx context.Context, id signing.KeyID) (signing.KeyRecord, error) {
	var k signing.KeyRecord
	err := engine.One(ctx, s.DB, signing.ErrNoKey, "SELECT "+keyColumns+" FROM signing_keys WHERE id = ?",
		func(r *engine.Row) { k = scanKey(r) }, string(id))
	if err != nil {
		return signing.KeyRecord{}, fmt.Errorf("loading key %s: %w", id, err)
	}
	return k, nil
}

// ListKeys implements [signing.Records].
func (s *Keys) ListKeys(ctx context.Context, purpose signing.Purpose) ([]signing.KeyRecord, error) {
	ks, err := engine.Many(ctx, s.DB, "SELECT "+keyColumns+` FROM signing_keys
		WHERE ?1 = '' OR purpose = ?1 ORDER BY purpose, owner, serial`, scanKey, string(purpose))
	if err != nil {
		return nil, fmt.Errorf("listing keys: %w", err)
	}
	return ks, nil
}
