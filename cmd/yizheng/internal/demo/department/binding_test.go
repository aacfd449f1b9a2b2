package department

import (
	"crypto/rand"
	"encoding/asn1"
	"encoding/base64"
	"encoding/json"
	"math/big"
	"strings"
	"testing"
	"time"

	"github.com/emmansun/gmsm/sm2"
	"github.com/emmansun/gmsm/sm3"
)

const (
	testAudience = "client"
	testNonce    = "nonce-of-ours"
)

// release is a credential as it is released, with its parts for altering.
type release struct {
	t       testing.TB
	key     *sm2.PrivateKey
	claims  map[string]any // of the credential
	header  map[string]any // of the key binding
	binding map[string]any
}

func newRelease(t testing.TB) *release {
	t.Helper()
	key, err := sm2.GenerateKey(rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	x, y := make([]byte, 32), make([]byte, 32)
	key.X.FillBytes(x)
	key.Y.FillBytes(y)
	return &release{
		t: t, key: key,
		claims: map[string]any{"_sd_alg": "sm3", "cnf": map[string]any{"jwk": map[string]any{
			"kty": "EC", "crv": curveSM2, "x": encode(x), "y": encode(y),
		}}},
		header:  map[string]any{"typ": "kb+jwt", "alg": algorithmSM2},
		binding: map[string]any{"aud": testAudience, "nonce": testNonce, "iat": time.Now().Unix()},
	}
}

func encode(b []byte) string { return base64.RawURLEncoding.EncodeToString(b) }

func (r *release) part(v any) string {
	text, err := json.Marshal(v)
	if err != nil {
		r.t.Fatal(err)
	}
	return encode(text)
}

// released returns the credential without its key binding.
func (r *release) released() string {
	return r.part(map[string]any{"typ": "dc+sd-jwt"}) + "." + r.part(r.claims) + "." + encode(make([]byte, 64)) + "~" + encode([]byte(`["salt","number","1"]`)) + "~"
}

// bind returns the credential with a key binding over what is given.
func (r *release) bind(released, over string) string {
	digest := sm3.Sum([]byte(over))
	r.binding["sd_hash"] = encode(digest[:])
	signed := r.part(r.header) + "." + r.part(r.binding)
	der, err := r.key.SignWithSM2(rand.Reader, nil, []byte(signed))
	if err != nil {
		r.t.Fatal(err)
	}
	var s struct{ R, S *big.Int }
	if _, err := asn1.Unmarshal(der, &s); err != nil {
		r.t.Fatal(err)
	}
	raw := make([]byte, 64)
	s.R.FillBytes(raw[:32])
	s.S.FillBytes(raw[32:])
	return released + signed + "." + encode(raw)
}

func TestCheckBinding(t *testing.T) {
	for _, test := range []struct {
		name   string
		alter  func(*release)
		after  func(string) string
		wanted string // part of the error; empty: none
	}{
		{"as released", func(*release) {}, nil, ""},
		{"released to another client", func(r *release) { r.binding["aud"] = "other" }, nil, "audience"},
		{"to several at once", func(r *release) { r.binding["aud"] = []string{testAudience, "other"} }, nil, "key binding"},
		{"for an earlier request", func(r *release) { r.binding["nonce"] = "another-nonce" }, nil, "nonce"},
		{"an hour ago", func(r *release) { r.binding["iat"] = time.Now().Add(-time.Hour).Unix() }, nil, "not of now"},
		{"in an hour", func(r *release) { r.binding["iat"] = time.Now().Add(time.Hour).Unix() }, nil, "not of now"},
		{"another kind of token", func(r *release) { r.header["typ"] = "JWT" }, nil, "another kind"},
		{"no signature wanted", func(r *release) { r.header["alg"] = "none" }, nil, "another kind"},
		{"critical extension", func(r *release) { r.header["crit"] = []string{"x"} }, nil, "another kind"},
		{"digests of another kind", func(r *release) { r.claims["_sd_alg"] = "sha-256" }, nil, "SM3"},
		{"no key", func(r *release) { delete(r.claims, "cnf") }, nil, "no SM2 key"},
		{"a point off the curve", func(r *release) {
			r.claims["cnf"].(map[string]any)["jwk"].(map[string]any)["y"] = encode(make([]byte, 32))
		}, nil, "curve"},
		{"another's key", func(r *release) {
			other := newRelease(r.t)
			r.claims["cnf"] = other.claims["cnf"]
		}, nil, "signature is wrong"},
		{"a disclosure taken away", func(*release) {}, func(c string) string {
			parts := strings.Split(c, "~")
			return parts[0] + "~" + parts[2]
		}, "another release"},
		{"no key binding", func(*release) {}, func(c string) string { return c[:strings.LastIndexByte(c, '~')+1] }, "no key binding"},
		{"nothing", func(*release) {}, func(string) string { return "" }, "no key binding"},
		{"a short signature", func(*release) {}, func(c string) string { return c[:len(c)-7] + "A" }, "key binding"},
		{"endless", func(*release) {}, func(c string) string { return strings.Repeat("a", maxCredential) + c }, "too long"},
	} {
		t.Run(test.name, func(t *testing.T) {
			r := newRelease(t)
			test.alter(r)
			released := r.released()
			credential := r.bind(released, released)
			if test.after != nil {
				credential = test.after(credential)
			}
			err := checkBinding(credential, testAudience, testNonce)
			switch {
			case test.wanted == "" && err != nil:
				t.Error(err)
			case test.wanted != "" && (err == nil || !strings.Contains(err.Error(), test.wanted)):
				t.Errorf("got %v, want an error with %q", err, test.wanted)
			}
		})
	}
}

// FuzzCheckBinding shows that what no one signed isn't believed, and that
// nothing that arrives makes it panic.
func FuzzCheckBinding(f *testing.F) {
	r := newRelease(f)
	released := r.released()
	f.Add(r.bind(released, released) + "A")
	f.Add(released)
	f.Add("~")
	f.Add("a.b.c~d.e.f")
	f.Fuzz(func(t *testing.T, credential string) {
		if checkBinding(credential, "an audience that nobody signed for", testNonce) == nil {
			t.Errorf("believed: %q", credential)
		}
	})
}
