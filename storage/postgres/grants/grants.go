// Package grants keeps in PostgreSQL what holders agreed to, the use codes of that, and the
// records of who read what.
package grants

import (
	"cmp"
	"context"
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/jackc/pgx/v5"

	"yizheng.internal/license"
	"yizheng.internal/license/grant"
	"yizheng.internal/signing"
	"yizheng.internal/signing/journal"
	"yizheng.internal/storage/postgres/engine"
	"yizheng.internal/storage/postgres/ledger"
)

// Grants implements [grant.Stores].
type Grants struct{ DB *engine.DB }

// SaveGrant implements [grant.Store]. The grant is locked first, as by
// SaveUse, so that the two don't wait for each other.
func (s *Grants) SaveGrant(ctx context.Context, g grant.Record, codes []grant.UseCodeRecord, e journal.Event) error {
	err := s.DB.Write(ctx, func(b *pgx.Batch) {
		queueGrant(b, g)
		for _, c := range codes {
			b.Queue(`INSERT INTO use_codes (grant_id, hash, license, version, number, created, first, auth)
				VALUES ($1, $2, $3, $4, $5, $6, $7, $8)`,
				c.Grant, c.Hash[:], c.License, c.Version, c.Number, c.Created, engine.Optional(c.First), c.Auth)
		}
		ledger.QueueEvents(b, e)
	})
	if engine.Violates(err, "use_codes_") {
		err = license.ErrConflict
	}
	if err != nil {
		return fmt.Errorf("saving grant %s: %w", g.ID, err)
	}
	return nil
}

// queueGrant stores a new grant with its party's keys, or locks a stored one and
// changes it. Client, item, basis and times of creation never change.
func queueGrant(b *pgx.Batch, g grant.Record) {
	if g.Revision > 0 {
		b.Queue(`SELECT revision FROM grants WHERE id = $1 FOR UPDATE`, g.ID).QueryRow(revisionIs(g.Revision))
		b.Queue(ledger.Marked(`UPDATE grants SET revision = revision + 1, state = $2, expires = $3, body = $4, code = $5, auth = $6 WHERE id = $1`, "grants", 7),
			g.ID, g.State, g.Expires, g.Body, g.Code, g.Auth, g.Mark).Exec(engine.Changed(license.ErrConflict))
		return
	}
	b.Queue(`INSERT INTO grants (id, revision, state, client, item, basis, recurring, created, expires, body, code, auth)
		VALUES ($1, 1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11) ON CONFLICT (id) DO NOTHING`,
		g.ID, g.State, g.Client, g.Item, g.Basis, g.Recurring, g.Created, g.Expires, g.Body, g.Code, g.Auth).
		Exec(engine.Changed(license.ErrConflict))
	for _, key := range engine.Sorted(g.Party) {
		b.Queue(`INSERT INTO grant_parties (sum, serial, created, grant_id) VALUES ($1, $2, $3, $4)`,
			key.Sum[:], key.Serial, g.Created, g.ID)
	}
}

// revisionIs returns a callback that expects its row to hold that revision: it returns
// ErrNotFound if there is no row, and ErrConflict for another revision.
func revisionIs(want int64) func(pgx.Row) error {
	return func(row pgx.Row) error {
		var revision int64
		if err := row.Scan(&revision); err != nil {
			return engine.Missing(err, license.ErrNotFound)
		}
		if revision != want {
			return license.ErrConflict
		}
		return nil
	}
}

// grantNames are the columns that grantTargets takes, of grants AS g.
const grantNames = `g.id, g.revision, g.state, g.client, g.item, g.basis, g.recurring, g.created, g.expires, g.body, g.code,
	g.auth, (SELECT mark FROM registers WHERE kind = 'grants' AND registers.id = g.id)`

func grantTargets(g *grant.Record) []any {
	return []any{&g.ID, &g.Revision, &g.State, &g.Client, &g.Item, &g.Basis, &g.Recurring, &g.Created, &g.Expires,
		&g.Body, &g.Code, &g.Auth, &g.Mark}
}

func scanGrant(row pgx.CollectableRow) (g grant.Record, err error) {
	return g, row.Scan(grantTargets(&g)...)
}

// codeNames are the columns that codeColumns takes, of use_codes AS c.
const codeNames = `c.grant_id, c.hash, c.license, c.version, c.number, c.created, c.first, c.auth`

// codeColumns holds what of a use code's row isn't of the record's type.
type codeColumns struct {
	hash  []byte
	first *time.Time
}

func (cs *codeColumns) targets(c *grant.UseCodeRecord) []any {
	return []any{&c.Grant, &cs.hash, &c.License, &c.Version, &c.Number, &c.Created, &cs.first, &c.Auth}
}

func (cs *codeColumns) fill(c *grant.UseCodeRecord) (err error) {
	if cs.first != nil {
		c.First = *cs.first
	}
	c.Hash, err = engine.Sum(cs.hash)
	return err
}

func scanCode(row pgx.CollectableRow) (c grant.UseCodeRecord, err error) {
	var cs codeColumns
	if err := row.Scan(cs.targets(&c)...); err != nil {
		return c, err
	}
	return c, cs.fill(&c)
}

const (
	LoadGrant  = `SELECT ` + grantNames + ` FROM grants g WHERE g.id = $1`
	GrantCodes = `SELECT ` + codeNames + ` FROM use_codes c WHERE c.grant_id = $1 ORDER BY c.license, c.number`
)

// LoadGrant implements [grant.Store]. The grant is read first: a change
// in between shows in its revision when it is saved.
func (s *Grants) LoadGrant(ctx context.Context, id grant.ID) (grant.Record, []grant.UseCodeRecord, error) {
	var g grant.Record
	var codes []grant.UseCodeRecord
	err := s.DB.Read(ctx, func(b *pgx.Batch) {
		b.Queue(LoadGrant, id).QueryRow(func(row pgx.Row) error {
			return engine.Missing(row.Scan(grantTargets(&g)...), license.ErrNotFound)
		})
		b.Queue(GrantCodes, id).Query(func(rows pgx.Rows) (err error) {
			codes, err = pgx.CollectRows(rows, scanCode)
			return err
		})
	})
	if err != nil {
		return grant.Record{}, nil, fmt.Errorf("loading grant %s: %w", id, err)
	}
	return g, codes, nil
}

const (
	GrantsFirst = `SELECT grant_id FROM grant_parties WHERE serial = $1 AND sum = $2
		ORDER BY created DESC, grant_id LIMIT $3`
	GrantsAfter = `SELECT grant_id FROM grant_parties WHERE serial = $1 AND sum = $2
		AND created <= $4 AND (created < $4 OR grant_id > $5) ORDER BY created DESC, grant_id LIMIT $3`
)

// ListGrants implements [grant.Store]. The party's keys are followed
// first, and then the grants that they lead to are sought by id, as in Search.
func (s *Grants) ListGrants(ctx context.Context, party []signing.Lookup, before license.Cursor, limit int) ([]grant.Record, error) {
	all, err := s.grantsOf(ctx, party, before, limit)
	if err != nil {
		return nil, fmt.Errorf("listing grants: %w", err)
	}
	slices.SortFunc(all, func(a, b grant.Record) int {
		return cmp.Or(b.Created.Compare(a.Created), strings.Compare(string(a.ID), string(b.ID)))
	})
	return all[:min(len(all), limit)], nil
}

func (s *Grants) grantsOf(ctx context.Context, party []signing.Lookup, before license.Cursor, limit int) ([]grant.Record, error) {
	var ids []string
	collect := func(rows pgx.Rows) error {
		more, err := pgx.CollectRows(rows, pgx.RowTo[string])
		ids = append(ids, more...)
		return err
	}
	err := s.DB.Read(ctx, func(b *pgx.Batch) {
		for _, key := range engine.Sorted(party) {
			if before == (license.Cursor{}) {
				b.Queue(GrantsFirst, key.Serial, key.Sum[:], limit).Query(collect)
			} else {
				b.Queue(GrantsAfter, key.Serial, key.Sum[:], limit, before.Created, before.ID).Query(collect)
			}
		}
	})
	if err != nil || len(ids) == 0 {
		return nil, err
	}
	slices.Sort(ids)
	return engine.ForValues(ctx, s.DB, scanGrant, `SELECT `+grantNames+` FROM grants g WHERE g.id = ANY($1)`, slices.Compact(ids))
}
