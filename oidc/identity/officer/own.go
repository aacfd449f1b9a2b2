package officer

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"time"

	"yizheng.internal/license/party"
	"yizheng.internal/oidc/identity"
	"yizheng.internal/signing/journal"
)

// Seen is a post as it is shown.
type Seen struct {
	Post
	In   identity.Participant
	Over identity.Reason // why an accepted post doesn't count now; empty: it does
}

// Mine returns a person's own posts, and those that are offered to them, the newest first.
func (s *Service) Mine(ctx context.Context, partyID string) ([]Seen, error) {
	who, err := s.c.People.Party(ctx, partyID)
	if err != nil {
		return nil, fmt.Errorf("reading a person: %w", err)
	}
	today := party.DateOf(time.Now())
	var held []party.Code
	for _, c := range who.Codes {
		if c.Held(today) {
			held = append(held, c.Code)
		}
	}
	of := Whose{Party: partyID}
	if of.Offered, err = s.offered(ctx, held); err != nil {
		return nil, err
	}
	records, err := s.c.Store.FindPosts(ctx, of, mostPosts)
	posts, err := s.openAll(ctx, records, err)
	if err != nil {
		return nil, err
	}
	var mine []Seen
	for _, p := range posts {
		if p.Party != partyID && (!offers(&p, who) || p.Lapsed(time.Now())) {
			continue
		}
		seen, err := s.seen(ctx, p)
		if err != nil {
			return nil, err
		}
		mine = append(mine, seen)
	}
	return mine, nil
}

// offers reports whether a post is offered to somebody: it needs no further yes, they hold the number
// today for which it is, and have the name.
func offers(p *Post, who identity.Party) bool {
	today := party.DateOf(time.Now())
	return p.State == Proposed && !p.Waits() && party.NameKey(p.Name) == party.NameKey(who.Name) &&
		slices.ContainsFunc(who.Codes, func(c identity.PartyCode) bool { return c.Code == p.Code && c.Held(today) })
}

// seen returns a post as it is shown.
func (s *standings) seen(ctx context.Context, p Post) (Seen, error) {
	in, err := s.c.Participants.LoadParticipant(ctx, p.Participant)
	if err != nil && !errors.Is(err, identity.ErrNotFound) {
		return Seen{}, fmt.Errorf("reading a participant: %w", err)
	}
	one := Seen{Post: p, In: in}
	if p.State != Accepted {
		return one, nil
	}
	_, err = s.inForce(ctx, p, time.Now())
	if e, refused := errors.AsType[*identity.Error](err); refused {
		one.Over, err = e.Reason, nil
	}
	return one, err
}

// Accept has a person take a post that is offered to them. revision is that of the post which they saw.
// *identity.Error: post_unknown, post_changed, post_lapsed, assurance_low, account_disabled,
// participant_disabled, self_refused, appointer_gone, post_exists.
func (s *Service) Accept(ctx context.Context, c Caller, id string, revision int64) (Post, error) {
	p, err := s.accept(ctx, c, id, revision)
	return p, s.noted(ctx, c, journal.ActionPostAccept, id, err)
}

func (s *Service) accept(ctx context.Context, c Caller, id string, revision int64) (Post, error) {
	p, err := s.load(ctx, id)
	if err != nil {
		return Post{}, err
	}
	who, err := s.person(ctx, c.Party)
	if err != nil {
		return Post{}, err
	}
	switch {
	case !offers(&p, who.Party):
		return Post{}, unknown()
	case p.Revision != revision:
		return Post{}, refuse(ReasonChanged, "the post was changed meanwhile: look at it again")
	case p.Lapsed(time.Now()):
		return Post{}, lapsed()
	case who.Account.ID != c.Actor || who.Account.Proofing.Level < least || c.Assurance < least:
		return Post{}, refuse(ReasonLow, "log in with two factors, with an identity that is proofed at level 2")
	case c.is(p.Appointed) || c.is(p.Approved):
		return Post{}, refuse(ReasonSelf, "nobody accepts what they appointed or approved themself")
	}
	if _, err := s.participant(ctx, p.Participant); err != nil {
		return Post{}, err
	}
	for _, d := range []Deed{p.Appointed, p.Approved} {
		if err := s.stands(ctx, d, p.Participant); err != nil {
			return Post{}, err
		}
	}
	p.State, p.Party, p.Name, p.AcceptedAt = Accepted, c.Party, who.Party.Name, now()
	return s.save(ctx, p, c.did(journal.ActionPostAccept, p.ID, journal.ResultOK))
}

// Leave has a person decline a post that is offered to them, or give up one that they have. The last
// administrator may, too: an event and the doctor tell operators. *identity.Error: post_unknown,
// post_ended, post_changed.
func (s *Service) Leave(ctx context.Context, c Caller, id string, revision int64) (Post, error) {
	p, err := s.leave(ctx, c, id, revision)
	return p, s.noted(ctx, c, journal.ActionPostEnd, id, err)
}

func (s *Service) leave(ctx context.Context, c Caller, id string, revision int64) (Post, error) {
	p, err := s.load(ctx, id)
	if err != nil {
		return Post{}, err
	}
	who, err := s.c.People.Party(ctx, c.Party)
	if err != nil {
		return Post{}, fmt.Errorf("reading a person: %w", err)
	}
	how := GivenUp
	switch {
	case p.Party == c.Party && p.State == Ended:
		return Post{}, refuse(ReasonEnded, "the post has ended")
	case p.Party == c.Party:
	case offers(&p, who):
		how = Declined
	default:
		return Post{}, unknown()
	}
	if p.Revision != revision {
		return Post{}, refuse(ReasonChanged, "the post was changed meanwhile: look at it again")
	}
	return s.end(ctx, c, p, how)
}
