package pki

import (
	"bytes"
	"encoding/pem"
	"errors"
	"strings"
	"testing"
	"time"

	"github.com/emmansun/gmsm/smx509"

	"yizheng.internal/signing/jose"
	"yizheng.internal/signing/signingtest"
	"yizheng.internal/signing/sm2"
)

// These tests exchange keys, signatures and certificates with OpenSSL (3.0 or
// later), which shares no code with ours. They fail where it is missing: a test
// that is skipped shows nothing.

func TestInteropOpenSSLVerifies(t *testing.T) {
	dir, now := signingtest.NewOpenSSL(t), time.Now()
	rootKey, key := signingtest.NewSM2(t), signingtest.NewSM2(t)
	rootDER, err := NewRoot(rootKey, Subject{Name: "样例根"}, now.Add(-time.Hour), now.Add(time.Hour))
	if err != nil {
		t.Fatal(err)
	}
	ca := &CA{Certificate: mustParse(t, rootDER), Signer: rootKey}
	leafDER, err := ca.Certify(key.Public(), department, ProfileAuthority, now.Add(-time.Hour), now.Add(time.Hour))
	if err != nil {
		t.Fatal(err)
	}
	signingtest.WriteFile(t, dir, "root.pem", pemOf(rootDER))
	signingtest.WriteFile(t, dir, "leaf.pem", pemOf(leafDER))
	// -check_ss_sig is left out: openssl gives the user id to the leaf only, and
	// would check the root's own signature without one.
	out := signingtest.OpenSSL(t, dir, "verify", "-x509_strict", "-vfyopt", signingtest.DistID, "-CAfile", "root.pem", "leaf.pem")
	if !strings.Contains(out, "leaf.pem: OK") {
		t.Errorf("verify: %s", out)
	}
	tampered := bytes.Clone(leafDER)
	tampered[bytes.Index(tampered, []byte(department.USCC))] = '9'
	signingtest.WriteFile(t, dir, "tampered.pem", pemOf(tampered))
	signingtest.RefuseOpenSSL(t, dir, "verify", "-vfyopt", signingtest.DistID, "-CAfile", "root.pem", "tampered.pem")
	text := signingtest.OpenSSL(t, dir, "x509", "-in", "leaf.pem", "-noout", "-text", "-nameopt", "utf8")
	for _, want := range []string{"SM2-with-SM3", "Digital Signature, Non Repudiation", "URI:urn:yizheng:key:authority", department.Name, department.USCC, "CA:FALSE"} {
		if !strings.Contains(text, want) {
			t.Errorf("openssl does not show %q in\n%s", want, text)
		}
	}

	message := []byte("电子证照")
	pkix, err := smx509.MarshalPKIXPublicKey(key.Public())
	if err != nil {
		t.Fatal(err)
	}
	signingtest.WriteFile(t, dir, "public.pem", pem.EncodeToMemory(&pem.Block{Type: "PUBLIC KEY", Bytes: pkix}))
	signingtest.WriteFile(t, dir, "message", message)
	signingtest.WriteFile(t, dir, "signature", signingtest.MustSign(t, key, message))
	out = signingtest.OpenSSL(t, dir, "dgst", "-sm3", "-verify", "public.pem", "-sigopt", signingtest.DistID, "-signature", "signature", "message")
	if !strings.Contains(out, "Verified OK") {
		t.Errorf("dgst: %s", out)
	}
	// And it does tell a wrong one.
	signingtest.WriteFile(t, dir, "forged", signingtest.MustSign(t, key, []byte("another")))
	signingtest.RefuseOpenSSL(t, dir, "dgst", "-sm3", "-verify", "public.pem", "-sigopt", signingtest.DistID, "-signature", "forged", "message")

	list, err := ca.RevocationList([]Revocation{{mustParse(t, leafDER).SerialNumber, now, "keyCompromise"}}, 3, now, now.Add(time.Hour))
	if err != nil {
		t.Fatal(err)
	}
	signingtest.WriteFile(t, dir, "list.der", list)
	text = signingtest.OpenSSL(t, dir, "crl", "-inform", "DER", "-in", "list.der", "-noout", "-text")
	if !strings.Contains(text, "Key Compromise") || !strings.Contains(text, "SM2-with-SM3") {
		t.Errorf("openssl shows the list as\n%s", text)
	}
}

func TestInteropOpenSSLSigns(t *testing.T) {
	dir, v := signingtest.NewOpenSSL(t), jose.NewVerifier(sm2.Config{})
	signingtest.OpenSSL(t, dir, "genpkey", "-algorithm", "SM2", "-out", "root.key")
	signingtest.OpenSSL(t, dir, "req", "-x509", "-new", "-utf8", "-key", "root.key", "-sm3", "-sigopt", signingtest.DistID, "-days", "30",
		"-subj", "/O=外部根（样例）", "-addext", "basicConstraints=critical,CA:TRUE", "-addext", "keyUsage=critical,keyCertSign,cRLSign",
		"-addext", "subjectKeyIdentifier=hash", "-out", "root.pem")
	signingtest.OpenSSL(t, dir, "genpkey", "-algorithm", "SM2", "-out", "leaf.key")
	signingtest.OpenSSL(t, dir, "req", "-new", "-utf8", "-key", "leaf.key", "-sm3", "-sigopt", signingtest.DistID,
		"-subj", "/O="+department.Name+"/2.5.4.97="+department.USCC, "-out", "leaf.csr")
	signingtest.WriteFile(t, dir, "leaf.ext", []byte("basicConstraints=critical,CA:FALSE\nkeyUsage=critical,digitalSignature,nonRepudiation\nauthorityKeyIdentifier=keyid\n"))
	signingtest.OpenSSL(t, dir, "x509", "-req", "-in", "leaf.csr", "-CA", "root.pem", "-CAkey", "root.key", "-set_serial", "77", "-days", "20",
		"-sm3", "-sigopt", signingtest.DistID, "-vfyopt", signingtest.DistID, "-extfile", "leaf.ext", "-out", "leaf.pem")

	anchors, err := ParseAnchors(signingtest.ReadFile(t, dir, "root.pem"))
	if err != nil {
		t.Fatal(err)
	}
	leafDER := signingtest.ReadDER(t, dir, "leaf.pem")
	leaf, err := anchors.Verify(t.Context(), v, [][]byte{leafDER}, time.Now())
	if err != nil {
		t.Fatal(err)
	}
	if leaf.Subject != department || leaf.Profile != "" || leaf.SerialNumber.Int64() != 77 {
		t.Errorf("%+v, %q, %v", leaf.Subject, leaf.Profile, leaf.SerialNumber)
	}
	tampered := bytes.Clone(leafDER)
	tampered[bytes.Index(tampered, []byte(department.USCC))] = '9'
	if _, err := anchors.Verify(t.Context(), v, [][]byte{tampered}, time.Now()); reasonOf(err) != "chain_signature" {
		t.Errorf("tampered with: %v", err)
	}

	message := []byte("电子证照")
	signingtest.WriteFile(t, dir, "message", message)
	signingtest.OpenSSL(t, dir, "dgst", "-sm3", "-sign", "leaf.key", "-sigopt", signingtest.DistID, "-out", "signature", "message")
	signature := signingtest.ReadFile(t, dir, "signature")
	if err := v.Verify(t.Context(), leaf.PublicKey, message, signature); err != nil {
		t.Error(err)
	}
	if err := v.Verify(t.Context(), leaf.PublicKey, []byte("another"), signature); !errors.Is(err, sm2.ErrSignature) {
		t.Errorf("another message: %v", err)
	}
	// OpenSSL without distid signs with another user id: that must not pass.
	signingtest.OpenSSL(t, dir, "dgst", "-sm3", "-sign", "leaf.key", "-out", "no-id", "message")
	if err := v.Verify(t.Context(), leaf.PublicKey, message, signingtest.ReadFile(t, dir, "no-id")); !errors.Is(err, sm2.ErrSignature) {
		t.Errorf("no user id: %v", err)
	}
	if _, overruled, undecided := v.SecondOpinions(); undecided != 0 {
		t.Errorf("overruled %d, undecided %d", overruled, undecided)
	}
}
