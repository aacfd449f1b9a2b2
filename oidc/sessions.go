package oidc

import (
	"context"
	"errors"
	"fmt"
	"time"

	"yizheng.internal/oidc/identity"
	"yizheng.internal/signing/journal"
)

// Why sessions and families end, in events and in FamilyRecord.EndedBy.
const (
	EndedByLogout   = "logout"        // the person logged out
	EndedByHolder   = "holder"        // the person ended it from elsewhere
	EndedByReplaced = "replaced"      // somebody else logged in at the same browser
	EndedByDisabled = "disabled"      // the account was disabled
	EndedByPassword = "password"      // the account got another password
	EndedByCode     = "code_reuse"    // its authorization code came twice
	EndedByRefresh  = "refresh_reuse" // an old refresh token of it came
	EndedByClient   = "client"        // its client revoked it
	EndedByDelivery = "undelivered"   // what it was for could not be delivered
)

// maxListed is how many sessions or families of a person are looked at, the
// newest first.
const maxListed = 1000

// show returns the session as others see it.
func (p *Provider) show(ctx context.Context, l *login) (Session, error) {
	who, err := p.party(ctx, l.body.Party)
	if err != nil {
		return Session{}, err
	}
	return l.shown(who), nil
}

func (l *login) shown(who identity.Party) Session {
	return Session{
		ID: l.ID, Account: l.body.Account, Party: who, Factors: l.body.Factors, AuthTime: l.body.AuthTime,
		Assurance: l.assurance(), Created: l.Created, Seen: l.Seen, Expires: l.Expires,
		Address: l.body.Address, UserAgent: l.body.UserAgent,
	}
}

// Session returns who is logged in, or ErrNoSession.
func (p *Provider) Session(ctx context.Context, b Browser) (Session, error) {
	l, err := p.findLogin(ctx, b)
	if err != nil {
		return Session{}, err
	}
	if l == nil {
		return Session{}, ErrNoSession
	}
	s, err := p.show(ctx, l)
	s.Current = true
	return s, err
}

// Sessions lists a person's live sessions, newest first.
func (p *Provider) Sessions(ctx context.Context, s Session) ([]Session, error) {
	keys, err := p.c.Vault.Lookups(ctx, domainParty, s.Party.ID)
	if err != nil {
		return nil, err
	}
	now := time.Now()
	records, err := p.c.Sessions.ListSessions(ctx, keys, now, maxListed)
	if err != nil {
		return nil, unavailable(fmt.Errorf("listing sessions: %w", err))
	}
	list := make([]Session, 0, len(records))
	for _, r := range records {
		if !p.live(&r, now) {
			continue
		}
		l, err := p.openSession(ctx, r)
		if err != nil {
			return nil, err
		}
		if l.body.Party != s.Party.ID {
			continue // a lookup key leads to it that isn't its person's
		}
		if l.body.AuthTime.Before(l.account.password) || !l.body.AuthTime.After(l.account.barred) {
			continue // over, as soon as it is used
		}
		one := l.shown(s.Party)
		one.Current = one.ID == s.ID
		list = append(list, one)
	}
	return list, nil
}

// EndSession ends one of a person's sessions, by its id, with the families that
// die with it. ErrNotFound if it is not that person's.
func (p *Provider) EndSession(ctx context.Context, s Session, id, requestID string) error {
	if !identity.ValidID(id) {
		return ErrNotFound
	}
	r, err := p.c.Sessions.LoadSession(ctx, id)
	if errors.Is(err, ErrNotFound) {
		return ErrNotFound
	}
	if err != nil {
		return unavailable(fmt.Errorf("session %s: %w", id, err))
	}
	l, err := p.openSession(ctx, r)
	if err != nil {
		return err
	}
	if l.body.Party != s.Party.ID {
		return ErrNotFound
	}
	return p.endSession(ctx, l, Actor{s.Account, requestID}, EndedByHolder)
}

// LogOut ends the browser's session, with the families that die with it. It is
// no error if nobody is logged in.
func (p *Provider) LogOut(ctx context.Context, b Browser) error {
	l, err := p.findLogin(ctx, b)
	if err != nil || l == nil {
		return err
	}
	return p.endSession(ctx, l, Actor{l.body.Account, b.RequestID}, EndedByLogout)
}

// endSession ends a session, and then writes down that its families ended,
// which they did with it.
func (p *Provider) endSession(ctx context.Context, l *login, a Actor, reason string) error {
	r := l.SessionRecord
	e, err := p.journal.Event(ctx, a.Did(journal.ActionSessionEnd, r.ID, reason))
	if err != nil {
		return err
	}
	for try := 1; r.Ended.IsZero(); try++ {
		r.Ended = time.Now().UTC()
		err := p.c.Sessions.UpdateSession(ctx, r, e)
		if err == nil {
			break
		}
		if !errors.Is(err, ErrConflict) || try == changeTries {
			return unavailable(fmt.Errorf("ending session %s: %w", r.ID, err))
		}
		if r, err = p.c.Sessions.LoadSession(ctx, r.ID); err != nil {
			return unavailable(fmt.Errorf("ending session %s: %w", l.ID, err))
		}
	}
	p.sessions.drop(r.ID)
	p.step("session.ended")
	return p.endFamiliesOf(ctx, l, reason)
}
