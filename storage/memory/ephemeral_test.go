package memory

import (
	"testing"

	kept "yizheng.internal/oidc/ephemeral"
	"yizheng.internal/storage/storagetest/ephemeral"
)

func TestEphemeral(t *testing.T) {
	ephemeral.Ephemeral(t, func(t *testing.T) kept.Store { return New(Config{}) })
}

func TestEphemeralParts(t *testing.T) {
	ephemeral.EphemeralParts(t, func(t *testing.T, values int, bytes int64) kept.Store {
		return New(Config{MaxValues: values, MaxBytes: bytes})
	})
}
