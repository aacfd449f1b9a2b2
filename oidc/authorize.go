package oidc

import (
	"context"
	"errors"
	"slices"
	"strings"
	"time"

	"yizheng.internal/oidc/identity"
)

// asking is a request on its way through [Provider.advance].
type asking struct {
	kept
	standing
	handle  Secret // zero while it is kept nowhere
	browser Browser
	login   *login            // who is logged in; nil: nobody
	agreed  []Scope           // that they agreed to show the client before
	grant   string            // of the licenses that are asked for; empty: none yet
	find    map[string]string // what the consent page is to show of them; see [Resolver].Describe
}

func errNoLogins() *Error {
	return &Error{Code: UnauthorizedClient, Description: "nobody can log in at this installation", Reason: "no_logins"}
}

// Authorize takes an authorization request (RFC 6749 section 4.1.1, OpenID
// Connect Core section 3.1.2.1), with request_uri or without, and returns what
// comes next. With a session that is good for it, that is done at once.
// Refusals are *RequestError.
//
// hold keeps the request and answers StepLogin with its handle, whatever b says: for requests that come
// without the browser's cookies, as a POST from another site does.
func (p *Provider) Authorize(ctx context.Context, params Parameters, b Browser, hold bool) (Step, error) {
	if p.c.Sessions == nil {
		return Step{}, pageError(nil, errNoLogins())
	}
	s, err := p.askingClient(ctx, params["client_id"])
	if err != nil {
		return Step{}, err
	}
	if hold {
		b = Browser{Address: b.Address, RequestID: b.RequestID}
	}
	a := &asking{kept: kept{Browser: b.hash(), Seed: NewHandle().text}, standing: s, browser: b}
	handle := NewHandle()
	if uri, ok := strings.CutPrefix(params["request_uri"], requestURIPrefix); ok {
		handle = SecretOf(uri).perBrowser(b)
		if step, err := p.resume(ctx, s.client, handle, b); !errors.Is(err, ErrRequestGone) { // the page was loaded again
			return step, err
		}
		if a.Request, err = p.loadPushed(ctx, s.client, SecretOf(uri)); err != nil {
			return Step{}, err
		}
		a.Pushed = SecretOf(uri).handleHash().String()
	} else if a.Request, err = p.parse(ctx, s, params, false); err != nil {
		return Step{}, err
	}
	if !hold {
		if a.login, err = p.findLogin(ctx, b); err != nil {
			return Step{}, err
		}
	}
	return p.start(ctx, a, handle, hold)
}

// Visit begins a login for a page of ours, a path with its query, and returns
// what comes next.
func (p *Provider) Visit(ctx context.Context, path string, assurance int, b Browser) (Step, error) {
	if p.c.Sessions == nil {
		return Step{}, pageError(nil, errNoLogins())
	}
	if !isPath(path) {
		return Step{}, pageError(nil, &Error{Code: InvalidRequest, Description: "no such page", Reason: "path_invalid"})
	}
	a := &asking{kept: kept{Browser: b.hash(), Seed: NewHandle().text}, browser: b}
	a.Request = request{ID: NewHandle().text, Path: path, Assurance: assurance}
	var err error
	if a.login, err = p.findLogin(ctx, b); err != nil {
		return Step{}, err
	}
	return p.start(ctx, a, NewHandle(), false)
}

// isPath reports whether a text is a path of this site with its query: no
// browser takes it for another site.
func isPath(s string) bool {
	return strings.HasPrefix(s, "/") && !strings.HasPrefix(s, "//") && len(s) <= maxStateBytes && isVisible(s) &&
		!strings.ContainsAny(s, `\#`)
}

// start answers a request that is kept nowhere yet, or keeps it under the handle.
func (p *Provider) start(ctx context.Context, a *asking, handle Secret, hold bool) (Step, error) {
	kind := StepLogin
	if !hold {
		var err error
		if kind, err = p.demand(ctx, a); err != nil {
			return Step{}, err
		}
		if kind == StepDone {
			return p.finish(ctx, a)
		}
	}
	how, err := p.beginning(ctx, a)
	if err != nil {
		return Step{}, err
	}
	if err := p.keep(ctx, keptRequest, handle.handleHash(), a.kept, how); err != nil {
		if errors.Is(err, identity.ErrFull) {
			return Step{}, pageError(&a.client, &Error{Code: TemporarilyUnavailable, Description: "too many logins are under way; try again shortly", Reason: "full", Err: err})
		}
		return Step{}, err
	}
	a.handle = handle
	return p.present(ctx, a, kind)
}

// beginning returns how a request is kept at first: on the account of who is logged
// in, else of the network that asks.
func (p *Provider) beginning(ctx context.Context, a *asking) (how identity.Keeping, err error) {
	a.Began = time.Now().UTC()
	if a.Asker, err = p.asker(ctx, a.browser); err != nil {
		return identity.Keeping{}, err
	}
	if a.login != nil {
		a.Opened, a.Account = true, a.login.body.Account
	}
	return p.keeping(ctx, &a.kept, a.Began)
}

// Next returns what comes next in a request that is kept. ErrRequestGone;
// refusals are *RequestError.
func (p *Provider) Next(ctx context.Context, handle Secret, b Browser) (Step, error) {
	a, err := p.ask(ctx, handle, b)
	if err != nil {
		return Step{}, err
	}
	return p.next(ctx, a)
}

// Look is Next for somebody who looks for something on the consent page; see
// [Resolver].Describe.
func (p *Provider) Look(ctx context.Context, handle Secret, b Browser, find map[string]string) (Step, error) {
	a, err := p.ask(ctx, handle, b)
	if err != nil {
		return Step{}, err
	}
	a.find = find
	return p.next(ctx, a)
}

// Again answers a request once more that was answered less than a minute ago by
// the login of this browser's session: its form was sent twice, and a browser
// shows the answer to the second one. It gives another code for the same login,
// and nothing else. ErrRequestGone.
func (p *Provider) Again(ctx context.Context, handle Secret, b Browser) (Step, error) {
	k, err := p.changeRequest(ctx, handle, b, nil)
	if err != nil {
		return Step{}, err
	}
	if k.Answered.IsZero() {
		return p.Next(ctx, handle, b)
	}
	if time.Since(k.Answered) > answeredAgain || k.Form != "" || k.Session == "" {
		return Step{}, p.gone(ctx, &k)
	}
	a, err := p.askKept(ctx, k, handle, b)
	if err != nil {
		return Step{}, err
	}
	if a.login == nil || a.login.ID != k.Session || a.login.ID != k.Login {
		return Step{}, p.gone(ctx, &k)
	}
	kind, err := p.demand(ctx, a)
	if err != nil {
		return Step{}, err
	}
	switch {
	case kind != StepDone:
		return Step{}, p.gone(ctx, &k)
	case k.Request.portal():
		return p.finishPortal(a), nil
	}
	return p.grantCode(ctx, a)
}

// ask loads a kept request with all that decides what comes next.
func (p *Provider) ask(ctx context.Context, handle Secret, b Browser) (*asking, error) {
	k, err := p.loadRequest(ctx, handle, b)
	if err != nil {
		return nil, err
	}
	return p.askKept(ctx, k, handle, b)
}

func (p *Provider) askKept(ctx context.Context, k kept, handle Secret, b Browser) (*asking, error) {
	a := &asking{kept: k, handle: handle, browser: b}
	var err error
	if !k.Request.portal() {
		if a.standing, err = p.askingClient(ctx, k.Request.Client); err != nil {
			return nil, err
		}
		if !a.client.redirects(k.Request.RedirectURI) { // it was registered otherwise meanwhile
			return nil, ErrRequestGone
		}
	}
	if a.login, err = p.findLogin(ctx, b); err != nil {
		return nil, err
	}
	return a, nil
}

// next returns what comes next in a request that is kept.
func (p *Provider) next(ctx context.Context, a *asking) (Step, error) {
	kind, err := p.demand(ctx, a)
	if err != nil {
		return Step{}, p.settle(ctx, a, err)
	}
	if kind == StepDone {
		return p.finish(ctx, a)
	}
	return p.present(ctx, a, kind)
}

// settle takes note of a refusal that goes back to the client: the request is
// answered with it.
func (p *Provider) settle(ctx context.Context, a *asking, refusal error) error {
	if e, ok := errors.AsType[*RequestError](refusal); ok && e.Response != nil {
		if err := p.answer(ctx, a, "", ""); err != nil {
			return err
		}
	}
	return refusal
}

// demand says what a request needs now. Refusals are *RequestError.
func (p *Provider) demand(ctx context.Context, a *asking) (StepKind, error) {
	hinted, err := p.hinted(ctx, a)
	if err != nil {
		return "", err
	}
	kind, refusal := a.demand(hinted)
	if refusal != nil {
		return "", p.refusalOf(a, refusal)
	}
	if kind == StepDone {
		if err := p.recall(ctx, a); err != nil {
			return "", err
		}
	}
	if kind == StepDone && a.needsConsent() {
		kind = StepConsent
	}
	if !a.Request.prompts(promptNone) || kind == StepDone {
		return kind, nil
	}
	switch kind {
	case StepLogin:
		return "", p.refusalOf(a, &Error{Code: LoginRequired, Description: "nobody is logged in who would do"})
	case StepConsent:
		return p.reuse(ctx, a)
	}
	return "", p.refusalOf(a, &Error{Code: InteractionRequired, Description: "the person must log in with a second factor", Reason: "second_factor"})
}

// refusalOf takes an error back to the client, but for one that passes.
func (p *Provider) refusalOf(a *asking, err error) error {
	e, ok := errors.AsType[*Error](err)
	switch {
	case !ok || e.Code == TemporarilyUnavailable:
		return err
	case a.Request.portal():
		return pageError(nil, e)
	}
	return p.refusal(&a.Request, a.client, e)
}

// hinted reports whether who is logged in is who the id_token_hint names.
func (p *Provider) hinted(ctx context.Context, a *asking) (bool, error) {
	if a.Request.Hint == "" || a.login == nil {
		return true, nil
	}
	subject, err := p.subject(ctx, a.client, a.login.body.Party)
	return subject == a.Request.Hint, err
}

// demand says what the login needs: nothing more if it is StepDone.
func (a *asking) demand(hinted bool) (StepKind, *Error) {
	r, l := &a.Request, a.login
	if l == nil {
		return StepLogin, nil
	}
	if fresh := a.Login == l.ID; !fresh {
		switch {
		case r.prompts(promptLogin) || a.tooOld(time.Now()) || !hinted:
			return StepLogin, nil
		case r.prompts(promptAccount) && a.Confirmed != l.ID:
			return StepAccount, nil
		}
	} else if !hinted {
		return "", &Error{Code: LoginRequired, Description: "somebody else logged in than whom id_token_hint names", Reason: "hint_mismatch"}
	}
	need := a.need()
	if l.assurance() >= need {
		return StepDone, nil
	}
	switch {
	case l.account.proofing < need:
		return "", &Error{Code: UnmetAuthenticationRequirements, Description: "the identity of this person is not proofed well enough for what is asked", Reason: "proofing_too_low"}
	case need > 2:
		return "", &Error{Code: UnmetAuthenticationRequirements, Description: "no login here reaches the assurance that is asked for", Reason: "assurance_unreachable"}
	case !l.account.phone:
		return "", &Error{Code: UnmetAuthenticationRequirements, Description: "this person has no second factor", Reason: "no_second_factor"}
	}
	return StepSecondFactor, nil
}

// need is the assurance that the login must have: what is asked for, and not below
// the client's floor.
func (a *asking) need() int {
	if a.Request.portal() {
		return a.Request.Assurance
	}
	return max(a.Request.Assurance, a.client.Floor(a.participant.Class))
}

// tooOld reports whether the login is too old for max_age, or for the client's own.
func (a *asking) tooOld(now time.Time) bool {
	age := a.Request.MaxAge
	if age == nil {
		age = a.client.DefaultMaxAge
	}
	return age != nil && now.Sub(a.login.body.AuthTime) >= time.Duration(*age)*time.Second
}

// present returns a step with all that its page needs.
func (p *Provider) present(ctx context.Context, a *asking, kind StepKind) (Step, error) {
	step := Step{Kind: kind, Handle: a.handle, Request: a.Request.view(a.standing)}
	if kind == StepLogin || a.login == nil {
		return step, nil
	}
	s, err := p.show(ctx, a.login)
	if err != nil {
		return Step{}, err
	}
	s.Current = true
	step.Session = &s
	if kind == StepConsent {
		if step.Consent, err = p.describe(ctx, a, s.Party); err != nil {
			return Step{}, p.settle(ctx, a, err)
		}
	}
	return step, nil
}

// finish answers a request for which nothing more is needed.
func (p *Provider) finish(ctx context.Context, a *asking) (Step, error) {
	if a.Request.portal() {
		return p.finishPortal(a), nil
	}
	if err := p.answer(ctx, a, "", a.login.ID); err != nil {
		return Step{}, err
	}
	return p.grantCode(ctx, a)
}

// finishPortal leads to the page of ours that was asked for.
func (p *Provider) finishPortal(a *asking) Step {
	return Step{Kind: StepDone, Request: a.Request.view(a.standing), Response: &Response{RedirectURI: a.Request.Path, Local: true}}
}

// Cancel ends a request: the client gets access_denied.
func (p *Provider) Cancel(ctx context.Context, handle Secret, b Browser) (Step, error) {
	a, err := p.ask(ctx, handle, b)
	if err != nil {
		return Step{}, err
	}
	if err := p.answer(ctx, a, "", ""); err != nil {
		return Step{}, err
	}
	return p.answerDenied(a, &Error{Code: AccessDenied, Description: "the person did not go on", Reason: "cancelled"}), nil
}

// answerDenied answers a request with a refusal that somebody decided on.
func (p *Provider) answerDenied(a *asking, e *Error) Step {
	step := Step{Kind: StepDone, Request: a.Request.view(a.standing)}
	if a.Request.portal() {
		step.Response = &Response{RedirectURI: "/", Local: true}
	} else {
		step.Response = p.errorResponse(&a.Request.destination, e)
	}
	return step
}

// offline reports whether a request gets offline access: the client is
// registered for it, and the person agrees now or has before (OpenID Connect Core
// section 11). If not, it is as if it hadn't been asked for.
func (p *Provider) offline(ctx context.Context, a *asking) (bool, error) {
	r := &a.Request
	if !r.has(ScopeOffline) || !a.client.Has(GrantRefresh) || !slices.Contains(a.client.Scopes, ScopeOffline) {
		return false, nil
	}
	if r.prompts(promptConsent) {
		return true, nil
	}
	return p.hasOffline(ctx, a.client.ID, a.login.body.Party)
}
