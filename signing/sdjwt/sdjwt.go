// Package sdjwt issues, presents and verifies SD-JWTs (RFC 9901): JSON Web Tokens whose
// holder decides which claims a verifier sees.
//
// The issuer marks claims with [Selective], packs them with [PackJSON], signs the
// payload and joins both with [Combine]. A verifier takes the token apart with [Parse],
// verifies the signature of Token.JWS with
// [jose.Verify], and only then gives the verified payload to
// [Token.Resolve]. The holder withholds with [Token.Present] and proves
// possession of a key with [Token.Bind], which the verifier checks with
// [Token.CheckBinding].
//
// Tokens from outside are limited in size, number and depth before they cost anything. Their
// JSON is strict: duplicate names, invalid UTF-8, and base64url in another than its canonical
// form are refused.
package sdjwt

import (
	"crypto/sha256"
	"encoding/base64"
	"fmt"
	"hash"
	"strconv"

	"github.com/emmansun/gmsm/sm3"
	"github.com/go-json-experiment/json"
)

// Hash names the hash algorithm of an SD-JWT by its "_sd_alg" value (RFC 9901
// section 4.1.1).
type Hash string

const (
	// SHA256 is the algorithm of a token without "_sd_alg". Everybody supports it.
	SHA256 Hash = "sha-256"
	// SM3 is GB/T 32905, under its name in IANA's hash function registries.
	SM3 Hash = "sm3"
)

// hashSize is the length of a digest, in bytes, under either algorithm.
const hashSize = 32

// valid reports whether h is an algorithm this package knows.
func (h Hash) valid() bool { return h == SHA256 || h == SM3 }

// digest returns the base64url digest of message. The caller has checked that h
// is valid.
func (h Hash) digest(message []byte) string {
	text := newDigester(h).digest(message)
	return string(text[:])
}

// digester computes many digests with one state.
type digester struct {
	state hash.Hash
	sum   [hashSize]byte
	text  [digestLen]byte
}

// newDigester returns a digester of an algorithm, which the caller has checked.
func newDigester(h Hash) *digester {
	if h == SM3 {
		return &digester{state: sm3.New()}
	}
	return &digester{state: sha256.New()}
}

// digest returns the base64url digest of message.
func (d *digester) digest(message []byte) [digestLen]byte {
	d.state.Reset()
	d.state.Write(message)
	encoding.Encode(d.text[:], d.state.Sum(d.sum[:0]))
	return d.text
}

// encoding is base64url without padding (RFC 7515 section 2). Trailing bits must be zero, so
// that every value has one form. But it skips line breaks, so readers check the length of the
// result.
var encoding = base64.RawURLEncoding.Strict()

// digestLen is the length of a digest in base64url.
const digestLen = (hashSize*8 + 5) / 6

// Names that carry digests (RFC 9901 sections 4.1.1 and 4.2.4). No claim may
// have one of them.
const (
	nameDigests = "_sd"
	nameElement = "..."
	nameHash    = "_sd_alg"
)

// reserved reports whether name is one that no claim may have.
func reserved(name string) bool {
	return name == nameDigests || name == nameElement || name == nameHash
}

// Selective marks an object member's value or an array element that the holder
// may withhold. It has a meaning only inside map[string]any and []any.
type Selective struct{ Value any }

// MarshalJSON always fails. If a Selective reaches an encoder, Pack has overlooked it, and
// encoding it would disclose a claim that should be withheld.
func (Selective) MarshalJSON() ([]byte, error) {
	return nil, fail("claim_malformed", "a selective value lies where Pack does not look")
}

// Number is a JSON number exactly as it was written, so that no digit is lost.
// Unlike encoding/json's Number it stays a number under encoding/json/v2.
type Number string

// Int64 returns the number, if it is written as an integer that fits.
func (n Number) Int64() (int64, error) { return strconv.ParseInt(string(n), 10, 64) }

// Float64 returns the float64 nearest to the number, or an error if it is too large.
func (n Number) Float64() (float64, error) { return strconv.ParseFloat(string(n), 64) }

// MarshalJSON returns the number as it was written.
func (n Number) MarshalJSON() ([]byte, error) { return []byte(n), nil }

var _ json.Marshaler = Number("")

// Limits bound what a token may cost. Zero fields take their defaults.
type Limits struct {
	Bytes       int // of the whole token; default 64 KiB
	Disclosures int // default 1024
	Depth       int // of nested objects and arrays, the payload itself being 1; default 16
}

const (
	defaultBytes       = 64 << 10
	defaultDisclosures = 1024
	defaultDepth       = 16
)

// withDefaults returns l with its zero fields filled in.
func (l Limits) withDefaults() Limits {
	if l.Bytes <= 0 {
		l.Bytes = defaultBytes
	}
	if l.Disclosures <= 0 {
		l.Disclosures = defaultDisclosures
	}
	if l.Depth <= 0 {
		l.Depth = defaultDepth
	}
	return l
}

// Reason says why an SD-JWT was refused; [Error] lists them.
type Reason string

// ReasonTooLarge says that an SD-JWT, made or read, is too long or has too many parts. It has a
// name because callers test for it.
const ReasonTooLarge Reason = "sdjwt_too_large"

// Error says why a token, or claims to be packed, were refused. Its text holds
// no claim. Reason is one of
//
//	sdjwt_malformed          not of the form of RFC 9901 section 4, or digests where none may be
//	sdjwt_too_large          more bytes or disclosures than the limits allow
//	sdjwt_depth              nested deeper than the limits allow
//	hash_unknown             an _sd_alg other than sha-256 and sm3
//	disclosure_malformed     not base64url of a JSON array of the right kind
//	disclosure_duplicate     the same disclosure twice
//	disclosure_unreferenced  a disclosure that no digest leads to
//	digest_duplicate         the same digest twice
//	claim_collision          a disclosed claim that is there already
//	claim_reserved           a claim to be packed is named _sd, ... or _sd_alg
//	claim_malformed          a claim to be packed has no JSON form
//	binding_missing          no key binding JWT
//	binding_key              no usable key in cnf.jwk (RFC 7800)
//	binding_malformed        a key binding JWT without the claims of section 4.3
//	binding_signature        not signed by that key, or of another type
//	binding_audience         meant for someone else
//	binding_nonce            made for another transaction
//	binding_expired          too old, or not yet valid
//	binding_hash             made for another SD-JWT, or another selection
type Error struct {
	Reason Reason
	Err    error // details for operators; may be nil
}

// Error returns the reason and its details.
func (e *Error) Error() string {
	if e.Err == nil {
		return string(e.Reason)
	}
	return string(e.Reason) + ": " + e.Err.Error()
}

// Unwrap returns the details.
func (e *Error) Unwrap() error { return e.Err }

// fail returns an *Error. Its text must hold no claim's name or value.
func fail(reason Reason, format string, args ...any) *Error {
	return &Error{Reason: reason, Err: fmt.Errorf(format, args...)}
}
