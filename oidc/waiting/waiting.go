// Package waiting stores authorization requests while a person logs in or agrees, and requests
// that were pushed until somebody answers them. Of several answers to one request it lets one
// through. It knows no steps and no pages: what a request needs is oidc/flow's affair.
package waiting

import (
	"context"
	"errors"
	"net/netip"
	"time"

	"yizheng.internal/oidc"
	"yizheng.internal/oidc/client"
	"yizheng.internal/oidc/ephemeral"
	"yizheng.internal/oidc/keeper"
	"yizheng.internal/signing/vault"
)

// Config says what Requests work with.
type Config struct {
	Kept    *keeper.Keeper
	Uses    Uses
	Vault   *vault.Vault    // hides who takes the store's room
	Clients *client.Service // finds the client of a request that was answered before
}

// Uses counts the uses of pushed requests. Every [ephemeral.Store] has these methods.
type Uses interface {
	Count(ctx context.Context, key string, n int64, window time.Duration, now time.Time) (int64, error)
	Delete(ctx context.Context, key string) error
}

// Requests are the requests that wait. Safe for concurrent use.
type Requests struct {
	c Config
}

// New returns the requests that wait in the store behind c.
func New(c Config) *Requests { return &Requests{c} }

const (
	requestLife  = 30 * time.Minute // life of a request whose page somebody sees
	unopenedLife = 5 * time.Minute  // life of a request that no browser came back to
	answeredLife = 5 * time.Minute  // life of an answered request: the page that says so needs it
	pushedLife   = 90 * time.Second
	tries        = 5 // how many times a change is tried when others come first
)

// Kinds of values in [ephemeral.Store].
const (
	kindRequest = "request"
	kindPushed  = "pushed"

	keyUsed = "oidc.used." // begins the keys of counters; each says that a pushed request was used
)

// Keep stores a new request under a handle, which is the entry's from then on. The request
// takes the room of the account that is logged in or, with an empty account, of the network of
// the address. Errors: ephemeral.ErrFull (wrapped).
func (p *Requests) Keep(ctx context.Context, e *Entry, handle oidc.Secret, address netip.Addr, account string) (err error) {
	e.Began = time.Now().UTC()
	if e.Asker, err = ephemeral.OwnerOf(ctx, p.c.Vault, ephemeral.NetworkOf(address)); err != nil {
		return err
	}
	if account != "" {
		e.Opened, e.Account = true, account
	}
	how, err := p.keeping(ctx, &e.Kept, e.Began)
	if err != nil {
		return err
	}
	if err := p.c.Kept.Keep(ctx, kindRequest, handle.Hash(), e.Kept, how); err != nil {
		return err
	}
	e.Handle = handle
	return nil
}

// keeping returns in which part of the store a request is stored, for which owner, and
// until when. A request that anybody can make lives for a short time and gives way to
// others; people who have logged in have reserved room.
func (p *Requests) keeping(ctx context.Context, k *Kept, now time.Time) (ephemeral.Keeping, error) {
	how := ephemeral.Keeping{Part: ephemeral.PartOpened, Owner: k.Asker, Until: k.Began.Add(requestLife)}
	if !k.Opened {
		how.Part, how.Until = ephemeral.PartUnopened, k.Began.Add(unopenedLife)
	}
	if end := now.Add(answeredLife); k.IsAnswered() && end.Before(how.Until) {
		how.Until = end
	}
	if k.Account == "" {
		return how, nil
	}
	var err error
	how.Part = ephemeral.PartReserved
	how.Owner, err = ephemeral.OwnerOf(ctx, p.c.Vault, k.Account)
	return how, err
}

// Find loads the request that is stored under a handle for this browser. It binds the request
// to the browser, if it isn't bound yet, and marks it as opened. It returns oidc.ErrRequestGone
// if there is none.
func (p *Requests) Find(ctx context.Context, handle oidc.Secret, b oidc.Browser) (*Entry, error) {
	e := &Entry{Handle: handle, browser: browserHash(b)}
	for try := 1; ; try++ {
		if err := p.Reload(ctx, e); err != nil || e.Browser != "" && e.Opened {
			return e, err
		}
		e.Browser, e.Opened = e.browser, true
		if err := p.swap(ctx, e); !errors.Is(err, ephemeral.ErrChanged) || try == tries {
			return e, err
		}
	}
}

// Reload reads a request as it is stored now. It returns oidc.ErrRequestGone if there is none,
// or if it is another browser's.
func (p *Requests) Reload(ctx context.Context, e *Entry) error {
	if !e.Handle.IsHandle() || e.browser == "" {
		return oidc.ErrRequestGone
	}
	var k Kept
	sealed, err := p.c.Kept.Find(ctx, kindRequest, e.Handle.Hash(), &k)
	if errors.Is(err, ephemeral.ErrGone) || err == nil && k.Browser != "" && k.Browser != e.browser {
		return oidc.ErrRequestGone
	}
	if err == nil {
		e.Kept, e.before, e.sealed = k, k, sealed
	}
	return err
}

// Save stores the noted changes. If the stored request changed meanwhile, Save reads it again
// and applies the changes to it. It returns oidc.ErrRequestGone if the request is gone, and an
// *oidc.GoneError if it was answered meanwhile; then the entry is the answered request.
func (p *Requests) Save(ctx context.Context, e *Entry) error {
	if !e.isKept() || len(e.changes) == 0 {
		return nil
	}
	for try := 1; ; try++ {
		err := error(ephemeral.ErrChanged) // a request stored just now is loaded first: e.sealed is nil
		if e.sealed != nil {
			err = p.swap(ctx, e)
		}
		if err == nil {
			e.changes = nil
		}
		if !errors.Is(err, ephemeral.ErrChanged) || try == tries {
			return err
		}
		if err := p.Reload(ctx, e); err != nil {
			return err
		}
		if e.IsAnswered() {
			return p.Gone(ctx, e)
		}
		for _, change := range e.changes {
			change(&e.Kept)
		}
	}
}

// swap replaces the stored request that was loaded. Errors: oidc.ErrRequestGone, ephemeral.ErrChanged.
func (p *Requests) swap(ctx context.Context, e *Entry) error {
	how, err := p.moving(ctx, &e.before, &e.Kept)
	if err != nil {
		return err
	}
	sealed, err := p.c.Kept.Swap(ctx, kindRequest, e.Handle.Hash(), e.sealed, e.Kept, how)
	if errors.Is(err, ephemeral.ErrGone) {
		return oidc.ErrRequestGone
	}
	if err == nil {
		e.before, e.sealed = e.Kept, sealed
	}
	return err
}

// moving returns how a changed request is stored: as before (a zero Keeping), unless the
// change is that it was opened, somebody logged in, or it was answered.
func (p *Requests) moving(ctx context.Context, before, after *Kept) (ephemeral.Keeping, error) {
	if before.Opened && before.Account == after.Account && before.IsAnswered() == after.IsAnswered() {
		return ephemeral.Keeping{}, nil
	}
	return p.keeping(ctx, after, time.Now())
}

// An Answer says what answered a request; its zero value is a refusal.
type Answer struct {
	Form, Session string       // the form, and the session in which it was sent; empty: none
	Consented     []oidc.Scope // the scopes that the person was asked to agree to
}

// Answer stores that a request is answered now; c is the client that asked. Of two callers one
// succeeds. The other one gets an *oidc.GoneError, or an *oidc.RequestError if they answer two
// requests that began with the same pushed request. A request that was never stored counts as
// answered by its caller alone.
func (p *Requests) Answer(ctx context.Context, e *Entry, c *oidc.Client, by Answer) error {
	if e.IsAnswered() {
		return p.Gone(ctx, e)
	}
	now := time.Now()
	if e.isKept() {
		e.Note(func(k *Kept) { k.Answered, k.Form, k.Session, k.Consented = now, by.Form, by.Session, by.Consented })
	}
	if err := p.Save(ctx, e); err != nil {
		return err
	}
	err := p.usePushed(ctx, e, c)
	if err != nil && e.isKept() {
		// Another request that began with the same pushed request was answered. This one was
		// answered by no form then, so a form that is sent again gets no code.
		e.Note(func(k *Kept) { k.Form, k.Session = "", "" })
		if e := p.Save(ctx, e); e != nil {
			return errors.Join(err, e)
		}
	}
	return err
}

// Gone returns the error for a request that was answered before: an *oidc.GoneError, or
// oidc.ErrRequestGone if its client can't be found.
func (p *Requests) Gone(ctx context.Context, e *Entry) error {
	if s, err := p.c.Clients.Standing(ctx, e.Request.Client); err == nil {
		return &oidc.GoneError{Client: s.Client}
	}
	return oidc.ErrRequestGone
}
