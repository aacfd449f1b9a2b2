package flow

import (
	"context"
	"errors"
	"time"

	"yizheng.internal/oidc"
	"yizheng.internal/oidc/identity"
	"yizheng.internal/oidc/request"
)

// kept is an authorization request that waits for somebody, as it lies sealed
// in [identity.Ephemeral] under the hash of its handle.
type kept struct {
	Request   request.Request `json:"request"`
	Browser   string          `json:"browser,omitempty"` // hash of the browser's cookie; empty: bound to none yet
	Seed      string          `json:"seed"`              // its forms derive from it
	Login     string          `json:"login,omitempty"`   // the session that was logged in to for this request
	Confirmed string          `json:"confirmed,omitempty"`
	Pushed    string          `json:"pushed,omitempty"`  // hash of the request_uri's handle, if it was pushed
	Opened    bool            `json:"opened,omitempty"`  // a browser came back for it
	Account   string          `json:"account,omitempty"` // of who showed who they are
	Began     time.Time       `json:"began"`
	Asker     string          `json:"asker,omitempty"` // who takes room for it until then, as identity.OwnerOf says

	// Of a request that was answered: when, and by which form of which session.
	Answered time.Time `json:"answered,omitzero"`
	Form     string    `json:"form,omitempty"`
	Session  string    `json:"session,omitempty"`
	// Consented is what that form asked agreement to.
	Consented []oidc.Scope `json:"consented,omitempty"`
}

// pushed is a pushed authorization request that waits to be used.
type pushed struct {
	Request request.Request `json:"request"`
}

const (
	requestLife  = 30 * time.Minute // of a request whose page somebody sees
	unopenedLife = 5 * time.Minute  // of one that no browser came back for
	answeredLife = 5 * time.Minute  // of one that was answered: the page that says so needs it
	pushedLife   = 90 * time.Second
	keptTries    = 5 // of a change that loses against others
)

// Kinds of what lies in [identity.Ephemeral]: beginnings of keys.
const (
	keptRequest = "request"
	keptPushed  = "pushed"

	keptUsed = "oidc.used." // of counters: that a pushed request was used
)

// keeping returns in which part of the store a request is kept, on whose account,
// and until when. What anybody can make lives shortly and gives way to
// others; who has shown who they are has room of their own.
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

// beginning returns how a request is kept at first: on the account of who is logged
// in, else of the network that asks.
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

// asker returns the owner that stands for the network from which a browser asks.
func (p *shelf) asker(ctx context.Context, b oidc.Browser) (string, error) {
	return identity.OwnerOf(ctx, p.c.Vault, identity.NetworkOf(b.Address))
}

// browserHash stands for a browser in what is kept for it.
func browserHash(b oidc.Browser) string {
	if !b.ID.IsHandle() {
		return ""
	}
	return b.ID.Hash().String()
}

// find returns a request that is kept for this browser, with what lies in the store, and
// binds it to the browser if it is bound to none. From then on it is opened. ErrRequestGone.
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

// load reads a request as it is kept now. ErrRequestGone, also if it is another browser's.
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

// note changes a request, at once in a, and where it is kept with the next save.
func (a *asking) note(change func(*kept)) {
	change(&a.kept)
	a.changes = append(a.changes, change)
}

// save stores what was noted. If the request changed meanwhile where it is kept, it is read
// again, and the changes are made in what it is now. ErrRequestGone, a *GoneError if it was
// answered meanwhile; then a is as it was answered.
func (p *shelf) save(ctx context.Context, a *asking) error {
	if a.handle == (oidc.Secret{}) || len(a.changes) == 0 {
		return nil // kept nowhere, or as it is
	}
	for try := 1; ; try++ {
		err := error(identity.ErrChanged) // if it was kept just now: how it lies there isn't known yet
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

// swap puts a request in the place of what was loaded. ErrRequestGone, identity.ErrChanged.
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

// moving returns how a request is kept that changed: as before, unless it is opened,
// somebody shows who they are, or it is answered.
func (p *shelf) moving(ctx context.Context, before, after *kept) (identity.Keeping, error) {
	if before.Opened && before.Account == after.Account && before.Answered.IsZero() == after.Answered.IsZero() {
		return identity.Keeping{}, nil
	}
	return p.keeping(ctx, after, time.Now())
}

// answer takes note that a request is answered now, by a form of a session, if one did. Of
// two callers one succeeds; the other one gets a *GoneError, or a *RequestError if both
// began with the same pushed request.
func (p *shelf) answer(ctx context.Context, a *asking, form, session string) error {
	if !a.Answered.IsZero() {
		return p.gone(ctx, &a.kept)
	}
	now, consented := time.Now(), a.consents()
	if a.handle != (oidc.Secret{}) { // or else it is answered without having been kept
		a.note(func(k *kept) { k.Answered, k.Form, k.Session, k.Consented = now, form, session, consented })
	}
	if err := p.save(ctx, a); err != nil {
		return err
	}
	err := p.usePushed(ctx, a)
	if err != nil && a.handle != (oidc.Secret{}) {
		// Another request that began with the same one was answered: this one was by nobody, and
		// its form, sent again, gets no answer.
		a.note(func(k *kept) { k.Form, k.Session = "", "" })
		if e := p.save(ctx, a); e != nil {
			return errors.Join(err, e)
		}
	}
	return err
}

// gone is the error of a request that was answered before.
func (p *shelf) gone(ctx context.Context, k *kept) error {
	if s, err := p.c.Clients.Standing(ctx, k.Request.Client); err == nil {
		return &oidc.GoneError{Client: s.Client}
	}
	return oidc.ErrRequestGone
}
