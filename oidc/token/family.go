package token

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"slices"
	"time"

	"yizheng.internal/oidc"
	"yizheng.internal/oidc/fresh"
	"yizheng.internal/oidc/identity"
	"yizheng.internal/oidc/identity/factor"
	"yizheng.internal/oidc/session"
	"yizheng.internal/signing/journal"
	"yizheng.internal/signing/vault"
)

// Family is what one authorization code yielded, opened.
type Family struct {
	FamilyRecord
	body familyBody
}

// About says who the family's tokens are about. It is shared: not to be changed.
func (f *Family) About() *About { return &f.body.About }

// familyBody is the sealed part of a family's record. It repeats the plain
// columns that decide whose it is and how long it lives.
type familyBody struct {
	About   About     `json:"about"`
	Client  string    `json:"client"`
	Session string    `json:"session,omitempty"`
	Expires time.Time `json:"expires"`
}

// About says who tokens are about, how they logged in, and what was agreed to.
// It never changes after the login.
type About struct {
	Account   string           `json:"account"`
	Party     string           `json:"party"`
	SID       string           `json:"sid"` // of the session at this client
	AuthTime  int64            `json:"auth_time"`
	Factors   []factor.Proof   `json:"factors"`
	Assurance factor.Assurance `json:"assurance"`
	Scopes    []oidc.Scope     `json:"scopes,omitempty"`
	Grant     string           `json:"grant,omitempty"` // of licenses
}

// FamilyConfig says what a Families works with.
type FamilyConfig struct {
	Store    FamilyStore // as AuthenticFamilies returns them
	Spent    Spent       // as AuthenticSpent returns it
	Vault    *vault.Vault
	Sessions *session.Service
	Journal  *journal.Recorder
	Licenses LicenseGrants     // nil: there are none
	Step     func(name string) // is called at each step of a request: failpoints of tests
}

// LicenseGrants are the grants of licenses that families carry. [oidc.Resolver] has them.
type LicenseGrants interface {
	// Live reports whether a grant may still be read by.
	Live(ctx context.Context, grant string) (bool, error)
	// Revoke ends a grant; reason is GrantCodeReuse or GrantTokenRevoked.
	Revoke(ctx context.Context, c oidc.Client, grant, reason string) error
}

// Families keeps families: what authorization codes yielded. Safe for concurrent
// use.
//
// One that another process ends is seen 2 seconds later at the latest; one that this
// process ends, at once.
type Families struct {
	c       FamilyConfig
	records *fresh.Cache[*Family]
	opened  *fresh.Bounded[string, openedBody] // by family
}

// NewFamilies returns the service.
func NewFamilies(c FamilyConfig) *Families {
	s := &Families{c: c, opened: fresh.NewBounded[string, openedBody](maxOpened)}
	s.records = fresh.NewCache(maxCachedFamilies, s.Read)
	return s
}

func familyPlace(id string) vault.Place {
	return vault.Place{Table: "families", Row: id, Column: "body"}
}

const (
	maxCachedFamilies = 16384
	maxOpened         = 8192
)

// openedBody is the sealed part of a family with what it says. It is the same from the
// login to the end, while the record changes with each refresh.
type openedBody struct {
	sealed []byte
	body   familyBody // shared: not to be changed
}

// New returns the record of a family, sealed.
func (p *Families) New(ctx context.Context, c oidc.Client, session string, expires time.Time, who About) (*Family, error) {
	now := time.Now().UTC()
	f := &Family{FamilyRecord: FamilyRecord{
		ID: identity.NewID(), Client: c.ID, Session: session, Revision: 1, Created: now, Expires: expires.UTC(),
	}}
	if c.Has(oidc.GrantRefresh) {
		f.Number, f.Rotated = 1, now
	}
	f.body = familyBody{About: who, Client: f.Client, Session: f.Session, Expires: f.Expires}
	var err error
	if f.Body, err = p.c.Vault.SealJSON(ctx, familyPlace(f.ID), f.body); err != nil {
		return nil, err
	}
	f.Party, err = p.c.Vault.Lookups(ctx, oidc.DomainParty, who.Party)
	return f, err
}

// Read loads and opens a family. ErrNotFound.
func (p *Families) Read(ctx context.Context, id string) (*Family, error) {
	r, err := p.c.Store.LoadFamily(ctx, id)
	if errors.Is(err, oidc.ErrNotFound) {
		return nil, oidc.ErrNotFound
	}
	if err != nil {
		return nil, oidc.Unavailable(fmt.Errorf("family %s: %w", id, err))
	}
	return p.Open(ctx, r)
}

// Open opens a family's record. It is an error if the record doesn't fit its sealed part.
func (p *Families) Open(ctx context.Context, r FamilyRecord) (*Family, error) {
	f := &Family{FamilyRecord: r}
	if err := p.openBody(ctx, f); err != nil {
		return nil, fmt.Errorf("family %s: %w", r.ID, err)
	}
	if f.body.Client != r.Client || f.body.Session != r.Session || f.body.Expires.Before(r.Expires) {
		return nil, fmt.Errorf("family %s does not fit its sealed form: it was altered", r.ID)
	}
	return f, nil
}

// recent returns a family as it was at most 2 seconds ago. ErrNotFound.
func (p *Families) recent(ctx context.Context, id string) (*Family, error) {
	return p.records.Since(ctx, id, fresh.Age)
}

// openBody opens the sealed part of a family, unless it is byte for byte what was opened
// before, under a key that is still there.
func (p *Families) openBody(ctx context.Context, f *Family) error {
	if o, ok := p.opened.Load(f.ID); ok && bytes.Equal(o.sealed, f.Body) {
		f.Body, f.body = o.sealed, o.body
		return p.c.Vault.CheckKey(ctx, f.Body)
	}
	if err := p.c.Vault.OpenJSON(ctx, familyPlace(f.ID), f.Body, &f.body); err != nil {
		return err
	}
	p.opened.Store(f.ID, openedBody{f.Body, f.body})
	return nil
}

// Over says why a family's tokens are no longer good.
type Over string

// Error says that the family is over, and why.
func (e Over) Error() string { return "the family is over: " + string(e) }

// check says whether a family's tokens are good: nil, an Over with the
// reason code, or what keeps it from being known.
func (p *Families) check(ctx context.Context, f *Family) error {
	now := time.Now()
	switch {
	case !f.Ended.IsZero():
		return Over("ended")
	case !now.Before(f.Expires):
		return Over("expired")
	}
	return p.CheckAbout(ctx, f.Session, &f.body.About)
}

// CheckAbout says whether who logged in may still be acted for: the session, if
// it must, lives; the account is enabled; the grant can be read by.
func (p *Families) CheckAbout(ctx context.Context, session string, who *About) error {
	if session != "" {
		lives, err := p.c.Sessions.Lives(ctx, session)
		if err != nil {
			return err
		}
		if !lives {
			return Over("session_ended")
		}
	}
	a, err := p.c.Sessions.Account(ctx, who.Account)
	if err != nil {
		return err
	}
	if a.Disabled || a.Party != who.Party || who.AuthTime <= a.Barred.Unix() {
		return Over("account_disabled")
	}
	if who.AuthTime < a.Password.Unix() { // offline access too: whoever knew the old one may have it
		return Over("session_ended")
	}
	return nil
}

// checkGrant says whether the grant of a family can still be read by: it is asked
// for each time, so that withdrawing one works at once.
func (p *Families) checkGrant(ctx context.Context, grant string) error {
	if grant == "" {
		return nil
	}
	if p.c.Licenses == nil {
		return Over("grant_ended")
	}
	live, err := p.c.Licenses.Live(ctx, grant)
	if err != nil {
		return err
	}
	if !live {
		return Over("grant_ended")
	}
	return nil
}

// End ends a family, with the event of it. One that has ended stays as it
// is and leaves no other event: who refuses because of it leaves one anyway.
func (p *Families) End(ctx context.Context, f *Family, a oidc.Actor, action journal.Action, reason string) error {
	r := f.FamilyRecord
	e, err := p.c.Journal.Event(ctx, a.Did(action, r.ID, reason))
	if err != nil {
		return err
	}
	for try := 1; r.Ended.IsZero(); try++ {
		r.Ended, r.EndedBy = time.Now().UTC(), reason
		err := p.c.Store.UpdateFamily(ctx, r, e)
		if err == nil {
			break
		}
		if !errors.Is(err, oidc.ErrConflict) || try == oidc.ChangeTries {
			return oidc.Unavailable(fmt.Errorf("ending family %s: %w", r.ID, err))
		}
		if r, err = p.c.Store.LoadFamily(ctx, r.ID); err != nil {
			return oidc.Unavailable(fmt.Errorf("ending family %s: %w", f.ID, err))
		}
	}
	p.records.Drop(f.ID)
	return nil
}

// Revoke ends a family and the license grant that came with it.
func (p *Families) Revoke(ctx context.Context, c oidc.Client, f *Family, a oidc.Actor, action journal.Action, reason, grantReason string) error {
	if err := p.End(ctx, f, a, action, reason); err != nil {
		return err
	}
	p.c.Step("family.ended")
	return p.RevokeGrant(ctx, c, f, grantReason)
}

// RevokeGrant ends the license grant that came with a family, if one did. One
// that has ended stays as it is.
func (p *Families) RevokeGrant(ctx context.Context, c oidc.Client, f *Family, reason string) error {
	if f.body.About.Grant == "" || p.c.Licenses == nil {
		return nil
	}
	if err := p.c.Licenses.Revoke(ctx, c, f.body.About.Grant, reason); err != nil {
		return fmt.Errorf("revoking the grant of family %s: %w", f.ID, err)
	}
	return nil
}

// familiesOf returns a person's live families, the newest first.
func (p *Families) familiesOf(ctx context.Context, party string) ([]FamilyRecord, error) {
	keys, err := p.c.Vault.Lookups(ctx, oidc.DomainParty, party)
	if err != nil {
		return nil, err
	}
	list, err := p.c.Store.ListFamilies(ctx, keys, time.Now(), oidc.MaxListed)
	if err != nil {
		return nil, oidc.Unavailable(fmt.Errorf("listing families: %w", err))
	}
	return list, nil
}

// EndWith writes down that the families of a party's session ended with it.
func (p *Families) EndWith(ctx context.Context, party, session, reason string) error {
	list, err := p.familiesOf(ctx, party)
	if err != nil {
		return err
	}
	for _, r := range list {
		if r.Session != session {
			continue
		}
		r.Ended, r.EndedBy = time.Now().UTC(), reason
		// The session has ended, so the family has: should another process be faster
		// with a refresh, that changes nothing.
		if err := p.c.Store.UpdateFamily(ctx, r); err != nil && !errors.Is(err, oidc.ErrConflict) {
			return oidc.Unavailable(fmt.Errorf("ending family %s: %w", r.ID, err))
		}
		p.records.Drop(r.ID)
	}
	return nil
}

// HasOffline reports whether a person has given a client offline access that
// lives.
func (p *Families) HasOffline(ctx context.Context, client, party string) (bool, error) {
	list, err := p.Offline(ctx, party)
	return slices.ContainsFunc(list, func(f *Family) bool { return f.Client == client }), err
}

// Offline returns the families of a person that outlive their session and live.
func (p *Families) Offline(ctx context.Context, party string) ([]*Family, error) {
	list, err := p.familiesOf(ctx, party)
	if err != nil {
		return nil, err
	}
	var live []*Family
	for _, r := range list {
		if r.Session != "" {
			continue
		}
		f, err := p.Open(ctx, r)
		if err != nil {
			return nil, err
		}
		// Whose it is and that it is offline stands in its sealed form too.
		if f.body.About.Party != party {
			continue
		}
		err = p.check(ctx, f)
		if _, over := errors.AsType[Over](err); over {
			continue
		}
		if err != nil {
			return nil, err
		}
		live = append(live, f)
	}
	return live, nil
}

// EndOfClient ends all that a client has of a person's logins, and returns how many
// families that were.
func (p *Families) EndOfClient(ctx context.Context, a oidc.Actor, party, client string) (ended int, err error) {
	list, err := p.familiesOf(ctx, party)
	if err != nil {
		return 0, err
	}
	for _, r := range list {
		if r.Client != client {
			continue
		}
		f, err := p.Open(ctx, r)
		if err != nil {
			return ended, err
		}
		if f.body.About.Party != party { // a lookup key leads to it that isn't its person's
			continue
		}
		if err := p.End(ctx, f, a, journal.ActionFamilyEnd, session.EndedByHolder); err != nil {
			return ended, err
		}
		ended++
	}
	return ended, nil
}

// Redeem stores a family as what a code yields, and spends the code. If it was spent
// before, it returns the ID of the first family, and ErrSpent.
func (p *Families) Redeem(ctx context.Context, code [32]byte, keep time.Time, f *Family, es ...journal.Event) (first string, err error) {
	first, err = p.c.Store.RedeemCode(ctx, code, keep, f.FamilyRecord, es...)
	if err != nil && !errors.Is(err, ErrSpent) {
		return "", oidc.Unavailable(fmt.Errorf("redeeming a code: %w", err))
	}
	return first, err
}

// IsSpent reports whether a code was redeemed.
func (p *Families) IsSpent(ctx context.Context, code [32]byte) (bool, error) {
	spent, err := p.c.Spent.IsSpent(ctx, code)
	if err != nil {
		return false, oidc.Unavailable(fmt.Errorf("looking for a code: %w", err))
	}
	return spent, nil
}

// Advance makes the next refresh token of a family, as it was read, the newest.
// ErrConflict if it changed since.
func (p *Families) Advance(ctx context.Context, f *Family, now time.Time) error {
	r := f.FamilyRecord
	r.Number, r.Rotated = r.Number+1, now.UTC()
	err := p.c.Store.UpdateFamily(ctx, r)
	if errors.Is(err, oidc.ErrConflict) {
		return oidc.ErrConflict
	}
	if err != nil {
		return oidc.Unavailable(fmt.Errorf("rotating family %s: %w", r.ID, err))
	}
	p.c.Step("refresh.rotated")
	r.Revision++
	f.FamilyRecord = r
	return nil
}
