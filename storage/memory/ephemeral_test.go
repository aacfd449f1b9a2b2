package memory

import (
	"testing"

	"yizheng.internal/oidc/identity"
	"yizheng.internal/storage/storagetest/ephemeral"
)

func TestEphemeral(t *testing.T) {
	ephemeral.Ephemeral(t, func(t *testing.T) identity.Ephemeral { return New(Config{}) })
}

func TestEphemeralParts(t *testing.T) {
	ephemeral.EphemeralParts(t, func(t *testing.T, values int, bytes int64) identity.Ephemeral {
		return New(Config{MaxValues: values, MaxBytes: bytes})
	})
}
