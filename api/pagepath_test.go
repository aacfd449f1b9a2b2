package api

import (
	"testing"

	"yizheng.internal/api/web"
)

// Addresses of pages, which people keep and other sites link, and cookies that browsers have:
// written down here once more, so that none changes unnoticed.
const (
	beginPath    = "/login/begin"
	loginPath    = "/login"
	codePath     = "/login/code"
	accountPath  = "/login/account"
	consentPath  = "/consent"
	setupPath    = "/setup"
	passwordPath = "/password"
	logoutPath   = "/logout"

	browserCookie  = "yizheng-browser"
	sessionCookie  = "yizheng-session"
	deviceCookie   = "yizheng-device"
	languageCookie = "yizheng-language"

	pageSize = 20 // of lists on pages
)

// textsOf returns what pages say.
func textsOf(t testing.TB) *web.Pages {
	t.Helper()
	p, err := web.New()
	mustOf(t)(err)
	return p
}
