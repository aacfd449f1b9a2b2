package pages

import (
	"log/slog"
	"net/http"
	"time"

	"yizheng.internal/oidc"
	"yizheng.internal/oidc/identity"
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

// jar holds the cookies of one request, and of its answer.
type jar struct {
	w      http.ResponseWriter
	from   *http.Request
	secure bool // people reach the service by HTTPS
}

// named returns a cookie's whole name. With HTTPS it has a prefix, for which browsers make
// sure that no neighbor site can set it.
func (j jar) named(name string) string {
	if j.secure {
		return "__Host-" + name
	}
	return name
}

// cookie returns a cookie's value. A cookie that came twice counts as missing, because
// somebody else must have set one of the two.
func (j jar) cookie(name string) string {
	found := j.from.CookiesNamed(j.named(name))
	if len(found) != 1 || len(found[0].Value) > maxCookie {
		return ""
	}
	return found[0].Value
}

func (j jar) secretCookie(name string) oidc.Secret {
	if value := oidc.SecretOf(j.cookie(name)); value.IsHandle() {
		return value
	}
	return oidc.Secret{}
}

// setCookie sets a cookie. A life of 0 ends with the browser.
func (j jar) setCookie(name, value string, life time.Duration) {
	http.SetCookie(j.w, &http.Cookie{
		Name: j.named(name), Value: value, Path: "/", MaxAge: int(life / time.Second),
		Secure: j.secure, HttpOnly: true, SameSite: http.SameSiteLaxMode,
	})
}

func (j jar) dropCookie(name string) {
	http.SetCookie(j.w, &http.Cookie{
		Name: j.named(name), Path: "/", MaxAge: -1,
		Secure: j.secure, HttpOnly: true, SameSite: http.SameSiteLaxMode,
	})
}

// Bind gives the browser an id of its own, if it has none yet.
func (v *Visit) Bind() {
	if v.Browser.ID == (oidc.Secret{}) {
		v.Browser.ID = oidc.NewBrowserID()
		v.setCookie(browserCookie, v.Browser.ID.Reveal(), 0)
	}
}

// KeepSession sets the cookie of a new or changed session.
func (v *Visit) KeepSession(cookie oidc.Secret) {
	v.Browser.Session = cookie
	v.setCookie(sessionCookie, cookie.Reveal(), 0)
}

// keep sets the cookies that a form's answer brought.
func (v *Visit) keep(c oidc.Cookies) {
	if c.Session != (oidc.Secret{}) {
		v.KeepSession(c.Session)
	}
	if c.LoggedOut {
		v.DropSession()
	}
	if c.Device != "" {
		v.setCookie(deviceCookie, c.Device, year)
	}
}

// DropSession takes the session's cookie from the browser, whose session is over.
func (v *Visit) DropSession() {
	v.Browser.Session = oidc.Secret{}
	v.dropCookie(sessionCookie)
}

// Notify has the next page say what was just done. key is that of a text, without "notice.".
// It is kept in a cookie, so that no link can make a page say it.
func (v *Visit) Notify(key string) { v.setCookie(noticeCookie, key, noticeLife) }

// takeNotice returns what the page is to tell, once.
func (v *Visit) takeNotice() string {
	key := v.cookie(noticeCookie)
	if key == "" {
		return ""
	}
	v.dropCookie(noticeCookie)
	if !v.s.c.Web.Has("notice." + key) {
		return ""
	}
	return key
}

// NoteDevice makes the browser a known device of the account, for the limits on
// wrong passwords.
func (v *Visit) NoteDevice(account identity.Account) {
	device, err := v.s.c.Factors.DeviceToken(v.R.Context(), account, v.Browser.Device)
	if err != nil {
		Warn(v, "a device could not be noted", err)
		return
	}
	v.setCookie(deviceCookie, device, year)
}

// Warn logs what went wrong on a page without its failing.
func Warn(v *Visit, what string, err error) {
	v.s.c.Log.LogAttrs(v.R.Context(), slog.LevelWarn, what, slog.String("error", err.Error()))
}
