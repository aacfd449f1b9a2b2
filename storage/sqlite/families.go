package sqlite

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"time"

	"yizheng.internal/oidc"
	"yizheng.internal/oidc/token"
	"yizheng.internal/signing"
	"yizheng.internal/signing/journal"
)

const familyOf = `SELECT coalesce(family, '') FROM spent WHERE hash = ?`

// RedeemCode implements [token.FamilyStore]. The unique hash makes the second caller
// lose, also one in another process.
func (s *Provider) RedeemCode(ctx context.Context, code [32]byte, keep time.Time, f token.FamilyRecord, es ...journal.Event) (string, error) {
	var first string
	err := s.db.writer.do(ctx, func(c *conn) error {
		n, err := c.exec("INSERT INTO spent (hash, keep, family) VALUES (?, ?, ?) ON CONFLICT (hash) DO NOTHING",
			code[:], keep, f.ID)
		if err != nil {
			return err
		}
		if n == 0 {
			err := c.query(familyOf, func(r *row) { first = r.text() }, code[:])
			return cmp.Or(err, token.ErrSpent)
		}
		if err := createFamily(c, f); err != nil {
			return err
		}
		return appendEvents(c, es...)
	})
	if err != nil {
		if !errors.Is(err, token.ErrSpent) {
			first = ""
		}
		return first, fmt.Errorf("redeeming a code for family %s: %w", f.ID, err)
	}
	return "", nil
}

func createFamily(c *conn, f token.FamilyRecord) error {
	_, err := c.exec(`
		INSERT INTO families (id, client, session, revision, number, rotated, created, expires, ended, ended_by, body, auth)
		VALUES (?, ?, ?, 1, ?, ?, ?, ?, ?, ?, ?, ?)`,
		f.ID, f.Client, f.Session, f.Number, optional(f.Rotated), f.Created, f.Expires, optional(f.Ended), f.EndedBy, f.Body, f.Auth)
	if err != nil {
		return taken(err, oidc.ErrExists)
	}
	for _, key := range f.Party {
		_, err := c.exec(`
			INSERT INTO family_parties (serial, sum, created, family) VALUES (?, ?, ?, ?)
			ON CONFLICT (serial, sum, created, family) DO NOTHING`, key.Serial, key.Sum[:], f.Created, f.ID)
		if err != nil {
			return err
		}
	}
	return nil
}

// keepDates changes a family whose dates stay, as each new refresh token does: the index of
// what is over is made of them, and writing it anew costs as much as the rest. Whoever
// doesn't find the family so goes on with updateFamily.
const (
	keepDates = `
		UPDATE families SET session = ?, revision = revision + 1, number = ?, rotated = ?, ended_by = ?, body = ?, auth = ?
		WHERE id = ? AND revision = ? AND expires = ? AND ended IS NULL`
	updateFamily = `
		UPDATE families SET session = ?, revision = revision + 1, number = ?, rotated = ?, expires = ?, ended = ?,
			ended_by = ?, body = ?, auth = ?
		WHERE id = ? AND revision = ?`
)

// changeFamily saves a family if its revision is the stored one, and returns how many rows
// that were.
func changeFamily(c *conn, f token.FamilyRecord) (int64, error) {
	if f.Ended.IsZero() {
		n, err := c.exec(keepDates, f.Session, f.Number, optional(f.Rotated), f.EndedBy, f.Body, f.Auth, f.ID, f.Revision, f.Expires)
		if err != nil || n > 0 {
			return n, err
		}
	}
	return c.exec(updateFamily,
		f.Session, f.Number, optional(f.Rotated), f.Expires, optional(f.Ended), f.EndedBy, f.Body, f.Auth, f.ID, f.Revision)
}

// UpdateFamily implements [token.FamilyStore].
func (s *Provider) UpdateFamily(ctx context.Context, f token.FamilyRecord, es ...journal.Event) error {
	err := s.db.writer.do(ctx, func(c *conn) error {
		n, err := changeFamily(c, f)
		if err != nil {
			return err
		}
		if n == 0 {
			return oidc.ErrConflict
		}
		if err := saveMark(c, "families", f.ID, f.Mark); err != nil {
			return err
		}
		return appendEvents(c, es...)
	})
	if err != nil {
		return fmt.Errorf("updating family %s: %w", f.ID, err)
	}
	return nil
}

const familyColumns = `f.id, f.client, f.session, f.revision, f.number, f.rotated, f.created, f.expires, f.ended,
	f.ended_by, f.body, f.auth, (SELECT mark FROM registers WHERE kind = 'families' AND registers.id = f.id)`

func scanFamily(r *row) token.FamilyRecord {
	return token.FamilyRecord{
		ID: r.text(), Client: r.text(), Session: r.text(), Revision: r.int64(), Number: r.int64(), Rotated: r.time(),
		Created: r.time(), Expires: r.time(), Ended: r.time(), EndedBy: r.text(), Body: r.bytes(),
		Auth: r.bytes(), Mark: r.bytes(),
	}
}

const loadFamily = `SELECT ` + familyColumns + ` FROM families f WHERE f.id = ?`

// LoadFamily implements [token.FamilyStore].
func (s *Provider) LoadFamily(ctx context.Context, id string) (f token.FamilyRecord, err error) {
	err = one(ctx, s.db, oidc.ErrNotFound, loadFamily, func(r *row) { f = scanFamily(r) }, id)
	if err != nil {
		return token.FamilyRecord{}, fmt.Errorf("loading a family: %w", err)
	}
	return f, nil
}

const familiesOf = `
	SELECT ` + familyColumns + ` FROM family_parties k CROSS JOIN families f ON f.id = k.family
	WHERE k.serial = ? AND k.sum = ? AND f.ended IS NULL AND f.expires > ?
	ORDER BY k.created DESC, k.family DESC LIMIT ?`

// ListFamilies implements [token.FamilyStore], with a query for each key.
func (s *Provider) ListFamilies(ctx context.Context, party []signing.Lookup, at time.Time, limit int) ([]token.FamilyRecord, error) {
	all, err := ofParty(ctx, s.db, familiesOf, scanFamily, party, at, limit)
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
	all, err := many(ctx, s.db, "SELECT "+familyColumns+" FROM families f WHERE f.id > ? ORDER BY f.id LIMIT ?", scanFamily, after, max(limit, 0))
	if err != nil {
		return nil, fmt.Errorf("listing all families: %w", err)
	}
	return all, nil
}
