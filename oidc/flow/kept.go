package flow

import (
	"context"
	"errors"
	"time"

	"yizheng.internal/oidc"
	"yizheng.internal/oidc/identity"
	"yizheng.internal/oidc/request"
)

// kept is an authorization request that waits for a person. It is stored sealed in
// [identity.Ephemeral] under the hash of its handle.
type kept struct {
	Request   request.Request `json:"request"`
	Browser   string          `json:"browser,omitempty"` // hash of the browser's cookie; empty: not bound yet
	Seed      string          `json:"seed"`              // the key from which ids of forms and login cookies derive
	Login     string          `json:"login,omitempty"`   // the session in which somebody logged in for this request
	Confirmed string          `json:"confirmed,omitempty"`
	Pushed    string          `json:"pushed,omitempty"`  // hash of the request_uri's handle, if it was pushed
	Opened    bool            `json:"opened,omitempty"`  // a browser came back to it
	Account   string          `json:"account,omitempty"` // the account that logged in last, if any
	Began     time.Time       `json:"began"`
	Asker     string          `json:"asker,omitempty"` // its owner in the store while Account is empty

	// For an answered request: when, and by which form of which session.
	Answered time.Time `json:"answered,omitzero"`
	Form     string    `json:"form,omitempty"`
	Session  string    `json:"session,omitempty"`
	// Consented has the scopes to which that form asked agreement.
	Consented []oidc.Scope `json:"consented,omitempty"`
}

// pushed is a pushed authorization request that waits to be used.
type pushed struct {
	Request request.Request `json:"request"`
}

const (
	requestLife  = 30 * time.Minute // life of a request whose page somebody sees
	unopenedLife = 5 * time.Minute  // life of a request that no browser came back to
	answeredLife = 5 * time.Minute  // life of an answered request: the page that says so needs it
	pushedLife   = 90 * time.Second
	keptTries    = 5 // how many times a change is tried when others come first
)

// Kinds of values in [identity.Ephemeral].
const (
	keptRequest = "request"
	keptPushed  = "pushed"

	keptUsed = "oidc.used." // begins the keys of counters; each says that a pushed request was used
)

// keeping returns in which part of the store a request is stored, for which owner, and
// until when. A request that anybody can make lives for a short time and gives way to
// others; people who have logged in have reserved room.
func (p *shelf) keeping(ctx context.Context, k *kept, now time.Time) (identity.Keeping, error) {
	how := identity.Keeping{Part: identity.PartOpened, Owner: k.Asker, Until: k.Began.Add(requestLife)}
	if !k.Opened {
		how.Part, how.Until = identity.PartUnopened, k.Began.Add(unopenedLife)
	}
	if end := now.Add(answeredLife); !k.Answered.IsZero() && end.Before(how.Until) {
		how.Until = end
	}
	if k.Account == "" {
		return how, nil
	}
	var err error
	how.Part = identity.PartReserved
	how.Owner, err = identity.OwnerOf(ctx, p.c.Vault, k.Account)
	return how, err
}

// beginning returns how a new request is stored: its owner is the account that is logged
// in or, if there is none, the network that asks.
func (p *shelf) beginning(ctx context.Context, a *asking) (how identity.Keeping, err error) {
	a.Began = time.Now().UTC()
	if a.Asker, err = p.asker(ctx, a.browser); err != nil {
		return identity.Keeping{}, err
	}
	if a.login != nil {
		a.Opened, a.Account = true, a.login.About.Account
	}
	return p.keeping(ctx, &a.kept, a.Began)
}

// asker returns the owner for the network from which a browser asks.
func (p *shelf) asker(ctx context.Context, b oidc.Browser) (string, error) {
	return identity.OwnerOf(ctx, p.c.Vault, identity.NetworkOf(b.Address))
}

// browserHash returns the hash of the browser's cookie, which binds requests to the
// browser; or "" without a cookie.
func browserHash(b oidc.Browser) string {
	if !b.ID.IsHandle() {
		return ""
	}
	return b.ID.Hash().String()
}

// find loads a request that is stored for this browser. It binds the request to the browser,
// if it isn't bound yet, and marks it as opened. It returns ErrRequestGone if there is none.
func (p *shelf) find(ctx context.Context, handle oidc.Secret, b oidc.Browser) (*asking, error) {
	a := &asking{handle: handle, browser: b}
	for try := 1; ; try++ {
		if err := p.load(ctx, a); err != nil || a.Browser != "" && a.Opened {
			return a, err
		}
		a.Browser, a.Opened = browserHash(b), true
		if err := p.swap(ctx, a); !errors.Is(err, identity.ErrChanged) || try == keptTries {
			return a, err
		}
	}
}

// load reads a request as it is stored now. It returns ErrRequestGone if there is none, or
// if it is another browser's.
func (p *shelf) load(ctx context.Context, a *asking) error {
	browser := browserHash(a.browser)
	if p.c.Families == nil || !a.handle.IsHandle() || browser == "" {
		return oidc.ErrRequestGone
	}
	var k kept
	sealed, err := p.c.Kept.Find(ctx, keptRequest, a.handle.Hash(), &k)
	if errors.Is(err, identity.ErrGone) || err == nil && k.Browser != "" && k.Browser != browser {
		return oidc.ErrRequestGone
	}
	if err == nil {
		a.kept, a.before, a.sealed = k, k, sealed
	}
	return err
}

// note changes a request: at once in a, and in the store with the next save.
func (a *asking) note(change func(*kept)) {
	change(&a.kept)
	a.changes = append(a.changes, change)
}

// save stores the noted changes. If the stored request changed meanwhile, save reads it again
// and applies the changes to it. It returns ErrRequestGone if the request is gone, and a
// *GoneError if it was answered meanwhile; then a is the answered request.
func (p *shelf) save(ctx context.Context, a *asking) error {
	if a.handle == (oidc.Secret{}) || len(a.changes) == 0 {
		return nil // not stored, or unchanged
	}
	for try := 1; ; try++ {
		err := error(identity.ErrChanged) // a request stored just now is loaded first: a.sealed is nil
		if a.sealed != nil {
			err = p.swap(ctx, a)
		}
		if err == nil {
			a.changes = nil
		}
		if !errors.Is(err, identity.ErrChanged) || try == keptTries {
			return err
		}
		if err := p.load(ctx, a); err != nil {
			return err
		}
		if !a.Answered.IsZero() {
			return p.gone(ctx, &a.kept)
		}
		for _, change := range a.changes {
			change(&a.kept)
		}
	}
}

// swap replaces the stored request that was loaded. Errors: ErrRequestGone, identity.ErrChanged.
func (p *shelf) swap(ctx context.Context, a *asking) error {
	how, err := p.moving(ctx, &a.before, &a.kept)
	if err != nil {
		return err
	}
	sealed, err := p.c.Kept.Swap(ctx, keptRequest, a.handle.Hash(), a.sealed, a.kept, how)
	if errors.Is(err, identity.ErrGone) {
		return oidc.ErrRequestGone
	}
	if err == nil {
		a.before, a.sealed = a.kept, sealed
	}
	return err
}

// moving returns how a changed request is stored: as before (a zero Keeping), unless the
// change is that it was opened, somebody logged in, or it was answered.
func (p *shelf) moving(ctx context.Context, before, after *kept) (identity.Keeping, error) {
	if before.Opened && before.Account == after.Account && before.Answered.IsZero() == after.Answered.IsZero() {
		return identity.Keeping{}, nil
	}
	return p.keeping(ctx, after, time.Now())
}

// answer stores that a request is answered now; form and session say by what, or are empty.
// Of two callers one succeeds. The other one gets a *GoneError, or a *RequestError if they
// answer two requests that began with the same pushed request.
func (p *shelf) answer(ctx context.Context, a *asking, form, session string) error {
	if !a.Answered.IsZero() {
		return p.gone(ctx, &a.kept)
	}
	now, consented := time.Now(), a.consents()
	if a.handle != (oidc.Secret{}) { // otherwise it was never stored
		a.note(func(k *kept) { k.Answered, k.Form, k.Session, k.Consented = now, form, session, consented })
	}
	if err := p.save(ctx, a); err != nil {
		return err
	}
	err := p.usePushed(ctx, a)
	if err != nil && a.handle != (oidc.Secret{}) {
		// Another request that began with the same pushed request was answered. This one was
		// answered by no form then, so a form that is sent again gets no code.
		a.note(func(k *kept) { k.Form, k.Session = "", "" })
		if e := p.save(ctx, a); e != nil {
			return errors.Join(err, e)
		}
	}
	return err
}

// gone returns the error for a request that was answered before.
func (p *shelf) gone(ctx context.Context, k *kept) error {
	if s, err := p.c.Clients.Standing(ctx, k.Request.Client); err == nil {
		return &oidc.GoneError{Client: s.Client}
	}
	return oidc.ErrRequestGone
}
