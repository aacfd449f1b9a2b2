package provider

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"time"

	"yizheng.internal/oidc"
	"yizheng.internal/oidc/token"
	"yizheng.internal/signing"
	"yizheng.internal/signing/journal"
	"yizheng.internal/storage/sqlite/engine"
	"yizheng.internal/storage/sqlite/ledger"
)

// Families implements [token.FamilyStore], and lists all families.
type Families struct{ DB *engine.DB }

const FamilyOf = `SELECT coalesce(family, '') FROM spent WHERE hash = ?`

// RedeemCode implements [token.FamilyStore]. The unique hash makes the second caller
// lose, also one in another process.
func (s *Families) RedeemCode(ctx context.Context, code [32]byte, keep time.Time, f token.FamilyRecord, es ...journal.Event) (string, error) {
	var first string
	err := s.DB.Write(ctx, func(c *engine.Conn) error {
		n, err := c.Exec("INSERT INTO spent (hash, keep, family) VALUES (?, ?, ?) ON CONFLICT (hash) DO NOTHING",
			code[:], keep, f.ID)
		if err != nil {
			return err
		}
		if n == 0 {
			err := c.Query(FamilyOf, func(r *engine.Row) { first = r.Text() }, code[:])
			return cmp.Or(err, token.ErrSpent)
		}
		if err := createFamily(c, f); err != nil {
			return err
		}
		return ledger.AppendEvents(c, es...)
	})
	if err != nil {
		if !errors.Is(err, token.ErrSpent) {
			first = ""
		}
		return first, fmt.Errorf("redeeming a code for family %s: %w", f.ID, err)
	}
	return "", nil
}

func createFamily(c *engine.Conn, f token.FamilyRecord) error {
	_, err := c.Exec(`
		INSERT INTO families (id, client, session, revision, number, rotated, created, expires, ended, ended_by, body, auth)
		VALUES (?, ?, ?, 1, ?, ?, ?, ?, ?, ?, ?, ?)`,
		f.ID, f.Client, f.Session, f.Number, engine.Optional(f.Rotated), f.Created, f.Expires, engine.Optional(f.Ended), f.EndedBy, f.Body, f.Auth)
	if err != nil {
		return engine.Taken(err, oidc.ErrExists)
	}
	for _, key := range f.Party {
		_, err := c.Exec(`
			INSERT INTO family_parties (serial, sum, created, family) VALUES (?, ?, ?, ?)
			ON CONFLICT (serial, sum, created, family) DO NOTHING`, key.Serial, key.Sum[:], f.Created, f.ID)
		if err != nil {
			return err
		}
	}
	return nil
}

// KeepDates changes a family whose dates stay, as each new refresh token does: the index of
// what is over is made of them, and writing it anew costs as much as the rest. Whoever
// doesn't find the family so goes on with UpdateFamily.
const (
	KeepDates = `
		UPDATE families SET session = ?, revision = revision + 1, number = ?, rotated = ?, ended_by = ?, body = ?, auth = ?
		WHERE id = ? AND revision = ? AND expires = ? AND ended IS NULL`
	UpdateFamily = `
		UPDATE families SET session = ?, revision = revision + 1, number = ?, rotated = ?, expires = ?, ended = ?,
			ended_by = ?, body = ?, auth = ?
		WHERE id = ? AND revision = ?`
)

// changeFamily saves a family if its revision is the stored one, and returns how many rows
// that were.
func changeFamily(c *engine.Conn, f token.FamilyRecord) (int64, error) {
	if f.Ended.IsZero() {
		n, err := c.Exec(KeepDates, f.Session, f.Number, engine.Optional(f.Rotated), f.EndedBy, f.Body, f.Auth, f.ID, f.Revision, f.Expires)
		if err != nil || n > 0 {
			return n, err
		}
	}
	return c.Exec(UpdateFamily,
		f.Session, f.Number, engine.Optional(f.Rotated), f.Expires, engine.Optional(f.Ended), f.EndedBy, f.Body, f.Auth, f.ID, f.Revision)
}

// UpdateFamily implements [token.FamilyStore].
func (s *Families) UpdateFamily(ctx context.Context, f token.FamilyRecord, es ...journal.Event) error {
	err := s.DB.Write(ctx, func(c *engine.Conn) error {
		n, err := changeFamily(c, f)
		if err != nil {
			return err
		}
		if n == 0 {
			return oidc.ErrConflict
		}
		if err := ledger.SaveMark(c, "families", f.ID, f.Mark); err != nil {
			return err
		}
		return ledger.AppendEvents(c, es...)
	})
	if err != nil {
		return fmt.Errorf("updating family %s: %w", f.ID, err)
	}
	return nil
}

const familyColumns = `f.id, f.client, f.session, f.revision, f.number, f.rotated, f.created, f.expires, f.ended,
	f.ended_by, f.body, f.auth, (SELECT mark FROM registers WHERE kind = 'families' AND registers.id = f.id)`

func scanFamily(r *engine.Row) token.FamilyRecord {
	return token.FamilyRecord{
		ID: r.Text(), Client: r.Text(), Session: r.Text(), Revision: r.Int64(), Number: r.Int64(), Rotated: r.Time(),
		Created: r.Time(), Expires: r.Time(), Ended: r.Time(), EndedBy: r.Text(), Body: r.Bytes(),
		Auth: r.Bytes(), Mark: r.Bytes(),
	}
}

const LoadFamily = `SELECT ` + familyColumns + ` FROM families f WHERE f.id = ?`

// LoadFamily implements [token.FamilyStore].
func (s *Families) LoadFamily(ctx context.Context, id string) (f token.FamilyRecord, err error) {
	err = engine.One(ctx, s.DB, oidc.ErrNotFound, LoadFamily, func(r *engine.Row) { f = scanFamily(r) }, id)
	if err != nil {
		return token.FamilyRecord{}, fmt.Errorf("loading a family: %w", err)
	}
	return f, nil
}

const FamiliesOf = `
	SELECT ` + familyColumns + ` FROM family_parties k CROSS JOIN families f ON f.id = k.family
	WHERE k.serial = ? AND k.sum = ? AND f.ended IS NULL AND f.expires > ?
	ORDER BY k.created DESC, k.family DESC LIMIT ?`

// ListFamilies implements [token.FamilyStore], with a query for each key.
func (s *Families) ListFamilies(ctx context.Context, party []signing.Lookup, at time.Time, limit int) ([]token.FamilyRecord, error) {
	all, err := ofParty(ctx, s.DB, FamiliesOf, scanFamily, party, at, limit, func(r token.FamilyRecord) (time.Time, string) { return r.Created, r.ID })
	if err != nil {
		return nil, fmt.Errorf("listing families: %w", err)
	}
	return all, nil
}

// FamiliesAfter implements [provider.OldRecords].
func (s *Families) FamiliesAfter(ctx context.Context, after string, limit int) ([]token.FamilyRecord, error) {
	all, err := engine.Many(ctx, s.DB, "SELECT "+familyColumns+" FROM families f WHERE f.id > ? ORDER BY f.id LIMIT ?", scanFamily, after, max(limit, 0))
	if err != nil {
		return nil, fmt.Errorf("listing all families: %w", err)
	}
	return all, nil
}
