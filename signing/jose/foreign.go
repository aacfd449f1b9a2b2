package jose

import (
	"crypto"
	"crypto/rsa"
	"errors"
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/go-json-experiment/json"
	"github.com/go-json-experiment/json/jsontext"
	"github.com/golang-jwt/jwt/v5"
)

// PS256 is RSASSA-PSS with SHA-256 (RFC 7518 section 3.5). Other providers sign with it; nothing
// here does.
const PS256 Algorithm = "PS256"

// ForeignAlgorithms are those with which another provider may sign: neither none nor an HMAC, whose
// key would be the public one (RFC 8725 section 2.1).
func ForeignAlgorithms() []Algorithm { return []Algorithm{ES256, PS256, RS256} }

// Foreign says what a JWT of another provider must be. Algorithms, Keys, Issuer and Audience are
// required.
type Foreign struct {
	Algorithms []Algorithm // some of ForeignAlgorithms
	Keys       []Key       // the provider's
	Issuer     string      // exactly this one
	Audience   string      // one of the token's
	Leeway     time.Duration
	Max        int // bytes; default 32 KiB
}

// ForeignClaims are the claims of a JWT of another provider (RFC 7519 section 4.1). Times are in
// seconds since 1970.
type ForeignClaims struct {
	Issuer    string                    `json:"iss"`
	Subject   string                    `json:"sub"`
	Audience  Audience                  `json:"aud"`
	Issued    float64                   `json:"iat"`
	Expires   float64                   `json:"exp"`
	NotBefore float64                   `json:"nbf"`
	Others    map[string]jsontext.Value `json:",embed"`
}

// Text returns a further claim as [TextOf] does.
func (c *ForeignClaims) Text(name string) string { return TextOf(c.Others[name]) }

// TextOf returns a JSON value that is a text or a number, as text; or "".
func TextOf(raw jsontext.Value) string {
	switch raw.Kind() {
	case '"':
		text, err := jsontext.AppendUnquote(nil, raw)
		if err != nil {
			return ""
		}
		return string(text)
	case '0':
		return string(raw)
	}
	return ""
}

// Audience is the aud claim: a text, or a list of them.
type Audience []string

// UnmarshalJSON implements [json.Unmarshaler].
func (a *Audience) UnmarshalJSON(raw []byte) error {
	if jsontext.Value(raw).Kind() == '"' {
		*a = Audience{""}
		return json.Unmarshal(raw, &(*a)[0])
	}
	return json.Unmarshal(raw, (*[]string)(a))
}

// GetIssuer implements [Claims].
func (c *ForeignClaims) GetIssuer() (string, error) { return c.Issuer, nil }

// GetSubject implements [Claims].
func (c *ForeignClaims) GetSubject() (string, error) { return c.Subject, nil }

// GetAudience implements [Claims].
func (c *ForeignClaims) GetAudience() (jwt.ClaimStrings, error) {
	return jwt.ClaimStrings(c.Audience), nil
}

// GetIssuedAt implements [Claims].
func (c *ForeignClaims) GetIssuedAt() (*jwt.NumericDate, error) { return date(whole(c.Issued)), nil }

// GetExpirationTime implements [Claims].
func (c *ForeignClaims) GetExpirationTime() (*jwt.NumericDate, error) {
	return date(whole(c.Expires)), nil
}

// GetNotBefore implements [Claims].
func (c *ForeignClaims) GetNotBefore() (*jwt.NumericDate, error) {
	return date(whole(c.NotBefore)), nil
}

// whole returns a time in whole seconds, or -1, long ago, for one that no clock shows.
func whole(seconds float64) int64 {
	if seconds < 0 || seconds > 1<<40 {
		return -1
	}
	return int64(seconds)
}

// ParseForeign reads a JWT of another provider. Others write what no token of
// ours has, so it lets more pass than [ParseToken]: a typ that is missing, further members of the
// header, several audiences. It refuses other types, any crit, repeated members, and every key but those
// of e, whatever the header refers to. The key decides the algorithm: one of e's that fits it, and the
// "alg" of its JWK if that is there. The claims must have exp and iat, the latter not in the future.
// Errors: *TokenError.
func ParseForeign(token string, e Foreign) (*ForeignClaims, error) {
	if len(e.Algorithms) == 0 || e.Issuer == "" || e.Audience == "" {
		return nil, errors.New("verifying a token of another provider: the expectation is incomplete")
	}
	if e.Max <= 0 {
		e.Max = 32 << 10
	}
	first, err := foreignForm(token, e.Max)
	if err != nil {
		return nil, err
	}
	h, err := parseHeader(first)
	if err != nil {
		return nil, err
	}
	switch {
	case h.Typ != "" && !strings.EqualFold(h.Typ, TypIDToken):
		return nil, &TokenError{Reason: ReasonTyp}
	case !slices.Contains(e.Algorithms, h.Algorithm) || !slices.Contains(ForeignAlgorithms(), h.Algorithm):
		return nil, &TokenError{ReasonAlgorithm, fmt.Errorf("%.40q is not one that is accepted of this provider", h.Algorithm)}
	}
	pub, err := e.key(h)
	if err != nil {
		return nil, err
	}
	parser := jwt.NewParser(
		jwt.WithStrictDecoding(), jwt.WithValidMethods([]string{string(h.Algorithm)}), jwt.WithExpirationRequired(), jwt.WithIssuedAt(),
		jwt.WithIssuer(e.Issuer), jwt.WithAudience(e.Audience), jwt.WithLeeway(e.Leeway),
	)
	claims := new(ForeignClaims)
	d := document{Claims: claims}
	_, err = parser.ParseWithClaims(token, &d, func(*jwt.Token) (any, error) { return pub, nil })
	if d.payload == nil && (err == nil || errors.Is(err, jwt.ErrTokenInvalidClaims)) {
		err = jwt.ErrTokenMalformed // null
	}
	if err != nil {
		return nil, tokenError(err, claims)
	}
	if whole(claims.Issued) <= 0 || whole(claims.NotBefore) < 0 {
		return nil, &TokenError{ReasonClaims, errors.New("iat is missing, or nbf no time")}
	}
	return claims, nil
}

// foreignForm checks the form of a compact JWS and returns its header's JSON.
func foreignForm(token string, most int) ([]byte, error) {
	if len(token) > most {
		return nil, &TokenError{Reason: ReasonTooLarge}
	}
	if strings.Count(token, ".") != 2 || strings.ContainsAny(token, "\r\n") {
		return nil, malformed(errors.New("not three parts, or line breaks in them"))
	}
	text, _, _ := strings.Cut(token, ".")
	raw, err := segment.DecodeString(text)
	if err != nil {
		return nil, malformed(err)
	}
	if v := jsontext.Value(raw); v.Kind() != '{' || !v.IsValid() {
		return nil, malformed(errors.New("header is not a JSON object with unique names"))
	}
	return raw, nil
}

// key returns the one key that a token with a header may be signed with.
func (e *Foreign) key(h Header) (crypto.PublicKey, error) {
	var fitting []crypto.PublicKey
	for _, k := range e.Keys {
		if h.KeyID != "" && k.KeyID != h.KeyID || k.Use != "" && k.Use != "sig" || k.Algorithm != "" && k.Algorithm != string(h.Algorithm) {
			continue
		}
		k.Algorithm = "" // compared above; PublicKey knows no PS256
		pub, err := k.PublicKey()
		if err != nil {
			continue // of a kind that isn't used here
		}
		if _, isRSA := pub.(*rsa.PublicKey); isRSA == (h.Algorithm == ES256) || k.Curve == CurveSM2 {
			continue
		}
		fitting = append(fitting, pub)
	}
	if len(fitting) != 1 {
		return nil, &TokenError{ReasonKey, fmt.Errorf("%d keys of the provider fit", len(fitting))}
	}
	return fitting[0], nil
}

// ParseKeySet reads the public keys of another provider (JWK Set, RFC 7517 section 5), of at most so many.
// It leaves out keys that are of no use here, and members that it doesn't know.
func ParseKeySet(text []byte, most int) ([]Key, error) {
	var set struct {
		Keys []jsontext.Value `json:"keys"`
	}
	if err := json.Unmarshal(text, &set); err != nil {
		return nil, fmt.Errorf("reading a key set: %w", err)
	}
	if len(set.Keys) > most {
		return nil, fmt.Errorf("reading a key set: it has %d keys, more than %d", len(set.Keys), most)
	}
	var keys []Key
	for _, raw := range set.Keys {
		var k Key
		if json.Unmarshal(raw, &k) == nil {
			keys = append(keys, k)
		}
	}
	return keys, nil
}
