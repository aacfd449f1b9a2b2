package api

import (
	"fmt"
	"runtime"
	"strings"
	"time"

	"yizheng.internal/api/limit"
	"yizheng.internal/api/oauth"
	"yizheng.internal/api/pages/enter"
	"yizheng.internal/api/pages/officers"
	"yizheng.internal/api/pages/portal"
	"yizheng.internal/api/rest"
	"yizheng.internal/api/web"
)

// routes lists everything that the public listener serves. Endpoints of the
// REST API are mounted by [rest.API.Mount], which adds them to the OpenAPI document.
func (s *Server) routes() (err error) {
	if err := s.providerRoutes(); err != nil {
		return err
	}
	s.mux.Handle("GET /docs", s.problems.Handle(s.documentation))
	s.mux.Handle("GET /v1/openapi.json", s.problems.Handle(s.openAPI))
	s.mux.Handle("/", s.problems.Handle(s.nowhere))

	l := s.c.Limits
	if s.rest, err = rest.New(rest.Config{
		Library: s.c.Library, Keyrings: s.c.Keyrings, Anchors: s.c.Anchors, Lists: s.c.Lists, Verifier: s.c.Verifier, Problems: s.problems,
		Registrar: s.c.Registrar, Acting: s.c.Acting, Client: s.c.Provider.Clients.Client, Refusals: s.c.Provider.Journal, Askers: limit.NewRate(l.PeoplePerMinute, l.PeopleBurst),
		Authorize: s.oauth.Authorize, Address: s.address, Step: s.step,
		Readers: limit.NewRate(l.ReadPerMinute, l.ReadBurst), Addresses: limit.NewRate(l.VerifyPerMinute, l.VerifyBurst), Verifying: limit.NewTurnstile(l.Verifying, l.VerifyQueue),
		Verified: func(verdict string) { s.metrics.verified.WithLabelValues(verdict).Inc() },
	}); err != nil {
		return fmt.Errorf("api: %w", err)
	}
	s.rest.Mount(s.mux.Handle, s.description)
	return nil
}

// countRefusal counts a request that was refused before a client was known.
func (s *Server) countRefusal(reason string) { s.metrics.refused.WithLabelValues(reason).Inc() }

// providerRoutes adds the endpoints of the OpenID provider.
func (s *Server) providerRoutes() (err error) {
	people, p, l := s.c.Identity != nil, s.c.Provider, s.c.Limits
	c := oauth.Config{
		Issuer: s.c.Issuer, Clients: p.Clients, Grants: p.Grants, Tokens: p.Tokens, Requests: p.Flow, Refusals: p.Journal, People: people,
		Log: s.c.Log, Failing: s.failing, Address: s.address, Askers: s.askers, Pushers: limit.NewRate(l.PushPerMinute, l.PushBurst), Counted: s.countRefusal, Refusal: s.refusal, Step: s.step,
		Served: func(path string, status int, took time.Duration) {
			s.metrics.requests.WithLabelValues("GET "+path, class(status)).Observe(took.Seconds())
		},
	}
	if strings.HasPrefix(s.c.Issuer, "https:") {
		c.StrictTransport = strictTransport
	}
	if s.oauth, err = oauth.New(c); err != nil {
		return fmt.Errorf("api: %w", err)
	}
	s.mux.HandleFunc(oauth.TokenPath, s.oauth.Token)
	s.mux.HandleFunc(oauth.IntrospectionPath, s.oauth.Introspect)
	s.mux.HandleFunc(oauth.RevocationPath, s.oauth.Revoke)
	if people {
		s.mux.HandleFunc(oauth.PARPath, s.oauth.PushRequest)
		s.mux.Handle("GET "+oauth.UserInfoPath, s.problems.Handle(s.oauth.UserInfo))
		s.mux.Handle("POST "+oauth.UserInfoPath, s.problems.Handle(s.oauth.UserInfo))
	}
	for _, path := range s.oauth.Documents() {
		s.mux.Handle("GET "+path, s.problems.Handle(s.oauth.Document))
	}
	return nil
}

// pageRoutes adds the pages that people see, and who is told of a weakness.
func (s *Server) pageRoutes(texts *web.Pages) {
	s.site.Mount(s.mux.Handle)
	enter.New(enter.Config{Site: s.site, Entry: s.c.Entry, Tickets: s.c.Tickets, Web: texts, People: s.people}).Mount(s.mux.Handle)
	own := portal.New(portal.Config{
		Issuer: s.c.Issuer, Site: s.site, Flow: s.c.Provider.Flow, Sessions: s.c.Provider.Sessions, Consents: s.c.Provider.Consents,
		Identity: s.c.Identity, Factors: s.c.Factors, Authenticators: s.c.Authenticators, Upstreams: s.c.Upstreams, Certificates: s.c.Certificates, Trail: s.c.Trail, Acting: s.c.Acting, Behalf: s.c.Provider.Behalf, Items: s.c.Library.Catalog().Items(), Scans: s.c.Provider.Scans, Entry: s.c.Entry, Clients: s.c.Provider.Clients, Offers: s.c.Library.Offers, Readings: s.c.Library.Readings, Grants: s.c.Library.Grants, Verification: s.rest.Verification, Web: texts, Views: s.views,
		Holders: limit.NewHolders(runtime.GOMAXPROCS(0)), People: s.people,
	})
	own.Mount(s.mux.Handle)
	if s.c.Officers != nil {
		officers.New(officers.Config{Officers: s.c.Officers, Web: texts, Private: own.Private}).Mount(s.mux.Handle)
	}
	if s.c.SecurityContact != "" {
		s.mux.Handle("GET "+securityPath, s.problems.Handle(s.security))
	}
}
