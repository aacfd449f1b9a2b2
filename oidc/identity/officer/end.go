package officer

import (
	"context"
	"errors"
	"time"

	"yizheng.internal/oidc/identity"
	"yizheng.internal/signing/journal"
)

// dismissTries is how often a dismissal is tried when other changes come first.
const dismissTries = 5

// Dismiss ends a post, or takes a proposal back. An operator and, for clerks and supervisors, an
// administrator do so alone. For another administrator the first one's wish is noted, and a second one's
// ends the post: then the result is Accepted still, with Asked. If the post is accepted meanwhile, it ends
// all the same. *identity.Error: post_unknown, post_ended, self_refused, second_needed,
// administrator_only, assurance_low, post_changed.
func (s *Service) Dismiss(ctx context.Context, c Caller, id string) (p Post, err error) {
	for try := 1; ; try++ {
		p, err = s.dismiss(ctx, c, id)
		if !errors.Is(err, identity.ErrConflict) || try == dismissTries {
			return p, s.noted(ctx, c, journal.ActionPostEnd, id, err)
		}
	}
}

func (s *Service) dismiss(ctx context.Context, c Caller, id string) (Post, error) {
	p, err := s.administered(ctx, c, id)
	switch {
	case err != nil:
		return Post{}, err
	case p.State == Ended:
		return Post{}, refuse(ReasonEnded, "the post has ended")
	case c.Party != "" && c.Party == p.Party:
		return Post{}, refuse(ReasonSelf, "nobody dismisses themself: give up the post among your own")
	case c.Operator || p.State == Proposed || !p.Has(Administrator):
		return s.end(ctx, c, p, Dismissed)
	}
	if asked, open := p.AskedFor(time.Now()); open {
		if c.is(asked) {
			return Post{}, refuse(ReasonSame, "another administrator has to agree")
		}
		err := s.stands(ctx, asked, p.Participant)
		if err == nil {
			return s.end(ctx, c, p, Dismissed)
		}
		if _, refused := errors.AsType[*identity.Error](err); !refused {
			return Post{}, err
		}
	}
	others, err := s.administratorsBut(ctx, p, c.Party)
	if err != nil {
		return Post{}, err
	}
	if others == 0 {
		return Post{}, refuse(ReasonAlone, "there is no third administrator who could agree: operators dismiss this one")
	}
	p.Asked = c.deed()
	return s.save(ctx, p, c.did(journal.ActionPostAskEnd, p.ID, journal.ResultOK))
}

// administratorsBut counts the administrators that count now beside a post's and somebody's.
func (s *standings) administratorsBut(ctx context.Context, but Post, partyID string) (n int, err error) {
	all, err := s.administrators(ctx, but.Participant)
	for _, p := range all {
		if p.ID != but.ID && p.Party != partyID {
			n++
		}
	}
	return n, err
}

// end ends a post. If it was that of the participant's last administrator, an event tells of that, too.
func (s *Service) end(ctx context.Context, c Caller, p Post, how Ending) (Post, error) {
	did := []journal.Fact{c.did(journal.ActionPostEnd, p.ID, journal.ResultOK)}
	if p.State == Accepted && p.Has(Administrator) {
		others, err := s.administratorsBut(ctx, p, "")
		if err != nil {
			return Post{}, err
		}
		if others == 0 {
			did = append(did, c.did(journal.ActionPostVacant, p.Participant, journal.ResultOK))
		}
	}
	p.State, p.EndedBy, p.Ending = Ended, c.deed(), how
	return s.save(ctx, p, did...)
}
