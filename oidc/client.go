package oidc

import (
	"slices"
	"time"

	"yizheng.internal/license/party"
	"yizheng.internal/oidc/identity"
	"yizheng.internal/oidc/identity/factor"
	"yizheng.internal/signing/jose"
)

// GrantType is a way to get a token (RFC 6749 section 1.3).
type GrantType string

const (
	// GrantClientCredentials is a client acting for its participant, without a
	// person (RFC 6749 section 4.4).
	GrantClientCredentials GrantType = "client_credentials"
	// GrantCode is a person's login at the client (RFC 6749 section 4.1).
	GrantCode GrantType = "authorization_code"
	// GrantRefresh renews the tokens of a login (RFC 6749 section 6).
	GrantRefresh GrantType = "refresh_token"
)

// GrantRule says what applies to a grant type everywhere: in the metadata, at the token
// endpoint, and when a client is registered for it.
type GrantRule struct {
	Type   GrantType
	People bool      // it needs people's logins; without them it isn't offered
	Secret bool      // only clients with a secret may use it
	With   GrantType // another grant type that the client must be registered for; empty: none
}

// AuthMethod is how a client proves who it is at the token endpoint, named as in
// RFC 7591 section 2. The zero AuthMethod is none.
type AuthMethod string

const (
	AuthBasic AuthMethod = "client_secret_basic" // HTTP Basic (RFC 6749 section 2.3.1)
	AuthPost  AuthMethod = "client_secret_post"  // parameters in the body
	AuthNone  AuthMethod = "none"                // a public client (RFC 6749 section 2.1): always with PKCE, never licenses
)

// SubjectType says whether a person has the same subject at other participants
// (OpenID Connect Core section 8).
type SubjectType string

const (
	SubjectPairwise SubjectType = "pairwise" // one for each participant: the default
	SubjectPublic   SubjectType = "public"
)

// Client is an application 应用 that is registered here. It belongs to one
// participant and acts for it alone. Readers share it: don't change a Client that
// a Provider returned.
type Client struct {
	ID          string    `json:"-"`
	Participant string    `json:"-"` // participant id
	Disabled    bool      `json:"-"` // it gets no tokens, and the tokens it has end
	Created     time.Time `json:"-"`
	Updated     time.Time `json:"-"`
	Revision    int64     `json:"-"` // counts updates, from 1

	Name        string       `json:"name"`
	Names       party.Names  `json:"names,omitempty"` // in other languages than Chinese, as client_name#en is in Dynamic Client Registration section 2.1
	Scopes      []Scope      `json:"scopes"`          // what it may ask for
	GrantTypes  []GrantType  `json:"grant_types"`
	AuthMethods []AuthMethod `json:"auth_methods"`
	Secrets     []SecretHash `json:"secrets"` // newest first; at most two are live

	// For clients at which people log in.
	RedirectURIs     []string       `json:"redirect_uris,omitempty"`             // compared byte by byte; loopback IPs: see client.Redirects
	LogoutURIs       []string       `json:"post_logout_redirect_uris,omitempty"` // likewise
	HomeURI          string         `json:"home_uri,omitempty"`                  // where people start again
	Subject          SubjectType    `json:"subject_type,omitempty"`
	IDTokenAlgorithm jose.Algorithm `json:"id_token_alg,omitempty"` // default RS256 (Core section 2)
	WithoutPKCE      bool           `json:"without_pkce,omitempty"` // a confidential legacy client; never for licenses
	RequirePAR       bool           `json:"require_par,omitempty"`
	ServiceItems     []string       `json:"service_items,omitempty"` // 事项 for which it may ask for licenses
	// MinAssurance is the least assurance of its logins, whatever the client asks for;
	// nil: see [Client.Floor]. DefaultMaxAge is the max_age, in seconds, of requests
	// that have none (Dynamic Client Registration section 2); nil: none.
	MinAssurance  *int   `json:"min_assurance,omitempty"`
	DefaultMaxAge *int64 `json:"default_max_age,omitempty"`

	// With the scope people:write: PeopleSources are the sources whose people the client may see and
	// change; those that it brings in are of the first. PeopleLevel is the highest proofing level
	// that it may give, 1 to 3; that of the source is a bound as well.
	PeopleSources []string `json:"people_sources,omitempty"`
	PeopleLevel   int      `json:"people_level,omitempty"`
}

// Floor returns the least assurance at which people log in at the client. The operator
// can set it. The default is 2 for a department's client that asks who people are, so that
// a client that forgets acr_values doesn't accept a password alone, and for any client that asks for whom
// people act, which nobody does below that; for others it is 0.
func (c Client) Floor(class identity.Class) factor.Assurance {
	switch {
	case c.MinAssurance != nil:
		return factor.Assurance(*c.MinAssurance)
	case class == identity.Government && slices.Contains(c.Scopes, ScopeIdentity), slices.ContainsFunc(c.Scopes, Scope.Represents):
		return CodeAssurance
	}
	return 0
}

// Public reports whether the client has no secret (RFC 6749 section 2.1).
func (c Client) Public() bool { return slices.Contains(c.AuthMethods, AuthNone) }

// Has reports whether the client is registered for a grant type.
func (c Client) Has(g GrantType) bool { return slices.Contains(c.GrantTypes, g) }
