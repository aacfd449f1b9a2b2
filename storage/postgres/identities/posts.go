package identities

import (
	"context"
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/jackc/pgx/v5"

	"yizheng.internal/oidc/identity"
	"yizheng.internal/oidc/identity/officer"
	"yizheng.internal/storage/postgres/engine"
	"yizheng.internal/storage/postgres/ledger"
)

// Posts implements [officer.Store].
type Posts struct{ DB *engine.DB }

// SavePost implements [officer.Store].
func (s *Posts) SavePost(ctx context.Context, change officer.Change) error {
	r := change.Record
	err := s.DB.Write(ctx, func(b *pgx.Batch) {
		queuePost(b, r)
		sums, serials := engine.Columns(r.Claims)
		b.Queue(`INSERT INTO post_claims (sum, serial, post)
			SELECT k.sum, k.serial, $1 FROM unnest($2::bytea[], $3::integer[]) AS k (sum, serial)
			ON CONFLICT (serial, sum) DO NOTHING`, r.ID, sums, serials).Exec(changedAll(len(sums), identity.ErrExists))
		sums, serials = engine.Columns(r.Offered)
		b.Queue(`INSERT INTO post_offers (sum, serial, post)
			SELECT k.sum, k.serial, $1 FROM unnest($2::bytea[], $3::integer[]) AS k (sum, serial)
			ON CONFLICT (serial, sum, post) DO NOTHING`, r.ID, sums, serials)
		ledger.QueueEvents(b, change.Events...)
	})
	if err != nil {
		return fmt.Errorf("saving post %s: %w", r.ID, err)
	}
	return nil
}

// queuePost saves the record itself, and takes away the keys that it had.
func queuePost(b *pgx.Batch, r officer.Record) {
	if r.Revision == 0 {
		b.Queue(`INSERT INTO posts (id, participant, party, roles, state, revision, body, created, updated, auth)
			VALUES ($1, $2, $3, $4, $5, 1, $6, $7, $8, $9) ON CONFLICT (id) DO NOTHING`,
			r.ID, r.Participant, r.Party, r.Roles, r.State, r.Body, r.Created, r.Updated, r.Auth).Exec(engine.Changed(identity.ErrExists))
		return
	}
	b.Queue(ledger.Marked(`UPDATE posts SET party = $3, roles = $4, state = $5, body = $6, updated = $7, auth = $8, revision = revision + 1
		WHERE id = $1 AND revision = $2`, "posts", 9),
		r.ID, r.Revision, r.Party, r.Roles, r.State, r.Body, r.Updated, r.Auth, r.Mark).Exec(engine.Changed(identity.ErrConflict))
	b.Queue(`DELETE FROM post_claims WHERE post = $1`, r.ID)
	b.Queue(`DELETE FROM post_offers WHERE post = $1`, r.ID)
}

const postNames = `p.id, p.participant, p.party, p.roles, p.state, p.revision, p.body, p.created, p.updated, p.auth,
	(SELECT mark FROM registers WHERE kind = 'posts' AND registers.id = p.id)`

func scanPost(row pgx.CollectableRow) (p officer.Record, err error) {
	return p, row.Scan(&p.ID, &p.Participant, &p.Party, &p.Roles, &p.State, &p.Revision, &p.Body, &p.Created, &p.Updated, &p.Auth, &p.Mark)
}

// LoadPost implements [officer.Store].
func (s *Posts) LoadPost(ctx context.Context, id string) (officer.Record, error) {
	p, err := engine.One(ctx, s.DB, identity.ErrNotFound, scanPost, `SELECT `+postNames+` FROM posts p WHERE p.id = $1`, id)
	if err != nil {
		return officer.Record{}, fmt.Errorf("loading post %s: %w", id, err)
	}
	return p, nil
}

// FindPosts implements [officer.Store].
func (s *Posts) FindPosts(ctx context.Context, of officer.Whose, limit int) ([]officer.Record, error) {
	var all []officer.Record
	limit = max(limit, 0)
	err := s.DB.Read(ctx, func(b *pgx.Batch) {
		all = nil
		find := func(sql string, args ...any) {
			b.Queue(`SELECT `+postNames+` FROM posts p WHERE `+sql, args...).Query(func(rows pgx.Rows) error {
				more, err := pgx.CollectRows(rows, scanPost)
				all = append(all, more...)
				return err
			})
		}
		find(`p.party = $1 AND p.party <> '' ORDER BY p.id DESC LIMIT $2`, of.Party, limit)
		for _, key := range of.Claims {
			find(`p.id = (SELECT post FROM post_claims WHERE serial = $1 AND sum = $2)`, key.Serial, key.Sum[:])
		}
		for _, key := range of.Offered {
			find(`p.id IN (SELECT post FROM post_offers WHERE serial = $1 AND sum = $2) ORDER BY p.id DESC LIMIT $3`, key.Serial, key.Sum[:], limit)
		}
	})
	if err != nil {
		return nil, fmt.Errorf("finding posts: %w", err)
	}
	slices.SortFunc(all, func(a, b officer.Record) int { return strings.Compare(b.ID, a.ID) })
	all = slices.CompactFunc(all, func(a, b officer.Record) bool { return a.ID == b.ID })
	return all[:min(len(all), limit)], nil
}

// ListPosts implements [officer.Store].
func (s *Posts) ListPosts(ctx context.Context, f officer.Filter, after string, limit int) ([]officer.Record, error) {
	in := `$1 = ''`
	if f.Participant != "" {
		in = `p.participant = $1`
	}
	all, err := engine.Collect(ctx, s.DB, scanPost, `SELECT `+postNames+` FROM posts p WHERE `+in+` AND p.id > $2
		AND (NOT $3 OR p.state <> 'ended') AND ($4 = '' OR $4 = ANY (string_to_array(p.roles, ' '))) ORDER BY p.id LIMIT $5`,
		f.Participant, after, f.Live, string(f.Role), max(limit, 0))
	if err != nil {
		return nil, fmt.Errorf("listing posts: %w", err)
	}
	return all, nil
}

// CountPosts implements [officer.Store].
func (s *Posts) CountPosts(ctx context.Context, participant string, since time.Time) (live, made int, err error) {
	counted, err := engine.One(ctx, s.DB, nil, func(row pgx.CollectableRow) (n [2]int, err error) { return n, row.Scan(&n[0], &n[1]) },
		`SELECT count(*) FILTER (WHERE state <> 'ended'), count(*) FILTER (WHERE created >= $2) FROM posts WHERE participant = $1`, participant, since)
	if err != nil {
		return 0, 0, fmt.Errorf("counting posts: %w", err)
	}
	return counted[0], counted[1], nil
}
