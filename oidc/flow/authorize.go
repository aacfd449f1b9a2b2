// Package flow leads authorization requests from their arrival to their answer: it says what the
// person must do next, takes the person's forms, and says what goes back to the client. Meanwhile
// oidc/waiting stores them. It also takes logout requests.
package flow

import (
	"context"
	"errors"
	"log/slog"
	"slices"
	"time"

	"yizheng.internal/oidc"
	"yizheng.internal/oidc/behalf"
	"yizheng.internal/oidc/client"
	"yizheng.internal/oidc/consent"
	"yizheng.internal/oidc/ephemeral"
	"yizheng.internal/oidc/grant"
	"yizheng.internal/oidc/identity/factor"
	"yizheng.internal/oidc/request"
	"yizheng.internal/oidc/scan"
	"yizheng.internal/oidc/session"
	"yizheng.internal/oidc/token"
	"yizheng.internal/oidc/waiting"
	"yizheng.internal/signing/journal"
)

// Config says what a Service works with.
type Config struct {
	Issuer      string
	OfflineLife time.Duration // the longest life of offline access
	Clients     *client.Service
	Sessions    *session.Service
	Families    *token.Families // nil: nobody can log in
	Subjects    *token.Subjects
	Tokens      *token.Service
	Grants      *grant.Service
	Consents    *consent.Service
	Behalf      *behalf.Service
	Waiting     *waiting.Requests // nil: nobody can log in
	Factors     Factors           // as *factor.Service is
	Phones      Phones            // as *phonecode.Service is; nil: nobody logs in with a phone
	Scans       *scan.Service     // nil: no phone logs in at a computer
	Raises      factor.Assurance  // the highest level to which people raise their proofing here; 0: they don't
	Upstreams   Upstreams         // as *upstream.Service is; nil: nobody logs in with another provider
	Resolver    oidc.Resolver     // nil: authorization details aren't accepted
	Journal     *journal.Recorder
	Log         *slog.Logger
	Step        func(name string) // called at each step of a request, for failpoints in tests
}

// Service leads authorization requests from their arrival to their answer. Safe for
// concurrent use.
type Service struct {
	c      Config
	reader *request.Reader
	judge  *judge
}

// judge says what a request needs before it is answered.
type judge struct {
	c      Config
	reader *request.Reader
}

// New returns the service.
func New(c Config) *Service {
	r := request.New(request.Config{Issuer: c.Issuer, Clients: c.Clients, Tokens: c.Tokens, Details: c.Resolver})
	return &Service{c, r, &judge{c, r}}
}

// asking is a request on its way through [Service].
type asking struct {
	*waiting.Entry
	client.Standing
	browser oidc.Browser
	login   *session.Login    // who is logged in; nil: nobody
	agreed  []oidc.Scope      // the scopes that the person agreed to before
	further []factor.Name     // factors that would each make the login strong enough; pages ask for the first
	behalf  behalf.Answer     // for whom they act; its zero value is for themself, or not settled
	grant   string            // id of the grant of licenses; empty: none yet
	find    map[string]string // what the person looks for on the consent page; see [oidc.Resolver].Describe

	// For a request that a form answers.
	sent    *Form
	cookies oidc.Cookies
}

// find loads the request that is stored under a handle for this browser. ErrRequestGone if there
// is none.
func find(ctx context.Context, p *Service, handle oidc.Secret, b oidc.Browser) (*asking, error) {
	if p.c.Families == nil {
		return nil, oidc.ErrRequestGone
	}
	e, err := p.c.Waiting.Find(ctx, handle, b)
	return &asking{Entry: e, browser: b}, err
}

// conclude stores that a request is answered now; form and session say by what, or are empty. Who
// comes second gets the errors of [waiting.Requests.Answer].
func conclude(ctx context.Context, p *Service, a *asking, form, session string) error {
	return p.c.Waiting.Answer(ctx, a.Entry, &a.Client, waiting.Answer{Form: form, Session: session, Consented: a.consents()})
}

// Authorize takes an authorization request (RFC 6749 section 4.1.1, OpenID
// Connect Core section 3.1.2.1), with request_uri or without, and returns what
// comes next. If the browser's session satisfies the request, the answer comes at
// once. Refusals are *RequestError.
//
// With hold, Authorize ignores the cookies in b, stores the request and returns StepLogin
// with its handle. This is for requests that come without the browser's cookies, such as a
// POST from another site.
func (p *Service) Authorize(ctx context.Context, params oidc.Parameters, b oidc.Browser, hold bool) (oidc.Step, error) {
	if p.c.Families == nil {
		return oidc.Step{}, request.PageError(nil, request.ErrNoLogins())
	}
	s, err := p.reader.Client(ctx, params["client_id"])
	if err != nil {
		return oidc.Step{}, err
	}
	if hold {
		b = oidc.Browser{Address: b.Address, RequestID: b.RequestID}
	}
	a := &asking{Entry: waiting.NewEntry(b), Standing: s, browser: b}
	handle := oidc.NewHandle()
	if pushed, ok := waiting.PushedHandle(params["request_uri"]); ok {
		handle = waiting.PerBrowser(pushed, b)
		if step, err := p.resume(ctx, s.Client, handle, b); !errors.Is(err, oidc.ErrRequestGone) { // the page was loaded again
			return step, err
		}
		if err := p.c.Waiting.TakePushed(ctx, a.Entry, &s.Client, pushed); err != nil {
			return oidc.Step{}, err
		}
	} else if a.Request, err = p.reader.Parse(ctx, s, params, false); err != nil {
		return oidc.Step{}, err
	}
	if !hold {
		if a.login, err = p.c.Sessions.Find(ctx, b); err != nil {
			return oidc.Step{}, err
		}
	}
	return p.start(ctx, a, handle, hold)
}

// Page is a page of our own site, with what the login of its reader must be.
type Page struct {
	Path      string // with its query
	Back      string // the page of the account, if it is about that: who is logged in and gives up goes there
	Assurance factor.Assurance
	Strength  factor.Assurance // of the proofs, however well the person was proofed
	Fresh     time.Duration    // the greatest age of the login; 0: any
	Direct    bool             // nothing counts that another device proved
}

// Visit begins a login for a page of our own site, and returns what comes next.
func (p *Service) Visit(ctx context.Context, page Page, b oidc.Browser) (oidc.Step, error) {
	if p.c.Families == nil {
		return oidc.Step{}, request.PageError(nil, request.ErrNoLogins())
	}
	if !request.IsPath(page.Path) {
		return oidc.Step{}, request.PageError(nil, &oidc.Error{Code: oidc.InvalidRequest, Description: "no such page", Reason: "path_invalid"})
	}
	a := &asking{Entry: waiting.NewEntry(b), browser: b}
	a.Request = request.Request{ID: oidc.NewHandle().Reveal(), Path: page.Path, Back: page.Back, Assurance: page.Assurance, Strength: page.Strength, Direct: page.Direct}
	if page.Fresh > 0 {
		a.Request.MaxAge = new(int64(page.Fresh / time.Second))
	}
	var err error
	if a.login, err = p.c.Sessions.Find(ctx, b); err != nil {
		return oidc.Step{}, err
	}
	return p.start(ctx, a, oidc.NewHandle(), false)
}

// start answers a new request at once, or stores it under the handle.
func (p *Service) start(ctx context.Context, a *asking, handle oidc.Secret, hold bool) (oidc.Step, error) {
	kind := oidc.StepLogin
	if !hold {
		var err error
		if kind, err = p.judge.demand(ctx, a); err != nil {
			return oidc.Step{}, err
		}
		if kind == oidc.StepDone {
			return p.finish(ctx, a)
		}
	}
	account := ""
	if a.login != nil {
		account = a.login.About.Account
	}
	if err := p.c.Waiting.Keep(ctx, a.Entry, handle, a.browser.Address, account); err != nil {
		if errors.Is(err, ephemeral.ErrFull) {
			return oidc.Step{}, request.PageError(&a.Client, &oidc.Error{Code: oidc.TemporarilyUnavailable, Description: "too many logins are under way; try again shortly", Reason: "full", Err: err})
		}
		return oidc.Step{}, err
	}
	return p.present(ctx, a, kind)
}

// Next returns what comes next in a stored request. Errors: ErrRequestGone; refusals
// are *RequestError.
func (p *Service) Next(ctx context.Context, handle oidc.Secret, b oidc.Browser) (oidc.Step, error) {
	a, err := find(ctx, p, handle, b)
	if err != nil {
		return oidc.Step{}, err
	}
	if a.IsAnswered() {
		return oidc.Step{}, p.c.Waiting.Gone(ctx, a.Entry)
	}
	if err := p.stand(ctx, a); err != nil {
		return oidc.Step{}, err
	}
	return p.next(ctx, a)
}

// stand finds out who asks in a stored request, and who is logged in.
func (p *Service) stand(ctx context.Context, a *asking) (err error) {
	if !a.Request.Portal() {
		if a.Standing, err = p.reader.Client(ctx, a.Request.Client); err != nil {
			return err
		}
		if !client.Redirects(a.Client, a.Request.RedirectURI) { // the client's registration changed meanwhile
			return oidc.ErrRequestGone
		}
	}
	a.login, err = p.c.Sessions.Find(ctx, a.browser)
	return err
}

// next returns what comes next in a stored request.
func (p *Service) next(ctx context.Context, a *asking) (oidc.Step, error) {
	if err := link(ctx, p, a); err != nil {
		return oidc.Step{}, err
	}
	kind, err := p.judge.demand(ctx, a)
	if err != nil {
		return oidc.Step{}, p.settle(ctx, a, err)
	}
	return p.lead(ctx, a, kind)
}

// lead leads on to a step, and stores what was noted in the request on the way.
func (p *Service) lead(ctx context.Context, a *asking, kind oidc.StepKind) (oidc.Step, error) {
	if kind == oidc.StepDone {
		return p.finish(ctx, a)
	}
	if err := p.c.Waiting.Save(ctx, a.Entry); err != nil {
		return oidc.Step{}, err
	}
	return p.present(ctx, a, kind)
}

// settle stores a request that is refused. If the refusal goes back to the client, the
// request counts as answered.
func (p *Service) settle(ctx context.Context, a *asking, refusal error) error {
	var err error
	if e, ok := errors.AsType[*oidc.RequestError](refusal); ok && e.Response != nil {
		err = conclude(ctx, p, a, "", "")
	} else {
		err = p.c.Waiting.Save(ctx, a.Entry)
	}
	if err != nil {
		return err
	}
	return refusal
}

// demand says what a request needs now. Refusals are *RequestError.
func (p *judge) demand(ctx context.Context, a *asking) (oidc.StepKind, error) {
	hinted, err := p.hinted(ctx, a)
	if err != nil {
		return "", err
	}
	kind, refusal := a.loginStep(hinted)
	if told := p.told(a, refusal); told != "" {
		kind, refusal = told, nil
	}
	if kind == oidc.StepDone {
		kind = linkStep(a)
	}
	if refusal != nil {
		return "", p.refusalOf(a, refusal)
	}
	if kind == oidc.StepDone {
		if err := p.recall(ctx, a); err != nil {
			return "", err
		}
	}
	if kind == oidc.StepDone {
		if kind, err = p.actingStep(ctx, a); err != nil {
			return "", err
		}
	}
	if kind == oidc.StepDone && a.needsConsent() {
		kind = oidc.StepConsent
	}
	if !a.Request.Wants(request.PromptNone) || kind == oidc.StepDone {
		return kind, nil
	}
	switch kind {
	case oidc.StepLogin:
		return "", p.refusalOf(a, &oidc.Error{Code: oidc.LoginRequired, Description: "no current login satisfies the request"})
	case oidc.StepActing:
		return "", p.refusalOf(a, &oidc.Error{Code: oidc.InteractionRequired, Description: "the person must say for whom they act", Reason: "acting"})
	case oidc.StepConsent:
		return p.reuse(ctx, a)
	}
	return "", p.refusalOf(a, &oidc.Error{Code: oidc.InteractionRequired, Description: "the person must log in with a second factor", Reason: "second_factor"})
}

// refusalOf turns an error into a refusal that goes back to the client. It returns an error as
// it is if the client may not see it, or if it is a failure that may pass.
func (p *judge) refusalOf(a *asking, err error) error {
	e, ok := errors.AsType[*oidc.Error](err)
	switch {
	case !ok || e.Code == oidc.TemporarilyUnavailable:
		return err
	case a.Request.Portal():
		return request.PageError(nil, e)
	}
	return p.reader.Refusal(&a.Request, a.Client, e)
}

// hinted reports whether the id_token_hint names the person who is logged in. It is true
// without a hint or a login.
func (p *judge) hinted(ctx context.Context, a *asking) (bool, error) {
	if a.Request.Hint == "" || a.login == nil {
		return true, nil
	}
	subject, err := p.c.Subjects.Of(ctx, a.Client, a.login.About.Party)
	return subject == a.Request.Hint, err
}

// loginStep says what the login needs before it satisfies the request; StepDone: nothing.
func (a *asking) loginStep(hinted bool) (oidc.StepKind, *oidc.Error) {
	r, l := &a.Request, a.login
	if l == nil || r.Direct && (l.Relayed() || factor.ByChannel(l.About.Factors)) {
		return oidc.StepLogin, nil
	}
	if fresh := a.Login == l.ID; !fresh {
		switch {
		case r.Wants(request.PromptLogin) || a.tooOld(time.Now()) || !hinted:
			return oidc.StepLogin, nil
		case r.Wants(request.PromptAccount) && a.Confirmed != l.ID:
			return oidc.StepAccount, nil
		}
	} else if !hinted {
		return "", &oidc.Error{Code: oidc.LoginRequired, Description: "the person who logged in is not the one that id_token_hint names", Reason: "hint_mismatch"}
	}
	need := a.need()
	if l.Assurance() >= need && l.Strength() >= r.Strength {
		return oidc.StepDone, nil
	}
	switch {
	case factor.Assurance(l.State.Proofing) < need:
		return "", errProofing
	case need > factor.All().Most():
		return "", &oidc.Error{Code: oidc.UnmetAuthenticationRequirements, Description: "no login here reaches the assurance that is asked for", Reason: "assurance_unreachable"}
	}
	a.further = factor.All().Further(l.About.Factors, l.State.Can, max(need, r.Strength))
	switch {
	case len(a.further) == 0 && l.State.Waits && max(need, r.Strength) <= 2: // which waiting helps
		return "", errPhoneWaits
	case len(a.further) == 0 && !l.State.Waits && slices.ContainsFunc(l.About.Factors, func(p factor.Proof) bool { return p.Factor == factor.Password && p.Phone != "" }):
		return oidc.StepLogin, nil // it was proved while the phone waited
	case len(a.further) == 0 && factor.Elsewhere(l.About.Factors) && factor.All().Strength(l.State.Can) >= max(need, r.Strength):
		return oidc.StepLogin, nil // the account's own means do, without what was proved there
	case len(a.further) == 0:
		return "", &oidc.Error{Code: oidc.UnmetAuthenticationRequirements, Description: "this person has no second factor", Reason: oidc.ReasonNoSecondFactor}
	}
	return oidc.StepSecondFactor, nil
}

// need returns the assurance that the login must have: the one that is asked for, but at
// least the client's floor.
func (a *asking) need() factor.Assurance {
	if a.Request.Portal() {
		return a.Request.Assurance
	}
	return max(a.Request.Assurance, a.Client.Floor(a.Participant.Class))
}

// tooOld reports whether the login is too old for the request.
func (a *asking) tooOld(now time.Time) bool {
	age := a.maxAge()
	return age != nil && now.Sub(a.login.Proved()) >= seconds(*age)
}

// maxAge returns the greatest age of the login, in seconds; nil: any.
func (a *asking) maxAge() *int64 { return a.Request.GreatestAge(a.Client) }

// present returns a step with everything that its page needs.
func (p *Service) present(ctx context.Context, a *asking, kind oidc.StepKind) (oidc.Step, error) {
	step := oidc.Step{Kind: kind, Handle: a.Handle, Request: a.Request.View(a.Standing)}
	if u := a.Upstream; u != nil {
		step.Upstream = &oidc.Elsewhere{Provider: u.Provider, Reason: u.Refused, Unlinked: u.Person != nil}
	}
	if kind == oidc.StepLogin || a.login == nil {
		step.Anew = a.Request.Wants(request.PromptLogin) || a.maxAge() != nil
		return step, nil
	}
	s, err := p.c.Sessions.Show(ctx, a.login)
	if err != nil {
		return oidc.Step{}, err
	}
	s.Current = true
	step.Session = &s
	if kind == oidc.StepSecondFactor {
		step.Further = a.further
	}
	if kind == oidc.StepActing {
		step.Acting = &a.behalf.View
	}
	if kind == oidc.StepConsent {
		step.ActsFor = a.behalf.ActsFor()
		if step.Consent, err = p.describe(ctx, a); err != nil {
			return oidc.Step{}, p.settle(ctx, a, err)
		}
	}
	return step, nil
}

// finish answers a request for which nothing more is needed.
func (p *Service) finish(ctx context.Context, a *asking) (oidc.Step, error) {
	if a.Request.Portal() {
		return finishPortal(a), p.c.Waiting.Save(ctx, a.Entry)
	}
	if err := conclude(ctx, p, a, "", a.login.ID); err != nil {
		return oidc.Step{}, err
	}
	return p.grantCode(ctx, a)
}

// finishPortal leads to the page of our own site that was asked for.
func finishPortal(a *asking) oidc.Step {
	return oidc.Step{Kind: oidc.StepDone, Request: a.Request.View(a.Standing), Response: &oidc.Response{RedirectURI: a.Request.Path, Local: true}}
}

// back is where somebody goes who gives up a page of our own.
func (a *asking) back() string {
	if a.login == nil || a.Request.Back == "" {
		return "/"
	}
	return a.Request.Back
}

// answerDenied answers a request with a refusal that somebody decided on.
func (p *Service) answerDenied(a *asking, e *oidc.Error) oidc.Step {
	step := oidc.Step{Kind: oidc.StepDone, Request: a.Request.View(a.Standing)}
	if a.Request.Portal() {
		step.Response = &oidc.Response{RedirectURI: a.back(), Local: true}
	} else {
		step.Response = p.reader.ErrorResponse(&a.Request.Destination, e)
	}
	return step
}

// grantCode answers a request with an authorization code.
func (p *Service) grantCode(ctx context.Context, a *asking) (oidc.Step, error) {
	behalf := token.BehalfOf(a.behalf.Acting)
	offline, err := p.c.Consents.Offline(ctx, a.asks(), a.login.Relayed(), a.login.About.Party, behalf)
	if err != nil {
		return oidc.Step{}, err
	}
	now := time.Now().UTC()
	g := grant.Authorization{
		Client: a.Client.ID, RedirectURI: a.Request.RedirectURI, Challenge: a.Request.Challenge, Nonce: a.Request.Nonce,
		Session: a.login.ID, Offline: offline, Ends: a.login.Expires,
		About: token.About{
			Account: a.login.About.Account, Party: a.login.About.Party, SID: a.login.SID(a.Client.ID), AuthTime: a.login.About.AuthTime.Unix(), Since: a.login.About.SinceUnix(),
			Factors: a.login.About.Factors, Assurance: a.login.Assurance(), Scopes: a.scopes(), Grant: a.grant, Behalf: behalf,
		},
	}
	if offline {
		g.Ends = now.Add(p.c.OfflineLife)
	} else {
		g.About.Scopes = slices.DeleteFunc(slices.Clone(g.About.Scopes), func(s oidc.Scope) bool { return s == oidc.ScopeOffline })
	}
	code, err := p.c.Grants.NewCode(ctx, g)
	if err != nil {
		return oidc.Step{}, err
	}
	return oidc.Step{
		Kind: oidc.StepDone, Request: a.Request.View(a.Standing),
		Response: p.reader.Response(&a.Request.Destination, oidc.Parameter{Name: "code", Value: code.Reveal()}),
	}, nil
}
