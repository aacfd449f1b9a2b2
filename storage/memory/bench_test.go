//go:build unix

package memory

import (
	"testing"

	"yizheng.internal/storage/storagetest/ephemeral"
)

func BenchmarkEphemeral(b *testing.B) { ephemeral.BenchmarkEphemeral(b, New(Config{}), nil) }
