package pages

import (
	"errors"
	"io"
	"net/http"
	"net/url"
	"time"

	"yizheng.internal/api/problem"
	"yizheng.internal/api/web"
	"yizheng.internal/oidc"
	"yizheng.internal/oidc/scan"
)

// Paths of a login by phone at a computer: of the computer's pages, and of the phone's, which the
// code leads to.
const (
	scanPath      = "/login/scan"
	scanStatePath = "/login/scan/state"
	ScannedPath   = "/scan"
)

// scanURL returns the address of a code's page.
func scanURL(path string, step oidc.Step, code oidc.Secret) string {
	return pageURL(path, step) + "&" + url.Values{"scan": {code.Reveal()}}.Encode()
}

// scanPage shows a code, while the request that its address names is at the login.
func (t steps) scanPage(v *Visit) error {
	if err := v.asked(); err != nil {
		return err
	}
	step, err := t.c.Flow.Next(v.R.Context(), v.request, v.Browser)
	if err != nil || step.Kind != oidc.StepLogin {
		return t.lead(v, step, err, nil)
	}
	v.speak(step.Request.UILocales)
	v.allow(step.Request.RedirectURI)
	v.Frame.Quiet = !step.Request.Portal
	code := scanned(v)
	view := web.Scan{Form: v.Token(step.Kind.Purpose()), Asker: requestAsker(v.Lang, step.Request), Back: pageURL(loginPath, step)}
	view.Action = view.Back
	shown, err := t.c.Scans.Shown(v.R.Context(), v.Browser, v.request, code)
	if errors.Is(err, scan.ErrGone) {
		return v.Show(http.StatusOK, view)
	} else if err != nil {
		return err
	}
	if view.QR, err = web.QRCode(t.c.Issuer + ScannedPath + "/" + code.Reveal()); err != nil {
		return err
	}
	view.Code, view.Digits, view.State, view.Name, view.Left = code.Reveal(), shown.Digits, string(shown.State), shown.Name, problem.Seconds(shown.Left)
	view.Poll = scanURL(scanStatePath, step, code)
	v.asks = true
	return v.Show(http.StatusOK, view)
}

// scanState says in a word where a code is, for the script of its page.
func (t steps) scanState(v *Visit) error {
	if wait := t.c.Polls.WaitAddress(v.Browser.Address, 0, time.Now()); wait > 0 {
		return problem.Later(http.StatusTooManyRequests, "too_many", "", problem.Seconds(wait))
	}
	state := "gone"
	shown, err := t.c.Scans.Shown(v.R.Context(), v.Browser, v.request, scanned(v))
	if err == nil {
		state = string(shown.State)
	} else if !errors.Is(err, scan.ErrGone) {
		return err
	}
	v.headers()
	v.w.Header().Set("Content-Type", "text/plain; charset=utf-8")
	_, _ = io.WriteString(v.w, state) // or else the browser is gone
	return nil
}

// scanned returns the code that the address names.
func scanned(v *Visit) oidc.Secret { return oidc.SecretOf(v.R.URL.Query().Get("scan")) }
