package jose

import (
	"context"
	"crypto"
	"errors"
	"strings"
	"testing"
	"time"

	"github.com/golang-jwt/jwt/v5"

	"yizheng.internal/signing/signingtest"
	"yizheng.internal/signing/sm2"
)

const issuer = "https://id.example"

// visit are claims of a kind of tokens.
type visit struct {
	Registered
	Room string `json:"room"`
}

// Validate wants a room.
func (v *visit) Validate() error {
	if v.Room == "" {
		return &TokenError{Reason: "token_period"}
	}
	return nil
}

func visitAt(now time.Time) visit {
	return visit{Registered{Issuer: issuer, Subject: "张三<&>", Audience: "a", Issued: now.Unix(), Expires: now.Add(time.Minute).Unix()}, "1"}
}

// TestTokens signs and reads with each kind of key; what golang-jwt signs, [Verify]
// takes too, and the other way round.
func TestTokens(t *testing.T) {
	want := visitAt(time.Now())
	for name, s := range map[string]crypto.MessageSigner{"SM2": signingtest.NewSM2(t), "ES256": signingtest.NewES256(t), "RS256": signingtest.RSA()} {
		t.Run(name, func(t *testing.T) {
			token, err := SignToken(s, TypAccessToken, "key-1", want)
			if err != nil {
				t.Fatal(err)
			}
			own, err := Sign(s, Header{Typ: TypAccessToken, KeyID: "key-1"}, want)
			if err != nil {
				t.Fatal(err)
			}
			alg, _ := AlgorithmOf(s.Public())
			for _, token := range []string{token, own} {
				var got visit
				h, err := ParseToken(t.Context(), token, expect(s.Public()), Rule{Issuer: issuer, Audience: "a"}, &got)
				if err != nil || got != want || h.KeyID != "key-1" || h.Algorithm != alg || h.Typ != TypAccessToken {
					t.Errorf("%+v, %+v, %v", h, got, err)
				}
				if _, payload, err := Verify(t.Context(), token, expect(s.Public())); err != nil || !strings.Contains(string(payload), `"张三\u003c\u0026\u003e"`) {
					t.Errorf("%s, %v", payload, err)
				}
			}
			other := expect(signingtest.NewSM2(t).Public())
			switch name {
			case "ES256":
				other = expect(signingtest.NewES256(t).Public())
			case "RS256":
				other = expect(signingtest.NewRSA(t, 2048).Public())
			}
			_, err = ParseToken(t.Context(), token, other, Rule{Issuer: issuer}, &visit{})
			if bad, ok := errors.AsType[*TokenError](err); !ok || bad.Reason != "token_signature" || !errors.Is(err, sm2.ErrSignature) {
				t.Errorf("another key: %v", err)
			}
		})
	}
}

// TestClaims: what is signed is refused by what it says.
func TestClaims(t *testing.T) {
	key := signingtest.NewES256(t)
	now := time.Now()
	const head = `{"typ":"at+jwt","alg":"ES256"}`
	with := func(change func(*visit)) string {
		v := visitAt(now)
		change(&v)
		token, err := SignToken(key, TypAccessToken, "", v)
		if err != nil {
			t.Fatal(err)
		}
		return token
	}
	for name, tt := range map[string]struct{ token, reason string }{
		"good":                      {with(func(*visit) {}), ""},
		"another issuer":            {with(func(v *visit) { v.Issuer += "/" }), "token_issuer"},
		"another audience":          {with(func(v *visit) { v.Audience = "A" }), "token_audience"},
		"expired":                   {with(func(v *visit) { v.Expires = now.Unix() - 1 }), "token_expired"},
		"no exp":                    {with(func(v *visit) { v.Expires = 0 }), "token_claims"},
		"what the claims say":       {with(func(v *visit) { v.Room = "" }), "token_period"},
		"the issuer before others":  {with(func(v *visit) { *v = visit{} }), "token_issuer"},
		"ISS for iss":               {compact(t, key, head, `{"ISS":"`+issuer+`","aud":"a","exp":9999999999,"room":"1"}`), "token_issuer"},
		"exp a text":                {compact(t, key, head, `{"iss":"`+issuer+`","aud":"a","exp":"9999999999","room":"1"}`), "token_claims"},
		"exp a fraction":            {compact(t, key, head, `{"iss":"`+issuer+`","aud":"a","exp":9999999999.5,"room":"1"}`), "token_claims"},
		"exp beyond 64 bits":        {compact(t, key, head, `{"iss":"`+issuer+`","aud":"a","exp":1e30,"room":"1"}`), "token_claims"},
		"aud a list":                {compact(t, key, head, `{"iss":"`+issuer+`","aud":["a"],"exp":9999999999,"room":"1"}`), "token_claims"},
		"two issuers":               {compact(t, key, head, `{"iss":"x","iss":"`+issuer+`","aud":"a","exp":9999999999,"room":"1"}`), "token_malformed"},
		"null":                      {compact(t, key, head, `null`), "token_malformed"},
		"null, with a space before": {compact(t, key, head, ` null`), "token_malformed"},
	} {
		_, err := ParseToken(t.Context(), tt.token, expect(key.Public()), Rule{Issuer: issuer, Audience: "a"}, &visit{})
		bad, ok := errors.AsType[*TokenError](err)
		if tt.reason == "" && err != nil || tt.reason != "" && (!ok || string(bad.Reason) != tt.reason) {
			t.Errorf("%s: want %q, have %v", name, tt.reason, err)
		}
	}
	old := with(func(v *visit) { v.Expires = now.Unix() - 1 })
	if _, err := ParseToken(t.Context(), old, expect(key.Public()), Rule{Issuer: issuer, Expired: true}, &visit{}); err != nil {
		t.Errorf("expired, where that may be: %v", err)
	}
}

// TestIncompleteExpectation: what doesn't say what it expects is a fault of the caller's,
// and no token is refused or taken by it.
func TestIncompleteExpectation(t *testing.T) {
	key := signingtest.NewES256(t)
	token, err := SignToken(key, TypAccessToken, "", visitAt(time.Now()))
	if err != nil {
		t.Fatal(err)
	}
	for name, without := range map[string]func(*Expectation, *Rule){
		"everything": func(e *Expectation, r *Rule) { *e, *r = Expectation{}, Rule{} },
		"a typ":      func(e *Expectation, _ *Rule) { e.Typ = "" },
		"a key":      func(e *Expectation, _ *Rule) { e.Key = nil },
		"a verifier": func(e *Expectation, _ *Rule) { e.Verifier = nil },
		"an issuer":  func(_ *Expectation, r *Rule) { r.Issuer = "" },
	} {
		e, r := expect(key.Public()), Rule{Issuer: issuer}
		without(&e, &r)
		_, err := ParseToken(t.Context(), token, e, r, &visit{})
		if _, refused := errors.AsType[*TokenError](err); err == nil || refused {
			t.Errorf("parsing without %s: %v", name, err)
		}
		if e.complete() {
			continue
		}
		_, _, err = Verify(t.Context(), token, e)
		if _, refused := errors.AsType[*TokenError](err); err == nil || refused {
			t.Errorf("verifying without %s: %v", name, err)
		}
	}
}

// TestKeySeesPayload: whoever chooses the key may look into what nobody has verified yet.
func TestKeySeesPayload(t *testing.T) {
	key := signingtest.NewES256(t)
	token, err := SignToken(key, TypAccessToken, "key-1", visitAt(time.Now()))
	if err != nil {
		t.Fatal(err)
	}
	e := expect(nil)
	e.Key = func(h Header, unverified []byte) (crypto.PublicKey, error) {
		if h.KeyID != "key-1" || !strings.Contains(string(unverified), `"room":"1"`) {
			t.Errorf("Key saw %+v, %s", h, unverified)
		}
		return key.Public(), nil
	}
	if _, err := ParseToken(t.Context(), token, e, Rule{Issuer: issuer}, &visit{}); err != nil {
		t.Error(err)
	}
}

// TestUndecidedTokens: while second opinions can't be had, a forged token is neither good
// nor refused, and a key's certificate likewise.
func TestUndecidedTokens(t *testing.T) {
	key := signingtest.NewSM2(t)
	e := expect(key.Public())
	slow := signingtest.NewSlow()
	e.Verifier = NewVerifier(sm2.Config{Second: slow.Second})
	forged, err := SignToken(signingtest.NewSM2(t), TypAccessToken, "", visitAt(time.Now()))
	if err != nil {
		t.Fatal(err)
	}
	parse := func(ctx context.Context) error {
		_, err := ParseToken(ctx, forged, e, Rule{Issuer: issuer}, &visit{})
		return err
	}
	defer slow.Occupy(func() { _ = parse(t.Context()) })()
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	if err := parse(ctx); !errors.Is(err, sm2.ErrUndecided) || errors.Is(err, sm2.ErrSignature) {
		t.Errorf("a signature: %v", err)
	}
	e.Key = func(Header, []byte) (crypto.PublicKey, error) { return nil, sm2.ErrUndecided }
	if err := parse(t.Context()); !errors.Is(err, sm2.ErrUndecided) {
		t.Errorf("a certificate: %v", err)
	}
	if _, ok := errors.AsType[*TokenError](parse(t.Context())); ok {
		t.Error("a certificate that is undecided refuses the token")
	}
}

// TestSignToken: what ES256 signed isn't verified, what SM2 signed is.
func TestSignToken(t *testing.T) {
	claims := visitAt(time.Now())
	for name, s := range map[string]crypto.MessageSigner{"ES256": checked{signingtest.NewES256(t), ES256}, "another module's ES256": signingtest.NewES256(t), "RS256": signingtest.RSA()} {
		if token, err := SignToken(signingtest.Faulty{MessageSigner: s}, TypAccessToken, "k", claims); err != nil || token == "" {
			t.Errorf("%s verifies: %v", name, err)
		}
	}
	for name, s := range map[string]crypto.MessageSigner{"a faulty SM2": signingtest.Faulty{MessageSigner: signingtest.NewSM2(t)}, "a small RSA key": anyRSA{signingtest.NewRSA(t, 1024)}, "no key": noKey{signingtest.NewSM2(t)}} {
		if token, err := SignToken(s, TypAccessToken, "k", claims); err == nil || token != "" {
			t.Errorf("%s: signed %s", name, token)
		}
	}
	key := signingtest.NewES256(t)
	for name, try := range map[string]func() (string, error){
		"no typ":         func() (string, error) { return SignToken(key, "", "k", claims) },
		"kid not UTF-8":  func() (string, error) { return SignToken(key, "JWT", "\xff", claims) },
		"claims no JSON": func() (string, error) { return SignToken(key, "JWT", "k", jwt.MapClaims{"f": func() {}}) },
	} {
		if token, err := try(); err == nil || token != "" {
			t.Errorf("%s: signed %q", name, token)
		}
	}
}

// TestLooseClaims: what isn't UTF-8 doesn't get into a token as it stands.
func TestLooseClaims(t *testing.T) {
	key := signingtest.NewES256(t)
	v := visitAt(time.Now())
	v.Subject = "a\xff"
	token, err := SignToken(key, TypAccessToken, "", v)
	if err != nil {
		t.Fatal(err)
	}
	var got visit
	if _, err := ParseToken(t.Context(), token, expect(key.Public()), Rule{Issuer: issuer}, &got); err != nil || got.Subject != "a\ufffd" {
		t.Errorf("%q, %v", got.Subject, err)
	}
}

// TestMethods: nobody else's key gets through our methods, and what others rely on in
// golang-jwt's registry, which the process shares, stays.
func TestMethods(t *testing.T) {
	registerMethods()
	m := jwt.GetSigningMethod(string(SM2))
	if err := m.Verify("x", make([]byte, 64), signingtest.NewSM2(t).Public()); !errors.Is(err, jwt.ErrInvalidKeyType) {
		t.Error(err)
	}
	if _, err := m.Sign("x", []byte("secret")); !errors.Is(err, jwt.ErrInvalidKeyType) {
		t.Error(err)
	}
	if _, err := m.Sign("x", signingtest.NewES256(t)); !errors.Is(err, jwt.ErrInvalidKey) {
		t.Error(err)
	}
	k := verification{t.Context(), NewVerifier(sm2.Config{}), signingtest.NewES256(t).Public()}
	if err := m.Verify("x", make([]byte, 64), k); !errors.Is(err, jwt.ErrInvalidKey) {
		t.Error(err)
	}
	if jwt.GetSigningMethod("ES256") != jwt.SigningMethodES256 || jwt.GetSigningMethod("RS256") != jwt.SigningMethodRS256 {
		t.Error("methods of golang-jwt's were replaced")
	}
}

func FuzzParseToken(f *testing.F) {
	key, ec := signingtest.NewSM2(f), signingtest.NewES256(f)
	for _, payload := range []string{`{"iss":"https://id.example","exp":9999999999,"room":"1"}`, `{"iss":1}`, `null`, `{"a":1,"a":1}`} {
		f.Add(compact(f, key, `{"typ":"at+jwt","alg":"urn:oid:1.2.156.10197.1.501"}`, payload))
		f.Add(compact(f, ec, `{"typ":"at+jwt","alg":"ES256"}`, payload))
	}
	f.Add("eyJhbGciOiJub25lIn0.e30.")
	e := expect(key.Public())
	e.Verifier = NewVerifier(sm2.Config{First: signingtest.Accepts}) // so that the fuzzer gets behind the signature
	f.Fuzz(func(t *testing.T, token string) {
		var v visit
		h, err := ParseToken(t.Context(), token, e, Rule{Issuer: issuer}, &v)
		if err != nil {
			if _, ok := errors.AsType[*TokenError](err); !ok {
				t.Errorf("%T: %v", err, err)
			}
			return
		}
		if h.Algorithm != SM2 || v.Issuer != issuer || v.Expires <= time.Now().Unix() || v.Room == "" {
			t.Errorf("accepted %+v, %+v", h, v)
		}
	})
}

// BenchmarkPaths compares the two ways to make and read a token: golang-jwt's, and that
// of credentials and status lists, for claims as large as a credential's.
func BenchmarkPaths(b *testing.B) {
	type claims struct {
		Registered
		Text string `json:"text"`
	}
	for _, size := range []int{100, 3000, 100_000} {
		name := map[int]string{100: "token", 3000: "credential", 100_000: "list"}[size]
		key := checked{signingtest.NewSM2(b), SM2}
		want := claims{visitAt(time.Now()).Registered, strings.Repeat("y", size)}
		b.Run(name+"/sign/golang-jwt", func(b *testing.B) {
			for b.Loop() {
				if _, err := SignToken(key, TypCredential, "k", want); err != nil {
					b.Fatal(err)
				}
			}
		})
		h := Header{Typ: TypCredential, KeyID: "k", Algorithm: SM2}.Prepared()
		b.Run(name+"/sign/own", func(b *testing.B) {
			for b.Loop() {
				if _, err := Sign(key, h, want); err != nil {
					b.Fatal(err)
				}
			}
		})
		token, err := Sign(key, h, want)
		if err != nil {
			b.Fatal(err)
		}
		e := expect(key.Public())
		e.Typ, e.Max = TypCredential, 1<<20
		b.Run(name+"/read/golang-jwt", func(b *testing.B) {
			for b.Loop() {
				var got claims
				if _, err := ParseToken(b.Context(), token, e, Rule{Issuer: issuer, Expired: true}, &got); err != nil {
					b.Fatal(err)
				}
			}
		})
		b.Run(name+"/read/own", func(b *testing.B) {
			for b.Loop() {
				if _, _, err := Verify(b.Context(), token, e); err != nil {
					b.Fatal(err)
				}
			}
		})
	}
}
