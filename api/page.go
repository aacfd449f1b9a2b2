package api

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

// visit is one request to a page.
type visit struct {
	s       *Server
	w       http.ResponseWriter
	r       *http.Request
	lang    web.Language
	elder   bool
	browser oidc.Browser
	request oidc.Secret // the authorization request that the page belongs to; zero: none
	client  string      // id of the client whose request that is; empty: not known
	frame   web.Frame   // what of the frame a handler has decided
	target  string      // origin, apart from ours, to which the page's forms may lead
}

// page turns a handler of a page into one of net/http's. Its errors are shown
// as pages. HEAD has no effect and says nothing.
func (s *Server) page(h func(v *visit) error) http.Handler {
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
			s.problems.Answer(w, r, err)
		}
	})
}

// login is page for what people need to log in: without an identity service
// nobody can.
func (s *Server) login(h func(v *visit) error) http.Handler {
	return s.page(func(v *visit) error {
		if s.c.Identity == nil {
			return problem.Refuse(http.StatusNotFound, "no_login", "")
		}
		return h(v)
	})
}

// visit reads what a browser shows of itself.
func (s *Server) visit(w http.ResponseWriter, r *http.Request) *visit {
	v := &visit{s: s, w: w, r: r}
	v.browser = oidc.Browser{
		ID: v.secretCookie(browserCookie), Session: v.secretCookie(sessionCookie), Device: v.cookie(deviceCookie),
		Address: s.address(r), UserAgent: userAgent(r), RequestID: problem.RequestID(r.Context()),
	}
	q := r.URL.Query()
	if h := q.Get("request"); isHandle(h) {
		v.request = oidc.SecretOf(h)
	}
	v.client = q.Get("client")
	v.elder = v.cookie(textCookie) == "large"
	chosen, ok := web.ParseLanguage(v.cookie(languageCookie))
	if !ok {
		chosen = web.ChooseLanguage(strings.Join(r.Header.Values("Accept-Language"), ","))
	}
	v.lang = chosen
	return v
}

// maxUserAgent is how much of a User-Agent is kept, in bytes.
const maxUserAgent = 256

func userAgent(r *http.Request) string {
	ua := strings.ToValidUTF8(r.UserAgent(), "")
	return ua[:min(len(ua), maxUserAgent)]
}

// isHandle reports whether s has the form of a handle or a cookie's secret.
func isHandle(s string) bool {
	if len(s) != 43 {
		return false
	}
	for _, c := range []byte(s) {
		if (c < 'a' || c > 'z') && (c < 'A' || c > 'Z') && (c < '0' || c > '9') && c != '-' && c != '_' {
			return false
		}
	}
	return true
}

// speak takes a request's ui_locales into account, unless the person chose a
// language here.
func (v *visit) speak(locales []string) {
	if _, chosen := web.ParseLanguage(v.cookie(languageCookie)); chosen {
		return
	}
	for _, l := range locales {
		if known, ok := web.ParseLanguage(l); ok {
			v.lang = known
			return
		}
	}
}

// show answers with a page.
func (v *visit) show(status int, view web.View) error {
	f := v.frame
	f.Lang, f.Elder, f.RequestID = v.lang, v.elder, problem.RequestID(v.r.Context())
	f.Here = v.r.URL.RequestURI()
	f.Posted = v.r.Method == http.MethodPost
	if f.Notice == "" {
		f.Notice = v.takeNotice()
	}
	body, err := v.s.web.Render(f, view)
	if err != nil {
		return err
	}
	v.headers()
	h := v.w.Header()
	h.Set("Content-Type", "text/html; charset=utf-8")
	h.Set("Content-Language", string(f.Lang))
	h.Set("Content-Length", strconv.Itoa(len(body)))
	if status == http.StatusServiceUnavailable {
		h.Set("Retry-After", "5") // seconds, as the API says
	}
	v.w.WriteHeader(status)
	_, _ = v.w.Write(body) // or else the browser is gone
	return nil
}

// headers sets what every page's answer has. Nothing of a page is stored
// anywhere, and nobody may show it inside a page of theirs.
func (v *visit) headers() {
	forms, scripts := "'self'", "'self'"
	if v.target != "" {
		forms += " " + v.target
	}
	if v.frame.Nonce != "" {
		scripts += " 'nonce-" + v.frame.Nonce + "'"
	}
	h := v.w.Header()
	h.Set("Content-Security-Policy", "default-src 'none'; style-src 'self'; script-src "+scripts+"; img-src 'self' data:; form-action "+forms+
		"; frame-ancestors 'none'; base-uri 'none'")
	h.Set("X-Frame-Options", "DENY")
	h.Set("Cross-Origin-Opener-Policy", "same-origin")
	h.Set("Cross-Origin-Resource-Policy", "same-origin")
	// Not no-referrer: browsers would send "Origin: null" with our own forms.
	h.Set("Referrer-Policy", "same-origin")
	h.Set("Cache-Control", "no-store")
	h.Add("Vary", "Cookie, Accept-Language")
}

// redirect sends the browser on, by GET whatever the request was. The target is
// a path of ours, or an address that the provider has checked.
func (v *visit) redirect(to string) error {
	v.headers()
	v.w.Header().Set("Location", to)
	v.w.WriteHeader(http.StatusSeeOther)
	return nil
}

// allow lets the page's forms lead on to where an address is. Browsers hold the
// redirects that follow a form against its page's policy.
func (v *visit) allow(uri string) { v.target = origin(uri) }

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

// preferences sets language and text size, and leads back.
func (s *Server) preferences(v *visit) error {
	q := v.r.URL.Query()
	if l, ok := web.ParseLanguage(q.Get("language")); ok {
		v.setCookie(languageCookie, string(l), year)
	}
	switch q.Get("text") {
	case "large":
		v.setCookie(textCookie, "large", year)
	case "normal":
		v.dropCookie(textCookie)
	}
	return v.redirect(localPath(q.Get("to")))
}

// localPath returns a path of ours with its query as it was given, or "/" for
// anything that could lead elsewhere.
func localPath(s string) string {
	u, err := url.Parse(s)
	if err != nil || u.Scheme != "" || u.Host != "" || u.User != nil || u.Opaque != "" || !cleanPath(u.EscapedPath()) ||
		strings.HasPrefix(s, "//") || strings.ContainsAny(s, "\\\r\n\t") || u.Path == web.PreferencesPath {
		return "/"
	}
	return u.EscapedPath() + queryOf(u)
}

func queryOf(u *url.URL) string {
	if u.RawQuery == "" {
		return ""
	}
	return "?" + u.Query().Encode()
}

// static serves a static file, for good: its name says what is in it.
func (s *Server) static(w http.ResponseWriter, r *http.Request) error {
	a, ok := s.web.Asset(r.PathValue("file"))
	if !ok {
		return errNowhere()
	}
	h, body := w.Header(), a.Body
	h.Set("Content-Type", a.Media)
	h.Set("Cache-Control", "public, max-age=31536000, immutable")
	h.Set("Vary", "Accept-Encoding")
	h.Set("Cross-Origin-Resource-Policy", "same-origin")
	if acceptsGzip(r) {
		h.Set("Content-Encoding", "gzip")
		body = a.Packed
	}
	h.Set("Content-Length", strconv.Itoa(len(body)))
	_, _ = w.Write(body)
	return nil
}

func acceptsGzip(r *http.Request) bool {
	for part := range strings.SplitSeq(r.Header.Get("Accept-Encoding"), ",") {
		coding, params, _ := strings.Cut(part, ";")
		if strings.TrimSpace(coding) == "gzip" {
			q := strings.ReplaceAll(params, " ", "")
			return q != "q=0" && !strings.HasPrefix(q, "q=0.0")
		}
	}
	return false
}
