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
	// GrantRefresh goes on with what a login yielded (RFC 6749 section 6).
	GrantRefresh GrantType = "refresh_token"
)

// GrantRule is what goes for a grant type wherever it is met: in the metadata, at the token
// endpoint, and when a client is registered for it.
type GrantRule struct {
	Type   GrantType
	People bool      // it is of people's logins: without them there is none
	Secret bool      // it is for clients with a secret alone
	With   GrantType // that a client is registered for, too; empty: none
}

// AuthMethod is how a client proves who it is at the token endpoint, by the
// names of RFC 7591 section 2. The zero AuthMethod is none.
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
// participant and acts for it alone. It is shared by readers: don't change one
// that a Provider returned.
type Client struct {
	ID          string    `json:"-"`
	Participant string    `json:"-"` // participant id
	Disabled    bool      `json:"-"` // gets no tokens, and those it has end
	Created     time.Time `json:"-"`
	Updated     time.Time `json:"-"`
	Revision    int64     `json:"-"` // counts updates, from 1

	Name        string       `json:"name"`
	Names       party.Names  `json:"names,omitempty"` // in other languages than Chinese, as client_name#en is in Dynamic Client Registration section 2.1
	Scopes      []Scope      `json:"scopes"`          // what it may ask for
	GrantTypes  []GrantType  `json:"grant_types"`
	AuthMethods []AuthMethod `json:"auth_methods"`
	Secrets     []SecretHash `json:"secrets"` // newest first; at most two are live

	// Of clients at which people log in.
	RedirectURIs     []string       `json:"redirect_uris,omitempty"`             // compared as they stand; native ones on a loopback IP may have any port
	LogoutURIs       []string       `json:"post_logout_redirect_uris,omitempty"` // likewise
	HomeURI          string         `json:"home_uri,omitempty"`                  // where people begin anew
	Subject          SubjectType    `json:"subject_type,omitempty"`
	IDTokenAlgorithm jose.Algorithm `json:"id_token_alg,omitempty"` // default RS256 (Core section 2)
	WithoutPKCE      bool           `json:"without_pkce,omitempty"` // a confidential legacy client; never for licenses
	RequirePAR       bool           `json:"require_par,omitempty"`
	ServiceItems     []string       `json:"service_items,omitempty"` // 事项 for which it may ask for licenses
	// MinAssurance is the assurance that its logins have at least, whatever it asks
	// for; nil: see [Client.Floor]. DefaultMaxAge is the max_age of requests without
	// one, in seconds (Dynamic Client Registration section 2); nil: none.
	MinAssurance  *int   `json:"min_assurance,omitempty"`
	DefaultMaxAge *int64 `json:"default_max_age,omitempty"`
}

// Floor returns the assurance below which nobody logs in at the client: what the
// operator set, or else 2 for a department's client that asks who people are, so
// that one that forgets acr_values doesn't take a password alone for a person.
func (c Client) Floor(class identity.Class) factor.Assurance {
	switch {
	case c.MinAssurance != nil:
		return factor.Assurance(*c.MinAssurance)
	case class == identity.Government && slices.Contains(c.Scopes, ScopeIdentity):
		return CodeAssurance
	}
	return 0
}

// Public reports whether the client has no secret (RFC 6749 section 2.1).
func (c Client) Public() bool { return slices.Contains(c.AuthMethods, AuthNone) }

// Has reports whether the client is registered for a grant type.
func (c Client) Has(g GrantType) bool { return slices.Contains(c.GrantTypes, g) }
