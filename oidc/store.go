// Package oidc holds the rules of the OpenID provider: clients, their secrets,
// scopes and tokens. It knows no HTTP.
package oidc

import (
	"context"
	"errors"
	"time"
)

// Conditions of stores.
var (
	ErrNotFound = errors.New("there is none of that name")
	ErrExists   = errors.New("it exists already")
	ErrConflict = errors.New("it changed since it was read")
)

// ClientRecord is a client as a store keeps it.
type ClientRecord struct {
	ID          string
	Participant string // participant id
	Disabled    bool
	Revision    int64  // counts updates, from 1
	Body        []byte // Client as JSON; secrets in it are hashes
	Created     time.Time
	Updated     time.Time
	Auth        []byte // see signing.Authenticator; read and written with the record
	Mark        []byte // its register, likewise; nil before revision 2
}

// Clients keeps clients. Every driver passes storagetest.Clients.
type Clients interface {
	// CreateClient stores c with revision 1. ErrExists if its ID is taken.
	CreateClient(ctx context.Context, c ClientRecord) error
	// LoadClient returns one, or ErrNotFound.
	LoadClient(ctx context.Context, id string) (ClientRecord, error)
	// ListClients returns up to limit with an ID greater than after, by ID; of
	// one participant, or of all if that is empty.
	ListClients(ctx context.Context, participant, after string, limit int) ([]ClientRecord, error)
	// UpdateClient saves c if the stored revision is c.Revision, and counts it
	// up; else ErrConflict.
	UpdateClient(ctx context.Context, c ClientRecord) error
}
