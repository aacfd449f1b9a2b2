package memory

import (
	"testing"

	"yizheng.internal/oidc/ephemeral"
	suites "yizheng.internal/storage/storagetest/ephemeral"
)

func TestEphemeral(t *testing.T) {
	suites.Ephemeral(t, func(t *testing.T) ephemeral.Store { return New(Config{}) })
}

func TestEphemeralParts(t *testing.T) {
	suites.EphemeralParts(t, func(t *testing.T, values int, bytes int64) ephemeral.Store {
		return New(Config{MaxValues: values, MaxBytes: bytes})
	})
}
