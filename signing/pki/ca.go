package pki

import (
	"context"
	"crypto"
	"crypto/rand"
	"crypto/sha256"
	"crypto/x509/pkix"
	"errors"
	"fmt"
	"math/big"
	"net/url"
	"slices"
	"strings"
	"time"
	"unicode/utf8"

	"github.com/emmansun/gmsm/smx509"

	"yizheng.internal/signing/jose"
	"yizheng.internal/signing/sm2"
)

// CA certifies keys with a root key.
type CA struct {
	Certificate *Certificate
	Signer      crypto.MessageSigner
	// ListURL is where the CA's revocation list is served. It is written into the
	// certificates made (RFC 5280 section 4.2.1.13); empty: they name no place.
	ListURL string
}

// ClockSkew is how far back certificates begin, for nodes whose clocks lag.
const ClockSkew = 5 * time.Minute

// leafProfiles are those of the keys that a CA certifies.
var leafProfiles = []Profile{ProfileAuthority, ProfileAttestation, ProfileStatus}

// rootCommonName is the common name of every root made here. So a root's subject differs from
// that of every key it certifies. If both were the same, some verifiers would take the key's
// certificate for a self-issued one and not find its issuer.
const rootCommonName = "电子证照库根证书"

// NewRoot makes a self-signed root certificate and returns its DER. It may
// certify keys, and other CAs one level deep, and sign revocation lists (RFC
// 5280 section 4.2.1.3 and 4.2.1.9).
func NewRoot(s crypto.MessageSigner, subject Subject, notBefore, notAfter time.Time) ([]byte, error) {
	template, err := newTemplate(s.Public(), subject, ProfileRoot, notBefore, notAfter)
	if err != nil {
		return nil, fmt.Errorf("making a root certificate: %w", err)
	}
	template.Subject.CommonName = rootCommonName
	asRoot(template)
	der, err := makeCertificate(template, template, s.Public(), s)
	if err != nil {
		return nil, fmt.Errorf("making a root certificate: %w", err)
	}
	return der, nil
}

// asRoot turns a template into that of a self-signed CA.
func asRoot(template *smx509.Certificate) {
	template.IsCA, template.MaxPathLen = true, 1
	template.KeyUsage = smx509.KeyUsageCertSign | smx509.KeyUsageCRLSign
	template.AuthorityKeyId = template.SubjectKeyId
}

// Certify returns a certificate (DER) for pub: digitalSignature and
// nonRepudiation, not a CA (GB/T 20518, GM/T 0015). It must not outlive the
// CA's own. An authority must have a USCC, because its licenses are checked against that.
// The certificate is verified before it is returned.
func (ca *CA) Certify(pub crypto.PublicKey, s Subject, p Profile, notBefore, notAfter time.Time) ([]byte, error) {
	template, err := newTemplate(pub, s, p, notBefore, notAfter)
	switch {
	case err != nil:
	case !slices.Contains(leafProfiles, p):
		err = fmt.Errorf("profile %q is not one to certify", p)
	case p == ProfileAuthority && s.USCC == "":
		err = errors.New("an authority needs its unified social credit code")
	case template.NotAfter.After(ca.Certificate.NotAfter):
		err = fmt.Errorf("it would be valid longer than the CA's, which ends %s", ca.Certificate.NotAfter.Format(time.RFC3339))
	}
	if err != nil {
		return nil, fmt.Errorf("certifying a key: %w", err)
	}
	template.KeyUsage = smx509.KeyUsageDigitalSignature | smx509.KeyUsageContentCommitment
	// smx509 leaves the authority key identifier out if subject and issuer have the same name,
	// as under roots of earlier versions. RFC 5280 section 4.2.1.1 wants it in all
	// certificates but self-signed ones.
	template.AuthorityKeyId = ca.Certificate.SubjectKeyId
	if ca.ListURL != "" {
		template.CRLDistributionPoints = []string{ca.ListURL}
	}
	der, err := makeCertificate(template, ca.Certificate.Certificate, pub, ca.Signer)
	if err != nil {
		return nil, fmt.Errorf("certifying a key: %w", err)
	}
	return der, nil
}

// newTemplate returns what every certificate made here has.
func newTemplate(pub crypto.PublicKey, s Subject, p Profile, notBefore, notAfter time.Time) (*smx509.Certificate, error) {
	if err := s.check(); err != nil {
		return nil, err
	}
	// Certificates count in seconds, and in UTC.
	notBefore, notAfter = notBefore.UTC().Truncate(time.Second), notAfter.UTC().Truncate(time.Second)
	if !notBefore.Before(notAfter) || notBefore.Year() < 1950 || notAfter.Year() > 9999 {
		return nil, errors.New("its time of validity is empty or not one that X.509 can write")
	}
	point, _, err := jose.PointOf(pub)
	if err != nil {
		return nil, err
	}
	keyID := sha256.Sum256(point) // RFC 7093 section 2, method 1
	serial := make([]byte, 16)    // RFC 5280 section 4.1.2.2 wants at most 20
	_, _ = rand.Read(serial)      // crashes rather than fails
	serial[0] |= 1                // never zero, and always of about the same length
	return &smx509.Certificate{
		SerialNumber:          new(big.Int).SetBytes(serial),
		Subject:               s.name(),
		NotBefore:             notBefore,
		NotAfter:              notAfter,
		BasicConstraintsValid: true,
		SubjectKeyId:          keyID[:20],
		URIs:                  []*url.URL{{Scheme: "urn", Opaque: strings.TrimPrefix(profileURN, "urn:") + string(p)}},
	}, nil
}

// makeCertificate signs a template, and parses and verifies the result.
func makeCertificate(template, parent *smx509.Certificate, pub crypto.PublicKey, s crypto.MessageSigner) ([]byte, error) {
	der, err := smx509.CreateCertificate(rand.Reader, template, parent, pub, s)
	if err != nil {
		return nil, err
	}
	made, err := ParseCertificate(der)
	if err != nil {
		return nil, err
	}
	err = jose.NewVerifier(sm2.Config{}).Verify(context.Background(), s.Public(), made.RawTBSCertificate, made.Signature)
	if err != nil {
		return nil, err
	}
	return der, nil
}

// check checks a subject for a certificate to be made. The code must have the right form. Its
// check character was checked when the department was registered.
func (s Subject) check() error {
	// ub-organization-name and ub-common-name of RFC 5280 appendix A.1.
	if n := utf8.RuneCountInString(s.Name); n < 1 || n > 64 || !utf8.ValidString(s.Name) || strings.ContainsFunc(s.Name, isControl) {
		return errors.New("the subject's name is not 1 to 64 printable characters")
	}
	if s.USCC == "" {
		return nil
	}
	outside := func(r rune) bool { return (r < '0' || r > '9') && (r < 'A' || r > 'Z') }
	if len(s.USCC) != 18 || strings.ContainsFunc(s.USCC, outside) {
		return errors.New("the subject's unified social credit code is not 18 digits and capital letters")
	}
	return nil
}

func isControl(r rune) bool { return r < 0x20 || r >= 0x7f && r < 0xa0 }

// name returns the subject as an X.509 name: C, O, CN, organizationIdentifier.
func (s Subject) name() pkix.Name {
	name := pkix.Name{Country: []string{"CN"}, Organization: []string{s.Name}, CommonName: s.Name}
	if s.USCC != "" {
		name.ExtraNames = []pkix.AttributeTypeAndValue{{Type: oidOrganizationID, Value: s.USCC}}
	}
	return name
}
