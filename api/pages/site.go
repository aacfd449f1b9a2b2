// Package pages is the pages that people see while they log in, consent and log out, and what
// every page has: visits, forms, cookies, errors. The portal's pages stand on it.
package pages

import (
	"log/slog"
	"net/http"
	"net/netip"
	"strings"

	"yizheng.internal/api/limit"
	"yizheng.internal/api/oauth"
	"yizheng.internal/api/problem"
	"yizheng.internal/api/views"
	"yizheng.internal/api/web"
	"yizheng.internal/oidc"
	"yizheng.internal/oidc/client"
	"yizheng.internal/oidc/flow"
	"yizheng.internal/oidc/identity"
	"yizheng.internal/oidc/identity/certificate"
	"yizheng.internal/oidc/identity/factor"
	"yizheng.internal/oidc/identity/upstream"
	"yizheng.internal/oidc/request"
	"yizheng.internal/oidc/scan"
	"yizheng.internal/oidc/session"
)

// Config says what a Site works with. All of it is required but Identity, Factors and Scans.
type Config struct {
	Issuer   string // the public URL
	Flow     *flow.Service
	Logouts  *request.Logouts
	Sessions *session.Service
	Clients  *client.Service
	Identity *identity.Service // nil: nobody can log in
	Factors  *factor.Service
	Phones   bool // people log in with their phone
	// Registers and Recovers say that people open accounts, and set a new password, online.
	Registers, Recovers bool
	Scans               *scan.Service
	// Upstreams are other providers with which people log in; nil: there are none.
	Upstreams *upstream.Service
	// Certificates are those with which people log in, and Certificate takes what a proxy that is believed says of
	// the connection's: DER. Nil: nobody logs in with one.
	Certificates *certificate.Service
	Certificate  func(*http.Request) string
	Web          *web.Pages
	Views        *views.Views
	Problems     *problem.Writer
	Address      func(*http.Request) netip.Addr // of who asks
	People       *limit.Rate                    // of tries to log in
	Askers       *limit.Rate                    // of authorization requests
	Polls        *limit.Rate                    // of questions whether a phone has confirmed
	Log          *slog.Logger
}

// Site serves pages. Safe for concurrent use.
type Site struct {
	c      Config
	secure bool // people reach the service by HTTPS
}

// New returns a Site.
func New(c Config) *Site { return &Site{c, strings.HasPrefix(c.Issuer, "https:")} }

// Mount adds what a login needs, and what all pages have.
func (s *Site) Mount(handle func(pattern string, h http.Handler)) {
	t, o := steps{&s.c}, logouts{&s.c}
	for pattern, h := range map[string]func(*Visit) error{
		"GET " + oauth.AuthorizePath: t.authorization, "POST " + oauth.AuthorizePath: t.authorizationPosted,
		"GET " + beginPath: t.begin,
		"GET " + loginPath: t.page(oidc.StepLogin), "POST " + loginPath: t.logIn,
		"GET " + scanPath: t.scanPage, "GET " + scanStatePath: t.scanState,
		"GET " + codePath: t.page(oidc.StepSecondFactor), "POST " + codePath: t.checkCode,
		"GET " + accountPath: t.page(oidc.StepAccount), "POST " + accountPath: t.chooseAccount,
		"GET " + linkPath: t.page(oidc.StepLink), "POST " + linkPath: t.link,
		"GET " + certificatePath:             func(v *Visit) error { return certificatePage(t, v) },
		"POST " + certificatePath:            func(v *Visit) error { return certificateSent(t, v) },
		"GET " + upstreamPath + "{provider}": t.endUpstream, "GET " + upstreamPath + "{provider}/begin": t.beginUpstream,
		"GET " + proofPath: t.page(oidc.StepProofing), "POST " + proofPath: giveUp(t, oidc.StepProofing),
		"GET " + waitsPath: t.page(oidc.StepPhoneWaits), "POST " + waitsPath: giveUp(t, oidc.StepPhoneWaits),
		"GET " + actingPath: t.page(oidc.StepActing), "POST " + actingPath: t.act,
		"GET " + consentPath: t.page(oidc.StepConsent), "POST " + consentPath: t.decide,
		"GET " + oauth.EndSessionPath: o.begin, "POST " + oauth.EndSessionPath: o.begin,
		"GET " + logoutPath: o.page, "POST " + logoutPath: o.take,
	} {
		handle(pattern, s.Login(h))
	}
	handle("GET "+web.PreferencesPath, s.Page(s.preferences))
	handle("GET "+web.StaticPath+"{file}", s.c.Problems.Handle(s.static))
}

// Page turns a handler of a page into one of net/http's. Its errors are shown
// as pages. HEAD has no effect and says nothing.
func (s *Site) Page(h func(v *Visit) error) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		problem.FactsOf(r.Context()).Page = true
		v := s.visit(w, r)
		if r.Method == http.MethodHead {
			// Whatever a page's GET does, such as answering a request with a code, HEAD
			// does nothing: scanners of links ask so, and nobody reads the answer.
			v.headers()
			w.Header().Set("Content-Type", "text/html; charset=utf-8")
			w.WriteHeader(http.StatusOK)
			return
		}
		if err := h(v); err != nil {
			s.c.Problems.Answer(w, r, err)
		}
	})
}

// Login is Page for pages that need logins. Without an identity service they answer 404.
func (s *Site) Login(h func(v *Visit) error) http.Handler {
	return s.Page(func(v *Visit) error {
		if s.c.Identity == nil {
			return problem.Refuse(http.StatusNotFound, "no_login", "")
		}
		return h(v)
	})
}

// Language returns the one in which a browser's pages are.
func (s *Site) Language(w http.ResponseWriter, r *http.Request) web.Language {
	return s.visit(w, r).Lang
}
