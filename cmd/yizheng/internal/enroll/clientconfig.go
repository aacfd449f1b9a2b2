package enroll

import (
	"embed"
	"slices"
	"strings"

	"yizheng.internal/cmd/yizheng/internal/command"
	"yizheng.internal/cmd/yizheng/internal/install"
	"yizheng.internal/oidc"
	"yizheng.internal/oidc/identity"
	"yizheng.internal/signing/jose"
)

// clientConfigs are the pages on which a client's configuration is shown.
//
//go:embed pages/clientconfig.*.txt
var clientConfigs embed.FS

// clientConfig is what a client is configured with. The members that discovery
// or registration has are named as there (OpenID Connect Discovery and Dynamic
// Client Registration 1.0).
type clientConfig struct {
	Issuer           string           `json:"issuer"`
	Discovery        string           `json:"discovery"` // URL of the metadata
	TokenEndpoint    string           `json:"token_endpoint"`
	ClientID         string           `json:"client_id"`
	ClientSecret     string           `json:"client_secret,omitempty"`
	AuthMethod       oidc.AuthMethod  `json:"token_endpoint_auth_method"`
	GrantTypes       []oidc.GrantType `json:"grant_types"`
	Scopes           []oidc.Scope     `json:"scopes"`
	RedirectURIs     []string         `json:"redirect_uris,omitempty"`
	LogoutURIs       []string         `json:"post_logout_redirect_uris,omitempty"`
	IDTokenAlgorithm jose.Algorithm   `json:"id_token_signed_response_alg,omitempty"`
	RequirePAR       bool             `json:"require_pushed_authorization_requests,omitempty"`
	ServiceItems     []string         `json:"service_items,omitempty"`
	MinAssurance     int              `json:"min_assurance,omitempty"` // of its logins; below it there are none
	DefaultMaxAge    *int64           `json:"default_max_age,omitempty"`
}

func configOf(in *install.Installation, owner identity.Participant, c oidc.Client, secret oidc.Secret) clientConfig {
	f := clientConfig{
		Issuer: in.URL, Discovery: in.URL + "/.well-known/openid-configuration", TokenEndpoint: in.URL + "/oauth/token",
		ClientID: c.ID, ClientSecret: secret.Reveal(), AuthMethod: c.AuthMethods[0], GrantTypes: c.GrantTypes, Scopes: c.Scopes,
		RedirectURIs: c.RedirectURIs, LogoutURIs: c.LogoutURIs, RequirePAR: c.RequirePAR, ServiceItems: c.ServiceItems,
	}
	if !c.Has(oidc.GrantCode) {
		f.Discovery = in.URL + "/.well-known/oauth-authorization-server"
		return f
	}
	f.MinAssurance, f.DefaultMaxAge = int(c.Floor(owner.Class)), c.DefaultMaxAge
	if f.IDTokenAlgorithm = c.IDTokenAlgorithm; f.IDTokenAlgorithm == "" {
		f.IDTokenAlgorithm = "RS256" // OpenID Connect Core section 2
	}
	return f
}

// Login reports whether people log in at the client.
func (f clientConfig) Login() bool { return len(f.RedirectURIs) > 0 }

// Alone reports whether the client gets tokens for itself.
func (f clientConfig) Alone() bool {
	return slices.Contains(f.GrantTypes, oidc.GrantClientCredentials)
}

// Plain reports whether the issuer is a plain-HTTP one, which libraries refuse
// unless they are told.
func (f clientConfig) Plain() bool { return strings.HasPrefix(f.Issuer, "http:") }

// Scope is the scope parameter.
func (f clientConfig) Scope() string { return oidc.JoinScopes(f.Scopes) }

// Commas is Asks, as Spring has it.
func (f clientConfig) Commas() string { return strings.ReplaceAll(f.Asks(), " ", ",") }

// Asks is the scope parameter of a login: what a client may ask for itself is
// no part of it.
func (f clientConfig) Asks() string {
	var asks []oidc.Scope
	for _, s := range f.Scopes {
		if !strings.Contains(string(s), ":") {
			asks = append(asks, s)
		}
	}
	return oidc.JoinScopes(asks)
}

// print shows the configuration: the one time that the secret is seen.
func (f clientConfig) print(p *command.Process, asJSON bool) error {
	if asJSON {
		return command.PrintJSON(p.Out, f)
	}
	return p.Page(clientConfigs, "pages/clientconfig", f)
}
