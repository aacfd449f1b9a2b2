package oauth

// Paths of the provider's endpoints, below the issuer. Those of AuthorizePath and
// EndSessionPath are pages.
const (
	AuthorizePath     = "/oauth/authorize"
	PARPath           = "/oauth/par"
	TokenPath         = "/oauth/token"
	UserInfoPath      = "/oauth/userinfo"
	IntrospectionPath = "/oauth/introspect"
	RevocationPath    = "/oauth/revoke"
	EndSessionPath    = "/oauth/end_session"
	JWKSPath          = "/oauth/jwks"
	MetadataPath      = "/.well-known/oauth-authorization-server" // RFC 8414
	DiscoveryPath     = "/.well-known/openid-configuration"       // OpenID Connect Discovery 1.0
)
