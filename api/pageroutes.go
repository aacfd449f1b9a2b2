package api

import (
	"yizheng.internal/api/oauth"
	"yizheng.internal/api/web"
	"yizheng.internal/oidc"
)

// pageRoutes lists the pages that people see.
func (s *Server) pageRoutes() {
	for pattern, h := range map[string]func(*visit) error{
		"GET /{$}": s.home, "GET " + web.PreferencesPath: s.preferences,
		"GET /verify": s.verifyPage, "POST /verify": s.verifyLicense,
	} {
		s.mux.Handle(pattern, s.page(h))
	}
	for pattern, h := range map[string]func(*visit) error{
		"GET " + oauth.AuthorizePath: s.authorization, "POST " + oauth.AuthorizePath: s.authorizationPosted,
		"GET " + beginPath: s.begin,
		"GET " + loginPath: s.stepPage(oidc.StepLogin), "POST " + loginPath: s.logIn,
		"GET " + codePath: s.stepPage(oidc.StepSecondFactor), "POST " + codePath: s.checkCode,
		"GET " + accountPath: s.stepPage(oidc.StepAccount), "POST " + accountPath: s.chooseAccount,
		"GET " + consentPath: s.stepPage(oidc.StepConsent), "POST " + consentPath: s.decide,
		"GET " + oauth.EndSessionPath: s.logoutRequest, "POST " + oauth.EndSessionPath: s.logoutRequest,
		"GET " + logoutPath: s.logoutPage, "POST " + logoutPath: s.logOut,
		"GET " + setupPath: s.setupPage, "POST " + setupPath: s.setup,
	} {
		s.mux.Handle(pattern, s.login(h))
	}
	s.mux.Handle("GET /licenses", s.private(seesLicenses, "licenses", s.inTurn(s.licensesPage)))
	s.mux.Handle("GET /licenses/{id}", s.private(seesLicenses, "licenses", s.inTurn(s.licensePage)))
	s.mux.Handle("GET /records", s.private(seesLicenses, "records", s.inTurn(s.recordsPage)))
	s.mux.Handle("GET /grants", s.private(seesLicenses, "grants", s.inTurn(s.grantsPage)))
	s.mux.Handle("POST /grants", s.private(seesLicenses, "grants", s.withdraw))
	s.mux.Handle("GET /sessions", s.private(seesSessions, "sessions", s.sessionsPage))
	s.mux.Handle("POST /sessions", s.private(seesSessions, "sessions", s.endSession))
	s.mux.Handle("GET "+servicesPath, s.private(seesSessions, "sessions", s.servicesPage))
	s.mux.Handle("POST "+servicesPath, s.private(seesSessions, "sessions", s.endService))
	s.mux.Handle("GET "+passwordPath, s.private(changesPassword, "sessions", s.passwordPage))
	s.mux.Handle("POST "+passwordPath, s.private(changesPassword, "sessions", s.changePassword))
	s.mux.Handle("GET /.well-known/change-password", s.login(func(v *visit) error { return v.redirect(passwordPath) }))
	if s.c.SecurityContact != "" {
		s.mux.Handle("GET "+securityPath, s.problems.Handle(s.security))
	}
	s.mux.Handle("GET "+web.StaticPath+"{file}", s.problems.Handle(s.static))
}
