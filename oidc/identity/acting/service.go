package acting

import (
	"context"
	"errors"
	"log/slog"

	"yizheng.internal/license/party"
	"yizheng.internal/oidc/identity"
	"yizheng.internal/oidc/identity/notice"
	"yizheng.internal/signing/journal"
	"yizheng.internal/signing/vault"
)

// Journal makes and records events; [journal.Recorder] does.
type Journal interface {
	Record(ctx context.Context, f journal.Fact) error
	Event(ctx context.Context, f journal.Fact) (journal.Event, error)
}

// Config says what a Service works with. All of it is required but Registry and Notices.
type Config struct {
	Store    Store // New wraps it with AuthenticRepresentations
	People   *identity.Service
	Registry Registry // nil: no license proves anything
	Vault    *vault.Vault
	Journal  Journal
	Notices  *notice.Notices // tells people what was proposed to them, and what ended; nil: nobody is told
	Log      *slog.Logger    // default: discards
}

// Service has the rules of who may act for whom. Safe for concurrent use.
type Service struct {
	c      Config
	roster *identity.Roster
	told   chan telling
}

// New checks c and returns a Service. Its Run tells people what is to be told.
func New(c Config) (*Service, error) {
	if c.Store == nil || c.People == nil || c.Vault == nil || c.Journal == nil {
		return nil, errors.New("acting: Config needs Store, People, Vault and Journal")
	}
	if c.Log == nil {
		c.Log = slog.New(slog.DiscardHandler)
	}
	c.Store = AuthenticRepresentations(c.Store, c.Vault.Auth())
	return &Service{c, identity.NewRoster(c.People), make(chan telling, tellings)}, nil
}

// Me is the person who acts or wants to: somebody logged in.
type Me struct {
	Account   string
	Party     identity.Party
	Assurance int    // of the login; below 2 nobody acts for others, accepts or appoints
	RequestID string // of the HTTP request, for the events
}

// Choice is somebody for whom a person may act, as the page 办理身份 shows it.
type Choice struct {
	Key       string // names the choice in a form, for this person alone
	Kind      Kind
	Principal Party
	Bounds    Bounds
	Fact      *Fact  // the license that proves it: the page says 据登记信息，截至 …; nil: it was appointed, or a clerk checked it
	Lapses    string // the last day on which it may be used unless the new legal representative confirms it, as 2026-12-31; empty: it doesn't lapse
}

// Relatives are the people near a person, or an organization acted for, whose licenses an item may ask for beside the
// applicant's.
type Relatives struct {
	Spouse []party.Code
	// SpouseAgreed reports whether the spouse entrusted the person with the item.
	SpouseAgreed bool
	Children     []party.Code // below ConsentAge, of whom the person is the guardian
	Head         []party.Code // the present legal representative of the organization acted for
}

// Appointment is a representation that somebody proposes.
type Appointment struct {
	Kind   Kind // Administrator, Agent or Entrusted
	Name   string
	Code   party.Code // of the representative. Whether there is such a person isn't told
	Bounds Bounds
}

// Checked is a representation whose evidence a clerk checked.
type Checked struct {
	Clerk          string // who checked it, for the record
	RequestID      string // of the HTTP request, for the events; empty: none
	Kind           Kind   // any
	Principal      Party  // named by Kind, Name and Code
	Representative Party
	Born           party.Date // of a guardian's child
	Bounds         Bounds
	Evidence       string // what was checked, in words, such as 村委会监护证明 2026-17
}
