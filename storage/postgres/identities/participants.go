package identities

import (
	"context"
	"encoding/json"
	"fmt"

	"github.com/jackc/pgx/v5"

	"yizheng.internal/license/party"
	"yizheng.internal/oidc/identity"
	"yizheng.internal/storage/postgres/engine"
	"yizheng.internal/storage/postgres/ledger"
)

// Participants implements [identity.Participants].
type Participants struct{ DB *engine.DB }

const (
	participantNames = `id, uscc, name, names, class, area_code, level, parent, successor, disabled, created, updated,
	revision, auth`
	participantMark = `(SELECT mark FROM registers WHERE kind = 'participants' AND registers.id = participants.id)`
)

// CreateParticipant implements [identity.Participants].
func (s *Participants) CreateParticipant(ctx context.Context, p identity.Participant) error {
	names, err := namesText(p.Names)
	if err != nil {
		return fmt.Errorf("creating participant %s: %w", p.ID, err)
	}
	err = s.DB.Write(ctx, func(b *pgx.Batch) {
		b.Queue(`INSERT INTO participants (`+participantNames+`)
			VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, $12, 1, $13)`, p.ID, p.USCC, p.Name, names, p.Class, p.AreaCode,
			p.Level, p.Parent, p.Successor, p.Disabled, p.Created, p.Updated, p.Auth)
	})
	if engine.Violates(err, "participants_") {
		err = identity.ErrExists
	}
	if err != nil {
		return fmt.Errorf("creating participant %s: %w", p.ID, err)
	}
	return nil
}

// LoadParticipant implements [identity.Participants].
func (s *Participants) LoadParticipant(ctx context.Context, id string) (identity.Participant, error) {
	return s.participant(ctx, `SELECT `+participantNames+`, `+participantMark+` FROM participants WHERE id = $1`, id)
}

// FindParticipant implements [identity.Participants].
func (s *Participants) FindParticipant(ctx context.Context, code party.USCC) (identity.Participant, error) {
	return s.participant(ctx, `SELECT `+participantNames+`, `+participantMark+` FROM participants WHERE uscc = $1`, code)
}

func (s *Participants) participant(ctx context.Context, sql string, args ...any) (identity.Participant, error) {
	ps, err := engine.Collect(ctx, s.DB, scanParticipant, sql, args...)
	if err == nil && len(ps) == 0 {
		err = identity.ErrNotFound
	}
	if err != nil {
		return identity.Participant{}, fmt.Errorf("loading participant: %w", err)
	}
	return ps[0], nil
}

// ListParticipants implements [identity.Participants].
func (s *Participants) ListParticipants(ctx context.Context, after string, limit int) ([]identity.Participant, error) {
	ps, err := engine.Collect(ctx, s.DB, scanParticipant, `SELECT `+participantNames+`, `+participantMark+` FROM participants
		WHERE id > $1 ORDER BY id LIMIT $2`, after, limit)
	if err != nil {
		return nil, fmt.Errorf("listing participants: %w", err)
	}
	return ps, nil
}

// UpdateParticipant implements [identity.Participants].
func (s *Participants) UpdateParticipant(ctx context.Context, p identity.Participant) error {
	names, err := namesText(p.Names)
	if err != nil {
		return fmt.Errorf("updating participant %s: %w", p.ID, err)
	}
	err = s.DB.Write(ctx, func(b *pgx.Batch) {
		b.Queue(ledger.Marked(`UPDATE participants SET name = $3, names = $4, class = $5, area_code = $6, level = $7, parent = $8,
				successor = $9, disabled = $10, updated = $11, auth = $12, revision = revision + 1
			WHERE id = $1 AND revision = $2`, "participants", 13), p.ID, p.Revision, p.Name, names, p.Class, p.AreaCode, p.Level, p.Parent,
			p.Successor, p.Disabled, p.Updated, p.Auth, p.Mark).Exec(engine.Changed(identity.ErrConflict))
	})
	if err != nil {
		return fmt.Errorf("updating participant %s: %w", p.ID, err)
	}
	return nil
}

func scanParticipant(row pgx.CollectableRow) (p identity.Participant, err error) {
	var names *string
	err = row.Scan(&p.ID, &p.USCC, &p.Name, &names, &p.Class, &p.AreaCode, &p.Level, &p.Parent, &p.Successor, &p.Disabled,
		&p.Created, &p.Updated, &p.Revision, &p.Auth, &p.Mark)
	if err == nil && names != nil {
		err = json.Unmarshal([]byte(*names), &p.Names)
	}
	return p, err
}

// namesText returns names as the database has them: nil, which is NULL, for none.
func namesText(names party.Names) (*string, error) {
	if len(names) == 0 {
		return nil, nil
	}
	b, err := json.Marshal(names)
	text := string(b)
	return &text, err
}
