package oidc

import (
	"context"
	"errors"
	"fmt"
	"time"

	"yizheng.internal/oidc/identity"
)

// MaxOverlap is the longest that an old secret lives on beside a new one.
const MaxOverlap = 30 * 24 * time.Hour

// CreateClient registers a client and returns it with its secret, which nobody
// can be shown again. Refusals are *RegistrationError.
func (p *Provider) CreateClient(ctx context.Context, a Actor, s ClientSpec) (Client, Secret, error) {
	c, err := newClient(s)
	if err != nil {
		return Client{}, Secret{}, err
	}
	secret := NewSecret()
	c = c.rotate(secret, 0, c.Created)
	record, err := c.record()
	if err != nil {
		return Client{}, Secret{}, err
	}
	err = p.recorded(ctx, a, ActionClientCreate, c.ID, func() error {
		owner, err := p.participant(ctx, s.Participant)
		if err != nil {
			return err
		}
		if owner.Disabled {
			return &RegistrationError{"participant_disabled", "the participant is disabled"}
		}
		return p.c.Clients.CreateClient(ctx, record)
	})
	if err != nil {
		return Client{}, Secret{}, fmt.Errorf("creating a client: %w", err)
	}
	return c, secret, nil
}

// participant loads the participant that a client is to belong to.
func (p *Provider) participant(ctx context.Context, id string) (identity.Participant, error) {
	unknown := &RegistrationError{"participant_unknown", "a client belongs to a participant: give its id"}
	if !identity.ValidID(id) {
		return identity.Participant{}, unknown
	}
	owner, err := p.c.Participants.LoadParticipant(ctx, id)
	if errors.Is(err, identity.ErrNotFound) {
		return identity.Participant{}, unknown
	}
	return owner, err
}

// RotateSecret gives a client a new secret and returns it. The one before it
// goes on for the overlap, 0 to [MaxOverlap]; any older one ends. Other
// processes know the new secret as soon as it is used there. ErrNotFound if
// there is no such client.
func (p *Provider) RotateSecret(ctx context.Context, a Actor, id string, overlap time.Duration) (Client, Secret, error) {
	if overlap < 0 || overlap > MaxOverlap {
		return Client{}, Secret{}, &RegistrationError{"overlap_invalid", "the old secret may live on for 0 to 30 days"}
	}
	secret := NewSecret()
	c, err := p.changeClient(ctx, a, ActionClientRotate, id, func(c Client, now time.Time) Client {
		return c.rotate(secret, overlap, now)
	})
	if err != nil {
		return Client{}, Secret{}, fmt.Errorf("rotating the secret of client %s: %w", id, err)
	}
	return c, secret, nil
}

// DisableClient ends a client's tokens and lets it get no more; see [Provider]
// for how soon. A client disabled already stays so. ErrNotFound if there is no
// such client.
func (p *Provider) DisableClient(ctx context.Context, a Actor, id string) (Client, error) {
	c, err := p.changeClient(ctx, a, ActionClientDisable, id, func(c Client, _ time.Time) Client {
		c.Disabled = true
		return c
	})
	if err != nil {
		return Client{}, fmt.Errorf("disabling client %s: %w", id, err)
	}
	return c, nil
}

// EnableClient undoes DisableClient. ErrNotFound if there is no such client.
func (p *Provider) EnableClient(ctx context.Context, a Actor, id string) (Client, error) {
	c, err := p.changeClient(ctx, a, ActionClientEnable, id, func(c Client, _ time.Time) Client {
		c.Disabled = false
		return c
	})
	if err != nil {
		return Client{}, fmt.Errorf("enabling client %s: %w", id, err)
	}
	return c, nil
}

// changeTries is how often a change is tried again when another process
// changed the same client in between.
const changeTries = 5

// changeClient applies a change to the stored client and returns the result.
func (p *Provider) changeClient(ctx context.Context, a Actor, action, id string, change func(Client, time.Time) Client) (c Client, err error) {
	if c, err = p.Client(ctx, id); err != nil {
		return Client{}, err
	}
	err = p.recorded(ctx, a, action, id, func() error {
		for try := 1; ; try++ {
			now := time.Now().UTC()
			c = change(c, now)
			c.Updated = now
			record, err := c.record()
			if err != nil {
				return err
			}
			if err = p.c.Clients.UpdateClient(ctx, record); !errors.Is(err, ErrConflict) || try == changeTries {
				return err
			}
			if c, err = p.Client(ctx, id); err != nil {
				return err
			}
		}
	})
	if err != nil {
		return Client{}, err
	}
	p.standings.forget()
	c.Revision++
	return c, nil
}

// Client returns a client, or ErrNotFound. It always asks the store.
func (p *Provider) Client(ctx context.Context, id string) (Client, error) {
	record, err := p.c.Clients.LoadClient(ctx, id)
	if err != nil {
		return Client{}, err
	}
	return clientOf(record)
}

// ListClients returns up to limit clients with an ID greater than after, by
// ID; of one participant, or of all if that is empty.
func (p *Provider) ListClients(ctx context.Context, participant, after string, limit int) ([]Client, error) {
	records, err := p.c.Clients.ListClients(ctx, participant, after, limit)
	if err != nil {
		return nil, err
	}
	clients := make([]Client, 0, len(records))
	for _, r := range records {
		c, err := clientOf(r)
		if err != nil {
			return nil, err
		}
		clients = append(clients, c)
	}
	return clients, nil
}
