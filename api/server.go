// Package api is the service over HTTP: all routes, the protocol adapter of the
// OpenID provider, the REST API with its OpenAPI document, one place that maps
// errors to what a client sees, and the middleware around them.
package api

import (
	"context"
	"errors"
	"log/slog"
	"net/http"
	"net/netip"

	"github.com/prometheus/client_golang/prometheus"

	"yizheng.internal/license"
	"yizheng.internal/oidc"
	"yizheng.internal/signing"
)

// Config says what a Server serves.
type Config struct {
	Issuer   string // the public URL, the OpenID issuer: https, or http on loopback
	Registry *license.Registry
	Provider *oidc.Provider
	Keyrings *signing.Keyrings
	Anchors  *signing.Anchors
	// Ready reports whether requests can be served, or what is missing: for /readyz.
	Ready   func(ctx context.Context) error
	Metrics *prometheus.Registry // default: a new one
	// TrustedProxies may name the client's address in X-Forwarded-For.
	TrustedProxies []netip.Prefix
	Limits         Limits
	Log            *slog.Logger // default: discards
	// Step, if set, is called with the name of each step of a request: failpoints of tests.
	Step func(name string)
}

// Limits bound what anonymous callers may ask for. Zero fields take their defaults.
type Limits struct {
	VerifyPerMinute int // anonymous verifications per address (IPv6: per /64); default 120
	VerifyBurst     int // default 60
}

// Server serves the public and the admin listener.
type Server struct {
	c Config
}

// New checks c and returns a Server.
func New(c Config) (*Server, error) { return nil, errors.New("not built yet") }

// Handler serves the public listener.
func (s *Server) Handler() http.Handler { return nil }

// Admin serves the admin listener: /livez, /readyz, /metrics.
func (s *Server) Admin() http.Handler { return nil }
