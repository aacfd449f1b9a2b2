package api

import (
	"context"
	"errors"
	"log/slog"
	"net/http"
	"net/url"
	"strconv"
	"strings"
	"time"

	"yizheng.internal/api/problem"
	"yizheng.internal/api/web"
	"yizheng.internal/license/party"
	"yizheng.internal/oidc"
	"yizheng.internal/oidc/identity"
	"yizheng.internal/oidc/identity/factor"
)

// Purposes of forms' tokens.
const (
	purposeLogin    = "login"
	purposeCode     = "code"
	purposeAccount  = "account"
	purposeConsent  = "consent"
	purposeLogout   = "logout"
	purposeGrants   = "grants"
	purposeSession  = "sessions"
	purposeService  = "services"
	purposeSetup    = "setup"
	purposeVerify   = "verify"
	purposePassword = "password"
)

// token returns a form's fields that every form has.
func (v *visit) token(purpose string) web.Form {
	return web.Form{Action: v.r.URL.RequestURI(), Token: v.browser.FormToken(purpose)}
}

// loginPage asks for login and password.
func (s *Server) loginPage(v *visit) error {
	step, err := v.next()
	if err != nil || step.Kind != oidc.StepLogin {
		return v.onward(step, err)
	}
	return v.showLogin(step, http.StatusOK, web.Login{Username: step.Request.LoginHint})
}

func (v *visit) showLogin(step oidc.Step, status int, view web.Login) error {
	v.frame.Quiet = !step.Request.Portal
	view.Form, view.Asker, view.Licenses = v.token(purposeLogin), v.requestAsker(step.Request), step.Request.Licenses
	return v.show(status, view)
}

// logIn takes the login page's form.
func (s *Server) logIn(v *visit) error {
	form, err := v.form()
	if err != nil {
		return err
	}
	step, err := v.next()
	if _, answered := errors.AsType[*oidc.GoneError](err); answered && form.Get("act") == "login" {
		return v.logInTwice(form, err)
	}
	if err == nil && step.Kind == oidc.StepSecondFactor && form.Get("act") == "login" {
		return v.afterLogin(step, *step.Session) // by the same form, a moment ago
	}
	if err != nil || step.Kind != oidc.StepLogin { // logged in meanwhile, as in another tab
		return v.onward(step, err)
	}
	again := web.Login{Username: strings.TrimSpace(form.Get("username"))}
	if !v.checked(form, purposeLogin) {
		again.Problem = "stale"
		return v.showLogin(step, http.StatusForbidden, again)
	}
	if form.Get("act") == "cancel" {
		return v.cancel()
	}
	if wait := s.people.WaitAddress(v.browser.Address, 0, time.Now()); wait > 0 {
		again.Problem, again.Wait = "rate_limited", problem.Seconds(wait)
		return v.showLogin(step, http.StatusTooManyRequests, again)
	}
	if form.Get("act") == "confirm" {
		return v.confirmLogin(step, form)
	}
	if again.Username == "" || form.Get("password") == "" {
		again.Problem = "incomplete"
		return v.showLogin(step, http.StatusUnprocessableEntity, again)
	}
	account, err := v.checkPassword(form)
	if c, ok := errors.AsType[*identity.Challenge](err); ok {
		return v.showConfirm(step, c.Handle, nil)
	}
	if e, ok := errors.AsType[*identity.Error](err); ok {
		p := loginProblem(e)
		again.Problem, again.Wait = p.key, p.wait
		return v.showLogin(step, p.status, again)
	} else if err != nil {
		return err
	}
	return v.loggedIn(account, false)
}

// checkPassword checks what the login's form says.
func (v *visit) checkPassword(form url.Values) (identity.Account, error) {
	return v.s.c.Identity.CheckPassword(v.r.Context(), identity.Attempt{
		Login: strings.TrimSpace(form.Get("username")), Password: form.Get("password"), Device: v.cookie(deviceCookie), Address: v.browser.Address,
		Binding: v.browser.ID.Reveal(), Language: string(v.lang), RequestID: v.browser.RequestID,
	})
}

// logInTwice takes a login's form whose request was answered just now, most likely
// by the same form: without scripts, nothing stops a second click. The password
// counts once more, unless the first answer's cookie has arrived. Whatever is not
// right gets what every answered request gets.
func (v *visit) logInTwice(form url.Values, gone error) error {
	p := v.s.c.Provider
	if v.browser.Session == (oidc.Secret{}) {
		if !v.checked(form, purposeLogin) || v.s.people.WaitAddress(v.browser.Address, 1, time.Now()) > 0 {
			return gone
		}
		account, err := v.checkPassword(form)
		if err != nil {
			return gone
		}
		cookie, _, err := p.Flow.LogIn(v.r.Context(), v.request, v.browser, account, factor.Proof{Factor: factor.Password})
		if err != nil {
			return v.onward(oidc.Step{}, err)
		}
		v.browser.Session = cookie
		v.keepSession(cookie)
	}
	step, err := p.Flow.Again(v.r.Context(), v.request, v.browser)
	return v.onward(step, err)
}

// formProblem says why a form was not taken.
type formProblem struct {
	key    string
	wait   int // seconds; 0: no waiting helps
	status int
}

func loginProblem(e *identity.Error) formProblem {
	switch status, wait := problem.LoginStatus(e); status {
	case http.StatusTooManyRequests:
		return formProblem{e.Reason, wait, status}
	case http.StatusServiceUnavailable:
		return formProblem{"busy", 0, status}
	}
	return formProblem{"login_refused", 0, http.StatusForbidden}
}

// showConfirm asks for the code of a challenge: there were too many tries, and
// whether this one was right isn't said.
func (v *visit) showConfirm(step oidc.Step, challenge string, wrong *formProblem) error {
	v.frame.Quiet = !step.Request.Portal
	view := web.Code{Form: v.token(purposeLogin), Asker: v.requestAsker(step.Request), Challenge: challenge, Sent: true}
	status := http.StatusOK
	if wrong != nil {
		view.Problem, view.Retry, status = wrong.key, wrong.wait, wrong.status
	}
	return v.show(status, view)
}

// confirmLogin takes the code of a challenge.
func (v *visit) confirmLogin(step oidc.Step, form url.Values) error {
	challenge := form.Get("challenge")
	account, err := v.s.c.Identity.ConfirmLogin(v.r.Context(), challenge, v.browser.ID.Reveal(), digits(form.Get("code")), v.browser.RequestID)
	if e, ok := errors.AsType[*identity.Error](err); ok {
		if e.Reason == "code_wrong" {
			return v.showConfirm(step, challenge, codeProblemOf(e, e.Reason))
		}
		return v.showLogin(step, http.StatusForbidden, web.Login{Problem: "confirm_failed"})
	} else if err != nil {
		return err
	}
	return v.loggedIn(account, true)
}

// loggedIn begins the session of somebody whose password was right, and perhaps
// a code, too; else it sends one if that is needed.
func (v *visit) loggedIn(account identity.Account, confirmed bool) error {
	ctx, p := v.r.Context(), v.s.c.Provider
	cookie, session, err := p.Flow.LogIn(ctx, v.request, v.browser, account, factor.Proof{Factor: factor.Password})
	if err != nil {
		return v.onward(oidc.Step{}, err)
	}
	v.browser.Session = cookie
	if confirmed {
		if cookie, err = p.Sessions.StepUp(ctx, v.browser, factor.Proof{Factor: factor.PhoneCode}); err != nil {
			return v.onward(oidc.Step{}, err)
		}
	}
	v.keepSession(cookie)
	v.noteDevice(account)
	step, err := p.Flow.Next(ctx, v.request, v.browser)
	if _, answered := errors.AsType[*oidc.GoneError](err); answered { // by the same form, sent twice at once
		step, err = p.Flow.Again(ctx, v.request, v.browser)
	}
	if err != nil {
		return v.onward(step, err)
	}
	return v.afterLogin(step, session)
}

// afterLogin leads on after the login's page: where a code is needed, one is sent
// at once, unless that was done just now.
func (v *visit) afterLogin(step oidc.Step, session oidc.Session) error {
	if step.Kind != oidc.StepSecondFactor {
		return v.onward(step, nil)
	}
	again, wrong := v.sendCode(v.r.Context(), session)
	if wrong != nil {
		return v.onward(step, nil) // the page has a button for trying once more, and says what is wrong then
	}
	return v.redirect(sentURL(step, again))
}

// noteDevice makes the browser a known device of the account, for the limits on
// wrong passwords.
func (v *visit) noteDevice(account identity.Account) {
	device, err := v.s.c.Identity.DeviceToken(v.r.Context(), account, v.cookie(deviceCookie))
	if err != nil {
		v.s.c.Log.LogAttrs(v.r.Context(), slog.LevelWarn, "a device could not be noted", slog.String("error", err.Error()))
		return
	}
	v.setCookie(deviceCookie, device, year)
}

// cancel ends the request that the page belongs to.
func (v *visit) cancel() error {
	step, err := v.s.c.Provider.Flow.Cancel(v.r.Context(), v.request, v.browser)
	return v.onward(step, err)
}

// sendCode sends a one-time code, and returns after which time another one may
// be sent.
func (v *visit) sendCode(ctx context.Context, session oidc.Session) (time.Duration, *formProblem) {
	sent, err := v.s.c.Identity.SendCode(ctx, session.Account, session.ID, string(v.lang), v.browser.RequestID)
	if e, ok := errors.AsType[*identity.Error](err); ok {
		return 0, codeProblemOf(e, "not_sent")
	} else if err != nil {
		v.s.c.Log.LogAttrs(ctx, slog.LevelError, "a code could not be sent", slog.String("request_id", v.browser.RequestID), slog.String("error", err.Error()))
		return 0, &formProblem{key: "not_sent", status: http.StatusServiceUnavailable}
	}
	return sent.Again, nil
}

func codeProblemOf(e *identity.Error, otherwise string) *formProblem {
	p := &formProblem{key: otherwise, status: http.StatusUnprocessableEntity}
	switch e.Reason {
	case "code_wrong", "code_expired", "no_phone", "no_second_factor", "too_many_tries": // with another code it may be right
		p.key = e.Reason
	case "unavailable":
		p.key = "not_sent"
		p.status, p.wait = problem.LoginStatus(e)
	case "too_many_codes":
		p.key = e.Reason
		p.status, p.wait = problem.LoginStatus(e)
	}
	return p
}

// sentURL returns the address of the code's page once one was sent: it says from
// when on another one may be asked for, so that reloading sends nothing.
func sentURL(step oidc.Step, again time.Duration) string {
	return pageURL(codePath, step) + "&sent=" + strconv.FormatInt(time.Now().Add(again).Unix(), 10)
}

// maxAgain is the longest that a page makes somebody wait for another code.
const maxAgain = 10 * time.Minute

// sent returns whether the address says that a code was sent, and how long it
// takes until another one may be.
func (v *visit) sent() (bool, time.Duration) {
	at, err := strconv.ParseInt(v.r.URL.Query().Get("sent"), 10, 64)
	if err != nil || at < 0 {
		return false, 0
	}
	left := min(max(at-time.Now().Unix(), 0), int64(maxAgain/time.Second))
	return true, time.Duration(left) * time.Second
}

// codePage asks for a one-time code.
func (s *Server) codePage(v *visit) error {
	step, err := v.next()
	if err != nil || step.Kind != oidc.StepSecondFactor {
		return v.onward(step, err)
	}
	return v.showCode(step, nil)
}

func (v *visit) showCode(step oidc.Step, wrong *formProblem) error {
	v.frame.Quiet = !step.Request.Portal
	account, err := v.s.c.Identity.Account(v.r.Context(), step.Session.Account)
	if err != nil {
		return err
	}
	sent, again := v.sent()
	view := web.Code{
		Form: v.token(purposeCode), Asker: v.requestAsker(step.Request), Phone: account.MaskedPhone(), Sent: sent, Wait: problem.Seconds(again),
	}
	status := http.StatusOK
	if wrong == nil && view.Phone == "" {
		wrong = &formProblem{key: "no_phone", status: http.StatusOK}
	}
	if wrong != nil {
		view.Problem, view.Retry, status = wrong.key, wrong.wait, wrong.status
	}
	return v.show(status, view)
}

// checkCode takes the form of the code's page.
func (s *Server) checkCode(v *visit) error {
	form, err := v.form()
	if err != nil {
		return err
	}
	step, err := v.next()
	if err != nil || step.Kind != oidc.StepSecondFactor {
		return v.onward(step, err)
	}
	if !v.checked(form, purposeCode) {
		return v.showCode(step, &formProblem{key: "stale", status: http.StatusForbidden})
	}
	if form.Get("act") == "cancel" {
		return v.cancel()
	}
	if wait := s.people.WaitAddress(v.browser.Address, 0, time.Now()); wait > 0 {
		return v.showCode(step, &formProblem{"rate_limited", problem.Seconds(wait), http.StatusTooManyRequests})
	}
	if form.Get("act") == "send" {
		again, wrong := v.sendCode(v.r.Context(), *step.Session)
		if wrong != nil {
			return v.showCode(step, wrong)
		}
		return v.redirect(sentURL(step, again))
	}
	err = s.c.Identity.CheckCode(v.r.Context(), step.Session.Account, step.Session.ID, digits(form.Get("code")), v.browser.RequestID)
	if e, ok := errors.AsType[*identity.Error](err); ok {
		return v.showCode(step, codeProblemOf(e, "code_wrong"))
	} else if err != nil {
		return err
	}
	cookie, err := s.c.Provider.Sessions.StepUp(v.r.Context(), v.browser, factor.Proof{Factor: factor.PhoneCode})
	if err != nil {
		return v.onward(oidc.Step{}, err)
	}
	v.keepSession(cookie)
	step, err = s.c.Provider.Flow.Next(v.r.Context(), v.request, v.browser)
	return v.onward(step, err)
}

// digits returns a code without what people and their phones put between the
// digits; full-width ones count as well.
func digits(s string) string {
	var b strings.Builder
	for _, c := range s {
		switch {
		case c >= '０' && c <= '９':
			b.WriteRune(c - '０' + '0')
		case c != ' ' && c != '-' && c != '　':
			b.WriteRune(c)
		}
	}
	return b.String()
}

// accountPage asks whether to go on as who is logged in.
func (s *Server) accountPage(v *visit) error {
	step, err := v.next()
	if err != nil || step.Kind != oidc.StepAccount {
		return v.onward(step, err)
	}
	return v.showAccount(step, http.StatusOK)
}

func (v *visit) showAccount(step oidc.Step, status int) error {
	v.frame.Quiet = true
	return v.show(status, web.Account{
		Form: v.token(purposeAccount), Asker: v.requestAsker(step.Request), User: party.MaskName(step.Session.Party.Name),
	})
}

// chooseAccount takes the form of the account's page.
func (s *Server) chooseAccount(v *visit) error {
	form, err := v.form()
	if err != nil {
		return err
	}
	step, err := v.next()
	if err != nil || step.Kind != oidc.StepAccount {
		return v.onward(step, err)
	}
	if !v.checked(form, purposeAccount) {
		return v.showAccount(step, http.StatusForbidden)
	}
	ctx, p := v.r.Context(), s.c.Provider
	switch form.Get("act") {
	case "cancel":
		return v.cancel()
	case "other":
		if err := p.Sessions.LogOut(ctx, v.browser); err != nil {
			return err
		}
		v.dropSession()
	default:
		if err := p.Flow.Reauthenticated(ctx, v.request, v.browser); err != nil {
			return v.onward(oidc.Step{}, err)
		}
	}
	step, err = p.Flow.Next(ctx, v.request, v.browser)
	return v.onward(step, err)
}
