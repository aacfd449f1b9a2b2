package signing

import (
	"context"
	"crypto"
	"crypto/ecdsa"
	"log/slog"
	"time"
)

// Verifier checks signatures. For SM2 it asks a first implementation, and only
// when that says no, two more; see docs/design. Safe for concurrent use.
type Verifier struct{}

// VerifierConfig says how a Verifier works; its zero value is right for production.
type VerifierConfig struct {
	// First is the fast implementation. Default: emmansun/gmsm.
	First func(pub *ecdsa.PublicKey, message, der []byte) bool
	// Second is the independent one. Default: tjfoc/gmsm. A reference of our own is always asked as well.
	Second func(pub *ecdsa.PublicKey, message, der []byte) bool
	Slots  int           // second opinions at a time; default 1
	Queue  int           // waiting for a slot; default 64
	Wait   time.Duration // at most; default 2 s
	Log    *slog.Logger  // default: discards
}

func NewVerifier(c VerifierConfig) *Verifier { return nil }

// Verify checks the signature of a message: SM2 as DER (GB/T 35276) or ECDSA
// P-256 with SHA-256 as DER, by the kind of key. It returns nil, ErrSignature
// or ErrUndecided.
func (v *Verifier) Verify(ctx context.Context, pub crypto.PublicKey, message, der []byte) error {
	return errUnbuilt
}

// VerifyRaw is Verify for signatures as r ‖ s, 64 bytes, as JWS has them.
func (v *Verifier) VerifyRaw(ctx context.Context, pub crypto.PublicKey, message, raw []byte) error {
	return errUnbuilt
}

// SecondOpinions returns how many were asked for, how many overruled the first
// implementation, and how many could not be given.
func (v *Verifier) SecondOpinions() (asked, overruled, undecided uint64) { return 0, 0, 0 }
