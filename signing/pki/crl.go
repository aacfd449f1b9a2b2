package pki

import (
	"bytes"
	"context"
	"crypto/rand"
	"errors"
	"fmt"
	"math/big"
	"slices"
	"time"

	"github.com/emmansun/gmsm/smx509"

	"yizheng.internal/signing/jose"
	"yizheng.internal/signing/sm2"
)

// Revocation is one entry of a revocation list.
type Revocation struct {
	Serial *big.Int  // of the certificate
	At     time.Time // since when it is revoked; whole seconds
	Reason string    // RFC 5280 section 5.3.1, e.g. keyCompromise; empty is unspecified
}

// RevocationList is a parsed revocation list whose signature was verified.
type RevocationList struct {
	Number     *big.Int // of this list; later lists have higher ones
	ThisUpdate time.Time
	NextUpdate time.Time // when it is out of date
	Entries    []Revocation
	Raw        []byte // DER
	Partial    bool   // it says that it may not have all: a deltaCRLIndicator or an issuingDistributionPoint
}

// reasonCodes are the names of CRLReason by code. 7 is not used, and 8
// (removeFromCRL) is for delta lists only.
var reasonCodes = [...]string{
	0: "unspecified", 1: KeyCompromise, 2: "cACompromise", 3: "affiliationChanged",
	4: "superseded", 5: "cessationOfOperation", 6: "certificateHold",
	9: "privilegeWithdrawn", 10: "aACompromise",
}

// KeyCompromise says that somebody else may have the key. Then nothing that it ever signed is
// trusted.
const KeyCompromise = "keyCompromise"

// maxRevocationList is the size of the largest list read: about 100,000 entries.
const maxRevocationList = 4 << 20

// RevocationList returns a complete list (DER) of the CA's revoked
// certificates, RFC 5280 section 5. The list is verified before it is returned.
func (ca *CA) RevocationList(entries []Revocation, number int64, thisUpdate, nextUpdate time.Time) ([]byte, error) {
	template := &smx509.RevocationList{Number: big.NewInt(number), ThisUpdate: thisUpdate, NextUpdate: nextUpdate}
	if number < 0 || !thisUpdate.Before(nextUpdate) {
		return nil, errors.New("making a revocation list: its number is negative or its time empty")
	}
	for _, e := range entries {
		code := 0
		if e.Reason != "" {
			code = slices.Index(reasonCodes[:], e.Reason)
		}
		if code < 0 || e.Serial == nil {
			return nil, fmt.Errorf("making a revocation list: no serial, or reason %q is unknown", e.Reason)
		}
		template.RevokedCertificateEntries = append(template.RevokedCertificateEntries,
			smx509.RevocationListEntry{SerialNumber: e.Serial, RevocationTime: e.At, ReasonCode: code})
	}
	der, err := smx509.CreateRevocationList(rand.Reader, template, ca.Certificate.Certificate, ca.Signer)
	if err != nil {
		return nil, fmt.Errorf("making a revocation list: %w", err)
	}
	if _, err := ParseRevocationList(context.Background(), der, ca.Certificate, jose.NewVerifier(sm2.Config{})); err != nil {
		return nil, fmt.Errorf("making a revocation list: %w", err)
	}
	return der, nil
}

// ParseRevocationList reads a list (DER, at most 4 MiB) that issuer signed. The caller must
// have verified the issuer, and decides whether the list is out of date. Delta and indirect
// lists, which critical extensions mark, are refused. Errors: sm2.ErrSignature and
// sm2.ErrUndecided, wrapped, or what is wrong with the form.
func ParseRevocationList(ctx context.Context, der []byte, issuer *Certificate, v *jose.Verifier) (*RevocationList, error) {
	if len(der) > maxRevocationList {
		return nil, fmt.Errorf("revocation list is larger than %d bytes", maxRevocationList)
	}
	if err := checkSigned(der); err != nil {
		return nil, fmt.Errorf("revocation list: %w", err)
	}
	parsed, err := guarded(der, smx509.ParseRevocationList)
	switch {
	case err != nil:
		return nil, fmt.Errorf("revocation list: %w", err)
	case !bytes.Equal(parsed.RawIssuer, issuer.RawSubject):
		return nil, errors.New("revocation list is of another issuer")
	case issuer.KeyUsage&smx509.KeyUsageCRLSign == 0:
		return nil, errors.New("revocation list: the issuer's key is not for revocation lists")
	case !signedBy(parsed.SignatureAlgorithm, issuer.PublicKey):
		return nil, fmt.Errorf("revocation list: %w: its algorithm is not that of the issuer's key", sm2.ErrSignature)
	case parsed.Number == nil || parsed.NextUpdate.IsZero():
		return nil, errors.New("revocation list has no number or no next update")
	}
	if err := v.Verify(ctx, issuer.PublicKey, parsed.RawTBSRevocationList, parsed.Signature); err != nil {
		return nil, fmt.Errorf("revocation list: %w", err)
	}
	list := &RevocationList{Number: parsed.Number, ThisUpdate: parsed.ThisUpdate, NextUpdate: parsed.NextUpdate, Raw: der}
	for _, e := range parsed.Extensions {
		if e.Critical {
			return nil, fmt.Errorf("revocation list: critical extension %v is not understood", e.Id)
		}
		list.Partial = list.Partial || e.Id.String() == "2.5.29.27" || e.Id.String() == "2.5.29.28"
	}
	for _, e := range parsed.RevokedCertificateEntries {
		for _, x := range e.Extensions {
			if x.Critical {
				return nil, fmt.Errorf("revocation list: critical extension %v of an entry is not understood", x.Id)
			}
		}
		if e.ReasonCode < 0 || e.ReasonCode >= len(reasonCodes) || reasonCodes[e.ReasonCode] == "" {
			return nil, fmt.Errorf("revocation list: reason %d is unknown", e.ReasonCode)
		}
		list.Entries = append(list.Entries, Revocation{e.SerialNumber, e.RevocationTime, reasonCodes[e.ReasonCode]})
	}
	return list, nil
}
