// Package api is the service over HTTP: its server mounts the rooms below it and the pages that
// people see, and puts around them what every request needs. How often addresses, clients and
// people may ask is its [Limits], in server.go. It also has the operations listener.
package api

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"log/slog"
	"net/http"
	"net/netip"
	"runtime"
	"sync"
	"sync/atomic"
	"time"

	"github.com/prometheus/client_golang/prometheus"

	"yizheng.internal/api/limit"
	"yizheng.internal/api/oauth"
	"yizheng.internal/api/openapi"
	"yizheng.internal/api/pages"
	"yizheng.internal/api/problem"
	"yizheng.internal/api/rest"
	"yizheng.internal/api/views"
	"yizheng.internal/api/web"
	"yizheng.internal/license/library"
	"yizheng.internal/oidc/identity"
	"yizheng.internal/oidc/identity/acting"
	"yizheng.internal/oidc/identity/authenticator"
	"yizheng.internal/oidc/identity/certificate"
	"yizheng.internal/oidc/identity/entry"
	"yizheng.internal/oidc/identity/factor"
	"yizheng.internal/oidc/identity/officer"
	"yizheng.internal/oidc/identity/password"
	"yizheng.internal/oidc/identity/registrar"
	"yizheng.internal/oidc/identity/trail"
	"yizheng.internal/oidc/identity/upstream"
	"yizheng.internal/oidc/provider"
	"yizheng.internal/signing"
	"yizheng.internal/signing/jose"
	"yizheng.internal/signing/pki"
)

// Config says what a Server serves.
type Config struct {
	Issuer   string // the public URL, the OpenID issuer: https, or http on loopback
	Library  *library.Library
	Provider *provider.Provider
	Keyrings *signing.Keyrings
	Anchors  *pki.Anchors
	Lists    signing.RevocationLists // nil: no revocation lists are served
	Verifier *jose.Verifier          // whose second opinions are counted; nil: none are
	// Identity, Factors, Authenticators, Tickets and Trail are for people's pages, and come together;
	// without them there are none.
	Identity       *identity.Service
	Factors        *factor.Service
	Phones         bool                 // people log in with their phone; see provider.Config
	Upstreams      *upstream.Service    // other providers with which people log in; nil: there are none
	Certificates   *certificate.Service // nil: nobody logs in with a certificate
	Authenticators *authenticator.Service
	Tickets        *password.Tickets
	Entry          *entry.Service // nil: nobody registers or recovers an account online
	Trail          *trail.Service
	Officers       *officer.Service   // nil: nobody has a post
	Acting         *acting.Service    // who may act for whom; nil: nobody acts for others
	Registrar      *registrar.Service // for the API about people; nil: there is none
	// Ready reports whether requests can be served, or what is missing: for
	// /readyz. Nil: always ready.
	Ready func(ctx context.Context) error
	// LoginsReady reports whether people can log in as well, for /readyz/logins.
	// Nil: always, where there are logins.
	LoginsReady func(ctx context.Context) error
	// Refusal returns nil, or why nothing may be decided here: then every request gets
	// 503, and /readyz fails. Nil: no request is refused for that.
	Refusal   func() error
	Kept      KeptState            // for the metrics
	Gauges    []Gauge              // further ones for the metrics
	GaugeSets []GaugeSet           // likewise
	Activity  *Activity            // likewise; nil: nothing is counted
	Metrics   *prometheus.Registry // default: a new one
	// TrustedProxies may name the client's address in X-Forwarded-For, and the
	// request in X-Request-Id.
	TrustedProxies []netip.Prefix
	// ClientCertificates says which proxy is believed about certificates of connections.
	ClientCertificates ClientCertificates
	Limits             Limits
	// SecurityContact, if set, is whom security.txt names: see [CheckSecurityContact].
	SecurityContact string
	Log             *slog.Logger // default: discards
	// Step, if set, is called with the name of each step of a request: failpoints of tests.
	Step func(name string)
}

// KeptState tells of the store for what may be lost. The zero KeptState tells nothing.
type KeptState struct {
	// Condition returns whether its last call was answered, and how many weren't.
	Condition func() (up bool, failures uint64)
	// Foreign reports whether another node uses another store.
	Foreign func() bool
}

// Limits bound what callers may ask for. Zero fields take their defaults.
type Limits struct {
	// Limits per address hold for networks too: an IPv4 /24 may ask for 20 times as much as an
	// address. An IPv6 /64 counts as one address; a /56 may ask for 4 times as much, a /48 for
	// 10 times as much.
	VerifyPerMinute int // anonymous verifications per address; default 120
	VerifyBurst     int // at once; default 60
	// Verifying is how many verifications may be under way. The default is 4 for each
	// processor and 65 more. Up to 65 may wait for second opinions (see
	// [yizheng.internal/signing/sm2.Config]); if these are forgeries, the others still go on.
	Verifying   int
	VerifyQueue int // verifications waiting for their turn; default 8192
	// Tries to log in per address, of passwords and codes together: a hall full of
	// people may share one. Accounts have limits of their own.
	LoginPerMinute int // default 120
	LoginBurst     int // at once; default 60
	// AuthorizePerMinute bounds authorization requests per address. Each request is stored
	// until somebody has logged in. Many people may share one address. Default 600.
	AuthorizePerMinute int
	AuthorizeBurst     int // at once; default 300
	// PollPerMinute bounds the questions whether a phone has confirmed a login, per address: a
	// page asks every 2 seconds, for 2 minutes. Default 3,000.
	PollPerMinute int
	PollBurst     int // at once; default 600
	// PushPerMinute bounds the pushed requests of each client that authenticates. Each
	// takes one turn, and one more for each 2 KiB. Default 30,000.
	PushPerMinute int
	PushBurst     int // at once; default 6,000
	// ReadPerMinute bounds the readings that leave an event, for each person at a client. A
	// client without a person may read 50 times as much. Default 600.
	ReadPerMinute int
	ReadBurst     int // at once; default 120
	// PeoplePerMinute bounds the requests about people of each client. Default 300.
	PeoplePerMinute int
	PeopleBurst     int // at once; default 100
	// Request is how long a request may take until it is answered with 503, from
	// when its header was read. Default [RequestWithin].
	Request time.Duration
}

// complete fills in the defaults.
func (l *Limits) complete() error {
	defaults := []struct {
		v  *int
		to int
	}{
		{&l.VerifyPerMinute, 120}, {&l.VerifyBurst, 60}, {&l.LoginPerMinute, 120}, {&l.LoginBurst, 60},
		{&l.AuthorizePerMinute, 600}, {&l.AuthorizeBurst, 300}, {&l.PollPerMinute, 3_000}, {&l.PollBurst, 600}, {&l.PushPerMinute, 30_000}, {&l.PushBurst, 6_000},
		{&l.ReadPerMinute, 600}, {&l.ReadBurst, 120}, {&l.PeoplePerMinute, 300}, {&l.PeopleBurst, 100},
		{&l.Verifying, 4*runtime.GOMAXPROCS(0) + 65}, {&l.VerifyQueue, 8192},
	}
	for _, d := range defaults {
		if *d.v = cmp.Or(*d.v, d.to); *d.v < 0 {
			return errors.New("api: Limits must not be negative")
		}
	}
	if l.Request = cmp.Or(l.Request, RequestWithin); l.Request < 0 {
		return errors.New("api: Limits must not be negative")
	}
	return nil
}

// RequestWithin is how long a request may take by default. Deadlines of stores are
// shorter. This one bounds requests that ask stores several times.
const RequestWithin = 20 * time.Second

// Server serves the public and the operations listener.
type Server struct {
	c           Config
	mux         *router
	description *openapi.Document
	docs        map[web.Language]func() ([]byte, error) // the page made of it, by language: made when it is asked for
	views       *views.Views
	site        *pages.Site
	rest        *rest.API
	metrics     metrics
	oauth       *oauth.Endpoints
	people      *limit.Rate // of tries to log in
	askers      *limit.Rate // of authorization requests
	unnamed     sync.Once   // says that a proxy isn't trusted
	forged      sync.Once   // says that a certificate's header isn't believed
	failing     *problem.Log
	problems    *problem.Writer
	draining    atomic.Bool
}

// New checks c and returns a Server.
func New(c Config) (*Server, error) {
	if c.Issuer == "" || c.Library == nil || c.Provider == nil || c.Keyrings == nil || c.Anchors == nil {
		return nil, errors.New("api: Config needs Issuer, Library, Provider, Keyrings and Anchors")
	}
	if (c.Identity == nil) != (c.Factors == nil) || (c.Identity == nil) != (c.Authenticators == nil) || (c.Identity == nil) != (c.Tickets == nil) ||
		(c.Identity == nil) != (c.Trail == nil) {
		return nil, errors.New("api: Config needs Identity, Factors, Authenticators, Tickets and Trail together, or none of them")
	}
	if c.Log == nil {
		c.Log = slog.New(slog.DiscardHandler)
	}
	if c.Metrics == nil {
		c.Metrics = prometheus.NewRegistry()
	}
	if c.SecurityContact != "" {
		if err := CheckSecurityContact(c.SecurityContact); err != nil {
			return nil, fmt.Errorf("api: %w", err)
		}
	}
	if err := c.Limits.complete(); err != nil {
		return nil, err
	}
	l := c.Limits
	s := &Server{
		c: c, mux: newRouter(), description: openapi.New(c.Issuer, c.Identity != nil),
		people:  limit.NewRate(l.LoginPerMinute, l.LoginBurst),
		askers:  limit.NewRate(l.AuthorizePerMinute, l.AuthorizeBurst),
		failing: problem.NewLog(c.Log),
		docs:    map[web.Language]func() ([]byte, error){},
	}
	var err error
	if s.metrics, err = newMetrics(c); err != nil {
		return nil, fmt.Errorf("api: registering metrics: %w", err)
	}
	texts, err := web.New()
	if err != nil {
		return nil, fmt.Errorf("api: reading the pages: %w", err)
	}
	if err := s.openPages(texts); err != nil {
		return nil, fmt.Errorf("api: %w", err)
	}
	if err := s.routes(); err != nil {
		return nil, err
	}
	s.pageRoutes(texts)
	if err := s.description.Finish(); err != nil {
		return nil, fmt.Errorf("api: %w", err)
	}
	for _, l := range web.Languages() {
		s.docs[l] = sync.OnceValues(func() ([]byte, error) { return s.description.Page(texts, l) })
	}
	return s, nil
}

// openPages makes the views, the writer of errors and the site, which shows errors as pages
// to browsers.
func (s *Server) openPages(texts *web.Pages) (err error) {
	names, entries := s.c.Provider, s.c.Library.Catalog()
	if s.views, err = views.New(views.Config{
		Types: entries.Types(), Items: entries.Items(), Licenses: s.c.Library.Records, Parties: names.Clients, Clients: names.Clients, Texts: texts, Failing: s.failing,
	}); err != nil {
		return err
	}
	// The site and the writer of errors need each other. The writer is made first, and finds the
	// site when it is called.
	show := func(w http.ResponseWriter, r *http.Request, p problem.Problem, err error) bool {
		return s.site.ShowError(w, r, p, err)
	}
	if s.problems, err = problem.NewWriter(problem.Config{Log: s.failing, Page: show, Refused: s.countRefusal}); err != nil {
		return err
	}
	s.site = pages.New(pages.Config{
		Issuer: s.c.Issuer, Flow: s.c.Provider.Flow, Logouts: s.c.Provider.Logouts, Sessions: s.c.Provider.Sessions, Clients: s.c.Provider.Clients, Identity: s.c.Identity, Factors: s.c.Factors, Phones: s.c.Phones,
		Registers: s.c.Entry != nil && s.c.Entry.Registers(), Recovers: s.c.Entry != nil && s.c.Entry.Proofs(), Scans: s.c.Provider.Scans, Upstreams: s.c.Upstreams, Certificates: s.c.Certificates,
		Web: texts, Views: s.views, Problems: s.problems, Address: s.address, Certificate: s.certificate, People: s.people, Askers: s.askers,
		Polls: limit.NewRate(s.c.Limits.PollPerMinute, s.c.Limits.PollBurst), Log: s.c.Log,
	})
	return nil
}

// Handler serves the public listener.
func (s *Server) Handler() http.Handler { return s.drained(s.oauth.Ready(s.around(s.mux))) }

// Drain prepares the end of the process. From now on /readyz fails, so that a balancer
// sends no more requests here. Each answer says that its connection closes, so that the
// client sends its next request elsewhere. Requests that still come are served. Idle
// connections stay open, because a request may be on its way.
func (s *Server) Drain() { s.draining.Store(true) }

// drained has each answer close its connection, once [Server.Drain] was called.
func (s *Server) drained(next http.Handler) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if s.draining.Load() {
			w.Header().Set("Connection", "close")
		}
		next.ServeHTTP(w, r)
	})
}

func (s *Server) step(name string) {
	if s.c.Step != nil {
		s.c.Step(name)
	}
}
