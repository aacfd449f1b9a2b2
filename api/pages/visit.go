package pages

import (
	"crypto/rand"
	"encoding/base64"
	"net/http"
	"net/url"
	"strconv"
	"strings"

	"yizheng.internal/api/problem"
	"yizheng.internal/api/web"
	"yizheng.internal/oidc"
)

// Visit is one request to a page.
type Visit struct {
	jar
	R       *http.Request
	Lang    web.Language // in which the answer is
	Browser oidc.Browser // what the browser shows of itself
	Frame   web.Frame    // what of the frame a handler has decided
	s       *Site
	elder   bool
	request oidc.Secret // the authorization request that the page belongs to; zero: none
	client  string      // id of the client whose request that is; empty: not known
	asks    bool        // the page's script asks this site
	target  string      // origin, apart from ours, to which the page's forms may lead
}

// visit reads what a browser shows of itself.
func (s *Site) visit(w http.ResponseWriter, r *http.Request) *Visit {
	v := &Visit{jar: jar{w, r, s.secure}, R: r, s: s}
	v.Browser = oidc.Browser{
		ID: v.secretCookie(browserCookie), Session: v.secretCookie(sessionCookie), Device: v.cookie(deviceCookie),
		Address: s.c.Address(r), UserAgent: r.UserAgent(), RequestID: problem.RequestID(r.Context()),
	}
	if s.c.Certificates != nil {
		v.Browser.Certificate = s.c.Certificate(r)
	}
	q := r.URL.Query()
	if h := oidc.SecretOf(q.Get("request")); h.IsHandle() {
		v.request = h
	}
	v.client = q.Get("client")
	v.elder = v.cookie(textCookie) == "large"
	chosen, ok := web.ParseLanguage(v.cookie(languageCookie))
	if !ok {
		chosen = web.ChooseLanguage(strings.Join(r.Header.Values("Accept-Language"), ","))
	}
	v.Lang = chosen
	return v
}

// speak takes a request's ui_locales into account, unless the person chose a
// language here.
func (v *Visit) speak(locales []string) {
	if _, chosen := web.ParseLanguage(v.cookie(languageCookie)); chosen {
		return
	}
	for _, l := range locales {
		if known, ok := web.ParseLanguage(l); ok {
			v.Lang = known
			return
		}
	}
}

// Show answers with a page.
func (v *Visit) Show(status int, view web.View) error {
	f := v.Frame
	f.Lang, f.Elder, f.RequestID = v.Lang, v.elder, problem.RequestID(v.R.Context())
	f.Here = v.R.URL.RequestURI()
	f.Posted = v.R.Method == http.MethodPost
	if f.Notice == "" {
		f.Notice = v.takeNotice()
	}
	body, err := v.s.c.Web.Render(f, view)
	if err != nil {
		return err
	}
	v.headers()
	h := v.w.Header()
	h.Set("Content-Type", "text/html; charset=utf-8")
	h.Set("Content-Language", string(f.Lang))
	h.Set("Content-Length", strconv.Itoa(len(body)))
	if status == http.StatusServiceUnavailable && h.Get("Retry-After") == "" {
		h.Set("Retry-After", strconv.Itoa(problem.RetrySoon))
	}
	v.w.WriteHeader(status)
	_, _ = v.w.Write(body) // or else the browser is gone
	return nil
}

// headers sets what every page's answer has. Nothing of a page is stored
// anywhere, and nobody may show it inside a page of theirs.
func (v *Visit) headers() {
	forms, scripts := "'self'", "'self'"
	if v.target != "" {
		forms += " " + v.target
	}
	if v.Frame.Nonce != "" {
		scripts += " 'nonce-" + v.Frame.Nonce + "'"
	}
	policy := "default-src 'none'; style-src 'self'; script-src " + scripts + "; img-src 'self' data:; "
	if v.asks {
		policy += "connect-src 'self'; "
	}
	h := v.w.Header()
	h.Set("Content-Security-Policy", policy+"form-action "+forms+
		"; frame-ancestors 'none'; base-uri 'none'")
	h.Set("X-Frame-Options", "DENY")
	h.Set("Cross-Origin-Opener-Policy", "same-origin")
	h.Set("Cross-Origin-Resource-Policy", "same-origin")
	// Not no-referrer: browsers would send "Origin: null" with our own forms.
	h.Set("Referrer-Policy", "same-origin")
	h.Set("Cache-Control", "no-store")
	h.Add("Vary", "Cookie, Accept-Language")
}

// Redirect sends the browser on, by GET whatever the request was. The target is
// a path of ours, or an address that the provider has checked.
func (v *Visit) Redirect(to string) error {
	v.headers()
	v.w.Header().Set("Location", to)
	v.w.WriteHeader(http.StatusSeeOther)
	return nil
}

// allow lets the page's forms lead on to where an address is. Browsers hold the
// redirects that follow a form against its page's policy.
func (v *Visit) allow(uri string) { v.target = origin(uri) }

// origin returns the origin of an address as a policy names it, or "" if it has
// none that a policy can name: CSP has no way to write an IPv6 address.
func origin(uri string) string {
	u, err := url.Parse(uri)
	if err != nil || u.Host == "" || u.Scheme != "https" && u.Scheme != "http" || strings.ContainsAny(u.Host, "[];, '\"*") {
		return ""
	}
	return u.Scheme + "://" + u.Host
}

// nonce returns a new nonce for a page's own script.
func nonce() string {
	var b [16]byte
	_, _ = rand.Read(b[:]) // never fails
	return base64.RawURLEncoding.EncodeToString(b[:])
}
