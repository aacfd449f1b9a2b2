package main_test

import "testing"

// TestForbidden tries the rules themselves.
func TestForbidden(t *testing.T) {
	tests := []struct {
		name, dir, imported string
		test, allowed       bool
	}{
		{"the standard library", "license", "crypto/rand", false, true},
		{"one half imports the other", "license", module + "/oidc", false, false},
		{"and back", "oidc", module + "/license", false, false},
		{"the leaf both share", "oidc", module + "/license/party", false, true},
		{"HTTP in a domain", "signing", "net/http", false, false},
		{"below HTTP in a domain", "signing", "net/http/httptest", false, false},
		{"HTTP in a domain's test", "signing", "net/http/httptest", true, true},
		{"net alone", "oidc", "net/url", false, true},
		{"SQL in a domain", "license", "database/sql", false, false},
		{"a domain imports storage", "license", module + "/storage", false, false},
		{"a domain imports the API", "oidc", module + "/api", true, false},
		{"a verifier imports the registry", "license/credential", module + "/license", false, false},
		{"a driver imports another", "storage/sqlite", module + "/storage/postgres", false, false},
		{"a driver's room imports another driver's", "storage/sqlite/grants", module + "/storage/postgres/engine", false, false},
		{"who uses a driver imports its engine", "storage", module + "/storage/sqlite/engine", false, false},
		{"an engine imports a store", "storage/postgres/engine", module + "/storage/postgres/ledger", false, false},
		{"a driver imports its suite", "storage/sqlite", module + "/storage/storagetest", false, false},
		{"a driver's test imports its suite", "storage/sqlite", module + "/storage/storagetest", true, true},
		{"a suite imports a driver", "storage/storagetest/licenses", module + "/storage/sqlite", false, false},
		{"a suite imports one above it", "storage/storagetest/licenses", module + "/storage/storagetest/grants", false, false},
		{"an external test imports its package", "storage/sqlite", module + "/storage/sqlite", true, true},
		{"a store imports another", "storage/redis", module + "/storage/memory", false, false},
		{"Redis's client in a database", "storage/postgres", "github.com/redis/go-redis/v9", false, false},
		{"Redis's client in a domain", "oidc/identity", "github.com/redis/go-redis/v9", true, false},
		{"the other database's client", "storage/sqlite", "github.com/jackc/pgx/v5", false, false},
		{"a name that only begins alike", "storage/sqlite", "github.com/ncruces/go-sqlite3x", false, false},
		{"below an allowed module", "storage/sqlite", "github.com/ncruces/go-sqlite3/driver", false, true},
		{"the service imports the demo", "cmd/yizheng/internal/serve", module + "/cmd/yizheng/internal/demo", false, false},
		{"main imports the demo", "cmd/yizheng", module + "/cmd/yizheng/internal/demo", false, true},
		{"a room imports a driver", "cmd/yizheng/internal/install", module + "/storage/sqlite", false, false},
		{"a department imports a domain", "cmd/yizheng/internal/demo/department", module + "/signing/sdjwt", false, false},
		{"a department's test imports a domain", "cmd/yizheng/internal/demo/department", module + "/oidc", true, false},
		{"go-jose, by whom it may be", "api", "github.com/go-jose/go-jose/v4", true, false},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			r, ok := rules[tt.dir]
			if !ok {
				t.Fatalf("no rule for %s", tt.dir)
			}
			if why := forbidden(r, tt.dir, tt.imported, tt.test); (why == "") != tt.allowed {
				t.Errorf("forbidden = %q, allowed should be %t", why, tt.allowed)
			}
		})
	}
}

// suites returns the paths of rooms of storage/storagetest.
func suites(rooms ...string) (paths []string) {
	for _, name := range rooms {
		paths = append(paths, "storage/storagetest/"+name)
	}
	return paths
}

// databaseSuites are the suites that a database driver passes.
var databaseSuites = append(suites("attacks", "catalog", "grants", "identities", "ledger", "licenses", "provider", "suite", "upkeep"), "storage/storagetest")

// driverRooms returns the paths of a database driver's rooms.
func driverRooms(driver string) (paths []string) {
	for _, name := range []string{"engine", "grants", "identities", "ledger", "licenses", "provider"} {
		paths = append(paths, driver+"/"+name)
	}
	return paths
}
