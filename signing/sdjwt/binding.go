package sdjwt

import (
	"bytes"
	"context"
	"crypto"
	"crypto/subtle"
	"errors"
	"strings"
	"time"

	"github.com/go-json-experiment/json"
	"github.com/go-json-experiment/json/jsontext"

	"yizheng.internal/signing/jose"
)

// Binding is what a verifier expects of a key binding JWT (RFC 9901 section 7.3).
type Binding struct {
	Audience string        // required
	Nonce    string        // required
	Now      time.Time     // default time.Now()
	MaxAge   time.Duration // since it was issued; default 5 minutes
	Skew     time.Duration // by which clocks may differ; default 1 minute
}

const (
	defaultMaxAge = 5 * time.Minute
	defaultSkew   = time.Minute
	// maxBinding bounds a key binding JWT: four short claims and a signature.
	maxBinding = 8 << 10
)

// bindingClaims are the claims of a key binding JWT (RFC 9901 section 4.3).
// Times are NumericDates, which may have a fraction (RFC 7519 section 2).
type bindingClaims struct {
	IssuedAt  *float64 `json:"iat"`
	Audience  string   `json:"aud"` // a single one, unlike in other JWTs
	Nonce     string   `json:"nonce"`
	Hash      string   `json:"sd_hash"`
	Expires   *float64 `json:"exp,omitempty"`
	NotBefore *float64 `json:"nbf,omitempty"`
}

// Bind returns the token with a key binding JWT, signed with the holder's key
// for one audience and one nonce (RFC 9901 section 4.3). It replaces a key binding that the
// token has. iat is rounded down to the second.
func (t *Token) Bind(s crypto.MessageSigner, alg jose.Algorithm, aud, nonce string, iat time.Time) (*Token, error) {
	if aud == "" || nonce == "" {
		return nil, fail("binding_malformed", "neither audience nor nonce may be empty")
	}
	hash, err := t.hash()
	if err != nil {
		return nil, err
	}
	jws, err := jose.Sign(s, jose.Header{Typ: jose.TypKeyBinding, Algorithm: alg}, struct {
		IssuedAt int64  `json:"iat"`
		Audience string `json:"aud"`
		Nonce    string `json:"nonce"`
		Hash     string `json:"sd_hash"`
	}{iat.Unix(), aud, nonce, t.sdHash(hash)})
	if err != nil {
		return nil, err
	}
	bound := *t
	bound.KeyBinding = jws
	return &bound, nil
}

// CheckBinding verifies the token's key binding JWT: that it is signed with the
// key in the claim cnf.jwk (RFC 7800 section 3.2), over this very token, for this
// audience and nonce, and lately. claims are the result of [Token.Resolve]. Errors: *Error,
// [sm2.ErrUndecided].
func (t *Token) CheckBinding(ctx context.Context, claims map[string]any, b Binding, v *jose.Verifier) error {
	c, err := t.binding(ctx, claims, v)
	if err != nil {
		return err
	}
	// An empty expectation is a caller's mistake. It must not accept every token.
	if c.Audience != b.Audience {
		return &Error{Reason: "binding_audience"}
	}
	if subtle.ConstantTimeCompare([]byte(c.Nonce), []byte(b.Nonce)) != 1 {
		return &Error{Reason: "binding_nonce"}
	}
	return b.checkTimes(c)
}

// CheckBindingSignature is for verifiers that didn't ask for a key binding JWT. It verifies
// that the JWT is signed with the key in cnf.jwk, over this very token. It doesn't check for
// whom the JWT was made, and when.
func (t *Token) CheckBindingSignature(ctx context.Context, claims map[string]any, v *jose.Verifier) error {
	_, err := t.binding(ctx, claims, v)
	return err
}

// binding verifies the signature, the form and the hash of the key binding JWT.
func (t *Token) binding(ctx context.Context, claims map[string]any, v *jose.Verifier) (*bindingClaims, error) {
	if t.KeyBinding == "" {
		return nil, &Error{Reason: "binding_missing"}
	}
	holder, err := holderKey(claims)
	if err != nil {
		return nil, err
	}
	_, payload, err := jose.Verify(ctx, t.KeyBinding, jose.Expectation{
		Typ:      jose.TypKeyBinding,
		Max:      maxBinding,
		Key:      func(jose.Header, []byte) (crypto.PublicKey, error) { return holder, nil },
		Verifier: v,
	})
	if e, ok := errors.AsType[*jose.TokenError](err); ok {
		return nil, &Error{Reason: "binding_signature", Err: e}
	}
	if err != nil {
		return nil, err
	}
	var c bindingClaims
	if err := json.Unmarshal(payload, &c); err != nil {
		return nil, fail("binding_malformed", "a claim is not of its type")
	}
	if c.IssuedAt == nil || c.Audience == "" || c.Nonce == "" || c.Hash == "" {
		return nil, fail("binding_malformed", "one of iat, aud, nonce and sd_hash is missing")
	}
	hash, err := t.hash()
	if err != nil {
		return nil, err
	}
	if c.Hash != t.sdHash(hash) {
		return nil, &Error{Reason: "binding_hash"}
	}
	return &c, nil
}

// checkTimes checks that the binding was made lately. It compares seconds as
// float64, so that no date, however far off, overflows.
func (b *Binding) checkTimes(c *bindingClaims) error {
	now, age, skew := b.Now, b.MaxAge, b.Skew
	if now.IsZero() {
		now = time.Now()
	}
	if age <= 0 {
		age = defaultMaxAge
	}
	if skew <= 0 {
		skew = defaultSkew
	}
	at := float64(now.UnixMilli()) / 1000
	switch {
	case *c.IssuedAt > at+skew.Seconds():
		return fail("binding_expired", "issued in the future")
	case *c.IssuedAt < at-age.Seconds()-skew.Seconds():
		return fail("binding_expired", "issued more than %v ago", age)
	case c.NotBefore != nil && *c.NotBefore > at+skew.Seconds():
		return fail("binding_expired", "not valid yet")
	case c.Expires != nil && *c.Expires <= at-skew.Seconds():
		return fail("binding_expired", "no longer valid")
	}
	return nil
}

// holderKey returns the key that claims confirm by value.
func holderKey(claims map[string]any) (crypto.PublicKey, error) {
	cnf, _ := claims["cnf"].(map[string]any)
	jwk, _ := cnf["jwk"].(map[string]any)
	if jwk == nil {
		return nil, fail("binding_key", "no cnf.jwk")
	}
	text := func(name string) string { s, _ := jwk[name].(string); return s }
	key, err := jose.Key{
		KeyType: text("kty"), Curve: text("crv"), X: text("x"), Y: text("y"),
	}.PublicKey()
	if err != nil {
		return nil, &Error{Reason: "binding_key", Err: err}
	}
	return key, nil
}

// sdHash returns the sd_hash of the token (RFC 9901 section 4.3.1).
func (t *Token) sdHash(h Hash) string {
	var b strings.Builder
	t.writeTo(&b)
	return h.digest([]byte(b.String()))
}

// hash returns the hash algorithm that the JWS names. It ignores the rest of the JWS.
func (t *Token) hash() (Hash, error) {
	_, rest, _ := strings.Cut(t.JWS, ".")
	part, _, _ := strings.Cut(rest, ".")
	payload, err := encoding.DecodeString(part)
	if err != nil || len(payload) != encoding.DecodedLen(len(part)) || len(payload) > t.limits.withDefaults().Bytes {
		return "", fail("sdjwt_malformed", "the JWS has no payload")
	}
	dec := jsontext.NewDecoder(bytes.NewBuffer(payload))
	if k, err := dec.ReadToken(); err != nil || k.Kind() != '{' {
		return "", fail("sdjwt_malformed", "the payload is not an object")
	}
	for dec.PeekKind() == '"' {
		name, err := dec.ReadToken()
		if err != nil {
			break
		}
		if name.String() != nameHash {
			if dec.SkipValue() != nil {
				break
			}
			continue
		}
		var alg any
		if json.UnmarshalDecode(dec, &alg) != nil {
			break
		}
		return hashOf(map[string]any{nameHash: alg})
	}
	if dec.PeekKind() != '}' {
		return "", fail("sdjwt_malformed", "the payload is not strict JSON")
	}
	return SHA256, nil
}
