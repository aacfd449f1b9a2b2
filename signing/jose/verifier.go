package jose

import (
	"context"
	"crypto"
	"crypto/ecdsa"
	"crypto/rsa"
	"crypto/sha256"
	"fmt"
	"sync"

	"yizheng.internal/signing/sm2"
)

// Verifier checks signatures by the kind of key: SM2 as [sm2.Verifier] does, with
// its second opinions, the others by the standard library. Safe for concurrent use.
type Verifier struct {
	sm2      *sm2.Verifier
	headers  headers
	messages sync.Pool // of *[]byte: of texts that signatures are of
}

// NewVerifier returns a Verifier that checks SM2 signatures as c says. It starts no
// goroutine and needs no closing.
func NewVerifier(c sm2.Config) *Verifier { return &Verifier{sm2: sm2.New(c)} }

// SecondOpinions returns what [sm2.Verifier.SecondOpinions] counted.
func (v *Verifier) SecondOpinions() (asked, overruled, undecided uint64) {
	return v.sm2.SecondOpinions()
}

// Verify checks the signature of a message, by the kind of key: SM2 as DER (GB/T
// 35276), ECDSA P-256 with SHA-256 as DER, or RSASSA-PKCS1-v1_5 with SHA-256 as
// it is. It returns nil, [sm2.ErrSignature] or [sm2.ErrUndecided], wrapped, whatever
// the algorithm. A key that [AlgorithmOf] refuses has no valid signatures.
func (v *Verifier) Verify(ctx context.Context, pub crypto.PublicKey, message, der []byte) error {
	switch key := pub.(type) {
	case *rsa.PublicKey:
		return verifyRSA(key, message, der)
	case *ecdsa.PublicKey:
		if key != nil && !sm2.HasCurve(key) {
			return verifyES256(key, message, der)
		}
	}
	return v.sm2.Verify(ctx, pub, message, der)
}

// verifyRaw is Verify for signatures as JWS has them (RFC 7518 sections 3.3 and
// 3.4): r ‖ s, 64 bytes, where Verify takes DER.
func (v *Verifier) verifyRaw(ctx context.Context, pub crypto.PublicKey, message, raw []byte) error {
	if _, ok := pub.(*rsa.PublicKey); ok {
		return v.Verify(ctx, pub, message, raw)
	}
	der, err := sm2.RawToDER(raw)
	if err != nil {
		return fmt.Errorf("%w: %w", sm2.ErrSignature, err)
	}
	return v.Verify(ctx, pub, message, der)
}

// verifyText is verifyRaw for a message that is a string.
func (v *Verifier) verifyText(ctx context.Context, pub crypto.PublicKey, text string, raw []byte) error {
	message, ok := v.messages.Get().(*[]byte)
	if !ok {
		message = new([]byte)
	}
	defer v.messages.Put(message)
	*message = append((*message)[:0], text...)
	return v.verifyRaw(ctx, pub, *message, raw)
}

// verifyRSA verifies by RFC 8017 section 8.2.2, which leaves a signature one
// encoding: as long as the modulus, and below it.
func verifyRSA(key *rsa.PublicKey, message, sig []byte) error {
	if err := checkRSA(key); err != nil {
		return fmt.Errorf("%w: %w", sm2.ErrSignature, err)
	}
	digest := sha256.Sum256(message)
	if rsa.VerifyPKCS1v15(key, crypto.SHA256, digest[:], sig) != nil {
		return sm2.ErrSignature
	}
	return nil
}

// verifyES256 verifies ECDSA with P-256 and SHA-256. The form is checked as strictly
// as that of SM2, so that these, too, have one encoding; Go refuses r and s beyond
// the order.
func verifyES256(key *ecdsa.PublicKey, message, der []byte) error {
	if _, _, err := checkedKey(key); err != nil {
		return fmt.Errorf("%w: %w", sm2.ErrSignature, err)
	}
	if _, err := sm2.DERToRaw(der); err != nil {
		return fmt.Errorf("%w: %w", sm2.ErrSignature, err)
	}
	digest := sha256.Sum256(message)
	if !ecdsa.VerifyASN1(key, digest[:], der) {
		return sm2.ErrSignature
	}
	return nil
}
