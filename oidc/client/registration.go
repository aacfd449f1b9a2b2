package client

import (
	"fmt"
	"maps"
	"slices"
	"strings"
	"time"

	"yizheng.internal/license/party"
	"yizheng.internal/oidc"
	"yizheng.internal/oidc/identity"
	"yizheng.internal/signing/jose"
)

// Spec describes a client that is registered or changed.
type Spec struct {
	Name        string
	Names       party.Names       // in other languages than Chinese, by language tag
	Participant string            // participant id
	Scopes      []oidc.Scope      // at least one
	GrantTypes  []oidc.GrantType  // default: client_credentials
	AuthMethods []oidc.AuthMethod // default: client_secret_basic and client_secret_post

	// RedirectURIs has 1 to 20 URIs with authorization_code, and otherwise none. Each is
	// an absolute URI of at most 512 visible ASCII characters, without fragment, user or
	// wildcard: https; or http on localhost or a loopback IP; or, for a public client, a
	// scheme of its own with a dot in it (RFC 8252 section 7.1).
	RedirectURIs     []string
	LogoutURIs       []string         // likewise, at most 20
	HomeURI          string           // https, or http as above; may be empty
	Subject          oidc.SubjectType // default: pairwise
	IDTokenAlgorithm jose.Algorithm   // RS256 (the default) or ES256
	WithoutPKCE      bool             // refused for public clients and with ServiceItems
	RequirePAR       bool
	ServiceItems     []string // at most 100; only for confidential clients with authorization_code
	MinAssurance     *int     // 0 to 3; nil: the default, see [oidc.Client.Floor]
	DefaultMaxAge    *int64   // seconds, 0 to a year; nil: none

	// With the scope people:write, and only then: 1 to 20 names of sources, the first of which is
	// that of new people; and a level from 1 to 3. See [oidc.Client].
	PeopleSources []string
	PeopleLevel   int
}

// newClient checks a spec and returns the client, with a random id and no
// secret yet.
func newClient(s Spec, grants []oidc.GrantRule) (oidc.Client, error) {
	c, err := s.checked(grants)
	if err != nil {
		return oidc.Client{}, err
	}
	now := time.Now().UTC()
	c.ID, c.Participant, c.Created, c.Updated, c.Revision = identity.NewID(), s.Participant, now, now, 1
	return c, nil
}

// checked checks a spec and returns the client that it describes, without id, participant,
// secrets and times, which the spec doesn't decide.
func (s Spec) checked(grants []oidc.GrantRule) (oidc.Client, error) {
	name, err := party.ParseName(s.Name)
	if err != nil {
		return oidc.Client{}, &oidc.RegistrationError{Reason: "name_invalid", Detail: "a name has 1 to 200 visible characters: " + err.Error()}
	}
	names, err := party.ParseNames(s.Names)
	if err != nil {
		return oidc.Client{}, &oidc.RegistrationError{Reason: "names_invalid", Detail: identity.NamesHelp + ": " + err.Error()}
	}
	c := oidc.Client{
		Name: name, Names: names, Scopes: slices.Clone(s.Scopes), GrantTypes: oidc.Distinct(s.GrantTypes), AuthMethods: oidc.Distinct(s.AuthMethods),
		RedirectURIs: slices.Clone(s.RedirectURIs), LogoutURIs: slices.Clone(s.LogoutURIs), HomeURI: s.HomeURI,
		Subject: s.Subject, IDTokenAlgorithm: s.IDTokenAlgorithm,
		WithoutPKCE: s.WithoutPKCE, RequirePAR: s.RequirePAR, ServiceItems: slices.Clone(s.ServiceItems),
		MinAssurance: s.MinAssurance, DefaultMaxAge: s.DefaultMaxAge,
		PeopleSources: slices.Clone(s.PeopleSources), PeopleLevel: s.PeopleLevel,
	}
	if len(c.GrantTypes) == 0 {
		c.GrantTypes = []oidc.GrantType{oidc.GrantClientCredentials}
	}
	if len(c.AuthMethods) == 0 {
		c.AuthMethods = []oidc.AuthMethod{oidc.AuthBasic, oidc.AuthPost}
	}
	for _, check := range []func(oidc.Client) *oidc.RegistrationError{
		checkScopes, grantRules(grants).check, checkMethods, grantRules(grants).checkPublic, checkURIs, checkLogins, checkItems, checkPeople,
	} {
		if err := check(c); err != nil {
			return oidc.Client{}, err
		}
	}
	if c.Has(oidc.GrantCode) && c.Subject == "" {
		c.Subject = oidc.SubjectPairwise
	}
	return c, nil
}

// SpecOf returns the spec of a client. Given this spec, UpdateClient changes nothing.
func SpecOf(c oidc.Client) Spec {
	return Spec{
		Name: c.Name, Names: maps.Clone(c.Names), Participant: c.Participant, Scopes: slices.Clone(c.Scopes), GrantTypes: slices.Clone(c.GrantTypes),
		AuthMethods: slices.Clone(c.AuthMethods), RedirectURIs: slices.Clone(c.RedirectURIs), LogoutURIs: slices.Clone(c.LogoutURIs),
		HomeURI: c.HomeURI, Subject: c.Subject, IDTokenAlgorithm: c.IDTokenAlgorithm, WithoutPKCE: c.WithoutPKCE,
		RequirePAR: c.RequirePAR, ServiceItems: slices.Clone(c.ServiceItems), MinAssurance: c.MinAssurance, DefaultMaxAge: c.DefaultMaxAge,
		PeopleSources: slices.Clone(c.PeopleSources), PeopleLevel: c.PeopleLevel,
	}
}

// checkScopes checks the scopes for which a client is to be registered.
func checkScopes(c oidc.Client) *oidc.RegistrationError {
	if len(c.Scopes) == 0 {
		return &oidc.RegistrationError{Reason: "scopes_missing", Detail: "a client is registered for at least one scope: " + oidc.JoinScopes(oidc.Scopes())}
	}
	for i, s := range c.Scopes {
		if !s.Known() {
			return &oidc.RegistrationError{Reason: "scope_unknown", Detail: "the scopes are " + oidc.JoinScopes(oidc.Scopes())}
		}
		if slices.Contains(c.Scopes[:i], s) {
			return &oidc.RegistrationError{Reason: "scope_repeated", Detail: "each scope is named once"}
		}
	}
	switch {
	case slices.ContainsFunc(c.Scopes, oidc.Scope.Administers) && slices.Contains(c.Scopes, oidc.ScopeLicenseIssue):
		return &oidc.RegistrationError{Reason: "scopes_combined", Detail: fmt.Sprintf("one client can't have %s beside %s, %s or %s: administration doesn't combine with issuing; register two clients", oidc.ScopeLicenseIssue, oidc.ScopeCatalogWrite, oidc.ScopeItemWrite, oidc.ScopePeopleWrite)}
	case slices.ContainsFunc(c.Scopes, oidc.Scope.OfPerson) && !c.Has(oidc.GrantCode):
		return &oidc.RegistrationError{Reason: "scopes_without_login", Detail: "scopes of people's logins need the grant type authorization_code"}
	case slices.Contains(c.Scopes, oidc.ScopeOffline) && !c.Has(oidc.GrantRefresh):
		return &oidc.RegistrationError{Reason: "offline_without_refresh", Detail: "offline_access needs the grant type refresh_token"}
	}
	return nil
}

// grantRules are the rules of all grant types.
type grantRules []oidc.GrantRule

// of returns the rule of a grant type, or false if there is no such type.
func (all grantRules) of(g oidc.GrantType) (oidc.GrantRule, bool) {
	i := slices.IndexFunc(all, func(r oidc.GrantRule) bool { return r.Type == g })
	if i < 0 {
		return oidc.GrantRule{}, false
	}
	return all[i], true
}

// check checks the grant types for which a client is to be registered.
func (all grantRules) check(c oidc.Client) *oidc.RegistrationError {
	for _, g := range c.GrantTypes {
		if _, ok := all.of(g); !ok {
			names := make([]string, len(all))
			for i, r := range all {
				names[i] = string(r.Type)
			}
			return &oidc.RegistrationError{Reason: "grant_type_unknown", Detail: "the grant types are " + strings.Join(names, ", ")}
		}
	}
	for _, g := range c.GrantTypes {
		if r, _ := all.of(g); r.With != "" && !c.Has(r.With) {
			return &oidc.RegistrationError{Reason: "grant_types_combined", Detail: fmt.Sprintf("%s goes on with a login: register %s too", g, r.With)}
		}
	}
	return nil
}

// checkPublic checks that a client without a secret has only grant types for such clients.
func (all grantRules) checkPublic(c oidc.Client) *oidc.RegistrationError {
	secret := slices.ContainsFunc(c.GrantTypes, func(g oidc.GrantType) bool { r, _ := all.of(g); return r.Secret })
	if c.Public() && (!c.Has(oidc.GrantCode) || secret) {
		return &oidc.RegistrationError{Reason: "public_client", Detail: "a client without a secret is for people's logins alone: authorization_code, and not client_credentials"}
	}
	return nil
}

func checkMethods(c oidc.Client) *oidc.RegistrationError {
	for _, m := range c.AuthMethods {
		if m != oidc.AuthBasic && m != oidc.AuthPost && m != oidc.AuthNone {
			return &oidc.RegistrationError{Reason: "auth_method_unknown", Detail: "the methods are client_secret_basic and client_secret_post, or none for a public client"}
		}
	}
	if c.Public() && len(c.AuthMethods) > 1 {
		return &oidc.RegistrationError{Reason: "auth_methods_combined", Detail: "a client has a secret or none: register two clients"}
	}
	return nil
}

// maxAssurance is the highest assurance there is.
const maxAssurance = 3

const (
	maxURIs  = 20 // URIs of each kind that a client may have
	maxItems = 100
)

func checkURIs(c oidc.Client) *oidc.RegistrationError {
	switch {
	case c.Has(oidc.GrantCode) && len(c.RedirectURIs) == 0:
		return &oidc.RegistrationError{Reason: "redirect_uri_missing", Detail: "a client with authorization_code needs a redirect URI"}
	case !c.Has(oidc.GrantCode) && len(c.RedirectURIs)+len(c.LogoutURIs) > 0:
		return &oidc.RegistrationError{Reason: "redirect_uri_unused", Detail: "redirect URIs are for clients with authorization_code"}
	case len(c.RedirectURIs) > maxURIs:
		return &oidc.RegistrationError{Reason: "redirect_uri_invalid", Detail: "a client has at most 20 redirect URIs"}
	case len(c.LogoutURIs) > maxURIs:
		return &oidc.RegistrationError{Reason: "logout_uri_invalid", Detail: "a client has at most 20 post-logout redirect URIs"}
	}
	for i, u := range c.RedirectURIs {
		if why := checkURI(u, c.Public()); why != "" {
			return &oidc.RegistrationError{Reason: "redirect_uri_invalid", Detail: "a redirect URI " + why}
		}
		if slices.Contains(c.RedirectURIs[:i], u) {
			return &oidc.RegistrationError{Reason: "redirect_uri_invalid", Detail: "a redirect URI is named twice"}
		}
	}
	for i, u := range c.LogoutURIs {
		if why := checkURI(u, c.Public()); why != "" {
			return &oidc.RegistrationError{Reason: "logout_uri_invalid", Detail: "a post-logout redirect URI " + why}
		}
		if slices.Contains(c.LogoutURIs[:i], u) {
			return &oidc.RegistrationError{Reason: "logout_uri_invalid", Detail: "a post-logout redirect URI is named twice"}
		}
	}
	if c.HomeURI != "" {
		if why := checkURI(c.HomeURI, false); why != "" {
			return &oidc.RegistrationError{Reason: "home_uri_invalid", Detail: "the home URI " + why}
		}
	}
	return nil
}

func checkLogins(c oidc.Client) *oidc.RegistrationError {
	switch {
	case c.Subject != "" && c.Subject != oidc.SubjectPairwise && c.Subject != oidc.SubjectPublic:
		return &oidc.RegistrationError{Reason: "subject_type_unknown", Detail: "the subject types are pairwise and public"}
	case c.IDTokenAlgorithm != "" && c.IDTokenAlgorithm != algRS256 && c.IDTokenAlgorithm != jose.ES256:
		return &oidc.RegistrationError{Reason: "id_token_alg_unknown", Detail: "ID tokens are signed with RS256 or ES256"}
	case c.MinAssurance != nil && (*c.MinAssurance < 0 || *c.MinAssurance > maxAssurance || !c.Has(oidc.GrantCode)):
		return &oidc.RegistrationError{Reason: "assurance_invalid", Detail: "the least assurance is 0 to 3, of a client with authorization_code"}
	case c.DefaultMaxAge != nil && (*c.DefaultMaxAge < 0 || *c.DefaultMaxAge > 366*24*3600 || !c.Has(oidc.GrantCode)):
		return &oidc.RegistrationError{Reason: "max_age_invalid", Detail: "the default max_age is 0 seconds to a year, of a client with authorization_code"}
	case c.WithoutPKCE && c.Public():
		return &oidc.RegistrationError{Reason: "pkce_required", Detail: "a client without a secret always uses PKCE (RFC 7636)"}
	}
	return nil
}

func checkItems(c oidc.Client) *oidc.RegistrationError {
	switch {
	case len(c.ServiceItems) == 0:
		return nil
	case !c.Has(oidc.GrantCode) || c.Public() || c.WithoutPKCE:
		return &oidc.RegistrationError{Reason: "service_items_refused", Detail: "licenses are delivered to a client that has a secret, authorization_code and PKCE"}
	case len(c.ServiceItems) > maxItems:
		return &oidc.RegistrationError{Reason: "service_item_invalid", Detail: "a client has at most 100 service items"}
	}
	for i, code := range c.ServiceItems {
		if !isItemCode(code) {
			return &oidc.RegistrationError{Reason: "service_item_invalid", Detail: "a service item's code has 1 to 64 letters, digits, - and _"}
		}
		if slices.Contains(c.ServiceItems[:i], code) {
			return &oidc.RegistrationError{Reason: "service_item_invalid", Detail: "a service item is named twice"}
		}
	}
	return nil
}

// maxSources is how many sources a client may have.
const maxSources = 20

// checkPeople checks whose people the client may change. Whether there are such sources, the
// caller checks.
func checkPeople(c oidc.Client) *oidc.RegistrationError {
	writes := slices.Contains(c.Scopes, oidc.ScopePeopleWrite)
	switch {
	case writes && !c.Has(oidc.GrantClientCredentials):
		return &oidc.RegistrationError{Reason: "people_refused", Detail: "people:write is for a client's own work: it needs the grant type client_credentials"}
	case writes && len(c.PeopleSources) == 0:
		return &oidc.RegistrationError{Reason: "people_source_missing", Detail: "people:write needs a source whose people the client may change"}
	case writes && (c.PeopleLevel < 1 || c.PeopleLevel > maxAssurance):
		return &oidc.RegistrationError{Reason: "people_level_invalid", Detail: "people:write needs the highest level that the client may give: 1, 2 or 3"}
	case !writes && (len(c.PeopleSources) > 0 || c.PeopleLevel != 0):
		return &oidc.RegistrationError{Reason: "people_source_unused", Detail: "sources and a level are for clients with the scope people:write"}
	case len(c.PeopleSources) > maxSources:
		return &oidc.RegistrationError{Reason: "people_source_invalid", Detail: "a client has at most 20 sources"}
	}
	for i, name := range c.PeopleSources {
		if !isItemCode(name) || slices.Contains(c.PeopleSources[:i], name) {
			return &oidc.RegistrationError{Reason: "people_source_invalid", Detail: "sources are given by their names, each once"}
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
