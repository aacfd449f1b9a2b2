package officer

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"slices"
	"time"

	"yizheng.internal/license/party"
	"yizheng.internal/oidc/identity"
	"yizheng.internal/signing/journal"
	"yizheng.internal/signing/vault"
)

// Reasons of this package.
const (
	ReasonUnknown     identity.Reason = "post_unknown"         // there is none, or it isn't the caller's to see
	ReasonExists      identity.Reason = "post_exists"          // the person has a post there, or another has the staff number
	ReasonChanged     identity.Reason = "post_changed"         // it was changed since the caller read it
	ReasonLapsed      identity.Reason = "post_lapsed"          // it was proposed too long ago
	ReasonEnded       identity.Reason = "post_ended"           // or it is past its last day
	ReasonEarly       identity.Reason = "post_early"           // before its first day
	ReasonNone        identity.Reason = "post_none"            // the person has no post there
	ReasonRole        identity.Reason = "post_role"            // the post has another role
	ReasonParticipant identity.Reason = "participant_disabled" // or there is none
	ReasonAccount     identity.Reason = "account_disabled"     // or closed, or there is none
	ReasonRoles       identity.Reason = "roles_invalid"        // none, unknown ones, or ones that don't go together
	ReasonName        identity.Reason = "name_invalid"
	ReasonCode        identity.Reason = "code_invalid"
	ReasonStaff       identity.Reason = "staff_number_invalid"
	ReasonDivision    identity.Reason = "division_invalid"
	ReasonDates       identity.Reason = "term_invalid"
	ReasonSelf        identity.Reason = "self_refused"       // nobody appoints, approves or dismisses themself
	ReasonSame        identity.Reason = "second_needed"      // it is for somebody else than whoever proposed it
	ReasonGone        identity.Reason = "appointer_gone"     // who appointed or approved is no administrator any more
	ReasonAlone       identity.Reason = "administrator_only" // there is no second administrator: operators do it
	ReasonThere       identity.Reason = "administrators_are" // there are administrators: they do it
	ReasonApproved    identity.Reason = "approval_none"      // the post doesn't wait for a second yes
	ReasonLow         identity.Reason = "assurance_low"      // of the login, or of the person's proofing
	ReasonManyPosts   identity.Reason = "too_many_posts"
	ReasonManyToday   identity.Reason = "too_many_proposals"
)

// least is the assurance that officers need, of the login and of their proofing.
const least = 2

// Journal records what this package does; [journal.Recorder] does.
type Journal interface {
	Event(ctx context.Context, f journal.Fact) (journal.Event, error)
	Noted(ctx context.Context, f journal.Fact)
}

// Config says what a Service works with. All is required but what has a default.
type Config struct {
	Store        Store
	Participants identity.Participants
	People       *identity.Service
	Vault        *vault.Vault
	Journal      Journal
	Posts        int // that haven't ended, of a participant; default 5,000
	PerDay       int // proposals of a participant; default 500
}

// records reads and writes posts, sealed.
type records struct{ c Config }

// standings says what counts now: posts, administrators, deeds.
type standings struct{ records }

// Service has the rules of posts. Safe for concurrent use.
type Service struct{ standings }

// New checks c and returns a Service.
func New(c Config) (*Service, error) {
	if c.Store == nil || c.Participants == nil || c.People == nil || c.Vault == nil || c.Journal == nil {
		return nil, errors.New("the service of officers needs a Store, Participants, People, a Vault and a Journal")
	}
	auth := c.Vault.Auth()
	c.Store, c.Participants = Authentic(c.Store, auth), identity.AuthenticParticipants(c.Participants, auth)
	c.Posts, c.PerDay = cmp.Or(c.Posts, 5_000), cmp.Or(c.PerDay, 500)
	return &Service{standings{records{c}}}, nil
}

// Caller is who appoints, approves, dismisses or looks on, or has a post of their own.
type Caller struct {
	Actor     string // as events have it: the account's id, or an operator's
	Party     string // of the account; empty for an operator
	Operator  bool   // by a command
	Assurance int    // of the login
	RequestID string // of the HTTP request; empty: none
}

func (c Caller) deed() Deed { return Deed{By: c.Actor, Party: c.Party, At: now()} }

// is reports whether the caller did a deed.
func (c Caller) is(d Deed) bool { return c.Actor == d.By || c.Party != "" && c.Party == d.Party }

func (c Caller) did(action journal.Action, subject, result string) journal.Fact {
	return identity.Did(c.Actor, action, subject, c.RequestID, result)
}

func now() time.Time { return time.Now().UTC().Truncate(time.Microsecond) }

func refuse(reason identity.Reason, detail string) error {
	return &identity.Error{Reason: reason, Detail: detail}
}

// unknown is the answer of which nobody learns whether there is a post.
func unknown() error {
	return &identity.Error{Reason: ReasonUnknown, Detail: "there is no such post, or none of yours", Err: identity.ErrNotFound}
}

// noted records a refusal and returns err.
func (s *records) noted(ctx context.Context, c Caller, action journal.Action, subject string, err error) error {
	if e, refused := errors.AsType[*identity.Error](err); refused {
		s.c.Journal.Noted(ctx, c.did(action, subject, string(e.Reason)))
	}
	return err
}

// load returns a post, or a refusal.
func (s *records) load(ctx context.Context, id string) (Post, error) {
	if !identity.ValidID(id) {
		return Post{}, unknown()
	}
	r, err := s.c.Store.LoadPost(ctx, id)
	if errors.Is(err, identity.ErrNotFound) {
		return Post{}, unknown()
	}
	if err != nil {
		return Post{}, fmt.Errorf("reading a post: %w", err)
	}
	return s.open(ctx, r)
}

// save stores a changed or new post, with the events of what was done.
func (s *records) save(ctx context.Context, p Post, did ...journal.Fact) (Post, error) {
	p.Updated = now()
	r, err := s.sealed(ctx, p)
	if err != nil {
		return Post{}, err
	}
	change := Change{Record: r}
	for _, f := range did {
		e, err := s.c.Journal.Event(ctx, f)
		if err != nil {
			return Post{}, err
		}
		change.Events = append(change.Events, e)
	}
	err = s.c.Store.SavePost(ctx, change)
	switch {
	case errors.Is(err, identity.ErrExists):
		return Post{}, &identity.Error{Reason: ReasonExists, Detail: "the person has a post or a proposal there, or another one has that staff number: end that one first", Err: err}
	case errors.Is(err, identity.ErrConflict):
		return Post{}, &identity.Error{Reason: ReasonChanged, Detail: "the post was changed meanwhile: look at it again", Err: err}
	case err != nil:
		return Post{}, fmt.Errorf("saving a post: %w", err)
	}
	p.Revision++
	return p, nil
}

// administers returns an error unless the caller may administer a participant's officers now.
func (s *standings) administers(ctx context.Context, c Caller, participant string) error {
	if c.Operator {
		return nil
	}
	if c.Assurance < least {
		return refuse(ReasonLow, "log in with two factors, with an identity that is proofed at level 2")
	}
	_, err := s.Check(ctx, c.Party, At{Participant: participant}, Administrator)
	return err
}

// named reports whether a person is or was the one whom a code names.
func (s *standings) named(ctx context.Context, partyID string, code party.Code) (bool, error) {
	if partyID == "" {
		return false, nil
	}
	who, err := s.c.People.Party(ctx, partyID)
	if err != nil {
		return false, fmt.Errorf("reading who acts: %w", err)
	}
	if slices.Contains(who.AllCodes(), code) {
		return true, nil
	}
	return false, nil
}

// stands returns an error if a deed was an administrator's who is none any more.
func (s *standings) stands(ctx context.Context, d Deed, participant string) error {
	if d.Party == "" {
		return nil
	}
	_, err := s.Check(ctx, d.Party, At{Participant: participant}, Administrator)
	if _, refused := errors.AsType[*identity.Error](err); refused {
		return refuse(ReasonGone, "who appointed or approved is no administrator any more: another one appoints anew")
	}
	return err
}
