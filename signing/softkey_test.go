package signing

import (
	"bytes"
	"crypto"
	"crypto/ecdsa"
	"crypto/hmac"
	"crypto/rsa"
	"encoding/hex"
	"errors"
	"strings"
	"sync"
	"testing"

	gmsm "github.com/emmansun/gmsm/sm2"
	"github.com/emmansun/gmsm/sm3"
	"github.com/emmansun/gmsm/sm4"

	"yizheng.internal/signing/jose"
	"yizheng.internal/signing/sm2"
)

func TestSigners(t *testing.T) {
	k, _ := newKeystore(t)
	message := []byte("message digest")
	for id, a := range map[KeyID]jose.Algorithm{"sm2": jose.SM2, "es256": jose.ES256, "rs256": jose.RS256} {
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

// TestSM4GCM is the vector of RFC 8998 appendix A.1.
func TestSM4GCM(t *testing.T) {
	unhex := func(s string) []byte {
		b, err := hex.DecodeString(strings.ReplaceAll(s, " ", ""))
		if err != nil {
			t.Fatal(err)
		}
		return b
	}
	aead, err := newSM4GCM(unhex("0123456789ABCDEFFEDCBA9876543210"))
	if err != nil {
		t.Fatal(err)
	}
	got := aead.Seal(nil, unhex("00001234567800000000ABCD"),
		unhex("AAAAAAAAAAAAAAAABBBBBBBBBBBBBBBBCCCCCCCCCCCCCCCCDDDDDDDDDDDDDDDDEEEEEEEEEEEEEEEEFFFFFFFFFFFFFFFFEEEEEEEEEEEEEEEEAAAAAAAAAAAAAAAA"),
		unhex("FEEDFACEDEADBEEFFEEDFACEDEADBEEFABADDAD2"))
	want := unhex("17F399F08C67D5EE19D0DC9969C4BB7D5FD46FD3756489069157B282BB200735D82710CA5C22F0CCFA7CBF93D496AC15A56834CBCF98C397B4024A2691233B8D" +
		"83DE3541E4C2B58177E065A9BF7B62EC")
	if !bytes.Equal(got, want) {
		t.Errorf("sealed %x, want %x", got, want)
	}
	if aead.NonceSize() != gcmNonce || aead.Overhead() != gcmTag || sm4.BlockSize != 16 {
		t.Error("sizes differ from what the format says")
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
