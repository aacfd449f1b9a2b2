package api

import (
	"fmt"
	"net/http"

	"github.com/go-json-experiment/json"

	"yizheng.internal/oidc"
)

// metadata is what the provider says of itself (RFC 8414 section 2). It is
// written here in full rather than left to a library's defaults, and every
// member of it is true.
type metadata struct {
	Issuer        string            `json:"issuer"`
	TokenEndpoint string            `json:"token_endpoint"`
	JWKSURI       string            `json:"jwks_uri"`
	Scopes        []oidc.Scope      `json:"scopes_supported"`
	ResponseTypes []string          `json:"response_types_supported"` // required; none without an authorization endpoint
	GrantTypes    []oidc.GrantType  `json:"grant_types_supported"`    // its absence would mean authorization_code and implicit
	AuthMethods   []oidc.AuthMethod `json:"token_endpoint_auth_methods_supported"`
}

func metadataOf(issuer string) ([]byte, error) {
	b, err := json.Marshal(metadata{
		Issuer: issuer, TokenEndpoint: issuer + tokenPath, JWKSURI: issuer + jwksPath,
		Scopes: oidc.Scopes(), ResponseTypes: []string{},
		GrantTypes:  []oidc.GrantType{oidc.GrantClientCredentials},
		AuthMethods: []oidc.AuthMethod{oidc.AuthBasic, oidc.AuthPost},
	})
	if err != nil {
		return nil, fmt.Errorf("the provider's metadata: %w", err)
	}
	return b, nil
}

// metadataDocument serves the provider's metadata.
func (o *oauth) metadataDocument(w http.ResponseWriter, _ *http.Request) {
	w.Header().Set("Content-Type", "application/json")
	w.Header().Set("Cache-Control", "public, max-age=300")
	_, _ = w.Write(o.metadata) // an error is the connection's
}
