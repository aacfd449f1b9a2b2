package officer

import (
	"context"
	"errors"
	"slices"
	"strings"
	"time"
	"unicode/utf8"

	"yizheng.internal/license/party"
	"yizheng.internal/oidc/identity"
	"yizheng.internal/signing/journal"
)

// Appointment is who shall have which post.
type Appointment struct {
	Participant string // its id
	Name        string // as the person's document has it
	Code        party.Code
	StaffNumber string
	Division    string
	Roles       []Role
	From        party.Date // zero: today
	Until       party.Date // zero: no last day
}

// Longest texts, in characters.
const (
	longestStaff    = 32
	longestDivision = 50
)

// checked returns the post that an appointment describes, or why it can't be.
func (a Appointment) checked() (p Post, err error) {
	if p.Name, err = party.ParseName(a.Name); err != nil {
		return Post{}, &identity.Error{Reason: ReasonName, Detail: "a name has 1 to 200 visible characters", Err: err}
	}
	if p.Code, err = party.ParseCode(a.Code.Type, a.Code.Value); err != nil || p.Code.Type.Class() != party.Person {
		return Post{}, &identity.Error{Reason: ReasonCode, Detail: "that is not the number of a person's document of that type", Err: err}
	}
	text := func(s string, most int) bool {
		return s != "" && utf8.RuneCountInString(s) <= most && party.Visible(s)
	}
	if p.StaffNumber = party.FoldCode(a.StaffNumber); !text(p.StaffNumber, longestStaff) || party.ContainsCitizenNumber(p.StaffNumber) {
		return Post{}, refuse(ReasonStaff, "a staff number has 1 to 32 visible characters, and is no citizen's number")
	}
	if p.Division = strings.TrimSpace(a.Division); !text(p.Division, longestDivision) {
		return Post{}, refuse(ReasonDivision, "a division has 1 to 50 visible characters")
	}
	for _, r := range Roles {
		if slices.Contains(a.Roles, r) {
			p.Roles = append(p.Roles, r)
		}
	}
	if len(p.Roles) == 0 || len(p.Roles) != len(a.Roles) || p.Has(Clerk) && len(p.Roles) > 1 {
		return Post{}, refuse(ReasonRoles, "the roles are administrator, clerk, supervisor; a clerk has no other one")
	}
	today := party.DateOf(time.Now())
	if p.From, p.Until = a.From, a.Until; p.From.IsZero() {
		p.From = today
	}
	if p.From.Before(today) || !p.Until.IsZero() && p.Until.Before(p.From) {
		return Post{}, refuse(ReasonDates, "the first day is today or later, and the last day is not before it")
	}
	return p, nil
}

// Appoint proposes a person for a post. An operator proposes a participant's first administrator, or the
// second where there is only one; whatever else, an administrator. The answer doesn't depend on whether
// there is such a person. *identity.Error: those of what is wrong with the appointment, post_none and
// others of [Service.Check], assurance_low, self_refused, roles_invalid, administrators_are,
// administrator_only, post_exists, too_many_posts, too_many_proposals.
func (s *Service) Appoint(ctx context.Context, c Caller, a Appointment) (Post, error) {
	p, err := s.appoint(ctx, c, a)
	return p, s.noted(ctx, c, journal.ActionPostPropose, a.Participant, err)
}

func (s *Service) appoint(ctx context.Context, c Caller, a Appointment) (Post, error) {
	if _, err := s.participant(ctx, a.Participant); err != nil {
		return Post{}, err
	}
	if err := s.administers(ctx, c, a.Participant); err != nil {
		return Post{}, err
	}
	p, err := a.checked()
	if err != nil {
		return Post{}, err
	}
	self, err := s.named(ctx, c.Party, p.Code)
	if err != nil {
		return Post{}, err
	}
	if self {
		return Post{}, refuse(ReasonSelf, "nobody appoints themself")
	}
	if err := s.mayPropose(ctx, c, &p, a.Participant); err != nil {
		return Post{}, err
	}
	live, made, err := s.c.Store.CountPosts(ctx, a.Participant, time.Now().Add(-24*time.Hour))
	switch {
	case err != nil:
		return Post{}, err
	case live >= s.c.Posts:
		return Post{}, refuse(ReasonManyPosts, "the participant has too many posts: end some")
	case made >= s.c.PerDay:
		return Post{}, refuse(ReasonManyToday, "the participant proposed too many posts today: go on tomorrow")
	}
	p.ID, p.Participant, p.State, p.Appointed, p.Created = identity.NewOrderedID(), a.Participant, Proposed, c.deed(), now()
	return s.save(ctx, p, c.did(journal.ActionPostPropose, p.ID, journal.ResultOK))
}

// mayPropose returns an error if it isn't the caller who may propose a post with those roles.
func (s *Service) mayPropose(ctx context.Context, c Caller, p *Post, participant string) error {
	if !p.Has(Administrator) {
		if c.Operator {
			return refuse(ReasonRoles, "operators appoint administrators alone: these appoint the others")
		}
		return nil
	}
	administrators, err := s.administrators(ctx, participant)
	switch {
	case err != nil:
		return err
	case c.Operator && len(administrators) > 1:
		return refuse(ReasonThere, "there are administrators: two of them appoint another one")
	case !c.Operator && len(administrators) < 2:
		return refuse(ReasonAlone, "there is no second administrator who could approve: operators appoint another one")
	}
	return nil
}

// administrators returns the posts of a participant's administrators that count now.
func (s *standings) administrators(ctx context.Context, participant string) ([]Post, error) {
	var all []Post
	for after := ""; ; {
		records, err := s.c.Store.ListPosts(ctx, Filter{Participant: participant, Live: true, Role: Administrator}, after, rehashPage)
		posts, err := s.openAll(ctx, records, err)
		if err != nil {
			return nil, err
		}
		for _, p := range posts {
			after = p.ID
			if _, err := s.inForce(ctx, p, time.Now()); err == nil {
				all = append(all, p)
			} else if _, refused := errors.AsType[*identity.Error](err); !refused {
				return nil, err
			}
		}
		if len(posts) < rehashPage {
			return all, nil
		}
	}
}

// Approve is the second yes for an administrator: of another operator if one proposed, else of another
// administrator. *identity.Error: post_unknown, approval_none, post_lapsed, second_needed, self_refused,
// appointer_gone, administrators_are, assurance_low, post_changed.
func (s *Service) Approve(ctx context.Context, c Caller, id string) (Post, error) {
	p, err := s.approve(ctx, c, id)
	return p, s.noted(ctx, c, journal.ActionPostApprove, id, err)
}

func (s *Service) approve(ctx context.Context, c Caller, id string) (Post, error) {
	p, err := s.administered(ctx, c, id)
	if err != nil {
		return Post{}, err
	}
	if _, err := s.participant(ctx, p.Participant); err != nil {
		return Post{}, err
	}
	byOperator := p.Appointed.Party == ""
	switch {
	case !p.Waits():
		return Post{}, refuse(ReasonApproved, "the post doesn't wait for a second yes")
	case p.Lapsed(time.Now()):
		return Post{}, lapsed()
	case c.is(p.Appointed):
		return Post{}, refuse(ReasonSame, "whoever proposed it can't approve it, too")
	case byOperator != c.Operator:
		return Post{}, refuse(ReasonSame, "what an operator proposed another operator approves, and what an administrator proposed another administrator")
	}
	self, err := s.named(ctx, c.Party, p.Code)
	if err != nil {
		return Post{}, err
	}
	if self {
		return Post{}, refuse(ReasonSelf, "nobody approves their own post")
	}
	if err := s.stands(ctx, p.Appointed, p.Participant); err != nil {
		return Post{}, err
	}
	if byOperator { // there may be more administrators by now
		if err := s.mayPropose(ctx, c, &p, p.Participant); err != nil {
			return Post{}, err
		}
	}
	p.Approved = c.deed()
	return s.save(ctx, p, c.did(journal.ActionPostApprove, p.ID, journal.ResultOK))
}

func lapsed() error {
	return refuse(ReasonLapsed, "it was proposed more than 30 days ago: it has to be taken back, and proposed anew")
}

// administered returns a post of a participant that the caller administers. Of others it says the same as
// of none.
func (s *Service) administered(ctx context.Context, c Caller, id string) (Post, error) {
	p, err := s.load(ctx, id)
	if err != nil {
		return Post{}, err
	}
	err = s.administers(ctx, c, p.Participant)
	if e, refused := errors.AsType[*identity.Error](err); refused && e.Reason != ReasonLow {
		err = unknown()
	}
	if err != nil {
		return Post{}, err
	}
	return p, nil
}
