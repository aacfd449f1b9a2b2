package jose

import (
	"context"
	"crypto"
	"crypto/rand"
	"crypto/rsa"
	"encoding/base64"
	"errors"
	"fmt"
	"slices"
	"strings"
	"sync"
	"unicode/utf8"

	"github.com/go-json-experiment/json"
	"github.com/go-json-experiment/json/jsontext"

	"yizheng.internal/signing/sm2"
)

// Token types: the "typ" of every kind of token, one a kind, so that none can
// be taken for another.
const (
	TypAccessToken = "at+jwt"         // RFC 9068
	TypIDToken     = "JWT"            // OpenID Connect Core
	TypCredential  = "dc+sd-jwt"      // SD-JWT VC
	TypKeyBinding  = "kb+jwt"         // RFC 9901
	TypStatusList  = "statuslist+jwt" // Token Status List
)

// Header is a JOSE header. Key references other than kid and x5c (jku, jwk,
// x5u) are never followed.
type Header struct {
	Typ       string
	Algorithm Algorithm // Sign may leave it to the key
	KeyID     string
	X5C       [][]byte // DER, leaf first

	prepared string // the whole of it, as tokens begin with it; or empty
}

// Prepared returns the header encoded, for a key that signs many tokens with it.
// Its algorithm must be set. Nobody may change the header afterwards.
func (h Header) Prepared() Header {
	if h.check() == nil && h.Algorithm != "" {
		h.prepared = segment.EncodeToString(h.append(make([]byte, 0, h.size())))
	}
	return h
}

// check refuses a header that nothing can be signed with.
func (h *Header) check() error {
	if h.Typ == "" || !utf8.ValidString(h.Typ) || !utf8.ValidString(h.KeyID) {
		return errors.New("signing a token: typ is missing, or typ or kid is not UTF-8")
	}
	return nil
}

// Object is a JSON object that is well-formed, with unique names, by the way it
// was written, which tests of its writer are to show. [Sign] signs it as it
// stands, without reading it once more.
type Object []byte

// Sign returns claims as a compact JWS (RFC 7515). Claims marshal to a JSON
// object; a [jsontext.Value] is checked and signed as it stands. What was signed
// is verified before it is returned, so that a fault in a key or its module
// cannot leave a token that nobody accepts.
func Sign(s crypto.MessageSigner, h Header, claims any) (string, error) {
	token, err := AppendSigned(nil, 0, s, h, claims)
	return string(token), err
}

// AppendSigned is [Sign] for a token that is part of something longer: it
// appends the token to dst, and leaves room for that many more bytes.
//
// Credentials and status lists are large and made often, so they have this path of
// their own beside golang-jwt's, which would marshal, compact and copy their JSON
// twice: BenchmarkPaths says what that costs.
func AppendSigned(dst []byte, room int, s crypto.MessageSigner, h Header, claims any) ([]byte, error) {
	alg, err := algorithmOf(s)
	if err != nil {
		return nil, fmt.Errorf("signing a token: %w", err)
	}
	if err := h.check(); err != nil {
		return nil, err
	}
	if h.Algorithm != "" && h.Algorithm != alg {
		return nil, fmt.Errorf("signing a token: algorithm %s does not fit a key of %s", h.Algorithm, alg)
	}
	h.Algorithm = alg
	if h.prepared == "" {
		h = h.Prepared()
	}
	payload, err := marshalClaims(claims)
	if err != nil {
		return nil, fmt.Errorf("signing a token: %w", err)
	}
	size := len(h.prepared) + segment.EncodedLen(len(payload)) + segment.EncodedLen(signatureSize(s)) + 2
	dst = slices.Grow(dst, size+room)
	from := len(dst)
	dst = append(dst, h.prepared...)
	dst = append(dst, '.')
	dst = segment.AppendEncode(dst, payload)
	sig, err := signRaw(s, alg, dst[from:])
	if err != nil {
		return nil, fmt.Errorf("signing a token: %w", err)
	}
	dst = append(dst, '.')
	return segment.AppendEncode(dst, sig), nil
}

// signatureSize is how many bytes a signature of a key has.
func signatureSize(s crypto.MessageSigner) int {
	if key, ok := s.Public().(*rsa.PublicKey); ok {
		return key.Size()
	}
	return 64
}

// segment is the base64url of a JWS's parts (RFC 7515 section 2), of which each has
// one encoding.
var segment = base64.RawURLEncoding.Strict()

// marshalClaims returns claims as a JSON object. Those that are JSON already are
// checked as strictly as if they came from outside, and not copied. What else
// is marshalled is escaped so that it can stand in HTML.
func marshalClaims(claims any) ([]byte, error) {
	if o, ok := claims.(Object); ok {
		return o, nil
	}
	raw, encoded := claims.(jsontext.Value)
	if !encoded {
		var err error
		raw, err = json.Marshal(claims, json.Deterministic(true), jsontext.EscapeForHTML(true), jsontext.EscapeForJS(true))
		if err != nil {
			return nil, err
		}
	}
	if len(raw) == 0 || raw[0] != '{' || encoded && !raw.IsValid() {
		return nil, errors.New("claims are not a JSON object with unique names")
	}
	return raw, nil
}

// size is about how long the header is as JSON, in bytes.
func (h *Header) size() int {
	n := 64 + len(h.Algorithm) + len(h.Typ) + len(h.KeyID)
	for _, der := range h.X5C {
		n += base64.StdEncoding.EncodedLen(len(der)) + len(`"",`)
	}
	return n
}

// append appends the header as JSON, its names sorted. Typ and KeyID are UTF-8.
func (h *Header) append(dst []byte) []byte {
	member := func(name, value string) {
		dst = append(dst, name...)
		dst, _ = jsontext.AppendQuote(dst, value) // fails on what is not UTF-8
	}
	member(`{"alg":`, string(h.Algorithm))
	if h.KeyID != "" {
		member(`,"kid":`, h.KeyID)
	}
	member(`,"typ":`, h.Typ)
	for i, der := range h.X5C {
		if i == 0 {
			dst = append(dst, `,"x5c":["`...)
		} else {
			dst = append(dst, `","`...)
		}
		dst = base64.StdEncoding.AppendEncode(dst, der) // not base64url: RFC 7515 section 4.1.6
	}
	if len(h.X5C) > 0 {
		dst = append(dst, `"]`...)
	}
	return append(dst, '}')
}

// Reason says why a token was refused.
type Reason string

// Reasons of [Verify], and of [ParseToken]. The claims of a kind of tokens may have others.
const (
	ReasonMalformed Reason = "token_malformed" // no compact JWS of JSON objects with unique names
	ReasonTooLarge  Reason = "token_too_large"
	ReasonTyp       Reason = "token_typ" // a token of another type
	ReasonAlgorithm Reason = "token_algorithm"
	ReasonCritical  Reason = "token_critical" // it demands an extension
	ReasonKey       Reason = "token_key"      // no key that it may be signed with
	ReasonSignature Reason = "token_signature"

	ReasonClaims   Reason = "token_claims" // one is missing, or of another JSON type
	ReasonIssuer   Reason = "token_issuer"
	ReasonAudience Reason = "token_audience"
	ReasonExpired  Reason = "token_expired"
)

// TokenError says why a token was refused.
type TokenError struct {
	Reason Reason
	Err    error // nil if there is no more to say
}

// Error returns the reason and its cause.
func (e *TokenError) Error() string {
	if e.Err == nil {
		return string(e.Reason)
	}
	return string(e.Reason) + ": " + e.Err.Error()
}

// Unwrap returns the cause; that of token_key is what Expectation.Key returned.
func (e *TokenError) Unwrap() error { return e.Err }

// Expectation says what a token must be. All but Max are required.
type Expectation struct {
	Typ string // exactly this one
	Max int    // bytes; default 64 KiB
	// Key chooses the key by the header and, if it needs to, by the payload: a JSON object
	// that nobody has verified yet. The key, not the header, decides the algorithm.
	Key      func(h Header, unverified []byte) (crypto.PublicKey, error)
	Verifier *Verifier
}

// complete reports whether everything is there that is required.
func (e *Expectation) complete() bool { return e.Typ != "" && e.Key != nil && e.Verifier != nil }

// Verify checks a compact JWS and returns its header and its payload. The header's
// certificates are shared: callers must not change them. The payload is a well-formed JSON
// object without duplicate names. The caller checks its claims. Any crit fails, because no extension is
// understood (RFC 7515 section 4.1.11). Errors: *TokenError, sm2.ErrUndecided.
func Verify(ctx context.Context, token string, e Expectation) (Header, []byte, error) {
	if !e.complete() {
		return Header{}, nil, errors.New("verifying a token: the expectation is incomplete")
	}
	h, err := e.Verifier.readHeader(token, &e)
	if err != nil {
		return Header{}, nil, err
	}
	p, sig, err := decodeRest(token)
	if err != nil {
		return Header{}, nil, err
	}
	pub, err := e.choose(h, p)
	if err != nil {
		return Header{}, nil, err
	}
	err = e.Verifier.verifyText(ctx, pub, token[:strings.LastIndexByte(token, '.')], sig)
	if errors.Is(err, sm2.ErrUndecided) {
		return Header{}, nil, err
	}
	if err != nil {
		return Header{}, nil, &TokenError{ReasonSignature, err}
	}
	e.Verifier.headers.keep(token, h)
	return h, p, nil
}

// choose returns the key for a token with a header, which must be one of the
// header's algorithm.
func (e *Expectation) choose(h Header, payload []byte) (crypto.PublicKey, error) {
	pub, err := e.Key(h, payload)
	if errors.Is(err, sm2.ErrUndecided) {
		return nil, err // of the key's certificate: not a flaw of the token
	}
	if err != nil {
		return nil, &TokenError{ReasonKey, err}
	}
	alg, err := AlgorithmOf(pub)
	if err != nil {
		return nil, &TokenError{ReasonKey, err}
	}
	if h.Algorithm != alg {
		return nil, &TokenError{ReasonAlgorithm, fmt.Errorf("the key is one of %s", alg)}
	}
	return pub, nil
}

// malformed says that a token is not a compact JWS.
func malformed(err error) error { return &TokenError{ReasonMalformed, err} }

// readHeader checks the form of a compact JWS, its size, and its header, which
// must be of the expected type and name an algorithm of this package.
func (v *Verifier) readHeader(token string, e *Expectation) (h Header, err error) {
	if e.Max <= 0 {
		e.Max = 64 << 10
	}
	if len(token) > e.Max {
		return Header{}, &TokenError{Reason: ReasonTooLarge}
	}
	if strings.Count(token, ".") != 2 {
		return Header{}, malformed(errors.New("not three parts"))
	}
	// Go's base64 skips line breaks even when strict.
	if strings.IndexByte(token, '\n') >= 0 || strings.IndexByte(token, '\r') >= 0 {
		return Header{}, malformed(errors.New("line break in token"))
	}
	first, _, _ := strings.Cut(token, ".")
	h, known := v.headers.find(first)
	if !known {
		raw, err := segment.DecodeString(first)
		if err != nil {
			return Header{}, malformed(err)
		}
		if h, err = parseHeader(raw); err != nil {
			return Header{}, err
		}
	}
	if h.Typ != e.Typ {
		return Header{}, &TokenError{Reason: ReasonTyp}
	}
	if h.Algorithm != SM2 && h.Algorithm != ES256 && h.Algorithm != RS256 {
		return Header{}, &TokenError{Reason: ReasonAlgorithm}
	}
	return h, nil
}

// decodeRest returns the payload, a JSON object with unique names, and the signature of
// a token whose header was read.
func decodeRest(token string) (payload, sig []byte, err error) {
	_, rest, _ := strings.Cut(token, ".")
	body, last, _ := strings.Cut(rest, ".")
	if payload, err = segment.DecodeString(body); err != nil {
		return nil, nil, malformed(err)
	}
	if sig, err = segment.DecodeString(last); err != nil {
		return nil, nil, malformed(err)
	}
	if p := jsontext.Value(payload); p.Kind() != '{' || !p.IsValid() {
		return nil, nil, malformed(errors.New("payload is not a JSON object with unique names"))
	}
	return payload, sig, nil
}

func parseHeader(raw []byte) (Header, error) {
	var h struct {
		Typ  string         `json:"typ"`
		Alg  Algorithm      `json:"alg"`
		KID  string         `json:"kid"`
		X5C  [][]byte       `json:"x5c"`
		Crit jsontext.Value `json:"crit"`
	}
	if err := json.Unmarshal(raw, &h); err != nil {
		return Header{}, &TokenError{ReasonMalformed, fmt.Errorf("header: %w", err)}
	}
	if h.Crit != nil {
		return Header{}, &TokenError{Reason: ReasonCritical}
	}
	return Header{Typ: h.Typ, Algorithm: h.Alg, KeyID: h.KID, X5C: h.X5C}, nil
}

// headers keeps the headers of tokens that were verified, by the segment that
// they were read from: all of a key's tokens have the same one, certificates
// and all. What no trusted key signed never gets in. Safe for concurrent use.
type headers struct {
	mu    sync.RWMutex
	known map[string]Header
}

// maxHeaders is how many headers are kept: about 2 KB each.
const maxHeaders = 512

func (k *headers) find(segment string) (Header, bool) {
	k.mu.RLock()
	defer k.mu.RUnlock()
	h, ok := k.known[segment]
	return h, ok
}

// keep keeps the header of a token that was verified.
func (k *headers) keep(token string, h Header) {
	segment, _, _ := strings.Cut(token, ".")
	if _, ok := k.find(segment); ok {
		return
	}
	k.mu.Lock()
	defer k.mu.Unlock()
	if k.known == nil || len(k.known) >= maxHeaders {
		k.known = map[string]Header{}
	}
	k.known[strings.Clone(segment)] = h
}

// signRaw signs a message with a key that must be one of alg, and verifies the
// signature against the signer's own public key. The verifier is one of its
// own: it has no queue to wait in.
func signRaw(s crypto.MessageSigner, alg Algorithm, message []byte) ([]byte, error) {
	sig, err := signMessage(s, alg, message)
	if err != nil {
		return nil, err
	}
	if err := NewVerifier(sm2.Config{}).Verify(context.Background(), s.Public(), message, sig); err != nil {
		return nil, fmt.Errorf("what the key made does not verify: %w", err)
	}
	return rawSignature(alg, sig)
}

// signPassing is signRaw without verifying.
func signPassing(s crypto.MessageSigner, alg Algorithm, message []byte) ([]byte, error) {
	sig, err := signMessage(s, alg, message)
	if err != nil {
		return nil, err
	}
	return rawSignature(alg, sig)
}

func signMessage(s crypto.MessageSigner, alg Algorithm, message []byte) ([]byte, error) {
	var opts crypto.SignerOpts
	if alg != SM2 {
		opts = crypto.SHA256
	}
	return s.SignMessage(rand.Reader, message, opts)
}

// rawSignature turns a signer's signature into that of a JWS.
func rawSignature(alg Algorithm, sig []byte) ([]byte, error) {
	if alg == RS256 {
		return sig, nil
	}
	return sm2.DERToRaw(sig)
}
