package acting

import (
	"context"
	"errors"

	"yizheng.internal/license/party"
	"yizheng.internal/oidc/identity"
	"yizheng.internal/signing/journal"
	"yizheng.internal/signing/vault"
)

// Config says what a Service works with. All of it is required but Registry.
type Config struct {
	Store    Store // as AuthenticRepresentations returns it
	People   *identity.Service
	Registry Registry // nil: no license proves anything
	Vault    *vault.Vault
	Journal  *journal.Recorder
}

// Service has the rules of who may act for whom. Safe for concurrent use.
type Service struct{ c Config }

// New checks c and returns a Service.
func New(c Config) (*Service, error) {
	if c.Store == nil || c.People == nil || c.Vault == nil || c.Journal == nil {
		return nil, errors.New("acting: Config needs Store, People, Vault and Journal")
	}
	return &Service{c}, nil
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

// Choices returns those for whom somebody may do something now, organizations first, by name. For
// each principal only the strongest kind is among them. It writes nothing.
func (s *Service) Choices(ctx context.Context, me Me, w Wanted) ([]Choice, error) {
	panic("to be written")
}

// Choose returns the choice with a key as a representation that may be used. What a license proves is stored as a
// representation of its own when it is chosen for the first time. *identity.Error: representation_unknown if the key is not
// among [Service.Choices].
func (s *Service) Choose(ctx context.Context, me Me, w Wanted, key string) (Acting, error) {
	panic("to be written")
}

// Check returns a representation as long as the person may use it for what is wanted, as of now. It asks
// store and Registry each time. *identity.Error with one of the reasons of this package if they may not; any other
// error means that it couldn't be found out, and that nobody acts.
func (s *Service) Check(ctx context.Context, me Me, w Wanted, id string) (Acting, error) {
	panic("to be written")
}

// Live checks whether the person with a party id may still use a representation for anything: for
// tokens. Errors are those of [Service.Check].
func (s *Service) Live(ctx context.Context, id, party string) error {
	panic("to be written")
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

// Relatives returns the relatives of whoever acts; acting is nil if they act for themself.
func (s *Service) Relatives(ctx context.Context, me Me, acting *Acting, item string) (Relatives, error) {
	panic("to be written")
}

// Appointment is a representation that somebody proposes.
type Appointment struct {
	Kind   Kind // Administrator, Agent or Entrusted
	Name   string
	Code   party.Code // of the representative. Whether there is such a person isn't told
	Bounds Bounds
}

// Propose proposes a representation. acting is how the person acts: for an organization as its legal
// representative (who appoints administrators and agents) or administrator (who appoints agents); nil for somebody
// who entrusts another person. The answer is the same whether or not there is an account of the representative's, who is asked at their next login,
// and told if their phone is known. *identity.Error: representation_may_not, _malformed, _twice, _too_many.
func (s *Service) Propose(ctx context.Context, me Me, acting *Acting, a Appointment) (Representation, error) {
	panic("to be written")
}

// Answer accepts or declines a representation that was proposed to the person, by one of the codes that they
// hold and were proofed with. *identity.Error: representation_unknown, _expired.
func (s *Service) Answer(ctx context.Context, me Me, id string, accept bool) (Representation, error) {
	panic("to be written")
}

// End ends a representation: by the representative; by the principal, or whoever may appoint such
// representatives of it (acting). It is over when End returns. Ending what has ended changes nothing. What a license proves can't be
// ended here.
func (s *Service) End(ctx context.Context, me Me, acting *Acting, id string) (Representation, error) {
	panic("to be written")
}

// Confirm lets a representation go on that a former legal representative made; the present one does it.
func (s *Service) Confirm(ctx context.Context, me Me, acting *Acting, id string) (Representation, error) {
	panic("to be written")
}

// Mine returns what the person may accept, may use, or has entrusted to others: all representations in which
// they are one of the two, the newest first, ended ones of the last 90 days too.
func (s *Service) Mine(ctx context.Context, me Me) ([]Representation, error) {
	panic("to be written")
}

// OfPrincipal returns the representations of the organization that is acted for, by its legal representative or an
// administrator.
func (s *Service) OfPrincipal(ctx context.Context, me Me, acting *Acting) ([]Representation, error) {
	panic("to be written")
}

// Checked is a representation whose evidence a clerk checked.
type Checked struct {
	Clerk          string // who checked it, for the record
	Kind           Kind   // any
	Principal      Party  // named by Kind, Name and Code
	Representative Party
	Born           party.Date // of a guardian's child
	Bounds         Bounds
	Evidence       string // what was checked, in words, such as 村委会监护证明 2026-17
}

// Enter stores a representation that rests on evidence which a clerk checked, as accepted. The
// parties must exist, or are made with the given names and codes (a principal only).
func (s *Service) Enter(ctx context.Context, c Checked) (Representation, error) {
	panic("to be written")
}

// EndByClerk ends a representation; why is for the record. What a license proves isn't ended by it: whoever
// keeps the license does that.
func (s *Service) EndByClerk(ctx context.Context, clerk, id, why string) (Representation, error) {
	panic("to be written")
}
