// Package sm2 verifies SM2 signatures (GB/T 32918), always with SM3 and the default user id.
// It knows the two forms in which they are written: DER (GB/T 35276), and r ‖ s as tokens have
// them.
//
// One library that says no is not enough to call a document forged: see [Verifier]. The
// package keeps no private keys.
package sm2

import (
	"context"
	"crypto"
	"crypto/ecdsa"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"log/slog"
	"math/big"
	"sync/atomic"
	"time"

	"github.com/emmansun/gmsm/sm2"
	second "github.com/tjfoc/gmsm/sm2"
)

// UserID is the default user id of GB/T 35276, the only one in use here.
const UserID = "1234567812345678"

var (
	// ErrSignature says that a signature is wrong: checked, and not valid.
	ErrSignature = errors.New("signature is not valid")
	// ErrUndecided says that a signature can't be called right or wrong now, because the
	// queue for second opinions is full or too slow. It must not be treated as valid.
	ErrUndecided = errors.New("signature could not be decided on")
)

// Verifier checks signatures. It asks one implementation first. Only if that says no, it asks
// two more; see docs/design. Safe for concurrent use.
//
// The reason: emmansun/gmsm v0.44.0 rejected a few valid signatures on some processors (its
// issue 560, mended in v0.44.1), and two other libraries had similar faults. A license must
// not be called forged because of the machine that verifies it. On the other hand, tjfoc/gmsm
// accepts signatures whose point is infinity. So a signature that the first implementation
// rejects is valid only if tjfoc/gmsm and our own reference both accept it.
type Verifier struct {
	c       Config
	slots   chan struct{} // holds a token for each second opinion under way
	waiting atomic.Int64

	asked, overruled, undecided atomic.Uint64
}

// Config says how a Verifier works; its zero value is right for production.
type Config struct {
	// First is the implementation that is asked first. Default: emmansun/gmsm.
	First func(pub *ecdsa.PublicKey, message, der []byte) bool
	// Second is an independent one. Default: tjfoc/gmsm. Our own reference is always asked, too.
	Second func(pub *ecdsa.PublicKey, message, der []byte) bool
	Slots  int           // second opinions at a time; default 1
	Queue  int           // callers that may wait for a slot; default 64
	Wait   time.Duration // how long they wait at most; default 2 s
	Log    *slog.Logger  // default: discards
}

// New returns a Verifier. It starts no goroutine and needs no closing.
func New(c Config) *Verifier {
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
	e, err := Digest(pub, message)
	return err == nil && sm2.VerifyASN1(pub, e, der)
}

// secondVerify is tjfoc/gmsm. It must get only checked keys and strictly parsed signatures,
// because it accepts points off the curve and trailing bytes.
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

// Verify checks the signature of a message, in DER. It returns nil, ErrSignature
// or ErrUndecided, wrapped. A key that [PublicKey] refuses has no valid signatures.
func (v *Verifier) Verify(ctx context.Context, pub crypto.PublicKey, message, der []byte) error {
	key, err := PublicKey(pub)
	if err != nil {
		return fmt.Errorf("%w: %w", ErrSignature, err)
	}
	sig, err := parseSignature(der)
	if err != nil {
		return fmt.Errorf("%w: %w", ErrSignature, err)
	}
	return v.decide(ctx, key, sig, opinions{
		first:     func() bool { return v.c.First(key, message, der) },
		second:    func() bool { return v.c.Second(key, message, der) },
		reference: func() bool { return referenceVerify(key, referenceDigest(key, message), sig) },
	})
}

// SecondOpinions returns how many second opinions were asked for, how many overruled the
// first implementation, and how many could not be given.
func (v *Verifier) SecondOpinions() (asked, overruled, undecided uint64) {
	return v.asked.Load(), v.overruled.Load(), v.undecided.Load()
}

// opinions are the three implementations' answers about one SM2 signature,
// each computed when it is asked for.
type opinions struct{ first, second, reference func() bool }

// decide asks for the opinions in turn. Numbers out of range, and r + s = n, it refuses
// itself, so that no implementation gets them.
func (v *Verifier) decide(ctx context.Context, key *ecdsa.PublicKey, sig signature, o opinions) error {
	if !sig.below(order) || sig.sums(order) {
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

// slot waits for a slot. A second opinion costs twenty times as much as a first one, and every
// forged signature needs one. So forged ones may occupy only the slots, and those that find
// no room in the queue stay undecided. Genuine signatures never come here.
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

// overrule reports whether both other implementations accept. If one panics, the signature
// stays undecided.
func overrule(o opinions) (valid bool, err error) {
	defer func() {
		if p := recover(); p != nil {
			valid, err = false, fmt.Errorf("%w: a second implementation panicked: %v", ErrUndecided, p)
		}
	}()
	return o.second() && o.reference(), nil
}

// keyHash names a key in the log, without showing it.
func keyHash(key *ecdsa.PublicKey) string {
	sum := sha256.Sum256(MarshalPoint(key))
	return hex.EncodeToString(sum[:8])
}
