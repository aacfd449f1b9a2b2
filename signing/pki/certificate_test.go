package pki

import (
	"bytes"
	"crypto"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/x509/pkix"
	"encoding/asn1"
	"encoding/hex"
	"errors"
	"math/big"
	"net/url"
	"strings"
	"testing"
	"time"

	"github.com/emmansun/gmsm/smx509"

	"yizheng.internal/signing/jose"
	"yizheng.internal/signing/signingtest"
	"yizheng.internal/signing/sm2"
)

var (
	testStart = time.Date(2026, 1, 1, 0, 0, 0, 0, time.UTC)
	testNow   = testStart.AddDate(1, 0, 0)
	testEnd   = testStart.AddDate(10, 0, 0)
)

// department is one of the made-up departments of the samples.
var department = Subject{Name: "青禾市市场监督管理局（样例）", USCC: "11100000000013338W"}

// newCA makes a root of SM2 for tests.
func newCA(t testing.TB) *CA {
	t.Helper()
	key := signingtest.NewSM2(t)
	der, err := NewRoot(key, Subject{Name: "样例根"}, testStart, testEnd)
	if err != nil {
		t.Fatal(err)
	}
	return &CA{Certificate: mustParse(t, der), Signer: key}
}

func mustParse(t testing.TB, der []byte) *Certificate {
	t.Helper()
	c, err := ParseCertificate(der)
	if err != nil {
		t.Fatal(err)
	}
	return c
}

// certify certifies a key as an authority's, for the CA's whole time.
func certify(t testing.TB, ca *CA, pub crypto.PublicKey) []byte {
	t.Helper()
	der, err := ca.Certify(pub, department, ProfileAuthority, testStart, testEnd)
	if err != nil {
		t.Fatal(err)
	}
	return der
}

// issue makes a certificate as Certify does, but with whatever change a test
// wants: foreign ones and wrong ones.
func issue(t testing.TB, ca *CA, pub crypto.PublicKey, change func(*smx509.Certificate)) []byte {
	t.Helper()
	template, err := newTemplate(pub, department, ProfileAuthority, testStart, testEnd)
	if err != nil {
		t.Fatal(err)
	}
	template.KeyUsage = smx509.KeyUsageDigitalSignature | smx509.KeyUsageContentCommitment
	if change != nil {
		change(template)
	}
	der, err := smx509.CreateCertificate(rand.Reader, template, ca.Certificate.Certificate, pub, ca.Signer)
	if err != nil {
		t.Fatal(err)
	}
	return der
}

// resign replaces the signature algorithm, inside and outside, and signs anew.
func resign(t testing.TB, s crypto.MessageSigner, der []byte, inner, outer string) []byte {
	t.Helper()
	var parts, tbs []asn1.RawValue
	if _, err := asn1.Unmarshal(der, &parts); err != nil {
		t.Fatal(err)
	}
	if _, err := asn1.Unmarshal(parts[0].FullBytes, &tbs); err != nil {
		t.Fatal(err)
	}
	raw := func(text string) asn1.RawValue {
		b, err := hex.DecodeString(strings.ReplaceAll(text, " ", ""))
		if err != nil {
			t.Fatal(err)
		}
		return asn1.RawValue{FullBytes: b}
	}
	// A certificate begins with [0] version and a serial, a list with a version.
	at := 2
	if tbs[0].Class == asn1.ClassUniversal {
		at = 1
	}
	tbs[at] = raw(inner)
	body, err := asn1.Marshal(tbs)
	if err != nil {
		t.Fatal(err)
	}
	sig, err := asn1.Marshal(asn1.BitString{Bytes: signingtest.MustSign(t, s, body), BitLength: 8 * len(signingtest.MustSign(t, s, body))})
	if err != nil {
		t.Fatal(err)
	}
	made, err := asn1.Marshal([]asn1.RawValue{{FullBytes: body}, raw(outer), {FullBytes: sig}})
	if err != nil {
		t.Fatal(err)
	}
	return made
}

const (
	algorithmAbsent = "300a 06082a811ccf55018375"
	algorithmNull   = "300c 06082a811ccf55018375 0500"
)

func TestCertify(t *testing.T) {
	ca, key := newCA(t), signingtest.NewSM2(t)
	root, leaf := ca.Certificate, mustParse(t, certify(t, ca, key.Public()))
	if root.Profile != ProfileRoot || root.Subject != (Subject{Name: "样例根"}) {
		t.Errorf("root: %v, %q", root.Subject, root.Profile)
	}
	if !root.IsCA || root.MaxPathLen != 1 || root.KeyUsage != smx509.KeyUsageCertSign|smx509.KeyUsageCRLSign {
		t.Errorf("root: CA %v, path %d, usage %b", root.IsCA, root.MaxPathLen, root.KeyUsage)
	}
	if leaf.Profile != ProfileAuthority || leaf.Subject != department {
		t.Errorf("leaf: %v, %q", leaf.Subject, leaf.Profile)
	}
	if leaf.IsCA || leaf.KeyUsage != smx509.KeyUsageDigitalSignature|smx509.KeyUsageContentCommitment {
		t.Errorf("leaf: CA %v, usage %b", leaf.IsCA, leaf.KeyUsage)
	}
	if !leaf.NotBefore.Equal(testStart) || !leaf.NotAfter.Equal(testEnd) || leaf.SignatureAlgorithm != smx509.SM2WithSM3 {
		t.Errorf("leaf: %v to %v, %v", leaf.NotBefore, leaf.NotAfter, leaf.SignatureAlgorithm)
	}
	if len(leaf.SubjectKeyId) != 20 || !bytes.Equal(leaf.AuthorityKeyId, root.SubjectKeyId) || !bytes.Equal(root.AuthorityKeyId, root.SubjectKeyId) {
		t.Errorf("key identifiers: leaf %x of %x, root %x of %x", leaf.SubjectKeyId, leaf.AuthorityKeyId, root.SubjectKeyId, root.AuthorityKeyId)
	}
	if !leaf.PublicKey.(*ecdsa.PublicKey).Equal(key.Public()) {
		t.Error("another public key")
	}
	again := mustParse(t, certify(t, ca, key.Public()))
	for _, c := range []*Certificate{root, leaf, again} {
		if n := c.SerialNumber.BitLen(); n < 112 || n > 128 {
			t.Errorf("serial of %d bits", n)
		}
	}
	if again.SerialNumber.Cmp(leaf.SerialNumber) == 0 {
		t.Error("a serial was used twice")
	}
	if _, err := ca.Certify(signingtest.NewES256(t).Public(), Subject{Name: "样例"}, ProfileStatus, testStart, testEnd); err != nil {
		t.Errorf("a P-256 key: %v", err)
	}
}

func TestCertifyRefuses(t *testing.T) {
	ca, pub := newCA(t), signingtest.NewSM2(t).Public()
	p384, err := ecdsa.GenerateKey(elliptic.P384(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	broken := &CA{Certificate: ca.Certificate, Signer: signingtest.Faulty{MessageSigner: ca.Signer}}
	others := &CA{Certificate: ca.Certificate, Signer: signingtest.NewSM2(t)}
	for name, try := range map[string]func() ([]byte, error){
		"no name": func() ([]byte, error) { return ca.Certify(pub, Subject{}, ProfileStatus, testStart, testEnd) },
		"long name": func() ([]byte, error) {
			return ca.Certify(pub, Subject{Name: strings.Repeat("市", 65)}, ProfileStatus, testStart, testEnd)
		},
		"name not UTF-8": func() ([]byte, error) {
			return ca.Certify(pub, Subject{Name: "\xff"}, ProfileStatus, testStart, testEnd)
		},
		"name of two lines": func() ([]byte, error) {
			return ca.Certify(pub, Subject{Name: "a\nb"}, ProfileStatus, testStart, testEnd)
		},
		"code too short": func() ([]byte, error) {
			return ca.Certify(pub, Subject{Name: "a", USCC: "1110"}, ProfileStatus, testStart, testEnd)
		},
		"code in small letters": func() ([]byte, error) {
			return ca.Certify(pub, Subject{Name: "a", USCC: "11100000000013338w"}, ProfileStatus, testStart, testEnd)
		},
		"authority without a code": func() ([]byte, error) {
			return ca.Certify(pub, Subject{Name: "a"}, ProfileAuthority, testStart, testEnd)
		},
		"root profile":    func() ([]byte, error) { return ca.Certify(pub, department, ProfileRoot, testStart, testEnd) },
		"no profile":      func() ([]byte, error) { return ca.Certify(pub, department, "", testStart, testEnd) },
		"unknown profile": func() ([]byte, error) { return ca.Certify(pub, department, "seal", testStart, testEnd) },
		"no time":         func() ([]byte, error) { return ca.Certify(pub, department, ProfileStatus, testStart, testStart) },
		"outlives the root": func() ([]byte, error) {
			return ca.Certify(pub, department, ProfileStatus, testStart, testEnd.Add(time.Second))
		},
		"P-384": func() ([]byte, error) {
			return ca.Certify(p384.Public(), department, ProfileStatus, testStart, testEnd)
		},
		"no key":             func() ([]byte, error) { return ca.Certify(nil, department, ProfileStatus, testStart, testEnd) },
		"faulty signer":      func() ([]byte, error) { return broken.Certify(pub, department, ProfileStatus, testStart, testEnd) },
		"signer of another":  func() ([]byte, error) { return others.Certify(pub, department, ProfileStatus, testStart, testEnd) },
		"faulty root signer": func() ([]byte, error) { return NewRoot(broken.Signer, department, testStart, testEnd) },
		"root without name":  func() ([]byte, error) { return NewRoot(ca.Signer, Subject{}, testStart, testEnd) },
	} {
		if der, err := try(); err == nil || der != nil {
			t.Errorf("%s: made", name)
		}
	}
}

// TestParameters: GM/T 0015 certificates are found with the parameters of
// sm2sign-with-sm3 absent, as ours are, and NULL.
func TestParameters(t *testing.T) {
	ca := newCA(t)
	der := certify(t, ca, signingtest.NewSM2(t).Public())
	anchors, err := ParseAnchors(pemOf(resign(t, ca.Signer, ca.Certificate.Raw, algorithmNull, algorithmNull)))
	if err != nil {
		t.Fatal(err)
	}
	v := jose.NewVerifier(sm2.Config{})
	for name, made := range map[string][]byte{
		"absent": resign(t, ca.Signer, der, algorithmAbsent, algorithmAbsent),
		"NULL":   resign(t, ca.Signer, der, algorithmNull, algorithmNull),
	} {
		if _, err := anchors.Verify(t.Context(), v, [][]byte{made}, testNow); err != nil {
			t.Errorf("%s: %v", name, err)
		}
	}
	for name, made := range map[string][]byte{
		"inner and outer differ": resign(t, ca.Signer, der, algorithmNull, algorithmAbsent),
		"an integer":             resign(t, ca.Signer, der, "300d 06082a811ccf55018375 020100", "300d 06082a811ccf55018375 020100"),
		"NULL with content":      resign(t, ca.Signer, der, "300d 06082a811ccf55018375 050100", "300d 06082a811ccf55018375 050100"),
		"NULL twice":             resign(t, ca.Signer, der, "300e 06082a811ccf55018375 0500 0500", "300e 06082a811ccf55018375 0500 0500"),
		"RSA with SM3":           resign(t, ca.Signer, der, "300a 06082a811ccf55018378", "300a 06082a811ccf55018378"),
		"ECDSA with NULL":        resign(t, ca.Signer, der, "300c 06082a8648ce3d040302 0500", "300c 06082a8648ce3d040302 0500"),
	} {
		if _, err := ParseCertificate(made); err == nil {
			t.Errorf("%s: parsed", name)
		}
	}
	// SM2's signature under ECDSA's name, which smx509 knows.
	ecdsaName := resign(t, ca.Signer, der, "300a 06082a8648ce3d040302", "300a 06082a8648ce3d040302")
	_, err = anchors.Verify(t.Context(), v, [][]byte{ecdsaName}, testNow)
	if reasonOf(err) != "chain_signature" {
		t.Errorf("ECDSA's name: %v", err)
	}
}

func TestParseCertificateRefuses(t *testing.T) {
	ca, pub := newCA(t), signingtest.NewSM2(t).Public()
	good := certify(t, ca, pub)
	p384, err := ecdsa.GenerateKey(elliptic.P384(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	foreign := *ca.Certificate.Certificate
	template := foreign
	template.SerialNumber = big.NewInt(1)
	ofP384, err := smx509.CreateCertificate(rand.Reader, &template, &foreign, p384.Public(), ca.Signer)
	if err != nil {
		t.Fatal(err)
	}
	point, _, err := jose.PointOf(pub)
	if err != nil {
		t.Fatal(err)
	}
	x, y := bytes.Index(good, point), 40
	offCurve := bytes.Clone(good)
	offCurve[x+y] ^= 1
	inner := bytes.Clone(good) // one byte more in the outer SEQUENCE
	inner = append(inner, 0)
	inner[3]++
	profiles := func(names ...string) []byte {
		return issue(t, ca, pub, func(c *smx509.Certificate) {
			c.URIs = nil
			for _, name := range names {
				c.URIs = append(c.URIs, &url.URL{Scheme: "urn", Opaque: "yizheng:key:" + name})
			}
		})
	}
	for name, der := range map[string][]byte{
		"empty":               {},
		"text":                []byte("-----BEGIN CERTIFICATE-----"),
		"cut":                 good[:len(good)-1],
		"trailing byte":       append(bytes.Clone(good), 0),
		"trailing in body":    inner,
		"indefinite length":   append(append([]byte{0x30, 0x80}, good[4:]...), 0, 0),
		"too large":           append(bytes.Clone(good), make([]byte, maxCertificate)...),
		"key off the curve":   offCurve,
		"key of P-384":        ofP384,
		"two profiles":        profiles("authority", "status"),
		"one profile twice":   profiles("authority", "authority"),
		"an unknown profile":  profiles("seal"),
		"an empty profile":    profiles(""),
		"a revocation list":   mustList(t, ca),
		"padded by one bit":   padded(t, good, 1),
		"padded by two bits":  padded(t, good, 2),
		"nested to the limit": bytes.Repeat([]byte{0x30, 0x82, 0x3f, 0xfc}, maxCertificate/4),
	} {
		if c, err := ParseCertificate(der); err == nil {
			t.Errorf("%s: parsed as %v", name, c.Subject)
		}
	}
	if c := mustParse(t, profiles()); c.Profile != "" {
		t.Errorf("without a profile: %q", c.Profile)
	}
}

// padded returns another encoding of a certificate: its signature as a bit
// string whose last bits are unused.
func padded(t testing.TB, der []byte, unused byte) []byte {
	t.Helper()
	c := mustParse(t, der)
	var outer struct {
		TBS, Algorithm asn1.RawValue
		Signature      asn1.BitString
	}
	if _, err := asn1.Unmarshal(der, &outer); err != nil {
		t.Fatal(err)
	}
	shifted := new(big.Int).Lsh(new(big.Int).SetBytes(c.Signature), uint(unused)).FillBytes(make([]byte, len(c.Signature)))
	outer.Signature = asn1.BitString{Bytes: shifted, BitLength: 8*len(shifted) - int(unused)}
	again, err := asn1.Marshal(outer)
	if err != nil {
		t.Fatal(err)
	}
	if same, err := smx509.ParseCertificate(again); err != nil || !bytes.Equal(same.Signature, c.Signature) {
		t.Fatalf("the other encoding is of another certificate: %v", err)
	}
	return again
}

// TestGuarded: a parser that panics has found the bytes malformed.
func TestGuarded(t *testing.T) {
	_, err := guarded(nil, func(der []byte) (byte, error) { return der[0], nil })
	if err == nil || !strings.Contains(err.Error(), "malformed") {
		t.Error(err)
	}
}

func TestForeignSubject(t *testing.T) {
	ca := newCA(t)
	der := issue(t, ca, signingtest.NewSM2(t).Public(), func(c *smx509.Certificate) {
		c.Subject = pkix.Name{CommonName: "只有通用名"}
		c.URIs = []*url.URL{{Scheme: "https", Host: "ca.example", Path: "/"}}
	})
	if c := mustParse(t, der); c.Subject != (Subject{Name: "只有通用名"}) || c.Profile != "" {
		t.Errorf("%+v", c.Subject)
	}
}

func FuzzCertificate(f *testing.F) {
	ca := newCA(f)
	leaf := certify(f, ca, signingtest.NewSM2(f).Public())
	f.Add(ca.Certificate.Raw)
	f.Add(leaf)
	f.Add(resign(f, ca.Signer, leaf, algorithmNull, algorithmNull))
	f.Add(mustList(f, ca))
	anchors, err := ParseAnchors(pemOf(ca.Certificate.Raw))
	if err != nil {
		f.Fatal(err)
	}
	// Whatever parses counts as signed, so that the fuzzer gets to the path.
	v := jose.NewVerifier(sm2.Config{First: signingtest.Accepts})
	f.Fuzz(func(t *testing.T, der []byte) {
		if list, err := ParseRevocationList(t.Context(), der, ca.Certificate, v); (list == nil) == (err == nil) {
			t.Errorf("a list of %v and %v", list, err)
		}
		c, err := ParseCertificate(der)
		if err != nil {
			return
		}
		if !bytes.Equal(c.Raw, der) {
			t.Error("not all of it was parsed")
		}
		if _, err := jose.AlgorithmOf(c.PublicKey); err != nil {
			t.Error(err)
		}
		for _, chain := range [][][]byte{{der}, {leaf, der}, {der, ca.Certificate.Raw}} {
			if _, err := anchors.Verify(t.Context(), v, chain, testNow); err != nil && reasonOf(err) == "" {
				t.Errorf("%T: %v", err, err)
			}
		}
	})
}

// TestRSACertificate: RSA is for tokens. No certificate of such a key is read.
func TestRSACertificate(t *testing.T) {
	ca := signingtest.NewES256(t)
	template := &smx509.Certificate{SerialNumber: big.NewInt(1)}
	der, err := smx509.CreateCertificate(rand.Reader, template, template, signingtest.RSA().Public(), ca.PrivateKey)
	if err != nil {
		t.Fatal(err)
	}
	if _, err := ParseCertificate(der); !errors.Is(err, jose.ErrKey) {
		t.Errorf("parsed: %v", err)
	}
}
