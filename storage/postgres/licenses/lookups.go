package licenses

import (
	"cmp"
	"context"
	"fmt"
	"slices"

	"github.com/jackc/pgx/v5"

	"yizheng.internal/license"
	"yizheng.internal/signing"
	"yizheng.internal/storage/postgres/engine"
)

// queueLookups adds lookup rows that lead to a place, by table and then by sum.
// With renew, those that are there already lead to the new version; without, they
// stay. Numbers stand as the rows say either way.
func queueLookups(b *pgx.Batch, at license.Located, rows []license.LookupRow, renew bool) {
	queueIdentifiers(b, at, rows, renew)
	queueNumbers(b, at, rows)
	for _, row := range lookups(rows, license.LookupHolder) {
		b.Queue(`INSERT INTO holdings (sum, serial, license) VALUES ($1, $2, $3)
			ON CONFLICT (serial, sum, license) DO NOTHING`, row.Sum[:], row.Serial, at.License)
	}
}

// queueIdentifiers relies on the unique index: DO UPDATE looks at the row that is
// there now, also one that was committed while this statement waited for it.
func queueIdentifiers(b *pgx.Batch, at license.Located, rows []license.LookupRow, renew bool) {
	for _, row := range lookups(rows, license.LookupIdentifier, license.LookupVerification) {
		b.Queue(`INSERT INTO identifiers (sum, serial, kind, license, version) VALUES ($1, $2, $3, $4, $5)
			ON CONFLICT (serial, sum, kind) DO UPDATE
			SET version = CASE WHEN $6 THEN excluded.version ELSE identifiers.version END
			WHERE identifiers.license = excluded.license`,
			row.Sum[:], row.Serial, row.kind, at.License, at.Version, renew).
			Exec(engine.Changed(license.ErrIdentifierTaken))
	}
}

// queueNumbers keeps an exclusive number from all others. Two exclusive rows
// collide in the unique index; an exclusive and a shared one, as meet when a type
// changes its policy, are kept apart by a lock on the number. A former one meets nobody.
func queueNumbers(b *pgx.Batch, at license.Located, rows []license.LookupRow) {
	numbers := lookups(rows, license.LookupNumber)
	for _, row := range numbers {
		b.Queue(`SELECT pg_advisory_xact_lock($1)`, engine.LockKey("number", string(row.Sum[:])))
	}
	for _, row := range numbers {
		b.Queue(`SELECT EXISTS (SELECT FROM numbers
			WHERE serial = $1 AND sum = $2 AND license <> $3 AND NOT former AND NOT $5::boolean AND (exclusive OR $4::boolean))`,
			row.Serial, row.Sum[:], at.License, row.exclusive, row.former).QueryRow(func(row pgx.Row) error {
			var taken bool
			if err := row.Scan(&taken); err != nil {
				return err
			}
			if taken {
				return license.ErrNumberTaken
			}
			return nil
		})
		b.Queue(`INSERT INTO numbers (sum, serial, license, exclusive, former) VALUES ($1, $2, $3, $4, $5)
			ON CONFLICT (serial, sum, license) DO UPDATE SET exclusive = excluded.exclusive, former = excluded.former
			WHERE numbers.exclusive <> excluded.exclusive OR numbers.former <> excluded.former`,
			row.Sum[:], row.Serial, at.License, row.exclusive, row.former)
	}
}

// lookup is one lookup key of a row.
type lookup struct {
	signing.Lookup
	kind      license.LookupKind
	exclusive bool
	former    bool
}

// lookups returns the keys of the rows of some kinds, each once, in the order in
// which everyone locks them.
func lookups(rows []license.LookupRow, kinds ...license.LookupKind) []lookup {
	var all []lookup
	for _, row := range rows {
		if !slices.Contains(kinds, row.Kind) {
			continue
		}
		for _, key := range row.Keys {
			all = append(all, lookup{key, row.Kind, row.Exclusive && !row.Former, row.Former})
		}
	}
	compare := func(a, b lookup) int {
		return cmp.Or(engine.CompareLookups(a.Lookup, b.Lookup), cmp.Compare(a.kind, b.kind))
	}
	slices.SortStableFunc(all, compare)
	return slices.CompactFunc(all, func(a, b lookup) bool { return compare(a, b) == 0 })
}

const Locate = `SELECT license, version FROM identifiers WHERE serial = $1 AND sum = $2 AND kind = $3`

// Locate implements [license.Store].
func (s *Records) Locate(ctx context.Context, kind license.LookupKind, keys []signing.Lookup) (license.Located, error) {
	var found license.Located
	err := s.db.Read(ctx, func(b *pgx.Batch) {
		for _, key := range keys {
			b.Queue(Locate, key.Serial, key.Sum[:], kind).QueryRow(func(row pgx.Row) error {
				var at license.Located
				if err := row.Scan(&at.License, &at.Version); err != nil {
					return engine.Missing(err, nil)
				}
				if found.License == "" {
					found = at
				}
				return nil
			})
		}
	})
	if err == nil && found.License == "" {
		err = license.ErrNotFound
	}
	if err != nil {
		return license.Located{}, fmt.Errorf("locating by %s: %w", kind, err)
	}
	return found, nil
}

// Versions implements [license.LookupStore].
func (s *Records) Versions(ctx context.Context, after license.Located, limit int) ([]license.VersionRecord, error) {
	var all []license.VersionRecord
	err := s.db.Read(ctx, func(b *pgx.Batch) {
		b.Queue(`SELECT `+VersionNames+` FROM license_versions v
			WHERE (v.license, v.version) > ($1, $2) ORDER BY v.license, v.version LIMIT $3`,
			after.License, after.Version, limit).Query(func(rows pgx.Rows) (err error) {
			all, err = pgx.CollectRows(rows, func(row pgx.CollectableRow) (v license.VersionRecord, err error) {
				var c VersionColumns
				err = row.Scan(c.Targets(&v)...)
				c.Fill(&v)
				return v, err
			})
			return err
		})
	})
	if err != nil {
		return nil, fmt.Errorf("listing versions: %w", err)
	}
	return all, nil
}

// AddLookups implements [license.LookupStore].
func (s *Records) AddLookups(ctx context.Context, at license.Located, revision int64, rows []license.LookupRow) error {
	err := s.db.Write(ctx, func(b *pgx.Batch) {
		b.Queue(`SELECT version FROM license_versions WHERE license = $1 AND version = $2`, at.License, at.Version).
			QueryRow(func(row pgx.Row) error {
				return engine.Missing(row.Scan(new(int)), license.ErrNotFound)
			})
		b.Queue(`SELECT revision FROM licenses WHERE id = $1 FOR SHARE`, at.License).QueryRow(func(row pgx.Row) error {
			var stored int64
			if err := row.Scan(&stored); err != nil {
				return engine.Missing(err, license.ErrNotFound)
			}
			if stored != revision {
				return license.ErrConflict
			}
			return nil
		})
		queueLookups(b, at, rows, false)
	})
	if engine.Violates(err, "numbers_") {
		err = license.ErrNumberTaken
	}
	if err != nil {
		return fmt.Errorf("adding lookup keys of license %s: %w", at.License, err)
	}
	return nil
}

// purges delete up to some lookup keys of a serial, a statement a table.
var purges = []string{
	`WITH doomed AS (SELECT sum, kind FROM identifiers WHERE serial = $1 LIMIT $2 FOR UPDATE SKIP LOCKED)
	DELETE FROM identifiers t USING doomed d WHERE t.serial = $1 AND t.sum = d.sum AND t.kind = d.kind`,
	`WITH doomed AS (SELECT sum, license FROM numbers WHERE serial = $1 LIMIT $2 FOR UPDATE SKIP LOCKED)
	DELETE FROM numbers t USING doomed d WHERE t.serial = $1 AND t.sum = d.sum AND t.license = d.license`,
	`WITH doomed AS (SELECT sum, license FROM holdings WHERE serial = $1 LIMIT $2 FOR UPDATE SKIP LOCKED)
	DELETE FROM holdings t USING doomed d WHERE t.serial = $1 AND t.sum = d.sum AND t.license = d.license`,
	`WITH doomed AS (SELECT sum FROM requests WHERE serial = $1 LIMIT $2 FOR UPDATE SKIP LOCKED)
	DELETE FROM requests t USING doomed d WHERE t.serial = $1 AND t.sum = d.sum`,
	`WITH doomed AS (SELECT sum, grant_id FROM grant_parties WHERE serial = $1 LIMIT $2 FOR UPDATE SKIP LOCKED)
	DELETE FROM grant_parties t USING doomed d WHERE t.serial = $1 AND t.sum = d.sum AND t.grant_id = d.grant_id`,
	`WITH doomed AS (SELECT sum, seq FROM access_parties WHERE serial = $1 LIMIT $2 FOR UPDATE SKIP LOCKED)
	DELETE FROM access_parties t USING doomed d WHERE t.serial = $1 AND t.sum = d.sum AND t.seq = d.seq`,
	`WITH doomed AS (SELECT sum FROM party_codes WHERE serial = $1 LIMIT $2 FOR UPDATE SKIP LOCKED)
	DELETE FROM party_codes t USING doomed d WHERE t.serial = $1 AND t.sum = d.sum`,
	`WITH doomed AS (SELECT sum FROM account_logins WHERE serial = $1 LIMIT $2 FOR UPDATE SKIP LOCKED)
	DELETE FROM account_logins t USING doomed d WHERE t.serial = $1 AND t.sum = d.sum`,
	`WITH doomed AS (SELECT sum FROM link_keys WHERE serial = $1 LIMIT $2 FOR UPDATE SKIP LOCKED)
	DELETE FROM link_keys t USING doomed d WHERE t.serial = $1 AND t.sum = d.sum`,
	`WITH doomed AS (SELECT sum FROM representation_keys WHERE serial = $1 LIMIT $2 FOR UPDATE SKIP LOCKED)
	DELETE FROM representation_keys t USING doomed d WHERE t.serial = $1 AND t.sum = d.sum`,
	`WITH doomed AS (SELECT sum FROM representation_uniques WHERE serial = $1 LIMIT $2 FOR UPDATE SKIP LOCKED)
	DELETE FROM representation_uniques t USING doomed d WHERE t.serial = $1 AND t.sum = d.sum`,
	`WITH doomed AS (SELECT sum, created, session FROM session_parties WHERE serial = $1 LIMIT $2 FOR UPDATE SKIP LOCKED)
	DELETE FROM session_parties t USING doomed d
		WHERE t.serial = $1 AND t.sum = d.sum AND t.created = d.created AND t.session = d.session`,
	`WITH doomed AS (SELECT sum, created, family FROM family_parties WHERE serial = $1 LIMIT $2 FOR UPDATE SKIP LOCKED)
	DELETE FROM family_parties t USING doomed d
		WHERE t.serial = $1 AND t.sum = d.sum AND t.created = d.created AND t.family = d.family`,
}

// PurgeLookups implements [license.LookupStore]. What is locked by another
// purge is left to it.
func (s *Records) PurgeLookups(ctx context.Context, serial int32, limit int) (int, error) {
	var purged int
	err := s.db.InTx(ctx, func(ctx context.Context, tx *pgx.Conn) error {
		purged = 0
		for _, sql := range purges {
			if purged >= limit {
				break
			}
			tag, err := tx.Exec(ctx, sql, serial, limit-purged)
			if err != nil {
				return err
			}
			purged += int(tag.RowsAffected())
		}
		return nil
	})
	if err != nil {
		return 0, fmt.Errorf("purging lookup keys: %w", err)
	}
	return purged, nil
}
