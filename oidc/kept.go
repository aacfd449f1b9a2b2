package oidc

import (
	"context"
	"errors"
	"fmt"
	"time"

	"yizheng.internal/oidc/identity"
	"yizheng.internal/signing"
)

// kept is an authorization request that waits for somebody, as it lies sealed
// in [identity.Ephemeral] under the hash of its handle.
type kept struct {
	Request   request   `json:"request"`
	Browser   string    `json:"browser,omitempty"` // hash of the browser's cookie; empty: bound to none yet
	Seed      string    `json:"seed"`              // its forms derive from it
	Login     string    `json:"login,omitempty"`   // the session that was logged in to for this request
	Confirmed string    `json:"confirmed,omitempty"`
	Pushed    string    `json:"pushed,omitempty"`  // hash of the request_uri's handle, if it was pushed
	Opened    bool      `json:"opened,omitempty"`  // a browser came back for it
	Account   string    `json:"account,omitempty"` // of who showed who they are
	Began     time.Time `json:"began"`
	Asker     string    `json:"asker,omitempty"` // who takes room for it until then, as identity.OwnerOf says

	// Of a request that was answered: when, and by which form of which session.
	Answered time.Time `json:"answered,omitzero"`
	Form     string    `json:"form,omitempty"`
	Session  string    `json:"session,omitempty"`
	// Consented is what that form asked agreement to.
	Consented []Scope `json:"consented,omitempty"`
}

// pushed is a pushed authorization request that waits to be used.
type pushed struct {
	Request request `json:"request"`
}

const (
	requestLife  = 30 * time.Minute // of a request whose page somebody sees
	unopenedLife = 5 * time.Minute  // of one that no browser came back for
	answeredLife = 5 * time.Minute  // of one that was answered: the page that says so needs it
	pushedLife   = 90 * time.Second
	// answeredAgain is how long a form that was sent twice is answered again.
	answeredAgain = time.Minute
	keptTries     = 5 // of a change that loses against others
)

// Kinds of what lies in [identity.Ephemeral]: beginnings of keys.
const (
	keptRequest = "request"
	keptPushed  = "pushed"
	keptCode    = "code"

	// The beginnings of counters' keys: of pushed requests, and of wrong tries with a code.
	keptUsed  = "oidc.used."
	keptWrong = "oidc.wrong."
)

func keptKey(kind string, h handleHash) string { return "oidc." + kind + "." + h.String() }

func keptPlace(kind string, h handleHash) signing.Place {
	return signing.Place{Table: "ephemeral", Row: h.String(), Column: kind}
}

// keeping returns in which part of the store a request is kept, on whose account,
// and until when. What anybody can make lives shortly and gives way to
// others; who has shown who they are has room of their own.
func (p *Provider) keeping(ctx context.Context, k *kept, now time.Time) (identity.Keeping, error) {
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

// asker returns the owner that stands for the network from which a browser asks.
func (p *Provider) asker(ctx context.Context, b Browser) (string, error) {
	return identity.OwnerOf(ctx, p.c.Vault, identity.NetworkOf(b.Address))
}

// keep seals a value and keeps it under a handle's hash.
func (p *Provider) keep(ctx context.Context, kind string, h handleHash, value any, how identity.Keeping) error {
	sealed, err := p.c.Vault.SealJSON(ctx, keptPlace(kind, h), value)
	if err != nil {
		return err
	}
	if err := p.c.Ephemeral.Put(ctx, keptKey(kind, h), sealed, how, time.Now()); err != nil {
		return unavailable(fmt.Errorf("keeping a %s: %w", kind, err))
	}
	return nil
}

// find opens what is kept under a handle's hash, and returns it sealed too, for
// a Swap. identity.ErrGone.
func (p *Provider) find(ctx context.Context, kind string, h handleHash, value any) (sealed []byte, err error) {
	sealed, err = p.c.Ephemeral.Load(ctx, keptKey(kind, h), time.Now())
	if errors.Is(err, identity.ErrGone) {
		return nil, identity.ErrGone
	}
	if err != nil {
		return nil, unavailable(fmt.Errorf("finding a %s: %w", kind, err))
	}
	err = p.c.Vault.OpenJSON(ctx, keptPlace(kind, h), sealed, value)
	if errors.Is(err, signing.ErrSealed) {
		return nil, identity.ErrGone // not ours: whoever shares the store can do no more than lose it
	}
	return sealed, err
}

// swap puts a new value in the place of a sealed one. identity.ErrGone, ErrChanged.
func (p *Provider) swap(ctx context.Context, kind string, h handleHash, old []byte, value any, how identity.Keeping) error {
	sealed, err := p.c.Vault.SealJSON(ctx, keptPlace(kind, h), value)
	if err != nil {
		return err
	}
	err = p.c.Ephemeral.Swap(ctx, keptKey(kind, h), old, sealed, how, time.Now())
	if err == nil || errors.Is(err, identity.ErrGone) || errors.Is(err, identity.ErrChanged) {
		return err
	}
	return unavailable(fmt.Errorf("changing a kept %s: %w", kind, err))
}

// forget drops what is kept under a handle's hash, once it was spent in the
// database. That decides: should the store not answer, the rest is only kept
// until it expires.
func (p *Provider) forget(ctx context.Context, kind string, h handleHash) {
	if err := p.c.Ephemeral.Delete(ctx, keptKey(kind, h)); err != nil {
		p.c.Log.WarnContext(ctx, "forgetting what was spent; it expires by itself", "kind", kind, "error", err)
	}
}

// browserHash stands for a browser in what is kept for it.
func (b Browser) hash() string {
	if !b.ID.isHandle() {
		return ""
	}
	return b.ID.handleHash().String()
}

// loadRequest returns a request that waits for this browser, and binds it to the
// browser if it is bound to none. From then on it is opened. ErrRequestGone.
func (p *Provider) loadRequest(ctx context.Context, handle Secret, b Browser) (kept, error) {
	k, err := p.changeRequest(ctx, handle, b, nil)
	if err == nil && !k.Answered.IsZero() {
		return k, p.gone(ctx, &k)
	}
	return k, err
}

// changeRequest changes a request that is kept for this browser. ErrRequestGone.
func (p *Provider) changeRequest(ctx context.Context, handle Secret, b Browser, change func(*kept)) (kept, error) {
	browser := b.hash()
	if p.c.Sessions == nil || !handle.isHandle() || browser == "" {
		return kept{}, ErrRequestGone
	}
	h := handle.handleHash()
	for try := 1; ; try++ {
		var k kept
		sealed, err := p.find(ctx, keptRequest, h, &k)
		if errors.Is(err, identity.ErrGone) || err == nil && k.Browser != "" && k.Browser != browser {
			return kept{}, ErrRequestGone
		}
		if err != nil {
			return kept{}, err
		}
		if change == nil && k.Browser == browser && k.Opened {
			return k, nil
		}
		before := k
		k.Browser, k.Opened = browser, true
		if change != nil {
			change(&k)
		}
		how, err := p.moving(ctx, &before, &k)
		if err != nil {
			return kept{}, err
		}
		err = p.swap(ctx, keptRequest, h, sealed, k, how)
		switch {
		case err == nil:
			return k, nil
		case errors.Is(err, identity.ErrGone):
			return kept{}, ErrRequestGone
		case !errors.Is(err, identity.ErrChanged) || try == keptTries:
			return kept{}, err
		}
	}
}

// moving returns how a request is kept that changed: as before, unless it is opened,
// somebody shows who they are, or it is answered.
func (p *Provider) moving(ctx context.Context, before, after *kept) (identity.Keeping, error) {
	if before.Opened && before.Account == after.Account && before.Answered.IsZero() == after.Answered.IsZero() {
		return identity.Keeping{}, nil
	}
	return p.keeping(ctx, after, time.Now())
}

// answer takes note that a request is answered now. Of two callers one succeeds;
// the other one gets a *GoneError, or a *RequestError if both began with the same
// pushed request.
func (p *Provider) answer(ctx context.Context, a *asking, form, session string) error {
	if a.handle == (Secret{}) {
		return p.usePushed(ctx, a) // answered without having been kept
	}
	late, consented := false, a.consents()
	k, err := p.changeRequest(ctx, a.handle, a.browser, func(k *kept) {
		if late = !k.Answered.IsZero(); !late {
			k.Answered, k.Form, k.Session, k.Consented = time.Now(), form, session, consented
		}
	})
	if err == nil && late {
		return p.gone(ctx, &k)
	}
	if err != nil {
		return err
	}
	return p.usePushed(ctx, a)
}

// gone is the error of a request that was answered before.
func (p *Provider) gone(ctx context.Context, k *kept) error {
	if s, err := p.standingOf(ctx, k.Request.Client, standingFresh); err == nil {
		return &GoneError{s.client}
	}
	return ErrRequestGone
}
