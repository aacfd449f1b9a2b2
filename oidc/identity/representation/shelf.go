package representation

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"slices"
	"time"

	"yizheng.internal/license/party"
	"yizheng.internal/oidc/identity"
	"yizheng.internal/oidc/identity/notice"
	"yizheng.internal/signing"
	"yizheng.internal/signing/journal"
	"yizheng.internal/signing/vault"
)

// Domains of lookup keys. Never change one: stored values depend on them.
const (
	domainPrincipal      = "representation.principal"      // of a party id
	domainRepresentative = "representation.representative" // of a party id
	domainCode           = "representation.code"           // of a representative's code, before they accept
	domainUnique         = "representation.unique"
)

// Journal makes and records events; [journal.Recorder] does.
type Journal interface {
	Record(ctx context.Context, f journal.Fact) error
	Event(ctx context.Context, f journal.Fact) (journal.Event, error)
}

// Config says what a Shelf works with. All of it is required but Notices and Log.
type Config struct {
	Store   Store // NewShelf wraps it with AuthenticRepresentations
	People  *identity.Service
	Vault   *vault.Vault
	Journal Journal
	Notices *notice.Notices // tells people what was proposed to them, and what ended; nil: nobody is told
	Log     *slog.Logger    // default: discards
}

// Shelf keeps representations. Safe for concurrent use.
type Shelf struct {
	c      Config
	roster *identity.Roster
	told   chan telling
}

// NewShelf checks c and returns a Shelf.
func NewShelf(c Config) (*Shelf, error) {
	if c.Store == nil || c.People == nil || c.Vault == nil || c.Journal == nil {
		return nil, errors.New("representations need a Store, People, a Vault and a Journal")
	}
	if c.Log == nil {
		c.Log = slog.New(slog.DiscardHandler)
	}
	c.Store = AuthenticRepresentations(c.Store, c.Vault.Auth())
	return &Shelf{c, identity.NewRoster(c.People), make(chan telling, tellings)}, nil
}

func place(id string) vault.Place { return vault.Place{Table: table, Row: id, Column: "body"} }

// Lookup is a value whose lookup keys lead to representations.
type Lookup struct {
	domain string
	values []string
}

func OfPrincipal(party string) Lookup      { return Lookup{domainPrincipal, []string{party}} }
func OfRepresentative(party string) Lookup { return Lookup{domainRepresentative, []string{party}} }
func OfCode(c party.Code) Lookup           { return Lookup{domainCode, []string{string(c.Type), c.Value}} }

// keys returns the lookup keys of values under every live lookup key.
func (s *Shelf) keys(ctx context.Context, values ...Lookup) ([]signing.Lookup, error) {
	var all []signing.Lookup
	for _, v := range values {
		keys, err := s.c.Vault.Lookups(ctx, v.domain, v.values...)
		if err != nil {
			return nil, err
		}
		all = append(all, keys...)
	}
	return all, nil
}

// seal returns the record of a representation.
func (s *Shelf) seal(ctx context.Context, r *Representation) (Record, error) {
	to := r.Representative
	rec := Record{ID: r.ID, State: r.State, Revision: r.Revision, Created: r.Created, Updated: r.Updated}
	leads := []Lookup{OfPrincipal(r.Principal.ID), OfCode(to.Code)}
	if to.ID != "" {
		leads[1] = OfRepresentative(to.ID)
	}
	var err error
	if rec.Keys, err = s.keys(ctx, leads...); err != nil {
		return Record{}, err
	}
	if r.State != Ended {
		// By the code, so that nobody proposes it twice; by the party, so that nobody accepts it by two codes. What a
		// license proves stands beside what a clerk checked.
		basis := "said"
		if r.Proof.License != "" {
			basis = "license"
		}
		taken := []Lookup{{domainUnique, []string{string(r.Kind), basis, r.Principal.ID, string(to.Code.Type), to.Code.Value}}}
		if to.ID != "" {
			taken = append(taken, Lookup{domainUnique, []string{string(r.Kind), basis, r.Principal.ID, "party", to.ID}})
		}
		if rec.Unique, err = s.keys(ctx, taken...); err != nil {
			return Record{}, err
		}
	}
	rec.Body, err = s.c.Vault.SealJSON(ctx, place(r.ID), r)
	return rec, err
}

// unseal opens a record.
func (s *Shelf) unseal(ctx context.Context, rec Record) (r Representation, err error) {
	if err := s.c.Vault.OpenJSON(ctx, place(rec.ID), rec.Body, &r); err != nil {
		return Representation{}, fmt.Errorf("representation %s: %w", rec.ID, err)
	}
	if r.State != rec.State {
		return Representation{}, s.c.Vault.Auth().Refuse(table, rec.ID, "it does not fit its sealed form")
	}
	r.ID, r.Created, r.Updated, r.Revision = rec.ID, rec.Created, rec.Updated, rec.Revision
	return r, nil
}

// Load returns a representation. *identity.Error: representation_unknown.
func (s *Shelf) Load(ctx context.Context, id string) (Representation, error) {
	if !identity.ValidID(id) {
		return Representation{}, Unknown()
	}
	rec, err := s.c.Store.LoadRepresentation(ctx, id)
	if errors.Is(err, identity.ErrNotFound) {
		return Representation{}, Unknown()
	}
	if err != nil {
		return Representation{}, fmt.Errorf("loading a representation: %w", err)
	}
	return s.unseal(ctx, rec)
}

// Find returns representations to which values lead. The rows that led there aren't trusted: each has one of
// the values, as far as fits says.
func (s *Shelf) Find(ctx context.Context, limit int, fits func(*Representation) bool, values ...Lookup) (all []Representation, err error) {
	keys, err := s.keys(ctx, values...)
	if err != nil {
		return nil, err
	}
	records, err := s.c.Store.FindRepresentations(ctx, keys, limit)
	if err != nil {
		return nil, fmt.Errorf("finding representations: %w", err)
	}
	for _, rec := range records {
		r, err := s.unseal(ctx, rec)
		if err != nil {
			return nil, err
		}
		if !fits(&r) {
			_ = s.c.Vault.Auth().Refuse("representation_keys", r.ID, "the key of another party leads to it") // logged, and counted
			continue
		}
		all = append(all, r)
	}
	return all, nil
}

// Listed is how many representations of a party are looked at, at most.
const Listed = 500

// Of returns the representations of a principal.
func (s *Shelf) Of(ctx context.Context, principal string) ([]Representation, error) {
	return s.Find(ctx, Listed, func(r *Representation) bool { return r.Principal.ID == principal }, OfPrincipal(principal))
}

// Actor is who changes a representation, for the events.
type Actor struct {
	ID        string // an account, a client or an operator; empty: nobody, for what is over
	RequestID string // of the HTTP request; empty: none
}

// News is what a change tells those whom it concerns.
type News struct {
	Action journal.Action // what was done to the representation
	Told   journal.Action // what those are told of it; empty: nobody is
	Kind   notice.Kind    // what is written to the representative's phone; empty: nothing
}

// events returns the events of a change, and whom it tells on their phone.
func (s *Shelf) events(ctx context.Context, by Actor, r *Representation, n News) (es []journal.Event, tell []telling, err error) {
	add := func(action journal.Action, subject string) error {
		e, err := s.c.Journal.Event(ctx, identity.Did(by.ID, action, subject, by.RequestID, journal.ResultOK))
		es = append(es, e)
		return err
	}
	if err := add(n.Action, r.ID); err != nil || n.Told == "" {
		return es, nil, err
	}
	others, err := s.concerned(ctx, r)
	if err != nil {
		return nil, nil, err
	}
	for _, a := range others {
		if a.ID == by.ID {
			continue
		}
		if err := add(n.Told, a.ID); err != nil {
			return nil, nil, err
		}
		if n.Kind != "" {
			tell = append(tell, telling{a, n.Kind, by.RequestID})
		}
	}
	return es, tell, nil
}

// concerned returns the accounts of those whom a representation concerns: the representative, also the one
// to whom it was proposed; a person who is represented; and those by whom and in whose name somebody
// was appointed.
func (s *Shelf) concerned(ctx context.Context, r *Representation) (all []identity.Account, err error) {
	add := func(who identity.Someone, err error) error {
		if errors.Is(err, identity.ErrNotFound) {
			return nil
		}
		if err == nil && !who.Account.Disabled && !slices.ContainsFunc(all, func(a identity.Account) bool { return a.ID == who.Account.ID }) {
			all = append(all, who.Account)
		}
		return err
	}
	if r.Representative.ID != "" {
		err = add(s.roster.SomeoneOf(ctx, r.Representative.ID))
	} else {
		who, found := s.roster.FindSomeone(ctx, r.Representative.Code)
		if found == nil && !r.Addresses(&who) {
			found = identity.ErrNotFound
		}
		err = add(who, found)
	}
	parties := []string{r.Proof.By, r.Proof.Head}
	if !r.Kind.OfOrganization() {
		parties = append(parties, r.Principal.ID)
	}
	for _, id := range parties {
		if err == nil && id != "" {
			err = add(s.roster.SomeoneOf(ctx, id))
		}
	}
	return all, err
}

// Create stores a new representation with its events. identity.ErrExists if there is such a one.
func (s *Shelf) Create(ctx context.Context, by Actor, r *Representation, n News) error {
	r.ID, r.Created, r.Revision = identity.NewOrderedID(), time.Now().UTC(), 1
	r.Updated = r.Created
	es, tell, err := s.events(ctx, by, r, n)
	if err != nil {
		return err
	}
	rec, err := s.seal(ctx, r)
	if err == nil {
		err = s.c.Store.CreateRepresentation(ctx, rec, es...)
	}
	if err != nil {
		return fmt.Errorf("storing a representation: %w", err)
	}
	s.tell(tell)
	return nil
}

// changeTries is how many times a change is tried when other changes keep coming first.
const changeTries = 5

// ErrUnchanged says that there is nothing to change.
var ErrUnchanged = errors.New("there is nothing to change")

// Change applies do to a stored representation and stores the result with its events. do is called again
// if another change was stored first.
func (s *Shelf) Change(ctx context.Context, by Actor, id string, n News, do func(*Representation) error) (Representation, error) {
	for try := 1; ; try++ {
		r, err := s.Load(ctx, id)
		if err != nil {
			return Representation{}, err
		}
		if err := do(&r); errors.Is(err, ErrUnchanged) {
			return r, nil
		} else if err != nil {
			return Representation{}, err
		}
		r.Updated = time.Now().UTC()
		es, tell, err := s.events(ctx, by, &r, n)
		if err != nil {
			return Representation{}, err
		}
		rec, err := s.seal(ctx, &r)
		if err == nil {
			err = s.c.Store.UpdateRepresentation(ctx, rec, es...)
		}
		if errors.Is(err, identity.ErrConflict) && try < changeTries {
			continue
		}
		if err != nil {
			return Representation{}, fmt.Errorf("changing a representation: %w", err)
		}
		r.Revision++
		s.tell(tell)
		return r, nil
	}
}
