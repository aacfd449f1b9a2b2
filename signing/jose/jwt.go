package jose

import (
	"bytes"
	"context"
	"crypto"
	"errors"
	"fmt"
	"sync"
	"time"

	"github.com/go-json-experiment/json"
	"github.com/go-json-experiment/json/jsontext"
	"github.com/golang-jwt/jwt/v5"

	"yizheng.internal/signing/sm2"
)

// Claims are the claims of a JWT, as golang-jwt wants them.
type Claims = jwt.Claims

// Registered are the claims that each JWT of ours carries (RFC 7519 section 4.1).
// Times are in seconds since 1970. The claims of a kind of tokens embed it, which
// makes them [Claims].
type Registered struct {
	Issuer   string `json:"iss"`
	Subject  string `json:"sub"`
	Audience string `json:"aud"` // one, always
	Issued   int64  `json:"iat"`
	Expires  int64  `json:"exp"`
}

// GetIssuer implements [Claims].
func (r Registered) GetIssuer() (string, error) { return r.Issuer, nil }

// GetSubject implements [Claims].
func (r Registered) GetSubject() (string, error) { return r.Subject, nil }

// GetAudience implements [Claims].
func (r Registered) GetAudience() (jwt.ClaimStrings, error) {
	return jwt.ClaimStrings{r.Audience}, nil
}

// GetIssuedAt implements [Claims].
func (r Registered) GetIssuedAt() (*jwt.NumericDate, error) { return date(r.Issued), nil }

// GetExpirationTime implements [Claims].
func (r Registered) GetExpirationTime() (*jwt.NumericDate, error) { return date(r.Expires), nil }

// GetNotBefore implements [Claims]. No token of ours has an nbf.
func (r Registered) GetNotBefore() (*jwt.NumericDate, error) { return nil, nil }

func date(seconds int64) *jwt.NumericDate {
	if seconds == 0 {
		return nil
	}
	return jwt.NewNumericDate(time.Unix(seconds, 0))
}

// SignToken returns claims as a JWT of a type, signed by golang-jwt with a key
// named kid. It is for tokens that live for minutes and are stored nowhere, as
// access and ID tokens are: what ES256 signed isn't verified, for that is most of
// the work, and should a fault spoil a token, its holder is refused and asks
// again. What SM2 signed is verified, and RSA by Go, since a faulty signature made
// by the Chinese remainder theorem would give the key away. What is stored, or
// outlives a login, goes through [Sign]. In claims, what isn't UTF-8 becomes U+FFFD.
func SignToken(s crypto.MessageSigner, typ, kid string, claims Claims) (string, error) {
	alg, err := algorithmOf(s)
	if err != nil {
		return "", fmt.Errorf("signing a token: %w", err)
	}
	h := Header{Typ: typ, KeyID: kid}
	if err := h.check(); err != nil {
		return "", err
	}
	token := jwt.Token{
		Header: map[string]any{"typ": typ, "alg": string(alg)},
		Claims: claims, Method: method{alg: alg, passing: alg != SM2},
	}
	if kid != "" {
		token.Header["kid"] = kid
	}
	text, err := token.SignedString(s)
	if err != nil {
		return "", fmt.Errorf("signing a token: %w", err)
	}
	return text, nil
}

// Rule says what the claims of a token must be, beside what they demand
// themselves with a method Validate, which returns a *TokenError.
type Rule struct {
	Issuer   string // exactly this one
	Audience string // exactly this one; empty: any
	Expired  bool   // it may have expired
}

// ParseToken reads a JWT into claims, a pointer, with golang-jwt: it checks the
// form, the type, the signature and then the claims, which must have an exp, and
// returns the header. What golang-jwt is lenient in is refused before: repeated
// members of a JSON object, names in other letters, any crit (RFC 7515 section
// 4.1.11), line breaks, a key whose algorithm is another one than the header's.
// Errors: *TokenError, sm2.ErrUndecided.
func ParseToken(ctx context.Context, token string, e Expectation, r Rule, claims Claims) (Header, error) {
	registerMethods()
	if !e.complete() || r.Issuer == "" {
		return Header{}, errors.New("verifying a token: the expectation is incomplete")
	}
	h, err := e.Verifier.readHeader(token, &e)
	if err != nil {
		return Header{}, err
	}
	options := []jwt.ParserOption{
		jwt.WithStrictDecoding(), jwt.WithValidMethods(validMethods), jwt.WithExpirationRequired(), jwt.WithIssuer(r.Issuer),
	}
	if r.Audience != "" {
		options = append(options, jwt.WithAudience(r.Audience))
	}
	if r.Expired { // golang-jwt is told a time before any exp
		options = append(options, jwt.WithTimeFunc(func() time.Time { return time.Time{} }))
	}
	d := document{Claims: claims}
	_, err = jwt.NewParser(options...).ParseWithClaims(token, &d, func(*jwt.Token) (any, error) {
		pub, err := e.choose(h, d.payload)
		if err != nil {
			return nil, err
		}
		if h.Algorithm == SM2 {
			return verification{ctx, e.Verifier, pub}, nil
		}
		return pub, nil
	})
	if d.payload == nil && (err == nil || errors.Is(err, jwt.ErrTokenInvalidClaims)) {
		err = jwt.ErrTokenMalformed // null, which encoding/json reads by doing nothing
	}
	if err != nil {
		return Header{}, tokenError(err, claims)
	}
	e.Verifier.headers.keep(token, h)
	return h, nil
}

// validMethods are the algorithms of this package, for golang-jwt.
var validMethods = []string{string(SM2), string(ES256), string(RS256)}

// registerMethods tells golang-jwt of SM2. ES256 and RS256 it verifies itself.
var registerMethods = sync.OnceFunc(func() {
	jwt.RegisterSigningMethod(string(SM2), func() jwt.SigningMethod { return method{alg: SM2} })
})

// tokenError says by one of our reasons why golang-jwt refused a token with claims.
func tokenError(err error, claims Claims) error {
	ours, isOurs := errors.AsType[*TokenError](err)
	issuer, _ := claims.GetIssuer()
	switch {
	case errors.Is(err, sm2.ErrUndecided):
		return err
	case errors.Is(err, jwt.ErrTokenInvalidIssuer), errors.Is(err, jwt.ErrTokenInvalidClaims) && issuer == "":
		return &TokenError{ReasonIssuer, err}
	case errors.Is(err, jwt.ErrTokenInvalidAudience):
		return &TokenError{ReasonAudience, err}
	case isOurs:
		return ours
	case errors.Is(err, jwt.ErrTokenMalformed):
		return &TokenError{ReasonMalformed, err}
	case errors.Is(err, jwt.ErrTokenSignatureInvalid):
		return &TokenError{ReasonSignature, fmt.Errorf("%w: %w", sm2.ErrSignature, err)}
	case errors.Is(err, jwt.ErrTokenExpired):
		return &TokenError{ReasonExpired, err}
	}
	return &TokenError{ReasonClaims, err}
}

// document is claims as golang-jwt is to read them: with one meaning. Its own JSON
// takes the last of two members of one name, "ISS" for "iss", and what is
// not UTF-8.
type document struct {
	jwt.Claims
	payload []byte // as it was read; nil before
}

// UnmarshalJSON implements [json.Unmarshaler]. Errors are *TokenError token_malformed and
// token_claims.
func (d *document) UnmarshalJSON(raw []byte) error {
	if v := jsontext.Value(raw); v.Kind() != '{' || !v.IsValid() {
		return &TokenError{ReasonMalformed, errors.New("payload is not a JSON object with unique names")}
	}
	d.payload = bytes.Clone(raw) // raw is encoding/json's
	if err := json.Unmarshal(raw, d.Claims); err != nil {
		return &TokenError{ReasonClaims, err}
	}
	return nil
}

// Validate implements [jwt.ClaimsValidator] for claims that do.
func (d *document) Validate() error {
	if v, ok := d.Claims.(jwt.ClaimsValidator); ok {
		return v.Validate()
	}
	return nil
}

// method is a jwt.SigningMethod whose keys are a crypto.MessageSigner to sign
// and a verification to verify; with another key it fails. Its signatures are
// r ‖ s, 64 bytes (RFC 7518 section 3.4), or those of RSA (section 3.3).
type method struct {
	alg     Algorithm
	passing bool // its signatures aren't verified before they are passed on
}

// verification is what SM2 needs to verify: golang-jwt passes a key and nothing
// else.
type verification struct {
	ctx      context.Context // of this one call
	verifier *Verifier
	pub      crypto.PublicKey
}

// Alg implements jwt.SigningMethod.
func (m method) Alg() string { return string(m.alg) }

// Sign implements jwt.SigningMethod.
func (m method) Sign(text string, key any) ([]byte, error) {
	s, ok := key.(crypto.MessageSigner)
	if !ok {
		return nil, jwt.ErrInvalidKeyType
	}
	if alg, err := algorithmOf(s); err != nil || alg != m.alg {
		return nil, jwt.ErrInvalidKey
	}
	if m.passing {
		return signPassing(s, m.alg, []byte(text))
	}
	return signRaw(s, m.alg, []byte(text))
}

// Verify implements jwt.SigningMethod.
func (m method) Verify(text string, sig []byte, key any) error {
	k, ok := key.(verification)
	if !ok {
		return jwt.ErrInvalidKeyType
	}
	if alg, err := AlgorithmOf(k.pub); err != nil || alg != m.alg {
		return jwt.ErrInvalidKey
	}
	return k.verifier.verifyText(k.ctx, k.pub, text, sig)
}
