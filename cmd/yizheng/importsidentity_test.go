package main_test

import "maps"

// withIdentity adds the rules of what is below oidc/identity.
func withIdentity(all map[string]rule) map[string]rule {
	maps.Copy(all, identityRules)
	return all
}

// identityRules are the rules of what is below oidc/identity.
var identityRules = map[string]rule{
	"oidc/identity": {
		ours:     []string{"license/party", "signing", "signing/journal", "signing/vault"},
		others:   []string{"github.com/go-json-experiment/json", "golang.org/x/text/unicode/norm"},
		testOurs: []string{"oidc/identity/identitytest", "oidc/identity/people"},
	},
	"oidc/identity/password": {
		ours:       []string{"license/party", "oidc/identity", "oidc/identity/notice", "signing/journal"},
		others:     []string{"github.com/emmansun/gmsm/sm3", "golang.org/x/crypto/argon2", "golang.org/x/crypto/blowfish", "golang.org/x/crypto/scrypt", "golang.org/x/text/unicode/norm"},
		testOurs:   []string{"oidc/identity/identitytest", "oidc/identity/people"},
		testOthers: []string{"golang.org/x/crypto/bcrypt"},
	},
	"oidc/identity/intake": {
		ours:     []string{"license/party", "oidc/identity", "signing", "signing/journal", "signing/vault"},
		others:   []string{"github.com/emmansun/gmsm/sm3"},
		testOurs: []string{"oidc/identity/identitytest"},
	},
	"oidc/identity/notice": {ours: []string{"oidc/identity", "signing/journal"}},
	"oidc/identity/device": {ours: []string{"oidc/identity", "signing", "signing/vault"}},
	"oidc/identity/guessing": {
		ours:     []string{"oidc/identity", "oidc/identity/device", "oidc/identity/password", "oidc/identity/tries"},
		testOurs: []string{"oidc/identity/factor", "oidc/identity/identitytest", "oidc/identity/people"},
	},
	"oidc/identity/factor": {
		ours:       []string{"license/party", "oidc/ephemeral", "oidc/identity", "oidc/identity/certificate", "oidc/identity/device", "oidc/identity/guessing", "oidc/identity/notice", "oidc/identity/onetime", "oidc/identity/passkey", "oidc/identity/password", "oidc/identity/tries", "signing", "signing/journal", "signing/vault"},
		others:     []string{"github.com/go-json-experiment/json", "github.com/pquerna/otp/hotp"},
		testOurs:   []string{"oidc/identity/authenticator", "oidc/identity/certificate/certificatetest", "oidc/identity/identitytest", "oidc/identity/passkey/passkeytest", "oidc/identity/people", "oidc/identity/phonecode", "signing/jose", "signing/sm2"},
		testOthers: []string{"github.com/pquerna/otp"},
	},
	// The one room that reads what authenticators sign. Of go-webauthn it takes the parser and
	// the checks, not the part that keeps users and sessions.
	"oidc/identity/passkey": {
		ours:     []string{"oidc/ephemeral", "oidc/identity", "signing", "signing/vault"},
		others:   []string{"github.com/go-json-experiment/json", "github.com/go-webauthn/webauthn/protocol"},
		testOurs: []string{"oidc/identity/identitytest", "oidc/identity/passkey/passkeytest"},
	},
	// For tests alone: an authenticator in software. It knows nothing of this module.
	"oidc/identity/passkey/passkeytest": {
		others: []string{"github.com/fxamacker/cbor/v2"},
	},
	// The one room that reads people's certificates. It knows nothing of logins.
	"oidc/identity/certificate": {
		ours:     []string{"license/party", "oidc/identity", "signing", "signing/jose", "signing/pki", "signing/sm2", "signing/strictjson", "signing/vault"},
		others:   []string{"github.com/emmansun/gmsm/sm3", "github.com/emmansun/gmsm/smx509", "github.com/go-json-experiment/json"},
		testOurs: []string{"oidc/identity/certificate/certificatetest", "oidc/identity/identitytest", "signing/signingtest"},
	},
	// For tests alone: CAs and people's keys, by OpenSSL.
	"oidc/identity/certificate/certificatetest": {ours: []string{"signing/signingtest"}},
	"oidc/identity/authenticator": {
		ours:     []string{"license/party", "oidc/identity", "oidc/identity/certificate", "oidc/identity/factor", "oidc/identity/notice", "oidc/identity/passkey", "signing/journal", "signing/vault"},
		others:   []string{"github.com/go-json-experiment/json"},
		testOurs: []string{"oidc/identity/identitytest", "oidc/identity/passkey/passkeytest"},
	},
	// Puts them together.
	"oidc/identity/people":    {ours: []string{"oidc/ephemeral", "oidc/identity", "oidc/identity/acting", "oidc/identity/authenticator", "oidc/identity/certificate", "oidc/identity/entry", "oidc/identity/factor", "oidc/identity/intake", "oidc/identity/notice", "oidc/identity/officer", "oidc/identity/onetime", "oidc/identity/passkey", "oidc/identity/password", "oidc/identity/phonecode", "oidc/identity/registrar", "oidc/identity/trail", "oidc/identity/tries", "oidc/identity/upstream", "signing/vault"}},
	"oidc/identity/registrar": {ours: []string{"license/party", "oidc/identity", "oidc/identity/intake", "oidc/identity/notice", "signing/journal"}},
	"oidc/identity/officer": {
		ours:     []string{"license/party", "oidc/identity", "signing", "signing/journal", "signing/vault"},
		testOurs: []string{"oidc/identity/identitytest"},
	},
	"oidc/identity/representation": {ours: []string{"license/party", "oidc/identity", "oidc/identity/notice", "signing", "signing/journal", "signing/vault"}, testOurs: []string{"oidc/identity/identitytest"}},
	"oidc/identity/acting": {
		ours:     []string{"license/party", "oidc/identity", "oidc/identity/notice", "oidc/identity/representation", "signing", "signing/journal", "signing/vault"},
		testOurs: []string{"oidc/identity/identitytest"},
	},
	"oidc/identity/trail":     {ours: []string{"oidc/identity", "oidc/identity/factor", "signing/journal"}, testOthers: []string{"github.com/emmansun/gmsm/sm3"}},
	"oidc/identity/tries":     {ours: []string{"oidc/ephemeral", "oidc/identity", "signing/vault"}},
	"oidc/identity/onetime":   {ours: []string{"license/party", "oidc/ephemeral", "oidc/identity", "oidc/identity/tries", "signing", "signing/vault"}, testOurs: []string{"oidc/identity/identitytest"}},
	"oidc/identity/phonecode": {ours: []string{"license/party", "oidc/ephemeral", "oidc/identity", "oidc/identity/device", "oidc/identity/notice", "oidc/identity/onetime", "oidc/identity/tries", "signing/journal", "signing/vault"}, testOurs: []string{"oidc/identity/identitytest", "oidc/identity/people"}},
	"oidc/identity/entry":     {ours: []string{"license/party", "oidc/identity", "oidc/identity/authenticator", "oidc/identity/notice", "oidc/identity/password", "oidc/identity/phonecode", "oidc/identity/registrar", "oidc/identity/tries", "signing/journal"}, testOurs: []string{"oidc/identity/factor", "oidc/identity/identitytest", "oidc/identity/people"}},
	"oidc/identity/upstream": {
		ours:     []string{"license/party", "oidc/ephemeral", "oidc/identity", "oidc/identity/authenticator", "oidc/identity/factor", "oidc/identity/notice", "oidc/identity/tries", "signing/jose", "signing/journal", "signing/strictjson", "signing/vault"},
		others:   []string{"github.com/emmansun/gmsm/sm3", "github.com/go-json-experiment/json"},
		testOurs: []string{"oidc/identity/identitytest", "oidc/identity/people", "signing/signingtest"},
	},
	"oidc/identity/identitytest": {
		ours:   []string{"license/party", "oidc/ephemeral", "oidc/identity", "oidc/identity/authenticator", "oidc/identity/certificate", "oidc/identity/entry", "oidc/identity/factor", "oidc/identity/notice", "oidc/identity/passkey/passkeytest", "oidc/identity/password", "oidc/identity/people", "oidc/identity/phonecode", "oidc/identity/registrar", "signing", "signing/installation", "signing/journal", "signing/keystore", "signing/vault"},
		others: []string{"github.com/pquerna/otp", "github.com/pquerna/otp/totp"},
	},
}
