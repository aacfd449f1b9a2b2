// Package pki makes and verifies certificates, which say whose a key is. It has the CA that
// certifies keys, the profiles of those keys, the anchors at which a chain ends, and
// revocation lists (RFC 5280, GB/T 20518). Keys are of SM2 or P-256.
//
// It reads and writes no files and keeps no keys: signing/installation and signing/keystore do.
package pki

import (
	"crypto/ecdsa"
	"crypto/elliptic"
	"encoding/asn1"
	"errors"
	"fmt"
	"slices"
	"strings"

	"github.com/emmansun/gmsm/smx509"
	"golang.org/x/crypto/cryptobyte"
	tag "golang.org/x/crypto/cryptobyte/asn1"

	"yizheng.internal/signing/jose"
	"yizheng.internal/signing/sm2"
)

// Profile says what a certificate's key may do. It stands in the certificate
// as a subject alternative name, urn:yizheng:key:PROFILE.
type Profile string

// The profiles of the certificates made here.
const (
	ProfileRoot        Profile = "root"        // certifies
	ProfileAuthority   Profile = "authority"   // signs a department's credentials
	ProfileAttestation Profile = "attestation" // signs what the registry collected
	ProfileStatus      Profile = "status"      // signs status lists
)

// profileURN is what a profile's name follows in a certificate.
const profileURN = "urn:yizheng:key:"

// maxCertificate is the size of the largest certificate read, in bytes.
const maxCertificate = 16 << 10

// Subject is whom a certificate names.
type Subject struct {
	Name string // the department's name, as O and CN; 1 to 64 characters
	USCC string // its unified social credit code, as organizationIdentifier (2.5.4.97)
}

// Certificate is a parsed certificate. Its public key is of SM2 or P-256.
type Certificate struct {
	*smx509.Certificate
	Subject Subject // shadows the X.509 name
	Profile Profile // empty in a foreign certificate
}

// ParseCertificate reads one DER certificate of at most 16 KiB, and nothing
// behind it. SM2 signature parameters may be absent or NULL (GM/T 0015). It
// checks the form and the key, no signature: that is [Anchors.Verify].
func ParseCertificate(der []byte) (*Certificate, error) {
	if len(der) > maxCertificate {
		return nil, fmt.Errorf("certificate is larger than %d bytes", maxCertificate)
	}
	if err := checkSigned(der); err != nil {
		return nil, fmt.Errorf("certificate: %w", err)
	}
	parsed, err := guarded(der, smx509.ParseCertificate)
	if err != nil {
		return nil, fmt.Errorf("certificate: %w", err)
	}
	if _, _, err := jose.PointOf(parsed.PublicKey); err != nil {
		return nil, fmt.Errorf("certificate: %w", err)
	}
	profile, err := profileOf(parsed)
	if err != nil {
		return nil, fmt.Errorf("certificate: %w", err)
	}
	return &Certificate{Certificate: parsed, Subject: subjectOf(parsed), Profile: profile}, nil
}

// guarded runs a parser of smx509 and turns a panic into an error: other parsers of that
// library are known to panic on hostile bytes.
func guarded[T any](der []byte, parse func([]byte) (T, error)) (parsed T, err error) {
	defer func() {
		if p := recover(); p != nil {
			err = fmt.Errorf("malformed: %v", p)
		}
	}()
	return parse(der)
}

var (
	oidSM2WithSM3      = asn1.ObjectIdentifier{1, 2, 156, 10197, 1, 501}
	oidECDSAWithSHA256 = asn1.ObjectIdentifier{1, 2, 840, 10045, 4, 3, 2}
	oidOrganizationID  = asn1.ObjectIdentifier{2, 5, 4, 97}
)

// checkSigned checks what smx509 leaves open in the outer structure that
// certificates and revocation lists share, SIGNED of X.509: that nothing stands
// behind its three parts, that the algorithm is one of ours, and that its
// parameters are absent or, for SM2, NULL (some CAs write it, some don't).
func checkSigned(der []byte) error {
	input, body := cryptobyte.String(der), cryptobyte.String(nil)
	var algorithm, bits cryptobyte.String
	if !input.ReadASN1(&body, tag.SEQUENCE) || !input.Empty() ||
		!body.SkipASN1(tag.SEQUENCE) ||
		!body.ReadASN1(&algorithm, tag.SEQUENCE) ||
		!body.ReadASN1(&bits, tag.BIT_STRING) || !body.Empty() {
		return errors.New("malformed, or bytes behind it")
	}
	// A bit string may have unused bits, which parsers ignore. Then one certificate would have
	// several encodings, and revoking it would name only one of them.
	if len(bits) == 0 || bits[0] != 0 {
		return errors.New("signature is not of whole bytes")
	}
	var oid asn1.ObjectIdentifier
	if !algorithm.ReadASN1ObjectIdentifier(&oid) {
		return errors.New("malformed signature algorithm")
	}
	var null cryptobyte.String
	switch {
	case algorithm.Empty() && (oid.Equal(oidSM2WithSM3) || oid.Equal(oidECDSAWithSHA256)):
		return nil
	case oid.Equal(oidSM2WithSM3) && algorithm.ReadASN1(&null, tag.NULL) && null.Empty() && algorithm.Empty():
		return nil
	}
	return fmt.Errorf("signature algorithm %v, or its parameters, is not one used here", oid)
}

// signedBy reports whether a certificate's or list's signature algorithm is
// that of a public key.
func signedBy(a smx509.SignatureAlgorithm, pub any) bool {
	key, ok := pub.(*ecdsa.PublicKey)
	switch {
	case !ok:
		return false
	case a == smx509.SM2WithSM3:
		return sm2.HasCurve(key)
	case a == smx509.ECDSAWithSHA256:
		return key.Curve == elliptic.P256()
	}
	return false
}

// subjectOf returns the last O (or, without one, the CN) and the last
// organizationIdentifier of a certificate's subject.
func subjectOf(c *smx509.Certificate) Subject {
	s := Subject{Name: c.Subject.CommonName}
	if n := len(c.Subject.Organization); n > 0 {
		s.Name = c.Subject.Organization[n-1]
	}
	for _, a := range c.Subject.Names {
		if text, ok := a.Value.(string); ok && a.Type.Equal(oidOrganizationID) {
			s.USCC = text
		}
	}
	return s
}

// profileOf returns the profile that a certificate names. Two profiles are an error, and an
// unknown one is, too: otherwise nobody would notice the mistake.
func profileOf(c *smx509.Certificate) (Profile, error) {
	var profile Profile
	for _, uri := range c.URIs {
		name, ok := strings.CutPrefix(uri.String(), profileURN)
		if !ok {
			continue
		}
		if profile != "" || !slices.Contains([]Profile{ProfileRoot, ProfileAuthority, ProfileAttestation, ProfileStatus}, Profile(name)) {
			return "", errors.New("names more than one key profile, or an unknown one")
		}
		profile = Profile(name)
	}
	return profile, nil
}
