package oidc

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"slices"
	"time"

	"yizheng.internal/oidc/identity"
	"yizheng.internal/signing"
	"yizheng.internal/signing/journal"
)

// family is what one authorization code yielded, opened.
type family struct {
	FamilyRecord
	body familyBody
}

// familyBody is the sealed part of a family's record. It repeats the plain
// columns that decide whose it is and how long it lives.
type familyBody struct {
	About   about     `json:"about"`
	Client  string    `json:"client"`
	Session string    `json:"session,omitempty"`
	Expires time.Time `json:"expires"`
}

// about says who tokens are about, how they logged in, and what was agreed to.
// It never changes after the login.
type about struct {
	Account   string   `json:"account"`
	Party     string   `json:"party"`
	SID       string   `json:"sid"` // of the session at this client
	AuthTime  int64    `json:"auth_time"`
	Factors   []Factor `json:"factors"`
	Assurance int      `json:"assurance"`
	Scopes    []Scope  `json:"scopes,omitempty"`
	Grant     string   `json:"grant,omitempty"` // of licenses
}

func familyPlace(id string) signing.Place {
	return signing.Place{Table: "families", Row: id, Column: "body"}
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

// newFamily returns the record of a family, sealed.
func (p *Provider) newFamily(ctx context.Context, c Client, session string, expires time.Time, who about) (*family, error) {
	now := time.Now().UTC()
	f := &family{FamilyRecord: FamilyRecord{
		ID: identity.NewID(), Client: c.ID, Session: session, Revision: 1, Created: now, Expires: expires.UTC(),
	}}
	if c.Has(GrantRefresh) {
		f.Number, f.Rotated = 1, now
	}
	f.body = familyBody{About: who, Client: f.Client, Session: f.Session, Expires: f.Expires}
	var err error
	if f.Body, err = p.c.Vault.SealJSON(ctx, familyPlace(f.ID), f.body); err != nil {
		return nil, err
	}
	f.Party, err = p.c.Vault.Lookups(ctx, domainParty, who.Party)
	return f, err
}

// readFamily loads and opens a family. ErrNotFound.
func (p *Provider) readFamily(ctx context.Context, id string) (*family, error) {
	r, err := p.c.Families.LoadFamily(ctx, id)
	if errors.Is(err, ErrNotFound) {
		return nil, ErrNotFound
	}
	if err != nil {
		return nil, unavailable(fmt.Errorf("family %s: %w", id, err))
	}
	return p.openFamily(ctx, r)
}

func (p *Provider) openFamily(ctx context.Context, r FamilyRecord) (*family, error) {
	f := &family{FamilyRecord: r}
	if err := p.openBody(ctx, f); err != nil {
		return nil, fmt.Errorf("family %s: %w", r.ID, err)
	}
	if f.body.Client != r.Client || f.body.Session != r.Session || f.body.Expires.Before(r.Expires) {
		return nil, fmt.Errorf("family %s does not fit its sealed form: it was altered", r.ID)
	}
	return f, nil
}

// openBody opens the sealed part of a family, unless it is byte for byte what was opened
// before, under a key that is still there.
func (p *Provider) openBody(ctx context.Context, f *family) error {
	if o, ok := p.opened.load(f.ID); ok && bytes.Equal(o.sealed, f.Body) {
		f.Body, f.body = o.sealed, o.body
		return p.c.Vault.CheckKey(ctx, f.Body)
	}
	if err := p.c.Vault.OpenJSON(ctx, familyPlace(f.ID), f.Body, &f.body); err != nil {
		return err
	}
	p.opened.store(f.ID, openedBody{f.Body, f.body})
	return nil
}

// overError says why a family's tokens are no longer good.
type overError string

func (e overError) Error() string { return "the family is over: " + string(e) }

// check says whether a family's tokens are good: nil, an overError with the
// reason code, or what keeps it from being known.
func (p *Provider) check(ctx context.Context, f *family) error {
	now := time.Now()
	switch {
	case !f.Ended.IsZero():
		return overError("ended")
	case !now.Before(f.Expires):
		return overError("expired")
	}
	return p.checkAbout(ctx, f.Session, &f.body.About)
}

// checkAbout says whether who logged in may still be acted for: the session, if
// it must, lives; the account is enabled; the grant can be read by.
func (p *Provider) checkAbout(ctx context.Context, session string, who *about) error {
	if session != "" {
		s, err := p.sessions.since(ctx, session, standingFresh)
		if err != nil {
			return err
		}
		if !p.live(&s, time.Now()) {
			return overError("session_ended")
		}
	}
	a, err := p.account(ctx, who.Account)
	if err != nil {
		return err
	}
	if a.disabled || a.party != who.Party || who.AuthTime <= a.barred.Unix() {
		return overError("account_disabled")
	}
	if who.AuthTime < a.password.Unix() { // offline access too: whoever knew the old one may have it
		return overError("session_ended")
	}
	return nil
}

// checkGrant says whether the grant of a family can still be read by: it is asked
// for each time, so that withdrawing one works at once.
func (p *Provider) checkGrant(ctx context.Context, grant string) error {
	if grant == "" {
		return nil
	}
	if p.c.Resolver == nil {
		return overError("grant_ended")
	}
	live, err := p.c.Resolver.Live(ctx, grant)
	if err != nil {
		return err
	}
	if !live {
		return overError("grant_ended")
	}
	return nil
}

// readSessionRecord reads a session for its families. One that is gone has ended.
func (p *Provider) readSessionRecord(ctx context.Context, id string) (SessionRecord, error) {
	r, err := p.c.Sessions.LoadSession(ctx, id)
	if errors.Is(err, ErrNotFound) {
		return SessionRecord{ID: id}, nil // expired at the zero time
	}
	if err != nil {
		return SessionRecord{}, unavailable(fmt.Errorf("session %s: %w", id, err))
	}
	r.Body = nil
	return r, nil
}

// endFamily ends a family, with the event of it. One that has ended stays as it
// is and leaves no other event: who refuses because of it leaves one anyway.
func (p *Provider) endFamily(ctx context.Context, f *family, a Actor, action journal.Action, reason string) error {
	r := f.FamilyRecord
	e, err := p.journal.Event(ctx, a.Did(action, r.ID, reason))
	if err != nil {
		return err
	}
	for try := 1; r.Ended.IsZero(); try++ {
		r.Ended, r.EndedBy = time.Now().UTC(), reason
		err := p.c.Families.UpdateFamily(ctx, r, e)
		if err == nil {
			break
		}
		if !errors.Is(err, ErrConflict) || try == changeTries {
			return unavailable(fmt.Errorf("ending family %s: %w", r.ID, err))
		}
		if r, err = p.c.Families.LoadFamily(ctx, r.ID); err != nil {
			return unavailable(fmt.Errorf("ending family %s: %w", f.ID, err))
		}
	}
	p.families.drop(f.ID)
	return nil
}

// revokeFamily ends a family and the license grant that came with it.
func (p *Provider) revokeFamily(ctx context.Context, c Client, f *family, a Actor, action journal.Action, reason, grantReason string) error {
	if err := p.endFamily(ctx, f, a, action, reason); err != nil {
		return err
	}
	p.step("family.ended")
	return p.revokeGrant(ctx, c, f, grantReason)
}

// revokeGrant ends the license grant that came with a family, if one did. One
// that has ended stays as it is.
func (p *Provider) revokeGrant(ctx context.Context, c Client, f *family, reason string) error {
	if f.body.About.Grant == "" || p.c.Resolver == nil {
		return nil
	}
	if err := p.c.Resolver.Revoke(ctx, c, f.body.About.Grant, reason); err != nil {
		return fmt.Errorf("revoking the grant of family %s: %w", f.ID, err)
	}
	return nil
}

// familiesOf returns a person's live families, the newest first.
func (p *Provider) familiesOf(ctx context.Context, party string) ([]FamilyRecord, error) {
	keys, err := p.c.Vault.Lookups(ctx, domainParty, party)
	if err != nil {
		return nil, err
	}
	list, err := p.c.Families.ListFamilies(ctx, keys, time.Now(), maxListed)
	if err != nil {
		return nil, unavailable(fmt.Errorf("listing families: %w", err))
	}
	return list, nil
}

// endFamiliesOf writes down that the families of a session ended with it.
func (p *Provider) endFamiliesOf(ctx context.Context, l *login, reason string) error {
	list, err := p.familiesOf(ctx, l.body.Party)
	if err != nil {
		return err
	}
	for _, r := range list {
		if r.Session != l.ID {
			continue
		}
		r.Ended, r.EndedBy = time.Now().UTC(), reason
		// The session has ended, so the family has: should another process be faster
		// with a refresh, that changes nothing.
		if err := p.c.Families.UpdateFamily(ctx, r); err != nil && !errors.Is(err, ErrConflict) {
			return unavailable(fmt.Errorf("ending family %s: %w", r.ID, err))
		}
		p.families.drop(r.ID)
	}
	return nil
}

// hasOffline reports whether a person has given a client offline access that
// lives.
func (p *Provider) hasOffline(ctx context.Context, client, party string) (bool, error) {
	list, err := p.offlineOf(ctx, party)
	return slices.ContainsFunc(list, func(f *family) bool { return f.Client == client }), err
}
