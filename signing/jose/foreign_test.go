package jose_test

import (
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/rsa"
	"crypto/sha256"
	"encoding/base64"
	"errors"
	"fmt"
	"testing"
	"time"

	"yizheng.internal/signing/jose"
)

// foreignToken returns a token of somebody else's, of any header and payload.
func foreignToken(t testing.TB, key *ecdsa.PrivateKey, header, payload string) string {
	t.Helper()
	text := base64.RawURLEncoding.EncodeToString([]byte(header)) + "." + base64.RawURLEncoding.EncodeToString([]byte(payload))
	sum := sha256.Sum256([]byte(text))
	r, s, err := ecdsa.Sign(rand.Reader, key, sum[:])
	if err != nil {
		t.Fatal(err)
	}
	return text + "." + base64.RawURLEncoding.EncodeToString(append(r.FillBytes(make([]byte, 32)), s.FillBytes(make([]byte, 32))...))
}

// TestParseForeign: what others write passes, and what has two meanings, or is signed by nobody in question, doesn't.
func TestParseForeign(t *testing.T) {
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	jwk, err := jose.NewKey(key.Public())
	if err != nil {
		t.Fatal(err)
	}
	jwk.KeyID = "k"
	private, err := rsa.GenerateKey(rand.Reader, 2048)
	if err != nil {
		t.Fatal(err)
	}
	other, err := jose.NewKey(private.Public()) // of which no algorithm of these tokens is
	if err != nil {
		t.Fatal(err)
	}
	e := jose.Foreign{Algorithms: []jose.Algorithm{jose.ES256}, Keys: []jose.Key{other, jwk}, Issuer: "https://a.example", Audience: "us", Leeway: time.Minute}
	now := time.Now().Unix()
	claims := func(more string) string {
		return fmt.Sprintf(`{"iss":"https://a.example","aud":"us","sub":"x","iat":%d,"exp":%d%s}`, now, now+60, more)
	}
	const header = `{"alg":"ES256"}`
	for name, tt := range map[string]struct {
		header, payload string
		reason          jose.Reason // empty: it passes
	}{
		"no typ":                  {header, claims(""), ""},
		"typ, kid and others":     {`{"alg":"ES256","typ":"JWT","kid":"k","x5t":"x"}`, claims(`,"more":{"a":[1]}`), ""},
		"times with fractions":    {header, fmt.Sprintf(`{"iss":"https://a.example","aud":["us"],"sub":"x","iat":%d.5,"exp":%d.25}`, now, now+60), ""},
		"another typ":             {`{"alg":"ES256","typ":"at+jwt"}`, claims(""), jose.ReasonTyp},
		"another kid":             {`{"alg":"ES256","kid":"other"}`, claims(""), jose.ReasonKey},
		"crit":                    {`{"alg":"ES256","crit":["b64"],"b64":true}`, claims(""), jose.ReasonCritical},
		"none":                    {`{"alg":"none"}`, claims(""), jose.ReasonAlgorithm},
		"one that isn't accepted": {`{"alg":"PS256"}`, claims(""), jose.ReasonAlgorithm},
		"SM2":                     {`{"alg":"urn:oid:1.2.156.10197.1.501"}`, claims(""), jose.ReasonAlgorithm},
		"a header member twice":   {`{"alg":"none","alg":"ES256"}`, claims(""), jose.ReasonMalformed},
		"a claim twice":           {header, claims(`,"sub":"y"`), jose.ReasonMalformed},
		"a claim in capitals":     {header, fmt.Sprintf(`{"ISS":"https://a.example","aud":"us","iat":%d,"exp":%d}`, now, now+60), jose.ReasonIssuer},
		"another issuer":          {header, fmt.Sprintf(`{"iss":"https://b.example","aud":"us","iat":%d,"exp":%d}`, now, now+60), jose.ReasonIssuer},
		"another audience":        {header, fmt.Sprintf(`{"iss":"https://a.example","aud":"them","iat":%d,"exp":%d}`, now, now+60), jose.ReasonAudience},
		"no audience":             {header, fmt.Sprintf(`{"iss":"https://a.example","iat":%d,"exp":%d}`, now, now+60), jose.ReasonClaims},
		"expired":                 {header, fmt.Sprintf(`{"iss":"https://a.example","aud":"us","iat":%d,"exp":%d}`, now, now-61), jose.ReasonExpired},
		"expires in an age":       {header, fmt.Sprintf(`{"iss":"https://a.example","aud":"us","iat":%d,"exp":1e300}`, now), jose.ReasonExpired},
		"expires never":           {header, fmt.Sprintf(`{"iss":"https://a.example","aud":"us","iat":%d}`, now), jose.ReasonClaims},
		"no iat":                  {header, fmt.Sprintf(`{"iss":"https://a.example","aud":"us","exp":%d}`, now+60), jose.ReasonClaims},
		"from the future":         {header, fmt.Sprintf(`{"iss":"https://a.example","aud":"us","iat":%d,"exp":%d}`, now+62, now+90), jose.ReasonClaims},
		"a list":                  {header, `[]`, jose.ReasonMalformed},
		"null":                    {header, `null`, jose.ReasonMalformed},
	} {
		_, err := jose.ParseForeign(foreignToken(t, key, tt.header, tt.payload), e)
		bad, ok := errors.AsType[*jose.TokenError](err)
		if (err == nil) != (tt.reason == "") || err != nil && (!ok || bad.Reason != tt.reason) {
			t.Errorf("%s: %v, want %q", name, err, tt.reason)
		}
	}
	got, err := jose.ParseForeign(foreignToken(t, key, header, claims(`,"name":"样\u4f8b","n":12,"b":true,"o":{}`)), e)
	if err != nil || got.Text("name") != "样例" || got.Text("n") != "12" || got.Text("b") != "" || got.Text("o") != "" || got.Text("none") != "" || got.Subject != "x" {
		t.Errorf("%+v, %v", got, err)
	}
	long := foreignToken(t, key, header, claims(`,"x":"`+fmt.Sprintf("%040000d", 0)+`"`))
	if _, err := jose.ParseForeign(long, e); err == nil {
		t.Error("an endless token passes")
	}
	another, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	_, err = jose.ParseForeign(foreignToken(t, another, header, claims("")), e)
	if bad, ok := errors.AsType[*jose.TokenError](err); !ok || bad.Reason != jose.ReasonSignature {
		t.Errorf("another's signature: %v", err)
	}
}

// TestParseKeySet: keys of other kinds, and odd ones, don't spoil a set.
func TestParseKeySet(t *testing.T) {
	keys, err := jose.ParseKeySet([]byte(`{"keys":[{"kty":"oct","k":"x"},{"kty":"OKP","crv":"Ed25519","x":"y","key_ops":["verify"]},7,{"kty":"EC","x5c":["a"]}],"more":1}`), 10)
	if err != nil || len(keys) != 3 {
		t.Errorf("%v, %v", keys, err)
	}
	for _, text := range []string{`[]`, `{"keys":{}}`, `{"keys":[1,2,3]}`, `{"keys":[],"keys":[]}`, ``} {
		if _, err := jose.ParseKeySet([]byte(text), 2); err == nil {
			t.Errorf("%s is read", text)
		}
	}
}

// FuzzParseForeign: whatever comes is refused with a *TokenError, or is signed.
func FuzzParseForeign(f *testing.F) {
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		f.Fatal(err)
	}
	jwk, err := jose.NewKey(key.Public())
	if err != nil {
		f.Fatal(err)
	}
	f.Add("a.b.c")
	f.Add(foreignToken(f, key, `{"alg":"ES256"}`, `{"iss":"i","aud":"a","iat":1,"exp":4102444800}`))
	f.Add(foreignToken(f, key, `{"alg":"ES256"}`, `{"aud":[1]}`))
	f.Fuzz(func(t *testing.T, token string) {
		_, err := jose.ParseForeign(token, jose.Foreign{Algorithms: jose.ForeignAlgorithms(), Keys: []jose.Key{jwk}, Issuer: "i", Audience: "a"})
		if _, ok := errors.AsType[*jose.TokenError](err); err != nil && !ok {
			t.Errorf("%T: %v", err, err)
		}
	})
}
