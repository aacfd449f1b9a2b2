//go:build unix

package ephemeral

import (
	"bytes"
	"context"
	"sync/atomic"
	"testing"
	"time"

	"yizheng.internal/oidc/ephemeral"
	"yizheng.internal/storage/storagetest/suite"
)

// BenchmarkEphemeral measures what is kept where it may be lost, of the size of an
// authorization request. It reports the processor time of an operation, as storagetest.BenchmarkLogins does.
func BenchmarkEphemeral(b *testing.B, s ephemeral.Store, servers suite.CPU) {
	ctx := context.Background()
	value, other := bytes.Repeat([]byte{0xa5}, 1500), bytes.Repeat([]byte{0x5a}, 1500)
	keys := make([]string, 1000)
	put := func(key string) error {
		now := time.Now()
		return s.Put(ctx, key, value, ephemeral.Keeping{Part: ephemeral.PartReserved, Until: now.Add(10 * time.Minute)}, now)
	}
	for i := range keys {
		keys[i] = suite.NewText()
		if err := put(keys[i]); err != nil {
			b.Fatal(err)
		}
	}
	var turn atomic.Int64
	next := func() string { return keys[int(turn.Add(1))%len(keys)] }
	for _, c := range []struct {
		name string
		call func() error
	}{
		{"PutDelete", func() error {
			key := suite.NewText()
			if err := put(key); err != nil {
				return err
			}
			return s.Delete(ctx, key)
		}},
		{"Load", func() error { _, err := s.Load(ctx, next(), time.Now()); return err }},
		{"PutSwapDelete", func() error {
			key := suite.NewText()
			if err := put(key); err != nil {
				return err
			}
			if err := s.Swap(ctx, key, value, other, ephemeral.Keeping{}, time.Now()); err != nil {
				return err
			}
			return s.Delete(ctx, key)
		}},
		{"Count", func() error { _, err := s.Count(ctx, next(), 1, 10*time.Minute, time.Now()); return err }},
	} {
		b.Run(c.name, func(b *testing.B) { suite.InParallel(b, servers, c.call) })
	}
}
