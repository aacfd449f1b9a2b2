package storage_test

import (
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"yizheng.internal/license"
	"yizheng.internal/oidc/ephemeral"
	"yizheng.internal/storage"
)

func TestOpenSQLite(t *testing.T) {
	dir := t.TempDir()
	t.Chdir(dir)
	for url, file := range map[string]string{
		"sqlite:relative.db":                            "relative.db",
		"sqlite:" + filepath.Join(dir, "absolute.db"):   "absolute.db",
		"sqlite:odd %20?mode=memory#name&vfs=x.db":      "odd %20?mode=memory#name&vfs=x.db",
		"SQLITE:样例.db":                                  "样例.db",
		"file:opaque%20name.db":                         "opaque name.db",
		"file://" + filepath.Join(dir, "hostless.db"):   "hostless.db",
		"file://localhost" + filepath.Join(dir, "l.db"): "l.db",
	} {
		t.Run(file, func(t *testing.T) {
			db, err := storage.Open(t.Context(), url, storage.Options{})
			if err != nil {
				t.Fatal(err)
			}
			defer db.Close()
			works(t, db)
			info, err := os.Stat(filepath.Join(dir, file))
			if err != nil {
				t.Fatal(err)
			}
			if info.Mode().Perm() != 0o600 {
				t.Errorf("the file has mode %v, want 0600", info.Mode())
			}
		})
	}
}

// TestOpenPostgres needs a server, as .ci/with-servers starts one.
func TestOpenPostgres(t *testing.T) {
	url := os.Getenv("YIZHENG_TEST_POSTGRES_URL")
	if url == "" {
		t.Fatal("YIZHENG_TEST_POSTGRES_URL is not set: run make test, or this below .ci/with-servers")
	}
	db, err := storage.Open(t.Context(), url, storage.Options{})
	if err != nil {
		t.Fatal(err)
	}
	defer db.Close()
	if err := db.Admin().Ping(t.Context(), false); err != nil {
		t.Error(err)
	}
}

// works checks that a database migrates, and takes and gives.
func works(t *testing.T, db storage.Database) {
	t.Helper()
	ctx := t.Context()
	have, want, err := db.Admin().SchemaVersion(ctx)
	if err != nil || have != 0 || want < 1 {
		t.Fatalf("a new database has schema version %d of %d, error %v", have, want, err)
	}
	if have, err = db.Admin().Migrate(ctx); err != nil || have != want {
		t.Fatalf("migrated to version %d of %d, error %v", have, want, err)
	}
	if err := db.Admin().Ping(ctx, true); err != nil {
		t.Error(err)
	}
	if v, err := db.Licenses().ClaimSetting(ctx, "name", "value"); err != nil || v != "value" {
		t.Errorf("a claimed setting is %q, error %v", v, err)
	}
	if _, err := db.Provider().ListClients(ctx, "", "", 1); err != nil {
		t.Error(err)
	}
	if _, err := db.Keys().ListKeys(ctx, ""); err != nil {
		t.Error(err)
	}
}

// TestOpenRefuses holds Open to errors that help, and never show the URL: its
// password is s3cret.
func TestOpenRefuses(t *testing.T) {
	dir := t.TempDir()
	for _, c := range []struct{ name, url, want string }{
		{"nothing", "", "no scheme"},
		{"a path alone", "/var/lib/s3cret.db", "no scheme"},
		{"an unknown scheme", "mysql://user:s3cret@host/db", "unknown scheme"},
		{"a password where the scheme should be", "s3cret:@host", "unknown scheme"},
		{"no file", "sqlite:", "names no file"},
		{"a folder", "sqlite:" + dir + "/", "names no file"},
		{"a folder that is there", "sqlite:" + dir, ""},
		{"memory", "sqlite::memory:", "must be a file"},
		{"no folder", "sqlite:" + dir + "/missing/x.db", "no such file or directory"},
		{"a host", "file://host/x.db", "more than a path"},
		{"a query", "file:x.db?key=s3cret", "more than a path"},
		{"a wrong escape", "file:%zz", "malformed"},
		{"a malformed URL", "postgres://user:s3cret@[::1/db", ""},
		{"a wrong port", "postgres://user:s3cret@host:port/db", ""},
		{"nobody there", "postgres://user:s3cret@127.0.0.1:1/db?connect_timeout=2", ""},
	} {
		t.Run(c.name, func(t *testing.T) {
			db, err := storage.Open(t.Context(), c.url, storage.Options{})
			if err == nil {
				db.Close()
				t.Fatal("opened")
			}
			if strings.Contains(err.Error(), "s3cret") {
				t.Errorf("the error shows the password: %v", err)
			}
			if !strings.Contains(err.Error(), c.want) {
				t.Errorf("the error is %q, want one about %q", err, c.want)
			}
			if c.name == "nobody there" && !errors.Is(err, license.ErrUnavailable) {
				t.Errorf("the error is %v, want ErrUnavailable", err)
			}
		})
	}
}

// TestOpenEphemeral needs a Redis, as .ci/with-servers starts one.
func TestOpenEphemeral(t *testing.T) {
	redis := os.Getenv("YIZHENG_TEST_REDIS_URL")
	if redis == "" {
		t.Fatal("YIZHENG_TEST_REDIS_URL is not set: run make test, or this below .ci/with-servers")
	}
	for _, c := range []struct {
		url    string
		shared bool
	}{{"", false}, {"memory:", false}, {redis, true}} {
		s, err := storage.OpenEphemeral(t.Context(), c.url, storage.Options{})
		if err != nil {
			t.Fatal(err)
		}
		other, err := storage.OpenEphemeral(t.Context(), c.url, storage.Options{})
		if err != nil {
			t.Fatal(err)
		}
		key, now := fmt.Sprint("open-test-", time.Now().UnixNano()), time.Now()
		if err := s.Put(t.Context(), key, []byte("v"), ephemeral.Keeping{Part: ephemeral.PartReserved, Until: now.Add(time.Minute)}, now); err != nil {
			t.Error(err)
		}
		if _, err := other.Load(t.Context(), key, now); (err == nil) != c.shared || err != nil && !errors.Is(err, ephemeral.ErrGone) {
			t.Errorf("another opener loads what was put: %v, want shared: %v", err, c.shared)
		}
		for _, s := range []storage.Ephemeral{s, other} {
			if err := s.Ping(t.Context()); err != nil {
				t.Error(err)
			}
			if err := s.Close(); err != nil {
				t.Error(err)
			}
			if _, err := s.Load(t.Context(), key, now); err == nil || errors.Is(err, ephemeral.ErrGone) {
				t.Errorf("Load after Close: %v", err)
			}
		}
	}
	for _, url := range []string{"s3cret", "s3cret:", "memory:s3cret", "http://s3cret", "redis://user:s3cret@127.0.0.1:1", "redis://s3cret@host:port",
		"REDIS://s3cret@127.0.0.1:1", "/s3cret"} {
		s, err := storage.OpenEphemeral(t.Context(), url, storage.Options{})
		if err == nil {
			s.Close()
			t.Errorf("%s: opened", url)
		} else if strings.Contains(err.Error(), "s3cret") {
			t.Errorf("the error shows the password: %v", err)
		}
	}
}
