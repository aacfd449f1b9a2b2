package pki

import (
	"bytes"
	"encoding/hex"
	"encoding/pem"
	"strings"
	"testing"
	"time"

	"github.com/emmansun/gmsm/smx509"

	"yizheng.internal/signing/signingtest"
)

// sameNameCA is a root as versions before this one made it: its subject is the
// registry's, which the registry's own certificates carry too.
func sameNameCA(t testing.TB, registry Subject, now time.Time) *CA {
	t.Helper()
	key := signingtest.NewSM2(t)
	template, err := newTemplate(key.Public(), registry, ProfileRoot, now.Add(-time.Hour), now.AddDate(1, 0, 0))
	if err != nil {
		t.Fatal(err)
	}
	asRoot(template)
	der, err := makeCertificate(template, template, key.Public(), key)
	if err != nil {
		t.Fatal(err)
	}
	return &CA{Certificate: mustParse(t, der), Signer: key}
}

// TestInteropOpenSSLEveryKind has openssl verify every kind of certificate that
// is made here: with the strict checks of RFC 5280, and with the revocation list.
func TestInteropOpenSSLEveryKind(t *testing.T) {
	registry, now := Subject{Name: "样例证照库", USCC: "11990000MB0000000X"}, time.Now()
	rootKey := signingtest.NewSM2(t)
	rootDER, err := NewRoot(rootKey, registry, now.Add(-time.Hour), now.AddDate(1, 0, 0))
	if err != nil {
		t.Fatal(err)
	}
	for name, ca := range map[string]*CA{
		"a root of now":              {Certificate: mustParse(t, rootDER), Signer: rootKey},
		"a root of earlier versions": sameNameCA(t, registry, now),
	} {
		t.Run(name, func(t *testing.T) {
			ca.ListURL = "https://license.example.gov/v1/trust/crl/root-1.crl"
			everyKind(t, ca, registry, now)
		})
	}
}

func everyKind(t *testing.T, ca *CA, registry Subject, now time.Time) {
	dir := signingtest.NewOpenSSL(t)
	signingtest.WriteFile(t, dir, "root.pem", pemOf(ca.Certificate.Raw))
	signingtest.OpenSSL(t, dir, "verify", "-x509_strict", "-vfyopt", signingtest.DistID, "-CAfile", "root.pem", "root.pem")
	tried := map[Profile]bool{}
	// The registry may be a department too.
	for _, c := range []struct {
		profile Profile
		subject Subject
	}{{ProfileStatus, registry}, {ProfileAttestation, registry}, {ProfileAuthority, department}, {ProfileAuthority, registry}} {
		tried[c.profile] = true
		name := string(c.profile) + "-" + c.subject.USCC + ".pem"
		der, err := ca.Certify(signingtest.NewSM2(t).Public(), c.subject, c.profile, now.Add(-time.Hour), now.AddDate(0, 6, 0))
		if err != nil {
			t.Fatal(err)
		}
		leaf := mustParse(t, der)
		if string(leaf.AuthorityKeyId) != string(ca.Certificate.SubjectKeyId) || len(leaf.CRLDistributionPoints) != 1 || leaf.CRLDistributionPoints[0] != ca.ListURL {
			t.Errorf("%s: authority key %x, lists at %q", name, leaf.AuthorityKeyId, leaf.CRLDistributionPoints)
		}
		signingtest.WriteFile(t, dir, name, pemOf(der))
		verify := []string{"verify", "-x509_strict", "-vfyopt", signingtest.DistID, "-CAfile", "root.pem"}
		if out := signingtest.OpenSSL(t, dir, append(verify, name)...); !strings.Contains(out, name+": OK") {
			t.Errorf("%s: %s", name, out)
		}
	}
	if len(tried) != len(leafProfiles) {
		t.Errorf("%d kinds of %d were tried", len(tried), len(leafProfiles))
	}
}

// TestInteropOpenSSLRevocationList has openssl read a revocation list and verify
// its signature: with dgst, as its verify -crl_check gives the user id to the
// certificate alone, and finds no SM2 signature of a list good.
func TestInteropOpenSSLRevocationList(t *testing.T) {
	dir, ca, now := signingtest.NewOpenSSL(t), newCA(t), time.Now()
	leaf := mustParse(t, certify(t, ca, signingtest.NewSM2(t).Public()))
	der, err := ca.RevocationList([]Revocation{{leaf.SerialNumber, now, KeyCompromise}}, 2748, now, now.Add(time.Hour))
	if err != nil {
		t.Fatal(err)
	}
	signingtest.WriteFile(t, dir, "list.der", der)
	text := signingtest.OpenSSL(t, dir, "crl", "-inform", "DER", "-in", "list.der", "-noout", "-text")
	serial := strings.ToUpper(hex.EncodeToString(leaf.SerialNumber.Bytes()))
	keyID := strings.ToUpper(hex.EncodeToString(ca.Certificate.SubjectKeyId[:4]))
	for _, want := range []string{"CRL Number", "2748", serial, "Key Compromise", "Authority Key Identifier"} {
		if !strings.Contains(strings.ToUpper(text), strings.ToUpper(want)) {
			t.Errorf("openssl does not show %q in\n%s", want, text)
		}
	}
	if !strings.Contains(strings.ReplaceAll(text, ":", ""), keyID) {
		t.Errorf("openssl does not show the issuer's key %s in\n%s", keyID, text)
	}
	parsed, err := smx509.ParseRevocationList(der)
	if err != nil {
		t.Fatal(err)
	}
	public, err := smx509.MarshalPKIXPublicKey(ca.Signer.Public())
	if err != nil {
		t.Fatal(err)
	}
	signingtest.WriteFile(t, dir, "root.public", pem.EncodeToMemory(&pem.Block{Type: "PUBLIC KEY", Bytes: public}))
	signingtest.WriteFile(t, dir, "signature", parsed.Signature)
	verify := []string{"dgst", "-sm3", "-verify", "root.public", "-sigopt", signingtest.DistID, "-signature", "signature"}
	signingtest.WriteFile(t, dir, "signed", parsed.RawTBSRevocationList)
	signingtest.OpenSSL(t, dir, append(verify, "signed")...)
	signingtest.WriteFile(t, dir, "signed", bytes.Replace(parsed.RawTBSRevocationList, leaf.SerialNumber.Bytes(), make([]byte, len(leaf.SerialNumber.Bytes())), 1))
	signingtest.RefuseOpenSSL(t, dir, append(verify, "signed")...)
}
