package client

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"time"

	"yizheng.internal/oidc"
	"yizheng.internal/oidc/fresh"
	"yizheng.internal/oidc/identity"
)

// Standing is a client and its participant, as they were read from the stores.
type Standing struct {
	Client      oidc.Client
	Participant identity.Participant
}

const (
	maxCachedClients = 4096
	// renewed is the greatest age of a reading by which a secret is refused, because the
	// secret may be new. It also limits how often wrong secrets cause readings.
	renewed = 200 * time.Millisecond
)

// readStanding reads a client with its participant. It returns ErrNotFound for an unknown
// client, and *Error temporarily_unavailable if the storage doesn't answer.
func (p *Service) readStanding(ctx context.Context, id string) (Standing, error) {
	record, err := p.c.Clients.LoadClient(ctx, id)
	if errors.Is(err, oidc.ErrNotFound) {
		return Standing{}, err
	}
	if err != nil {
		return Standing{}, oidc.Unavailable(fmt.Errorf("client %s: %w", id, err))
	}
	client, err := clientOf(record)
	if err != nil {
		return Standing{}, err
	}
	participant, err := p.c.Participants.LoadParticipant(ctx, client.Participant)
	if errors.Is(err, identity.ErrNotFound) {
		return Standing{}, fmt.Errorf("client %s: participant %s: %w", id, client.Participant, err)
	}
	if err != nil {
		return Standing{}, oidc.Unavailable(fmt.Errorf("participant of client %s: %w", id, err))
	}
	return Standing{client, participant}, nil
}

// Refusal says why the client may not act now, as a reason code and in words. Both are empty if
// it may act.
func (s Standing) Refusal() (reason oidc.Reason, description string) {
	switch {
	case s.Client.Disabled:
		return "client_disabled", "the client is disabled"
	case s.Participant.Disabled:
		return "participant_disabled", "the participant of the client is disabled"
	}
	return "", ""
}

// Credentials are what a client presents at the token endpoint.
type Credentials struct {
	ID        string
	Method    oidc.AuthMethod
	Secret    oidc.Secret
	RequestID string // for the event of a refusal
}

// errCredentials returns the same answer for an unknown client and for a wrong secret.
func errCredentials() error {
	return &oidc.Error{Code: oidc.InvalidClient, Description: "client authentication failed", Reason: "credentials"}
}

// believes reports whether the credentials are a client's. With AuthNone they are right
// only for a public client, and only without a secret.
func believes(c oidc.Client, p Credentials) bool {
	matches := matches(c, p.Secret, time.Now())
	if p.Method == oidc.AuthNone {
		return c.Public() && p.Secret == oidc.Secret{}
	}
	return matches
}

// Authenticate returns the client whose credentials these are. An unknown client and a wrong
// secret get the same error, *Error invalid_client, after the same work of comparing. If the
// secret is right, but the client is disabled or not registered for the method, the refusal
// says so and leaves an event. It also returns *Error temporarily_unavailable.
func (p *Service) Authenticate(ctx context.Context, c Credentials) (oidc.Client, error) {
	s, err := p.Standing(ctx, c.ID)
	if err != nil && !errors.Is(err, oidc.ErrNotFound) {
		return oidc.Client{}, err
	}
	ok := believes(s.Client, c) // an unknown client is the zero Client
	if !ok && err == nil {
		// The secret may have been made a moment ago, by another process.
		if s, err = p.NewStanding(ctx, c.ID); err != nil {
			return oidc.Client{}, err
		}
		ok = believes(s.Client, c)
	}
	if !ok {
		return oidc.Client{}, errCredentials()
	}
	if err := s.admits(c.Method); err != nil {
		oidc.RefusedToken(ctx, p.c.Journal, s.Client, c.RequestID, err)
		return oidc.Client{}, err
	}
	return s.Client, nil
}

// Standing returns a client with its participant, as of at most 2 seconds ago, or
// ErrNotFound.
func (p *Service) Standing(ctx context.Context, id string) (Standing, error) {
	return p.standingOf(ctx, id, fresh.Age)
}

// NewStanding is Standing with a reading of at most 200 milliseconds ago, for what may have been
// registered just now.
func (p *Service) NewStanding(ctx context.Context, id string) (Standing, error) {
	return p.standingOf(ctx, id, renewed)
}

// standingOf returns a client with its participant, as of at most age ago. It doesn't look up
// what can't be an id.
func (p *Service) standingOf(ctx context.Context, id string, age time.Duration) (Standing, error) {
	if !identity.ValidID(id) {
		return Standing{}, oidc.ErrNotFound
	}
	return p.standings.Since(ctx, id, age)
}

// admits returns the refusals that only a client that knows its secret may learn.
func (s Standing) admits(m oidc.AuthMethod) *oidc.Error {
	if reason, description := s.Refusal(); reason != "" {
		return &oidc.Error{Code: oidc.InvalidClient, Description: description, Reason: reason}
	}
	if !slices.Contains(s.Client.AuthMethods, m) {
		return &oidc.Error{Code: oidc.InvalidClient, Description: "the client is not registered for this authentication method", Reason: "auth_method"}
	}
	return nil
}
