// Package signingtest has keys and signatures for the tests of signing and its
// rooms. It knows none of them, so that their tests from inside can use it.
package signingtest

import (
	"crypto"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/rsa"
	"encoding/hex"
	"io"
	"sync"
	"testing"

	"github.com/emmansun/gmsm/sm2"
)

// NewSM2 makes an SM2 key.
func NewSM2(t testing.TB) *sm2.PrivateKey {
	t.Helper()
	key, err := sm2.GenerateKey(rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	return key
}

// The public key of the example of GB/T 32918.2-2016 annex A.2 on the curve of GB/T 32918.5.
const (
	VectorX = "09F9DF311E5421A150DD7D161E4BC5C672179FAD1833FC076BB08FF356F35020"
	VectorY = "CCEA490CE26775A52DC6EA718CC1AA600AED05FBF35E084A6632F6072DA9AD13"
)

// VectorKey returns that key.
func VectorKey(t testing.TB) *ecdsa.PublicKey {
	t.Helper()
	point, err := hex.DecodeString("04" + VectorX + VectorY)
	if err != nil {
		t.Fatal(err)
	}
	pub, err := sm2.ParseUncompressedPublicKey(point)
	if err != nil {
		t.Fatal(err)
	}
	return pub
}

// ES256 signs messages with a P-256 key, as a module's signer does.
type ES256 struct{ *ecdsa.PrivateKey }

// NewES256 makes a P-256 key.
func NewES256(t testing.TB) ES256 {
	t.Helper()
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	return ES256{key}
}

// SignMessage signs the SHA-256 of a message.
func (s ES256) SignMessage(random io.Reader, message []byte, _ crypto.SignerOpts) ([]byte, error) {
	return signHash(s.PrivateKey, random, message)
}

// RS256 signs messages with an RSA key, by PKCS #1 v1.5.
type RS256 struct{ *rsa.PrivateKey }

// NewRSA makes an RSA key of so many bits.
func NewRSA(t testing.TB, bits int) RS256 {
	t.Helper()
	key, err := rsa.GenerateKey(rand.Reader, bits)
	if err != nil {
		t.Fatal(err)
	}
	return RS256{key}
}

// SignMessage signs the SHA-256 of a message.
func (s RS256) SignMessage(random io.Reader, message []byte, _ crypto.SignerOpts) ([]byte, error) {
	return signHash(s.PrivateKey, random, message)
}

// RSA returns one key of 2048 bits for all tests: making one takes a while.
var RSA = sync.OnceValue(func() RS256 {
	key, err := rsa.GenerateKey(rand.Reader, 2048)
	if err != nil {
		panic(err)
	}
	return RS256{key}
})

func signHash(s crypto.Signer, random io.Reader, message []byte) ([]byte, error) {
	h := crypto.SHA256.New()
	h.Write(message)
	return s.Sign(random, h.Sum(nil), crypto.SHA256)
}

// MustSign signs a message without options.
func MustSign(t testing.TB, s crypto.MessageSigner, message []byte) []byte {
	t.Helper()
	sig, err := s.SignMessage(rand.Reader, message, nil)
	if err != nil {
		t.Fatal(err)
	}
	return sig
}

// Faulty signs something else than it was given, as a module with a fault may.
type Faulty struct{ crypto.MessageSigner }

// SignMessage signs the message and one byte more.
func (f Faulty) SignMessage(random io.Reader, message []byte, opts crypto.SignerOpts) ([]byte, error) {
	return f.MessageSigner.SignMessage(random, append(message, 'x'), opts)
}

// Rejects and Accepts are implementations of SM2 that don't look.
func Rejects(*ecdsa.PublicKey, []byte, []byte) bool { return false }

// Accepts accepts everything.
func Accepts(*ecdsa.PublicKey, []byte, []byte) bool { return true }

// Slow is a second implementation of SM2 that takes its time: it accepts everything,
// once it is let go.
type Slow struct{ entered, released chan struct{} }

// NewSlow returns one that holds whoever asks it.
func NewSlow() Slow { return Slow{make(chan struct{}, 1), make(chan struct{})} }

// Second is for the verifier's configuration.
func (s Slow) Second(*ecdsa.PublicKey, []byte, []byte) bool {
	select {
	case s.entered <- struct{}{}:
	default:
	}
	<-s.released
	return true
}

// Occupy has forged, which verifies something forged, hold the only slot until the
// returned function is called.
func (s Slow) Occupy(forged func()) (release func()) {
	var done sync.WaitGroup
	done.Go(forged)
	<-s.entered
	return func() {
		close(s.released)
		done.Wait()
	}
}
