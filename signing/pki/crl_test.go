package pki

import (
	"bytes"
	"errors"
	"math/big"
	"testing"
	"time"

	"crypto/rand"
	"crypto/x509/pkix"

	"github.com/emmansun/gmsm/smx509"

	"yizheng.internal/signing/jose"
	"yizheng.internal/signing/signingtest"
	"yizheng.internal/signing/sm2"
)

func mustList(t testing.TB, ca *CA) []byte {
	t.Helper()
	der, err := ca.RevocationList([]Revocation{
		{big.NewInt(5), testStart, "keyCompromise"},
		{big.NewInt(6), testNow, ""},
	}, 7, testNow, testNow.AddDate(0, 0, 7))
	if err != nil {
		t.Fatal(err)
	}
	return der
}

func TestRevocationList(t *testing.T) {
	ca, v := newCA(t), jose.NewVerifier(sm2.Config{})
	der := mustList(t, ca)
	for name, der := range map[string][]byte{"absent": der, "NULL": resign(t, ca.Signer, der, algorithmNull, algorithmNull)} {
		list, err := ParseRevocationList(t.Context(), der, ca.Certificate, v)
		if err != nil {
			t.Fatalf("%s: %v", name, err)
		}
		if list.Number.Int64() != 7 || !list.ThisUpdate.Equal(testNow) || !list.NextUpdate.Equal(testNow.AddDate(0, 0, 7)) || len(list.Entries) != 2 {
			t.Fatalf("%s: %+v", name, list)
		}
		if e := list.Entries[0]; e.Serial.Int64() != 5 || !e.At.Equal(testStart) || e.Reason != "keyCompromise" {
			t.Errorf("%s: %+v", name, e)
		}
		if e := list.Entries[1]; e.Serial.Int64() != 6 || e.Reason != "unspecified" {
			t.Errorf("%s: %+v", name, e)
		}
	}
	empty, err := ca.RevocationList(nil, 0, testNow, testEnd)
	if err != nil {
		t.Fatal(err)
	}
	if list, err := ParseRevocationList(t.Context(), empty, ca.Certificate, v); err != nil || len(list.Entries) != 0 {
		t.Errorf("empty: %v, %v", list, err)
	}
}

func TestRevocationListRefuses(t *testing.T) {
	ca, v := newCA(t), jose.NewVerifier(sm2.Config{})
	der := mustList(t, ca)
	tampered := bytes.Clone(der)
	at := bytes.Index(tampered, []byte{2, 1, 5}) // the first serial
	tampered[at+2] = 9
	namesake := newCA(t) // of the same name
	critical := func(list, entry []pkix.Extension) []byte {
		made, err := smx509.CreateRevocationList(rand.Reader, &smx509.RevocationList{
			Number: big.NewInt(1), ThisUpdate: testNow, NextUpdate: testEnd, ExtraExtensions: list,
			RevokedCertificateEntries: []smx509.RevocationListEntry{{SerialNumber: big.NewInt(1), RevocationTime: testNow, ExtraExtensions: entry}},
		}, ca.Certificate.Certificate, ca.Signer)
		if err != nil {
			t.Fatal(err)
		}
		return made
	}
	unknown := []pkix.Extension{{Id: []int{2, 5, 29, 28}, Critical: true, Value: []byte{0x30, 0}}}
	withoutUsage := *ca.Certificate.Certificate
	withoutUsage.KeyUsage = smx509.KeyUsageCertSign
	other := mustParse(t, certify(t, ca, signingtest.NewSM2(t).Public()))
	for name, tt := range map[string]struct {
		der       []byte
		issuer    *Certificate
		signature bool
	}{
		"tampered with":       {tampered, ca.Certificate, true},
		"a namesake's":        {mustList(t, namesake), ca.Certificate, true},
		"issuer may not":      {der, &Certificate{Certificate: &withoutUsage}, false},
		"another's":           {der, other, false},
		"trailing":            {append(bytes.Clone(der), 0), ca.Certificate, false},
		"cut":                 {der[:len(der)-1], ca.Certificate, false},
		"a certificate":       {ca.Certificate.Raw, ca.Certificate, false},
		"empty":               {nil, ca.Certificate, false},
		"too large":           {make([]byte, maxRevocationList+1), ca.Certificate, false},
		"critical in list":    {critical(unknown, nil), ca.Certificate, false},
		"critical in entry":   {critical(nil, unknown), ca.Certificate, false},
		"ECDSA's name for it": {resign(t, ca.Signer, der, "300a 06082a8648ce3d040302", "300a 06082a8648ce3d040302"), ca.Certificate, true},
	} {
		list, err := ParseRevocationList(t.Context(), tt.der, tt.issuer, v)
		if err == nil || list != nil || errors.Is(err, sm2.ErrSignature) != tt.signature {
			t.Errorf("%s: %v", name, err)
		}
	}
	for name, try := range map[string]func() ([]byte, error){
		"unknown reason": func() ([]byte, error) {
			return ca.RevocationList([]Revocation{{big.NewInt(1), testNow, "bored"}}, 1, testNow, testEnd)
		},
		"removed": func() ([]byte, error) {
			return ca.RevocationList([]Revocation{{big.NewInt(1), testNow, "removeFromCRL"}}, 1, testNow, testEnd)
		},
		"no serial": func() ([]byte, error) {
			return ca.RevocationList([]Revocation{{nil, testNow, ""}}, 1, testNow, testEnd)
		},
		"no time": func() ([]byte, error) {
			return ca.RevocationList([]Revocation{{big.NewInt(1), time.Time{}, ""}}, 1, testNow, testEnd)
		},
		"negative number": func() ([]byte, error) { return ca.RevocationList(nil, -1, testNow, testEnd) },
		"ends at once":    func() ([]byte, error) { return ca.RevocationList(nil, 1, testNow, testNow) },
	} {
		if _, err := try(); err == nil {
			t.Errorf("%s: made", name)
		}
	}
}
