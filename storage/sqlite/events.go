package sqlite

import (
	"context"
	"fmt"

	"yizheng.internal/license"
)

// appendEvent stores an event: a license's in its history, others apart.
func appendEvent(c *conn, e license.EventRecord) error {
	if e.License == "" {
		_, err := c.exec(`
			INSERT INTO events (id, at, action, client, participant, request_id, version, result, detail, hash)
			VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?)`,
			e.ID, e.At, string(e.Action), e.Client, e.Participant, e.RequestID, e.Version, e.Result, e.Detail, e.Hash[:])
		return err
	}
	_, err := c.exec(`
		INSERT INTO history (license, id, at, action, client, participant, request_id, version, result, detail, hash)
		VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?)`,
		string(e.License), e.ID, e.At, string(e.Action), e.Client, e.Participant, e.RequestID, e.Version, e.Result, e.Detail, e.Hash[:])
	return err
}

// AppendEvents implements [license.EventStore].
func (s *Licenses) AppendEvents(ctx context.Context, es ...license.EventRecord) error {
	err := s.db.writer.do(ctx, func(c *conn) error {
		for _, e := range es {
			if err := appendEvent(c, e); err != nil {
				return err
			}
		}
		return nil
	})
	if err != nil {
		return fmt.Errorf("appending events: %w", err)
	}
	return nil
}

func scanEvent(r *row) license.EventRecord {
	return license.EventRecord{
		Seq: r.int64(), License: license.ID(r.text()), ID: r.text(), At: r.time(), Action: license.Action(r.text()),
		Client: r.text(), Participant: r.text(), RequestID: r.text(), Version: r.int(), Result: r.text(),
		Detail: r.bytes(), Hash: r.sum(),
	}
}

const history = `
	SELECT seq, license, id, at, action, client, participant, request_id, version, result, detail, hash
	FROM history WHERE license = ? AND seq > ? ORDER BY seq LIMIT ?`

// History implements [license.EventStore].
func (s *Licenses) History(ctx context.Context, id license.ID, after int64, limit int) ([]license.EventRecord, error) {
	es, err := many(ctx, s.db, history, scanEvent, string(id), after, max(limit, 0))
	if err != nil {
		return nil, fmt.Errorf("loading the history of license %s: %w", id, err)
	}
	return es, nil
}

const eventsApart = `
	SELECT seq, '', id, at, action, client, participant, request_id, version, result, detail, hash
	FROM events WHERE seq > ? ORDER BY seq LIMIT ?`

// Events implements [license.EventStore].
func (s *Licenses) Events(ctx context.Context, after int64, limit int) ([]license.EventRecord, error) {
	es, err := many(ctx, s.db, eventsApart, scanEvent, after, max(limit, 0))
	if err != nil {
		return nil, fmt.Errorf("loading events: %w", err)
	}
	return es, nil
}
