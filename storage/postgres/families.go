package postgres

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/jackc/pgx/v5"

	"yizheng.internal/oidc"
	"yizheng.internal/oidc/token"
	"yizheng.internal/signing"
	"yizheng.internal/signing/journal"
)

// familyOf names the family that a spent code led to.
const familyOf = `SELECT coalesce(family, '') FROM spent WHERE hash = $1`

// RedeemCode implements [token.FamilyStore]. The unique hash makes the second caller
// wait for the first and lose, also on another node; what the first one did is
// committed then, and is read apart. Codes are redeemed in groups; but not for a
// family that never lives, as when a code comes again, for that one was spent.
func (s *Provider) RedeemCode(ctx context.Context, code [32]byte, keep time.Time, f token.FamilyRecord, es ...journal.Event) (string, error) {
	r := redemption{code, keep, f, es}
	alone := func(ctx context.Context) error { return s.redeem(ctx, r) }
	var err error
	if f.Ended.IsZero() {
		err = s.db.redemptions.write(ctx, r, alone)
	} else {
		err = alone(ctx)
	}
	first := ""
	if errors.Is(err, token.ErrSpent) {
		var rerr error
		if first, rerr = one(ctx, s.db, oidc.ErrNotFound, pgx.RowTo[string], familyOf, code[:]); rerr != nil {
			err = fmt.Errorf("reading what spent it: %w", rerr)
		}
	}
	if err != nil {
		return first, fmt.Errorf("redeeming a code for family %s: %w", f.ID, err)
	}
	return "", nil
}

// redeem redeems one code in a transaction of its own.
func (s *Provider) redeem(ctx context.Context, r redemption) error {
	f := r.family
	sums, serials := columns(f.Party)
	return s.db.write(ctx, func(b *pgx.Batch) {
		b.Queue(`INSERT INTO spent (hash, keep, family) VALUES ($1, $2, $3) ON CONFLICT (hash) DO NOTHING`,
			r.code[:], r.keep, f.ID).Exec(changed(token.ErrSpent))
		b.Queue(`INSERT INTO families (id, client, session, revision, number, rotated, created, expires, ended, ended_by, body, auth)
			VALUES ($1, $2, $3, 1, $4, $5, $6, $7, $8, $9, $10, $11) ON CONFLICT (id) DO NOTHING`,
			f.ID, f.Client, f.Session, f.Number, optional(f.Rotated), f.Created, f.Expires, optional(f.Ended), f.EndedBy, f.Body, f.Auth).
			Exec(changed(oidc.ErrExists))
		b.Queue(`INSERT INTO family_parties (sum, serial, created, family)
			SELECT k.sum, k.serial, $1, $2 FROM unnest($3::bytea[], $4::integer[]) AS k (sum, serial)`,
			f.Created, f.ID, sums, serials)
		queueEvents(b, r.events...)
	})
}

var updateFamily = marked(`UPDATE families SET session = $3, revision = revision + 1, number = $4, rotated = $5, expires = $6,
		ended = $7, ended_by = $8, body = $9, auth = $10
	WHERE id = $1 AND revision = $2`, "families", 11)

// UpdateFamily implements [token.FamilyStore]. What has no event, as when a token is
// refreshed, is written in groups.
func (s *Provider) UpdateFamily(ctx context.Context, f token.FamilyRecord, es ...journal.Event) error {
	var err error
	if len(es) == 0 {
		err = s.rotate(ctx, f)
	} else {
		err = s.db.write(ctx, func(b *pgx.Batch) {
			b.Queue(updateFamily, familyChange(f)...).Exec(changed(oidc.ErrConflict))
			queueEvents(b, es...)
		})
	}
	if err != nil {
		return fmt.Errorf("updating family %s: %w", f.ID, err)
	}
	return nil
}

// rotate updates a family alone, or in a group.
func (s *Provider) rotate(ctx context.Context, f token.FamilyRecord) error {
	r, byItself := rotation{f, new(bool)}, false
	err := s.db.rotations.write(ctx, r, func(ctx context.Context) error {
		byItself = true
		return s.rotateAlone(ctx, f)
	})
	if err == nil && !byItself && !*r.saved {
		return oidc.ErrConflict
	}
	return err
}

func (s *Provider) rotateAlone(ctx context.Context, f token.FamilyRecord) error {
	return s.db.writeOne(ctx, changed(oidc.ErrConflict), updateFamily, familyChange(f)...)
}

// familyChange are the parameters of [updateFamily].
func familyChange(f token.FamilyRecord) []any {
	return []any{f.ID, f.Revision, f.Session, f.Number, optional(f.Rotated), f.Expires, optional(f.Ended), f.EndedBy, f.Body, f.Auth, f.Mark}
}

const familyNames = `f.id, f.client, f.session, f.revision, f.number, f.rotated, f.created, f.expires, f.ended, f.ended_by,
	f.body, f.auth, (SELECT mark FROM registers WHERE kind = 'families' AND registers.id = f.id)`

func scanFamily(row pgx.CollectableRow) (f token.FamilyRecord, err error) {
	var rotated, ended *time.Time
	err = row.Scan(&f.ID, &f.Client, &f.Session, &f.Revision, &f.Number, &rotated, &f.Created, &f.Expires, &ended,
		&f.EndedBy, &f.Body, &f.Auth, &f.Mark)
	f.Rotated, f.Ended = moment(rotated), moment(ended)
	return f, err
}

const loadFamily = `SELECT ` + familyNames + ` FROM families f WHERE f.id = $1`

// LoadFamily implements [token.FamilyStore].
func (s *Provider) LoadFamily(ctx context.Context, id string) (token.FamilyRecord, error) {
	f, err := one(ctx, s.db, oidc.ErrNotFound, scanFamily, loadFamily, id)
	if err != nil {
		return token.FamilyRecord{}, fmt.Errorf("loading family %s: %w", id, err)
	}
	return f, nil
}

// familiesOf seeks each family by its id; see sessionsOf.
const familiesOf = `SELECT ` + familyNames + ` FROM family_parties k
	CROSS JOIN LATERAL (SELECT * FROM families WHERE id = k.family OFFSET 0) f
	WHERE k.serial = $1 AND k.sum = $2 AND f.ended IS NULL AND f.expires > $3
	ORDER BY k.created DESC, k.family DESC LIMIT $4`

// ListFamilies implements [token.FamilyStore], with a query for each key.
func (s *Provider) ListFamilies(ctx context.Context, party []signing.Lookup, at time.Time, limit int) ([]token.FamilyRecord, error) {
	all, err := ofParty(ctx, s.db, scanFamily, familiesOf, party, at, limit)
	if err != nil {
		return nil, fmt.Errorf("listing families: %w", err)
	}
	slices.SortFunc(all, func(a, b token.FamilyRecord) int {
		return cmp.Or(b.Created.Compare(a.Created), strings.Compare(b.ID, a.ID))
	})
	all = slices.CompactFunc(all, func(a, b token.FamilyRecord) bool { return a.ID == b.ID })
	return all[:min(len(all), max(limit, 0))], nil
}

// FamiliesAfter implements [provider.OldRecords].
func (s *Provider) FamiliesAfter(ctx context.Context, after string, limit int) ([]token.FamilyRecord, error) {
	all, err := collect(ctx, s.db, scanFamily, `SELECT `+familyNames+` FROM families f WHERE f.id > $1 ORDER BY f.id LIMIT $2`,
		after, max(limit, 0))
	if err != nil {
		return nil, fmt.Errorf("listing all families: %w", err)
	}
	return all, nil
}
