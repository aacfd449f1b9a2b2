package flow

import (
	"context"
	"errors"
	"time"

	"yizheng.internal/oidc"
	"yizheng.internal/oidc/identity"
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
	Consented []oidc.Scope `json:"consented,omitempty"`
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

// loadRequest returns a request that waits for this browser, and binds it to the
// browser if it is bound to none. From then on it is opened. ErrRequestGone.
func (p *shelf) loadRequest(ctx context.Context, handle oidc.Secret, b oidc.Browser) (kept, error) {
	k, err := p.changeRequest(ctx, handle, b, nil)
	if err == nil && !k.Answered.IsZero() {
		return k, p.gone(ctx, &k)
	}
	return k, err
}

// changeRequest changes a request that is kept for this browser. ErrRequestGone.
func (p *shelf) changeRequest(ctx context.Context, handle oidc.Secret, b oidc.Browser, change func(*kept)) (kept, error) {
	browser := browserHash(b)
	if p.c.Families == nil || !handle.IsHandle() || browser == "" {
		return kept{}, oidc.ErrRequestGone
	}
	h := handle.Hash()
	for try := 1; ; try++ {
		var k kept
		sealed, err := p.c.Kept.Find(ctx, keptRequest, h, &k)
		if errors.Is(err, identity.ErrGone) || err == nil && k.Browser != "" && k.Browser != browser {
			return kept{}, oidc.ErrRequestGone
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
		err = p.c.Kept.Swap(ctx, keptRequest, h, sealed, k, how)
		switch {
		case err == nil:
			return k, nil
		case errors.Is(err, identity.ErrGone):
			return kept{}, oidc.ErrRequestGone
		case !errors.Is(err, identity.ErrChanged) || try == keptTries:
			return kept{}, err
		}
	}
}

// moving returns how a request is kept that changed: as before, unless it is opened,
// somebody shows who they are, or it is answered.
func (p *shelf) moving(ctx context.Context, before, after *kept) (identity.Keeping, error) {
	if before.Opened && before.Account == after.Account && before.Answered.IsZero() == after.Answered.IsZero() {
		return identity.Keeping{}, nil
	}
	return p.keeping(ctx, after, time.Now())
}

// answer takes note that a request is answered now. Of two callers one succeeds;
// the other one gets a *GoneError, or a *RequestError if both began with the same
// pushed request.
func (p *shelf) answer(ctx context.Context, a *asking, form, session string) error {
	if a.handle == (oidc.Secret{}) {
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
func (p *shelf) gone(ctx context.Context, k *kept) error {
	if s, err := p.c.Clients.Standing(ctx, k.Request.Client); err == nil {
		return &oidc.GoneError{Client: s.Client}
	}
	return oidc.ErrRequestGone
}
