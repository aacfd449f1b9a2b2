package pki

import (
	"bytes"
	"context"
	"crypto/ecdsa"
	"crypto/x509/pkix"
	"encoding/binary"
	"encoding/pem"
	"errors"
	"sync/atomic"
	"testing"
	"time"

	gmsm "github.com/emmansun/gmsm/sm2"
	"github.com/emmansun/gmsm/smx509"

	"yizheng.internal/signing/jose"
	"yizheng.internal/signing/signingtest"
	"yizheng.internal/signing/sm2"
)

func pemOf(ders ...[]byte) []byte {
	var text []byte
	for _, der := range ders {
		text = append(text, pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: der})...)
	}
	return text
}

// reasonOf returns the reason of a ChainError, or nothing.
func reasonOf(err error) string {
	if e, ok := errors.AsType[*ChainError](err); ok {
		return e.Reason
	}
	return ""
}

func mustAnchors(t testing.TB, ders ...[]byte) *Anchors {
	t.Helper()
	a, err := ParseAnchors(pemOf(ders...))
	if err != nil {
		t.Fatal(err)
	}
	return a
}

// intermediate makes a CA below another.
func intermediate(t testing.TB, above *CA, name string, change func(*smx509.Certificate)) *CA {
	t.Helper()
	key := signingtest.NewSM2(t)
	der := issue(t, above, key.Public(), func(c *smx509.Certificate) {
		c.Subject = pkix.Name{CommonName: name}
		c.URIs = nil
		c.IsCA, c.MaxPathLen = true, -1
		c.KeyUsage = smx509.KeyUsageCertSign
		if change != nil {
			change(c)
		}
	})
	return &CA{Certificate: mustParse(t, der), Signer: key}
}

func TestParseAnchors(t *testing.T) {
	a, b := newCA(t), newCA(t)
	leaf := certify(t, a, signingtest.NewSM2(t).Public())
	anchors := mustAnchors(t, a.Certificate.Raw, b.Certificate.Raw, a.Certificate.Raw)
	if len(anchors.certificates) != 2 || !bytes.Equal(anchors.PEM(), pemOf(a.Certificate.Raw, b.Certificate.Raw)) {
		t.Errorf("%d anchors", len(anchors.certificates))
	}
	for name, text := range map[string][]byte{
		"empty":       nil,
		"no PEM":      []byte("hello"),
		"a leaf":      pemOf(leaf),
		"a key":       pem.EncodeToMemory(&pem.Block{Type: "PUBLIC KEY", Bytes: []byte{1}}),
		"garbage":     pemOf([]byte{0x30, 0}),
		"damaged end": append(pemOf(a.Certificate.Raw), []byte("-----BEGIN CERTIFICATE-----\nMII")...),
		"too large":   bytes.Repeat([]byte("x"), MaxAnchors+1),
		"no usage":    pemOf(intermediate(t, a, "x", func(c *smx509.Certificate) { c.KeyUsage = 0 }).Certificate.Raw),
	} {
		if _, err := ParseAnchors(text); err == nil {
			t.Errorf("%s: parsed", name)
		}
	}
	if _, err := (&Anchors{}).Verify(t.Context(), jose.NewVerifier(sm2.Config{}), [][]byte{leaf}, testNow); reasonOf(err) != "chain_untrusted" {
		t.Errorf("no anchors: %v", err)
	}
}

func TestChains(t *testing.T) {
	ca, other, key := newCA(t), newCA(t), signingtest.NewSM2(t)
	root := ca.Certificate.Raw
	leaf := certify(t, ca, key.Public())
	leafWith := func(change func(*smx509.Certificate)) []byte { return issue(t, ca, key.Public(), change) }
	under := func(ca *CA) []byte { return issue(t, ca, key.Public(), nil) }

	free := intermediate(t, ca, "free", nil)
	shut := intermediate(t, ca, "shut", func(c *smx509.Certificate) { c.MaxPathLen, c.MaxPathLenZero = 0, true })
	belowShut := intermediate(t, shut, "below shut", nil)
	noCA := &CA{Certificate: mustParse(t, leaf), Signer: key}
	noUsage := intermediate(t, ca, "no usage", func(c *smx509.Certificate) { c.KeyUsage = smx509.KeyUsageCRLSign })
	early := intermediate(t, ca, "early", func(c *smx509.Certificate) { c.NotAfter = testNow.Add(-time.Second) })
	late := intermediate(t, ca, "late", func(c *smx509.Certificate) { c.NotBefore = testNow.Add(time.Second) })
	tamperedBelow := under(free)
	tamperedBelow[bytes.Index(tamperedBelow, []byte(department.USCC))] = '9'
	constrained := intermediate(t, ca, "constrained", func(c *smx509.Certificate) {
		c.PermittedDNSDomainsCritical, c.PermittedDNSDomains = true, []string{"example.com"}
	})
	// A root without a limit of depth, and three CAs below it.
	deepKey := signingtest.NewSM2(t)
	deepDER := issue(t, &CA{Certificate: ca.Certificate, Signer: ca.Signer}, deepKey.Public(), func(c *smx509.Certificate) {
		c.Subject = pkix.Name{CommonName: "deep"}
		c.IsCA, c.MaxPathLen, c.KeyUsage, c.URIs = true, -1, smx509.KeyUsageCertSign, nil
	})
	deep := &CA{Certificate: mustParse(t, deepDER), Signer: deepKey}
	one := intermediate(t, deep, "one", nil)
	two := intermediate(t, one, "two", nil)
	three := intermediate(t, two, "three", nil)
	// Two CAs below a root that allows one.
	inRoot := intermediate(t, ca, "in root", nil)
	noLimit := intermediate(t, inRoot, "no limit", nil)
	// A root of the same name, without key identifiers to tell it by.
	namesake := newCA(t)
	namesakeLeaf := issue(t, &CA{Certificate: &Certificate{Certificate: &smx509.Certificate{
		RawSubject: namesake.Certificate.RawSubject, PublicKey: namesake.Certificate.PublicKey}}, Signer: namesake.Signer}, key.Public(), nil)
	ecKey := signingtest.NewES256(t)
	ecRoot, err := NewRoot(ecKey, Subject{Name: "P-256"}, testStart, testEnd)
	if err != nil {
		t.Fatal(err)
	}
	ecCA := &CA{Certificate: mustParse(t, ecRoot), Signer: ecKey}

	tampered := bytes.Clone(leaf)
	tampered[bytes.Index(tampered, []byte("11100000000013338W"))+3] = '2'
	criticalOf := func(id ...int) func(*smx509.Certificate) {
		return func(c *smx509.Certificate) {
			c.ExtraExtensions = []pkix.Extension{{Id: id, Critical: true, Value: []byte{0x30, 0}}}
		}
	}
	anchors := mustAnchors(t, root, deepDER, ecRoot)
	tests := map[string]struct {
		chain  [][]byte
		reason string
	}{
		"leaf alone":                  {[][]byte{leaf}, ""},
		"with the root":               {[][]byte{leaf, root}, ""},
		"below a CA":                  {[][]byte{under(free), free.Certificate.Raw}, ""},
		"below a CA, with the root":   {[][]byte{under(free), free.Certificate.Raw, root}, ""},
		"below CAs, four":             {[][]byte{under(three), three.Certificate.Raw, two.Certificate.Raw, one.Certificate.Raw}, ""},
		"P-256":                       {[][]byte{certify(t, ecCA, key.Public())}, ""},
		"key of P-256":                {[][]byte{certify(t, ca, ecKey.Public())}, ""},
		"policies, critical":          {[][]byte{leafWith(criticalPolicies)}, ""},
		"none":                        {nil, "chain_missing"},
		"five":                        {[][]byte{under(three), three.Certificate.Raw, two.Certificate.Raw, one.Certificate.Raw, deepDER}, "chain_malformed"},
		"garbage":                     {[][]byte{{0x30, 0}}, "chain_malformed"},
		"garbage behind the leaf":     {[][]byte{leaf, {}}, "chain_malformed"},
		"out of order":                {[][]byte{under(free), root, free.Certificate.Raw}, "chain_malformed"},
		"another's CA between":        {[][]byte{leaf, free.Certificate.Raw}, "chain_malformed"},
		"unknown critical":            {[][]byte{leafWith(criticalOf(1, 2, 3))}, "chain_malformed"},
		"policy constraints":          {[][]byte{leafWith(criticalOf(2, 5, 29, 36))}, "chain_malformed"},
		"name constraints":            {[][]byte{under(constrained), constrained.Certificate.Raw}, "chain_malformed"},
		"another root":                {[][]byte{certify(t, other, key.Public())}, "chain_untrusted"},
		"another root, sent along":    {[][]byte{certify(t, other, key.Public()), other.Certificate.Raw}, "chain_untrusted"},
		"CA missing":                  {[][]byte{under(free)}, "chain_untrusted"},
		"root's name only":            {[][]byte{namesakeLeaf}, "chain_signature"},
		"leaf tampered with":          {[][]byte{tampered}, "chain_signature"},
		"tampered with, below a CA":   {[][]byte{tamperedBelow, free.Certificate.Raw}, "chain_signature"},
		"leaf is the root":            {[][]byte{root}, "chain_key_usage"},
		"leaf is a CA":                {[][]byte{free.Certificate.Raw}, "chain_key_usage"},
		"leaf may not sign":           {[][]byte{leafWith(func(c *smx509.Certificate) { c.KeyUsage = smx509.KeyUsageKeyEncipherment })}, "chain_key_usage"},
		"leaf without usage":          {[][]byte{leafWith(func(c *smx509.Certificate) { c.KeyUsage = 0 })}, "chain_key_usage"},
		"leaf may sign certificates":  {[][]byte{leafWith(func(c *smx509.Certificate) { c.KeyUsage |= smx509.KeyUsageCertSign })}, "chain_key_usage"},
		"issued by a leaf":            {[][]byte{under(noCA), leaf}, "chain_key_usage"},
		"issued by one who may not":   {[][]byte{under(noUsage), noUsage.Certificate.Raw}, "chain_key_usage"},
		"too deep for a CA":           {[][]byte{under(belowShut), belowShut.Certificate.Raw, shut.Certificate.Raw}, "chain_key_usage"},
		"too deep for the root":       {[][]byte{under(one), one.Certificate.Raw, deepDER, root}, "chain_key_usage"},
		"too deep for an anchor":      {[][]byte{under(noLimit), noLimit.Certificate.Raw, inRoot.Certificate.Raw}, "chain_key_usage"},
		"CA not yet valid":            {[][]byte{under(late), late.Certificate.Raw}, "chain_not_yet_valid"},
		"CA expired":                  {[][]byte{under(early), early.Certificate.Raw}, "chain_expired"},
		"leaf expired":                {[][]byte{leafWith(func(c *smx509.Certificate) { c.NotAfter = testNow.Add(-time.Second) })}, "chain_expired"},
		"leaf in its last second":     {[][]byte{leafWith(func(c *smx509.Certificate) { c.NotAfter = testNow })}, ""},
		"leaf not yet valid":          {[][]byte{leafWith(func(c *smx509.Certificate) { c.NotBefore = testNow.Add(time.Second) })}, "chain_not_yet_valid"},
		"leaf in its first second":    {[][]byte{leafWith(func(c *smx509.Certificate) { c.NotBefore = testNow })}, ""},
		"expired, and tampered with":  {[][]byte{tamperedExpired(t, ca, key.Public())}, "chain_signature"},
		"signature of the wrong kind": {[][]byte{crossed(t, ecCA, ca, key.Public())}, "chain_signature"},
	}
	v := jose.NewVerifier(sm2.Config{})
	for name, tt := range tests {
		t.Run(name, func(t *testing.T) {
			for range 2 { // the second time from memory, if it is good
				got, err := anchors.Verify(t.Context(), v, tt.chain, testNow)
				if reasonOf(err) != tt.reason || (err == nil) != (tt.reason == "") {
					t.Errorf("want %q, have %v", tt.reason, err)
				}
				if (got != nil) != (err == nil) || got != nil && !bytes.Equal(got.Raw, tt.chain[0]) {
					t.Errorf("returned %v", got)
				}
			}
		})
	}
}

func criticalPolicies(c *smx509.Certificate) {
	c.ExtraExtensions = []pkix.Extension{{
		Id: []int{2, 5, 29, 32}, Critical: true,
		Value: []byte{0x30, 6, 0x30, 4, 6, 2, 0x2a, 3},
	}}
}

func tamperedExpired(t *testing.T, ca *CA, pub any) []byte {
	der := issue(t, ca, pub, func(c *smx509.Certificate) { c.NotAfter = testNow.Add(-time.Hour) })
	der[bytes.Index(der, []byte("11100000000013338W"))] = '9'
	return der
}

// crossed is a certificate that names one CA and is signed by another, of
// another algorithm.
func crossed(t *testing.T, named, signs *CA, pub any) []byte {
	fake := &CA{Certificate: &Certificate{Certificate: &smx509.Certificate{
		RawSubject: named.Certificate.RawSubject, SubjectKeyId: named.Certificate.SubjectKeyId,
	}}, Signer: signs.Signer}
	return issue(t, fake, pub, nil)
}

// TestChainRemembered: a chain is verified once, its dates each time.
func TestChainRemembered(t *testing.T) {
	ca := newCA(t)
	anchors := mustAnchors(t, ca.Certificate.Raw)
	chain := [][]byte{certify(t, ca, signingtest.NewSM2(t).Public())}
	var verified atomic.Int64
	v := jose.NewVerifier(sm2.Config{First: func(pub *ecdsa.PublicKey, message, der []byte) bool {
		verified.Add(1)
		return gmsm.VerifyASN1WithSM2(pub, nil, message, der)
	}})
	for name, tt := range map[string]struct {
		at     time.Time
		reason string
	}{
		"before":       {testStart.Add(-1), "chain_not_yet_valid"},
		"first second": {testStart, ""},
		"last second":  {testEnd.Add(time.Second - 1), ""},
		"after":        {testEnd.Add(time.Second), "chain_expired"},
	} {
		if _, err := anchors.Verify(t.Context(), v, chain, tt.at); reasonOf(err) != tt.reason {
			t.Errorf("%s: %v", name, err)
		}
	}
	if verified.Load() != 1 {
		t.Errorf("verified %d times", verified.Load())
	}
	for i := range 2 * maxRemembered {
		var key [32]byte
		binary.BigEndian.PutUint32(key[:], uint32(i))
		anchors.remember(key, verifiedChain{})
	}
	if n := len(anchors.remembered); n != maxRemembered {
		t.Errorf("%d chains are remembered", n)
	}
	// The same bytes cut elsewhere are another chain.
	whole := chain[0]
	if chainKey([][]byte{whole[:10], whole[10:]}) == chainKey([][]byte{whole[:11], whole[11:]}) {
		t.Error("two chains have one key")
	}
}

// TestChainUndecided: what could not be decided on is neither good nor bad, and
// is not remembered.
func TestChainUndecided(t *testing.T) {
	ca := newCA(t)
	anchors := mustAnchors(t, ca.Certificate.Raw)
	chain := [][]byte{certify(t, ca, signingtest.NewSM2(t).Public())}
	slow := signingtest.NewSlow()
	v := jose.NewVerifier(sm2.Config{First: signingtest.Rejects, Second: slow.Second})
	release := slow.Occupy(func() {
		other := signingtest.NewSM2(t)
		_ = v.Verify(t.Context(), other.Public(), []byte("forged"), signingtest.MustSign(t, other, []byte("signed")))
	})
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	if _, err := anchors.Verify(ctx, v, chain, testNow); !errors.Is(err, sm2.ErrUndecided) || reasonOf(err) != "" {
		t.Errorf("slot taken: %v", err)
	}
	release()
	if _, err := anchors.Verify(t.Context(), v, chain, testNow); err != nil {
		t.Errorf("with a second opinion: %v", err)
	}
	if _, overruled, _ := v.SecondOpinions(); overruled != 1 {
		t.Error("the certificate got no second opinion")
	}
}

func TestErrorText(t *testing.T) {
	why := errors.New("why")
	for _, err := range []error{&ChainError{"some_reason", why}, &jose.TokenError{Reason: "some_reason", Err: why}} {
		if err.Error() != "some_reason: why" || !errors.Is(err, why) {
			t.Error(err)
		}
	}
	for _, err := range []error{&ChainError{Reason: "some_reason"}, &jose.TokenError{Reason: "some_reason"}} {
		if err.Error() != "some_reason" {
			t.Error(err)
		}
	}
}

func BenchmarkChainRemembered(b *testing.B) {
	ca := newCA(b)
	anchors := mustAnchors(b, ca.Certificate.Raw)
	chain := [][]byte{certify(b, ca, signingtest.NewSM2(b).Public())}
	v := jose.NewVerifier(sm2.Config{})
	for b.Loop() {
		if _, err := anchors.Verify(b.Context(), v, chain, testNow); err != nil {
			b.Fatal(err)
		}
	}
}
