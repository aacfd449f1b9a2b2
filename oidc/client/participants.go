package client

import (
	"context"
	"errors"
	"fmt"
	"reflect"
	"slices"
	"time"

	"yizheng.internal/license/party"
	"yizheng.internal/oidc"
	"yizheng.internal/oidc/identity"
	"yizheng.internal/signing/journal"
)

// CreateParticipant connects an organization. Its parent, if it has one, must exist.
// Refusals are *identity.Error, and identity.ErrExists if its code is taken.
func (p *Service) CreateParticipant(ctx context.Context, a oidc.Actor, s identity.Spec) (identity.Participant, error) {
	n, err := identity.NewParticipant(s)
	if err != nil {
		return identity.Participant{}, err
	}
	err = p.c.Journal.Change(ctx, a.Did(journal.ActionParticipantCreate, n.ID, ""), func() error {
		if err := p.checkRelations(ctx, n); err != nil {
			return err
		}
		return p.c.Participants.CreateParticipant(ctx, n)
	})
	if err != nil {
		return identity.Participant{}, fmt.Errorf("creating a participant: %w", err)
	}
	return n, nil
}

// UpdateParticipant saves a participant that was loaded and then changed, such as
// disabled or enabled, renamed, moved below another parent, or succeeded. Its code never
// changes. The clients of a disabled participant are refused; see [Service] for how soon.
// Refusals are *identity.Error, identity.ErrNotFound, and identity.ErrConflict if somebody
// else changed the participant since it was loaded.
func (p *Service) UpdateParticipant(ctx context.Context, a oidc.Actor, n identity.Participant) (identity.Participant, error) {
	old, err := p.Participant(ctx, n.ID)
	if err != nil {
		return identity.Participant{}, fmt.Errorf("updating participant %s: %w", n.ID, err)
	}
	if n.USCC != old.USCC {
		return identity.Participant{}, &identity.Error{Reason: "uscc_fixed", Detail: "a participant's code never changes: create another and name it as the successor"}
	}
	if n, err = n.Checked(); err != nil {
		return identity.Participant{}, err
	}
	n.Created, n.Updated = old.Created, time.Now().UTC()
	err = p.c.Journal.Change(ctx, a.Did(participantAction(old, n), n.ID, ""), func() error {
		if err := p.checkRelations(ctx, n); err != nil {
			return err
		}
		return p.c.Participants.UpdateParticipant(ctx, n)
	})
	if err != nil {
		return identity.Participant{}, fmt.Errorf("updating participant %s: %w", n.ID, err)
	}
	p.standings.Forget()
	n.Revision++
	return n, nil
}

// participantAction returns the action for the event of a change. Renaming, disabling and
// enabling alone have actions of their own.
func participantAction(old, n identity.Participant) journal.Action {
	same := old
	same.Name, same.Disabled, same.Updated, same.Revision = n.Name, n.Disabled, n.Updated, n.Revision
	same.Auth, same.Mark = n.Auth, n.Mark
	renamed, switched := old.Name != n.Name, old.Disabled != n.Disabled
	switch {
	case !reflect.DeepEqual(same, n) || renamed == switched:
		return journal.ActionParticipantUpdate
	case renamed:
		return journal.ActionParticipantRename
	case n.Disabled:
		return journal.ActionParticipantDisable
	}
	return journal.ActionParticipantEnable
}

// maxDepth is how many superiors a participant may have, one above the other.
const maxDepth = 16

// checkRelations checks that the participant's parent and successor exist, and that the
// participant isn't above itself.
func (p *Service) checkRelations(ctx context.Context, n identity.Participant) error {
	if n.Successor != "" {
		if _, err := p.c.Participants.LoadParticipant(ctx, n.Successor); err != nil {
			return relationError(err, "successor_invalid", "no participant has the successor's id")
		}
	}
	above := []string{n.ID}
	for id := n.Parent; id != ""; {
		if slices.Contains(above, id) || len(above) > maxDepth {
			return &identity.Error{Reason: "parent_invalid", Detail: "the participant would stand above itself, or more than 16 deep"}
		}
		parent, err := p.c.Participants.LoadParticipant(ctx, id)
		if err != nil {
			return relationError(err, "parent_invalid", "no participant has the parent's id")
		}
		above = append(above, id)
		id = parent.Parent
	}
	return nil
}

func relationError(err error, reason identity.Reason, detail string) error {
	if errors.Is(err, identity.ErrNotFound) {
		return &identity.Error{Reason: reason, Detail: detail, Err: err}
	}
	return err
}

// Participant returns a participant, or identity.ErrNotFound.
func (p *Service) Participant(ctx context.Context, id string) (identity.Participant, error) {
	return p.c.Participants.LoadParticipant(ctx, id)
}

// FindParticipant returns the participant with that code, or identity.ErrNotFound.
func (p *Service) FindParticipant(ctx context.Context, code party.USCC) (identity.Participant, error) {
	return p.c.Participants.FindParticipant(ctx, code)
}

// ListParticipants returns up to limit participants with an ID greater than
// after, by ID.
func (p *Service) ListParticipants(ctx context.Context, after string, limit int) ([]identity.Participant, error) {
	return p.c.Participants.ListParticipants(ctx, after, limit)
}
