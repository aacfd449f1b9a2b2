package signing

import (
	"context"
	"crypto"
)

// Token types: the "typ" of every kind of token, one a kind, so that none can
// be taken for another.
const (
	TypAccessToken = "at+jwt"         // RFC 9068
	TypIDToken     = "JWT"            // OpenID Connect Core
	TypLogoutToken = "logout+jwt"     // Back-Channel Logout
	TypCredential  = "dc+sd-jwt"      // SD-JWT VC
	TypKeyBinding  = "kb+jwt"         // RFC 9901
	TypStatusList  = "statuslist+jwt" // Token Status List
)

// Header is a JOSE header. Key references other than kid and x5c (jku, jwk,
// x5u) are never followed.
type Header struct {
	Typ       string
	Algorithm Algorithm
	KeyID     string
	X5C       [][]byte // DER, leaf first
}

// Sign returns claims as a compact JWS. Claims marshal to a JSON object.
func Sign(s crypto.MessageSigner, h Header, claims any) (string, error) { return "", errUnbuilt }

// TokenError says why a token was refused. Reason is one of: token_malformed,
// token_too_large, token_typ, token_algorithm, token_critical, token_key, token_signature.
type TokenError struct {
	Reason string
	Err    error
}

func (e *TokenError) Error() string { return e.Reason }
func (e *TokenError) Unwrap() error { return e.Err }

// Expectation says what a token must be. All but Max are required.
type Expectation struct {
	Typ string // exactly this one
	Max int    // bytes; default 64 KiB
	// Key chooses the key from the header. The key, not the header, decides
	// the algorithm.
	Key      func(Header) (crypto.PublicKey, error)
	Verifier *Verifier
}

// Verify checks a compact JWS and returns its header and its payload's bytes,
// which are well-formed JSON without duplicate names. It checks no claim: that
// is the caller's. An unknown crit fails. Errors: *TokenError, ErrUndecided.
func Verify(ctx context.Context, token string, e Expectation) (Header, []byte, error) {
	return Header{}, nil, errUnbuilt
}
