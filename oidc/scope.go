package oidc

import (
	"slices"
	"strings"

	"yizheng.internal/oidc/identity/factor"
)

// Scope is a right that a client may be registered for and a token may carry
// (RFC 6749 section 3.3). The zero Scope is none.
type Scope string

const (
	ScopeCatalogWrite Scope = "catalog:write" // define, publish and retire license types
	ScopeLicenseIssue Scope = "license:issue" // issue, replace, suspend, resume and end licenses
	ScopeLicenseRead  Scope = "license:read"  // read and search licenses, and their history
	ScopeItemWrite    Scope = "item:write"    // define, publish and retire service items
	ScopePeopleWrite  Scope = "people:write"  // bring people in, and change who they are: those of the client's sources

	// Scopes of a person's login (OpenID Connect Core sections 3.1.2.1, 5.4 and 11).
	ScopeOpenID   Scope = "openid"
	ScopeProfile  Scope = "profile"        // name
	ScopePhone    Scope = "phone"          // phone_number, phone_number_verified
	ScopeIdentity Scope = "identity"       // user type, code type and code, assurance; see docs/integrating.md
	ScopeOffline  Scope = "offline_access" // refresh tokens that outlive the session
	// For whom somebody acts, if not for themself; see docs/integrating.md.
	ScopeOrganization Scope = "organization" // an organization, as its legal representative, administrator or agent
	ScopeActAs        Scope = "act_as"       // a person, as their guardian or by whom they were entrusted
)

// Scopes returns every scope there is, in a stable order.
func Scopes() []Scope {
	return []Scope{
		ScopeCatalogWrite, ScopeItemWrite, ScopePeopleWrite, ScopeLicenseIssue, ScopeLicenseRead,
		ScopeOpenID, ScopeProfile, ScopePhone, ScopeIdentity, ScopeOrganization, ScopeActAs, ScopeOffline,
	}
}

// Known reports whether the scope is one of [Scopes].
func (s Scope) Known() bool { return slices.Contains(Scopes(), s) }

// OfPerson reports whether the scope belongs to a person's login; the others
// belong to a client acting for its participant.
func (s Scope) OfPerson() bool {
	switch s {
	case ScopeOpenID, ScopeProfile, ScopePhone, ScopeIdentity, ScopeOrganization, ScopeActAs, ScopeOffline:
		return true
	}
	return false
}

// Identifies reports whether the scope shows the client who the person is, or for whom they act.
func (s Scope) Identifies() bool {
	return s == ScopeProfile || s == ScopePhone || s == ScopeIdentity || s.Represents()
}

// Represents reports whether the scope lets somebody act for others at the client.
func (s Scope) Represents() bool { return s == ScopeOrganization || s == ScopeActAs }

// ShownScopes returns the scopes without those that show nothing at this assurance. These
// aren't granted either, so that the client sees that they are withheld.
func ShownScopes(scopes []Scope, assurance factor.Assurance) []Scope {
	return slices.DeleteFunc(slices.Clone(scopes), func(s Scope) bool {
		return assurance < CodeAssurance && (s == ScopeIdentity || s == ScopePhone || s.Represents())
	})
}

// Administers reports whether the scope is for administration. No client has such a
// scope together with issuing: whoever decides what a license is, or who somebody is, must not be
// able to make one.
func (s Scope) Administers() bool {
	return s == ScopeCatalogWrite || s == ScopeItemWrite || s == ScopePeopleWrite
}

// ParseScopes reads the scope parameter of RFC 6749 section 3.3: names with one space
// between them. It returns a repeated name once, and doesn't check that names are known.
// An empty parameter has no scopes. Errors: *Error invalid_scope.
func ParseScopes(param string) ([]Scope, error) {
	if param == "" {
		return nil, nil
	}
	if len(param) > 1024 {
		return nil, &Error{Code: InvalidScope, Description: "the scope parameter is longer than 1024 bytes", Reason: "scope_too_long"}
	}
	var scopes []Scope
	for name := range strings.SplitSeq(param, " ") {
		if !isScopeToken(name) {
			return nil, &Error{Code: InvalidScope, Description: "the scope parameter is a list of names with one space between them", Reason: "scope_malformed"}
		}
		if s := Scope(name); !slices.Contains(scopes, s) {
			scopes = append(scopes, s)
		}
	}
	return scopes, nil
}

// isScopeToken reports whether s has only characters that RFC 6749 appendix A.4 allows,
// and at least one.
func isScopeToken(s string) bool {
	for _, c := range []byte(s) {
		if c < 0x21 || c > 0x7e || c == '"' || c == '\\' {
			return false
		}
	}
	return s != ""
}

// JoinScopes returns the scope parameter for scopes, which ParseScopes reads.
func JoinScopes(scopes []Scope) string {
	names := make([]string, len(scopes))
	for i, s := range scopes {
		names[i] = string(s)
	}
	return strings.Join(names, " ")
}

// CodeAssurance is the least assurance at which a person's code or phone is shown, and at which
// somebody acts for others.
const CodeAssurance = 2
