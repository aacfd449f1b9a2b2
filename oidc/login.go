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

// login is a live session, opened.
type login struct {
	SessionRecord
	body    sessionBody
	account accountState
}

// sessionBody is the sealed part of a session's record. It repeats the plain
// columns that decide who is let in, so that a row can't be made another's.
type sessionBody struct {
	Account   string    `json:"account"`
	Party     string    `json:"party"`
	Factors   []Factor  `json:"factors"`
	AuthTime  time.Time `json:"auth_time"`
	Address   string    `json:"address,omitempty"`
	UserAgent string    `json:"user_agent,omitempty"`
	Seed      string    `json:"seed"` // sids derive from it
	Cookie    []byte    `json:"cookie"`
	Expires   time.Time `json:"expires"`
}

// factors returns how many different factors were shown.
func (b *sessionBody) factors() int { return len(sorted(b.Factors)) }

// assurance is the least of what was proofed and how strong the login was.
func (l *login) assurance() int { return min(l.account.proofing, l.body.factors()) }

// sid returns the session's id at a client (OpenID Connect Back-Channel Logout
// section 2.1): two clients can't tell that theirs are one session.
func (l *login) sid(client string) string { return derive(l.body.Seed, "sid", client)[:22] }

// maxUserAgent is how much of a browser's name is kept.
const maxUserAgent = 200

// seenEvery is how far behind SessionRecord.Seen may be, so that using a
// session costs no write.
func (p *Provider) seenEvery() time.Duration { return p.c.SessionIdle / 15 }

func sessionPlace(id string) signing.Place {
	return signing.Place{Table: "sessions", Row: id, Column: "body"}
}

// domainParty is the domain of lookup keys of parties' ids.
const domainParty = "oidc.party"

// live reports whether a session may be used: not ended, not too old, and not
// unused for too long.
func (p *Provider) live(s *SessionRecord, now time.Time) bool {
	return s.Ended.IsZero() && now.Before(s.Expires) && now.Before(s.Seen.Add(p.c.SessionIdle))
}

// findLogin returns the session of a browser, or nil if there is none that is
// live. Using it counts as being seen.
func (p *Provider) findLogin(ctx context.Context, b Browser) (*login, error) {
	if p.c.Sessions == nil || !b.Session.isHandle() {
		return nil, nil
	}
	r, err := p.c.Sessions.FindSession(ctx, b.Session.handleHash())
	if errors.Is(err, ErrNotFound) {
		return nil, nil
	}
	if err != nil {
		return nil, unavailable(fmt.Errorf("finding a session: %w", err))
	}
	now := time.Now()
	if !p.live(&r, now) {
		return nil, nil
	}
	l, err := p.openSession(ctx, r)
	if err != nil {
		return nil, err
	}
	if l.account.disabled || !l.body.AuthTime.After(l.account.barred) {
		return nil, p.endSession(ctx, l, Actor{l.body.Account, b.RequestID}, EndedByDisabled)
	}
	if l.body.AuthTime.Before(l.account.password) { // whoever knew the old one is out
		return nil, p.endSession(ctx, l, Actor{l.body.Account, b.RequestID}, EndedByPassword)
	}
	if now.Sub(r.Seen) >= p.seenEvery() {
		return l, p.seen(ctx, l, now)
	}
	return l, nil
}

// openSession opens a session's record.
func (p *Provider) openSession(ctx context.Context, r SessionRecord) (*login, error) {
	l := &login{SessionRecord: r}
	err := p.c.Vault.OpenJSON(ctx, sessionPlace(r.ID), r.Body, &l.body)
	if err != nil {
		return nil, fmt.Errorf("session %s: %w", r.ID, err)
	}
	if string(l.body.Cookie) != string(r.Cookie[:]) || l.body.Expires.Before(r.Expires) {
		return nil, fmt.Errorf("session %s does not fit its sealed form: it was altered", r.ID)
	}
	if l.account, err = p.account(ctx, l.body.Account); err != nil {
		return nil, err
	}
	return l, nil
}

// seal seals the session's body into its record, with the columns that it repeats.
func (p *Provider) seal(ctx context.Context, l *login) (err error) {
	l.body.Cookie, l.body.Expires = l.Cookie[:], l.Expires
	l.Body, err = p.c.Vault.SealJSON(ctx, sessionPlace(l.ID), l.body)
	return err
}

// seen writes down that a session was used. Should another process have done so
// just now, that is as good.
func (p *Provider) seen(ctx context.Context, l *login, now time.Time) error {
	r := l.SessionRecord
	r.Seen = now.UTC()
	err := p.c.Sessions.UpdateSession(ctx, r)
	if errors.Is(err, ErrConflict) {
		return nil
	}
	if err != nil {
		return unavailable(fmt.Errorf("session %s: %w", r.ID, err))
	}
	r.Revision++
	l.SessionRecord = r
	return nil
}

// LogIn makes a session of somebody whose first factor was checked, and returns
// its cookie; the browser's earlier session, if any, ends. If that was the same
// person's, it goes on instead, under the new cookie and with this factor alone,
// so that what other clients have of it lives on. The request goes on with Next. A
// form that was sent twice within a minute, as by a double click, leads to one
// session with one cookie, also if the first one was answered: then the request
// goes on with Again. ErrRequestGone, also if the account got another password
// since its own was checked.
func (p *Provider) LogIn(ctx context.Context, handle Secret, b Browser, account identity.Account, f Factor) (cookie Secret, s Session, err error) {
	k, gone := p.loadRequest(ctx, handle, b)
	if _, answered := errors.AsType[*GoneError](gone); gone != nil && !answered {
		return Secret{}, Session{}, gone
	}
	p.accounts.drop(account.ID) // it may have changed with this login
	state, err := p.account(ctx, account.ID)
	if err != nil {
		return Secret{}, Session{}, err
	}
	if state.disabled || state.party != account.Party {
		return Secret{}, Session{}, fmt.Errorf("logging in to account %s: it is disabled", account.ID)
	}
	if !state.password.Equal(account.Password.Set) { // the one that was checked is no more
		return Secret{}, Session{}, ErrRequestGone
	}
	// The cookie follows from the request's secret, so that a form sent twice gets
	// one cookie, in whatever order the answers arrive.
	cookie = Secret{derive(k.Seed, "login", account.ID, b.Session.text, string(f))}
	l, err := p.twice(ctx, cookie, account.ID)
	switch {
	case err != nil:
		return Secret{}, Session{}, err
	case gone != nil && (l == nil || l.ID != k.Session || time.Since(k.Answered) > answeredAgain):
		return Secret{}, Session{}, gone
	case l == nil:
		if l, cookie, err = p.newLogin(ctx, b, account, state, cookie, f); err != nil {
			return Secret{}, Session{}, err
		}
	}
	if gone == nil {
		if _, err = p.changeRequest(ctx, handle, b, func(k *kept) { k.Login, k.Account = l.ID, account.ID }); err != nil {
			return Secret{}, Session{}, err
		}
	}
	s, err = p.show(ctx, l)
	return cookie, s, err
}

// twice returns the session that the same form made less than a minute ago, or nil.
func (p *Provider) twice(ctx context.Context, cookie Secret, account string) (*login, error) {
	l, err := p.findLogin(ctx, Browser{Session: cookie})
	if err != nil || l == nil || l.body.Account != account || time.Since(l.body.AuthTime) > answeredAgain {
		return nil, err
	}
	return l, nil
}

// newLogin begins a session, or has the browser's go on if it is the same
// person's, and ends it if it isn't. Its cookie is the wanted one, if nobody had
// that before.
func (p *Provider) newLogin(ctx context.Context, b Browser, account identity.Account, state accountState, wanted Secret, f Factor) (*login, Secret, error) {
	var l, before *login
	cookie := wanted
	for try := 1; ; try++ {
		var err error
		if before, err = p.findLogin(ctx, b); err != nil {
			return nil, Secret{}, err
		}
		l = &login{account: state, body: sessionBody{Account: account.ID, Party: account.Party, Seed: NewHandle().text}}
		if before != nil && before.body.Account == account.ID {
			l.SessionRecord, l.body.Seed = before.SessionRecord, before.body.Seed
			before = nil // it goes on
		}
		if err = p.begin(ctx, l, b, cookie, f); err == nil {
			break
		}
		if taken := errors.Is(err, ErrExists); taken {
			if same, err := p.twice(ctx, wanted, account.ID); err != nil || same != nil {
				return same, wanted, err // the same form, sent twice at once
			}
			cookie = NewHandle() // of a session that is over
		} else if !errors.Is(err, ErrConflict) {
			return nil, Secret{}, err
		}
		if try == changeTries {
			return nil, Secret{}, err
		}
	}
	p.step("login.session")
	if before != nil {
		if err := p.endSession(ctx, before, Actor{before.body.Account, b.RequestID}, EndedByReplaced); err != nil {
			return nil, Secret{}, err
		}
	}
	return l, cookie, nil
}

// begin stores a login that begins now, in a session that is new or has an ID
// already, under a cookie: always another one, so that nobody can have planted it
// (session fixation).
func (p *Provider) begin(ctx context.Context, l *login, b Browser, cookie Secret, f Factor) error {
	now := time.Now().UTC()
	l.Cookie, l.Seen, l.Expires = cookie.handleHash(), now, now.Add(p.c.SessionLife)
	l.body.Factors, l.body.AuthTime = []Factor{f}, now
	l.body.Address, l.body.UserAgent = b.Address.String(), clip(b.UserAgent, maxUserAgent)
	fresh := l.ID == ""
	if fresh {
		l.ID, l.Created, l.Revision = identity.NewID(), now, 1
		var err error
		if l.Party, err = p.c.Vault.Lookups(ctx, domainParty, l.body.Party); err != nil {
			return err
		}
	}
	if err := p.seal(ctx, l); err != nil {
		return err
	}
	e, err := p.journal.Event(ctx, Actor{l.body.Account, b.RequestID}.Did(journal.ActionSessionBegin, l.ID, journal.ResultOK))
	if err != nil {
		return err
	}
	if fresh {
		if err := p.c.Sessions.CreateSession(ctx, l.SessionRecord, e); err != nil {
			return unavailable(fmt.Errorf("beginning a session: %w", err))
		}
		return nil
	}
	if err := p.c.Sessions.UpdateSession(ctx, l.SessionRecord, e); err != nil {
		return unavailable(fmt.Errorf("beginning session %s anew: %w", l.ID, err))
	}
	l.Revision++
	p.sessions.drop(l.ID)
	return nil
}

// clip shortens a text to at most n bytes of UTF-8 without control characters.
func clip(s string, n int) string {
	if len(s) > n {
		s = s[:n]
	}
	for !isText(s) {
		s = s[:len(s)-1]
	}
	return s
}

// StepUp adds a second factor that was checked to the session, and returns its
// new cookie. ErrNoSession.
func (p *Provider) StepUp(ctx context.Context, b Browser, f Factor) (cookie Secret, err error) {
	for try := 1; ; try++ {
		l, err := p.findLogin(ctx, b)
		if err != nil {
			return Secret{}, err
		}
		if l == nil {
			return Secret{}, ErrNoSession
		}
		cookie = NewHandle()
		l.Cookie, l.Seen = cookie.handleHash(), time.Now().UTC()
		if !slices.Contains(l.body.Factors, f) {
			l.body.Factors = append(l.body.Factors, f)
		}
		if err := p.seal(ctx, l); err != nil {
			return Secret{}, err
		}
		e, err := p.journal.Event(ctx, Actor{l.body.Account, b.RequestID}.Did(journal.ActionSessionStepUp, l.ID, journal.ResultOK))
		if err != nil {
			return Secret{}, err
		}
		err = p.c.Sessions.UpdateSession(ctx, l.SessionRecord, e)
		if errors.Is(err, ErrConflict) && try < changeTries {
			continue
		}
		if err != nil {
			return Secret{}, unavailable(fmt.Errorf("stepping up session %s: %w", l.ID, err))
		}
		p.sessions.drop(l.ID)
		return cookie, nil
	}
}

// PasswordChanged has the session go on in which somebody changed the account's
// password, having shown the old one just now, and returns its new cookie: it
// begins anew, with the password alone, and what clients have of it is over. The
// account's other sessions end by the change. account is as the change left it.
// ErrNoSession, also if the account got yet another password since, or the
// browser used the session between the change and this.
func (p *Provider) PasswordChanged(ctx context.Context, b Browser, account identity.Account) (Secret, error) {
	p.accounts.drop(account.ID)
	state, err := p.account(ctx, account.ID)
	if err != nil {
		return Secret{}, err
	}
	if p.c.Sessions == nil || !b.Session.isHandle() || state.disabled || !state.password.Equal(account.Password.Set) {
		return Secret{}, ErrNoSession
	}
	for try := 1; ; try++ {
		r, err := p.c.Sessions.FindSession(ctx, b.Session.handleHash())
		if errors.Is(err, ErrNotFound) || err == nil && !p.live(&r, time.Now()) {
			return Secret{}, ErrNoSession
		}
		if err != nil {
			return Secret{}, unavailable(fmt.Errorf("finding a session: %w", err))
		}
		l, err := p.openSession(ctx, r) // findLogin would end it: it is from before the change
		if err != nil {
			return Secret{}, err
		}
		if l.body.Account != account.ID || !l.body.AuthTime.After(state.barred) {
			return Secret{}, ErrNoSession
		}
		cookie := NewHandle()
		err = p.begin(ctx, l, b, cookie, FactorPassword)
		if err == nil || !errors.Is(err, ErrConflict) || try == changeTries {
			return cookie, err
		}
	}
}

// Reauthenticated takes note that the person went on knowingly as who is logged
// in (StepAccount). ErrRequestGone, ErrNoSession.
func (p *Provider) Reauthenticated(ctx context.Context, handle Secret, b Browser) error {
	l, err := p.findLogin(ctx, b)
	if err != nil {
		return err
	}
	if l == nil {
		return ErrNoSession
	}
	_, err = p.changeRequest(ctx, handle, b, func(k *kept) { k.Confirmed = l.ID })
	return err
}
