package keystore

import (
	"bytes"
	"crypto"
	"crypto/ecdsa"
	"crypto/hmac"
	"crypto/rsa"
	"errors"
	"sync"
	"testing"

	gmsm "github.com/emmansun/gmsm/sm2"
	"github.com/emmansun/gmsm/sm3"

	"yizheng.internal/signing"
	"yizheng.internal/signing/jose"
	"yizheng.internal/signing/sm2"
)

func TestSigners(t *testing.T) {
	k, _ := newKeystore(t)
	message := []byte("message digest")
	for id, a := range map[signing.KeyID]jose.Algorithm{"sm2": jose.SM2, "es256": jose.ES256, "rs256": jose.RS256} {
		public, err := k.GenerateSigner(id, a)
		if err != nil {
			t.Fatal(err)
		}
		signer, err := k.Signer(id)
		if err != nil {
			t.Fatal(err)
		}
		sig, err := crypto.SignMessage(signer, nil, message, nil)
		if err != nil {
			t.Fatal(err)
		}
		if err := jose.NewVerifier(sm2.Config{}).Verify(t.Context(), public, message, sig); err != nil {
			t.Errorf("%s: %v", a, err)
		}
		again, err := signer.SignMessage(nil, message, nil)
		if err != nil || bytes.Equal(sig, again) != (a == jose.RS256) { // PKCS #1 v1.5 has nothing random
			t.Errorf("%s: without a reader, signing is not random (%v)", a, err)
		}
		if _, err := signer.Sign(nil, make([]byte, 32), crypto.Hash(0)); !errors.Is(err, errDigest) {
			t.Errorf("%s signs a digest: %v", a, err)
		}
		if _, err := signer.SignMessage(nil, message, crypto.SHA512); !errors.Is(err, errOptions) {
			t.Errorf("%s signs with SHA-512: %v", a, err)
		}
	}
	signer, _ := k.Signer("rs256")
	if _, err := signer.SignMessage(nil, message, &rsa.PSSOptions{Hash: crypto.SHA256}); !errors.Is(err, errOptions) {
		t.Errorf("RS256 signs with PSS: %v", err)
	}
	signer, _ = k.Signer("sm2")
	if _, err := signer.SignMessage(nil, message, gmsm.NewSM2SignerOption(true, []byte("other"))); !errors.Is(err, errOptions) {
		t.Errorf("SM2 signs for another user id: %v", err)
	}
	if _, err := signer.SignMessage(nil, nil, nil); !errors.Is(err, errEmpty) {
		t.Errorf("SM2 signs nothing: %v", err)
	}
	sig, err := signer.SignMessage(nil, message, gmsm.DefaultSM2SignerOpts)
	if err != nil || !gmsm.VerifyASN1WithSM2(signer.Public().(*ecdsa.PublicKey), []byte(sm2.UserID), message, sig) {
		t.Errorf("SM2 with smx509's options: %v", err)
	}
}

// TestMAC checks that MAC is HMAC-SM3 under the stored secret (GB/T 15852.2),
// by the two hashes of RFC 2104's definition, and that states don't mix.
func TestMAC(t *testing.T) {
	secret := bytes.Repeat([]byte{0x5c, 0x01}, 16)
	s, err := newSecretKey(secret)
	if err != nil {
		t.Fatal(err)
	}
	var inner, outer [sm3.BlockSize]byte
	copy(inner[:], secret)
	copy(outer[:], secret)
	for i := range inner {
		inner[i] ^= 0x36
		outer[i] ^= 0x5c
	}
	var wait sync.WaitGroup
	for i := range 8 {
		wait.Go(func() {
			for j := range 200 {
				message := bytes.Repeat([]byte{byte(i)}, j)
				in := sm3.Sum(append(inner[:len(inner):len(inner)], message...))
				want := sm3.Sum(append(outer[:len(outer):len(outer)], in[:]...))
				if got := s.mac(message); !hmac.Equal(got, want[:]) {
					t.Errorf("message of %d bytes: %x, want %x", j, got, want)
				}
			}
		})
	}
	wait.Wait()
}
