package session

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"time"

	"yizheng.internal/oidc"
	"yizheng.internal/oidc/fresh"
	"yizheng.internal/oidc/identity"
	"yizheng.internal/oidc/identity/factor"
	"yizheng.internal/signing/journal"
	"yizheng.internal/signing/vault"
)

// Login is a live session, opened.
type Login struct {
	Record
	About About
	State AccountState
}

// About is the sealed part of a session's record. It repeats the plain columns that decide
// who is let in, so that nobody can turn a row into another person's.
type About struct {
	Account   string         `json:"account"`
	Party     string         `json:"party"`
	Factors   []factor.Proof `json:"factors"`
	AuthTime  time.Time      `json:"auth_time"`
	Since     time.Time      `json:"since,omitzero"` // when this session ended all others of the account, and went on itself; zero: never
	Address   string         `json:"address,omitempty"`
	UserAgent string         `json:"user_agent,omitempty"`
	Seed      string         `json:"seed"` // the key from which sids are derived
	Cookie    []byte         `json:"cookie"`
	Expires   time.Time      `json:"expires"`
	Acting    []actsFor      `json:"acting,omitempty"` // what was chosen last stands last
}

// SinceUnix returns Since in seconds since 1970; 0 if it is zero.
func (a *About) SinceUnix() int64 {
	if a.Since.IsZero() {
		return 0
	}
	return a.Since.Unix()
}

// Assurance returns the lesser of the identity's proofing and the login's strength.
func (l *Login) Assurance() factor.Assurance {
	return factor.All().Assurance(l.State.Proofing, l.About.Factors)
}

// Proved returns when what the login rests on was proved: as of AuthTime or, if another provider says that it was
// earlier, then. Zero if such a provider doesn't say when, or if
// a connection's certificate is among it, whose key may have been used long ago.
func (l *Login) Proved() time.Time {
	at := l.About.AuthTime
	if slices.ContainsFunc(l.About.Factors, func(p factor.Proof) bool { return p.Channel || p.Factor == factor.Upstream && p.At == 0 }) {
		return time.Time{}
	}
	if there := oidc.AuthTime(at.Unix(), l.About.Factors); there < at.Unix() {
		return time.Unix(there, 0)
	}
	return at
}

// Strength returns how strong the login's proofs are, however well the person was proofed.
func (l *Login) Strength() factor.Assurance { return factor.All().Strength(l.About.Factors) }

// SID returns the session's id at a client (OpenID Connect Back-Channel Logout section
// 2.1). Two clients can't tell that their ids belong to the same session.
func (l *Login) SID(client string) string { return oidc.Derive(l.About.Seed, "sid", client)[:22] }

// maxUserAgent is how many bytes of a browser's User-Agent are stored.
const maxUserAgent = 200

// FormAgain is how long the second copy of a form that was sent twice is still answered.
const FormAgain = time.Minute

func sessionPlace(id string) vault.Place {
	return vault.Place{Table: "sessions", Row: id, Column: "body"}
}

// live reports whether a session may be used: it hasn't ended, isn't too old, and wasn't
// unused for too long.
func (p *Service) live(s *Record, now time.Time) bool {
	return s.Ended.IsZero() && now.Before(s.Expires) && now.Before(s.Seen.Add(p.c.Idle))
}

// readSessionRecord reads a session for its families. A deleted session counts as ended.
func (c *Config) readSessionRecord(ctx context.Context, id string) (Record, error) {
	r, err := c.Store.LoadSession(ctx, id)
	if errors.Is(err, oidc.ErrNotFound) {
		return Record{ID: id}, nil // its zero Expires means that it isn't live
	}
	if err != nil {
		return Record{}, oidc.Unavailable(fmt.Errorf("session %s: %w", id, err))
	}
	r.Body = nil
	return r, nil
}

// Lives reports whether the session with an id may be used. The answer is at most 2 seconds old.
func (p *Service) Lives(ctx context.Context, id string) (bool, error) {
	r, err := p.records.Since(ctx, id, fresh.Age)
	return err == nil && p.live(&r, time.Now()), err
}

// Find returns the live session of a browser, or nil if there is none. A call counts as
// a use of the session.
func (p *Service) Find(ctx context.Context, b oidc.Browser) (*Login, error) {
	if p.c.Store == nil || !b.Session.IsHandle() {
		return nil, nil
	}
	r, err := p.c.Store.FindSession(ctx, b.Session.Hash())
	if errors.Is(err, oidc.ErrNotFound) {
		return nil, nil
	}
	if err != nil {
		return nil, oidc.Unavailable(fmt.Errorf("finding a session: %w", err))
	}
	now := time.Now()
	if !p.live(&r, now) {
		return nil, nil
	}
	l, err := p.openSession(ctx, r)
	if err != nil {
		return nil, err
	}
	if over := l.State.Over(l.About.AuthTime, l.About.Since); over != "" {
		return nil, p.endSession(ctx, l, oidc.Actor{ID: l.About.Account, RequestID: b.RequestID}, over)
	}
	if now.Sub(r.Seen) >= p.c.Idle/15 { // so that not every use costs a write
		return l, p.seen(ctx, l, now)
	}
	return l, nil
}

// openSession opens a session's record.
func (p *Service) openSession(ctx context.Context, r Record) (*Login, error) {
	l := &Login{Record: r}
	err := p.c.Vault.OpenJSON(ctx, sessionPlace(r.ID), r.Body, &l.About)
	if err != nil {
		return nil, fmt.Errorf("session %s: %w", r.ID, err)
	}
	if string(l.About.Cookie) != string(r.Cookie[:]) || l.About.Expires.Before(r.Expires) {
		return nil, fmt.Errorf("session %s does not fit its sealed form: it was altered", r.ID)
	}
	if l.State, err = p.Account(ctx, l.About.Account); err != nil {
		return nil, err
	}
	return l, nil
}

// seal seals the session's body into its record, with the columns that it repeats.
func (p *Service) seal(ctx context.Context, l *Login) (err error) {
	l.About.Cookie, l.About.Expires = l.Cookie[:], l.Expires
	l.Body, err = p.c.Vault.SealJSON(ctx, sessionPlace(l.ID), l.About)
	return err
}

// seen stores that a session was used. If another process has just changed the session, that
// is as good, and seen stores nothing.
func (p *Service) seen(ctx context.Context, l *Login, now time.Time) error {
	r := l.Record
	r.Seen = now.UTC()
	err := p.c.Store.UpdateSession(ctx, r)
	if errors.Is(err, oidc.ErrConflict) {
		return nil
	}
	if err != nil {
		return oidc.Unavailable(fmt.Errorf("session %s: %w", r.ID, err))
	}
	r.Revision++
	l.Record = r
	return nil
}

// Start begins a session for somebody whose first factor was checked. If the browser's session
// is the same person's, that session goes on instead. The cookie is the wanted one, unless
// another session had that. The same form less than a minute later gets the same session.
// Errors: ErrOvertaken.
func (p *Service) Start(ctx context.Context, b oidc.Browser, account identity.Account, wanted oidc.Secret, f factor.Proof) (*Login, oidc.Secret, error) {
	began := time.Now().UTC() // before the account is read: what changes from now on ends the login
	state, err := p.admit(ctx, account)
	if err != nil {
		return nil, oidc.Secret{}, err
	}
	if l, err := p.twice(ctx, wanted, account.ID); err != nil || l != nil {
		return l, wanted, err
	}
	return p.newLogin(ctx, b, account, state, wanted, proved{proofs: []factor.Proof{f}, at: began})
}

// Same returns the session that Start made with the same cookie less than a minute ago,
// or nil. Errors: ErrOvertaken.
func (p *Service) Same(ctx context.Context, cookie oidc.Secret, account identity.Account) (*Login, error) {
	if _, err := p.admit(ctx, account); err != nil {
		return nil, err
	}
	return p.twice(ctx, cookie, account.ID)
}

// ErrOvertaken says that an account's password was changed, or an authenticator removed, after the
// account was read.
var ErrOvertaken = errors.New("the account's password or authenticators were changed meanwhile")

// admit returns the state of an account that was read for a login. Errors: ErrOvertaken.
func (p *Service) admit(ctx context.Context, account identity.Account) (AccountState, error) {
	p.accounts.Drop(account.ID) // the login itself may have changed the account
	state, err := p.Account(ctx, account.ID)
	switch {
	case err != nil:
		return AccountState{}, err
	case state.Disabled || state.Party != account.Party:
		return AccountState{}, fmt.Errorf("logging in to account %s: it is disabled", account.ID)
	case !state.Password.Equal(account.Password.Set), !state.Secured.Equal(account.Secured): // something was changed or removed after the check
		return AccountState{}, ErrOvertaken
	}
	return state, nil
}

// twice returns the session that the same form made less than a minute ago, or nil.
func (p *Service) twice(ctx context.Context, cookie oidc.Secret, account string) (*Login, error) {
	l, err := p.Find(ctx, oidc.Browser{Session: cookie})
	if err != nil || l == nil || l.About.Account != account || time.Since(l.About.AuthTime) > FormAgain {
		return nil, err
	}
	return l, nil
}

// newLogin begins a session. If the browser's session is the same person's, that session goes
// on instead; if it is somebody else's, it ends. The cookie is the wanted one, unless another
// session had that.
func (p *Service) newLogin(ctx context.Context, b oidc.Browser, account identity.Account, state AccountState, wanted oidc.Secret, f proved) (*Login, oidc.Secret, error) {
	var l, before *Login
	cookie := wanted
	for try := 1; ; try++ {
		var err error
		if before, err = p.Find(ctx, b); err != nil {
			return nil, oidc.Secret{}, err
		}
		l = &Login{State: state, About: About{Account: account.ID, Party: account.Party, Seed: oidc.NewHandle().Reveal()}}
		if before != nil && before.About.Account == account.ID {
			l.Record, l.About.Seed = before.Record, before.About.Seed
			before = nil // this session goes on
		}
		if err = p.begin(ctx, l, b, cookie, f); err == nil {
			break
		}
		if taken := errors.Is(err, oidc.ErrExists); taken {
			if same, err := p.twice(ctx, wanted, account.ID); err != nil || same != nil {
				return same, wanted, err // the same form, sent twice at once
			}
			cookie = oidc.NewHandle() // the wanted cookie belongs to a session that is over
		} else if !errors.Is(err, oidc.ErrConflict) {
			return nil, oidc.Secret{}, err
		}
		if try == oidc.ChangeTries {
			return nil, oidc.Secret{}, err
		}
	}
	p.c.Step("login.session")
	if before != nil {
		if err := p.endSession(ctx, before, oidc.Actor{ID: before.About.Account, RequestID: b.RequestID}, EndedByReplaced); err != nil {
			return nil, oidc.Secret{}, err
		}
	}
	return l, cookie, nil
}

// proved is what a login rests on.
type proved struct {
	proofs []factor.Proof
	at     time.Time // from when on a change of the account ends it
	lender *Login    // the session that lent them; nil: they were proved here
}

// begin stores a login that begins now, in a new session or in one that has an ID already.
// The session gets a new cookie, so that nobody can have planted it (session fixation).
func (p *Service) begin(ctx context.Context, l *Login, b oidc.Browser, cookie oidc.Secret, f proved) error {
	now := time.Now().UTC()
	l.Cookie, l.Seen, l.Expires = cookie.Hash(), now, now.Add(p.c.Life)
	l.About.Factors, l.About.AuthTime, l.About.Since = f.proofs, f.at, time.Time{}
	if f.lender != nil {
		l.borrow(f.lender)
	}
	l.About.Address, l.About.UserAgent = b.Address.String(), clip(b.UserAgent, maxUserAgent)
	fresh := l.ID == ""
	if fresh {
		l.ID, l.Created, l.Revision = identity.NewID(), now, 1
		var err error
		if l.Party, err = p.c.Vault.Lookups(ctx, oidc.DomainParty, l.About.Party); err != nil {
			return err
		}
	}
	if err := p.seal(ctx, l); err != nil {
		return err
	}
	e, err := p.c.Journal.Event(ctx, oidc.Actor{ID: l.About.Account, RequestID: b.RequestID}.Did(journal.ActionSessionBegin, l.ID, journal.ResultOK))
	if err != nil {
		return err
	}
	if fresh {
		if err := p.c.Store.CreateSession(ctx, l.Record, e); err != nil {
			return oidc.Unavailable(fmt.Errorf("beginning a session: %w", err))
		}
		return nil
	}
	if err := p.c.Store.UpdateSession(ctx, l.Record, e); err != nil {
		return oidc.Unavailable(fmt.Errorf("beginning session %s anew: %w", l.ID, err))
	}
	l.Revision++
	p.records.Drop(l.ID)
	return nil
}

// clip cuts a text from outside to at most n bytes of UTF-8 without control characters.
func clip(s string, n int) string {
	s = strings.ToValidUTF8(s, "")
	if len(s) > n {
		s = s[:n]
	}
	for !oidc.IsText(s) {
		s = s[:len(s)-1]
	}
	return s
}

// StepUp adds a second factor that was checked to the session. It returns the session with its
// new cookie, or ErrNoSession.
func (p *Service) StepUp(ctx context.Context, b oidc.Browser, f factor.Proof) (*Login, oidc.Secret, error) {
	for try := 1; ; try++ {
		l, err := p.Find(ctx, b)
		if err != nil {
			return nil, oidc.Secret{}, err
		}
		if l == nil {
			return nil, oidc.Secret{}, oidc.ErrNoSession
		}
		cookie := oidc.NewHandle()
		l.Cookie, l.Seen = cookie.Hash(), time.Now().UTC()
		if !slices.Contains(l.About.Factors, f) {
			l.About.Factors = append(l.About.Factors, f)
		}
		if err := p.seal(ctx, l); err != nil {
			return nil, oidc.Secret{}, err
		}
		e, err := p.c.Journal.Event(ctx, oidc.Actor{ID: l.About.Account, RequestID: b.RequestID}.Did(journal.ActionSessionStepUp, l.ID, journal.ResultOK))
		if err != nil {
			return nil, oidc.Secret{}, err
		}
		err = p.c.Store.UpdateSession(ctx, l.Record, e)
		if errors.Is(err, oidc.ErrConflict) && try < oidc.ChangeTries {
			continue
		}
		if err != nil {
			return nil, oidc.Secret{}, oidc.Unavailable(fmt.Errorf("stepping up session %s: %w", l.ID, err))
		}
		l.Revision++
		p.records.Drop(l.ID)
		return l, cookie, nil
	}
}

// Secured lets the session go on in which somebody has just removed or replaced an
// authenticator of a factor, and returns its new cookie. The session keeps the proofs of other
// factors that the account still has: which of two passkeys proved something isn't known. The
// account's other sessions, and tokens that clients got in this one, end because of the change.
// account is the account after the change. It returns ErrNoSession if there is no such session,
// if it rested on nothing but that factor, or if the account changed again since.
func (p *Service) Secured(ctx context.Context, b oidc.Browser, account identity.Account, removed factor.Name) (oidc.Secret, error) {
	p.accounts.Drop(account.ID)
	for try := 1; ; try++ {
		l, err := p.own(ctx, b, account.ID)
		if err != nil {
			return oidc.Secret{}, err
		}
		has := factor.All().Of(account)
		l.About.Factors = slices.DeleteFunc(l.About.Factors, func(f factor.Proof) bool { return f.Factor == removed || !slices.Contains(has, f.Factor) })
		if len(l.About.Factors) == 0 { // as of a login with the passkey that was removed, alone
			return oidc.Secret{}, oidc.ErrNoSession
		}
		cookie := oidc.NewHandle()
		l.Cookie, l.Seen, l.About.Since = cookie.Hash(), time.Now().UTC(), account.Secured
		if l.State.Over(l.About.AuthTime, l.About.Since) != "" { // as by another change since
			return oidc.Secret{}, oidc.ErrNoSession
		}
		if err := p.seal(ctx, l); err != nil {
			return oidc.Secret{}, err
		}
		err = p.c.Store.UpdateSession(ctx, l.Record)
		if errors.Is(err, oidc.ErrConflict) && try < oidc.ChangeTries {
			continue
		}
		if err != nil {
			return oidc.Secret{}, oidc.Unavailable(fmt.Errorf("session %s goes on: %w", l.ID, err))
		}
		p.records.Drop(l.ID)
		return cookie, nil
	}
}

// own returns the browser's session of an account, or ErrNoSession. It also returns a session
// that Find would end because the account has just changed.
func (p *Service) own(ctx context.Context, b oidc.Browser, account string) (*Login, error) {
	if p.c.Store == nil || !b.Session.IsHandle() {
		return nil, oidc.ErrNoSession
	}
	r, err := p.c.Store.FindSession(ctx, b.Session.Hash())
	if errors.Is(err, oidc.ErrNotFound) || err == nil && !p.live(&r, time.Now()) {
		return nil, oidc.ErrNoSession
	}
	if err != nil {
		return nil, oidc.Unavailable(fmt.Errorf("finding a session: %w", err))
	}
	l, err := p.openSession(ctx, r)
	if err != nil {
		return nil, err
	}
	if l.About.Account != account || !l.About.AuthTime.After(l.State.Barred) {
		return nil, oidc.ErrNoSession
	}
	return l, nil
}

// PasswordChanged lets the session go on in which somebody has just changed the account's
// password, and returns its new cookie. The login begins again, with the proof of the old
// password alone, and tokens that clients got in the session before end. The account's other
// sessions end because of the change. account is the account after the change.
//
// It returns ErrNoSession if there is no such session, if the password was changed again since,
// or if the browser used the session between the change and this call.
func (p *Service) PasswordChanged(ctx context.Context, b oidc.Browser, account identity.Account, f factor.Proof) (oidc.Secret, error) {
	began := time.Now().UTC()
	p.accounts.Drop(account.ID)
	state, err := p.Account(ctx, account.ID)
	if err != nil {
		return oidc.Secret{}, err
	}
	if state.Disabled || !state.Password.Equal(account.Password.Set) {
		return oidc.Secret{}, oidc.ErrNoSession
	}
	for try := 1; ; try++ {
		l, err := p.own(ctx, b, account.ID)
		if err != nil {
			return oidc.Secret{}, err
		}
		cookie := oidc.NewHandle()
		err = p.begin(ctx, l, b, cookie, proved{proofs: []factor.Proof{f}, at: began})
		if err == nil || !errors.Is(err, oidc.ErrConflict) || try == oidc.ChangeTries {
			return cookie, err
		}
	}
}
