package certificate

import (
	"bytes"
	"testing"
	"time"

	"yizheng.internal/signing/pki"
	"yizheng.internal/signing/signingtest"
)

// FuzzAnswer reads what anybody may send: no bytes make a panic, and none that aren't an SM2 certificate for
// signing get as far as its issuer.
func FuzzAnswer(f *testing.F) {
	now, key := time.Now(), signingtest.NewSM2(f)
	root, err := pki.NewRoot(key, pki.Subject{Name: "样例根"}, now.Add(-time.Hour), now.Add(time.Hour))
	if err != nil {
		f.Fatal(err)
	}
	parsed, err := pki.ParseCertificate(root)
	if err != nil {
		f.Fatal(err)
	}
	leaf, err := (&pki.CA{Certificate: parsed, Signer: key}).Certify(signingtest.NewSM2(f).Public(), pki.Subject{Name: "样例", USCC: "11990000000000000D"}, pki.ProfileAuthority, now.Add(-time.Hour), now.Add(time.Hour))
	if err != nil {
		f.Fatal(err)
	}
	s := &Service{c: Config{Authorities: []Authority{{ID: "a", cas: []*pki.Certificate{parsed}}}}}
	f.Add(leaf, "3006020101020101", `{"challenge":"a b"}`)
	f.Add(root, "AAAA", "")
	f.Fuzz(func(t *testing.T, der []byte, signature, answer string) {
		_, _ = ReadCertificate(ReadAnswer(answer).Certificate)
		if sig, err := readSignature(signature); err == nil && len(sig) > 72 {
			t.Errorf("a signature of %d bytes", len(sig))
		}
		c, err := pki.ParseCertificate(der)
		if err != nil {
			return
		}
		if _, err := keyOf(c); err == nil && checkUse(c) == nil && c.IsCA {
			t.Error("a CA logs in")
		}
		if name := called(c.Certificate.Subject.CommonName); bytes.ContainsAny([]byte(name), "\x00\r\n") || len([]rune(MaskSubject(name))) > 4*maxName {
			t.Errorf("a name is %q", name)
		}
		checked := Checked{leaf: c, authority: &Authority{}}
		_ = checked.texts("2.5.4.3")
		_ = s.c.Authorities[0].path(c)
	})
}
