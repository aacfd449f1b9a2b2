package oidc

import (
	"maps"
	"slices"
	"time"

	"yizheng.internal/license/party"
	"yizheng.internal/oidc/identity"
	"yizheng.internal/signing/jose"
)

// ClientSpec is what is said of a client when it is registered or changed.
type ClientSpec struct {
	Name        string
	Names       party.Names  // in other languages than Chinese, by language tag
	Participant string       // participant id
	Scopes      []Scope      // at least one
	GrantTypes  []GrantType  // default: client_credentials
	AuthMethods []AuthMethod // default: client_secret_basic and client_secret_post

	// With authorization_code at least one, else none. Each is an absolute URI of
	// at most 512 visible ASCII characters, without fragment, user or wildcard:
	// https; or http on localhost or a loopback IP; or, of a public client, a scheme
	// of its own with a dot in it (RFC 8252 section 7.1). At most 20.
	RedirectURIs     []string
	LogoutURIs       []string       // likewise, at most 20
	HomeURI          string         // https, or http as above; may be empty
	Subject          SubjectType    // default: pairwise
	IDTokenAlgorithm jose.Algorithm // RS256 (the default) or ES256
	WithoutPKCE      bool           // refused for public clients and with ServiceItems
	RequirePAR       bool
	ServiceItems     []string // at most 100; of confidential clients with authorization_code alone
	MinAssurance     *int     // 0 to 3; nil: the default, see [Client.Floor]
	DefaultMaxAge    *int64   // seconds, 0 to a year; nil: none
}

// RegistrationError says why a client can't be registered or changed so. Reason
// is one of: name_invalid, names_invalid, participant_unknown, participant_disabled,
// participant_fixed, subject_type_fixed, scopes_missing, scope_unknown, scope_repeated,
// scopes_combined, scopes_without_login, offline_without_refresh,
// grant_type_unknown, grant_types_combined, auth_method_unknown,
// auth_methods_combined, public_client, public_fixed, redirect_uri_missing,
// redirect_uri_invalid, redirect_uri_unused, logout_uri_invalid,
// home_uri_invalid, subject_type_unknown, id_token_alg_unknown, pkce_required,
// service_item_invalid, service_items_refused, assurance_invalid, max_age_invalid,
// overlap_invalid. No value is echoed.
type RegistrationError struct {
	Reason string
	Detail string // one sentence: what is wrong and what to do
}

// Error returns the reason and what to do.
func (e *RegistrationError) Error() string { return e.Reason + ": " + e.Detail }

// newClient checks a spec and returns the client, with a random id and no
// secret yet.
func newClient(s ClientSpec) (Client, error) {
	c, err := s.checked()
	if err != nil {
		return Client{}, err
	}
	now := time.Now().UTC()
	c.ID, c.Participant, c.Created, c.Updated, c.Revision = identity.NewID(), s.Participant, now, now, 1
	return c, nil
}

// checked returns the client that a spec describes, without what is not for
// the spec to say: id, participant, secrets and times.
func (s ClientSpec) checked() (Client, error) {
	name, err := party.ParseName(s.Name)
	if err != nil {
		return Client{}, &RegistrationError{"name_invalid", "a name has 1 to 200 visible characters: " + err.Error()}
	}
	names, err := party.ParseNames(s.Names)
	if err != nil {
		return Client{}, &RegistrationError{"names_invalid", identity.NamesHelp + ": " + err.Error()}
	}
	c := Client{
		Name: name, Names: names, Scopes: slices.Clone(s.Scopes), GrantTypes: sorted(s.GrantTypes), AuthMethods: sorted(s.AuthMethods),
		RedirectURIs: slices.Clone(s.RedirectURIs), LogoutURIs: slices.Clone(s.LogoutURIs), HomeURI: s.HomeURI,
		Subject: s.Subject, IDTokenAlgorithm: s.IDTokenAlgorithm,
		WithoutPKCE: s.WithoutPKCE, RequirePAR: s.RequirePAR, ServiceItems: slices.Clone(s.ServiceItems),
		MinAssurance: s.MinAssurance, DefaultMaxAge: s.DefaultMaxAge,
	}
	if len(c.GrantTypes) == 0 {
		c.GrantTypes = []GrantType{GrantClientCredentials}
	}
	if len(c.AuthMethods) == 0 {
		c.AuthMethods = []AuthMethod{AuthBasic, AuthPost}
	}
	for _, check := range []func(Client) *RegistrationError{
		checkScopes, checkGrants, checkMethods, checkURIs, checkLogins, checkItems,
	} {
		if err := check(c); err != nil {
			return Client{}, err
		}
	}
	if c.Has(GrantCode) && c.Subject == "" {
		c.Subject = SubjectPairwise
	}
	return c, nil
}

// Spec returns what was said of the client: with it, UpdateClient changes nothing.
func (c Client) Spec() ClientSpec {
	return ClientSpec{
		Name: c.Name, Names: maps.Clone(c.Names), Participant: c.Participant, Scopes: slices.Clone(c.Scopes), GrantTypes: slices.Clone(c.GrantTypes),
		AuthMethods: slices.Clone(c.AuthMethods), RedirectURIs: slices.Clone(c.RedirectURIs), LogoutURIs: slices.Clone(c.LogoutURIs),
		HomeURI: c.HomeURI, Subject: c.Subject, IDTokenAlgorithm: c.IDTokenAlgorithm, WithoutPKCE: c.WithoutPKCE,
		RequirePAR: c.RequirePAR, ServiceItems: slices.Clone(c.ServiceItems), MinAssurance: c.MinAssurance, DefaultMaxAge: c.DefaultMaxAge,
	}
}

func sorted[S ~string](all []S) []S {
	return slices.Compact(slices.Sorted(slices.Values(all)))
}

func checkGrants(c Client) *RegistrationError {
	for _, g := range c.GrantTypes {
		if g != GrantClientCredentials && g != GrantCode && g != GrantRefresh {
			return &RegistrationError{"grant_type_unknown", "the grant types are client_credentials, authorization_code and refresh_token"}
		}
	}
	if c.Has(GrantRefresh) && !c.Has(GrantCode) {
		return &RegistrationError{"grant_types_combined", "refresh_token goes on with a login: register authorization_code too"}
	}
	return nil
}

func checkMethods(c Client) *RegistrationError {
	for _, m := range c.AuthMethods {
		if m != AuthBasic && m != AuthPost && m != AuthNone {
			return &RegistrationError{"auth_method_unknown", "the methods are client_secret_basic and client_secret_post, or none for a public client"}
		}
	}
	switch {
	case !c.Public():
		return nil
	case len(c.AuthMethods) > 1:
		return &RegistrationError{"auth_methods_combined", "a client has a secret or none: register two clients"}
	case !c.Has(GrantCode) || c.Has(GrantClientCredentials):
		return &RegistrationError{"public_client", "a client without a secret is for people's logins alone: authorization_code, and not client_credentials"}
	}
	return nil
}

// maxAssurance is the highest assurance there is.
const maxAssurance = 3

const (
	maxURIs  = 20 // of a client, of each kind
	maxItems = 100
)

func checkURIs(c Client) *RegistrationError {
	switch {
	case c.Has(GrantCode) && len(c.RedirectURIs) == 0:
		return &RegistrationError{"redirect_uri_missing", "a client with authorization_code needs a redirect URI"}
	case !c.Has(GrantCode) && len(c.RedirectURIs)+len(c.LogoutURIs) > 0:
		return &RegistrationError{"redirect_uri_unused", "redirect URIs are for clients with authorization_code"}
	case len(c.RedirectURIs) > maxURIs:
		return &RegistrationError{"redirect_uri_invalid", "a client has at most 20 redirect URIs"}
	case len(c.LogoutURIs) > maxURIs:
		return &RegistrationError{"logout_uri_invalid", "a client has at most 20 post-logout redirect URIs"}
	}
	for i, u := range c.RedirectURIs {
		if why := checkURI(u, c.Public()); why != "" {
			return &RegistrationError{"redirect_uri_invalid", "a redirect URI " + why}
		}
		if slices.Contains(c.RedirectURIs[:i], u) {
			return &RegistrationError{"redirect_uri_invalid", "a redirect URI is named twice"}
		}
	}
	for i, u := range c.LogoutURIs {
		if why := checkURI(u, c.Public()); why != "" {
			return &RegistrationError{"logout_uri_invalid", "a post-logout redirect URI " + why}
		}
		if slices.Contains(c.LogoutURIs[:i], u) {
			return &RegistrationError{"logout_uri_invalid", "a post-logout redirect URI is named twice"}
		}
	}
	if c.HomeURI != "" {
		if why := checkURI(c.HomeURI, false); why != "" {
			return &RegistrationError{"home_uri_invalid", "the home URI " + why}
		}
	}
	return nil
}

func checkLogins(c Client) *RegistrationError {
	switch {
	case c.Subject != "" && c.Subject != SubjectPairwise && c.Subject != SubjectPublic:
		return &RegistrationError{"subject_type_unknown", "the subject types are pairwise and public"}
	case c.IDTokenAlgorithm != "" && c.IDTokenAlgorithm != algRS256 && c.IDTokenAlgorithm != jose.ES256:
		return &RegistrationError{"id_token_alg_unknown", "ID tokens are signed with RS256 or ES256"}
	case c.MinAssurance != nil && (*c.MinAssurance < 0 || *c.MinAssurance > maxAssurance || !c.Has(GrantCode)):
		return &RegistrationError{"assurance_invalid", "the least assurance is 0 to 3, of a client with authorization_code"}
	case c.DefaultMaxAge != nil && (*c.DefaultMaxAge < 0 || *c.DefaultMaxAge > 366*24*3600 || !c.Has(GrantCode)):
		return &RegistrationError{"max_age_invalid", "the default max_age is 0 seconds to a year, of a client with authorization_code"}
	case c.WithoutPKCE && c.Public():
		return &RegistrationError{"pkce_required", "a client without a secret always uses PKCE (RFC 7636)"}
	}
	return nil
}

func checkItems(c Client) *RegistrationError {
	switch {
	case len(c.ServiceItems) == 0:
		return nil
	case !c.Has(GrantCode) || c.Public() || c.WithoutPKCE:
		return &RegistrationError{"service_items_refused", "licenses are delivered to a client that has a secret, authorization_code and PKCE"}
	case len(c.ServiceItems) > maxItems:
		return &RegistrationError{"service_item_invalid", "a client has at most 100 service items"}
	}
	for i, code := range c.ServiceItems {
		if !isItemCode(code) {
			return &RegistrationError{"service_item_invalid", "a service item's code has 1 to 64 letters, digits, - and _"}
		}
		if slices.Contains(c.ServiceItems[:i], code) {
			return &RegistrationError{"service_item_invalid", "a service item is named twice"}
		}
	}
	return nil
}

func isItemCode(s string) bool {
	for _, c := range []byte(s) {
		if (c < 'a' || c > 'z') && (c < 'A' || c > 'Z') && (c < '0' || c > '9') && c != '-' && c != '_' {
			return false
		}
	}
	return s != "" && len(s) <= 64
}

// algRS256 is the default algorithm of ID tokens (OpenID Connect Core section 2).
const algRS256 jose.Algorithm = "RS256"
