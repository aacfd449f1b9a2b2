package licenses

import (
	"context"
	"fmt"

	"yizheng.internal/license"
	"yizheng.internal/license/audit"
	"yizheng.internal/signing"
	"yizheng.internal/storage/sqlite/engine"
)

// checkRequest returns ErrRequestTaken if one of a request's keys is known.
func checkRequest(c *engine.Conn, q *license.Request) error {
	if q == nil {
		return nil
	}
	for _, key := range q.Keys {
		known, err := c.Exists("SELECT 1 FROM requests WHERE serial = ? AND sum = ?", key.Serial, key.Sum[:])
		if err != nil {
			return err
		}
		if known {
			return license.ErrRequestTaken
		}
	}
	return nil
}

// saveRequest stores a request under each of its keys.
func saveRequest(c *engine.Conn, q *license.Request) error {
	if q == nil {
		return nil
	}
	for _, key := range q.Keys {
		_, err := c.Exec(`
			INSERT INTO requests (serial, sum, fingerprint_serial, fingerprint, license, version, state, revision, created)
			VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?)`,
			key.Serial, key.Sum[:], q.Fingerprint.Serial, q.Fingerprint.Sum[:],
			string(q.License), q.Version, string(q.State), q.Revision, q.Created)
		if err != nil {
			return err
		}
	}
	return nil
}

const LoadRequest = `
	SELECT fingerprint_serial, fingerprint, license, version, state, revision, created
	FROM requests WHERE serial = ? AND sum = ?`

// LoadRequest implements [license.Store]. The result names the key by which it
// was found.
func (s *Records) LoadRequest(ctx context.Context, keys []signing.Lookup) (license.Request, error) {
	q, err := first(ctx, s.DB, keys, LoadRequest, func(r *engine.Row) license.Request {
		return license.Request{
			Fingerprint: signing.Lookup{Serial: int32(r.Int64()), Sum: r.Sum()},
			License:     audit.ID(r.Text()), Version: r.Int(), State: license.State(r.Text()),
			Revision: r.Int64(), Created: r.Time(),
		}
	})
	if err != nil {
		return license.Request{}, fmt.Errorf("loading an idempotent request: %w", err)
	}
	return q, nil
}

// first reads the row of the first key that has one, or returns ErrNotFound. The
// query's first values are the key's serial and sum.
func first[T any](ctx context.Context, db *engine.DB, keys []signing.Lookup, sql string, scan func(*engine.Row) T, more ...any) (T, error) {
	var result T
	found := false
	err := db.Read(ctx, func(c *engine.Conn) error {
		for _, key := range keys {
			err := c.Query(sql, func(r *engine.Row) { result, found = scan(r), true },
				append([]any{key.Serial, key.Sum[:]}, more...)...)
			if err != nil || found {
				return err
			}
		}
		return license.ErrNotFound
	})
	return result, err
}
