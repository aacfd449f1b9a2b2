package redis

import (
	"crypto/rand"
	"os"
	"testing"

	kept "yizheng.internal/oidc/ephemeral"
	"yizheng.internal/storage/storagetest/ephemeral"
)

func TestEphemeral(t *testing.T) {
	ephemeral.Ephemeral(t, func(t *testing.T) kept.Store { return openTest(t, Config{}) })
}

func TestEphemeralParts(t *testing.T) {
	ephemeral.EphemeralParts(t, func(t *testing.T, values int, bytes int64) kept.Store {
		return openTest(t, Config{Prefix: rand.Text() + ":", MaxValues: values, MaxBytes: bytes})
	})
}

// openTest opens a store that is closed when the test ends; without a URL, on the
// server that .ci/with-servers starts.
func openTest(t testing.TB, c Config) *Ephemeral {
	t.Helper()
	if c.URL == "" {
		if c.URL = os.Getenv("YIZHENG_TEST_REDIS_URL"); c.URL == "" {
			t.Fatal("YIZHENG_TEST_REDIS_URL is not set: run make test, or this below .ci/with-servers")
		}
	}
	s, err := Open(t.Context(), c)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { s.Close() })
	return s
}
