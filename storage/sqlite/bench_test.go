//go:build unix

package sqlite

import (
	"testing"

	"yizheng.internal/storage/storagetest"
)

func BenchmarkLogins(b *testing.B) {
	storagetest.BenchmarkLogins(b, openTest(b, Config{}).Provider(), nil)
}
