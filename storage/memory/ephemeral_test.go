package memory

import (
	"testing"

	"yizheng.internal/oidc/identity"
	"yizheng.internal/storage/storagetest"
)

func TestEphemeral(t *testing.T) {
	storagetest.Ephemeral(t, func(t *testing.T) identity.Ephemeral { return New(Config{}) })
}
