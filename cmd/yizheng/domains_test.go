package main_test

// roomsOf returns the paths of rooms of cmd/yizheng.
func roomsOf(names ...string) (paths []string) {
	for _, name := range names {
		paths = append(paths, "cmd/yizheng/internal/"+name)
	}
	return paths
}

// domains hold the rules of the two halves, and the keys.
var domains = []string{"license", "license/access", "license/audit", "license/catalog", "license/catalog/entry", "license/credential", "license/grant", "license/library", "license/offer", "license/party", "license/refusal", "license/registry", "license/relation", "license/schema", "license/schema/document", "license/status", "license/verify", "oidc", "oidc/behalf", "oidc/client", "oidc/consent", "oidc/ephemeral", "oidc/flow", "oidc/fresh", "oidc/grant", "oidc/identity", "oidc/identity/acting", "oidc/identity/authenticator", "oidc/identity/certificate", "oidc/identity/device", "oidc/identity/entry", "oidc/identity/factor", "oidc/identity/guessing", "oidc/identity/intake", "oidc/identity/notice", "oidc/identity/officer", "oidc/identity/onetime", "oidc/identity/passkey", "oidc/identity/password", "oidc/identity/people", "oidc/identity/phonecode", "oidc/identity/registrar", "oidc/identity/representation", "oidc/identity/trail", "oidc/identity/tries", "oidc/identity/upstream", "oidc/keeper", "oidc/provider", "oidc/request", "oidc/scan", "oidc/session", "oidc/token", "oidc/waiting", "signing", "signing/durable", "signing/gcm", "signing/highwater", "signing/installation", "signing/jose", "signing/journal", "signing/keystore", "signing/pki", "signing/sdjwt", "signing/sm2", "signing/strictjson", "signing/vault"}

// notInDomains keeps transport, SQL and other programs out of the domains' own
// code; their tests may have them, as they may have a real store.
var notInDomains = []string{"database/sql", "net/http", "os/exec"}

// A rule says what a package may import beside the standard library: packages
// of this module, and other modules' packages with all below them. What only
// its tests may import stands apart.
type rule struct {
	ours, others         []string
	testOurs, testOthers []string
}

// nowhere is what nobody imports directly: tokens are made and read by
// golang-jwt through signing/jose, so that one place decides what is accepted.
var nowhere = []string{"github.com/go-jose", "gopkg.in/go-jose", "gopkg.in/square/go-jose.v2"}
