package sdjwt

import (
	"crypto"
	"crypto/ecdsa"
	"errors"
	"maps"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/go-json-experiment/json"

	"yizheng.internal/signing/jose"
	"yizheng.internal/signing/keystore"
	"yizheng.internal/signing/sm2"
)

// payloadOf returns the payload of a token's JWS, unverified.
func payloadOf(t testing.TB, token *Token) []byte {
	t.Helper()
	payload, err := encoding.DecodeString(strings.Split(token.JWS, ".")[1])
	if err != nil {
		t.Fatal(err)
	}
	return payload
}

// wantAnyReason checks that err is an *Error with a reason.
func wantAnyReason(t testing.TB, err error) {
	t.Helper()
	if e, ok := errors.AsType[*Error](err); !ok || e.Reason == "" {
		t.Errorf("error is %v, want one with a reason", err)
	}
}

// newKey returns a key pair, made in a keystore of its own.
func newKey(t testing.TB, alg jose.Algorithm) (crypto.MessageSigner, jose.Key) {
	t.Helper()
	store, err := keystore.Create(filepath.Join(t.TempDir(), "keys"), keystore.GeneratePassphrase())
	if err != nil {
		t.Fatal(err)
	}
	if _, err := store.GenerateSigner("key", alg); err != nil {
		t.Fatal(err)
	}
	signer, err := store.Signer("key")
	if err != nil {
		t.Fatal(err)
	}
	jwk, err := jose.NewKey(signer.Public())
	if err != nil {
		t.Fatal(err)
	}
	return signer, jwk
}

// newToken returns a signed token for the holder's key, taken apart, and its
// claims.
func newToken(t testing.TB, issuer crypto.MessageSigner, holder jose.Key, hash Hash) (*Token, map[string]any) {
	t.Helper()
	payload, disclosures, err := Pack(map[string]any{
		"a": Selective{1}, "b": Selective{2}, "cnf": map[string]any{"jwk": holder},
	}, PackOptions{Hash: hash})
	if err != nil {
		t.Fatal(err)
	}
	jws, err := jose.Sign(issuer, jose.Header{Typ: jose.TypCredential}, payload)
	if err != nil {
		t.Fatal(err)
	}
	token, err := Parse(Combine(jws, disclosures), Limits{})
	if err != nil {
		t.Fatal(err)
	}
	_, raw, err := jose.Verify(t.Context(), token.JWS, jose.Expectation{
		Typ:      jose.TypCredential,
		Key:      func(jose.Header, []byte) (crypto.PublicKey, error) { return issuer.Public(), nil },
		Verifier: jose.NewVerifier(sm2.Config{}),
	})
	if err != nil {
		t.Fatal(err)
	}
	r, err := token.Resolve(raw)
	if err != nil {
		t.Fatal(err)
	}
	return token, r.Claims
}

func TestBinding(t *testing.T) {
	now := time.Unix(1700000000, 0)
	expect := Binding{Audience: "https://window.example", Nonce: "secret nonce", Now: now}
	verifier := jose.NewVerifier(sm2.Config{})
	for _, alg := range []jose.Algorithm{jose.SM2, jose.ES256} {
		for _, hash := range []Hash{SM3, SHA256} {
			t.Run(string(alg)+" "+string(hash), func(t *testing.T) {
				issuer, _ := newKey(t, alg)
				holder, jwk := newKey(t, alg)
				token, claims := newToken(t, issuer, jwk, hash)
				bound, err := token.Bind(holder, alg, expect.Audience, expect.Nonce, now)
				if err != nil {
					t.Fatal(err)
				}
				if token.KeyBinding != "" {
					t.Error("Bind changed the token it was called on")
				}
				if bound, err = Parse(bound.String(), Limits{}); err != nil {
					t.Fatal(err)
				}
				if err := bound.CheckBinding(t.Context(), claims, expect, verifier); err != nil {
					t.Error(err)
				}
				less := *bound
				less.Disclosures = less.Disclosures[:1]
				wantReason(t, less.CheckBinding(t.Context(), claims, expect, verifier), "binding_hash")
				swapped := *bound
				swapped.Disclosures = []string{bound.Disclosures[1], bound.Disclosures[0]}
				wantReason(t, swapped.CheckBinding(t.Context(), claims, expect, verifier), "binding_hash")
			})
		}
	}
}

func TestCheckBindingRefuses(t *testing.T) {
	const audience, nonce = "https://window.example", "secret nonce"
	now := time.Unix(1700000000, 0)
	issuer, _ := newKey(t, jose.SM2)
	holder, jwk := newKey(t, jose.SM2)
	other, otherJWK := newKey(t, jose.SM2)
	token, claims := newToken(t, issuer, jwk, SM3)
	good := map[string]any{"iat": now.Unix(), "aud": audience, "nonce": nonce, "sd_hash": token.sdHash(SM3)}
	with := func(name string, v any) map[string]any {
		c := maps.Clone(good)
		c[name] = v
		if v == nil {
			delete(c, name)
		}
		return c
	}
	cnf := func(v any) map[string]any { return map[string]any{"cnf": v} }
	tests := []struct {
		name   string
		signer crypto.MessageSigner
		typ    string
		kb     map[string]any // its claims
		claims map[string]any // the credential's
		expect Binding
		reason string
	}{
		{"good", nil, "", good, nil, Binding{}, ""},
		{"fraction of a second", nil, "", with("iat", 1700000000.25), nil, Binding{}, ""},
		{"further claims", nil, "", with("transaction", []any{1}), nil, Binding{}, ""},
		{"as old as allowed", nil, "", with("iat", now.Unix()-300), nil, Binding{}, ""},
		{"clock ahead", nil, "", with("iat", now.Unix()+60), nil, Binding{}, ""},
		{"older, but allowed", nil, "", with("iat", now.Unix()-3000), nil, Binding{MaxAge: time.Hour}, ""},
		{"valid for a time", nil, "", with("exp", now.Unix()+1), nil, Binding{}, ""},

		{"another's key", other, "", good, nil, Binding{}, "binding_signature"},
		{"issuer's key", issuer, "", good, nil, Binding{}, "binding_signature"},
		{"credential as binding", nil, jose.TypCredential, good, nil, Binding{}, "binding_signature"},
		{"another holder's credential", nil, "", good, cnf(map[string]any{"jwk": asMap(t, otherJWK)}), Binding{}, "binding_signature"},
		{"no cnf", nil, "", good, map[string]any{}, Binding{}, "binding_key"},
		{"cnf without jwk", nil, "", good, cnf(map[string]any{"kid": "secret"}), Binding{}, "binding_key"},
		{"cnf is a string", nil, "", good, cnf("secret"), Binding{}, "binding_key"},
		{"jwk is a list", nil, "", good, cnf(map[string]any{"jwk": []any{}}), Binding{}, "binding_key"},
		{"jwk is empty", nil, "", good, cnf(map[string]any{"jwk": map[string]any{}}), Binding{}, "binding_key"},
		{"jwk of numbers", nil, "", good, cnf(map[string]any{"jwk": map[string]any{"kty": Number("1"), "x": nil}}), Binding{}, "binding_key"},

		{"audience differs", nil, "", with("aud", audience+"/"), nil, Binding{}, "binding_audience"},
		{"audience missing", nil, "", with("aud", nil), nil, Binding{}, "binding_malformed"},
		{"audience is a list", nil, "", with("aud", []string{audience}), nil, Binding{}, "binding_malformed"},
		{"nonce differs", nil, "", with("nonce", "secret other"), nil, Binding{}, "binding_nonce"},
		{"nonce missing", nil, "", with("nonce", nil), nil, Binding{}, "binding_malformed"},
		{"nonce is a number", nil, "", with("nonce", 1), nil, Binding{}, "binding_malformed"},
		{"no nonce expected", nil, "", with("nonce", ""), nil, Binding{Nonce: "-"}, "binding_malformed"},
		{"iat missing", nil, "", with("iat", nil), nil, Binding{}, "binding_malformed"},
		{"iat is a string", nil, "", with("iat", "1700000000"), nil, Binding{}, "binding_malformed"},
		{"too old", nil, "", with("iat", now.Unix()-361), nil, Binding{}, "binding_expired"},
		{"from the future", nil, "", with("iat", now.Unix()+61), nil, Binding{}, "binding_expired"},
		{"from the far future", nil, "", with("iat", 1e300), nil, Binding{}, "binding_expired"},
		{"from the far past", nil, "", with("iat", -1e300), nil, Binding{}, "binding_expired"},
		{"expired", nil, "", with("exp", now.Unix()-60), nil, Binding{}, "binding_expired"},
		{"not yet", nil, "", with("nbf", now.Unix()+61), nil, Binding{}, "binding_expired"},
		{"no hash", nil, "", with("sd_hash", nil), nil, Binding{}, "binding_malformed"},
		{"hash of another algorithm", nil, "", with("sd_hash", token.sdHash(SHA256)), nil, Binding{}, "binding_hash"},
	}
	verifier := jose.NewVerifier(sm2.Config{})
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			if tt.signer == nil {
				tt.signer = holder
			}
			if tt.typ == "" {
				tt.typ = jose.TypKeyBinding
			}
			if tt.claims == nil {
				tt.claims = claims
			}
			switch tt.expect.Nonce {
			case "":
				tt.expect.Nonce = nonce
			case "-":
				tt.expect.Nonce = ""
			}
			tt.expect.Audience, tt.expect.Now = audience, now
			jws, err := jose.Sign(tt.signer, jose.Header{Typ: tt.typ}, tt.kb)
			if err != nil {
				t.Fatal(err)
			}
			bound := *token
			bound.KeyBinding = jws
			err = bound.CheckBinding(t.Context(), tt.claims, tt.expect, verifier)
			if tt.reason == "" && err != nil {
				t.Error(err)
			}
			if tt.reason != "" {
				wantReason(t, err, tt.reason)
			}
		})
	}
	wantReason(t, token.CheckBinding(t.Context(), claims, Binding{Audience: audience, Nonce: nonce, Now: now}, verifier), "binding_missing")
	_, err := token.Bind(holder, jose.SM2, "", nonce, now)
	wantReason(t, err, "binding_malformed")
	_, err = token.Bind(holder, jose.SM2, audience, "", now)
	wantReason(t, err, "binding_malformed")
	if _, err := token.Bind(holder, jose.ES256, audience, nonce, now); err == nil {
		t.Error("an SM2 key signs with ES256")
	}
}

// TestCheckBindingUndecided checks that a signature nobody could decide on is
// neither right nor wrong.
func TestCheckBindingUndecided(t *testing.T) {
	issuer, _ := newKey(t, jose.SM2)
	holder, jwk := newKey(t, jose.SM2)
	token, claims := newToken(t, issuer, jwk, SM3)
	bound, err := token.Bind(holder, jose.SM2, "aud", "nonce", time.Now())
	if err != nil {
		t.Fatal(err)
	}
	verifier := jose.NewVerifier(sm2.Config{
		First:  func(*ecdsa.PublicKey, []byte, []byte) bool { return false },
		Second: func(*ecdsa.PublicKey, []byte, []byte) bool { panic("no opinion") },
	})
	err = bound.CheckBinding(t.Context(), claims, Binding{Audience: "aud", Nonce: "nonce"}, verifier)
	if _, ok := errors.AsType[*Error](err); ok || !errors.Is(err, sm2.ErrUndecided) {
		t.Errorf("error is %v, want %v alone", err, sm2.ErrUndecided)
	}
}

// TestHash reads the algorithm from payloads of every kind.
func TestHash(t *testing.T) {
	for payload, want := range map[string]Hash{
		`{}`:                                SHA256,
		`{"_sd_alg":"sm3"}`:                 SM3,
		`{"a":{"_sd_alg":"sm3"}}`:           SHA256,
		`{"a":[1,{"b":2}],"_sd_alg":"sm3"}`: SM3,
		`{"\u005fsd_alg":"sm3"}`:            SM3,
	} {
		got, err := (&Token{JWS: "a." + coded(payload) + ".c"}).hash()
		if err != nil || got != want {
			t.Errorf("%s: %s, %v, want %s", payload, got, err, want)
		}
	}
	for payload, reason := range map[string]string{
		``:                        "sdjwt_malformed",
		`[]`:                      "sdjwt_malformed",
		`{"a"`:                    "sdjwt_malformed",
		`{"a":1,"a":2}`:           "sdjwt_malformed",
		`{"_sd_alg":1}`:           "sdjwt_malformed",
		`{"_sd_alg":{"a":1,"a":1`: "sdjwt_malformed",
		`{"_sd_alg":"md5"}`:       "hash_unknown",
	} {
		_, err := (&Token{JWS: "a." + coded(payload) + ".c"}).hash()
		wantReason(t, err, reason)
	}
	for _, jws := range []string{"", "a", "a.", "a.b.c", "a.===.c"} {
		_, err := (&Token{JWS: jws}).hash()
		wantReason(t, err, "sdjwt_malformed")
	}
}

// asMap returns v as Resolve would.
func asMap(t *testing.T, v any) map[string]any {
	t.Helper()
	data, err := json.Marshal(v)
	if err != nil {
		t.Fatal(err)
	}
	r, err := new(Token).Resolve(data)
	if err != nil {
		t.Fatal(err)
	}
	return r.Claims
}
