//go:build unix

package memory

import (
	"testing"

	"yizheng.internal/storage/storagetest"
)

func BenchmarkEphemeral(b *testing.B) { storagetest.BenchmarkEphemeral(b, New(Config{}), nil) }
