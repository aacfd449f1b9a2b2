package oidc

import (
	"context"
	"crypto/sha256"
	"crypto/subtle"
	"encoding/base64"
	"errors"
	"fmt"
	"slices"
	"strings"
	"time"

	"yizheng.internal/oidc/identity"
	"yizheng.internal/signing/journal"
)

// needsConsent reports whether the person must agree before the request is
// answered: to licenses, to showing a participant that is no department who they
// are, because the client wants them asked, or because another program could pass
// for it.
func (a *asking) needsConsent() bool {
	r := &a.Request
	return r.Detail != nil || !r.portal() && (r.prompts(promptConsent) || a.uncertain() || len(a.consents()) > 0)
}

// uncertain reports whether nothing shows that it is really the client that asks:
// it has no secret, and whatever program runs beside the browser can listen where
// the answer goes, but for https. Without a look at who asks, such a program
// would get a login with nobody noticing (RFC 8252 section 8.6).
func (a *asking) uncertain() bool {
	return a.client.Public() && !strings.HasPrefix(a.Request.RedirectURI, "https:")
}

// consents returns the scopes that the person must agree to. Where the participant
// is no department: all that show who they are, and openid, by which it knows them
// again for good, unless they agreed to that before. Where it isn't certain who
// asks, or the client wants it so: those that show who they are, each time.
func (a *asking) consents() []Scope {
	r := &a.Request
	switch {
	case r.portal():
		return nil
	case !a.Answered.IsZero():
		return a.Consented // the form was sent twice: it showed what the first one did
	}
	asked := r.prompts(promptConsent)
	again := asked || a.uncertain()
	foreign := a.participant.Class != identity.Government
	var scopes []Scope
	if foreign && (again || !slices.Contains(a.agreed, ScopeOpenID)) {
		scopes = append(scopes, ScopeOpenID) // whatever is asked for: the token has the subject
	}
	for _, s := range a.scopes() {
		if s.identifies() && (again || foreign && !slices.Contains(a.agreed, s)) || s == ScopeOffline && asked {
			scopes = append(scopes, s)
		}
	}
	return scopes
}

// scopes returns those of the request's scopes that the login is good for.
func (a *asking) scopes() []Scope {
	if a.login == nil {
		return a.Request.Scopes
	}
	return shown(a.Request.Scopes, a.login.assurance())
}

// facts say to a [Resolver] who asks whom.
func (a *asking) facts(who identity.Party) DetailFacts {
	return DetailFacts{
		Client: a.client, Participant: a.participant, Party: who, Assurance: a.login.assurance(),
		Session: sha256.Sum256([]byte(a.login.ID)), Request: a.Request.hash(), RequestID: a.browser.RequestID,
	}
}

// reuse answers prompt=none where consent is needed: with a recurring grant
// that covers exactly what is asked for, and nothing else.
func (p *Provider) reuse(ctx context.Context, a *asking) (StepKind, error) {
	required := p.refusalOf(a, &Error{Code: ConsentRequired, Description: "the person must agree to what is asked for"})
	if a.Request.Detail == nil || len(a.consents()) > 0 {
		return "", required
	}
	who, err := p.party(ctx, a.login.body.Party)
	if err != nil {
		return "", err
	}
	a.grant, err = p.c.Resolver.Reuse(ctx, a.facts(who), a.Request.Detail)
	if err != nil {
		return "", p.refusalOf(a, err)
	}
	if a.grant == "" {
		return "", required
	}
	return StepDone, nil
}

// describe returns what the consent page shows. Refusals are *RequestError.
func (p *Provider) describe(ctx context.Context, a *asking, who identity.Party) (*ConsentView, error) {
	view := &ConsentView{Scopes: a.consents()}
	var shown [32]byte
	if a.Request.Detail != nil {
		d, err := p.c.Resolver.Describe(ctx, a.facts(who), a.Request.Detail, a.find)
		if err != nil {
			return nil, p.refusalOf(a, err)
		}
		view.Detail, shown = &d, d.Shown
	}
	view.Form = a.form(shown)
	return view, nil
}

// form returns the one-use id of the consent form that shows so much to the
// session: the same one however often the page is loaded.
func (a *asking) form(shown [32]byte) string {
	return derive(a.Seed, "consent", a.login.ID, base64.RawURLEncoding.EncodeToString(shown[:]), JoinScopes(a.consents()))
}

// Decide takes the answer of a consent form and returns what comes next: done,
// or the consent page again if what was shown has changed. A form that is sent
// twice within a minute gets another code for the same grant, while that is
// pending. ErrRequestGone; refusals are *RequestError.
func (p *Provider) Decide(ctx context.Context, handle Secret, b Browser, d Decision) (Step, error) {
	k, err := p.changeRequest(ctx, handle, b, nil)
	if err != nil {
		return Step{}, err
	}
	again := !k.Answered.IsZero()
	if again && (d.Refused || k.Form == "" || !sameText(k.Form, d.Form) || time.Since(k.Answered) > answeredAgain) {
		return Step{}, p.gone(ctx, &k)
	}
	a, err := p.askKept(ctx, k, handle, b)
	if err != nil {
		return Step{}, err
	}
	a.find = d.Agreement.Find
	if again && (a.login == nil || a.login.ID != k.Session) {
		return Step{}, p.gone(ctx, &k)
	}
	kind, err := p.demand(ctx, a)
	if err != nil {
		return Step{}, p.settle(ctx, a, err)
	}
	if kind != StepConsent {
		return p.next(ctx, a) // such as the login page: the session ended meanwhile
	}
	if d.Refused {
		return p.refuseAll(ctx, a, &Error{Code: AccessDenied, Description: "the person did not agree", Reason: "consent_refused"})
	}
	if !sameText(a.form(d.Agreement.Shown), d.Form) {
		return p.present(ctx, a, kind) // altered, or of another session: show what there is to agree to
	}
	return p.agree(ctx, a, d)
}

func sameText(a, b string) bool { return subtle.ConstantTimeCompare([]byte(a), []byte(b)) == 1 }

// agree makes the grant of what the person agreed to, and then the code.
func (p *Provider) agree(ctx context.Context, a *asking, d Decision) (Step, error) {
	if a.Request.Detail != nil {
		who, err := p.party(ctx, a.login.body.Party)
		if err != nil {
			return Step{}, err
		}
		d.Agreement.Form = d.Form
		a.grant, err = p.c.Resolver.Grant(ctx, a.facts(who), a.Request.Detail, d.Agreement)
		switch {
		case errors.Is(err, ErrShownChanged):
			return p.present(ctx, a, StepConsent)
		case errors.Is(err, ErrRefusedAll):
			return p.refuseAll(ctx, a, ErrRefusedAll)
		case err != nil:
			return Step{}, p.notGranted(ctx, a, err)
		}
		p.step("consent.granted")
	}
	if err := p.recordConsent(ctx, a, journal.ResultOK); err != nil {
		return Step{}, err
	}
	p.step("consent.recorded")
	if a.Answered.IsZero() {
		err := p.answer(ctx, a, d.Form, a.login.ID)
		if _, late := errors.AsType[*GoneError](err); late {
			return p.Decide(ctx, a.handle, a.browser, d) // the same form, sent twice at once
		}
		if err != nil {
			return Step{}, err
		}
	}
	// After the answer: what came of the same form before sees it as not yet agreed to.
	if err := p.remember(ctx, a); err != nil {
		return Step{}, err
	}
	return p.grantCode(ctx, a)
}

// notGranted maps a refusal of the grant. What is wrong with the form is for the
// person to see and not for the client.
func (p *Provider) notGranted(ctx context.Context, a *asking, err error) error {
	e, ok := errors.AsType[*Error](err)
	if !ok || e.Code == TemporarilyUnavailable {
		return err
	}
	if err := p.recordConsent(ctx, a, e.reason()); err != nil {
		return err
	}
	if e.Code == InvalidRequest {
		return pageError(&a.client, e)
	}
	return p.settle(ctx, a, p.refusalOf(a, e))
}

// refuseAll answers a request with the person's refusal.
func (p *Provider) refuseAll(ctx context.Context, a *asking, e *Error) (Step, error) {
	if err := p.recordConsent(ctx, a, e.reason()); err != nil {
		return Step{}, err
	}
	if err := p.answer(ctx, a, "", ""); err != nil {
		return Step{}, err
	}
	return p.answerDenied(a, e), nil
}

func (p *Provider) recordConsent(ctx context.Context, a *asking, result string) error {
	record := p.journal.Record
	if result != journal.ResultOK { // the same form may come again and again
		record = p.journal.Repeating
	}
	if err := record(ctx, Actor{a.login.body.Account, a.browser.RequestID}.Did(journal.ActionConsent, a.client.ID, result)); err != nil {
		return unavailable(fmt.Errorf("recording a consent: %w", err))
	}
	return nil
}
