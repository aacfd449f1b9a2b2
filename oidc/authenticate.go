package oidc

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"time"

	"yizheng.internal/oidc/identity"
)

// standing is a client and its participant as they were when they were read.
type standing struct {
	client      Client
	participant identity.Participant
}

const (
	maxCachedClients = 4096
	// standingFresh is how long a disabled client may go on.
	standingFresh = 2 * time.Second
	// secretFresh is how old a reading may be for a secret to be called wrong:
	// it may be new. It also keeps readings for wrong secrets apart.
	secretFresh = 200 * time.Millisecond
)

// readStanding reads a client with its participant. An unknown client is
// ErrNotFound; storage that doesn't answer is *Error temporarily_unavailable.
func (p *Provider) readStanding(ctx context.Context, id string) (standing, error) {
	record, err := p.c.Clients.LoadClient(ctx, id)
	if errors.Is(err, ErrNotFound) {
		return standing{}, err
	}
	if err != nil {
		return standing{}, unavailable(fmt.Errorf("client %s: %w", id, err))
	}
	client, err := clientOf(record)
	if err != nil {
		return standing{}, err
	}
	participant, err := p.c.Participants.LoadParticipant(ctx, client.Participant)
	if errors.Is(err, identity.ErrNotFound) {
		return standing{}, fmt.Errorf("client %s: participant %s: %w", id, client.Participant, err)
	}
	if err != nil {
		return standing{}, unavailable(fmt.Errorf("participant of client %s: %w", id, err))
	}
	return standing{client, participant}, nil
}

func unavailable(err error) error {
	return &Error{Code: TemporarilyUnavailable, Description: "the service can not answer now; try again shortly", Err: err}
}

// check says whether the client may act now: nil, or the reason code.
func (s standing) check() (reason, description string) {
	switch {
	case s.client.Disabled:
		return "client_disabled", "the client is disabled"
	case s.participant.Disabled:
		return "participant_disabled", "the participant of the client is disabled"
	}
	return "", ""
}

// Credentials are what a client presents at the token endpoint.
type Credentials struct {
	ID        string
	Method    AuthMethod
	Secret    Secret
	RequestID string // for the event of a refusal
}

// errCredentials is the one answer to an unknown client and to a wrong secret.
func errCredentials() error {
	return &Error{Code: InvalidClient, Description: "client authentication failed", Reason: "credentials"}
}

// believes reports whether the credentials are the client's: of one that is
// public none are needed, and with AuthNone no other is believed.
func (c Client) believes(p Credentials) bool {
	matches := c.matches(p.Secret, time.Now())
	if p.Method == AuthNone {
		return c.Public() && p.Secret == Secret{}
	}
	return matches
}

// Authenticate returns the client whose credentials these are. A client that
// is unknown and a secret that is wrong are one error, *Error invalid_client,
// after the same work of comparing. A right secret of a client that is
// disabled, or not registered for the method, is refused by name and leaves an
// event. Also *Error temporarily_unavailable.
func (p *Provider) Authenticate(ctx context.Context, c Credentials) (Client, error) {
	s, err := p.standingOf(ctx, c.ID, standingFresh)
	if err != nil && !errors.Is(err, ErrNotFound) {
		return Client{}, err
	}
	ok := s.client.believes(c) // the zero Client, if unknown
	if !ok && err == nil {
		// The secret may have been made a moment ago, by another process.
		if s, err = p.standingOf(ctx, c.ID, secretFresh); err != nil {
			return Client{}, err
		}
		ok = s.client.believes(c)
	}
	if !ok {
		return Client{}, errCredentials()
	}
	if err := s.admits(c.Method); err != nil {
		p.refused(ctx, s.client, c.RequestID, err)
		return Client{}, err
	}
	return s.client, nil
}

// standingOf returns a reading no older than age, or ErrNotFound. What can't be
// an id isn't looked up.
func (p *Provider) standingOf(ctx context.Context, id string, age time.Duration) (standing, error) {
	if !identity.ValidID(id) {
		return standing{}, ErrNotFound
	}
	return p.standings.since(ctx, id, age)
}

// admits checks what only a client that knows its secret may learn.
func (s standing) admits(m AuthMethod) *Error {
	if reason, description := s.check(); reason != "" {
		return &Error{Code: InvalidClient, Description: description, Reason: reason}
	}
	if !slices.Contains(s.client.AuthMethods, m) {
		return &Error{Code: InvalidClient, Description: "the client is not registered for this authentication method", Reason: "auth_method"}
	}
	return nil
}
