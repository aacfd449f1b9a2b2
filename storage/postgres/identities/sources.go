package identities

import (
	"context"
	"fmt"

	"github.com/jackc/pgx/v5"

	"yizheng.internal/oidc/identity"
	"yizheng.internal/oidc/identity/intake"
	"yizheng.internal/signing"
	"yizheng.internal/storage/postgres/engine"
	"yizheng.internal/storage/postgres/ledger"
)

// Sources implements [intake.Sources].
type Sources struct{ DB *engine.DB }

// CreateSource implements [intake.Sources].
func (s *Sources) CreateSource(ctx context.Context, of intake.Source) error {
	err := s.DB.Write(ctx, func(b *pgx.Batch) {
		b.Queue(`INSERT INTO sources (id, display_name, level, created, updated, revision, auth)
			VALUES ($1, $2, $3, $4, $5, 1, $6) ON CONFLICT (id) DO NOTHING`,
			of.Name, of.DisplayName, of.Level, of.Created, of.Updated, of.Auth).Exec(engine.Changed(identity.ErrExists))
	})
	if err != nil {
		return fmt.Errorf("creating source %s: %w", of.Name, err)
	}
	return nil
}

// UpdateSource implements [intake.Sources].
func (s *Sources) UpdateSource(ctx context.Context, of intake.Source) error {
	err := s.DB.Write(ctx, func(b *pgx.Batch) {
		b.Queue(ledger.Marked(`UPDATE sources SET display_name = $3, level = $4, updated = $5, auth = $6, revision = revision + 1
			WHERE id = $1 AND revision = $2`, "sources", 7), of.Name, of.Revision, of.DisplayName, of.Level, of.Updated, of.Auth, of.Mark).
			Exec(engine.Changed(identity.ErrConflict))
	})
	if err != nil {
		return fmt.Errorf("updating source %s: %w", of.Name, err)
	}
	return nil
}

const sourceNames = `id, display_name, level, created, updated, revision, auth,
	(SELECT mark FROM registers WHERE kind = 'sources' AND registers.id = sources.id)`

func scanSource(row pgx.CollectableRow) (s intake.Source, err error) {
	return s, row.Scan(&s.Name, &s.DisplayName, &s.Level, &s.Created, &s.Updated, &s.Revision, &s.Auth, &s.Mark)
}

// LoadSource implements [intake.Sources].
func (s *Sources) LoadSource(ctx context.Context, name string) (intake.Source, error) {
	of, err := engine.One(ctx, s.DB, identity.ErrNotFound, scanSource, `SELECT `+sourceNames+` FROM sources WHERE id = $1`, name)
	if err != nil {
		return intake.Source{}, fmt.Errorf("loading source %s: %w", name, err)
	}
	return of, nil
}

// ListSources implements [intake.Sources].
func (s *Sources) ListSources(ctx context.Context, after string, limit int) ([]intake.Source, error) {
	all, err := engine.Collect(ctx, s.DB, scanSource, `SELECT `+sourceNames+` FROM sources WHERE id > $1 ORDER BY id LIMIT $2`,
		after, max(limit, 0))
	if err != nil {
		return nil, fmt.Errorf("listing sources: %w", err)
	}
	return all, nil
}

// Links implements [intake.Links].
type Links struct{ DB *engine.DB }

// Arrive implements [intake.Links].
func (s *Links) Arrive(ctx context.Context, a intake.Arrival) error {
	err := s.DB.Write(ctx, func(b *pgx.Batch) {
		b.Queue(`INSERT INTO links (id, body, created) VALUES ($1, $2, $3) ON CONFLICT (id) DO NOTHING`,
			a.Link.ID, a.Link.Body, a.Link.Created).Exec(engine.Changed(identity.ErrExists))
		queueKeys(b, a.Link)
		if a.Made == nil {
			return
		}
		if a.Made.Party != nil {
			queueParty(b, *a.Made.Party)
		}
		queueAccount(b, a.Made.Account)
		ledger.QueueEvents(b, a.Event)
	})
	if err != nil {
		return fmt.Errorf("storing an arrival: %w", err)
	}
	return nil
}

// UpdateLink implements [intake.Links].
func (s *Links) UpdateLink(ctx context.Context, l intake.LinkRecord, old []byte) error {
	err := s.DB.Write(ctx, func(b *pgx.Batch) {
		b.Queue(`UPDATE links SET body = $2 WHERE id = $1 AND body = $3`, l.ID, l.Body, old).Exec(engine.Changed(identity.ErrConflict))
		b.Queue(`DELETE FROM link_keys WHERE link = $1`, l.ID)
		queueKeys(b, l)
	})
	if err != nil {
		return fmt.Errorf("updating link %s: %w", l.ID, err)
	}
	return nil
}

// queueKeys makes keys lead to the link; see queueCodes.
func queueKeys(b *pgx.Batch, l intake.LinkRecord) {
	sums, serials := engine.Columns(l.Keys)
	b.Queue(`INSERT INTO link_keys (sum, serial, link)
		SELECT k.sum, k.serial, $1 FROM unnest($2::bytea[], $3::integer[]) AS k (sum, serial)
		ON CONFLICT (serial, sum) DO NOTHING`, l.ID, sums, serials).Exec(changedAll(len(sums), identity.ErrExists))
}

func scanLink(row pgx.CollectableRow) (l intake.LinkRecord, err error) {
	return l, row.Scan(&l.ID, &l.Body, &l.Created)
}

// FindLink implements [intake.Links].
func (s *Links) FindLink(ctx context.Context, keys []signing.Lookup) (intake.LinkRecord, error) {
	l, err := byKeys(ctx, s.DB, scanLink, `SELECT id, body, created FROM links
		WHERE id = (SELECT link FROM link_keys WHERE serial = $1 AND sum = $2)`, keys)
	if err != nil {
		return intake.LinkRecord{}, fmt.Errorf("finding a link: %w", err)
	}
	return l, nil
}

// ListLinks implements [intake.Links].
func (s *Links) ListLinks(ctx context.Context, after string, limit int) ([]intake.LinkRecord, error) {
	all, err := engine.Collect(ctx, s.DB, scanLink, `SELECT id, body, created FROM links WHERE id > $1 ORDER BY id LIMIT $2`,
		after, max(limit, 0))
	if err != nil {
		return nil, fmt.Errorf("listing links: %w", err)
	}
	return all, nil
}
