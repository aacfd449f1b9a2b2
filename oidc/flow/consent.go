package flow

import (
	"context"
	"crypto/sha256"
	"encoding/base64"
	"errors"
	"fmt"

	"yizheng.internal/oidc"
	"yizheng.internal/oidc/consent"
	"yizheng.internal/oidc/request"
	"yizheng.internal/signing/journal"
)

// needsConsent reports whether the person must agree before the request is answered,
// for one of these reasons: it asks for licenses; it shows who they are to a participant
// that isn't a department; the client wants consent; another program could pose as the
// client.
func (a *asking) needsConsent() bool {
	r := &a.Request
	return r.Detail != nil || !r.Portal() && (r.Wants(request.PromptConsent) || a.asks().Uncertain() || len(a.consents()) > 0)
}

// asks returns the request as far as it matters for consent.
func (a *asking) asks() *consent.Question {
	return &consent.Question{Request: &a.Request, Standing: a.Standing, Scopes: a.scopes(), Agreed: a.agreed}
}

// consents returns the scopes that the person must agree to.
func (a *asking) consents() []oidc.Scope {
	switch {
	case a.Request.Portal():
		return nil
	case a.IsAnswered():
		return a.Consented // the form was sent twice: the second copy shows the same scopes
	}
	return a.asks().Asks()
}

// scopes returns the request's scopes that the login's assurance suffices for.
func (a *asking) scopes() []oidc.Scope {
	if a.login == nil {
		return a.Request.Scopes
	}
	return oidc.ShownScopes(a.Request.Scopes, a.login.Assurance())
}

// facts returns what tells an [oidc.Resolver] who asks whom.
func (p *judge) facts(ctx context.Context, a *asking) (oidc.DetailFacts, error) {
	who, err := p.c.Sessions.Party(ctx, a.login.About.Party)
	if err != nil {
		return oidc.DetailFacts{}, err
	}
	kin, err := p.c.Behalf.Relatives(ctx, a.represents(), a.behalf.Acting)
	return oidc.DetailFacts{
		Client: a.Client, Participant: a.Participant, Party: who, Acting: a.behalf.Acting, Kin: kin, Assurance: a.login.Assurance(),
		Session: sha256.Sum256([]byte(a.login.ID)), Request: a.Request.Hash(), RequestID: a.browser.RequestID,
	}, err
}

// reuse decides on prompt=none where consent is needed: only a recurring grant that
// covers exactly what is asked for takes the place of consent.
func (p *judge) reuse(ctx context.Context, a *asking) (oidc.StepKind, error) {
	required := p.refusalOf(a, &oidc.Error{Code: oidc.ConsentRequired, Description: "the person must agree to what is asked for"})
	if a.Request.Detail == nil || len(a.consents()) > 0 {
		return "", required
	}
	facts, err := p.facts(ctx, a)
	if err != nil {
		return "", err
	}
	a.grant, err = p.c.Resolver.Reuse(ctx, facts, *a.Request.Detail)
	if err != nil {
		return "", p.refusalOf(a, err)
	}
	if a.grant == "" {
		return "", required
	}
	return oidc.StepDone, nil
}

// describe returns what the consent page shows. Refusals are *RequestError.
func (p *Service) describe(ctx context.Context, a *asking) (*oidc.ConsentView, error) {
	view := &oidc.ConsentView{Scopes: a.consents()}
	var shown [32]byte
	if a.Request.Detail != nil {
		facts, err := p.judge.facts(ctx, a)
		if err != nil {
			return nil, err
		}
		offer, err := p.c.Resolver.Describe(ctx, facts, *a.Request.Detail, a.find)
		if err != nil {
			return nil, p.judge.refusalOf(a, err)
		}
		view.Offer, shown = offer, offer.Shown()
	}
	view.Form = a.form(shown)
	return view, nil
}

// form returns the one-use id of the session's consent form; shown is the hash of what
// it shows. The id stays the same however often the page is loaded; it is another one for whoever the person acts.
func (a *asking) form(shown [32]byte) string {
	return oidc.Derive(a.Seed, "consent", a.login.ID, base64.RawURLEncoding.EncodeToString(shown[:]), oidc.JoinScopes(a.consents()), a.behalf.By())
}

// Find looks for something on the consent page (StepConsent) and decides nothing.
type Find struct{ For map[string]string } // see [oidc.Resolver].Describe

func (f Find) take(ctx context.Context, p *Service, a *asking) (oidc.Step, error) {
	a.find = f.For
	return p.again(ctx, a, oidc.Problem{})
}

// Decision is the answer of a consent form (StepConsent). If what was shown has changed, the
// page is shown again. A form that is sent twice within a minute gets another code for the same
// grant, while the grant is pending.
type Decision oidc.Decision

func (d Decision) take(ctx context.Context, p *Service, a *asking) (oidc.Step, error) {
	switch {
	case d.Refused:
		return p.refuseAll(ctx, a, &oidc.Error{Code: oidc.AccessDenied, Description: "the person did not agree", Reason: oidc.ReasonConsentRefused})
	case d.Undecided:
		return p.again(ctx, a, oidc.Problem{Kind: oidc.ProblemChoose})
	case !oidc.SameText(a.form(d.Agreement.Shown), d.Form): // altered, or of another session
		return p.again(ctx, a, oidc.Problem{Kind: oidc.ProblemChanged})
	}
	return d.agree(ctx, p, a)
}

// agree makes the grant of what the person agreed to, and then the code.
func (d Decision) agree(ctx context.Context, p *Service, a *asking) (oidc.Step, error) {
	if a.Request.Detail != nil {
		facts, err := p.judge.facts(ctx, a)
		if err != nil {
			return oidc.Step{}, err
		}
		d.Agreement.Form, d.Agreement.Find = d.Form, a.find
		a.grant, err = p.c.Resolver.Grant(ctx, facts, *a.Request.Detail, d.Agreement)
		switch {
		case errors.Is(err, oidc.ErrShownChanged):
			return p.again(ctx, a, oidc.Problem{Kind: oidc.ProblemChanged})
		case errors.Is(err, oidc.ErrRefusedAll):
			return p.refuseAll(ctx, a, oidc.ErrRefusedAll)
		case err != nil:
			return oidc.Step{}, p.notGranted(ctx, a, err)
		}
		p.c.Step("consent.granted")
	}
	if err := p.recordConsent(ctx, a, journal.ResultOK); err != nil {
		return oidc.Step{}, err
	}
	p.c.Step("consent.recorded")
	if !a.IsAnswered() {
		err := conclude(ctx, p, a, d.Form, a.login.ID)
		if _, late := errors.AsType[*oidc.GoneError](err); late {
			return p.Answer(ctx, a.Handle, a.browser, *a.sent) // the same form, sent twice at once
		}
		if err != nil {
			return oidc.Step{}, err
		}
	}
	// Only after the answer: a second copy of the form that arrives before the answer must
	// still find these scopes not agreed to.
	if a.asks().Remembers() {
		who := oidc.Actor{ID: a.login.About.Account, RequestID: a.browser.RequestID}
		if err := p.c.Consents.Remember(ctx, who, a.login.About.Party, a.Client.ID, a.consents()); err != nil {
			return oidc.Step{}, err
		}
	}
	return p.grantCode(ctx, a)
}

// notGranted maps a refusal of the grant. If the form is wrong, the person is told so, and
// not the client.
func (p *Service) notGranted(ctx context.Context, a *asking, err error) error {
	e, ok := errors.AsType[*oidc.Error](err)
	if !ok || e.Code == oidc.TemporarilyUnavailable {
		return err
	}
	if err := p.recordConsent(ctx, a, e.EventReason()); err != nil {
		return err
	}
	if e.Code == oidc.InvalidRequest {
		return request.PageError(&a.Client, e)
	}
	return p.settle(ctx, a, p.judge.refusalOf(a, e))
}

// refuseAll answers a request with the person's refusal.
func (p *Service) refuseAll(ctx context.Context, a *asking, e *oidc.Error) (oidc.Step, error) {
	if err := p.recordConsent(ctx, a, e.EventReason()); err != nil {
		return oidc.Step{}, err
	}
	if err := conclude(ctx, p, a, "", ""); err != nil {
		return oidc.Step{}, err
	}
	return p.answerDenied(a, e), nil
}

func (p *Service) recordConsent(ctx context.Context, a *asking, result string) error {
	record := p.c.Journal.Record
	if result != journal.ResultOK { // the same form can be sent again and again
		record = p.c.Journal.Repeating
	}
	if err := record(ctx, oidc.Actor{ID: a.login.About.Account, RequestID: a.browser.RequestID}.Did(journal.ActionConsent, a.Client.ID, result)); err != nil {
		return oidc.Unavailable(fmt.Errorf("recording a consent: %w", err))
	}
	return nil
}

// recall loads what the person agreed to before, if that matters for the request.
func (p *judge) recall(ctx context.Context, a *asking) (err error) {
	a.agreed = nil
	if a.login != nil && a.asks().Remembers() {
		a.agreed, err = p.c.Consents.Agreed(ctx, a.login.About.Party, a.Client.ID)
	}
	return err
}
