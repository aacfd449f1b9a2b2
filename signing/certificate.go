package signing

import (
	"context"
	"crypto"
	"time"

	"github.com/emmansun/gmsm/smx509"
)

// Profile says what a certificate's key may do. It stands in the certificate
// as a subject alternative name, urn:yizheng:key:PROFILE.
type Profile string

const (
	ProfileRoot        Profile = "root"
	ProfileAuthority   Profile = "authority"
	ProfileAttestation Profile = "attestation"
	ProfileStatus      Profile = "status"
)

// Subject is whom a certificate names.
type Subject struct {
	Name string // the department's name, as O and CN
	USCC string // its unified social credit code, as organizationIdentifier (2.5.4.97)
}

// Certificate is a parsed certificate.
type Certificate struct {
	*smx509.Certificate
	Subject Subject // shadows the X.509 name
	Profile Profile // empty in a foreign certificate
}

// ParseCertificate reads one DER certificate of at most 16 KiB, and nothing
// behind it. SM2 signature parameters may be absent or NULL (GM/T 0015).
func ParseCertificate(der []byte) (*Certificate, error) { return nil, errUnbuilt }

// CA certifies keys with a root key.
type CA struct {
	Certificate *Certificate
	Signer      crypto.MessageSigner
}

// NewRoot makes a self-signed root certificate and returns its DER.
func NewRoot(s crypto.MessageSigner, subject Subject, notBefore, notAfter time.Time) ([]byte, error) {
	return nil, errUnbuilt
}

// Certify returns a certificate (DER) for pub: digitalSignature and
// nonRepudiation, not a CA. What it made is verified before it is returned.
func (ca *CA) Certify(pub crypto.PublicKey, s Subject, p Profile, notBefore, notAfter time.Time) ([]byte, error) {
	return nil, errUnbuilt
}

// Anchors are trusted roots.
type Anchors struct{}

// ParseAnchors reads PEM certificates: at least one, at most 64 KiB together.
func ParseAnchors(pem []byte) (*Anchors, error) { return nil, errUnbuilt }

// PEM returns the anchors as ParseAnchors reads them.
func (a *Anchors) PEM() []byte { return nil }

// ChainError says why a chain is not good. Reason is one of: chain_missing,
// chain_malformed, chain_untrusted, chain_expired, chain_not_yet_valid,
// chain_key_usage, chain_signature.
type ChainError struct {
	Reason string
	Err    error
}

func (e *ChainError) Error() string { return e.Reason }
func (e *ChainError) Unwrap() error { return e.Err }

// Verify checks a chain (leaf first, DER, anchor left out or not, at most 4)
// at a given time and returns the leaf. Signatures go through v, so that a
// certificate, too, gets its second opinion; ErrUndecided passes through. What
// was verified once is remembered, apart from the dates.
func (a *Anchors) Verify(ctx context.Context, v *Verifier, chain [][]byte, at time.Time) (*Certificate, error) {
	return nil, errUnbuilt
}
