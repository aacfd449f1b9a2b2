package oauth

import (
	"slices"

	"yizheng.internal/oidc"
	"yizheng.internal/oidc/grant"
	"yizheng.internal/oidc/identity/factor"
	"yizheng.internal/signing/jose"
)

// metadata is what the provider says of itself (RFC 8414 section 2, OpenID
// Connect Discovery 1.0 section 3). It is written here in full rather than left
// to a library's defaults, and every member of it is true.
type metadata struct {
	Issuer        string            `json:"issuer"`
	TokenEndpoint string            `json:"token_endpoint"`
	JWKSURI       string            `json:"jwks_uri"`
	Scopes        []oidc.Scope      `json:"scopes_supported"`
	ResponseTypes []string          `json:"response_types_supported"` // required; none without an authorization endpoint
	GrantTypes    []oidc.GrantType  `json:"grant_types_supported"`    // its absence would mean authorization_code and implicit
	AuthMethods   []oidc.AuthMethod `json:"token_endpoint_auth_methods_supported"`

	Introspection            string            `json:"introspection_endpoint"`
	IntrospectionAuthMethods []oidc.AuthMethod `json:"introspection_endpoint_auth_methods_supported"` // of confidential clients alone
	Revocation               string            `json:"revocation_endpoint"`
	RevocationAuthMethods    []oidc.AuthMethod `json:"revocation_endpoint_auth_methods_supported"`
	Documentation            string            `json:"service_documentation"`

	*loginMetadata
}

// loginMetadata is what is there where people log in.
type loginMetadata struct {
	Authorization string              `json:"authorization_endpoint"`
	PAR           string              `json:"pushed_authorization_request_endpoint"` // RFC 9126
	RequirePAR    bool                `json:"require_pushed_authorization_requests"`
	UserInfo      string              `json:"userinfo_endpoint"`
	EndSession    string              `json:"end_session_endpoint"`
	ResponseModes []oidc.ResponseMode `json:"response_modes_supported"`
	Challenges    []string            `json:"code_challenge_methods_supported"`
	Issuers       bool                `json:"authorization_response_iss_parameter_supported"` // RFC 9207
	Details       []string            `json:"authorization_details_types_supported"`          // RFC 9396
	ACRs          []string            `json:"acr_values_supported"`
	Subjects      []oidc.SubjectType  `json:"subject_types_supported"`
	IDTokenAlgs   []jose.Algorithm    `json:"id_token_signing_alg_values_supported"`
	Prompts       []string            `json:"prompt_values_supported"`
	Claims        []string            `json:"claims_supported"`
	ClaimTypes    []string            `json:"claim_types_supported"`
	Locales       []string            `json:"ui_locales_supported"`
	ClaimsParam   bool                `json:"claims_parameter_supported"`
	RequestParam  bool                `json:"request_parameter_supported"`
	RequestURI    bool                `json:"request_uri_parameter_supported"` // but for those of PAR; its absence would mean true
	RegisterURIs  bool                `json:"require_request_uri_registration"`
}

// MetadataOf returns the provider's metadata, with logins or without.
func MetadataOf(issuer string, people bool) metadata {
	secret := []oidc.AuthMethod{oidc.AuthBasic, oidc.AuthPost}
	m := metadata{
		Issuer: issuer, TokenEndpoint: issuer + TokenPath, JWKSURI: issuer + JWKSPath,
		Scopes:        slices.DeleteFunc(oidc.Scopes(), func(s oidc.Scope) bool { return !people && (s.OfPerson() || s == oidc.ScopePeopleWrite) }),
		ResponseTypes: []string{}, GrantTypes: grant.Types(people), AuthMethods: secret,
		Introspection: issuer + IntrospectionPath, IntrospectionAuthMethods: secret,
		Revocation: issuer + RevocationPath, RevocationAuthMethods: secret, Documentation: issuer + "/docs",
	}
	if !people {
		return m
	}
	public := append(slices.Clone(secret), oidc.AuthNone)
	m.ResponseTypes, m.AuthMethods, m.RevocationAuthMethods = []string{"code"}, public, public
	m.loginMetadata = &loginMetadata{
		Authorization: issuer + AuthorizePath, PAR: issuer + PARPath, UserInfo: issuer + UserInfoPath, EndSession: issuer + EndSessionPath,
		ResponseModes: []oidc.ResponseMode{oidc.ModeQuery, oidc.ModeFormPost}, Challenges: []string{"S256"}, Issuers: true,
		Details:     []string{oidc.DetailLicense},
		ACRs:        reachable(),
		Subjects:    []oidc.SubjectType{oidc.SubjectPairwise, oidc.SubjectPublic},
		IDTokenAlgs: []jose.Algorithm{jose.RS256, jose.ES256},
		Prompts:     []string{"none", "login", "consent", "select_account"},
		Claims: []string{
			"iss", "sub", "aud", "exp", "iat", "auth_time", "nonce", "acr", "amr", "at_hash", "sid",
			"name", "updated_at", "phone_number", "phone_number_verified", "user_type", "code_type", "code", "assurance", "organization", "act_as",
		},
		ClaimTypes: []string{"normal"}, Locales: []string{"zh-CN", "en"},
	}
	return m
}

// reachable names the assurances that the factors there are can bring a login to.
func reachable() (acrs []string) {
	for a := factor.Assurance(1); a <= factor.All().Most(); a++ {
		acrs = append(acrs, oidc.ACR(a))
	}
	return acrs
}
