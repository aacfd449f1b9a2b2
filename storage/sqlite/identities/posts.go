package identities

import (
	"context"
	"fmt"
	"slices"
	"strings"
	"time"

	"yizheng.internal/oidc/identity"
	"yizheng.internal/oidc/identity/officer"
	"yizheng.internal/signing"
	"yizheng.internal/storage/sqlite/engine"
	"yizheng.internal/storage/sqlite/ledger"
)

// Posts implements [officer.Store].
type Posts struct{ DB *engine.DB }

// SavePost implements [officer.Store].
func (s *Posts) SavePost(ctx context.Context, change officer.Change) error {
	r := change.Record
	err := s.DB.Write(ctx, func(c *engine.Conn) error {
		if err := savePost(c, r); err != nil {
			return err
		}
		err := lead(c, `
			INSERT INTO post_claims (serial, sum, post) VALUES (?, ?, ?)
			ON CONFLICT (serial, sum) DO UPDATE SET post = excluded.post WHERE post = excluded.post`, r.Claims, r.ID)
		if err != nil {
			return err
		}
		for _, key := range r.Offered {
			if _, err := c.Exec(`INSERT INTO post_offers (serial, sum, post) VALUES (?, ?, ?) ON CONFLICT (serial, sum, post) DO NOTHING`,
				key.Serial, key.Sum[:], r.ID); err != nil {
				return err
			}
		}
		return ledger.AppendEvents(c, change.Events...)
	})
	if err != nil {
		return fmt.Errorf("saving post %s: %w", r.ID, err)
	}
	return nil
}

// savePost saves the record itself, and takes away the keys that it had.
func savePost(c *engine.Conn, r officer.Record) error {
	if r.Revision == 0 {
		_, err := c.Exec(`
			INSERT INTO posts (id, participant, party, roles, state, revision, body, created, updated, auth)
			VALUES (?, ?, ?, ?, ?, 1, ?, ?, ?, ?)`,
			r.ID, r.Participant, r.Party, r.Roles, string(r.State), r.Body, r.Created, r.Updated, r.Auth)
		return engine.Taken(err, identity.ErrExists)
	}
	n, err := c.Exec(`
		UPDATE posts SET party = ?, roles = ?, state = ?, body = ?, updated = ?, auth = ?, revision = revision + 1
		WHERE id = ? AND revision = ?`, r.Party, r.Roles, string(r.State), r.Body, r.Updated, r.Auth, r.ID, r.Revision)
	if err == nil && n == 0 {
		return identity.ErrConflict
	}
	if err != nil {
		return err
	}
	if err := ledger.SaveMark(c, "posts", r.ID, r.Mark); err != nil {
		return err
	}
	if _, err := c.Exec(`DELETE FROM post_claims WHERE post = ?`, r.ID); err != nil {
		return err
	}
	_, err = c.Exec(`DELETE FROM post_offers WHERE post = ?`, r.ID)
	return err
}

const (
	postColumns = `p.id, p.participant, p.party, p.roles, p.state, p.revision, p.body, p.created, p.updated, p.auth,
	(SELECT mark FROM registers WHERE kind = 'posts' AND registers.id = p.id)`
	loadPost  = `SELECT ` + postColumns + ` FROM posts p WHERE p.id = ?`
	postsOf   = `SELECT ` + postColumns + ` FROM posts p WHERE p.party = ? AND p.party <> '' ORDER BY p.id DESC LIMIT ?`
	claimed   = `SELECT ` + postColumns + ` FROM post_claims k CROSS JOIN posts p ON p.id = k.post WHERE k.serial = ? AND k.sum = ?`
	offered   = `SELECT ` + postColumns + ` FROM post_offers k CROSS JOIN posts p ON p.id = k.post WHERE k.serial = ? AND k.sum = ? ORDER BY p.id DESC LIMIT ?`
	fitting   = ` AND (?3 = 0 OR p.state <> 'ended') AND (?4 = '' OR ' ' || p.roles || ' ' LIKE '% ' || ?4 || ' %') ORDER BY p.id LIMIT ?5`
	listPosts = `SELECT ` + postColumns + ` FROM posts p WHERE p.id > ?2 AND ?1 = ''` + fitting
	postsIn   = `SELECT ` + postColumns + ` FROM posts p WHERE p.participant = ?1 AND p.id > ?2` + fitting
)

func scanPost(r *engine.Row) officer.Record {
	return officer.Record{
		ID: r.Text(), Participant: r.Text(), Party: r.Text(), Roles: r.Text(), State: officer.State(r.Text()), Revision: r.Int64(), Body: r.Bytes(),
		Created: r.Time(), Updated: r.Time(), Auth: r.Bytes(), Mark: r.Bytes(),
	}
}

// LoadPost implements [officer.Store].
func (s *Posts) LoadPost(ctx context.Context, id string) (p officer.Record, err error) {
	err = engine.One(ctx, s.DB, identity.ErrNotFound, loadPost, func(r *engine.Row) { p = scanPost(r) }, id)
	if err != nil {
		return officer.Record{}, fmt.Errorf("loading a post: %w", err)
	}
	return p, nil
}

// FindPosts implements [officer.Store].
func (s *Posts) FindPosts(ctx context.Context, of officer.Whose, limit int) ([]officer.Record, error) {
	var all []officer.Record
	limit = max(limit, 0)
	err := s.DB.Read(ctx, func(c *engine.Conn) error {
		all = nil
		add := func(r *engine.Row) { all = append(all, scanPost(r)) }
		if of.Party != "" {
			if err := c.Query(postsOf, add, of.Party, limit); err != nil {
				return err
			}
		}
		for _, key := range of.Claims {
			if err := c.Query(claimed, add, key.Serial, key.Sum[:]); err != nil {
				return err
			}
		}
		return eachOffered(c, of.Offered, limit, add)
	})
	if err != nil {
		return nil, fmt.Errorf("finding posts: %w", err)
	}
	slices.SortFunc(all, func(a, b officer.Record) int { return strings.Compare(b.ID, a.ID) })
	all = slices.CompactFunc(all, func(a, b officer.Record) bool { return a.ID == b.ID })
	return all[:min(len(all), limit)], nil
}

func eachOffered(c *engine.Conn, keys []signing.Lookup, limit int, add func(*engine.Row)) error {
	for _, key := range keys {
		if err := c.Query(offered, add, key.Serial, key.Sum[:], limit); err != nil {
			return err
		}
	}
	return nil
}

// ListPosts implements [officer.Store].
func (s *Posts) ListPosts(ctx context.Context, f officer.Filter, after string, limit int) ([]officer.Record, error) {
	sql := listPosts
	if f.Participant != "" {
		sql = postsIn
	}
	all, err := engine.Many(ctx, s.DB, sql, scanPost, f.Participant, after, f.Live, string(f.Role), max(limit, 0))
	if err != nil {
		return nil, fmt.Errorf("listing posts: %w", err)
	}
	return all, nil
}

// CountPosts implements [officer.Store].
func (s *Posts) CountPosts(ctx context.Context, participant string, since time.Time) (live, made int, err error) {
	err = engine.One(ctx, s.DB, nil, `
		SELECT count(*) FILTER (WHERE state <> 'ended'), count(*) FILTER (WHERE created >= ?2) FROM posts WHERE participant = ?1`,
		func(r *engine.Row) { live, made = r.Int(), r.Int() }, participant, since)
	if err != nil {
		return 0, 0, fmt.Errorf("counting posts: %w", err)
	}
	return live, made, nil
}
