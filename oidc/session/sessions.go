package session

import (
	"context"
	"errors"
	"fmt"
	"time"

	"yizheng.internal/oidc"
	"yizheng.internal/oidc/identity"
	"yizheng.internal/oidc/identity/factor"
	"yizheng.internal/signing/journal"
)

// Reasons why sessions and families end, for events and token.FamilyRecord.EndedBy.
const (
	EndedByLogout   = "logout"              // the person logged out
	EndedByHolder   = "holder"              // the person ended it from elsewhere
	EndedByReplaced = "replaced"            // somebody else logged in at the same browser
	EndedByDisabled = identity.OverDisabled // the account was disabled
	EndedByPassword = identity.OverPassword // the account's password was changed
	EndedBySecured  = identity.OverSecured  // an authenticator of the account was removed or replaced
	EndedByCode     = "code_reuse"          // its authorization code was used twice
	EndedByRefresh  = "refresh_reuse"       // one of its old refresh tokens was used
	EndedByClient   = "client"              // its client revoked it
	EndedByDelivery = "undelivered"         // its licenses could not be delivered
)

// Show returns the session as other packages see it.
func (p *Service) Show(ctx context.Context, l *Login) (oidc.Session, error) {
	who, err := p.Party(ctx, l.About.Party)
	if err != nil {
		return oidc.Session{}, err
	}
	return l.shown(who), nil
}

func (l *Login) shown(who identity.Party) oidc.Session {
	return oidc.Session{
		ID: l.ID, Account: l.About.Account, Party: who, Assurance: l.Assurance(), Strength: l.Strength(), Reach: factor.All().Strength(l.State.Can), Relayed: l.Relayed(), AuthTime: l.About.AuthTime, Proved: l.Proved(), Since: l.About.Since, Created: l.Created, Seen: l.Seen,
		Address: l.About.Address, UserAgent: l.About.UserAgent, ActsBy: l.actsHere(),
	}
}

// Session returns the browser's session, or ErrNoSession if nobody is logged in.
func (p *Service) Session(ctx context.Context, b oidc.Browser) (oidc.Session, error) {
	l, err := p.Find(ctx, b)
	if err != nil {
		return oidc.Session{}, err
	}
	if l == nil {
		return oidc.Session{}, oidc.ErrNoSession
	}
	s, err := p.Show(ctx, l)
	s.Current = true
	return s, err
}

// Sessions lists a person's live sessions, newest first.
func (p *Service) Sessions(ctx context.Context, s oidc.Session) ([]oidc.Session, error) {
	keys, err := p.c.Vault.Lookups(ctx, oidc.DomainParty, s.Party.ID)
	if err != nil {
		return nil, err
	}
	now := time.Now()
	records, err := p.c.Store.ListSessions(ctx, keys, now, oidc.MaxListed)
	if err != nil {
		return nil, oidc.Unavailable(fmt.Errorf("listing sessions: %w", err))
	}
	list := make([]oidc.Session, 0, len(records))
	for _, r := range records {
		if !p.live(&r, now) {
			continue
		}
		l, err := p.openSession(ctx, r)
		if err != nil {
			return nil, err
		}
		if l.About.Party != s.Party.ID {
			continue // somebody altered the lookup keys: they lead to another person's session
		}
		if l.State.Over(l.About.AuthTime, l.About.Since) != "" {
			continue // its next use ends it
		}
		one := l.shown(s.Party)
		one.Current = one.ID == s.ID
		list = append(list, one)
	}
	return list, nil
}

// EndSession ends one of a person's sessions, by its id, and the families that end with
// it. It returns ErrNotFound if the session isn't that person's.
func (p *Service) EndSession(ctx context.Context, s oidc.Session, id, requestID string) error {
	if !identity.ValidID(id) {
		return oidc.ErrNotFound
	}
	r, err := p.c.Store.LoadSession(ctx, id)
	if errors.Is(err, oidc.ErrNotFound) {
		return oidc.ErrNotFound
	}
	if err != nil {
		return oidc.Unavailable(fmt.Errorf("session %s: %w", id, err))
	}
	l, err := p.openSession(ctx, r)
	if err != nil {
		return err
	}
	if l.About.Party != s.Party.ID {
		return oidc.ErrNotFound
	}
	return p.endSession(ctx, l, oidc.Actor{ID: s.Account, RequestID: requestID}, EndedByHolder)
}

// LogOut ends the browser's session, and the families that end with it. It is no error
// if nobody is logged in.
func (p *Service) LogOut(ctx context.Context, b oidc.Browser) error {
	l, err := p.Find(ctx, b)
	if err != nil || l == nil {
		return err
	}
	return p.endSession(ctx, l, oidc.Actor{ID: l.About.Account, RequestID: b.RequestID}, EndedByLogout)
}

// endSession ends a session, which ends its families too, and then stores that these
// ended.
func (p *Service) endSession(ctx context.Context, l *Login, a oidc.Actor, reason string) error {
	r := l.Record
	e, err := p.c.Journal.Event(ctx, a.Did(journal.ActionSessionEnd, r.ID, reason))
	if err != nil {
		return err
	}
	for try := 1; r.Ended.IsZero(); try++ {
		r.Ended = time.Now().UTC()
		err := p.c.Store.UpdateSession(ctx, r, e)
		if err == nil {
			break
		}
		if !errors.Is(err, oidc.ErrConflict) || try == oidc.ChangeTries {
			return oidc.Unavailable(fmt.Errorf("ending session %s: %w", r.ID, err))
		}
		if r, err = p.c.Store.LoadSession(ctx, r.ID); err != nil {
			return oidc.Unavailable(fmt.Errorf("ending session %s: %w", l.ID, err))
		}
	}
	p.records.Drop(r.ID)
	p.c.Step("session.ended")
	return p.ended(ctx, l.About.Party, l.ID, reason)
}
