package sqlite

import (
	"context"
	"encoding/json"
	"fmt"

	"yizheng.internal/license/party"
	"yizheng.internal/oidc/identity"
)

// CreateParticipant implements [identity.Participants].
func (s *Provider) CreateParticipant(ctx context.Context, p identity.Participant) error {
	names, err := namesText(p.Names)
	if err != nil {
		return fmt.Errorf("creating participant %s: %w", p.ID, err)
	}
	err = s.db.writer.do(ctx, func(c *conn) error {
		_, err := c.exec(`
			INSERT INTO participants (id, uscc, name, names, class, area_code, level, parent, successor, disabled, created, updated, revision, auth)
			VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, 1, ?)`,
			p.ID, string(p.USCC), p.Name, names, string(p.Class), p.AreaCode, p.Level, p.Parent, p.Successor, p.Disabled, p.Created, p.Updated, p.Auth)
		return taken(err, identity.ErrExists)
	})
	if err != nil {
		return fmt.Errorf("creating participant %s: %w", p.ID, err)
	}
	return nil
}

// UpdateParticipant implements [identity.Participants].
func (s *Provider) UpdateParticipant(ctx context.Context, p identity.Participant) error {
	names, err := namesText(p.Names)
	if err != nil {
		return fmt.Errorf("updating participant %s: %w", p.ID, err)
	}
	err = s.db.writer.do(ctx, func(c *conn) error {
		n, err := c.exec(`
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
		return saveMark(c, "participants", p.ID, p.Mark)
	})
	if err != nil {
		return fmt.Errorf("updating participant %s: %w", p.ID, err)
	}
	return nil
}

const participantColumns = `id, uscc, name, names, class, area_code, level, parent, successor, disabled, created, updated, revision, auth,
	(SELECT mark FROM registers WHERE kind = 'participants' AND registers.id = participants.id)`

func scanParticipant(r *row) identity.Participant {
	return identity.Participant{
		ID: r.text(), USCC: party.USCC(r.text()), Name: r.text(), Names: namesOf(r), Class: identity.Class(r.text()),
		AreaCode: r.text(), Level: r.int(), Parent: r.text(), Successor: r.text(), Disabled: r.bool(),
		Created: r.time(), Updated: r.time(), Revision: r.int64(), Auth: r.bytes(), Mark: r.bytes(),
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

func namesOf(r *row) (names party.Names) {
	if text := r.text(); text != "" {
		r.fail(json.Unmarshal([]byte(text), &names))
	}
	return names
}

const (
	loadParticipant  = "SELECT " + participantColumns + " FROM participants WHERE id = ?"
	findParticipant  = "SELECT " + participantColumns + " FROM participants WHERE uscc = ?"
	listParticipants = "SELECT " + participantColumns + " FROM participants WHERE id > ? ORDER BY id LIMIT ?"
)

// LoadParticipant implements [identity.Participants].
func (s *Provider) LoadParticipant(ctx context.Context, id string) (identity.Participant, error) {
	return s.participant(ctx, loadParticipant, id)
}

// FindParticipant implements [identity.Participants].
func (s *Provider) FindParticipant(ctx context.Context, code party.USCC) (identity.Participant, error) {
	return s.participant(ctx, findParticipant, string(code))
}

func (s *Provider) participant(ctx context.Context, sql, value string) (identity.Participant, error) {
	var p identity.Participant
	err := one(ctx, s.db, identity.ErrNotFound, sql, func(r *row) { p = scanParticipant(r) }, value)
	if err != nil {
		return identity.Participant{}, fmt.Errorf("loading a participant: %w", err)
	}
	return p, nil
}

// ListParticipants implements [identity.Participants].
func (s *Provider) ListParticipants(ctx context.Context, after string, limit int) ([]identity.Participant, error) {
	ps, err := many(ctx, s.db, listParticipants, scanParticipant, after, max(limit, 0))
	if err != nil {
		return nil, fmt.Errorf("listing participants: %w", err)
	}
	return ps, nil
}
