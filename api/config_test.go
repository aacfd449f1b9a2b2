package api

import (
	"strings"
	"testing"

	"yizheng.internal/license/library"
	"yizheng.internal/oidc/identity"
	"yizheng.internal/oidc/identity/authenticator"
	"yizheng.internal/oidc/identity/factor"
	"yizheng.internal/oidc/identity/password"
	"yizheng.internal/oidc/provider"
	"yizheng.internal/signing"
	"yizheng.internal/signing/pki"
)

// What people's pages need comes together: half of it would be found out by who logs in.
func TestConfig(t *testing.T) {
	t.Parallel()
	base := Config{Issuer: "https://id.example", Library: new(library.Library), Provider: new(provider.Provider), Keyrings: new(signing.Keyrings), Anchors: new(pki.Anchors)}
	for _, tt := range []struct {
		name   string
		change func(*Config)
	}{
		{"identity alone", func(c *Config) { c.Identity = new(identity.Service) }},
		{"factors alone", func(c *Config) { c.Factors = new(factor.Service) }},
		{"no tickets", func(c *Config) { c.Identity, c.Factors = new(identity.Service), new(factor.Service) }},
		{"no trail", func(c *Config) {
			c.Identity, c.Factors, c.Authenticators, c.Tickets = new(identity.Service), new(factor.Service), new(authenticator.Service), new(password.Tickets)
		}},
		{"no factors", func(c *Config) { c.Identity, c.Tickets = new(identity.Service), new(password.Tickets) }},
	} {
		c := base
		tt.change(&c)
		if _, err := New(c); err == nil || !strings.Contains(err.Error(), "Identity, Factors, Authenticators, Tickets and Trail together") {
			t.Errorf("%s: %v", tt.name, err)
		}
	}
	if _, err := New(Config{}); err == nil || !strings.Contains(err.Error(), "needs Issuer") {
		t.Errorf("nothing: %v", err)
	}
}
