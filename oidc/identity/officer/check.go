package officer

import (
	"context"
	"errors"
	"fmt"
	"time"

	"yizheng.internal/license/party"
	"yizheng.internal/oidc/identity"
)

// Officer is somebody with a post, now.
type Officer struct {
	Post        string // its id
	Name        string // the person's
	StaffNumber string
	Division    string
	Roles       []Role
	Participant identity.Participant
}

// At says where somebody should have a post: in a participant, or exactly one post, or both.
type At struct {
	Participant string // its id; empty: whichever
	Post        string // its id; empty: whichever
}

// mostPosts is how many posts of one person are looked at.
const mostPosts = 200

// Check returns the post by which a person is, now, an officer with a role. It asks the database each
// time, so that whoever is dismissed is so at once on every node; callers don't keep its answer. It says
// nothing of how they logged in. *identity.Error: post_none, post_role, post_early, post_ended,
// participant_disabled, account_disabled.
func (s *standings) Check(ctx context.Context, partyID string, at At, role Role) (Officer, error) {
	if !identity.ValidID(partyID) || at == (At{}) {
		return Officer{}, none()
	}
	records, err := s.c.Store.FindPosts(ctx, Whose{Party: partyID}, mostPosts)
	if err != nil {
		return Officer{}, fmt.Errorf("reading posts: %w", err)
	}
	var why error
	for _, r := range records {
		if r.Party != partyID || r.State != Accepted || at.Participant != "" && r.Participant != at.Participant || at.Post != "" && r.ID != at.Post {
			continue
		}
		p, err := s.open(ctx, r)
		if err != nil {
			return Officer{}, err
		}
		o, err := s.inForce(ctx, p, time.Now())
		if err == nil && !p.Has(role) {
			err = refuse(ReasonRole, "the post has another role")
		}
		if _, refused := errors.AsType[*identity.Error](err); err == nil || !refused {
			return o, err
		}
		why = err
	}
	if why == nil {
		why = none()
	}
	return Officer{}, why
}

func none() error { return refuse(ReasonNone, "the person has no post there") }

// inForce returns the officer of an accepted post, if it counts now: the period, the participant and the
// account are asked.
func (s *standings) inForce(ctx context.Context, p Post, at time.Time) (Officer, error) {
	today := party.DateOf(at)
	switch {
	case p.State != Accepted:
		return Officer{}, none()
	case p.From.After(today):
		return Officer{}, refuse(ReasonEarly, "the post has not begun")
	case !p.Until.IsZero() && p.Until.Before(today):
		return Officer{}, refuse(ReasonEnded, "the post is past its last day")
	}
	in, err := s.participant(ctx, p.Participant)
	if err != nil {
		return Officer{}, err
	}
	who, err := s.person(ctx, p.Party)
	if err != nil {
		return Officer{}, err
	}
	return Officer{Post: p.ID, Name: who.Party.Name, StaffNumber: p.StaffNumber, Division: p.Division, Roles: p.Roles, Participant: in}, nil
}

// participant returns a participant that isn't disabled.
func (s *standings) participant(ctx context.Context, id string) (identity.Participant, error) {
	in, err := s.c.Participants.LoadParticipant(ctx, id)
	if errors.Is(err, identity.ErrNotFound) || err == nil && in.Disabled {
		return identity.Participant{}, refuse(ReasonParticipant, "the participant is disabled")
	}
	if err != nil {
		return identity.Participant{}, fmt.Errorf("reading a participant: %w", err)
	}
	return in, nil
}

// person returns a person whose account isn't disabled. A closed account is disabled, and a person who
// was merged with another has none.
func (s *standings) person(ctx context.Context, partyID string) (identity.Someone, error) {
	who, err := identity.NewRoster(s.c.People).SomeoneOf(ctx, partyID)
	if errors.Is(err, identity.ErrNotFound) || err == nil && (who.Account.Disabled || who.Party.Kind != identity.Person) {
		return identity.Someone{}, refuse(ReasonAccount, "the person's account is disabled or closed")
	}
	if err != nil {
		return identity.Someone{}, fmt.Errorf("reading a person: %w", err)
	}
	return who, nil
}
