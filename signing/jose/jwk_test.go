package jose

import (
	"crypto"
	"crypto/sha256"
	"encoding/base64"
	"strings"
	"testing"

	"github.com/emmansun/gmsm/sm2"
	"github.com/emmansun/gmsm/sm3"
	"github.com/go-json-experiment/json"

	"yizheng.internal/signing/signingtest"
)

func TestJWK(t *testing.T) {
	for name, pub := range map[string]crypto.PublicKey{"SM2": signingtest.NewSM2(t).Public(), "ES256": signingtest.NewES256(t).Public(), "RS256": signingtest.RSA().Public()} {
		j, err := NewKey(pub)
		if err != nil {
			t.Fatal(err)
		}
		data, err := json.Marshal(j)
		if err != nil {
			t.Fatal(err)
		}
		var parsed Key
		if err := json.Unmarshal(data, &parsed); err != nil {
			t.Fatal(err)
		}
		again, err := parsed.PublicKey()
		if err != nil || !pub.(interface{ Equal(crypto.PublicKey) bool }).Equal(again) {
			t.Errorf("%s: %s came back as %v: %v", name, data, again, err)
		}
		if strings.Contains(string(data), `"kid"`) || strings.Contains(string(data), `"alg"`) { // in quotes: a key's digits may spell anything
			t.Errorf("%s: %s", name, data)
		}
	}
	if _, err := NewKey("no key"); err == nil {
		t.Error("a JWK of no key")
	}
}

// TestNewHolderKey: what it returns is one key pair, and signs.
func TestNewHolderKey(t *testing.T) {
	j, secret, err := NewHolderKey()
	if err != nil {
		t.Fatal(err)
	}
	key, err := sm2.NewPrivateKey(secret)
	if err != nil {
		t.Fatal(err)
	}
	if same, err := NewKey(&key.PublicKey); err != nil || same.X != j.X || same.Y != j.Y || j.Curve != CurveSM2 || j.KeyType != "EC" {
		t.Errorf("%+v is not the key of %+v: %v", j, same, err)
	}
	if other, _, err := NewHolderKey(); err != nil || other.X == j.X {
		t.Errorf("another one: %+v, %v", other, err)
	}
}

// rfc7638N is the modulus of the example in RFC 7638 section 3.1.
const rfc7638N = "0vx7agoebGcQSuuPiLJXZptN9nndrQmbXEps2aiAFbWhM78LhWx4cbbfAAtVT86zwu1RK7aPFFxuhDR1L6tSoc_BJECPebWKRXjBZCiFV4n3oknjhMstn64tZ_2W-5JsGY4H" +
	"c5n9yBXArwl93lqt7_RN5w6Cf0h4QyQ5v-65YGjQR0_FDW2QvzqY368QQMicAtaSqzs8KJZgnYb9c7d0zgdAZHzu6qMQvRL5hajrn1n91CbOpbISD08qNLyrdkt-bFTWhAI4vMQFh6WeZu0f" +
	"M4lFd2NcRwr3XPksINHaQ-G_xBniIqbw0Ls1jF44-csFCur-kEgU8awapJzKnqDKgw"

// TestThumbprint: the EC key and its jkt are the example of RFC 9449 sections
// 4.1 and 6.1, the RSA key is that of RFC 7638 section 3.1. For SM2 there is no published one; the text that is hashed is
// spelled out instead.
func TestThumbprint(t *testing.T) {
	j := Key{
		KeyType: "EC", Curve: "P-256", KeyID: "left out", Algorithm: "ES256",
		X: "l8tFrhx-34tV3hRICRDY9zCkDlpBhF42UQUfWVAWBFs",
		Y: "9VE4jf_Ok_o64zbTTlcuNJajHmt6v9TDVrU0CdvGRDA",
	}
	if got, err := j.Thumbprint(); err != nil || got != "0ZcOCORZNYy-DWpqq30jZyJGHTN0d2HglBV3uiguA4I" {
		t.Errorf("%s, %v", got, err)
	}
	rsa := Key{KeyType: "RSA", E: "AQAB", Algorithm: "RS256", KeyID: "2011-04-29", N: rfc7638N}
	if got, err := rsa.Thumbprint(); err != nil || got != "NzbLsXh8uDCcd-6MNwXF4W_7noWXFZAfHkxZsRGC9Xs" {
		t.Errorf("%s, %v", got, err)
	}
	j, err := NewKey(signingtest.VectorKey(t))
	if err != nil {
		t.Fatal(err)
	}
	text := `{"crv":"urn:oid:1.2.156.10197.1.301","kty":"EC","x":"CfnfMR5UIaFQ3X0WHkvFxnIXn60YM_wHa7CP81bzUCA","y":"zOpJDOJndaUtxupxjMGqYArtBfvzXghKZjL2By2prRM"}`
	want := sm3.Sum([]byte(text))
	if got, err := j.Thumbprint(); err != nil || got != base64.RawURLEncoding.EncodeToString(want[:]) {
		t.Errorf("%s, %v", got, err)
	}
	if sha := sha256.Sum256([]byte(text)); sha == want {
		t.Error("SM3 is SHA-256")
	}
}

func TestJWKRefuses(t *testing.T) {
	good, err := NewKey(signingtest.VectorKey(t))
	if err != nil {
		t.Fatal(err)
	}
	zero := strings.Repeat("A", 43)
	for name, change := range map[string]func(*Key){
		"kty":             func(j *Key) { j.KeyType = "RSA" },
		"kty oct":         func(j *Key) { j.KeyType = "oct" },
		"members of RSA":  func(j *Key) { j.N, j.E = rfc7638N, "AQAB" },
		"no crv":          func(j *Key) { j.Curve = "" },
		"crv P-384":       func(j *Key) { j.Curve = "P-384" },
		"other curve":     func(j *Key) { j.Curve = CurveP256 },
		"alg differs":     func(j *Key) { j.Algorithm = "ES256" },
		"x and y swapped": func(j *Key) { j.X, j.Y = j.Y, j.X },
		"infinity":        func(j *Key) { j.X, j.Y = zero, zero },
		"x missing":       func(j *Key) { j.X = "" },
		"x padded":        func(j *Key) { j.X += "=" },
		"x with a break":  func(j *Key) { j.X = j.X[:42] + "\n" + j.X[42:] },
		"x long":          func(j *Key) { j.X += "AA" },
		"x loose":         func(j *Key) { j.X = j.X[:42] + "B" },
		"y short":         func(j *Key) { j.Y = j.Y[:42] },
	} {
		j := good
		change(&j)
		if pub, err := j.PublicKey(); err == nil {
			t.Errorf("%s: accepted as %v", name, pub)
		}
		if _, err := j.Thumbprint(); err == nil {
			t.Errorf("%s: has a thumbprint", name)
		}
	}
}

func FuzzJWK(f *testing.F) {
	f.Add([]byte(`{"kty":"EC","crv":"P-256","x":"f83OJ3D2xF1Bg8vub9tLe1gHMzV76e8Tus9uPHvRVEU","y":"x_FEzRu9m36HLN_tue659LNpXW6pCyStikYjKIWI5a0"}`))
	f.Add([]byte(`{"kty":"EC","crv":"urn:oid:1.2.156.10197.1.301","x":"CfnfMR5UIaFQ3X0WHkvFxnIXn60YM_wHa7CP81bzUCA","y":"zOpJDOJndaUtxupxjMGqYArtBfvzXghKZjL2By2prRM","x5c":["MAA="]}`))
	f.Add([]byte(`{"kty":"EC","crv":"P-256","x":"AA","y":"AA","d":"AA"}`))
	f.Add([]byte(`{"kty":"RSA","e":"AQAB","n":"` + rfc7638N + `"}`))
	f.Add([]byte(`{"kty":"RSA","e":"Aw","n":"AAAA"}`))
	f.Fuzz(func(t *testing.T, data []byte) {
		var j Key
		if json.Unmarshal(data, &j) != nil {
			return
		}
		pub, err := j.PublicKey()
		if err != nil {
			return
		}
		again, err := NewKey(pub)
		if err != nil || again.X != j.X || again.Y != j.Y || again.Curve != j.Curve || again.N != j.N || again.E != j.E {
			t.Errorf("%s became %+v: %v", data, again, err)
		}
		if _, err := j.Thumbprint(); err != nil {
			t.Error(err)
		}
	})
}
