package client

import (
	"context"
	"fmt"
	"time"

	"github.com/go-json-experiment/json"

	"yizheng.internal/oidc"
	"yizheng.internal/signing"
)

// Record is a client as a store keeps it.
type Record struct {
	ID          string
	Participant string // participant id
	Disabled    bool
	Revision    int64  // counts updates, from 1
	Body        []byte // Client as JSON; secrets in it are hashes
	Created     time.Time
	Updated     time.Time
	Auth        []byte // see signing.Authenticator; read and written with the record
	Mark        []byte // the record's register, likewise; nil before revision 2
}

// Store keeps clients. Every driver passes storagetest/provider.Clients.
type Store interface {
	// CreateClient stores c with revision 1. ErrExists if its ID is taken.
	CreateClient(ctx context.Context, c Record) error
	// LoadClient returns the client with that ID, or ErrNotFound.
	LoadClient(ctx context.Context, id string) (Record, error)
	// ListClients returns up to limit clients with an ID greater than after, by ID: those
	// of one participant, or of all if participant is empty.
	ListClients(ctx context.Context, participant, after string, limit int) ([]Record, error)
	// UpdateClient saves c and counts its revision up, if the stored revision is
	// c.Revision; otherwise ErrConflict.
	UpdateClient(ctx context.Context, c Record) error
}

// recordOf returns a client as a store keeps it.
func recordOf(c oidc.Client) (Record, error) {
	body, err := json.Marshal(c)
	if err != nil {
		return Record{}, fmt.Errorf("client %s: %w", c.ID, err)
	}
	return Record{
		ID: c.ID, Participant: c.Participant, Disabled: c.Disabled, Revision: c.Revision,
		Body: body, Created: c.Created, Updated: c.Updated,
	}, nil
}

// clientOf reverses recordOf. It ignores unknown members: a newer program that runs beside
// this one may have written them.
func clientOf(r Record) (oidc.Client, error) {
	c := oidc.Client{
		ID: r.ID, Participant: r.Participant, Disabled: r.Disabled,
		Created: r.Created, Updated: r.Updated, Revision: r.Revision,
	}
	if err := json.Unmarshal(r.Body, &c); err != nil {
		return oidc.Client{}, fmt.Errorf("client %s: stored body: %w", r.ID, err)
	}
	return c, nil
}

// Authentic returns a store that returns only clients of c as they were written here.
func Authentic(c Store, a *signing.Authenticator) Store { return &authenticClients{c, a} }

type authenticClients struct {
	Store
	auth *signing.Authenticator
}

// Facts returns the facts from which the authenticator of the record is made, at a revision.
func (c *Record) Facts(revision int64) *signing.Facts {
	return signing.NewFacts("clients", c.ID, revision).Text(c.Participant).Flag(c.Disabled).Bytes(c.Body).Time(c.Created, c.Updated)
}

// CreateClient implements [Store].
func (s *authenticClients) CreateClient(ctx context.Context, c Record) (err error) {
	if c.Auth, c.Mark, err = s.auth.Stamp(c.Facts(1)); err != nil {
		return err
	}
	return s.Store.CreateClient(ctx, c)
}

// UpdateClient implements [Store].
func (s *authenticClients) UpdateClient(ctx context.Context, c Record) (err error) {
	if c.Auth, c.Mark, err = s.auth.Stamp(c.Facts(c.Revision + 1)); err != nil {
		return err
	}
	return s.auth.Wrote(s.Store.UpdateClient(ctx, c), "clients", c.ID, c.Revision+1)
}

// LoadClient implements [Store].
func (s *authenticClients) LoadClient(ctx context.Context, id string) (Record, error) {
	c, err := s.Store.LoadClient(ctx, id)
	if err == nil {
		err = s.auth.Verify(c.Facts(c.Revision), c.Auth, c.Mark)
	}
	if err != nil {
		return Record{}, err
	}
	return c, nil
}

// ListClients implements [Store], and leaves out clients that were altered.
func (s *authenticClients) ListClients(ctx context.Context, participant, after string, limit int) ([]Record, error) {
	return signing.Fitting(limit, func(last *Record, n int) ([]Record, error) {
		if last != nil {
			after = last.ID
		}
		return s.Store.ListClients(ctx, participant, after, n)
	}, func(c *Record) error { return s.auth.Verify(c.Facts(c.Revision), c.Auth, c.Mark) })
}
