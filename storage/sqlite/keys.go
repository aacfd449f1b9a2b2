package sqlite

import (
	"context"
	"encoding/json"
	"fmt"

	"yizheng.internal/signing"
)

// CreateKey implements [signing.Records]. Unique indexes make the second caller
// lose.
func (s *Keys) CreateKey(ctx context.Context, k signing.KeyRecord) error {
	chain, err := chainText(k.Chain)
	if err != nil {
		return fmt.Errorf("creating key %s: %w", k.ID, err)
	}
	err = s.db.writer.do(ctx, func(c *conn) error {
		exists, err := c.exists(`
			SELECT 1 FROM signing_keys WHERE id = ? OR purpose = ? AND owner = ? AND serial = ?`,
			string(k.ID), string(k.Purpose), k.Owner, k.Serial)
		if err != nil {
			return err
		}
		if exists {
			return signing.ErrExists
		}
		_, err = c.exec(`
			INSERT INTO signing_keys (id, purpose, owner, serial, algorithm, state, public_key, chain,
				wrapped, wrapped_by, created, activated, retired, revoked, reason, thumbprint, revision, auth)
			VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, 1, ?)`,
			string(k.ID), string(k.Purpose), k.Owner, k.Serial, k.Algorithm, string(k.State), k.PublicKey, chain,
			k.Wrapped, string(k.WrappedBy), k.Created, optional(k.Activated), optional(k.Retired), optional(k.Revoked), k.Reason, k.Thumbprint, k.Auth)
		return taken(err, signing.ErrConflict) // what is left is signing_keys_one_active
	})
	if err != nil {
		return fmt.Errorf("creating key %s: %w", k.ID, err)
	}
	return nil
}

// UpdateKeys implements [signing.Records].
func (s *Keys) UpdateKeys(ctx context.Context, ks ...signing.KeyRecord) error {
	err := s.db.writer.do(ctx, func(c *conn) error {
		for _, k := range ks {
			if err := updateKey(c, k); err != nil {
				return fmt.Errorf("key %s: %w", k.ID, taken(err, signing.ErrConflict))
			}
		}
		return nil
	})
	if err != nil {
		return fmt.Errorf("updating keys: %w", err)
	}
	return nil
}

func updateKey(c *conn, k signing.KeyRecord) error {
	chain, err := chainText(k.Chain)
	if err != nil {
		return err
	}
	n, err := c.exec(`
		UPDATE signing_keys SET algorithm = ?, state = ?, public_key = ?, chain = ?, wrapped = ?, wrapped_by = ?,
			activated = ?, retired = ?, revoked = ?, reason = ?, revision = revision + 1, auth = ?
		WHERE id = ? AND revision = ?`,
		k.Algorithm, string(k.State), k.PublicKey, chain, k.Wrapped, string(k.WrappedBy),
		optional(k.Activated), optional(k.Retired), optional(k.Revoked), k.Reason, k.Auth, string(k.ID), k.Revision)
	if err == nil && n == 0 {
		return signing.ErrConflict
	}
	if err != nil {
		return err
	}
	return saveMark(c, "keys", string(k.ID), k.Mark)
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

func scanKey(r *row) signing.KeyRecord {
	k := signing.KeyRecord{
		ID: signing.KeyID(r.text()), Purpose: signing.Purpose(r.text()), Owner: r.text(), Serial: int32(r.int64()),
		Algorithm: r.text(), State: signing.KeyState(r.text()), PublicKey: r.bytes(),
	}
	if chain := r.text(); chain != "" {
		r.fail(json.Unmarshal([]byte(chain), &k.Chain))
	}
	k.Wrapped, k.WrappedBy, k.Created = r.bytes(), signing.KeyID(r.text()), r.time()
	k.Activated, k.Retired, k.Revoked = r.time(), r.time(), r.time()
	k.Reason, k.Thumbprint, k.Revision, k.Auth, k.Mark = r.text(), r.text(), r.int64(), r.bytes(), r.bytes()
	return k
}

// LoadKey implements [signing.Records].
func (s *Keys) LoadKey(ctx context.Context, id signing.KeyID) (signing.KeyRecord, error) {
	var k signing.KeyRecord
	err := one(ctx, s.db, signing.ErrNoKey, "SELECT "+keyColumns+" FROM signing_keys WHERE id = ?",
		func(r *row) { k = scanKey(r) }, string(id))
	if err != nil {
		return signing.KeyRecord{}, fmt.Errorf("loading key %s: %w", id, err)
	}
	return k, nil
}

// ListKeys implements [signing.Records].
func (s *Keys) ListKeys(ctx context.Context, purpose signing.Purpose) ([]signing.KeyRecord, error) {
	ks, err := many(ctx, s.db, "SELECT "+keyColumns+` FROM signing_keys
		WHERE ?1 = '' OR purpose = ?1 ORDER BY purpose, owner, serial`, scanKey, string(purpose))
	if err != nil {
		return nil, fmt.Errorf("listing keys: %w", err)
	}
	return ks, nil
}
