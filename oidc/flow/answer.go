package flow

import (
	"context"
	"errors"
	"log/slog"
	"slices"
	"time"

	"yizheng.internal/oidc"
	"yizheng.internal/oidc/identity"
	"yizheng.internal/oidc/identity/factor"
	"yizheng.internal/oidc/request"
	"yizheng.internal/oidc/session"
	"yizheng.internal/oidc/waiting"
)

// Form is the form that a browser sent from the page of a step.
type Form struct {
	At     oidc.StepKind // the step whose page it was
	Token  string        // the form's token; see [oidc.Browser].FormToken and [oidc.StepKind].Purpose
	Answer Answer
	Found  map[string]string // what the person looked for on the page of StepConsent; see [oidc.Resolver].Describe
	// Wait is called before a secret is tried. It either counts the try and returns 0, or
	// doesn't count it and returns how long the browser's address must wait.
	Wait func() time.Duration
	// Language returns the language in which to write to the person, for a request with
	// these ui_locales.
	Language func(locales []string) string
}

// Answer is a person's answer to a step: one of the types of this package that have these
// methods.
type Answer interface {
	// take carries out the answer and returns what comes next.
	take(ctx context.Context, p *Service, a *asking) (oidc.Step, error)
	// tries reports whether the answer tries a secret or has a message sent. If so,
	// [Service.take] asks for the limit of the browser's address first.
	tries() bool
}

func (Password) tries() bool     { return true }
func (Confirmation) tries() bool { return true }
func (Alone) tries() bool        { return true }
func (Code) tries() bool         { return true }
func (SendCode) tries() bool     { return true }
func (PhoneNumber) tries() bool  { return true }
func (PhoneCode) tries() bool    { return true }
func (PhonePerson) tries() bool  { return true }
func (Account) tries() bool      { return false }
func (Decision) tries() bool     { return false }
func (Find) tries() bool         { return false }
func (Cancel) tries() bool       { return false }
func (Act) tries() bool          { return false }
func (ActAnew) tries() bool      { return false }

// Factors checks the proofs by which people log in. [factor.Service] implements it; its
// methods say what they refuse.
type Factors interface {
	CheckPassword(ctx context.Context, a factor.Attempt) (identity.Account, error)
	CheckAlone(ctx context.Context, n factor.Name, a factor.AloneAttempt) (identity.Account, factor.Proof, error)
	AloneOptions(ctx context.Context, n factor.Name, binding string) (string, error)
	ConfirmLogin(ctx context.Context, challenge, binding, code, requestID string) (identity.Account, error)
	Begin(ctx context.Context, n factor.Name, l factor.Login) (factor.Begun, error)
	Finish(ctx context.Context, n factor.Name, l factor.Login, answer string) (factor.Proof, error)
	DeviceToken(ctx context.Context, account identity.Account, had string) (string, error)
}

// Answer takes a form and returns what comes next. It loads the request once and stores it
// at most once. The answer counts if the request is at the form's step and the form belongs to
// this browser and session. Otherwise Answer returns that step with what is wrong, or the step
// at which the request is.
//
// A form that is sent twice within a minute, as by a double click, succeeds both times: the
// password's form yields one session with one cookie, the consent form yields one grant, and
// each copy gets its own code. Errors: ErrRequestGone; refusals are *RequestError. Step.Cookies
// and Step.Request are valid beside an error, too.
func (p *Service) Answer(ctx context.Context, handle oidc.Secret, b oidc.Browser, f Form) (oidc.Step, error) {
	a, err := find(ctx, p, handle, b)
	if err != nil {
		return oidc.Step{}, err
	}
	a.sent, a.find = &f, f.Found
	if a.IsAnswered() && !a.answeredBy(f.Answer) {
		return oidc.Step{}, p.c.Waiting.Gone(ctx, a.Entry)
	}
	if err := p.stand(ctx, a); err != nil {
		return oidc.Step{}, err
	}
	step, err := p.take(ctx, a)
	step.Request, step.Cookies = a.Request.View(a.Standing), a.cookies
	return step, err
}

// answeredBy reports whether the request may have got this same answer less than a minute
// ago, because the form was sent twice.
func (a *asking) answeredBy(answer Answer) bool {
	switch answer := answer.(type) {
	case login:
		return a.AnsweredByLogin()
	case Decision:
		return !answer.Refused && a.AnsweredByForm(answer.Form)
	}
	return false
}

// take carries out the form's answer, if the answer counts.
func (p *Service) take(ctx context.Context, a *asking) (oidc.Step, error) {
	genuine := a.browser.CheckForm(a.sent.At.Purpose(), a.sent.Token)
	first, logsIn := a.sent.Answer.(login)
	if a.IsAnswered() {
		if logsIn {
			return repeat(ctx, p, a, first, genuine)
		}
		if a.login == nil || a.login.ID != a.Session {
			return oidc.Step{}, p.c.Waiting.Gone(ctx, a.Entry)
		}
	}
	if _, cancel := a.sent.Answer.(Cancel); cancel && genuine && a.sent.At == oidc.StepConsent {
		return a.sent.Answer.take(ctx, p, a) // at any step: the session may have ended
	}
	kind, err := p.judge.demand(ctx, a)
	a.chooseSent()
	switch {
	case err != nil:
		return oidc.Step{}, p.settle(ctx, a, err)
	case kind == oidc.StepSecondFactor && logsIn && a.sent.At == oidc.StepLogin: // the same form logged in a moment ago
		return SendCode{}.first(ctx, p, a)
	case kind != a.sent.At: // for example, somebody logged in meanwhile in another tab
		return p.lead(ctx, a, kind)
	case !genuine:
		return p.again(ctx, a, oidc.Problem{Kind: oidc.ProblemStale})
	}
	if a.sent.Answer.tries() {
		if wait := a.sent.Wait(); wait > 0 {
			return p.again(ctx, a, oidc.Problem{Kind: oidc.ProblemLimited, Wait: wait})
		}
	}
	return a.sent.Answer.take(ctx, p, a)
}

// again shows the form's page once more, with what is wrong.
func (p *Service) again(ctx context.Context, a *asking, wrong oidc.Problem) (oidc.Step, error) {
	step, err := p.present(ctx, a, a.sent.At)
	step.Again, step.Problem = true, wrong
	switch answer := a.sent.Answer.(type) {
	case Alone:
		step.Alone = answer.Factor
	case PhoneNumber:
		if answer.Again {
			step.Phone = &oidc.PhoneLogin{Number: answer.Phone}
		}
	case PhoneCode:
		step.Phone = &oidc.PhoneLogin{Number: answer.Phone}
	case PhonePerson:
		step.Phone = &oidc.PhoneLogin{Number: answer.Phone, Question: answer.Question}
	}
	return step, err
}

// errProofing refuses a request that needs more than the level of who is logged in.
var errProofing = &oidc.Error{Code: oidc.UnmetAuthenticationRequirements, Description: "the identity of this person is not proofed well enough for what is asked", Reason: "proofing_too_low"}

// errPhoneWaits refuses a request that needs a second factor, which only waiting gives.
var errPhoneWaits = &oidc.Error{Code: oidc.UnmetAuthenticationRequirements, Description: "this person's phone is no second factor until a day after it changed, or recovered the password", Reason: oidc.ReasonPhoneWaits}

// told returns the step of the page that tells the person of a refusal before the client gets it, or "".
func (p *judge) told(a *asking, refusal *oidc.Error) oidc.StepKind {
	switch {
	case a.Request.Wants(request.PromptNone):
	case refusal == errProofing && a.need() <= p.c.Raises:
		return oidc.StepProofing
	case refusal == errPhoneWaits && !a.Request.Portal(): // our own pages have an error page that says the same
		return oidc.StepPhoneWaits
	}
	return ""
}

// Cancel ends the request: the client gets access_denied, or why the request couldn't go on.
type Cancel struct{}

func (Cancel) take(ctx context.Context, p *Service, a *asking) (oidc.Step, error) {
	switch a.sent.At {
	case oidc.StepProofing:
		return oidc.Step{}, p.settle(ctx, a, p.judge.refusalOf(a, errProofing))
	case oidc.StepPhoneWaits:
		return oidc.Step{}, p.settle(ctx, a, p.judge.refusalOf(a, errPhoneWaits))
	}
	if err := conclude(ctx, p, a, "", ""); err != nil {
		return oidc.Step{}, err
	}
	return p.answerDenied(a, a.behalf.GivenUp(a.sent.At)), nil
}

// Account says whether to go on with the account that is logged in, or to log in with another
// one (StepAccount).
type Account struct{ Other bool }

func (w Account) take(ctx context.Context, p *Service, a *asking) (oidc.Step, error) {
	if w.Other {
		if err := p.c.Sessions.LogOut(ctx, a.browser); err != nil {
			return oidc.Step{}, err
		}
		a.login, a.browser.Session, a.cookies = nil, oidc.Secret{}, oidc.Cookies{LoggedOut: true}
	} else {
		id := a.login.ID
		a.Note(func(k *waiting.Kept) { k.Confirmed = id })
	}
	return p.next(ctx, a)
}

// SendCode has a one-time code sent (StepSecondFactor).
type SendCode struct {
	Factor factor.Name // one of [oidc.Step].Further; empty: the first
}

func (c SendCode) take(ctx context.Context, p *Service, a *asking) (oidc.Step, error) {
	if !a.choose(c.Factor) {
		return p.again(ctx, a, oidc.Problem{Kind: oidc.ProblemStale})
	}
	sent, wrong := c.send(ctx, p, a)
	if wrong != (oidc.Problem{}) {
		return p.again(ctx, a, wrong)
	}
	step, err := p.present(ctx, a, oidc.StepSecondFactor)
	step.Sent = sent
	return step, err
}

// first sends a code to somebody whose password was right, unless one was sent just now. It
// hides a failure: the code's page has a button that sends again, and that says what is wrong.
func (c SendCode) first(ctx context.Context, p *Service, a *asking) (oidc.Step, error) {
	step, err := p.present(ctx, a, oidc.StepSecondFactor)
	if err == nil {
		step.Sent, _ = c.send(ctx, p, a)
	}
	return step, err
}

// send sends a code, or says why it can't. It returns nil and no problem for a factor that
// needs nothing to be sent.
func (SendCode) send(ctx context.Context, p *Service, a *asking) (*factor.Begun, oidc.Problem) {
	sent, err := p.c.Factors.Begin(ctx, a.further[0], a.proving())
	switch {
	case err == nil && sent.Phone == "":
		return nil, oidc.Problem{}
	case err == nil:
		return &sent, oidc.Problem{}
	}
	refused, ok := errors.AsType[*identity.Error](err)
	if !ok {
		p.c.Log.LogAttrs(ctx, slog.LevelError, "a code could not be sent", slog.String("request_id", a.browser.RequestID), slog.String("error", err.Error()))
	}
	return nil, oidc.Problem{Kind: oidc.ProblemNotSent, Refused: refused}
}

// Code is a one-time code, as the second factor.
type Code struct {
	Factor factor.Name // one of [oidc.Step].Further; empty: the first
	Code   string
}

func (c Code) take(ctx context.Context, p *Service, a *asking) (oidc.Step, error) {
	if !a.choose(c.Factor) {
		return p.again(ctx, a, oidc.Problem{Kind: oidc.ProblemStale})
	}
	if e := a.unsigned(a.further[0], c.Code); e != nil {
		return p.again(ctx, a, oidc.Problem{Kind: oidc.ProblemCode, Refused: e})
	}
	proof, err := p.c.Factors.Finish(ctx, a.further[0], a.proving(), c.Code)
	if e, ok := errors.AsType[*identity.Error](err); ok {
		return p.again(ctx, a, oidc.Problem{Kind: oidc.ProblemCode, Refused: e})
	} else if err != nil {
		return oidc.Step{}, err
	}
	if err := p.stepUp(ctx, a, proof); err != nil {
		return oidc.Step{}, err
	}
	if proof.Factor == factor.Password {
		checked := identity.Account{ID: a.login.About.Account, Password: identity.PasswordHash{Set: a.login.State.Password}}
		a.knowDevice(ctx, p, checked, p.c.Factors.DeviceToken)
	}
	return p.next(ctx, a)
}

// choose moves the factor that a form is about to the front of a.further; an empty name means
// the first one. It reports false if that factor doesn't suffice, as when the account lost it
// since.
func (a *asking) choose(n factor.Name) bool {
	i := slices.Index(a.further, n)
	if i > 0 {
		a.further = slices.Concat(a.further[i:i+1], a.further[:i], a.further[i+1:])
	}
	return i >= 0 || n == ""
}

// chooseSent has the page that comes again be about the factor of the form that was sent.
func (a *asking) chooseSent() {
	switch answer := a.sent.Answer.(type) {
	case Code:
		a.choose(answer.Factor)
	case SendCode:
		a.choose(answer.Factor)
	}
}

// proving returns the login in which a further factor is proved.
func (a *asking) proving() factor.Login {
	return factor.Login{
		Account: a.login.About.Account, Binding: a.login.ID, Device: a.browser.Device, Address: a.browser.Address,
		Language: a.sent.Language(a.Request.UILocales), RequestID: a.browser.RequestID, Certificate: a.browser.Certificate,
	}
}

// stepUp adds the proof of a further factor to the session.
func (p *Service) stepUp(ctx context.Context, a *asking, proof factor.Proof) error {
	l, cookie, err := p.c.Sessions.StepUp(ctx, a.browser, proof)
	if err == nil {
		a.enters(l, cookie)
	}
	return err
}

// enters lets the browser go on in a session, under the session's new cookie.
func (a *asking) enters(l *session.Login, cookie oidc.Secret) {
	a.login, a.browser.Session, a.cookies.Session = l, cookie, cookie
}
