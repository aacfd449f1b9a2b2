//go:build unix

package sqlite

import (
	"testing"

	"yizheng.internal/storage/storagetest"
)

func BenchmarkLogins(b *testing.B) {
	storagetest.BenchmarkLogins(b, storesOf(openTest(b, Config{})), nil)
}
