package jose

import (
	"context"
	"crypto"
	"crypto/rand"
	"encoding/base64"
	"errors"
	"strings"
	"testing"

	gmsm "github.com/emmansun/gmsm/sm2"
	"github.com/go-json-experiment/json/jsontext"

	"yizheng.internal/signing/signingtest"
	"yizheng.internal/signing/sm2"
)

// expect returns an Expectation of a key for tests.
func expect(pub crypto.PublicKey) Expectation {
	return Expectation{
		Typ:      TypAccessToken,
		Key:      func(Header, []byte) (crypto.PublicKey, error) { return pub, nil },
		Verifier: NewVerifier(sm2.Config{}),
	}
}

// compact signs whatever header and payload a test wants, also wrong ones.
func compact(t testing.TB, s crypto.MessageSigner, header, payload string) string {
	t.Helper()
	text := base64.RawURLEncoding.EncodeToString([]byte(header)) + "." + base64.RawURLEncoding.EncodeToString([]byte(payload))
	raw := signingtest.MustSign(t, s, []byte(text))
	if _, isRSA := s.(signingtest.RS256); !isRSA {
		var err error
		if raw, err = sm2.DERToRaw(raw); err != nil {
			t.Fatal(err)
		}
	}
	return text + "." + base64.RawURLEncoding.EncodeToString(raw)
}

func TestSignAndVerify(t *testing.T) {
	for name, s := range map[string]crypto.MessageSigner{"SM2": signingtest.NewSM2(t), "ES256": signingtest.NewES256(t), "RS256": signingtest.RSA()} {
		t.Run(name, func(t *testing.T) {
			h := Header{Typ: TypAccessToken, KeyID: "key-1", X5C: [][]byte{{0x30, 0xff}, {0x31}}}
			token, err := Sign(s, h, map[string]any{"sub": "张三", "html": "<&>", "n": 9007199254740993})
			if err != nil {
				t.Fatal(err)
			}
			e := expect(s.Public())
			var seen Header
			e.Key = func(h Header, _ []byte) (crypto.PublicKey, error) { seen = h; return s.Public(), nil }
			got, payload, err := Verify(t.Context(), token, e)
			if err != nil {
				t.Fatal(err)
			}
			alg, _ := AlgorithmOf(s.Public())
			if got.Typ != h.Typ || got.KeyID != h.KeyID || got.Algorithm != alg || len(got.X5C) != 2 || string(got.X5C[0]) != "\x30\xff" {
				t.Errorf("header %+v", got)
			}
			if seen.KeyID != h.KeyID || seen.Algorithm != alg {
				t.Errorf("Key saw %+v", seen)
			}
			want := `{"html":"\u003c\u0026\u003e","n":9007199254740993,"sub":"张三"}`
			if string(payload) != want {
				t.Errorf("payload %s", payload)
			}
			other := expect(signingtest.NewSM2(t).Public())
			switch name {
			case "ES256":
				other = expect(signingtest.NewES256(t).Public())
			case "RS256":
				other = expect(signingtest.NewRSA(t, 2048).Public())
			}
			var bad *TokenError
			if _, _, err := Verify(t.Context(), token, other); !errors.As(err, &bad) || bad.Reason != "token_signature" || !errors.Is(err, sm2.ErrSignature) {
				t.Errorf("another key: %v", err)
			}
		})
	}
}

func TestVerifyRefusesTokens(t *testing.T) {
	key, ec := signingtest.NewSM2(t), signingtest.NewES256(t)
	const alg = `"alg":"urn:oid:1.2.156.10197.1.501"`
	const head = `{"typ":"at+jwt",` + alg + `}`
	good := compact(t, key, head, `{"sub":"x"}`)
	parts := strings.Split(good, ".")
	none := base64.RawURLEncoding.EncodeToString([]byte(`{"typ":"at+jwt","alg":"none"}`)) + "." + parts[1] + "."
	// 64 bytes leave four unused bits in the last of 86 characters.
	loose := func(s string) string {
		const alphabet = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_"
		last := strings.IndexByte(alphabet, s[len(s)-1])
		return s[:len(s)-1] + string(alphabet[last|1])
	}
	tests := map[string]struct{ token, reason string }{
		"empty":               {"", "token_malformed"},
		"two parts":           {parts[0] + "." + parts[1], "token_malformed"},
		"four parts":          {good + ".", "token_malformed"},
		"padding":             {good + "==", "token_malformed"},
		"line break":          {good[:20] + "\n" + good[20:], "token_malformed"},
		"carriage return":     {good + "\r", "token_malformed"},
		"loose last bits":     {loose(good), "token_malformed"},
		"standard alphabet":   {parts[0] + "." + parts[1] + "." + strings.Repeat("+/", 43), "token_malformed"},
		"too large":           {good + strings.Repeat("A", 64<<10), "token_too_large"},
		"header not JSON":     {compact(t, key, `{"typ"`, `{}`), "token_malformed"},
		"header an array":     {compact(t, key, `[]`, `{}`), "token_malformed"},
		"header null":         {compact(t, key, `null`, `{}`), "token_typ"},
		"header trailing":     {compact(t, key, head+`{}`, `{}`), "token_malformed"},
		"duplicate typ":       {compact(t, key, `{"typ":"JWT","typ":"at+jwt",`+alg+`}`, `{}`), "token_malformed"},
		"duplicate unknown":   {compact(t, key, `{"typ":"at+jwt","a":1,"a":1,`+alg+`}`, `{}`), "token_malformed"},
		"kid a number":        {compact(t, key, `{"typ":"at+jwt","kid":1,`+alg+`}`, `{}`), "token_malformed"},
		"x5c not base64":      {compact(t, key, `{"typ":"at+jwt","x5c":["_"],`+alg+`}`, `{}`), "token_malformed"},
		"header not UTF-8":    {compact(t, key, `{"typ":"at+jwt","kid":"`+"\xff"+`",`+alg+`}`, `{}`), "token_malformed"},
		"no typ":              {compact(t, key, `{`+alg+`}`, `{}`), "token_typ"},
		"other typ":           {compact(t, key, `{"typ":"JWT",`+alg+`}`, `{}`), "token_typ"},
		"typ in capitals":     {compact(t, key, `{"typ":"AT+JWT",`+alg+`}`, `{}`), "token_typ"},
		"unknown crit":        {compact(t, key, `{"typ":"at+jwt","crit":["exp"],"exp":1,`+alg+`}`, `{}`), "token_critical"},
		"empty crit":          {compact(t, key, `{"typ":"at+jwt","crit":[],`+alg+`}`, `{}`), "token_critical"},
		"crit null":           {compact(t, key, `{"typ":"at+jwt","crit":null,`+alg+`}`, `{}`), "token_critical"},
		"crit b64":            {compact(t, key, `{"typ":"at+jwt","crit":["b64"],"b64":false,`+alg+`}`, `{}`), "token_critical"},
		"none":                {none, "token_algorithm"},
		"none, signed":        {compact(t, key, `{"typ":"at+jwt","alg":"none"}`, `{}`), "token_algorithm"},
		"no alg":              {compact(t, key, `{"typ":"at+jwt"}`, `{}`), "token_algorithm"},
		"HS256":               {compact(t, key, `{"typ":"at+jwt","alg":"HS256"}`, `{}`), "token_algorithm"},
		"unknown alg":         {compact(t, key, `{"typ":"at+jwt","alg":"SM2"}`, `{}`), "token_algorithm"},
		"alg of another key":  {compact(t, ec, `{"typ":"at+jwt","alg":"ES256"}`, `{}`), "token_algorithm"},
		"payload an array":    {compact(t, key, head, `[]`), "token_malformed"},
		"payload null":        {compact(t, key, head, `null`), "token_malformed"},
		"payload empty":       {compact(t, key, head, ``), "token_malformed"},
		"payload trailing":    {compact(t, key, head, `{}{}`), "token_malformed"},
		"payload duplicates":  {compact(t, key, head, `{"a":{"b":1,"b":2}}`), "token_malformed"},
		"payload escaped dup": {compact(t, key, head, `{"a":1,"\u0061":2}`), "token_malformed"},
		"payload not UTF-8":   {compact(t, key, head, `{"a":"`+"\xff"+`"}`), "token_malformed"},
		"payload nested deep": {compact(t, key, head, `{"a":`+strings.Repeat(`[`, 10000)+strings.Repeat(`]`, 10000)+`}`), "token_malformed"},
		"no signature":        {parts[0] + "." + parts[1] + ".", "token_signature"},
		"DER signature":       {parts[0] + "." + parts[1] + "." + base64.RawURLEncoding.EncodeToString(signingtest.MustSign(t, key, []byte(parts[0]+"."+parts[1]))), "token_signature"},
		"payload replaced":    {parts[0] + "." + base64.RawURLEncoding.EncodeToString([]byte(`{"sub":"y"}`)) + "." + parts[2], "token_signature"},
		"jwk of the attacker": {compact(t, signingtest.NewSM2(t), `{"typ":"at+jwt","jwk":{},"jku":"https://a.example","x5u":"https://a.example",`+alg+`}`, `{}`), "token_signature"},
	}
	for name, tt := range tests {
		t.Run(name, func(t *testing.T) {
			refused(t, tt.token, expect(key.Public()), tt.reason)
		})
	}
	if _, _, err := Verify(t.Context(), good, expect(key.Public())); err != nil {
		t.Errorf("the good one: %v", err)
	}
	small := expect(key.Public())
	small.Max = len(good) - 1
	refused(t, good, small, "token_too_large")
}

// refused checks that a token is refused for a reason, whoever reads it: [Verify] or
// [ParseToken]. Those with "sub" x lack what a JWT must have.
func refused(t *testing.T, token string, e Expectation, reason string) {
	t.Helper()
	_, payload, err := Verify(t.Context(), token, e)
	if bad, ok := errors.AsType[*TokenError](err); !ok || string(bad.Reason) != reason || payload != nil {
		t.Errorf("want %s, have %v", reason, err)
	}
	h, err := ParseToken(t.Context(), token, e, Rule{Issuer: "https://id.example"}, &Registered{})
	if bad, ok := errors.AsType[*TokenError](err); !ok || string(bad.Reason) != reason || h.Typ != "" {
		t.Errorf("as a JWT: want %s, have %v", reason, err)
	}
}

// verifyError returns the error among Verify's results.
func verifyError(_ Header, _ []byte, err error) error { return err }

// chainError is why a certificate was not good, as whoever chooses the key knows it.
type chainError string

func (e chainError) Error() string { return string(e) }

func TestVerifyKeyErrors(t *testing.T) {
	key := signingtest.NewSM2(t)
	token := compact(t, key, `{"typ":"at+jwt","alg":"urn:oid:1.2.156.10197.1.501"}`, `{}`)
	e := expect(nil)
	e.Key = func(Header, []byte) (crypto.PublicKey, error) { return nil, chainError("chain_expired") }
	_, _, err := Verify(t.Context(), token, e)
	bad, ok := errors.AsType[*TokenError](err)
	chain, inside := errors.AsType[chainError](err)
	if !ok || bad.Reason != "token_key" || !inside || chain != "chain_expired" {
		t.Errorf("chain error: %v", err)
	}
	e.Key = func(Header, []byte) (crypto.PublicKey, error) { return nil, sm2.ErrUndecided }
	_, _, err = Verify(t.Context(), token, e)
	if _, ok := errors.AsType[*TokenError](err); ok || !errors.Is(err, sm2.ErrUndecided) {
		t.Errorf("undecided chain: %v", err)
	}
	e.Key = func(Header, []byte) (crypto.PublicKey, error) { return []byte("secret"), nil }
	if bad, ok := errors.AsType[*TokenError](verifyError(Verify(t.Context(), token, e))); !ok || bad.Reason != "token_key" {
		t.Errorf("key of another kind: %v", bad)
	}
	// A forged token, while second opinions can't be had, is undecided.
	e = expect(key.Public())
	slow := signingtest.NewSlow()
	e.Verifier = NewVerifier(sm2.Config{Second: slow.Second})
	forged := compact(t, signingtest.NewSM2(t), `{"typ":"at+jwt","alg":"urn:oid:1.2.156.10197.1.501"}`, `{}`)
	defer slow.Occupy(func() { _, _, _ = Verify(t.Context(), forged, e) })()
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	if _, _, err := Verify(ctx, forged, e); !errors.Is(err, sm2.ErrUndecided) || errors.Is(err, sm2.ErrSignature) {
		t.Errorf("undecided signature: %v", err)
	}
	if _, _, err := Verify(t.Context(), token, Expectation{}); err == nil {
		t.Error("an empty expectation accepts")
	}
}

func TestSignRefuses(t *testing.T) {
	key := signingtest.NewSM2(t)
	h := Header{Typ: TypAccessToken}
	for name, try := range map[string]func() (string, error){
		"faulty signer":       func() (string, error) { return Sign(signingtest.Faulty{MessageSigner: key}, h, map[string]any{}) },
		"no typ":              func() (string, error) { return Sign(key, Header{}, map[string]any{}) },
		"algorithm differs":   func() (string, error) { return Sign(key, Header{Typ: "JWT", Algorithm: ES256}, map[string]any{}) },
		"claims a string":     func() (string, error) { return Sign(key, h, "x") },
		"claims nil":          func() (string, error) { return Sign(key, h, nil) },
		"claims bytes":        func() (string, error) { return Sign(key, h, []byte(`{}`)) },
		"claims unmarshaled":  func() (string, error) { return Sign(key, h, func() {}) },
		"claims duplicate":    func() (string, error) { return Sign(key, h, jsontext.Value(`{"a":1,"a":2}`)) },
		"claims not UTF-8":    func() (string, error) { return Sign(key, h, map[string]any{"a": "\xff"}) },
		"a curve of no use":   func() (string, error) { return Sign(noKey{key}, h, map[string]any{}) },
		"header not in UTF-8": func() (string, error) { return Sign(key, Header{Typ: "JWT", KeyID: "\xff"}, map[string]any{}) },
	} {
		if token, err := try(); err == nil || token != "" {
			t.Errorf("%s: signed %q", name, token)
		}
	}
}

type noKey struct{ crypto.MessageSigner }

func (noKey) Public() crypto.PublicKey { return nil }

// TestRFC7515 is the ES256 example of RFC 7515 appendix A.3.
func TestRFC7515(t *testing.T) {
	pub, err := Key{
		KeyType: "EC", Curve: "P-256",
		X: "f83OJ3D2xF1Bg8vub9tLe1gHMzV76e8Tus9uPHvRVEU",
		Y: "x_FEzRu9m36HLN_tue659LNpXW6pCyStikYjKIWI5a0",
	}.PublicKey()
	if err != nil {
		t.Fatal(err)
	}
	const signed = "eyJhbGciOiJFUzI1NiJ9.eyJpc3MiOiJqb2UiLA0KICJleHAiOjEzMDA4MTkzODAsDQogImh0dHA6Ly9leGFtcGxlLmNvbS9pc19yb290Ijp0cnVlfQ"
	sig, err := base64.RawURLEncoding.DecodeString("DtEhU3ljbEg8L38VWAfUAqOyKAM6-Xx-F4GawxaepmXFCgfTjDxw5djxLa8ISlSApmWQxfKTUJqPP3-Kg6NU1Q")
	if err != nil {
		t.Fatal(err)
	}
	if err := NewVerifier(sm2.Config{}).verifyRaw(t.Context(), pub, []byte(signed), sig); err != nil {
		t.Error(err)
	}
	// It has no typ, so as a token of ours it is refused.
	token := signed + "." + base64.RawURLEncoding.EncodeToString(sig)
	if bad, ok := errors.AsType[*TokenError](verifyError(Verify(t.Context(), token, expect(pub)))); !ok || bad.Reason != "token_typ" {
		t.Errorf("as a token: %v", bad)
	}
}

func FuzzJWS(f *testing.F) {
	key := signingtest.NewSM2(f)
	f.Add(compact(f, key, `{"typ":"at+jwt","alg":"urn:oid:1.2.156.10197.1.501"}`, `{"sub":"x"}`))
	f.Add(compact(f, key, `{"typ":"at+jwt","alg":"ES256","crit":["b64"],"x5c":["MAA="]}`, `{"a":1,"a":2}`))
	f.Add(compact(f, signingtest.RSA(), `{"typ":"at+jwt","alg":"RS256"}`, `{"sub":"x"}`))
	f.Add("eyJhbGciOiJub25lIn0.e30.")
	f.Add("..")
	e := expect(nil)
	e.Key = func(h Header, _ []byte) (crypto.PublicKey, error) {
		if h.Algorithm == RS256 {
			return signingtest.RSA().Public(), nil
		}
		return key.Public(), nil
	}
	// Whatever is not refused for its form counts as signed, so that the fuzzer
	// gets behind the signature.
	e.Verifier = NewVerifier(sm2.Config{First: signingtest.Accepts})
	f.Fuzz(func(t *testing.T, token string) {
		_, payload, err := Verify(t.Context(), token, e)
		if err != nil {
			if _, ok := errors.AsType[*TokenError](err); !ok {
				t.Errorf("%T: %v", err, err)
			}
			return
		}
		if !jsontext.Value(payload).IsValid() || payload[0] != '{' {
			t.Errorf("accepted %q", payload)
		}
		// One token has one encoding.
		at := strings.LastIndexByte(token, '.')
		sig, _ := base64.RawURLEncoding.DecodeString(token[at+1:])
		if base64.RawURLEncoding.EncodeToString(sig) != token[at+1:] {
			t.Errorf("accepted a loose encoding of %x", sig)
		}
	})
}

func BenchmarkJWS(b *testing.B) {
	key := signingtest.NewSM2(b)
	claims := map[string]any{"text": strings.Repeat("y", 1000)}
	h := Header{Typ: TypAccessToken, KeyID: "key-1", X5C: [][]byte{make([]byte, 700)}}
	token, err := Sign(key, h, claims)
	if err != nil {
		b.Fatal(err)
	}
	text := []byte(token[:strings.LastIndexByte(token, '.')])
	b.Run("raw", func(b *testing.B) { // what Sign cannot do without
		for b.Loop() {
			der, err := key.SignMessage(rand.Reader, text, nil)
			if err != nil || !gmsm.VerifyASN1WithSM2(&key.PublicKey, nil, text, der) {
				b.Fatal(err)
			}
		}
	})
	b.Run("Sign", func(b *testing.B) {
		for b.Loop() {
			if _, err := Sign(key, h, claims); err != nil {
				b.Fatal(err)
			}
		}
	})
	e := expect(key.Public())
	b.Run("Verify", func(b *testing.B) {
		for b.Loop() {
			if _, _, err := Verify(b.Context(), token, e); err != nil {
				b.Fatal(err)
			}
		}
	})
}
