package pages

import (
	"net/url"
	"slices"
	"strconv"
	"strings"
	"time"

	"yizheng.internal/api/problem"
	"yizheng.internal/api/views"
	"yizheng.internal/api/web"
	"yizheng.internal/license/party"
	"yizheng.internal/oidc"
	"yizheng.internal/oidc/flow"
	"yizheng.internal/oidc/identity"
	"yizheng.internal/oidc/identity/factor"
)

// logIn takes a form of the login page: it asks for a password, for the code of a challenge, or for
// what a login with a phone needs.
func (t steps) logIn(v *Visit) error {
	form, err := v.Form()
	if err != nil {
		return err
	}
	var answer flow.Answer = flow.Password{Login: strings.TrimSpace(form.Get("username")), Password: form.Get("password")}
	switch form.Get("act") {
	case "cancel":
		answer = flow.Cancel{}
	case "passkey":
		answer = flow.Alone{Factor: factor.Passkey, Answer: form.Get("passkey")}
	case "send":
		answer = flow.PhoneNumber{Phone: strings.TrimSpace(form.Get("phone"))}
	case "resend":
		answer = flow.PhoneNumber{Phone: form.Get("phone"), Again: true}
	case "phone":
		answer = flow.PhoneCode{Phone: form.Get("phone"), Code: form.Get("code")}
	case "person":
		answer = flow.PhonePerson{Phone: form.Get("phone"), Question: form.Get("question"), Name: strings.TrimSpace(form.Get("name")), Ending: form.Get("ending")}
	case "scan":
		answer = flow.ScanCode{}
	case "scanned":
		answer = flow.Scanned{Code: form.Get("code"), Named: form.Get("named") != ""}
	case "confirm":
		answer = flow.Confirmation{Challenge: form.Get("challenge"), Code: form.Get("code")}
	}
	return t.answer(v, oidc.StepLogin, form, answer)
}

// checkCode takes the form of the code's page.
func (t steps) checkCode(v *Visit) error {
	form, err := FormWithFiles(v)
	if err != nil {
		return err
	}
	chosen := factor.Name(form.Get("factor"))
	sent := flow.Code{Factor: chosen, Code: form.Get("code")}
	if chosen == factor.Certificate {
		sent.Code = views.CertificateAnswer(form)
	}
	var answer flow.Answer = sent
	switch form.Get("act") {
	case "cancel":
		answer = flow.Cancel{}
	case "send":
		answer = flow.SendCode{Factor: chosen}
	}
	return t.answer(v, oidc.StepSecondFactor, form, answer)
}

// chooseAccount takes the form of the account's page.
func (t steps) chooseAccount(v *Visit) error {
	form, err := v.Form()
	if err != nil {
		return err
	}
	var answer flow.Answer = flow.Account{Other: form.Get("act") == "other"}
	if form.Get("act") == "cancel" {
		answer = flow.Cancel{}
	}
	return t.answer(v, oidc.StepAccount, form, answer)
}

// showLogin asks for login and password, with what a form has of it.
func (t steps) showLogin(v *Visit, step oidc.Step, form url.Values) error {
	view := web.Login{Username: step.Request.LoginHint, Phones: t.c.Phones}
	if view.Phones && identity.MaskTyped(view.Username) != "" {
		view.Phone = view.Username
	}
	view.ByPhone = view.Phones && (view.Username == "" || view.Phone != "")
	if form != nil {
		view.Username, view.Phone = strings.TrimSpace(form.Get("username")), strings.TrimSpace(form.Get("phone"))
		view.ByPhone = view.Phones && aboutPhone(form)
	}
	var status int
	view.Problem, view.Wait, status = problem.OfForm(step.Problem)
	if view.ByPhone {
		view.Problem = aboutStep(view.Problem, step.Problem.Refused, form)
	}
	var err error
	if view.Passkey, err = flow.Options(v.R.Context(), t.c.Factors, factor.Passkey, step, v.Browser); err != nil {
		return err
	}
	view.Form, view.Asker, view.Licenses = v.Token(step.Kind.Purpose()), requestAsker(v.Lang, step.Request), step.Request.Licenses
	view.Account, view.Scans = step.Request.Back != "", t.c.Scans != nil && !step.Request.Direct
	view.Scanned = step.Request.Portal && strings.HasPrefix(step.Request.Path, ScannedPath+"/")
	view.Forgot, view.Register = pageURL(ForgotPath, step), pageURL(RegisterPath, step)
	view.Upstreams, view.Elsewhere = offered(t, v, step), elsewhere(t, v, step)
	if t.c.Certificates != nil {
		view.Certificate = pageURL(certificatePath, step)
	}
	return v.Show(status, view)
}

// aboutStep returns the key of a problem with a login by phone at the step whose form was sent.
func aboutStep(problem string, refused *identity.Error, form url.Values) string {
	switch act := form.Get("act"); {
	case problem == string(oidc.ProblemIncomplete):
		return "phone_incomplete"
	case problem == string(identity.ReasonTooManyTries) && (act == "phone" || act == "person" && refused.Retry < time.Hour): // with this code
		return "code_spent"
	case problem == string(identity.ReasonTooManyTries) && act == "person":
		return "person_tries"
	}
	return problem
}

// aboutPhone reports whether a form is one of a login with a phone.
func aboutPhone(form url.Values) bool {
	return slices.Contains([]string{"send", "resend", "phone", "person"}, form.Get("act"))
}

// showPhone asks for the code of a login with a phone, or whose the phone is.
func (t steps) showPhone(v *Visit, step oidc.Step, form url.Values) error {
	at := step.Phone
	view := web.Phone{
		Form: v.Token(step.Kind.Purpose()), Asker: requestAsker(v.Lang, step.Request), Number: at.Number, Masked: identity.MaskTyped(at.Number),
		Question: at.Question, Name: strings.TrimSpace(form.Get("name")), Wait: problem.Seconds(at.Again), Back: pageURL(loginPath, step),
	}
	var status int
	view.Problem, view.Retry, status = problem.OfForm(step.Problem)
	return v.Show(status, view)
}

// showConfirm asks for the code of a challenge: there were too many tries, and
// whether this one was right isn't said.
func (t steps) showConfirm(v *Visit, step oidc.Step) error {
	view := web.Code{Form: v.Token(step.Kind.Purpose()), Asker: requestAsker(v.Lang, step.Request), Challenge: step.Challenge, Sent: true}
	var status int
	view.Problem, view.Retry, status = problem.OfForm(step.Problem)
	return v.Show(status, view)
}

// showCode asks for a one-time code: of the factor that the form was about, or that the address
// names, or of the first that would do.
func (t steps) showCode(v *Visit, step oidc.Step, form url.Values) error {
	further := step.Further
	if named := factor.Name(v.R.URL.Query().Get("factor")); form == nil && slices.Contains(further, named) {
		further = slices.Concat([]factor.Name{named}, slices.DeleteFunc(slices.Clone(further), func(n factor.Name) bool { return n == named }))
	}
	view := web.Code{Form: v.Token(step.Kind.Purpose()), Asker: requestAsker(v.Lang, step.Request), Factor: string(further[0])}
	for _, n := range further[1:] {
		view.Others = append(view.Others, web.Other{Factor: string(n), To: factorURL(step, n)})
	}
	if further[0] == factor.Password && t.c.Recovers {
		view.Forgot = pageURL(ForgotPath, step)
	}
	var status int
	view.Problem, view.Retry, status = problem.OfForm(step.Problem)
	var err error
	switch further[0] {
	case factor.Passkey:
		view.Passkey, err = flow.Options(v.R.Context(), t.c.Factors, factor.Passkey, step, v.Browser)
	case factor.Certificate:
		view.Signing, err = signing(t, v, step, form)
	}
	if err != nil {
		return err
	}
	if further[0] == factor.PhoneCode {
		account, err := t.c.Identity.Account(v.R.Context(), step.Session.Account)
		if err != nil {
			return err
		}
		sent, again := v.sent()
		view.Phone, view.Sent, view.Wait = account.MaskedPhone(), sent, problem.Seconds(again)
	} else if e := step.Problem.Refused; e != nil && e.Retry > 0 {
		view.Retry = problem.Seconds(e.Retry) // no other code can be asked for: only waiting helps
	}
	return v.Show(status, view)
}

// factorURL returns the address of the code's page for a factor.
func factorURL(step oidc.Step, n factor.Name) string {
	return pageURL(codePath, step) + "&factor=" + url.QueryEscape(string(n))
}

// showAccount asks whether to go on as who is logged in.
func (t steps) showAccount(v *Visit, step oidc.Step) error {
	_, _, status := problem.OfForm(step.Problem)
	return v.Show(status, web.Account{
		Form: v.Token(step.Kind.Purpose()), Asker: requestAsker(v.Lang, step.Request), User: party.MaskName(step.Session.Party.Name),
	})
}

// showProofing tells somebody that they are proofed less well than it takes, and leads to where that is changed.
func showProofing(v *Visit, step oidc.Step) error {
	_, _, status := problem.OfForm(step.Problem)
	return v.Show(status, web.Proofing{
		Form: v.Token(step.Kind.Purpose()), Asker: requestAsker(v.Lang, step.Request), To: pageURL(RaisePath, step),
	})
}

// giveUp takes the form of a step's page that has no answer but to go back.
func giveUp(t steps, at oidc.StepKind) func(*Visit) error {
	return func(v *Visit) error {
		form, err := v.Form()
		if err != nil {
			return err
		}
		return t.answer(v, at, form, flow.Cancel{})
	}
}

// showWaits tells somebody from when on their phone confirms logins, and what helps before.
func showWaits(t steps, v *Visit, step oidc.Step) error {
	account, err := t.c.Identity.Account(v.R.Context(), step.Session.Account)
	if err != nil {
		return err
	}
	_, _, status := problem.OfForm(step.Problem)
	return v.Show(status, web.PhoneWaits{
		Form: v.Token(step.Kind.Purpose()), Asker: requestAsker(v.Lang, step.Request), Until: account.PhoneWaits.Add(time.Minute - 1), // the page shows whole minutes
	})
}

// sentURL returns the address of the code's page once one was sent: it says from
// when on another one may be asked for, so that reloading sends nothing.
func sentURL(step oidc.Step, again time.Duration) string {
	return factorURL(step, factor.PhoneCode) + "&sent=" + strconv.FormatInt(time.Now().Add(again).Unix(), 10)
}

// maxAgain is the longest that a page makes somebody wait for another code.
const maxAgain = 10 * time.Minute

// sent returns whether the address says that a code was sent, and how long it
// takes until another one may be.
func (v *Visit) sent() (bool, time.Duration) {
	at, err := strconv.ParseInt(v.R.URL.Query().Get("sent"), 10, 64)
	if err != nil || at < 0 {
		return false, 0
	}
	left := min(max(at-time.Now().Unix(), 0), int64(maxAgain/time.Second))
	return true, time.Duration(left) * time.Second
}
