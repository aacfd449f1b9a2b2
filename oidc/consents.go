package oidc

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"time"

	"yizheng.internal/oidc/identity"
	"yizheng.internal/signing"
	"yizheng.internal/signing/journal"
)

// ConsentRecord is what a person agreed to show a client at its logins, as a store
// keeps it. It never changes: another consent is another record, and of one that is
// withdrawn only its register is left, until it would have expired. So no column decides
// anything that isn't in the sealed body.
type ConsentRecord struct {
	ID      string // of identity.NewID
	Client  string
	Created time.Time
	Expires time.Time
	Body    []byte // sealed: party, client, scopes, times
	// Party leads to the person's consents. Written with a new one, and not read back.
	Party []signing.Lookup
	Mark  []byte // its register, see signing.Authenticator; nil: it was not withdrawn
}

// EndedConsent is a consent that is withdrawn, or replaced by another one.
type EndedConsent struct {
	ID      string
	Expires time.Time
	Mark    []byte // the register that says so
}

// Consents keeps remembered consents. Events given along are appended in the same
// transaction, as AppendEvents does: both are on disk, or neither. Every driver
// passes storagetest.Consents.
type Consents interface {
	// CreateConsent stores c and deletes others, as DeleteConsents does. ErrExists if
	// its ID was ever taken: then nothing is deleted.
	CreateConsent(ctx context.Context, c ConsentRecord, instead []EndedConsent, es ...journal.Event) error
	// DeleteConsents deletes what consents hold and what leads to them, as far as they
	// are there, and keeps their registers until they expire.
	DeleteConsents(ctx context.Context, ended []EndedConsent, es ...journal.Event) error
	// ListConsents returns up to limit consents to which one of the keys leads and
	// that expire after a time, newest first; of those made at the same time, the
	// one with the greater ID.
	ListConsents(ctx context.Context, party []signing.Lookup, at time.Time, limit int) ([]ConsentRecord, error)
}

// consentBody is the sealed part of a consent's record. It repeats what the
// columns say.
type consentBody struct {
	Party   string    `json:"party"`
	Client  string    `json:"client"`
	Scopes  []Scope   `json:"scopes"`
	Created time.Time `json:"created"`
	Expires time.Time `json:"expires"`
}

// consentLife is how long a consent is remembered: after that the page comes again.
const consentLife = 365 * 24 * time.Hour

func consentPlace(id string) signing.Place {
	return signing.Place{Table: "consents", Row: id, Column: "body"}
}

// remembered is a consent of a person's, opened.
type remembered struct {
	ConsentRecord
	body consentBody
}

func (r *remembered) ended() EndedConsent { return EndedConsent{ID: r.ID, Expires: r.body.Expires} }

// consentsOf returns what a person has agreed to and not withdrawn, the newest first.
func (p *Provider) consentsOf(ctx context.Context, party string) ([]remembered, error) {
	keys, err := p.c.Vault.Lookups(ctx, domainParty, party)
	if err != nil {
		return nil, err
	}
	now := time.Now()
	records, err := p.c.Consents.ListConsents(ctx, keys, now, maxListed)
	if err != nil {
		return nil, unavailable(fmt.Errorf("listing consents: %w", err))
	}
	var list []remembered
	for _, r := range records {
		c := remembered{ConsentRecord: r}
		if err := p.c.Vault.OpenJSON(ctx, consentPlace(r.ID), r.Body, &c.body); err != nil {
			return nil, fmt.Errorf("consent %s: %w", r.ID, err)
		}
		if c.body.Client != r.Client {
			return nil, fmt.Errorf("consent %s does not fit its sealed form: it was altered", r.ID)
		}
		// A lookup key may lead to it that isn't its person's.
		if c.body.Party == party && now.Before(c.body.Expires) {
			list = append(list, c)
		}
	}
	return list, nil
}

// recall fills in what the person agreed to before, where that makes a difference.
func (p *Provider) recall(ctx context.Context, a *asking) error {
	a.agreed = nil
	if a.login == nil || !a.remembers() {
		return nil
	}
	list, err := p.consentsOf(ctx, a.login.body.Party)
	if err != nil {
		return err
	}
	for _, c := range list {
		if c.Client == a.client.ID {
			a.agreed = append(a.agreed, c.body.Scopes...)
		}
	}
	return nil
}

// remembers reports whether a consent at the client counts for later logins. It
// doesn't where another program could pass for the client.
func (a *asking) remembers() bool {
	return !a.Request.portal() && a.participant.Class != identity.Government && !a.uncertain()
}

// remember stores that the person agreed to show the client some scopes.
func (p *Provider) remember(ctx context.Context, a *asking) error {
	scopes := slices.DeleteFunc(slices.Clone(a.consents()), func(s Scope) bool { return s == ScopeOffline }) // that is asked for each time
	if !a.remembers() || len(scopes) == 0 {
		return nil
	}
	list, err := p.consentsOf(ctx, a.login.body.Party)
	if err != nil {
		return err
	}
	var instead []EndedConsent
	for _, c := range list {
		if c.Client == a.client.ID {
			instead, scopes = append(instead, c.ended()), append(scopes, c.body.Scopes...)
		}
	}
	now := time.Now().UTC()
	c := ConsentRecord{ID: identity.NewID(), Client: a.client.ID, Created: now, Expires: now.Add(consentLife)}
	body := consentBody{a.login.body.Party, c.Client, sorted(scopes), c.Created, c.Expires}
	if c.Body, err = p.c.Vault.SealJSON(ctx, consentPlace(c.ID), body); err != nil {
		return err
	}
	if c.Party, err = p.c.Vault.Lookups(ctx, domainParty, body.Party); err != nil {
		return err
	}
	e, err := p.journal.Event(ctx, Actor{a.login.body.Account, a.browser.RequestID}.Did(journal.ActionConsentKeep, a.client.ID, journal.ResultOK))
	if err != nil {
		return err
	}
	if err := p.c.Consents.CreateConsent(ctx, c, instead, e); err != nil {
		return unavailable(fmt.Errorf("remembering a consent: %w", err))
	}
	return nil
}

// ClientAccess is what a client may do with a person's login beyond it: what it is shown
// without asking again, and whether it goes on while the person is away.
type ClientAccess struct {
	Client      Client
	Participant identity.Participant
	Scopes      []Scope   // that were agreed to; none at a department's
	Since       time.Time // of the first of all this
	Offline     time.Time // when its offline access ends at the latest; zero: it has none
}

// ClientAccesses lists which clients may do what with a person's login, the newest
// first.
func (p *Provider) ClientAccesses(ctx context.Context, s Session) ([]ClientAccess, error) {
	var list []ClientAccess
	of := func(client string, since time.Time) (*ClientAccess, error) {
		i := slices.IndexFunc(list, func(a ClientAccess) bool { return a.Client.ID == client })
		if i < 0 {
			known, err := p.standingOf(ctx, client, standingFresh)
			if errors.Is(err, ErrNotFound) {
				known.client.ID = client
			} else if err != nil {
				return nil, err
			}
			i, list = len(list), append(list, ClientAccess{Client: known.client, Participant: known.participant, Since: since})
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
		a.Scopes = sorted(append(a.Scopes, c.body.Scopes...))
	}
	families, err := p.offlineOf(ctx, s.Party.ID)
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

// offlineOf returns the families of a person that outlive their session and live.
func (p *Provider) offlineOf(ctx context.Context, party string) ([]*family, error) {
	list, err := p.familiesOf(ctx, party)
	if err != nil {
		return nil, err
	}
	var live []*family
	for _, r := range list {
		if r.Session != "" {
			continue
		}
		f, err := p.openFamily(ctx, r)
		if err != nil {
			return nil, err
		}
		// Whose it is and that it is offline stands in its sealed form too.
		if f.body.About.Party != party {
			continue
		}
		err = p.check(ctx, f)
		if _, over := errors.AsType[overError](err); over {
			continue
		}
		if err != nil {
			return nil, err
		}
		live = append(live, f)
	}
	return live, nil
}

// EndClientAccess withdraws what a person agreed to at a client, and ends all that
// the client has of their logins. ErrNotFound if that is nothing.
func (p *Provider) EndClientAccess(ctx context.Context, s Session, client, requestID string) error {
	actor := Actor{s.Account, requestID}
	consents, err := p.consentsOf(ctx, s.Party.ID)
	if err != nil {
		return err
	}
	var withdrawn []EndedConsent
	for _, c := range consents {
		if c.Client == client {
			withdrawn = append(withdrawn, c.ended())
		}
	}
	if len(withdrawn) > 0 {
		e, err := p.journal.Event(ctx, actor.Did(journal.ActionConsentEnd, client, journal.ResultOK))
		if err != nil {
			return err
		}
		if err := p.c.Consents.DeleteConsents(ctx, withdrawn, e); err != nil {
			return unavailable(fmt.Errorf("withdrawing a consent: %w", err))
		}
	}
	families, err := p.familiesOf(ctx, s.Party.ID)
	if err != nil {
		return err
	}
	ended := 0
	for _, r := range families {
		if r.Client != client {
			continue
		}
		f, err := p.openFamily(ctx, r)
		if err != nil {
			return err
		}
		if f.body.About.Party != s.Party.ID {
			continue
		}
		if err := p.endFamily(ctx, f, actor, journal.ActionFamilyEnd, EndedByHolder); err != nil {
			return err
		}
		ended++
	}
	if len(withdrawn)+ended == 0 {
		return ErrNotFound
	}
	return nil
}
