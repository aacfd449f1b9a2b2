package licenses

import (
	"context"
	"fmt"

	"github.com/jackc/pgx/v5"

	"yizheng.internal/license"
	"yizheng.internal/signing"
	"yizheng.internal/storage/postgres/engine"
)

// queueRequest remembers a request under each of its keys. The second of two
// that race waits for the first, and loses if that commits.
func queueRequest(b *pgx.Batch, r license.Request) {
	for _, key := range engine.Sorted(r.Keys) {
		b.Queue(`INSERT INTO requests (sum, serial, fingerprint, fingerprint_serial, license, version, state, revision,
				created)
			VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9) ON CONFLICT (serial, sum) DO NOTHING`,
			key.Sum[:], key.Serial, r.Fingerprint.Sum[:], r.Fingerprint.Serial, r.License, r.Version, r.State, r.Revision,
			r.Created).
			Exec(engine.Changed(license.ErrRequestTaken))
	}
}

const LoadRequest = `SELECT fingerprint, fingerprint_serial, license, version, state, revision, created
	FROM requests WHERE serial = $1 AND sum = $2`

// LoadRequest implements [license.Store]. The request's Keys are the one under
// which it was found.
func (s *Records) LoadRequest(ctx context.Context, keys []signing.Lookup) (license.Request, error) {
	var found *license.Request
	err := s.db.Read(ctx, func(b *pgx.Batch) {
		for _, key := range keys {
			b.Queue(LoadRequest, key.Serial, key.Sum[:]).QueryRow(func(row pgx.Row) error {
				r := license.Request{Keys: []signing.Lookup{key}}
				var fingerprint []byte
				err := row.Scan(&fingerprint, &r.Fingerprint.Serial, &r.License, &r.Version, &r.State, &r.Revision, &r.Created)
				if err != nil {
					return engine.Missing(err, nil)
				}
				if r.Fingerprint.Sum, err = engine.Sum(fingerprint); err == nil && found == nil {
					found = &r
				}
				return err
			})
		}
	})
	if err == nil && found == nil {
		err = license.ErrNotFound
	}
	if err != nil {
		return license.Request{}, fmt.Errorf("loading a request: %w", err)
	}
	return *found, nil
}
