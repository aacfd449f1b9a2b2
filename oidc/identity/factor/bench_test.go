package factor_test

import (
	"testing"

	"yizheng.internal/oidc/identity/identitytest"
	"yizheng.internal/oidc/identity/password"
)

// BenchmarkLogin logs somebody in at today's cost of a hash, which is nearly all
// of it.
func BenchmarkLogin(b *testing.B) {
	w := identitytest.NewWorldAt(b, password.Config{})
	w.Zhang(b)
	for b.Loop() {
		if _, err := w.CheckPassword(b.Context(), identitytest.Attempt("13800138000", identitytest.Password)); err != nil {
			b.Fatal(err)
		}
	}
}

// BenchmarkLoginWithoutHash is what the rest costs.
func BenchmarkLoginWithoutHash(b *testing.B) {
	w := identitytest.NewWorldAt(b, password.Config{Memory: 8, Time: 1})
	w.Zhang(b)
	for b.Loop() {
		if _, err := w.CheckPassword(b.Context(), identitytest.Attempt("13800138000", identitytest.Password)); err != nil {
			b.Fatal(err)
		}
	}
}
