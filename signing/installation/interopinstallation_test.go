package installation

import (
	"context"
	"encoding/pem"
	"path/filepath"
	"strconv"
	"strings"
	"testing"

	"yizheng.internal/signing"
	"yizheng.internal/signing/keystest"
	"yizheng.internal/signing/pki"
	"yizheng.internal/signing/signingtest"
)

// TestInteropOpenSSLInstallation has openssl verify what a whole installation
// holds: each certificate that it made, to the anchor that it publishes.
func TestInteropOpenSSLInstallation(t *testing.T) {
	i, records := newInstallation(t)
	ca, err := OpenRoot(filepath.Join(i.c.Dir, "root"), "")
	if err != nil {
		t.Fatal(err)
	}
	if _, err := i.AddAuthority(t.Context(), ca, marketDepartment, keystest.Day); err != nil {
		t.Fatal(err)
	}
	dir := signingtest.NewOpenSSL(t)
	signingtest.WriteFile(t, dir, "anchors.pem", i.Anchors().PEM())
	seen := 0
	for _, k := range records.All(t) {
		if len(k.Chain) == 0 {
			continue
		}
		seen++
		signingtest.WriteFile(t, dir, "leaf.pem", pem.EncodeToMemory(&pem.Block{Type: pki.PEMType, Bytes: k.Chain[0]}))
		out := signingtest.OpenSSL(t, dir, "verify", "-x509_strict", "-vfyopt", signingtest.DistID, "-attime", strconv.FormatInt(keystest.Day.Unix(), 10), "-CAfile", "anchors.pem", "leaf.pem")
		if !strings.Contains(out, "leaf.pem: OK") {
			t.Errorf("%s: %s", k.ID, out)
		}
	}
	if seen != 4 { // the root, status, attestation, a department
		t.Errorf("%d certificates", seen)
	}
	for _, p := range []signing.Purpose{signing.PurposeStatus, signing.PurposeAttestation} {
		k, err := i.Keyrings().Active(context.Background(), p, "")
		if err != nil {
			t.Fatal(err)
		}
		if string(k.Certificates[0].RawSubject) == string(ca.Certificate.RawSubject) {
			t.Errorf("the %s key has the root's name", p)
		}
	}
}
