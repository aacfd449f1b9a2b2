package main_test

import (
	"path"
	"slices"
	"strconv"
	"strings"
	"testing"
)

// module is this module's path in go.mod.
const module = "yizheng.internal"

// rules is the module's layering. A package that isn't listed fails the test: a
// new one is a decision, and so is a new dependency.
//
//	cmd ─► api ─► oidc, license ─► signing, license/party
//	 │      └──► api/web
//	 └─► storage ─► its drivers ─► oidc, license, signing (they implement the stores declared there)
//
// The two halves, oidc and license, never import each other: api joins them.
// license/party is the one package that both know.
var rules = withIdentity(map[string]rule{
	"license/party": {
		others: []string{"golang.org/x/text"},
	},
	"license/schema": {
		ours:   []string{"license/party", "license/schema/document", "signing/sdjwt"},
		others: []string{"github.com/go-json-experiment/json", "github.com/santhosh-tekuri/jsonschema/v6"},
	},
	"license/schema/document": {
		ours:   []string{"signing/sdjwt", "signing/strictjson"},
		others: []string{"github.com/go-json-experiment/json"},
	},
	// All that a verifier needs who is offline: no registry, no store.
	"license/credential": {
		ours:     []string{"license/party", "signing/jose", "signing/pki", "signing/sdjwt", "signing/sm2"},
		others:   []string{"github.com/go-json-experiment/json"},
		testOurs: []string{"license", "license/catalog", "license/licensetest", "license/registry", "signing"},
	},
	"license/status": {
		ours:     []string{"license/credential", "license/refusal", "signing", "signing/jose"},
		testOurs: []string{"signing/keystore"},
	},
	"license/audit": {ours: []string{"license/refusal", "signing/journal"}},
	// The life that all entries of the catalog lead.
	"license/catalog/entry": {
		ours:     []string{"license/audit", "license/party", "license/refusal", "signing", "signing/journal"},
		testOurs: []string{"license/licensetest"},
	},
	"license/catalog": {
		ours:     []string{"license/catalog/entry", "license/credential", "license/party", "license/refusal", "license/schema", "signing", "signing/journal"},
		testOurs: []string{"license", "license/audit", "license/library", "license/licensetest", "license/offer", "license/registry"},
	},
	// For tests alone: a registry on a database.
	"license/licensetest": {
		ours: []string{"license", "license/access", "license/audit", "license/catalog", "license/catalog/entry", "license/credential", "license/grant", "license/library", "license/offer", "license/party", "license/refusal", "license/registry", "license/relation", "license/verify", "signing/installation", "signing/jose", "signing/journal", "signing/pki", "signing/sm2", "storage/sqlite"},
	},
	"license/refusal": {ours: []string{"license/party", "license/schema", "signing/journal"}},
	"license": {
		ours: []string{"license/audit", "license/catalog", "license/credential", "license/party", "license/refusal", "license/status", "signing", "signing/journal", "signing/vault"},
		others: []string{"github.com/emmansun/gmsm/sm2", "github.com/emmansun/gmsm/sm3",
			"github.com/go-json-experiment/json", "golang.org/x/text/unicode/norm"},
		testOthers: []string{"github.com/emmansun/gmsm"},
	},
	"license/access": {
		ours:     []string{"license", "license/audit", "license/catalog", "license/credential", "license/grant", "license/offer", "license/party", "license/refusal", "signing", "signing/jose", "signing/journal", "signing/vault"},
		testOurs: []string{"license/library", "license/licensetest", "license/registry", "signing/sdjwt", "signing/sm2"},
	},
	"license/grant": {
		ours:     []string{"license/party", "license", "license/audit", "license/catalog", "license/credential", "license/offer", "license/refusal", "signing", "signing/journal", "signing/vault"},
		others:   []string{"github.com/emmansun/gmsm/sm3"},
		testOurs: []string{"license/library", "license/licensetest", "license/registry"},
	},
	"license/library": {
		ours:     []string{"license", "license/access", "license/audit", "license/catalog", "license/catalog/entry", "license/credential", "license/grant", "license/offer", "license/party", "license/registry", "license/relation", "license/status", "license/verify", "signing", "signing/jose", "signing/journal", "signing/pki", "signing/sm2", "signing/vault"},
		testOurs: []string{"license/licensetest"},
	},
	"license/offer": {
		ours:     []string{"license", "license/audit", "license/catalog", "license/credential", "license/party", "license/refusal", "signing", "signing/journal", "signing/strictjson"},
		others:   []string{"github.com/emmansun/gmsm/sm3"},
		testOurs: []string{"license/grant", "license/catalog/entry", "license/library", "license/licensetest", "license/registry"},
	},
	"license/relation": {
		ours:     []string{"license", "license/audit", "license/catalog", "license/credential", "license/party", "license/refusal", "license/schema", "signing", "signing/strictjson"},
		testOurs: []string{"license/library", "license/licensetest", "license/registry"},
	},
	"license/verify": {
		ours:     []string{"license", "license/credential", "license/party", "license/refusal", "license/schema", "signing", "signing/jose", "signing/pki", "signing/vault"},
		testOurs: []string{"license/catalog", "license/library", "license/licensetest", "license/registry", "signing/journal", "signing/sm2"},
	},
	"license/registry": {
		ours:       []string{"license", "license/audit", "license/catalog", "license/catalog/entry", "license/credential", "license/party", "license/refusal", "license/schema", "license/status", "signing", "signing/jose", "signing/journal", "signing/sdjwt", "signing/vault"},
		testOurs:   []string{"license/access", "license/library", "license/licensetest", "signing/sm2"},
		testOthers: []string{"github.com/emmansun/gmsm"},
	},
	// The provider's words, and its rooms: each knows those that stand before it.
	"oidc": {
		ours:   []string{"license/party", "oidc/identity", "oidc/identity/acting", "oidc/identity/factor", "signing/jose", "signing/journal"},
		others: []string{"github.com/go-json-experiment/json"},
	},
	"oidc/fresh": {},
	// What may be lost, and how the provider's rooms seal it.
	"oidc/ephemeral": {ours: []string{"signing/vault"}},
	"oidc/keeper":    {ours: []string{"oidc", "oidc/ephemeral", "signing", "signing/vault"}},
	"oidc/client": {
		ours:   []string{"license/party", "oidc", "oidc/fresh", "oidc/identity", "signing", "signing/jose", "signing/journal"},
		others: []string{"github.com/go-json-experiment/json"},
	},
	"oidc/session": {
		ours: []string{"oidc", "oidc/fresh", "oidc/identity", "oidc/identity/factor", "signing", "signing/journal", "signing/vault"},
	},
	"oidc/token": {
		ours:   []string{"license/party", "oidc", "oidc/client", "oidc/fresh", "oidc/identity", "oidc/identity/acting", "oidc/identity/factor", "oidc/session", "signing", "signing/jose", "signing/journal", "signing/vault"},
		others: []string{"github.com/go-json-experiment/json"},
	},
	"oidc/grant": {
		ours:   []string{"oidc", "oidc/client", "oidc/ephemeral", "oidc/identity/factor", "oidc/keeper", "oidc/session", "oidc/token", "signing/journal", "signing/vault"},
		others: []string{"github.com/go-json-experiment/json"},
	},
	"oidc/consent": {
		ours: []string{"oidc", "oidc/client", "oidc/identity", "oidc/request", "oidc/token", "signing", "signing/journal", "signing/vault"},
	},
	"oidc/request": {
		ours:   []string{"oidc", "oidc/client", "oidc/identity/factor", "oidc/session", "oidc/token"},
		others: []string{"github.com/go-json-experiment/json"},
	},
	"oidc/waiting": {
		ours:     []string{"oidc", "oidc/client", "oidc/ephemeral", "oidc/identity", "oidc/identity/upstream", "oidc/keeper", "oidc/request", "oidc/session", "signing/vault"},
		testOurs: []string{"signing/keystest", "storage/memory"},
	},
	// Logins at a computer by a phone.
	"oidc/scan": {
		ours: []string{"license/party", "oidc", "oidc/ephemeral", "oidc/identity", "oidc/identity/factor", "oidc/identity/tries", "oidc/keeper", "oidc/session", "oidc/token", "signing/journal", "signing/vault"},
	},
	"oidc/behalf": {ours: []string{"oidc", "oidc/identity", "oidc/identity/acting", "oidc/request", "oidc/session"}},
	"oidc/flow": {
		ours: []string{"oidc/identity/certificate", "oidc", "oidc/behalf", "oidc/client", "oidc/consent", "oidc/ephemeral", "oidc/grant", "oidc/identity", "oidc/identity/acting", "oidc/identity/authenticator", "oidc/identity/factor", "oidc/identity/phonecode", "oidc/identity/upstream", "oidc/request", "oidc/scan", "oidc/session", "oidc/token", "oidc/waiting", "signing/journal"},
	},
	// Puts them together.
	"oidc/provider": {
		ours:       []string{"oidc", "oidc/behalf", "oidc/client", "oidc/consent", "oidc/ephemeral", "oidc/flow", "oidc/grant", "oidc/identity", "oidc/identity/factor", "oidc/identity/intake", "oidc/identity/officer", "oidc/identity/registrar", "oidc/identity/representation", "oidc/identity/trail", "oidc/identity/tries", "oidc/keeper", "oidc/request", "oidc/scan", "oidc/session", "oidc/token", "oidc/waiting", "signing", "signing/jose", "signing/journal", "signing/sm2", "signing/vault"},
		testOurs:   []string{"license/party", "oidc/fresh", "oidc/identity/acting", "oidc/identity/authenticator", "oidc/identity/people", "signing/installation", "signing/keystore", "storage/memory", "storage/sqlite"},
		testOthers: []string{"github.com/emmansun/gmsm", "github.com/go-json-experiment/json"},
	},
	"signing": {
		ours:     []string{"signing/gcm", "signing/jose", "signing/pki"},
		others:   []string{"github.com/emmansun/gmsm/sm3", "github.com/emmansun/gmsm/smx509"},
		testOurs: []string{"signing/keystest"},
	},
	"signing/gcm": {
		others: []string{"github.com/emmansun/gmsm/sm4"},
	},
	"signing/durable": {},
	"signing/keystore": {
		ours:     []string{"signing", "signing/durable", "signing/gcm", "signing/jose", "signing/sm2", "signing/strictjson"},
		others:   []string{"github.com/emmansun/gmsm", "github.com/go-json-experiment/json", "golang.org/x/crypto/scrypt"},
		testOurs: []string{"signing/keystest", "signing/pki", "signing/signingtest"},
	},
	"signing/vault": {
		ours:     []string{"signing", "signing/gcm"},
		others:   []string{"github.com/go-json-experiment/json"},
		testOurs: []string{"signing/keystest", "signing/keystore"},
	},
	"signing/installation": {
		ours:     []string{"signing", "signing/durable", "signing/jose", "signing/keystore", "signing/pki", "signing/sm2", "signing/vault"},
		others:   []string{"github.com/emmansun/gmsm/smx509"},
		testOurs: []string{"signing/keystest", "signing/signingtest"},
	},
	// For tests alone: records in memory, keystores and vaults.
	"signing/keystest": {
		ours: []string{"signing", "signing/keystore", "signing/vault"},
	},
	// Two SM2 libraries: the second one only when the first says no.
	"signing/sm2": {
		others:     []string{"github.com/emmansun/gmsm/sm2", "github.com/emmansun/gmsm/sm3", "github.com/tjfoc/gmsm/sm2"},
		testOurs:   []string{"signing/signingtest"},
		testOthers: []string{"github.com/emmansun/gmsm/smx509"},
	},
	"signing/strictjson": {
		others: []string{"github.com/go-json-experiment/json"},
	},
	"signing/jose": {
		ours: []string{"signing/sm2"},
		others: []string{"github.com/emmansun/gmsm/ecdh", "github.com/emmansun/gmsm/sm3",
			"github.com/go-json-experiment/json", "github.com/golang-jwt/jwt/v5"},
		testOurs:   []string{"signing/signingtest"},
		testOthers: []string{"github.com/emmansun/gmsm/sm2"},
	},
	"signing/pki": {
		ours:       []string{"signing/jose", "signing/sm2"},
		others:     []string{"github.com/emmansun/gmsm/smx509", "golang.org/x/crypto/cryptobyte"},
		testOurs:   []string{"signing/signingtest"},
		testOthers: []string{"github.com/emmansun/gmsm/sm2"},
	},
	// It knows none of the rooms, so that their tests from inside can use it.
	"signing/signingtest": {
		others: []string{"github.com/emmansun/gmsm/sm2"},
	},
	"signing/highwater": {
		ours:   []string{"signing"},
		others: []string{"github.com/emmansun/gmsm/sm3"},
	},
	"signing/journal": {
		ours:   []string{"signing/vault"},
		others: []string{"github.com/emmansun/gmsm/sm3", "github.com/go-json-experiment/json"},
	},
	"signing/sdjwt": {
		ours:     []string{"signing/jose", "signing/sm2", "signing/strictjson"},
		others:   []string{"github.com/emmansun/gmsm/sm3", "github.com/go-json-experiment/json"},
		testOurs: []string{"signing/keystore"},
	},
	"storage": {
		ours: slices.Concat(domains, []string{"storage/memory", "storage/redis", "storage/retention", "storage/sqlite", "storage/postgres"}),
	},
	// What the drivers and who sets them up have words for.
	"storage/retention": {},
	"storage/archive": {
		ours:     []string{"storage/retention"},
		others:   []string{"github.com/emmansun/gmsm/sm3"},
		testOurs: []string{"license", "signing/journal", "storage/sqlite"},
	},
	"storage/backup": {
		ours:   []string{"signing/strictjson"},
		others: []string{"github.com/go-json-experiment/json"},
	},
	"storage/memory": {
		ours:     []string{"oidc/ephemeral"},
		testOurs: suites("ephemeral"),
	},
	"storage/redis": {
		ours:     domains,
		others:   []string{"github.com/redis/go-redis/v9"},
		testOurs: slices.Concat(suites("ephemeral"), []string{"storage/porttest"}),
	},
	// A driver's rooms are the same in both, and its engine knows none of them.
	"storage/sqlite": {
		ours:     slices.Concat(driverRooms("storage/sqlite"), []string{"storage/retention"}),
		others:   []string{"github.com/ncruces/go-sqlite3", "github.com/pressly/goose/v3"},
		testOurs: slices.Concat(domains, databaseSuites),
	},
	"storage/sqlite/engine": {
		ours:   []string{"license", "license/party", "signing"},
		others: []string{"github.com/ncruces/go-sqlite3"},
	},
	"storage/sqlite/ledger": {
		ours: []string{"license", "license/catalog/entry", "oidc/identity/trail", "signing", "signing/highwater", "signing/journal", "storage/retention", "storage/sqlite/engine"},
	},
	"storage/sqlite/licenses": {
		ours: []string{"license", "license/audit", "license/catalog/entry", "license/credential", "license/party", "license/status", "signing", "signing/journal", "storage/sqlite/engine", "storage/sqlite/ledger"},
	},
	"storage/sqlite/grants": {
		ours: []string{"license", "license/access", "license/audit", "license/catalog", "license/grant", "signing", "signing/journal", "storage/sqlite/engine", "storage/sqlite/ledger", "storage/sqlite/licenses"},
	},
	"storage/sqlite/provider": {
		ours: []string{"oidc", "oidc/client", "oidc/consent", "oidc/session", "oidc/token", "signing", "signing/journal", "storage/sqlite/engine", "storage/sqlite/ledger"},
	},
	"storage/sqlite/identities": {
		ours: []string{"license/party", "oidc/identity", "oidc/identity/intake", "oidc/identity/officer", "oidc/identity/registrar", "oidc/identity/representation", "signing", "signing/journal", "storage/sqlite/engine", "storage/sqlite/ledger"},
	},
	"storage/postgres": {
		ours:     slices.Concat(driverRooms("storage/postgres"), []string{"storage/retention"}),
		others:   []string{"github.com/jackc/pgx/v5", "github.com/pressly/goose/v3"},
		testOurs: slices.Concat(domains, databaseSuites, []string{"storage/porttest"}),
	},
	"storage/postgres/engine": {
		ours:   []string{"license", "license/party", "signing"},
		others: []string{"github.com/jackc/pgx/v5"},
	},
	"storage/postgres/ledger": {
		ours:   []string{"license", "license/catalog/entry", "oidc/identity/trail", "signing", "signing/highwater", "signing/journal", "storage/retention", "storage/postgres/engine"},
		others: []string{"github.com/jackc/pgx/v5"},
	},
	"storage/postgres/licenses": {
		ours:   []string{"license", "license/audit", "license/catalog/entry", "license/credential", "license/party", "license/status", "signing", "signing/journal", "storage/postgres/engine", "storage/postgres/ledger"},
		others: []string{"github.com/jackc/pgx/v5"},
	},
	"storage/postgres/grants": {
		ours:   []string{"license", "license/access", "license/audit", "license/catalog", "license/grant", "signing", "signing/journal", "storage/postgres/engine", "storage/postgres/ledger", "storage/postgres/licenses"},
		others: []string{"github.com/jackc/pgx/v5"},
	},
	"storage/postgres/provider": {
		ours:   []string{"oidc", "oidc/client", "oidc/consent", "oidc/session", "oidc/token", "signing", "signing/journal", "storage/postgres/engine", "storage/postgres/ledger"},
		others: []string{"github.com/jackc/pgx/v5"},
	},
	"storage/postgres/identities": {
		ours:   []string{"license/party", "oidc/identity", "oidc/identity/intake", "oidc/identity/officer", "oidc/identity/registrar", "oidc/identity/representation", "signing", "signing/journal", "storage/postgres/engine", "storage/postgres/ledger"},
		others: []string{"github.com/jackc/pgx/v5"},
	},
	"storage/porttest": {},
	// The suites know no driver; their rooms are those of the drivers, and some more.
	"storage/storagetest/suite":      {ours: []string{"license/audit", "license/library", "license/party", "oidc/provider", "signing", "signing/highwater", "signing/journal", "storage/retention"}},
	"storage/storagetest/ephemeral":  {ours: slices.Concat(domains, suites("suite"))},
	"storage/storagetest/ledger":     {ours: slices.Concat(domains, suites("suite"))},
	"storage/storagetest/catalog":    {ours: slices.Concat(domains, suites("ledger", "suite"))},
	"storage/storagetest/licenses":   {ours: slices.Concat(domains, suites("ledger", "suite"))},
	"storage/storagetest/grants":     {ours: slices.Concat(domains, suites("ledger", "licenses", "suite"))},
	"storage/storagetest/provider":   {ours: slices.Concat(domains, suites("ledger", "suite"))},
	"storage/storagetest/identities": {ours: slices.Concat(domains, suites("ledger", "provider", "suite"))},
	"storage/storagetest/attacks":    {ours: slices.Concat(domains, suites("grants", "ledger", "provider", "suite"))},
	"storage/storagetest/upkeep":     {ours: slices.Concat(domains, suites("grants", "ledger", "licenses", "provider", "suite"), []string{"storage/retention"})},
	"storage/storagetest":            {ours: slices.Concat(domains, suites("catalog", "grants", "identities", "ledger", "provider", "suite"))},
	"api": {
		ours:       []string{"api/limit", "api/oauth", "api/openapi", "api/pages", "api/pages/enter", "api/pages/officers", "api/pages/portal", "api/problem", "api/rest", "api/views", "api/web", "license/library", "oidc/identity", "oidc/identity/acting", "oidc/identity/authenticator", "oidc/identity/certificate", "oidc/identity/entry", "oidc/identity/factor", "oidc/identity/officer", "oidc/identity/password", "oidc/identity/registrar", "oidc/identity/trail", "oidc/identity/upstream", "oidc/provider", "signing", "signing/jose", "signing/journal", "signing/pki"},
		others:     []string{"github.com/prometheus/client_golang"},
		testOurs:   slices.Concat(domains, []string{"api/apitest", "api/join", "api/outbound", "oidc/identity/certificate/certificatetest", "oidc/identity/passkey/passkeytest", "storage", "storage/memory", "storage/porttest", "storage/sqlite", "storage/postgres"}),
		testOthers: []string{"github.com/danielgtaylor/huma/v2", "github.com/emmansun/gmsm", "github.com/jackc/pgx/v5", "github.com/ncruces/go-sqlite3", "github.com/pquerna/otp", "github.com/zitadel/oidc/v3", "golang.org/x/text/language"},
	},
	"api/rows":          {ours: []string{"api/rows/workbook"}, others: []string{"github.com/go-json-experiment/json", "github.com/xuri/excelize/v2", "golang.org/x/text"}},
	"api/rows/workbook": {others: []string{"github.com/xuri/excelize/v2"}},
	"api/join": {
		ours:     []string{"api/limit", "api/problem", "license", "license/audit", "license/catalog", "license/credential", "license/grant", "license/offer", "license/party", "license/refusal", "license/relation", "oidc", "oidc/identity", "oidc/identity/acting", "oidc/identity/factor", "signing/journal"},
		others:   []string{"github.com/go-json-experiment/json"},
		testOurs: []string{"license/licensetest"},
	},
	"api/oauth": {
		ours:   []string{"api/limit", "api/problem", "oidc", "oidc/client", "oidc/grant", "oidc/identity", "oidc/identity/factor", "oidc/token", "signing", "signing/jose", "signing/journal", "signing/strictjson"},
		others: []string{"github.com/go-json-experiment/json", "github.com/zitadel/oidc/v3"},
	},
	"api/openapi": {
		ours:   []string{"api/oauth", "api/problem", "api/web", "license", "license/access", "license/audit", "license/catalog", "license/catalog/entry", "license/credential", "license/grant", "license/party", "license/refusal", "license/schema", "oidc", "oidc/request", "signing/journal"},
		others: []string{"github.com/danielgtaylor/huma/v2"},
	},
	"api/problem": {
		ours:   []string{"api/limit", "license", "license/refusal", "license/schema", "oidc", "oidc/ephemeral", "oidc/identity", "oidc/identity/certificate", "signing/highwater"},
		others: []string{"github.com/go-json-experiment/json"},
	},
	// What every call needs; it knows no resource.
	"api/rest/call": {
		ours: []string{"api/limit", "api/oauth", "api/openapi", "api/problem", "license/audit", "oidc", "oidc/identity", "oidc/token", "signing/journal", "signing/strictjson"},
	},
	// People, and nothing of licenses.
	"api/rest/people": {
		ours: []string{"api/limit", "api/openapi", "api/problem", "api/rest/call", "license/party", "oidc", "oidc/identity", "oidc/identity/acting", "oidc/identity/intake", "oidc/identity/registrar", "signing/journal"},
	},
	"api/rest": {
		ours:     []string{"api/limit", "api/openapi", "api/problem", "api/rest/call", "api/rest/people", "license", "license/access", "license/audit", "license/catalog", "license/catalog/entry", "license/credential", "license/grant", "license/library", "license/party", "license/refusal", "license/registry", "license/status", "license/verify", "oidc", "oidc/identity/acting", "oidc/identity/registrar", "oidc/token", "signing", "signing/jose", "signing/journal", "signing/pki", "signing/sm2", "signing/strictjson"},
		testOurs: []string{"api/web", "license/refusal"},
	},
	// The pages of logging in, and what every page has; the portal stands on it.
	"api/pages": {
		ours: []string{"api/join", "api/limit", "api/oauth", "api/posted", "api/problem", "api/views", "api/web", "license/party", "license/refusal", "oidc", "oidc/client", "oidc/flow", "oidc/identity", "oidc/identity/certificate", "oidc/identity/factor", "oidc/identity/phonecode", "oidc/identity/upstream", "oidc/request", "oidc/scan", "oidc/session"},
	},
	"api/pages/enter": {
		ours: []string{"api/limit", "api/pages", "api/problem", "api/web", "license/party", "oidc/identity", "oidc/identity/entry", "oidc/identity/password"},
	},
	"api/pages/officers": {
		ours: []string{"api/pages", "api/problem", "api/web", "license/party", "oidc", "oidc/identity", "oidc/identity/officer"},
	},
	"api/pages/portal": {
		ours: []string{"api/join", "api/limit", "api/pages", "api/problem", "api/rest", "api/views", "api/web", "license/access", "license/audit", "license/catalog", "license/credential", "license/grant", "license/offer", "license/party", "license/refusal", "oidc", "oidc/behalf", "oidc/client", "oidc/consent", "oidc/flow", "oidc/identity", "oidc/identity/acting", "oidc/identity/authenticator", "oidc/identity/entry", "oidc/identity/certificate", "oidc/identity/factor", "oidc/identity/passkey", "oidc/identity/trail", "oidc/identity/upstream", "oidc/scan", "oidc/session"},
	},
	"api/views": {
		ours: []string{"api/problem", "api/web", "license", "license/access", "license/audit", "license/catalog", "license/catalog/entry", "license/credential", "license/grant", "license/offer", "license/party", "license/schema", "oidc", "oidc/identity", "oidc/identity/certificate", "oidc/identity/acting", "oidc/session"},
	},
	// Reads what browsers post. It knows nothing of ours.
	"api/posted": {ours: []string{"api/problem"}},
	"api/apitest": {
		others: []string{"golang.org/x/net/html"},
	},
	"api/limit": {
		others: []string{"golang.org/x/time"},
	},
	"api/outbound": {
		ours:     []string{"oidc", "oidc/identity", "oidc/identity/notice", "oidc/identity/upstream", "signing/strictjson"},
		others:   []string{"github.com/go-json-experiment/json"},
		testOurs: []string{"license/party"},
	},
	"api/web": {
		others:     []string{"github.com/piglig/go-qr"},
		testOthers: []string{"golang.org/x/net/html"},
	},
	// The operator's program: main has the verbs, and its rooms what several of them share.
	"cmd/yizheng": {
		ours:       slices.Concat(domains, roomsOf("appoint", "command", "demo", "doctor", "enroll", "events", "install", "serve", "texts"), []string{"storage", "storage/backup"}),
		others:     []string{"github.com/alecthomas/kong", "github.com/go-json-experiment/json"},
		testOurs:   slices.Concat(roomsOf("enroll/seed", "toolcheck"), []string{"api/apitest", "api/rest", "cmd/internal/servertest", "storage/archive", "storage/porttest", "storage/retention", "storage/sqlite", "storage/postgres"}),
		testOthers: []string{"rsc.io/script", "github.com/emmansun/gmsm/sm3", "github.com/goccy/go-yaml", "github.com/jackc/pgx/v5", "github.com/ncruces/go-sqlite3"},
	},
	"cmd/yizheng/internal/texts": {
		ours:   domains,
		others: []string{"github.com/alecthomas/kong"},
	},
	"cmd/yizheng/internal/command": {
		ours:   roomsOf("texts"),
		others: []string{"github.com/go-json-experiment/json", "github.com/schollz/progressbar/v3", "golang.org/x/term", "golang.org/x/text/width"},
	},
	"cmd/yizheng/internal/install": {
		ours:   slices.Concat(domains, roomsOf("command", "texts"), []string{"api/join", "api/outbound", "storage"}),
		others: []string{"github.com/alecthomas/kong", "github.com/goccy/go-yaml"},
	},
	"cmd/yizheng/internal/serve": {
		ours: slices.Concat(domains, roomsOf("command", "install", "texts"), []string{"api", "storage", "storage/retention"}),
	},
	"cmd/yizheng/internal/doctor": {
		ours: slices.Concat(domains, roomsOf("command", "install", "texts"), []string{"api/outbound", "storage"}),
	},
	"cmd/yizheng/internal/appoint": {ours: slices.Concat(domains, roomsOf("command", "install", "texts"))},
	"cmd/yizheng/internal/enroll": {
		ours:   slices.Concat(domains, roomsOf("command", "enroll/imports", "install", "texts")),
		others: []string{"github.com/go-json-experiment/json"},
	},
	"cmd/yizheng/internal/enroll/imports": {ours: slices.Concat(domains, roomsOf("command", "install", "texts"), []string{"api/rows"})},
	"cmd/yizheng/internal/enroll/seed":    {others: []string{"golang.org/x/text"}}, // for tests alone
	"cmd/yizheng/internal/events": {
		ours:   slices.Concat(domains, roomsOf("command", "install", "texts"), []string{"storage", "storage/archive", "storage/retention"}),
		others: []string{"github.com/go-json-experiment/json"},
	},
	// Only cmd/yizheng imports it, and that only where the tag nodemo isn't set.
	"cmd/yizheng/internal/demo": {
		ours:   slices.Concat(domains, roomsOf("command", "demo/department", "demo/elsewhere", "install", "serve", "texts")),
		others: []string{"github.com/go-json-experiment/json"},
	},
	// It knows the service as any client does.
	"cmd/yizheng-load": {
		others: []string{"github.com/alecthomas/kong", "github.com/go-json-experiment/json", "github.com/schollz/progressbar/v3",
			"golang.org/x/net/html", "golang.org/x/term"},
		testOurs: []string{"cmd/internal/servertest"},
	},
	"cmd/internal/servertest": {
		others: []string{"github.com/jackc/pgx/v5"},
	},
	// Departments' programs: they know nothing of this module.
	"cmd/yizheng/internal/demo/department": {
		others: []string{"github.com/coreos/go-oidc/v3", "github.com/emmansun/gmsm/sm2", "github.com/emmansun/gmsm/sm3", "golang.org/x/oauth2"},
	},
	// It knows the service as an OpenID provider knows a client.
	"cmd/yizheng/internal/demo/elsewhere": {
		others: []string{"github.com/emmansun/gmsm/sm3"},
	},
	// What is tested from outside is not looked at from inside.
	"cmd/yizheng/e2e": {
		testOurs:   []string{"cmd/yizheng/internal/toolcheck", "oidc/identity/certificate/certificatetest", "storage/porttest"},
		testOthers: []string{"github.com/chromedp/cdproto", "github.com/chromedp/chromedp", "github.com/makiuchi-d/gozxing", "github.com/pquerna/otp"},
	},
	"cmd/yizheng/internal/toolcheck": {},
	"docs/snippets/go": {
		others: []string{"github.com/coreos/go-oidc/v3", "github.com/emmansun/gmsm", "golang.org/x/oauth2"},
	},
})

// TestImports parses the files rather than asking "go list": the go command
// sees what a test reads, so a cached result is never out of date.
func TestImports(t *testing.T) {
	seen := map[string]bool{}
	for _, f := range goFiles(t) {
		dir, test := path.Dir(f.name), strings.HasSuffix(f.name, "_test.go")
		r, ok := rules[dir]
		if !ok {
			t.Errorf("%s: package %s has no rule", f.name, dir)
			continue
		}
		seen[dir] = true
		for _, spec := range f.syntax.Imports {
			imported, err := strconv.Unquote(spec.Path.Value)
			if err != nil {
				t.Fatalf("%s: %v", f.name, err)
			}
			if why := forbidden(r, dir, imported, test); why != "" {
				t.Errorf("%s imports %q: %s", f.name, imported, why)
			}
		}
	}
	if !seen["signing"] || !seen["license"] || !seen["cmd/yizheng"] {
		t.Errorf("saw only the packages %v: is this the module's root?", seen)
	}
}

// forbidden says why a file of the package may not import that, or nothing.
func forbidden(r rule, dir, imported string, test bool) string {
	if under(imported, nowhere) {
		return "nobody imports this directly"
	}
	first, _, _ := strings.Cut(imported, "/")
	if first == module {
		target := strings.TrimPrefix(imported, module+"/")
		if target == dir && test || slices.Contains(r.ours, target) || test && slices.Contains(r.testOurs, target) {
			return ""
		}
		return "not among the packages of this module that " + dir + " may import"
	}
	if strings.Contains(first, ".") {
		if under(imported, r.others) || test && under(imported, r.testOthers) {
			return ""
		}
		return "not among the other modules' packages that " + dir + " may import"
	}
	if !test && slices.Contains(domains, dir) && under(imported, notInDomains) {
		return "the domains know nothing of it"
	}
	return ""
}

// under reports whether the import path is one of those, or below one.
func under(imported string, those []string) bool {
	return slices.ContainsFunc(those, func(p string) bool {
		return imported == p || strings.HasPrefix(imported, p+"/")
	})
}
