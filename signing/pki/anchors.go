package pki

import (
	"bytes"
	"context"
	"crypto/sha256"
	"encoding/asn1"
	"encoding/binary"
	"encoding/pem"
	"errors"
	"fmt"
	"slices"
	"sync"
	"time"

	"github.com/emmansun/gmsm/smx509"

	"yizheng.internal/signing/jose"
	"yizheng.internal/signing/sm2"
)

// PEMType is the type of a certificate's PEM block (RFC 7468 section 5.1).
const PEMType = "CERTIFICATE"

// MaxAnchors is the size of the largest file of anchors that is read, in bytes.
const MaxAnchors = 64 << 10

const (
	maxChain      = 4    // certificates in a chain, its anchor included
	maxRemembered = 1024 // chains that are cached; each takes a few KiB
)

// Anchors are trusted roots. Safe for concurrent use.
type Anchors struct {
	certificates []*Certificate

	mu         sync.RWMutex
	remembered map[[32]byte]verifiedChain
}

// verifiedChain is what is cached of a verified chain: its leaf, and the time during which
// all of its certificates, and the anchor's, are valid.
type verifiedChain struct {
	leaf                *Certificate
	notBefore, notAfter time.Time
}

// ParseAnchors reads PEM certificates: at least one, at most 64 KiB together.
// Each must be of a CA that may certify.
func ParseAnchors(text []byte) (*Anchors, error) {
	if len(text) > MaxAnchors {
		return nil, fmt.Errorf("trust anchors are larger than %d bytes", MaxAnchors)
	}
	a := &Anchors{remembered: make(map[[32]byte]verifiedChain)}
	for {
		block, rest := pem.Decode(text)
		if block == nil {
			break
		}
		text = rest
		if block.Type != PEMType {
			return nil, fmt.Errorf("trust anchors hold a %q, not only certificates", block.Type)
		}
		c, err := ParseCertificate(block.Bytes)
		if err != nil {
			return nil, fmt.Errorf("trust anchor %d: %w", len(a.certificates)+1, err)
		}
		if err := checkCA(c, 0); err != nil {
			return nil, fmt.Errorf("trust anchor %d: %w", len(a.certificates)+1, err)
		}
		if !a.holds(c) {
			a.certificates = append(a.certificates, c)
		}
	}
	switch {
	case bytes.Contains(text, []byte("-----BEGIN")):
		return nil, errors.New("trust anchors end in a damaged PEM block")
	case len(a.certificates) == 0:
		return nil, errors.New("no trust anchor in PEM")
	}
	return a, nil
}

// PEM returns the anchors as ParseAnchors reads them.
func (a *Anchors) PEM() []byte {
	var text []byte
	for _, c := range a.certificates {
		text = append(text, pem.EncodeToMemory(&pem.Block{Type: PEMType, Bytes: c.Raw})...)
	}
	return text
}

// holds reports whether a certificate is itself an anchor.
func (a *Anchors) holds(c *Certificate) bool {
	return slices.ContainsFunc(a.certificates, func(anchor *Certificate) bool { return bytes.Equal(anchor.Raw, c.Raw) })
}

// Reasons of a ChainError that callers tell apart.
const (
	ChainExpired = "chain_expired"
	ChainEarly   = "chain_not_yet_valid"
	ChainUsage   = "chain_key_usage"
)

// ChainError says why a chain is not good. Reason is one of: chain_missing,
// chain_malformed, chain_untrusted, chain_expired, chain_not_yet_valid,
// chain_key_usage, chain_signature.
type ChainError struct {
	Reason string
	Err    error // nil if there is no more to say
}

// Error returns the reason and its cause.
func (e *ChainError) Error() string {
	if e.Err == nil {
		return e.Reason
	}
	return e.Reason + ": " + e.Err.Error()
}

// Unwrap returns the cause.
func (e *ChainError) Unwrap() error { return e.Err }

// Verify checks a chain (leaf first, DER, anchor left out or not, at most 4)
// at a given time and returns the leaf, which the caller must not change.
// Signatures go through v, so that certificates get second opinions, too. A chain that was
// verified is cached, and only its dates are checked again. Errors: *ChainError,
// sm2.ErrUndecided.
//
// It is path validation of RFC 5280 section 6.1 for what is used here: names,
// signatures, dates, basic constraints, key usage. A chain with a critical extension that
// it does not follow fails; name and policy constraints are such. The caller must check
// revocation.
func (a *Anchors) Verify(ctx context.Context, v *jose.Verifier, chain [][]byte, at time.Time) (*Certificate, error) {
	switch {
	case len(chain) == 0:
		return nil, &ChainError{Reason: "chain_missing"}
	case len(chain) > maxChain:
		return nil, &ChainError{"chain_malformed", fmt.Errorf("more than %d certificates", maxChain)}
	}
	key := chainKey(chain)
	a.mu.RLock()
	known, ok := a.remembered[key]
	a.mu.RUnlock()
	if !ok {
		var err error
		if known, err = a.verify(ctx, v, chain); err != nil {
			return nil, err
		}
		a.remember(key, known)
	}
	switch {
	case at.Before(known.notBefore):
		return nil, &ChainError{ChainEarly, fmt.Errorf("valid from %s", known.notBefore.Format(time.RFC3339))}
	case !at.Before(known.notAfter.Add(time.Second)): // the last second is included
		return nil, &ChainError{ChainExpired, fmt.Errorf("valid until %s", known.notAfter.Format(time.RFC3339))}
	}
	return known.leaf, nil
}

// chainKey names a chain by its bytes, each certificate with its length, so
// that no two chains are the same bytes.
func chainKey(chain [][]byte) [32]byte {
	h := sha256.New()
	var size [4]byte
	for _, der := range chain {
		// Lengths above 4 GiB would collide; ParseCertificate refuses such certificates.
		binary.BigEndian.PutUint32(size[:], uint32(len(der)))
		h.Write(size[:])
		h.Write(der)
	}
	return [32]byte(h.Sum(nil))
}

// remember caches a good chain. If there is no room, it takes the place of any other one: a
// registry has as many chains as authorities, so it seldom matters which.
func (a *Anchors) remember(key [32]byte, c verifiedChain) {
	a.mu.Lock()
	defer a.mu.Unlock()
	for old := range a.remembered {
		if len(a.remembered) < maxRemembered {
			break
		}
		delete(a.remembered, old)
	}
	a.remembered[key] = c
}

// verify checks everything but the dates.
func (a *Anchors) verify(ctx context.Context, v *jose.Verifier, chain [][]byte) (verifiedChain, error) {
	path := make([]*Certificate, 0, maxChain+1)
	for _, der := range chain {
		c, err := ParseCertificate(der)
		if err != nil {
			return verifiedChain{}, &ChainError{"chain_malformed", err}
		}
		path = append(path, c)
	}
	if err := checkLeaf(path[0]); err != nil {
		return verifiedChain{}, &ChainError{ChainUsage, err}
	}
	for i, c := range path[1:] {
		if !bytes.Equal(path[i].RawIssuer, c.RawSubject) {
			return verifiedChain{}, &ChainError{"chain_malformed", errors.New("a certificate is not that of the issuer of the one before it")}
		}
		if err := checkCA(c, i); err != nil {
			return verifiedChain{}, &ChainError{ChainUsage, err}
		}
	}
	for i, c := range path[1:] {
		if err := issued(ctx, v, c, path[i]); err != nil {
			return verifiedChain{}, err
		}
	}
	if top := path[len(path)-1]; !a.holds(top) {
		anchor, err := a.issuer(ctx, v, top, len(path)-1)
		if err != nil {
			return verifiedChain{}, err
		}
		path = append(path, anchor)
	}
	known := verifiedChain{leaf: path[0], notBefore: path[0].NotBefore, notAfter: path[0].NotAfter}
	for _, c := range path {
		if err := checkCritical(c); err != nil {
			return verifiedChain{}, &ChainError{"chain_malformed", err}
		}
		if c.NotBefore.After(known.notBefore) {
			known.notBefore = c.NotBefore
		}
		if c.NotAfter.Before(known.notAfter) {
			known.notAfter = c.NotAfter
		}
	}
	return known, nil
}

// issuer returns the anchor that issued a certificate with a number of CAs below it. It
// doesn't try anchors with another key identifier: each signature that doesn't fit costs a
// second opinion.
func (a *Anchors) issuer(ctx context.Context, v *jose.Verifier, c *Certificate, below int) (*Certificate, error) {
	var refused error = &ChainError{Reason: "chain_untrusted"}
	for _, anchor := range a.certificates {
		if !bytes.Equal(anchor.RawSubject, c.RawIssuer) ||
			len(c.AuthorityKeyId) > 0 && len(anchor.SubjectKeyId) > 0 && !bytes.Equal(c.AuthorityKeyId, anchor.SubjectKeyId) {
			continue
		}
		if err := issued(ctx, v, anchor, c); err != nil {
			refused = err
			continue
		}
		if err := checkCA(anchor, below); err != nil {
			return nil, &ChainError{ChainUsage, err}
		}
		return anchor, nil
	}
	return nil, refused
}

// issued checks that issuer's key signed c.
func issued(ctx context.Context, v *jose.Verifier, issuer, c *Certificate) error {
	if !signedBy(c.SignatureAlgorithm, issuer.PublicKey) {
		return &ChainError{"chain_signature", errors.New("its algorithm is not that of the issuer's key")}
	}
	err := v.Verify(ctx, issuer.PublicKey, c.RawTBSCertificate, c.Signature)
	if err == nil || errors.Is(err, sm2.ErrUndecided) {
		return err
	}
	return &ChainError{"chain_signature", err}
}

// checkLeaf checks that a certificate's key may sign documents, but no certificates. Key usage
// must be there: GB/T 20518 demands it, though RFC 5280 does not.
func checkLeaf(c *Certificate) error {
	switch {
	case c.IsCA || c.KeyUsage&smx509.KeyUsageCertSign != 0:
		return errors.New("the leaf is a CA's certificate")
	case c.KeyUsage&smx509.KeyUsageDigitalSignature == 0:
		return errors.New("the leaf's key is not for digital signatures")
	}
	return nil
}

// checkCA checks that a certificate is a CA's and allows as many CAs below it as there are. It
// counts CAs that issued themselves a new key, too, which RFC 5280 does not.
func checkCA(c *Certificate, below int) error {
	switch {
	case c.Version != 3 || !c.BasicConstraintsValid || !c.IsCA:
		return errors.New("the issuer is not a CA")
	case c.KeyUsage&smx509.KeyUsageCertSign == 0:
		return errors.New("the issuer's key is not for certificates")
	case (c.MaxPathLen > 0 || c.MaxPathLenZero) && below > c.MaxPathLen:
		return errors.New("the issuer does not allow as many CAs below it")
	}
	return nil
}

// followed are the extensions of RFC 5280 section 4.2.1 that are checked here, and certificate
// policies, which need no check here.
var followed = []asn1.ObjectIdentifier{
	{2, 5, 29, 15}, // keyUsage
	{2, 5, 29, 17}, // subjectAltName
	{2, 5, 29, 19}, // basicConstraints
	{2, 5, 29, 32}, // certificatePolicies
}

// checkCritical refuses critical extensions that aren't followed. smx509 has such a list, but
// counts name constraints as handled, which it handles only when it builds paths itself.
func checkCritical(c *Certificate) error {
	for _, e := range c.Extensions {
		if e.Critical && !slices.ContainsFunc(followed, e.Id.Equal) {
			return fmt.Errorf("critical extension %v is not understood", e.Id)
		}
	}
	return nil
}
