package signing

import (
	"context"
	"crypto"
	"crypto/ecdsa"
	"crypto/rsa"
	"crypto/sha256"
	"encoding/hex"
	"fmt"
	"log/slog"
	"math/big"
	"sync"
	"sync/atomic"
	"time"

	"github.com/emmansun/gmsm/sm2"
	second "github.com/tjfoc/gmsm/sm2"
)

// Verifier checks signatures. For SM2 it asks a first implementation, and only
// when that says no, two more; see docs/design. Safe for concurrent use.
//
// The reason: emmansun/gmsm v0.44.0 rejected a few valid signatures on some
// processors (its issue 560, mended in v0.44.1; two other libraries had faults of
// that kind), and a license must not be called forged because of the machine that
// looks at it. tjfoc/gmsm, in turn, accepts signatures
// whose point is infinity. So a no becomes a yes only if tjfoc/gmsm and a
// reference of ours both say so.
type Verifier struct {
	c       VerifierConfig
	slots   chan struct{} // holds a token for each second opinion under way
	waiting atomic.Int64
	headers headers

	messages sync.Pool // of *[]byte: of texts that signatures are of

	asked, overruled, undecided atomic.Uint64
}

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

// NewVerifier returns a Verifier. It starts no goroutine and needs no closing.
func NewVerifier(c VerifierConfig) *Verifier {
	if c.First == nil {
		c.First = firstVerify
	}
	if c.Second == nil {
		c.Second = secondVerify
	}
	if c.Slots <= 0 {
		c.Slots = 1
	}
	if c.Queue <= 0 {
		c.Queue = 64
	}
	if c.Wait <= 0 {
		c.Wait = 2 * time.Second
	}
	if c.Log == nil {
		c.Log = slog.New(slog.DiscardHandler)
	}
	return &Verifier{c: c, slots: make(chan struct{}, c.Slots)}
}

// firstVerify is emmansun/gmsm.
func firstVerify(pub *ecdsa.PublicKey, message, der []byte) bool {
	e, err := digestSM2(pub, message)
	return err == nil && sm2.VerifyASN1(pub, e, der)
}

// secondVerify is tjfoc/gmsm. It must see checked keys and strictly parsed
// signatures only: it accepts points off the curve and trailing bytes.
func secondVerify(pub *ecdsa.PublicKey, message, der []byte) bool {
	sig, err := parseSignature(der)
	if err != nil {
		return false
	}
	q := referencePoint(pub)
	r, s := new(big.Int).SetBytes(sig.r[:]), new(big.Int).SetBytes(sig.s[:])
	key := &second.PublicKey{Curve: second.P256Sm2(), X: q.x, Y: q.y}
	return second.Sm2Verify(key, message, []byte(UserID), r, s)
}

// Verify checks the signature of a message, by the kind of key: SM2 as DER (GB/T
// 35276), ECDSA P-256 with SHA-256 as DER, or RSASSA-PKCS1-v1_5 with SHA-256 as
// it is. It returns nil, ErrSignature or ErrUndecided, wrapped. A key that
// [AlgorithmOf] refuses has no valid signatures.
func (v *Verifier) Verify(ctx context.Context, pub crypto.PublicKey, message, der []byte) error {
	if key, ok := pub.(*rsa.PublicKey); ok {
		return verifyRSA(key, message, der)
	}
	key, a, err := checkedKey(pub)
	if err != nil {
		return fmt.Errorf("%w: %w", ErrSignature, err)
	}
	sig, err := parseSignature(der)
	if err != nil {
		return fmt.Errorf("%w: %w", ErrSignature, err)
	}
	if a == ES256 {
		digest := sha256.Sum256(message)
		if !sig.below(orderP256) || !ecdsa.VerifyASN1(key, digest[:], der) {
			return ErrSignature
		}
		return nil
	}
	return v.decide(ctx, key, sig, opinions{
		first:     func() bool { return v.c.First(key, message, der) },
		second:    func() bool { return v.c.Second(key, message, der) },
		reference: func() bool { return referenceVerify(key, referenceDigest(key, message), sig) },
	})
}

// verifyRSA verifies by RFC 8017 section 8.2.2, which leaves a signature one
// encoding: as long as the modulus, and below it.
func verifyRSA(key *rsa.PublicKey, message, sig []byte) error {
	if err := checkRSA(key); err != nil {
		return fmt.Errorf("%w: %w", ErrSignature, err)
	}
	digest := sha256.Sum256(message)
	if rsa.VerifyPKCS1v15(key, crypto.SHA256, digest[:], sig) != nil {
		return ErrSignature
	}
	return nil
}

// VerifyRaw is Verify for signatures as JWS has them (RFC 7518 sections 3.3 and
// 3.4): r ‖ s, 64 bytes, where Verify takes DER.
func (v *Verifier) VerifyRaw(ctx context.Context, pub crypto.PublicKey, message, raw []byte) error {
	if _, ok := pub.(*rsa.PublicKey); ok {
		return v.Verify(ctx, pub, message, raw)
	}
	der, err := RawToDER(raw)
	if err != nil {
		return fmt.Errorf("%w: %w", ErrSignature, err)
	}
	return v.Verify(ctx, pub, message, der)
}

// SecondOpinions returns how many were asked for, how many overruled the first
// implementation, and how many could not be given.
func (v *Verifier) SecondOpinions() (asked, overruled, undecided uint64) {
	return v.asked.Load(), v.overruled.Load(), v.undecided.Load()
}

// opinions are the three implementations' answers about one SM2 signature,
// each computed when it is asked for.
type opinions struct{ first, second, reference func() bool }

// decide asks for the opinions in turn. What no implementation may see, it
// refuses by itself: numbers out of range, and r + s = n.
func (v *Verifier) decide(ctx context.Context, key *ecdsa.PublicKey, sig signature, o opinions) error {
	if !sig.below(orderSM2) || sig.sums(orderSM2) {
		return ErrSignature
	}
	if o.first() {
		return nil
	}
	v.asked.Add(1)
	release, err := v.slot(ctx)
	if err != nil {
		v.undecided.Add(1)
		return err
	}
	valid, err := overrule(o)
	release()
	switch {
	case err != nil:
		v.undecided.Add(1)
		return err
	case !valid:
		return ErrSignature
	}
	v.overruled.Add(1)
	v.c.Log.WarnContext(ctx, "second opinion overruled the first: a valid SM2 signature was rejected", "key", keyHash(key))
	return nil
}

// slot waits for a turn. Second opinions cost twenty times a first one, so
// forged signatures, which all need one, may occupy no more than the slots; the
// rest is turned away undecided. Genuine signatures never come here.
func (v *Verifier) slot(ctx context.Context) (release func(), err error) {
	release = func() { <-v.slots }
	select {
	case v.slots <- struct{}{}:
		return release, nil
	default:
	}
	if v.waiting.Add(1) > int64(v.c.Queue) {
		v.waiting.Add(-1)
		return nil, fmt.Errorf("%w: the queue is full", ErrUndecided)
	}
	defer v.waiting.Add(-1)
	timer := time.NewTimer(v.c.Wait)
	defer timer.Stop()
	select {
	case v.slots <- struct{}{}:
		return release, nil
	case <-timer.C:
		return nil, fmt.Errorf("%w: waited %v", ErrUndecided, v.c.Wait)
	case <-ctx.Done():
		return nil, fmt.Errorf("%w: %w", ErrUndecided, ctx.Err())
	}
}

// overrule reports whether both other implementations accept. One that panics
// has given no opinion, which is neither yes nor no.
func overrule(o opinions) (valid bool, err error) {
	defer func() {
		if p := recover(); p != nil {
			valid, err = false, fmt.Errorf("%w: a second implementation panicked: %v", ErrUndecided, p)
		}
	}()
	return o.second() && o.reference(), nil
}

// keyHash names a key in the log: enough to find it, nothing to learn from.
func keyHash(key *ecdsa.PublicKey) string {
	point, _, err := marshalPoint(key)
	if err != nil {
		return ""
	}
	sum := sha256.Sum256(point)
	return hex.EncodeToString(sum[:8])
}
