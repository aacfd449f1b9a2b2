// Package consent stores what people agreed to show clients with their logins, and says
// which clients may do what with these logins. Grants of licenses belong to package license.
package consent

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"time"

	"yizheng.internal/oidc"
	"yizheng.internal/oidc/client"
	"yizheng.internal/oidc/identity"
	"yizheng.internal/oidc/token"
	"yizheng.internal/signing"
	"yizheng.internal/signing/journal"
	"yizheng.internal/signing/vault"
)

// Record is what a person agreed to show a client at its logins, as a store keeps it.
// It never changes: another consent is another record. When a consent is withdrawn, only
// its register stays, until the consent would have expired. So no column decides anything
// that isn't in the sealed body.
type Record struct {
	ID      string // of identity.NewID
	Client  string
	Created time.Time
	Expires time.Time
	Body    []byte // sealed: party, client, scopes, times
	// Party has the lookup keys that lead to the person's consents. They are written with a
	// new consent, and not read back.
	Party []signing.Lookup
	Mark  []byte // the record's register, see signing.Authenticator; nil: it was not withdrawn
}

// Ended is a consent that is withdrawn, or replaced by another one.
type Ended struct {
	ID      string
	Expires time.Time
	Mark    []byte // the register, which says that the consent ended
}

// Store keeps remembered consents. Events passed to a method are appended in the same
// transaction, as AppendEvents does: both are on disk, or neither. Every driver
// passes storagetest/provider.Consents.
type Store interface {
	// CreateConsent stores c and deletes the consents in instead, as DeleteConsents does.
	// ErrExists if c.ID was ever taken: then nothing is deleted.
	CreateConsent(ctx context.Context, c Record, instead []Ended, es ...journal.Event) error
	// DeleteConsents deletes the content of consents and the keys that lead to them. It
	// keeps their registers until they expire. Missing consents are no error.
	DeleteConsents(ctx context.Context, ended []Ended, es ...journal.Event) error
	// ListConsents returns up to limit consents to which one of the keys leads, and that
	// expire after a time: the newest first, and among those made at the same time the
	// greatest ID first.
	ListConsents(ctx context.Context, party []signing.Lookup, at time.Time, limit int) ([]Record, error)
}

// Config says what a Service works with.
type Config struct {
	Store    Store // as Authentic returns it
	Vault    *vault.Vault
	Clients  *client.Service
	Families *token.Families
	Journal  *journal.Recorder
}

// Service stores what people agreed to show clients, for later logins, and says which
// clients may do what with these logins. Safe for concurrent use.
type Service struct {
	c Config
}

// New returns the service.
func New(c Config) *Service { return &Service{c} }

// consentBody is the sealed part of a consent's record. It repeats the columns.
type consentBody struct {
	Party   string       `json:"party"`
	Client  string       `json:"client"`
	Scopes  []oidc.Scope `json:"scopes"`
	Created time.Time    `json:"created"`
	Expires time.Time    `json:"expires"`
}

// consentLife is how long a consent is remembered. After that the person is asked again.
const consentLife = 365 * 24 * time.Hour

func consentPlace(id string) vault.Place {
	return vault.Place{Table: "consents", Row: id, Column: "body"}
}

// remembered is an opened consent.
type remembered struct {
	Record
	body consentBody
}

func (r *remembered) ended() Ended { return Ended{ID: r.ID, Expires: r.body.Expires} }

// consentsOf returns what a person has agreed to and not withdrawn, the newest first.
func (p *Service) consentsOf(ctx context.Context, party string) ([]remembered, error) {
	keys, err := p.c.Vault.Lookups(ctx, oidc.DomainParty, party)
	if err != nil {
		return nil, err
	}
	now := time.Now()
	records, err := p.c.Store.ListConsents(ctx, keys, now, oidc.MaxListed)
	if err != nil {
		return nil, oidc.Unavailable(fmt.Errorf("listing consents: %w", err))
	}
	var list []remembered
	for _, r := range records {
		c := remembered{Record: r}
		if err := p.c.Vault.OpenJSON(ctx, consentPlace(r.ID), r.Body, &c.body); err != nil {
			return nil, fmt.Errorf("consent %s: %w", r.ID, err)
		}
		if c.body.Client != r.Client {
			return nil, fmt.Errorf("consent %s does not fit its sealed form: it was altered", r.ID)
		}
		// If somebody altered the lookup keys, they may lead to another person's consent.
		if c.body.Party == party && now.Before(c.body.Expires) {
			list = append(list, c)
		}
	}
	return list, nil
}

// Agreed returns the scopes that a person agreed to show a client and hasn't withdrawn.
func (p *Service) Agreed(ctx context.Context, party, client string) ([]oidc.Scope, error) {
	list, err := p.consentsOf(ctx, party)
	if err != nil {
		return nil, err
	}
	var scopes []oidc.Scope
	for _, c := range list {
		if c.Client == client {
			scopes = append(scopes, c.body.Scopes...)
		}
	}
	return scopes, nil
}

// Remember stores that a person agreed to show a client some scopes, in addition to those agreed
// to before. party is the person's id, and the actor is the person. offline_access isn't remembered: it is asked
// for each time.
func (p *Service) Remember(ctx context.Context, a oidc.Actor, party, client string, scopes []oidc.Scope) error {
	scopes = slices.DeleteFunc(slices.Clone(scopes), func(s oidc.Scope) bool { return s == oidc.ScopeOffline })
	if len(scopes) == 0 {
		return nil
	}
	list, err := p.consentsOf(ctx, party)
	if err != nil {
		return err
	}
	var instead []Ended
	for _, c := range list {
		if c.Client == client {
			instead, scopes = append(instead, c.ended()), append(scopes, c.body.Scopes...)
		}
	}
	now := time.Now().UTC()
	c := Record{ID: identity.NewID(), Client: client, Created: now, Expires: now.Add(consentLife)}
	body := consentBody{party, c.Client, oidc.Distinct(scopes), c.Created, c.Expires}
	if c.Body, err = p.c.Vault.SealJSON(ctx, consentPlace(c.ID), body); err != nil {
		return err
	}
	if c.Party, err = p.c.Vault.Lookups(ctx, oidc.DomainParty, body.Party); err != nil {
		return err
	}
	e, err := p.c.Journal.Event(ctx, a.Did(journal.ActionConsentKeep, client, journal.ResultOK))
	if err != nil {
		return err
	}
	if err := p.c.Store.CreateConsent(ctx, c, instead, e); err != nil {
		return oidc.Unavailable(fmt.Errorf("remembering a consent: %w", err))
	}
	return nil
}

// ClientAccess is what a client may do beyond a person's login: what it is shown without
// asking again, and whether its access goes on while the person is away.
type ClientAccess struct {
	Client      oidc.Client
	Participant identity.Participant
	Scopes      []oidc.Scope // the scopes agreed to; none for a department's client
	Since       time.Time    // when the first of this began
	Offline     time.Time    // the latest end of its offline access; zero: it has none
}

// ClientAccesses lists which clients may do what beyond a person's login: those with
// consents first, and then those with offline access only, the newest of each first.
func (p *Service) ClientAccesses(ctx context.Context, s oidc.Session) ([]ClientAccess, error) {
	var list []ClientAccess
	of := func(client string, since time.Time) (*ClientAccess, error) {
		i := slices.IndexFunc(list, func(a ClientAccess) bool { return a.Client.ID == client })
		if i < 0 {
			known, err := p.c.Clients.Standing(ctx, client)
			if errors.Is(err, oidc.ErrNotFound) {
				known.Client.ID = client
			} else if err != nil {
				return nil, err
			}
			i, list = len(list), append(list, ClientAccess{Client: known.Client, Participant: known.Participant, Since: since})
		}
		if since.Before(list[i].Since) {
			list[i].Since = since
		}
		return &list[i], nil
	}
	consents, err := p.consentsOf(ctx, s.Party.ID)
	if err != nil {
		return nil, err
	}
	for _, c := range consents {
		a, err := of(c.Client, c.body.Created)
		if err != nil {
			return nil, err
		}
		a.Scopes = oidc.Distinct(append(a.Scopes, c.body.Scopes...))
	}
	families, err := p.c.Families.Offline(ctx, s.Party.ID)
	if err != nil {
		return nil, err
	}
	for _, f := range families {
		a, err := of(f.Client, f.Created)
		if err != nil {
			return nil, err
		}
		if f.Expires.After(a.Offline) {
			a.Offline = f.Expires
		}
	}
	return list, nil
}

// EndClientAccess withdraws a person's consents to a client, and ends all families that the
// client has of the person's logins. It returns ErrNotFound if there are none of either.
func (p *Service) EndClientAccess(ctx context.Context, s oidc.Session, client, requestID string) error {
	actor := oidc.Actor{ID: s.Account, RequestID: requestID}
	consents, err := p.consentsOf(ctx, s.Party.ID)
	if err != nil {
		return err
	}
	var withdrawn []Ended
	for _, c := range consents {
		if c.Client == client {
			withdrawn = append(withdrawn, c.ended())
		}
	}
	if len(withdrawn) > 0 {
		e, err := p.c.Journal.Event(ctx, actor.Did(journal.ActionConsentEnd, client, journal.ResultOK))
		if err != nil {
			return err
		}
		if err := p.c.Store.DeleteConsents(ctx, withdrawn, e); err != nil {
			return oidc.Unavailable(fmt.Errorf("withdrawing a consent: %w", err))
		}
	}
	ended, err := p.c.Families.EndOfClient(ctx, actor, s.Party.ID, client)
	if err != nil {
		return err
	}
	if len(withdrawn)+ended == 0 {
		return oidc.ErrNotFound
	}
	return nil
}
