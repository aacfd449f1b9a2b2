package oidc

import (
	"fmt"
	"slices"
	"time"

	"github.com/go-json-experiment/json"

	"yizheng.internal/license/party"
	"yizheng.internal/oidc/identity"
	"yizheng.internal/signing"
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
	Scopes      []Scope      `json:"scopes"` // what it may ask for
	GrantTypes  []GrantType  `json:"grant_types"`
	AuthMethods []AuthMethod `json:"auth_methods"`
	Secrets     []SecretHash `json:"secrets"` // newest first; at most two are live

	// Of clients at which people log in.
	RedirectURIs     []string          `json:"redirect_uris,omitempty"`             // compared as they stand; native ones on a loopback IP may have any port
	LogoutURIs       []string          `json:"post_logout_redirect_uris,omitempty"` // likewise
	HomeURI          string            `json:"home_uri,omitempty"`                  // where people begin anew
	Subject          SubjectType       `json:"subject_type,omitempty"`
	IDTokenAlgorithm signing.Algorithm `json:"id_token_alg,omitempty"` // default RS256 (Core section 2)
	WithoutPKCE      bool              `json:"without_pkce,omitempty"` // a confidential legacy client; never for licenses
	RequirePAR       bool              `json:"require_par,omitempty"`
	ServiceItems     []string          `json:"service_items,omitempty"` // 事项 for which it may ask for licenses
}

// ClientSpec is what is said of a new client.
type ClientSpec struct {
	Name        string
	Participant string       // participant id
	Scopes      []Scope      // at least one
	GrantTypes  []GrantType  // default: client_credentials
	AuthMethods []AuthMethod // default: client_secret_basic and client_secret_post

	RedirectURIs     []string // with authorization_code at least one
	LogoutURIs       []string
	HomeURI          string
	Subject          SubjectType       // default: pairwise
	IDTokenAlgorithm signing.Algorithm // default: RS256
	WithoutPKCE      bool
	RequirePAR       bool
	ServiceItems     []string
}

// RegistrationError says why a client can't be registered or changed so. Reason
// is one of: name_invalid, participant_unknown, participant_disabled,
// scopes_missing, scope_unknown, scope_repeated, scopes_combined,
// grant_type_unknown, auth_method_unknown, overlap_invalid. No value is echoed.
type RegistrationError struct {
	Reason string
	Detail string // one sentence: what is wrong and what to do
}

// Error returns the reason and what to do.
func (e *RegistrationError) Error() string { return e.Reason + ": " + e.Detail }

// newClient checks a spec and returns the client, with a random id and no
// secret yet.
func newClient(s ClientSpec) (Client, error) {
	name, err := party.ParseName(s.Name)
	if err != nil {
		return Client{}, &RegistrationError{"name_invalid", "a name has 1 to 200 visible characters: " + err.Error()}
	}
	if err := checkScopes(s.Scopes); err != nil {
		return Client{}, err
	}
	if len(s.GrantTypes) == 0 {
		s.GrantTypes = []GrantType{GrantClientCredentials}
	}
	if len(s.AuthMethods) == 0 {
		s.AuthMethods = []AuthMethod{AuthBasic, AuthPost}
	}
	if slices.ContainsFunc(s.GrantTypes, func(g GrantType) bool { return g != GrantClientCredentials }) {
		return Client{}, &RegistrationError{"grant_type_unknown", "the grant type is client_credentials"}
	}
	if slices.ContainsFunc(s.AuthMethods, func(m AuthMethod) bool { return m != AuthBasic && m != AuthPost }) {
		return Client{}, &RegistrationError{"auth_method_unknown", "the methods are client_secret_basic and client_secret_post"}
	}
	now := time.Now().UTC()
	return Client{
		ID: identity.NewID(), Participant: s.Participant, Name: name, Scopes: slices.Clone(s.Scopes),
		GrantTypes: slices.Compact(slices.Sorted(slices.Values(s.GrantTypes))), AuthMethods: slices.Compact(slices.Sorted(slices.Values(s.AuthMethods))),
		Created: now, Updated: now, Revision: 1,
	}, nil
}

// record returns the client as a store keeps it.
func (c Client) record() (ClientRecord, error) {
	body, err := json.Marshal(c)
	if err != nil {
		return ClientRecord{}, fmt.Errorf("client %s: %w", c.ID, err)
	}
	return ClientRecord{
		ID: c.ID, Participant: c.Participant, Disabled: c.Disabled, Revision: c.Revision,
		Body: body, Created: c.Created, Updated: c.Updated,
	}, nil
}

// clientOf reverses Client.record. Members that a newer program wrote are
// ignored: it may run beside this one.
func clientOf(r ClientRecord) (Client, error) {
	c := Client{
		ID: r.ID, Participant: r.Participant, Disabled: r.Disabled,
		Created: r.Created, Updated: r.Updated, Revision: r.Revision,
	}
	if err := json.Unmarshal(r.Body, &c); err != nil {
		return Client{}, fmt.Errorf("client %s: stored body: %w", r.ID, err)
	}
	return c, nil
}
