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

// Family is what one authorization code yielded: an opened record.
type Family struct {
	FamilyRecord
	body familyBody
}

// About says who the family's tokens are about. Don't change the result: it is shared.
func (f *Family) About() *About { return &f.body.About }

// familyBody is the sealed part of a family's record. It repeats the plain columns that
// decide whose family it is and how long it lives.
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
	SID       string           `json:"sid"` // the session's id at this client
	AuthTime  int64            `json:"auth_time"`
	Since     int64            `json:"since,omitzero"` // Since of the session; see session.About
	Factors   []factor.Proof   `json:"factors"`
	Assurance factor.Assurance `json:"assurance"`
	Scopes    []oidc.Scope     `json:"scopes,omitempty"`
	Grant     string           `json:"grant,omitempty"`  // the license grant
	Behalf    *Behalf          `json:"behalf,omitempty"` // for whom they act; nil: for themself
}

// FamilyConfig says what a Families works with.
type FamilyConfig struct {
	Store    FamilyStore // as AuthenticFamilies returns it
	Spent    Spent       // as AuthenticSpent returns it
	Vault    *vault.Vault
	Sessions *session.Service
	Journal  *journal.Recorder
	Licenses LicenseGrants     // nil: there are none
	Acting   Representations   // nil: nobody acts for others
	Step     func(name string) // called at each step of a request, for failpoints in tests
}

// LicenseGrants has the license grants that families carry. An [oidc.Resolver] has its methods.
type LicenseGrants interface {
	// Live reports whether a grant still allows reading.
	Live(ctx context.Context, grant string) (bool, error)
	// Revoke ends a grant; reason is GrantCodeReuse or GrantTokenRevoked.
	Revoke(ctx context.Context, c oidc.Client, grant, reason string) error
}

// Families manages families: what authorization codes yielded. Safe for concurrent use.
//
// If another process ends a family, Families sees it 2 seconds later at the latest; if this
// process does, at once.
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

// openedBody is the sealed part of a family with its opened content. It never changes, while
// the record changes with each refresh.
type openedBody struct {
	sealed []byte
	body   familyBody // shared: don't change it
}

// New returns a new family with its sealed record, which isn't stored yet.
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

// Read loads and opens a family. It returns ErrNotFound if there is none.
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

// Open opens a family's record. It returns an error if the record differs from its sealed part.
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

// recent returns a family as it was at most 2 seconds ago, or ErrNotFound.
func (p *Families) recent(ctx context.Context, id string) (*Family, error) {
	return p.records.Since(ctx, id, fresh.Age)
}

// openBody opens the sealed part of a family. If it was opened before and is unchanged byte
// for byte, openBody takes the cached content and only checks that the key still exists.
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

// Over says why a family's tokens are no longer valid.
type Over string

// OverRepresentation is over what was done for somebody whom the person doesn't represent any more.
const OverRepresentation = Over(oidc.ReasonRepresentationEnded)

// Error says that the family is over, and why.
func (e Over) Error() string { return "the family is over: " + string(e) }

// check returns nil if a family's tokens are valid, an Over with the reason code if they
// aren't, or another error if that can't be found out.
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

// CheckAbout checks whether a client may still act for the person who logged in: the session,
// if one is given, is live; the account isn't disabled, and since the login it wasn't disabled
// and its password wasn't changed; whoever acts for somebody may still do so. Like check, it returns nil, an Over, or another error.
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
	// This ends offline access, too: somebody who knew the old password, or had the authenticator, may have it.
	if who.AuthTime < a.Password.Unix() || max(who.AuthTime, who.Since) < a.Secured.Unix() {
		return Over("session_ended")
	}
	return p.checkBehalf(ctx, who)
}

// checkGrant checks that the grant of a family still allows reading. It isn't cached, so
// that withdrawing a grant works at once.
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

// End ends a family and records the event. A family that has ended already stays as it is,
// without another event: the caller's refusal leaves one anyway.
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

// RevokeGrant ends the license grant that came with a family, if there is one. A grant
// that has ended already stays as it is.
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

// EndWith stores that the families of a party's session ended with the session.
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
		// The family has ended, because its session has. If another process refreshes the
		// family first, that changes nothing.
		if err := p.c.Store.UpdateFamily(ctx, r); err != nil && !errors.Is(err, oidc.ErrConflict) {
			return oidc.Unavailable(fmt.Errorf("ending family %s: %w", r.ID, err))
		}
		p.records.Drop(r.ID)
	}
	return nil
}

// HasOffline reports whether a client has live offline access from a person who acts as they do now.
func (p *Families) HasOffline(ctx context.Context, client, party string, as *Behalf) (bool, error) {
	list, err := p.Offline(ctx, party)
	return slices.ContainsFunc(list, func(f *Family) bool { return f.Client == client && f.body.About.Behalf.same(as) }), err
}

// Offline returns a person's live families that outlive their session.
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
		// Open has checked Session, and with it that this is offline access. Party isn't checked yet.
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

// EndOfClient ends all families that a client has of a person's logins, and returns how
// many it ended.
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
		if f.body.About.Party != party { // somebody altered the lookup keys: this is another person's family
			continue
		}
		if err := p.End(ctx, f, a, journal.ActionFamilyEnd, session.EndedByHolder); err != nil {
			return ended, err
		}
		ended++
	}
	return ended, nil
}

// Redeem spends a code and stores the family that it yields. If the code was spent before,
// it returns the ID of the first family, and ErrSpent.
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

// Advance makes the next refresh token of a family the newest. It returns ErrConflict if
// the family changed since f was read.
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
