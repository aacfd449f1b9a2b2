package identities

import (
	"context"
	"encoding/json"
	"fmt"

	"yizheng.internal/license/party"
	"yizheng.internal/oidc/identity"
	"yizheng.internal/storage/sqlite/engine"
	"yizheng.internal/storage/sqlite/ledger"
)

// Participants implements [identity.Participants].
type Participants struct{ DB *engine.DB }

// CreateParticipant implements [identity.Participants].
func (s *Participants) CreateParticipant(ctx context.Context, p identity.Participant) error {
	names, err := namesText(p.Names)
	if err != nil {
		return fmt.Errorf("creating participant %s: %w", p.ID, err)
	}
	err = s.DB.Write(ctx, func(c *engine.Conn) error {
		_, err := c.Exec(`
			INSERT INTO participants (id, uscc, name, names, class, area_code, level, parent, successor, disabled, created, updated, revision, auth)
			VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, 1, ?)`,
			p.ID, string(p.USCC), p.Name, names, string(p.Class), p.AreaCode, p.Level, p.Parent, p.Successor, p.Disabled, p.Created, p.Updated, p.Auth)
		return engine.Taken(err, identity.ErrExists)
	})
	if err != nil {
		return fmt.Errorf("creating participant %s: %w", p.ID, err)
	}
	return nil
}

// UpdateParticipant implements [identity.Participants].
func (s *Participants) UpdateParticipant(ctx context.Context, p identity.Participant) error {
	names, err := namesText(p.Names)
	if err != nil {
		return fmt.Errorf("updating participant %s: %w", p.ID, err)
	}
	err = s.DB.Write(ctx, func(c *engine.Conn) error {
		n, err := c.Exec(`
			UPDATE participants SET name = ?, names = ?, class = ?, area_code = ?, level = ?, parent = ?, successor = ?,
				disabled = ?, updated = ?, revision = revision + 1, auth = ?
			WHERE id = ? AND revision = ?`,
			p.Name, names, string(p.Class), p.AreaCode, p.Level, p.Parent, p.Successor, p.Disabled, p.Updated, p.Auth, p.ID, p.Revision)
		if err == nil && n == 0 {
			return identity.ErrConflict
		}
		if err != nil {
			return err
		}
		return ledger.SaveMark(c, "participants", p.ID, p.Mark)
	})
	if err != nil {
		return fmt.Errorf("updating participant %s: %w", p.ID, err)
	}
	return nil
}

const participantColumns = `id, uscc, name, names, class, area_code, level, parent, successor, disabled, created, updated, revision, auth,
	(SELECT mark FROM registers WHERE kind = 'participants' AND registers.id = participants.id)`

func scanParticipant(r *engine.Row) identity.Participant {
	return identity.Participant{
		ID: r.Text(), USCC: party.USCC(r.Text()), Name: r.Text(), Names: namesOf(r), Class: identity.Class(r.Text()),
		AreaCode: r.Text(), Level: r.Int(), Parent: r.Text(), Successor: r.Text(), Disabled: r.Bool(),
		Created: r.Time(), Updated: r.Time(), Revision: r.Int64(), Auth: r.Bytes(), Mark: r.Bytes(),
	}
}

// namesText returns names as the database has them: nil, which is NULL, for none.
func namesText(names party.Names) (any, error) {
	if len(names) == 0 {
		return nil, nil
	}
	text, err := json.Marshal(names)
	return string(text), err
}

func namesOf(r *engine.Row) (names party.Names) {
	if text := r.Text(); text != "" {
		r.Fail(json.Unmarshal([]byte(text), &names))
	}
	return names
}

const (
	loadParticipant  = "SELECT " + participantColumns + " FROM participants WHERE id = ?"
	FindParticipant  = "SELECT " + participantColumns + " FROM participants WHERE uscc = ?"
	listParticipants = "SELECT " + participantColumns + " FROM participants WHERE id > ? ORDER BY id LIMIT ?"
)

// LoadParticipant implements [identity.Participants].
func (s *Participants) LoadParticipant(ctx context.Context, id string) (identity.Participant, error) {
	return s.participant(ctx, loadParticipant, id)
}

// FindParticipant implements [identity.Participants].
func (s *Participants) FindParticipant(ctx context.Context, code party.USCC) (identity.Participant, error) {
	return s.participant(ctx, FindParticipant, string(code))
}

func (s *Participants) participant(ctx context.Context, sql, value string) (identity.Participant, error) {
	var p identity.Participant
	err := engine.One(ctx, s.DB, identity.ErrNotFound, sql, func(r *engine.Row) { p = scanParticipant(r) }, value)
	if err != nil {
		return identity.Participant{}, fmt.Errorf("loading a participant: %w", err)
	}
	return p, nil
}

// ListParticipants implements [identity.Participants].
func (s *Participants) ListParticipants(ctx context.Context, after string, limit int) ([]identity.Participant, error) {
	ps, err := engine.Many(ctx, s.DB, listParticipants, scanParticipant, after, max(limit, 0))
	if err != nil {
		return nil, fmt.Errorf("listing participants: %w", err)
	}
	return ps, nil
}
