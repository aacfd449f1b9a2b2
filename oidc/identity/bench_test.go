package identity

import (
	"testing"
)

// BenchmarkLogin logs somebody in at today's cost of a hash, which is nearly all
// of it.
func BenchmarkLogin(b *testing.B) {
	w := newWorld(b)
	w.hash.memory, w.hash.time = hashMemory, hashTime
	w.zhang(b)
	for b.Loop() {
		if _, err := w.CheckPassword(b.Context(), attempt("13800138000", password)); err != nil {
			b.Fatal(err)
		}
	}
}

// BenchmarkLoginWithoutHash is what the rest costs.
func BenchmarkLoginWithoutHash(b *testing.B) {
	w := newWorld(b)
	w.hash.memory, w.hash.time = 8, 1
	w.zhang(b)
	for b.Loop() {
		if _, err := w.CheckPassword(b.Context(), attempt("13800138000", password)); err != nil {
			b.Fatal(err)
		}
	}
}
