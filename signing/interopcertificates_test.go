package signing

import (
	"bytes"
	"context"
	"encoding/hex"
	"encoding/pem"
	"path/filepath"
	"strconv"
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
	registry, now := Subject{Name: "样例证照库", USCC: registryUSCC}, time.Now()
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
	dir := newOpenSSL(t)
	write(t, dir, "root.pem", pemOf(ca.Certificate.Raw))
	openSSL(t, dir, "verify", "-x509_strict", "-vfyopt", distID, "-CAfile", "root.pem", "root.pem")
	tried := map[Purpose]bool{}
	// The registry may be a department too.
	for _, c := range []struct {
		purpose Purpose
		subject Subject
	}{{PurposeStatus, registry}, {PurposeAttestation, registry}, {PurposeAuthority, department}, {PurposeAuthority, registry}} {
		tried[c.purpose] = true
		name := string(c.purpose) + "-" + c.subject.USCC + ".pem"
		der, err := ca.Certify(signingtest.NewSM2(t).Public(), c.subject, profiles[c.purpose], now.Add(-time.Hour), now.AddDate(0, 6, 0))
		if err != nil {
			t.Fatal(err)
		}
		leaf := mustParse(t, der)
		if string(leaf.AuthorityKeyId) != string(ca.Certificate.SubjectKeyId) || len(leaf.CRLDistributionPoints) != 1 || leaf.CRLDistributionPoints[0] != ca.ListURL {
			t.Errorf("%s: authority key %x, lists at %q", name, leaf.AuthorityKeyId, leaf.CRLDistributionPoints)
		}
		write(t, dir, name, pemOf(der))
		verify := []string{"verify", "-x509_strict", "-vfyopt", distID, "-CAfile", "root.pem"}
		if out := openSSL(t, dir, append(verify, name)...); !strings.Contains(out, name+": OK") {
			t.Errorf("%s: %s", name, out)
		}
	}
	if len(tried) != len(profiles) {
		t.Errorf("%d kinds of %d were tried", len(tried), len(profiles))
	}
}

// TestInteropOpenSSLRevocationList has openssl read a revocation list and verify
// its signature: with dgst, as its verify -crl_check gives the user id to the
// certificate alone, and finds no SM2 signature of a list good.
func TestInteropOpenSSLRevocationList(t *testing.T) {
	dir, ca, now := newOpenSSL(t), newCA(t), time.Now()
	leaf := mustParse(t, certify(t, ca, signingtest.NewSM2(t).Public()))
	der, err := ca.RevocationList([]Revocation{{leaf.SerialNumber, now, keyCompromise}}, 2748, now, now.Add(time.Hour))
	if err != nil {
		t.Fatal(err)
	}
	write(t, dir, "list.der", der)
	text := openSSL(t, dir, "crl", "-inform", "DER", "-in", "list.der", "-noout", "-text")
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
	write(t, dir, "root.public", pem.EncodeToMemory(&pem.Block{Type: "PUBLIC KEY", Bytes: public}))
	write(t, dir, "signature", parsed.Signature)
	verify := []string{"dgst", "-sm3", "-verify", "root.public", "-sigopt", distID, "-signature", "signature"}
	write(t, dir, "signed", parsed.RawTBSRevocationList)
	openSSL(t, dir, append(verify, "signed")...)
	write(t, dir, "signed", bytes.Replace(parsed.RawTBSRevocationList, leaf.SerialNumber.Bytes(), make([]byte, len(leaf.SerialNumber.Bytes())), 1))
	refuseOpenSSL(t, dir, append(verify, "signed")...)
}

// TestInteropOpenSSLInstallation has openssl verify what a whole installation
// holds: each certificate that it made, to the anchor that it publishes.
func TestInteropOpenSSLInstallation(t *testing.T) {
	i, records := newInstallation(t)
	ca, err := OpenRoot(filepath.Join(i.c.Dir, "root"), "")
	if err != nil {
		t.Fatal(err)
	}
	if _, err := i.AddAuthority(t.Context(), ca, department, day); err != nil {
		t.Fatal(err)
	}
	dir := newOpenSSL(t)
	write(t, dir, "anchors.pem", i.Anchors().PEM())
	seen := 0
	for _, k := range records.all(t) {
		if len(k.Chain) == 0 {
			continue
		}
		seen++
		write(t, dir, "leaf.pem", pemOf(k.Chain[0]))
		out := openSSL(t, dir, "verify", "-x509_strict", "-vfyopt", distID, "-attime", strconv.FormatInt(day.Unix(), 10), "-CAfile", "anchors.pem", "leaf.pem")
		if !strings.Contains(out, "leaf.pem: OK") {
			t.Errorf("%s: %s", k.ID, out)
		}
	}
	if seen != 4 { // the root, status, attestation, a department
		t.Errorf("%d certificates", seen)
	}
	root := i.Anchors().certificates[0]
	for _, p := range []Purpose{PurposeStatus, PurposeAttestation} {
		k, err := i.Keyrings().Active(context.Background(), p, "")
		if err != nil {
			t.Fatal(err)
		}
		if string(k.Certificates[0].RawSubject) == string(root.RawSubject) {
			t.Errorf("the %s key has the root's name", p)
		}
	}
}
