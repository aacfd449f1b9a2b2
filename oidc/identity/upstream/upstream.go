// Package upstream logs people in who have an account at another provider 信任传递: a province's login,
// a national platform. It sends them there, judges what comes back, and finds, links or opens their
// account here.
//
// What another provider says counts for as much as the operator decided for it, and never more: see
// [Levels]. Whoever comes from a provider for the first time gets an account that is there already
// only if the provider has proofed the same person at least as well, or once they have logged in to
// it by its own means: see [Service.Finish] and [Service.Link].
package upstream

import (
	"context"
	"errors"
	"log/slog"
	"time"

	"yizheng.internal/oidc/ephemeral"
	"yizheng.internal/oidc/identity"
	"yizheng.internal/oidc/identity/authenticator"
	"yizheng.internal/oidc/identity/notice"
	"yizheng.internal/signing/vault"
)

// Question is a request to a provider, not through the person's browser.
type Question struct {
	URL      string
	Form     []Field // sent as a form by POST; nil: see JSON
	JSON     []byte  // sent by POST; nil, too: it is a GET
	User     string  // with Password: by HTTP Basic; empty: without
	Password string
	Bearer   string // an access token; empty: none
}

// Field is a field of a form.
type Field struct{ Name, Value string }

// Outside asks providers. [yizheng.internal/api/outbound.Asker] implements it. Each provider has one of its
// own.
type Outside interface {
	// Ask returns the status and the body of an answer in JSON, of at most [MaxAnswer] bytes. It follows no
	// redirect, and waits no longer than [Patience]. No error holds anything of the question.
	Ask(ctx context.Context, q Question) (status int, body []byte, err error)
}

const (
	// MaxAnswer is how much of an answer is read, in bytes.
	MaxAnswer = 256 << 10
	// Patience is how long a provider may take to answer one question.
	Patience = 5 * time.Second
)

// Config says what a Service works with. All of it is required but Log.
type Config struct {
	URL            string // the public URL
	Providers      []Provider
	Outside        func(p *Provider) (Outside, error)
	People         *identity.Service
	Authenticators *authenticator.Service
	Notices        *notice.Notices
	Ephemeral      ephemeral.Store
	// Spend marks a hash as spent, at least until keep, and reports whether it wasn't before. Of any number of
	// callers, on any nodes, one is the first.
	Spend   func(ctx context.Context, hash [32]byte, keep time.Time) (first bool, err error)
	Vault   *vault.Vault
	Journal identity.Journal
	Log     *slog.Logger // default: discards
}

// Service logs people in with other providers. Safe for concurrent use.
type Service struct {
	c      Config
	roster *identity.Roster
	peers  map[string]*peer
}

// peer is a provider with what was learned of it.
type peer struct {
	Provider
	outside Outside
	slots   chan struct{} // one for each question under way
	known   knowledge
}

// most is how many questions to one provider may be under way: one that is slow doesn't hold up the service.
const most = 32

// New checks c and returns a Service.
func New(c Config) (*Service, error) {
	if c.URL == "" || c.Outside == nil || c.People == nil || c.Authenticators == nil || c.Notices == nil || c.Ephemeral == nil || c.Spend == nil || c.Vault == nil || c.Journal == nil {
		return nil, errors.New("logins with other providers need a URL, Outside, People, Authenticators, Notices, Ephemeral, Spend, a Vault and a Journal")
	}
	if c.Log == nil {
		c.Log = slog.New(slog.DiscardHandler)
	}
	s := &Service{c, identity.NewRoster(c.People), map[string]*peer{}}
	for _, p := range c.Providers {
		outside, err := c.Outside(&p)
		if err != nil {
			return nil, err
		}
		s.peers[p.ID] = newPeer(p, outside)
	}
	return s, nil
}

func newPeer(p Provider, o Outside) *peer {
	return &peer{Provider: p, outside: o, slots: make(chan struct{}, most), known: knowledge{lock: make(chan struct{}, 1)}}
}

// Offered is a provider as the login page shows it.
type Offered struct {
	ID    string
	Title string
}

// Offered returns the providers in the operator's order, with their titles in a language. If the login must
// be a new one, it leaves out those that can't promise that.
func (s *Service) Offered(language string, fresh bool) (all []Offered) {
	for _, p := range s.c.Providers {
		if !fresh || p.fresh() {
			all = append(all, Offered{p.ID, p.title(language)})
		}
	}
	return all
}

// Title returns what people call a provider in a language, or "" if there is none with that id any more.
func (s *Service) Title(id, language string) string {
	if p := s.peers[id]; p != nil {
		return p.title(language)
	}
	return ""
}

// Reasons why a login with another provider isn't taken. The person is told which, and the event has it.
const (
	ReasonStale    identity.Reason = "upstream_stale"    // it took too long, was answered before, or began in another browser
	ReasonDenied   identity.Reason = "upstream_denied"   // the person gave up there, or the provider refused
	ReasonAway     identity.Reason = "upstream_away"     // it doesn't answer, or not in time
	ReasonWrong    identity.Reason = "upstream_wrong"    // what it answered doesn't hold
	ReasonLow      identity.Reason = "upstream_low"      // what it knows of the person isn't enough
	ReasonType     identity.Reason = "upstream_type"     // it names a type of document that isn't mapped to one of ours
	ReasonOld      identity.Reason = "upstream_old"      // a new login was asked for, and it told of an old one
	ReasonUnlinked identity.Reason = "upstream_unlinked" // nobody here is known to be that person there
	ReasonOther    identity.Reason = "upstream_other"    // it says that the person is another one than the account's
	ReasonClosed   identity.Reason = "upstream_account"  // the account can't be used
)

// refuse returns a refusal; cause is for the log.
func refuse(r identity.Reason, cause error) error {
	return &identity.Error{Reason: r, Detail: details[r], Err: cause}
}

var details = map[identity.Reason]string{
	ReasonStale:    "The login at the other provider took too long or was used before. Begin again.",
	ReasonDenied:   "The other provider reports no login. Begin again, or log in in another way.",
	ReasonAway:     "The other provider doesn't answer. Try again later, or log in in another way.",
	ReasonWrong:    "The other provider's answer could not be verified. Log in in another way.",
	ReasonLow:      "What the other provider knows of you isn't enough for a login here.",
	ReasonType:     "A login with that type of document isn't set up here. Log in in another way.",
	ReasonOld:      "A new login was asked for, and the other provider reports an old one.",
	ReasonUnlinked: "Your account there isn't linked to one here. Log in to your account here once.",
	ReasonOther:    "The other provider says that you are somebody else than the owner of this account.",
	ReasonClosed:   "The account can't be used.",
}
