// Package behalf settles for whom somebody acts at a client, or on pages of our own: for themself,
// or for somebody whose representative they are. It remembers in the session what they chose, and asks each time
// whether that still holds. Who may act for whom is package acting's affair.
package behalf

import (
	"context"
	"errors"
	"slices"

	"yizheng.internal/oidc"
	"yizheng.internal/oidc/identity"
	"yizheng.internal/oidc/identity/acting"
	"yizheng.internal/oidc/request"
	"yizheng.internal/oidc/session"
)

// Representations says who may act for whom. [acting.Service] implements it; its methods say what they refuse.
type Representations interface {
	Choices(ctx context.Context, me acting.Me, w acting.Wanted) ([]acting.Choice, error)
	Choose(ctx context.Context, me acting.Me, w acting.Wanted, key string) (acting.Acting, error)
	Check(ctx context.Context, me acting.Me, w acting.Wanted, id string) (acting.Acting, error)
	Live(ctx context.Context, id, party string) error
	Relatives(ctx context.Context, me acting.Me, a *acting.Acting, item string) (acting.Relatives, error)
}

// Config says what a Service works with.
type Config struct {
	Acting   Representations // nil: nobody acts for others
	Sessions *session.Service
}

// Service settles for whom people act. Safe for concurrent use.
type Service struct{ c Config }

// New returns the service.
func New(c Config) *Service { return &Service{c} }

// Question is whom somebody may or must act for.
type Question struct {
	Login     *session.Login
	Client    string // id; empty: pages of our own
	Wanted    acting.Wanted
	Scopes    []oidc.Scope  // of the request, that the login's assurance suffices for
	Demanded  oidc.ActingAs // by the request's detail
	Anew      bool          // what the person chose before doesn't count
	RequestID string        // of the HTTP request, for the events
}

// QuestionOf returns the question of a client's request, in which somebody is logged in.
func QuestionOf(r *request.Request, l *session.Login, scopes []oidc.Scope, requestID string) Question {
	q := Question{Login: l, Client: r.Client, Wanted: acting.Wanted{Act: acting.Apply}, Scopes: scopes, RequestID: requestID}
	if d := r.Detail; d != nil {
		q.Demanded, q.Wanted.Item = d.Acting, d.Item
	}
	return q
}

// self reports whether the person may act for themself.
func (q *Question) self() bool { return q.Demanded == "" || q.Demanded == oidc.ActingSelf }

// fits reports whether the person may act by such a representation, for what the client asks and is registered
// for. Without a client, any will do.
func (q *Question) fits(k acting.Kind) bool {
	switch {
	case q.Client == "":
		return true
	case q.Demanded != "":
		return q.Demanded == oidc.ActingOrganization && k.OfOrganization() || q.Demanded == oidc.ActingPerson && !k.OfOrganization()
	case k.OfOrganization():
		return slices.Contains(q.Scopes, oidc.ScopeOrganization)
	}
	return slices.Contains(q.Scopes, oidc.ScopeActAs)
}

// asks reports whether it is a question at all.
func (q *Question) asks() bool {
	return q.Login.Assurance() >= oidc.CodeAssurance && (q.fits(acting.Agent) || q.fits(acting.Guardian))
}

// Answer says for whom somebody acts or, if it isn't Settled, what they can choose.
type Answer struct {
	Settled bool
	Acting  *acting.Acting // just checked; nil: for themself
	View    oidc.ActingView

	chosen bool // the person said so
}

// By returns the id of the representation by which somebody acts, or "".
func (a *Answer) By() string {
	if a.Acting == nil {
		return ""
	}
	return a.Acting.ID
}

// ActsFor returns for whom somebody acts, as a page names them; nil: that was no question.
func (a *Answer) ActsFor() *oidc.ActsFor {
	switch {
	case a.Acting != nil:
		return &oidc.ActsFor{Name: a.Acting.Principal.Name, Kind: a.Acting.Kind}
	case a.chosen:
		return &oidc.ActsFor{}
	}
	return nil
}

// GivenUp returns what the client is told when the person gives up at a step.
func (a *Answer) GivenUp(at oidc.StepKind) *oidc.Error {
	if at == oidc.StepActing && !a.Settled && !a.View.Self && len(a.View.Choices) == 0 {
		return &oidc.Error{Code: oidc.AccessDenied, Description: "the person represents nobody for whom this can be done", Reason: oidc.ReasonNoRepresentation}
	}
	return &oidc.Error{Code: oidc.AccessDenied, Description: "the person did not go on", Reason: "cancelled"}
}

// me returns who is logged in, as [acting.Service] knows them.
func (s *Service) me(ctx context.Context, q *Question) (acting.Me, error) {
	who, err := s.c.Sessions.Party(ctx, q.Login.About.Party)
	return acting.Me{Account: q.Login.About.Account, Party: who, Assurance: int(q.Login.Assurance()), RequestID: q.RequestID}, err
}

// Settle finds out for whom somebody acts, as of now: nothing of the answer is older than the call.
func (s *Service) Settle(ctx context.Context, q Question) (Answer, error) {
	a := Answer{View: oidc.ActingView{Self: q.self(), Demanded: q.Demanded}}
	if s.c.Acting == nil || !q.asks() {
		a.Settled = a.View.Self
		return a, nil
	}
	me, err := s.me(ctx, &q)
	if err != nil {
		return Answer{}, err
	}
	if !q.Anew {
		if done, err := s.recall(ctx, &q, me, &a); err != nil || done {
			return a, err
		}
	}
	all, err := s.c.Acting.Choices(ctx, me, q.Wanted)
	if err != nil && !refused(err, &a) {
		return Answer{}, unavailable(err)
	}
	for _, c := range all {
		if q.fits(c.Kind) {
			a.View.Choices = append(a.View.Choices, c)
		}
	}
	a.Settled = len(a.View.Choices) == 0 && a.View.Self && a.View.Over == "" // there is nothing to choose
	return a, nil
}

// recall takes what the person chose in this session before, if that still holds.
func (s *Service) recall(ctx context.Context, q *Question, me acting.Me, a *Answer) (done bool, err error) {
	switch by := q.Login.ActsBy(q.Client); by {
	case "":
		return false, nil
	case session.BySelf:
		a.Settled, a.chosen = a.View.Self, a.View.Self
		return a.Settled, nil
	default:
		now, err := s.c.Acting.Check(ctx, me, q.Wanted, by)
		if err != nil {
			if refused(err, a) {
				return false, nil
			}
			return false, unavailable(err)
		}
		if a.Settled = q.fits(now.Kind); a.Settled { // or else the client asked for something else then
			a.Acting = &now
		}
		return a.Settled, nil
	}
}

// refused notes why somebody can't act as they did, if that is what an error says.
func refused(err error, a *Answer) bool {
	e, ok := errors.AsType[*identity.Error](err)
	if ok {
		a.View.Over = e.Reason
	}
	return ok
}

// unavailable is for what couldn't be found out: then nobody acts.
func unavailable(err error) error {
	if _, ok := errors.AsType[*oidc.Error](err); ok {
		return err
	}
	return oidc.Unavailable(err)
}

// ErrNoChoice says that a form named nobody for whom its sender may act.
var ErrNoChoice = errors.New("the person may not act so")

// Choose takes what somebody chose, and remembers it for the session: the key of a choice, or [session.BySelf]. It
// returns the session as it is then. Errors: ErrNoChoice; oidc.ErrNoSession.
func (s *Service) Choose(ctx context.Context, b oidc.Browser, q Question, key string) (*session.Login, error) {
	by := session.BySelf
	switch {
	case key == session.BySelf && !q.self(), key != session.BySelf && (s.c.Acting == nil || !q.asks()):
		return nil, ErrNoChoice
	case key != session.BySelf:
		me, err := s.me(ctx, &q)
		if err != nil {
			return nil, err
		}
		chosen, err := s.c.Acting.Choose(ctx, me, q.Wanted, key)
		if _, ok := errors.AsType[*identity.Error](err); ok || err == nil && !q.fits(chosen.Kind) {
			return nil, ErrNoChoice
		}
		if err != nil {
			return nil, unavailable(err)
		}
		by = chosen.ID
	}
	return session.Act(ctx, s.c.Sessions, b, q.Login.ID, q.Client, by)
}

// Relatives returns the people near whoever acts, for an item whose licenses are asked for.
func (s *Service) Relatives(ctx context.Context, q Question, now *acting.Acting) (acting.Relatives, error) {
	if s.c.Acting == nil {
		return acting.Relatives{}, nil
	}
	me, err := s.me(ctx, &q)
	if err != nil {
		return acting.Relatives{}, err
	}
	kin, err := s.c.Acting.Relatives(ctx, me, now, q.Wanted.Item)
	if err != nil {
		return acting.Relatives{}, unavailable(err)
	}
	return kin, nil
}

// Here returns for whom somebody acts on pages of our own, just checked; nil: for themself. If what they chose
// before doesn't hold any more, it is forgotten, and over says why.
func (s *Service) Here(ctx context.Context, b oidc.Browser, who oidc.Session) (now *acting.Acting, over identity.Reason, err error) {
	if s.c.Acting == nil || who.ActsBy == "" {
		return nil, "", nil
	}
	me := acting.Me{Account: who.Account, Party: who.Party, Assurance: int(who.Assurance), RequestID: b.RequestID}
	found, err := s.c.Acting.Check(ctx, me, acting.Wanted{Act: acting.View}, who.ActsBy)
	if e, ok := errors.AsType[*identity.Error](err); ok {
		_, err := session.Act(ctx, s.c.Sessions, b, who.ID, "", session.BySelf)
		return nil, e.Reason, err
	}
	if err != nil {
		return nil, "", unavailable(err)
	}
	return &found, "", nil
}
