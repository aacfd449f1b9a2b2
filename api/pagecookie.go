package api

import (
	"net/http"
	"strings"
	"time"

	"yizheng.internal/oidc"
)

// Cookies of the pages, by their names without a prefix.
const (
	browserCookie  = "yizheng-browser"  // binds requests and forms to this browser
	sessionCookie  = "yizheng-session"  // who is logged in
	deviceCookie   = "yizheng-device"   // a device that an account knows: no credential
	languageCookie = "yizheng-language" // as chosen here
	textCookie     = "yizheng-text"     // size of the text
	noticeCookie   = "yizheng-notice"   // what was just done, to be told on the next page
)

const (
	year       = 365 * 24 * time.Hour
	noticeLife = time.Minute
	maxCookie  = 1024 // bytes of a value that is looked at
)

// cookieName returns a cookie's whole name. With HTTPS its prefix has browsers
// see to it that no neighbor site can plant one.
func (s *Server) cookieName(name string) string {
	if s.secure() {
		return "__Host-" + name
	}
	return name
}

// secure reports whether people reach the service by HTTPS.
func (s *Server) secure() bool { return strings.HasPrefix(s.c.Issuer, "https:") }

// cookie returns a cookie's value. One that came twice counts as none: then
// somebody else has planted the other.
func (v *visit) cookie(name string) string {
	found := v.r.CookiesNamed(v.s.cookieName(name))
	if len(found) != 1 || len(found[0].Value) > maxCookie {
		return ""
	}
	return found[0].Value
}

func (v *visit) secretCookie(name string) oidc.Secret {
	if value := v.cookie(name); isHandle(value) {
		return oidc.SecretOf(value)
	}
	return oidc.Secret{}
}

// setCookie sets a cookie. A life of 0 ends with the browser.
func (v *visit) setCookie(name, value string, life time.Duration) {
	http.SetCookie(v.w, &http.Cookie{
		Name: v.s.cookieName(name), Value: value, Path: "/", MaxAge: int(life / time.Second),
		Secure: v.s.secure(), HttpOnly: true, SameSite: http.SameSiteLaxMode,
	})
}

func (v *visit) dropCookie(name string) {
	http.SetCookie(v.w, &http.Cookie{
		Name: v.s.cookieName(name), Path: "/", MaxAge: -1,
		Secure: v.s.secure(), HttpOnly: true, SameSite: http.SameSiteLaxMode,
	})
}

// bind gives the browser an id of its own, if it has none yet.
func (v *visit) bind() {
	if v.browser.ID == (oidc.Secret{}) {
		v.browser.ID = oidc.NewBrowserID()
		v.setCookie(browserCookie, v.browser.ID.Reveal(), 0)
	}
}

// keepSession sets the cookie of a new or changed session.
func (v *visit) keepSession(cookie oidc.Secret) {
	v.browser.Session = cookie
	v.setCookie(sessionCookie, cookie.Reveal(), 0)
}

// keep sets the cookies that a form's answer brought.
func (v *visit) keep(c oidc.Cookies) {
	if c.Session != (oidc.Secret{}) {
		v.keepSession(c.Session)
	}
	if c.LoggedOut {
		v.dropSession()
	}
	if c.Device != "" {
		v.setCookie(deviceCookie, c.Device, year)
	}
}

func (v *visit) dropSession() {
	v.browser.Session = oidc.Secret{}
	v.dropCookie(sessionCookie)
}

// notify has the next page tell what was just done: a key of a text, without
// "notice.". It stands in a cookie, so that no link can make a page say it.
func (v *visit) notify(key string) { v.setCookie(noticeCookie, key, noticeLife) }

// takeNotice returns what the page is to tell, once.
func (v *visit) takeNotice() string {
	key := v.cookie(noticeCookie)
	if key == "" {
		return ""
	}
	v.dropCookie(noticeCookie)
	if !v.s.web.Has("notice." + key) {
		return ""
	}
	return key
}
