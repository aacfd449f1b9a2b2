package provider

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/jackc/pgx/v5"

	"yizheng.internal/oidc"
	"yizheng.internal/oidc/token"
	"yizheng.internal/signing"
	"yizheng.internal/signing/journal"
	"yizheng.internal/storage/postgres/engine"
	"yizheng.internal/storage/postgres/ledger"
)

// Families implements [token.FamilyStore], and lists all families.
type Families struct {
	db          *engine.DB
	Redemptions *engine.Group[Redemption]
	Rotations   *engine.Group[Rotation]
}

func NewFamilies(db *engine.DB) *Families {
	return &Families{db, engine.NewGroup(db, queueRedemptions, redemptionKeys, redemptionIDs), engine.NewGroup(db, queueRotations, rotationKeys, rotationIDs)}
}

// Drain waits until nothing waits to be written.
func (s *Families) Drain() {
	s.Redemptions.Drain()
	s.Rotations.Drain()
}

// FamilyOf names the family that a spent code led to.
const FamilyOf = `SELECT coalesce(family, '') FROM spent WHERE hash = $1`

// RedeemCode implements [token.FamilyStore]. The unique hash makes the second caller
// wait for the first and lose, also on another node; what the first one did is
// committed then, and is read apart. Codes are redeemed in groups; but not for a
// family that never lives, as when a code comes again, for that one was spent.
func (s *Families) RedeemCode(ctx context.Context, code [32]byte, keep time.Time, f token.FamilyRecord, es ...journal.Event) (string, error) {
	r := Redemption{code, keep, f, es}
	alone := func(ctx context.Context) error { return s.RedeemAlone(ctx, r) }
	var err error
	if f.Ended.IsZero() {
		err = s.Redemptions.Write(ctx, r, alone)
	} else {
		err = alone(ctx)
	}
	first := ""
	if errors.Is(err, token.ErrSpent) {
		var rerr error
		if first, rerr = engine.One(ctx, s.db, oidc.ErrNotFound, pgx.RowTo[string], FamilyOf, code[:]); rerr != nil {
			err = fmt.Errorf("reading what spent it: %w", rerr)
		}
	}
	if err != nil {
		return first, fmt.Errorf("redeeming a code for family %s: %w", f.ID, err)
	}
	return "", nil
}

// RedeemAlone redeems one code in a transaction of its own.
func (s *Families) RedeemAlone(ctx context.Context, r Redemption) error {
	f := r.Family
	sums, serials := engine.Columns(f.Party)
	return s.db.Write(ctx, func(b *pgx.Batch) {
		b.Queue(`INSERT INTO spent (hash, keep, family) VALUES ($1, $2, $3) ON CONFLICT (hash) DO NOTHING`,
			r.Code[:], r.Keep, f.ID).Exec(engine.Changed(token.ErrSpent))
		b.Queue(`INSERT INTO families (id, client, session, revision, number, rotated, created, expires, ended, ended_by, body, auth)
			VALUES ($1, $2, $3, 1, $4, $5, $6, $7, $8, $9, $10, $11) ON CONFLICT (id) DO NOTHING`,
			f.ID, f.Client, f.Session, f.Number, engine.Optional(f.Rotated), f.Created, f.Expires, engine.Optional(f.Ended), f.EndedBy, f.Body, f.Auth).
			Exec(engine.Changed(oidc.ErrExists))
		b.Queue(`INSERT INTO family_parties (sum, serial, created, family)
			SELECT k.sum, k.serial, $1, $2 FROM unnest($3::bytea[], $4::integer[]) AS k (sum, serial)`,
			f.Created, f.ID, sums, serials)
		ledger.QueueEvents(b, r.Events...)
	})
}

var UpdateFamily = ledger.Marked(`UPDATE families SET session = $3, revision = revision + 1, number = $4, rotated = $5, expires = $6,
		ended = $7, ended_by = $8, body = $9, auth = $10
	WHERE id = $1 AND revision = $2`, "families", 11)

// UpdateFamily implements [token.FamilyStore]. What has no event, as when a token is
// refreshed, is written in groups.
func (s *Families) UpdateFamily(ctx context.Context, f token.FamilyRecord, es ...journal.Event) error {
	var err error
	if len(es) == 0 {
		err = s.Rotate(ctx, f)
	} else {
		err = s.db.Write(ctx, func(b *pgx.Batch) {
			b.Queue(UpdateFamily, familyChange(f)...).Exec(engine.Changed(oidc.ErrConflict))
			ledger.QueueEvents(b, es...)
		})
	}
	if err != nil {
		return fmt.Errorf("updating family %s: %w", f.ID, err)
	}
	return nil
}

// Rotate updates a family alone, or in a group.
func (s *Families) Rotate(ctx context.Context, f token.FamilyRecord) error {
	r, byItself := Rotation{f, new(bool)}, false
	err := s.Rotations.Write(ctx, r, func(ctx context.Context) error {
		byItself = true
		return s.RotateAlone(ctx, f)
	})
	if err == nil && !byItself && !*r.saved {
		return oidc.ErrConflict
	}
	return err
}

func (s *Families) RotateAlone(ctx context.Context, f token.FamilyRecord) error {
	return s.db.WriteOne(ctx, engine.Changed(oidc.ErrConflict), UpdateFamily, familyChange(f)...)
}

// familyChange are the parameters of [UpdateFamily].
func familyChange(f token.FamilyRecord) []any {
	return []any{f.ID, f.Revision, f.Session, f.Number, engine.Optional(f.Rotated), f.Expires, engine.Optional(f.Ended), f.EndedBy, f.Body, f.Auth, f.Mark}
}

const familyNames = `f.id, f.client, f.session, f.revision, f.number, f.rotated, f.created, f.expires, f.ended, f.ended_by,
	f.body, f.auth, (SELECT mark FROM registers WHERE kind = 'families' AND registers.id = f.id)`

func scanFamily(row pgx.CollectableRow) (f token.FamilyRecord, err error) {
	var rotated, ended *time.Time
	err = row.Scan(&f.ID, &f.Client, &f.Session, &f.Revision, &f.Number, &rotated, &f.Created, &f.Expires, &ended,
		&f.EndedBy, &f.Body, &f.Auth, &f.Mark)
	f.Rotated, f.Ended = engine.Moment(rotated), engine.Moment(ended)
	return f, err
}

const LoadFamily = `SELECT ` + familyNames + ` FROM families f WHERE f.id = $1`

// LoadFamily implements [token.FamilyStore].
func (s *Families) LoadFamily(ctx context.Context, id string) (token.FamilyRecord, error) {
	f, err := engine.One(ctx, s.db, oidc.ErrNotFound, scanFamily, LoadFamily, id)
	if err != nil {
		return token.FamilyRecord{}, fmt.Errorf("loading family %s: %w", id, err)
	}
	return f, nil
}

// FamiliesOf seeks each family by its id; see [SessionsOf].
const FamiliesOf = `SELECT ` + familyNames + ` FROM family_parties k
	CROSS JOIN LATERAL (SELECT * FROM families WHERE id = k.family OFFSET 0) f
	WHERE k.serial = $1 AND k.sum = $2 AND f.ended IS NULL AND f.expires > $3
	ORDER BY k.created DESC, k.family DESC LIMIT $4`

// ListFamilies implements [token.FamilyStore], with a query for each key.
func (s *Families) ListFamilies(ctx context.Context, party []signing.Lookup, at time.Time, limit int) ([]token.FamilyRecord, error) {
	all, err := ofParty(ctx, s.db, scanFamily, FamiliesOf, party, at, limit, func(r token.FamilyRecord) (time.Time, string) { return r.Created, r.ID })
	if err != nil {
		return nil, fmt.Errorf("listing families: %w", err)
	}
	return all, nil
}

// FamiliesAfter implements [provider.OldRecords].
func (s *Families) FamiliesAfter(ctx context.Context, after string, limit int) ([]token.FamilyRecord, error) {
	all, err := engine.Collect(ctx, s.db, scanFamily, `SELECT `+familyNames+` FROM families f WHERE f.id > $1 ORDER BY f.id LIMIT $2`,
		after, max(limit, 0))
	if err != nil {
		return nil, fmt.Errorf("listing all families: %w", err)
	}
	return all, nil
}
