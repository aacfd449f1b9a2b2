package sm2

import (
	"bytes"
	"crypto/ecdsa"
	"encoding/hex"
	"errors"
	"log/slog"
	"math/big"
	"strings"
	"testing"

	"github.com/emmansun/gmsm/sm2"
	"github.com/emmansun/gmsm/smx509"
	second "github.com/tjfoc/gmsm/sm2"

	"yizheng.internal/signing/signingtest"
)

func secondVerifyDigest(pub *ecdsa.PublicKey, e []byte, sig signature) bool {
	q := referencePoint(pub)
	r, s := new(big.Int).SetBytes(sig.r[:]), new(big.Int).SetBytes(sig.s[:])
	return second.Verify(&second.PublicKey{Curve: second.P256Sm2(), X: q.x, Y: q.y}, e, r, s)
}

// secret returns the private number of a key made for a test.
func secret(key *sm2.PrivateKey) *big.Int {
	return key.D
}

// sigOf makes a signature of two numbers, which must be in range.
func sigOf(r, s *big.Int) signature {
	var sig signature
	r.FillBytes(sig.r[:])
	s.FillBytes(sig.s[:])
	return sig
}

// The example of GB/T 32918.2-2016 annex A.2 on the curve of GB/T 32918.5.
const (
	vectorD = "3945208F7B2144B13F36E38AC6D39F95889393692860B51A42FB81EF4DF7C5B8"
	vectorK = "59276E27D506861A16680F3AD9C02DCCEF3CC1FA3CDBE4CE6D54B80DEAC1BC21"
	vectorE = "F0B43E94BA45ACCAACE692ED534382EB17E6AB5A19CE7B31F4486FDFC0D28640"
	vectorR = "F5A03B0648D2C4630EEAC513E1BB81A15944DA3827D5B74143AC7EACEEE720B3"
	vectorS = "B1B6AA29DF212FD8763182BC0D421CA1BB9038FD1F7F42D4840B69C485BBC1AA"
)

func TestReferenceVector(t *testing.T) {
	pub := signingtest.VectorKey(t)
	c := &curveSM2
	if q := c.g.times(bigHex(vectorD)); q.x.Cmp(bigHex(signingtest.VectorX)) != 0 || q.y.Cmp(bigHex(signingtest.VectorY)) != 0 {
		t.Error("d·G is not the vector's public key")
	}
	message := []byte("message digest")
	e := referenceDigest(pub, message)
	if got := strings.ToUpper(hex.EncodeToString(e)); got != vectorE {
		t.Errorf("e = %s", got)
	}
	// r = e + x(kG), s = (k − r·d) / (1 + d)
	d, k := bigHex(vectorD), bigHex(vectorK)
	r := new(big.Int).Add(new(big.Int).SetBytes(e), c.g.times(k).x)
	r.Mod(r, c.n)
	s := new(big.Int).Sub(k, new(big.Int).Mul(r, d))
	s.Mul(s, new(big.Int).ModInverse(new(big.Int).Add(d, big.NewInt(1)), c.n)).Mod(s, c.n)
	if r.Cmp(bigHex(vectorR)) != 0 || s.Cmp(bigHex(vectorS)) != 0 {
		t.Errorf("r, s = %X, %X", r, s)
	}
	sig := signature{mustHex(vectorR), mustHex(vectorS)}
	if !referenceVerify(pub, e, sig) {
		t.Error("reference rejects the vector")
	}
	if sum := c.g.times(c.n); sum.x != nil {
		t.Error("n·G is not at infinity")
	}
	v := New(Config{})
	if err := v.Verify(t.Context(), pub, message, sig.der()); err != nil {
		t.Error(err)
	}
	if err := v.Verify(t.Context(), pub, []byte("message digesT"), sig.der()); !errors.Is(err, ErrSignature) {
		t.Errorf("changed message: %v", err)
	}
	if asked, overruled, undecided := v.SecondOpinions(); asked != 1 || overruled != 0 || undecided != 0 {
		t.Errorf("second opinions: %d, %d, %d", asked, overruled, undecided)
	}
}

// TestReferenceRefuses asks the reference by itself what the verifier's own
// checks keep from it.
func TestReferenceRefuses(t *testing.T) {
	pub, e := signingtest.VectorKey(t), bigHex(vectorE).Bytes()
	good := signature{mustHex(vectorR), mustHex(vectorS)}
	q := referencePoint(pub)
	off := &ecdsa.PublicKey{Curve: sm2.P256(), X: q.x, Y: new(big.Int).Add(q.y, big.NewInt(1))} //lint:ignore SA1019 no key that is made properly is off the curve
	beyond := &ecdsa.PublicKey{Curve: sm2.P256(), X: q.x, Y: new(big.Int).Add(q.y, curveSM2.p)} //lint:ignore SA1019 as above
	nowhere := &ecdsa.PublicKey{Curve: sm2.P256()}
	for name, tt := range map[string]struct {
		pub *ecdsa.PublicKey
		sig signature
	}{
		"off the curve":    {off, good},
		"beyond the field": {beyond, good},
		"at infinity":      {nowhere, good},
		"r zero":           {pub, signature{s: good.s}},
		"s zero":           {pub, signature{r: good.r}},
		"r is n":           {pub, signature{order, good.s}},
		"s is n":           {pub, signature{good.r, order}},
		"r + s is n":       {pub, sigOf(bigHex(vectorR), new(big.Int).Sub(curveSM2.n, bigHex(vectorR)))},
		"swapped":          {pub, signature{good.s, good.r}},
	} {
		if referenceVerify(tt.pub, e, tt.sig) {
			t.Errorf("%s: accepted", name)
		}
	}
	if !referenceVerify(pub, e, good) {
		t.Error("the vector itself is rejected")
	}
	g := curveSM2.g
	if sum := (point{}).add(g); sum != g || g.add(point{}) != g {
		t.Error("infinity is not neutral")
	}
	if sum := g.add(point{g.x, new(big.Int).Sub(curveSM2.p, g.y)}); sum.x != nil {
		t.Error("opposite points don't cancel out")
	}
	if !g.add(g).onCurve() || g.add(g).add(g).x.Cmp(g.times(big.NewInt(3)).x) != 0 {
		t.Error("2G + G is not 3G")
	}
}

// TestIssue560 is github.com/emmansun/gmsm issue 560: v0.44.0 rejected this
// valid signature on x86 processors with BMI2 and ADX, v0.44.1 does not. A first
// implementation that rejects it still, as other libraries did, is overruled. The
// published e is a digest of 32 zero bytes.
func TestIssue560(t *testing.T) {
	pkix, _ := hex.DecodeString("3059301306072a8648ce3d020106082a811ccf5501822d03420004ef4de57af00ae424c00c4caadff7193f804a19dd73a7e2954db9d0d15ab4cbba67728c3f4572878b7a674735da9fde1682fe2d9e0799c4a5cde57e3d473039a2")
	der, _ := hex.DecodeString("3046022100BE0EA64E1EC06F0D247093F3CCBBADCFB6260224272F86DDB78326E7CD6C7560022100E9F6AB2FCC48A2CEF94838E66B5C7E21FD8E4DE25990DD98CA5243F4966F2853")
	key, err := smx509.ParsePKIXPublicKey(pkix)
	if err != nil {
		t.Fatal(err)
	}
	pub := key.(*ecdsa.PublicKey)
	e := make([]byte, 32)
	sig, err := parseSignature(der)
	if err != nil {
		t.Fatal(err)
	}
	mended := func() bool { return sm2.VerifyASN1(pub, e, der) }
	for _, tt := range []struct {
		name      string
		first     func() bool
		overruled uint64
	}{
		{"mended", mended, 0},
		{"as it was", func() bool { return false }, 1},
	} {
		t.Run(tt.name, func(t *testing.T) {
			var log bytes.Buffer
			v := New(Config{Log: slog.New(slog.NewTextHandler(&log, nil))})
			err := v.decide(t.Context(), pub, sig, opinions{
				first:     tt.first,
				second:    func() bool { return secondVerifyDigest(pub, e, sig) },
				reference: func() bool { return referenceVerify(pub, e, sig) },
			})
			if err != nil {
				t.Error(err)
			}
			if _, overruled, undecided := v.SecondOpinions(); overruled != tt.overruled || undecided != 0 {
				t.Errorf("overruled %d, undecided %d", overruled, undecided)
			}
			if logged := strings.Contains(log.String(), "overruled"); logged != (tt.overruled > 0) {
				t.Errorf("logged: %v", logged)
			}
		})
	}
}

// TestSumAtInfinity: r = e mod n, s = −r·d/(1+d) makes sG + tP the point at
// infinity. Only the owner of d can make one, but no verifier may accept it;
// tjfoc/gmsm does.
func TestSumAtInfinity(t *testing.T) {
	key, c := signingtest.NewSM2(t), &curveSM2
	d, message := secret(key), []byte("at infinity")
	e := referenceDigest(&key.PublicKey, message)
	r := new(big.Int).SetBytes(e)
	r.Mod(r, c.n)
	s := new(big.Int).Mul(r, d)
	s.Neg(s).Mul(s, new(big.Int).ModInverse(new(big.Int).Add(d, big.NewInt(1)), c.n)).Mod(s, c.n)
	sig := sigOf(r, s)

	if sum := c.g.times(s).add(referencePoint(&key.PublicKey).times(new(big.Int).Add(r, s))); sum.x != nil {
		t.Fatal("the sum is not at infinity: the test is wrong")
	}
	if !secondVerify(&key.PublicKey, message, sig.der()) {
		t.Error("tjfoc/gmsm rejects it by now: say so in the comments")
	}
	if referenceVerify(&key.PublicKey, e, sig) {
		t.Error("reference accepts it")
	}
	if err := New(Config{}).Verify(t.Context(), &key.PublicKey, message, sig.der()); !errors.Is(err, ErrSignature) {
		t.Error(err)
	}
}

// TestEqualSummands: with s = t·d, sG and tP are the same point and adding them
// takes the formula for doubling. It is valid; tjfoc/gmsm rejects it. So it is
// accepted as long as the first implementation does, and no longer.
func TestEqualSummands(t *testing.T) {
	key, c := signingtest.NewSM2(t), &curveSM2
	d, s := secret(key), big.NewInt(560)
	// s = (r + s)·d, so r = s·(1 − d)/d; and e = r − x(2sG).
	r := new(big.Int).Sub(big.NewInt(1), d)
	r.Mul(r, s).Mul(r, new(big.Int).ModInverse(d, c.n)).Mod(r, c.n)
	x := c.g.times(new(big.Int).Lsh(s, 1)).x
	e := new(big.Int).Sub(r, x)
	digest := e.Mod(e, c.n).FillBytes(make([]byte, 32))
	sig := sigOf(r, s)

	if !referenceVerify(&key.PublicKey, digest, sig) {
		t.Error("reference rejects it")
	}
	if secondVerifyDigest(&key.PublicKey, digest, sig) {
		t.Error("tjfoc/gmsm accepts it by now: say so in the comments")
	}
	if err := New(Config{}).verifyDigest(t.Context(), &key.PublicKey, digest, sig.der()); err != nil {
		t.Error(err)
	}
	err := New(Config{}).decide(t.Context(), &key.PublicKey, sig, opinions{
		first:     func() bool { return false },
		second:    func() bool { return secondVerifyDigest(&key.PublicKey, digest, sig) },
		reference: func() bool { return referenceVerify(&key.PublicKey, digest, sig) },
	})
	if !errors.Is(err, ErrSignature) {
		t.Errorf("accepted against the first and the second: %v", err)
	}
}
