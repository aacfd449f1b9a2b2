package client

import (
	"context"
	"errors"
	"fmt"
	"time"

	"yizheng.internal/oidc"
	"yizheng.internal/oidc/identity"
	"yizheng.internal/signing/journal"
)

// MaxOverlap is the longest time that an old secret stays valid beside a new one.
const MaxOverlap = 30 * 24 * time.Hour

// CreateClient registers a client and returns it with its secret, which can't be shown
// again. A public client has no secret. Refusals are *oidc.RegistrationError.
func (p *Service) CreateClient(ctx context.Context, a oidc.Actor, s Spec) (oidc.Client, oidc.Secret, error) {
	c, err := newClient(s, p.c.Grants)
	if err != nil {
		return oidc.Client{}, oidc.Secret{}, err
	}
	var secret oidc.Secret
	if !c.Public() {
		secret = oidc.NewSecret()
		c = rotated(c, secret, 0, c.Created)
	}
	record, err := recordOf(c)
	if err != nil {
		return oidc.Client{}, oidc.Secret{}, err
	}
	err = p.c.Journal.Change(ctx, a.Did(journal.ActionClientCreate, c.ID, ""), func() error {
		owner, err := p.participant(ctx, s.Participant)
		if err != nil {
			return err
		}
		if owner.Disabled {
			return &oidc.RegistrationError{Reason: "participant_disabled", Detail: "the participant is disabled"}
		}
		return p.c.Clients.CreateClient(ctx, record)
	})
	if err != nil {
		return oidc.Client{}, oidc.Secret{}, fmt.Errorf("creating a client: %w", err)
	}
	return c, secret, nil
}

// participant loads the participant to which a new client will belong.
func (p *Service) participant(ctx context.Context, id string) (identity.Participant, error) {
	unknown := &oidc.RegistrationError{Reason: "participant_unknown", Detail: "a client belongs to a participant: give its id"}
	if !identity.ValidID(id) {
		return identity.Participant{}, unknown
	}
	owner, err := p.c.Participants.LoadParticipant(ctx, id)
	if errors.Is(err, identity.ErrNotFound) {
		return identity.Participant{}, unknown
	}
	return owner, err
}

// UpdateClient replaces a client's registration by a complete spec: what the spec leaves
// out is removed. These stay: the client's id, its participant (which the spec may leave
// out), its secrets, whether it is disabled, whether it is public, and, if people log in
// there already, its subject type. Refusals are *oidc.RegistrationError; ErrNotFound if
// there is no such client; ErrConflict if revision isn't the client's any more (0 means any).
func (p *Service) UpdateClient(ctx context.Context, a oidc.Actor, id string, revision int64, s Spec) (oidc.Client, error) {
	n, err := s.checked(p.c.Grants)
	if err != nil {
		return oidc.Client{}, err
	}
	n, err = p.changeClient(ctx, a, journal.ActionClientUpdate, id, func(c oidc.Client, _ time.Time) (oidc.Client, error) {
		switch {
		case s.Participant != "" && s.Participant != c.Participant:
			return oidc.Client{}, &oidc.RegistrationError{Reason: "participant_fixed", Detail: "a client belongs to its participant for good: register another"}
		case n.Public() != c.Public():
			return oidc.Client{}, &oidc.RegistrationError{Reason: "public_fixed", Detail: "a client has a secret or none for good: register another"}
		case c.Subject != "" && n.Subject != c.Subject:
			return oidc.Client{}, &oidc.RegistrationError{Reason: "subject_type_fixed", Detail: "people keep their subjects at a client for good: register another"}
		case revision != 0 && revision != c.Revision:
			return oidc.Client{}, oidc.ErrConflict
		}
		changed := n
		changed.ID, changed.Participant, changed.Disabled = c.ID, c.Participant, c.Disabled
		changed.Secrets, changed.Created, changed.Revision = c.Secrets, c.Created, c.Revision
		return changed, nil
	})
	if err != nil {
		return oidc.Client{}, fmt.Errorf("updating client %s: %w", id, err)
	}
	return n, nil
}

// RotateSecret gives a client a new secret and returns it. The secret before it stays
// valid for the overlap, 0 to [MaxOverlap]; any older one ends. Other processes accept
// the new secret from its first use. ErrNotFound if there is no such client.
func (p *Service) RotateSecret(ctx context.Context, a oidc.Actor, id string, overlap time.Duration) (oidc.Client, oidc.Secret, error) {
	if overlap < 0 || overlap > MaxOverlap {
		return oidc.Client{}, oidc.Secret{}, &oidc.RegistrationError{Reason: "overlap_invalid", Detail: "the old secret may live on for 0 to 30 days"}
	}
	secret := oidc.NewSecret()
	c, err := p.changeClient(ctx, a, journal.ActionClientRotate, id, func(c oidc.Client, now time.Time) (oidc.Client, error) {
		if c.Public() {
			return oidc.Client{}, &oidc.RegistrationError{Reason: "public_client", Detail: "the client is one without a secret"}
		}
		return rotated(c, secret, overlap, now), nil
	})
	if err != nil {
		return oidc.Client{}, oidc.Secret{}, fmt.Errorf("rotating the secret of client %s: %w", id, err)
	}
	return c, secret, nil
}

// DisableClient ends a client's tokens and refuses it new ones; see [Service] for how
// soon. A client that is disabled already stays so. ErrNotFound if there is no such
// client.
func (p *Service) DisableClient(ctx context.Context, a oidc.Actor, id string) (oidc.Client, error) {
	c, err := p.changeClient(ctx, a, journal.ActionClientDisable, id, func(c oidc.Client, _ time.Time) (oidc.Client, error) {
		c.Disabled = true
		return c, nil
	})
	if err != nil {
		return oidc.Client{}, fmt.Errorf("disabling client %s: %w", id, err)
	}
	return c, nil
}

// EnableClient undoes DisableClient. ErrNotFound if there is no such client.
func (p *Service) EnableClient(ctx context.Context, a oidc.Actor, id string) (oidc.Client, error) {
	c, err := p.changeClient(ctx, a, journal.ActionClientEnable, id, func(c oidc.Client, _ time.Time) (oidc.Client, error) {
		c.Disabled = false
		return c, nil
	})
	if err != nil {
		return oidc.Client{}, fmt.Errorf("enabling client %s: %w", id, err)
	}
	return c, nil
}

// changeClient applies a change to the stored client and returns the result.
func (p *Service) changeClient(ctx context.Context, a oidc.Actor, action journal.Action, id string, change func(oidc.Client, time.Time) (oidc.Client, error)) (c oidc.Client, err error) {
	if c, err = p.Client(ctx, id); err != nil {
		return oidc.Client{}, err
	}
	err = p.c.Journal.Change(ctx, a.Did(action, id, ""), func() error {
		for try := 1; ; try++ {
			now := time.Now().UTC()
			if c, err = change(c, now); err != nil {
				return err
			}
			c.Updated = now
			record, err := recordOf(c)
			if err != nil {
				return err
			}
			if err = p.c.Clients.UpdateClient(ctx, record); !errors.Is(err, oidc.ErrConflict) || try == oidc.ChangeTries {
				return err
			}
			if c, err = p.Client(ctx, id); err != nil {
				return err
			}
		}
	})
	if err != nil {
		return oidc.Client{}, err
	}
	p.standings.Forget()
	c.Revision++
	return c, nil
}

// Client returns a client, or ErrNotFound. It always asks the store.
func (p *Service) Client(ctx context.Context, id string) (oidc.Client, error) {
	record, err := p.c.Clients.LoadClient(ctx, id)
	if err != nil {
		return oidc.Client{}, err
	}
	return clientOf(record)
}

// ListClients returns up to limit clients with an ID greater than after, by ID: those of
// one participant, or of all if participant is empty.
func (p *Service) ListClients(ctx context.Context, participant, after string, limit int) ([]oidc.Client, error) {
	records, err := p.c.Clients.ListClients(ctx, participant, after, limit)
	if err != nil {
		return nil, err
	}
	clients := make([]oidc.Client, 0, len(records))
	for _, r := range records {
		c, err := clientOf(r)
		if err != nil {
			return nil, err
		}
		clients = append(clients, c)
	}
	return clients, nil
}
