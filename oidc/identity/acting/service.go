package acting

import (
	"log/slog"
	"slices"

	"yizheng.internal/license/party"
	"yizheng.internal/oidc/identity"
	"yizheng.internal/oidc/identity/notice"
	"yizheng.internal/oidc/identity/representation"
	"yizheng.internal/signing/vault"
)

// Config says what a Service works with. All of it is required but Registry, Notices and Log.
type Config struct {
	Store    Store
	People   *identity.Service
	Registry Registry // nil: no license proves anything
	Vault    *vault.Vault
	Journal  representation.Journal
	Notices  *notice.Notices // tells people what was proposed to them, and what ended; nil: nobody is told
	Log      *slog.Logger    // default: discards
}

// Service has the rules of who may act for whom. Safe for concurrent use.
type Service struct {
	*rules
	choosing
	appointing
	desk
}

// rules say whether somebody may use a representation.
type rules struct {
	c      Config
	shelf  *representation.Shelf
	roster *identity.Roster
}

// choosing has those choose for whom they act who may.
type choosing struct{ *rules }

// appointing has principals and representatives make and end representations.
type appointing struct{ *rules }

// desk is the clerks'.
type desk struct{ appointing }

// New checks c and returns a Service. Its Run tells people what is to be told.
func New(c Config) (*Service, error) {
	shelf, err := representation.NewShelf(representation.Config{Store: c.Store, People: c.People, Vault: c.Vault, Journal: c.Journal, Notices: c.Notices, Log: c.Log})
	if err != nil {
		return nil, err
	}
	if c.Log == nil {
		c.Log = slog.New(slog.DiscardHandler)
	}
	r := &rules{c, shelf, identity.NewRoster(c.People)}
	return &Service{r, choosing{r}, appointing{r}, desk{appointing{r}}}, nil
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
	// Rests are the licenses by which spouse and children are known, and Entrusted the representations by which the
	// person agrees for them.
	Rests     []Fact
	Entrusted []string
	Head      []party.Code // the present legal representative of the organization acted for
}

// Appointment is a representation that somebody proposes.
type Appointment struct {
	Kind   Kind // Administrator, Agent or Entrusted
	Name   string
	Code   party.Code // of the representative. Whether there is such a person isn't told
	Bounds Bounds
}

// Clerk is who checks evidence: an operator, or a department's system.
type Clerk struct {
	ID        string // an operator's name or a client's id, for the record
	RequestID string // of the HTTP request, for the events; empty: none
	// System says that it is a client. It enters guardians and entrusted people alone, both sides of its Sources, and only
	// if it proofs people to level 2; it sees what concerns representatives of its Sources, and ends
	// only what it entered itself. Of others it is told the same as of nobody.
	System  bool
	Sources []string
	Level   int // the highest proofing level that the client gives
}

func (c *Clerk) actor() actor { return actor{ID: c.ID, RequestID: c.RequestID} }

// minds reports whether somebody is one whom the clerk may enter as a representative.
func (c *Clerk) minds(a *identity.Account) bool {
	origin := a.Origin()
	return !c.System || origin != "" && slices.Contains(c.Sources, origin)
}

// Checked is a representation whose evidence a clerk checked.
type Checked struct {
	Kind           Kind  // any
	Principal      Party // named by Kind, Name and Code
	Representative Party
	Born           party.Date // of a guardian's child
	Bounds         Bounds
	Evidence       string // what was checked, in words, such as 村委会监护证明 2026-17
}

func (m *Me) actor() actor { return actor{ID: m.Account, RequestID: m.RequestID} }
