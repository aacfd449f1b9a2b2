package jose

import (
	"bytes"
	"crypto"
	"crypto/hmac"
	"crypto/rand"
	"crypto/rsa"
	"crypto/sha256"
	"crypto/x509"
	"encoding/base64"
	"encoding/pem"
	"errors"
	"math/big"
	"strings"
	"testing"

	"yizheng.internal/signing/signingtest"
	"yizheng.internal/signing/sm2"
)

// TestRFC7515RSA is the RS256 example of RFC 7515 appendix A.2.
func TestRFC7515RSA(t *testing.T) {
	pub, err := Key{
		KeyType: "RSA", E: "AQAB",
		N: "ofgWCuLjybRlzo0tZWJjNiuSfb4p4fAkd_wWJcyQoTbji9k0l8W26mPddxHmfHQp-Vaw-4qPCJrcS2mJPMEzP1Pt0Bm4d4QlL-yRT-SFd2lZS-pCgNMsD1W_YpRPEwOWvG6b32690r2jZ47soMZo9wGzjb_7" +
			"OMg0LOL-bSf63kpaSHSXndS5z5rexMdbBYUsLA9e-KXBdQOS-UTo7WTBEMa2R2CapHg665xsmtdVMTBQY4uDZlxvb3qCo5ZwKh9kG4LT6_I5IhlJH7aGhyxXFvUK-DWNmoudF8NAco9_h9iaGNj8q2ethFkMLs91" +
			"kzk2PAcDTW9gb54h4FRWyuXpoQ",
	}.PublicKey()
	if err != nil {
		t.Fatal(err)
	}
	const signed = "eyJhbGciOiJSUzI1NiJ9.eyJpc3MiOiJqb2UiLA0KICJleHAiOjEzMDA4MTkzODAsDQogImh0dHA6Ly9leGFtcGxlLmNvbS9pc19yb290Ijp0cnVlfQ"
	sig, err := base64.RawURLEncoding.DecodeString("cC4hiUPoj9Eetdgtv3hF80EGrhuB__dzERat0XF9g2VtQgr9PJbu3XOiZj5RZmh7AAuHIm4Bh-0Qc_lF5YKt_O8W2Fp5jujGbds9uJdbF9CUAr7t1dnZcAcQjbKB" +
		"YNX4BAynRFdiuB--f_nZLgrnbyTyWzO75vRK5h6xBArLIARNPvkSjtQBMHlb1L07Qe7K0GarZRmB_eSN9383LcOLn6_dO--xi12jzDwusC-eOkHWEsqtFZESc6BfI7noOPqvhJ1phCnvWh6IeYI2w9QOYEUipUTI" +
		"8np6LbgGY9Fs98rqVt5AXLIhWkWywlVmtVrBp0igcN_IoypGlUPQGe77Rw")
	if err != nil {
		t.Fatal(err)
	}
	v := NewVerifier(sm2.Config{})
	if err := v.verifyRaw(t.Context(), pub, []byte(signed), sig); err != nil {
		t.Error(err)
	}
	if err := v.verifyRaw(t.Context(), pub, []byte(signed+"A"), sig); !errors.Is(err, sm2.ErrSignature) {
		t.Errorf("another text: %v", err)
	}
	// It has no typ, so as a token of ours it is refused.
	token := signed + "." + base64.RawURLEncoding.EncodeToString(sig)
	if bad, ok := errors.AsType[*TokenError](verifyError(Verify(t.Context(), token, expect(pub)))); !ok || bad.Reason != "token_typ" {
		t.Errorf("as a token: %v", bad)
	}
}

// TestRS256 tries what is not the one signature of PKCS #1 v1.5.
func TestRS256(t *testing.T) {
	v, key, message := NewVerifier(sm2.Config{}), signingtest.RSA(), []byte("yizheng")
	good := signingtest.MustSign(t, key, message)
	if err := v.Verify(t.Context(), key.Public(), message, good); err != nil {
		t.Error(err)
	}
	if err := v.verifyRaw(t.Context(), key.Public(), message, good); err != nil {
		t.Error(err)
	}
	digest := sha256.Sum256(message)
	pss, err := rsa.SignPSS(rand.Reader, key.PrivateKey, crypto.SHA256, digest[:], nil)
	if err != nil {
		t.Fatal(err)
	}
	bare, err := rsa.SignPKCS1v15(nil, key.PrivateKey, 0, digest[:]) // without DigestInfo
	if err != nil {
		t.Fatal(err)
	}
	more := new(big.Int).SetBytes(good)
	for name, bad := range map[string][]byte{
		"none":      nil,
		"truncated": good[:len(good)-1],
		"longer":    append(bytes.Clone(good), 0),
		"zeros":     make([]byte, len(good)),
		"one":       append(make([]byte, len(good)-1), 1),
		"plus n":    more.Add(more, key.PrivateKey.N).Bytes(), // the same modulo n
		"PSS":       pss,
		"bare":      bare,
		"of ECDSA":  signingtest.MustSign(t, signingtest.NewES256(t), message),
		"another's": signingtest.MustSign(t, signingtest.NewRSA(t, 2048), message),
	} {
		if err := v.Verify(t.Context(), key.Public(), message, bad); !errors.Is(err, sm2.ErrSignature) {
			t.Errorf("%s: %v", name, err)
		}
		if err := v.verifyRaw(t.Context(), key.Public(), message, bad); !errors.Is(err, sm2.ErrSignature) {
			t.Errorf("raw, %s: %v", name, err)
		}
	}
	if asked, _, _ := v.SecondOpinions(); asked != 0 {
		t.Error("RSA needs no second opinion")
	}
}

// TestRSAKeys: keys that are too small, too large, or not RSA keys at all have
// no algorithm, no JWK, no valid signatures.
func TestRSAKeys(t *testing.T) {
	message := []byte("yizheng")
	small := signingtest.NewRSA(t, 1024)
	genuine := signingtest.MustSign(t, small, message)
	if digest := sha256.Sum256(message); rsa.VerifyPKCS1v15(&small.PublicKey, crypto.SHA256, digest[:], genuine) != nil {
		t.Fatal("the signature under the small key isn't even a good one")
	}
	n := signingtest.RSA().N
	large := new(big.Int).Lsh(big.NewInt(1), maxRSABits)
	for name, key := range map[string]*rsa.PublicKey{
		"1024 bits": &small.PublicKey,
		"2047 bits": {N: new(big.Int).Rsh(n, 1), E: 65537},
		"4097 bits": {N: large.Add(large, big.NewInt(1)), E: 65537},
		"even n":    {N: new(big.Int).Add(n, big.NewInt(1)), E: 65537},
		"minus n":   {N: new(big.Int).Neg(n), E: 65537},
		"no n":      {E: 65537},
		"e of 3":    {N: n, E: 3},
		"e of 1":    {N: n, E: 1},
		"no e":      {N: n},
		"even e":    {N: n, E: 65538},
		"large e":   {N: n, E: 1<<31 + 1},
		"minus e":   {N: n, E: -65537},
		"nil":       nil,
	} {
		if a, err := AlgorithmOf(key); a != "" || !errors.Is(err, ErrKey) {
			t.Errorf("%s: algorithm %q, %v", name, a, err)
		}
		if j, err := NewKey(key); err == nil {
			t.Errorf("%s: has the JWK %+v", name, j)
		}
		if err := NewVerifier(sm2.Config{}).Verify(t.Context(), key, message, genuine); !errors.Is(err, sm2.ErrSignature) {
			t.Errorf("%s: verified: %v", name, err)
		}
	}
	for _, e := range []int{65537, 65539, 1<<31 - 1} {
		if a, err := AlgorithmOf(&rsa.PublicKey{N: n, E: e}); a != RS256 || err != nil {
			t.Errorf("e of %d: %q, %v", e, a, err)
		}
	}
}

func TestRSAJWKRefuses(t *testing.T) {
	good, err := NewKey(signingtest.RSA().Public())
	if err != nil {
		t.Fatal(err)
	}
	bits := func(n int) string {
		b := bytes.Repeat([]byte{0xff}, n/8)
		return base64.RawURLEncoding.EncodeToString(b)
	}
	for name, change := range map[string]func(*Key){
		"no n":      func(j *Key) { j.N = "" },
		"no e":      func(j *Key) { j.E = "" },
		"1024 bits": func(j *Key) { j.N = bits(1024) },
		"4104 bits": func(j *Key) { j.N = bits(4104) },
		"zero before n": func(j *Key) {
			j.N = base64.RawURLEncoding.EncodeToString(append([]byte{0}, signingtest.RSA().N.Bytes()...))
		},
		"zero before e":  func(j *Key) { j.E = "AAEAAQ" },
		"e of 3":         func(j *Key) { j.E = "Aw" },
		"e of 32 bits":   func(j *Key) { j.E = bits(32) },
		"e of 64 bits":   func(j *Key) { j.E = bits(64) },
		"n padded":       func(j *Key) { j.N += "=" },
		"n with a break": func(j *Key) { j.N = j.N[:40] + "\n" + j.N[40:] },
		"n even":         func(j *Key) { j.N = bits(2048)[:341] + "8" },
		"alg of EC":      func(j *Key) { j.Algorithm = "ES256" },
		"alg PS256":      func(j *Key) { j.Algorithm = "PS256" },
		"members of EC":  func(j *Key) { j.Curve = CurveP256 },
		"kty EC":         func(j *Key) { j.KeyType = "EC" },
		"kty rsa":        func(j *Key) { j.KeyType = "rsa" },
	} {
		j := good
		change(&j)
		if pub, err := j.PublicKey(); err == nil {
			t.Errorf("%s: accepted as %v", name, pub)
		}
	}
}

// TestAlgorithmConfusion signs for one key by what its owner published, as
// RFC 8725 section 2.1 has it: the key alone decides.
func TestAlgorithmConfusion(t *testing.T) {
	key, ec := signingtest.RSA(), signingtest.NewES256(t)
	pkix, err := x509.MarshalPKIXPublicKey(key.Public())
	if err != nil {
		t.Fatal(err)
	}
	text := func(header string) string {
		return base64.RawURLEncoding.EncodeToString([]byte(header)) + "." + base64.RawURLEncoding.EncodeToString([]byte(`{"sub":"x"}`))
	}
	hs256 := func(header string, secret []byte) string {
		mac := hmac.New(sha256.New, secret)
		mac.Write([]byte(text(header)))
		return text(header) + "." + base64.RawURLEncoding.EncodeToString(mac.Sum(nil))
	}
	good := compact(t, key, `{"typ":"at+jwt","alg":"RS256"}`, `{"sub":"x"}`)
	parts := strings.Split(good, ".")
	for name, tt := range map[string]struct {
		token  string
		pub    crypto.PublicKey
		reason string
	}{
		"HS256 with the PEM":      {hs256(`{"typ":"at+jwt","alg":"HS256"}`, pem.EncodeToMemory(&pem.Block{Type: "PUBLIC KEY", Bytes: pkix})), key.Public(), "token_algorithm"},
		"HS256 with the DER":      {hs256(`{"typ":"at+jwt","alg":"HS256"}`, pkix), key.Public(), "token_algorithm"},
		"HS256 as RS256":          {hs256(`{"typ":"at+jwt","alg":"RS256"}`, pkix), key.Public(), "token_signature"},
		"none":                    {text(`{"typ":"at+jwt","alg":"none"}`) + ".", key.Public(), "token_algorithm"},
		"RS256 without signature": {text(`{"typ":"at+jwt","alg":"RS256"}`) + ".", key.Public(), "token_signature"},
		"ES256 for an RSA key":    {compact(t, ec, `{"typ":"at+jwt","alg":"ES256"}`, `{}`), key.Public(), "token_algorithm"},
		"RS256 for an EC key":     {good, ec.Public(), "token_algorithm"},
		"RS256 for an SM2 key":    {good, signingtest.NewSM2(t).Public(), "token_algorithm"},
		"ES256 named, RSA made":   {compact(t, key, `{"typ":"at+jwt","alg":"ES256"}`, `{}`), key.Public(), "token_algorithm"},
		"RS256 named, EC made":    {compact(t, ec, `{"typ":"at+jwt","alg":"RS256"}`, `{}`), ec.Public(), "token_algorithm"},
		"PS256":                   {compact(t, key, `{"typ":"at+jwt","alg":"PS256"}`, `{}`), key.Public(), "token_algorithm"},
		"RS512":                   {compact(t, key, `{"typ":"at+jwt","alg":"RS512"}`, `{}`), key.Public(), "token_algorithm"},
		"unknown crit":            {compact(t, key, `{"typ":"at+jwt","crit":["exp"],"exp":1,"alg":"RS256"}`, `{}`), key.Public(), "token_critical"},
		"truncated":               {parts[0] + "." + parts[1] + "." + parts[2][:len(parts[2])-2], key.Public(), "token_signature"},
		"1024 bits":               {compact(t, signingtest.NewRSA(t, 1024), `{"typ":"at+jwt","alg":"RS256"}`, `{}`), &signingtest.NewRSA(t, 1024).PublicKey, "token_key"},
	} {
		t.Run(name, func(t *testing.T) {
			refused(t, tt.token, expect(tt.pub), tt.reason)
		})
	}
	if _, _, err := Verify(t.Context(), good, expect(key.Public())); err != nil {
		t.Errorf("the good one: %v", err)
	}
}

// anyRSA is a key of a module that isn't this package's.
type anyRSA struct{ crypto.MessageSigner }

// checked is a key that says its algorithm, as those of a keystore do.
type checked struct {
	crypto.MessageSigner
	algorithm Algorithm
}

func (c checked) Algorithm() Algorithm { return c.algorithm }
