package signing

import (
	"bytes"
	"context"
	"crypto"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"encoding/hex"
	"errors"
	"io"
	"log/slog"
	"math/big"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/emmansun/gmsm/sm2"
	"github.com/emmansun/gmsm/smx509"
	second "github.com/tjfoc/gmsm/sm2"
)

// signerES256 signs messages with a P-256 key, as a Module's signer does.
type signerES256 struct{ *ecdsa.PrivateKey }

func (s signerES256) SignMessage(random io.Reader, message []byte, _ crypto.SignerOpts) ([]byte, error) {
	h := crypto.SHA256.New()
	h.Write(message)
	return s.Sign(random, h.Sum(nil), crypto.SHA256)
}

func newSM2(t testing.TB) *sm2.PrivateKey {
	t.Helper()
	key, err := sm2.GenerateKey(rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	return key
}

func newES256(t testing.TB) signerES256 {
	t.Helper()
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	return signerES256{key}
}

func mustSign(t testing.TB, s crypto.MessageSigner, message []byte) []byte {
	t.Helper()
	der, err := s.SignMessage(rand.Reader, message, nil)
	if err != nil {
		t.Fatal(err)
	}
	return der
}

// verifyDigest puts a digest e, not a message, through all three
// implementations: some vectors are published as digests, and some are found
// only by choosing e.
func (v *Verifier) verifyDigest(ctx context.Context, pub *ecdsa.PublicKey, e, der []byte) error {
	sig, err := parseSignature(der)
	if err != nil {
		return ErrSignature
	}
	return v.decide(ctx, pub, sig, opinions{
		first:     func() bool { return sm2.VerifyASN1(pub, e, der) },
		second:    func() bool { return secondVerifyDigest(pub, e, sig) },
		reference: func() bool { return referenceVerify(pub, e, sig) },
	})
}

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
	vectorX = "09F9DF311E5421A150DD7D161E4BC5C672179FAD1833FC076BB08FF356F35020"
	vectorY = "CCEA490CE26775A52DC6EA718CC1AA600AED05FBF35E084A6632F6072DA9AD13"
	vectorE = "F0B43E94BA45ACCAACE692ED534382EB17E6AB5A19CE7B31F4486FDFC0D28640"
	vectorR = "F5A03B0648D2C4630EEAC513E1BB81A15944DA3827D5B74143AC7EACEEE720B3"
	vectorS = "B1B6AA29DF212FD8763182BC0D421CA1BB9038FD1F7F42D4840B69C485BBC1AA"
)

func vectorKey(t *testing.T) *ecdsa.PublicKey {
	t.Helper()
	raw, err := hex.DecodeString("04" + vectorX + vectorY)
	if err != nil {
		t.Fatal(err)
	}
	pub, err := parsePoint(SM2, raw)
	if err != nil {
		t.Fatal(err)
	}
	return pub
}

func TestReferenceVector(t *testing.T) {
	pub := vectorKey(t)
	c := &curveSM2
	if q := c.g.times(bigHex(vectorD)); q.x.Cmp(bigHex(vectorX)) != 0 || q.y.Cmp(bigHex(vectorY)) != 0 {
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
	v := NewVerifier(VerifierConfig{})
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

// TestIssue560 is github.com/emmansun/gmsm issue 560: v0.44.0 rejects this
// valid signature on x86 processors with BMI2 and ADX. The published e is a
// digest of 32 zero bytes.
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
	if !secondVerifyDigest(pub, e, sig) || !referenceVerify(pub, e, sig) {
		t.Fatal("the second implementation or the reference rejects it")
	}
	var log bytes.Buffer
	v := NewVerifier(VerifierConfig{Log: slog.New(slog.NewTextHandler(&log, nil))})
	if err := v.verifyDigest(t.Context(), pub, e, der); err != nil {
		t.Error(err)
	}
	rejected := !sm2.VerifyASN1(pub, e, der)
	t.Logf("this machine's first implementation rejects it: %v", rejected)
	if _, overruled, _ := v.SecondOpinions(); (overruled == 1) != rejected {
		t.Errorf("overruled %d, rejected %v", overruled, rejected)
	}
	if logged := strings.Contains(log.String(), "overruled"); logged != rejected {
		t.Errorf("logged %v, rejected %v", logged, rejected)
	}
}

// TestSumAtInfinity: r = e mod n, s = −r·d/(1+d) makes sG + tP the point at
// infinity. Only the owner of d can make one, but no verifier may accept it;
// tjfoc/gmsm does.
func TestSumAtInfinity(t *testing.T) {
	key, c := newSM2(t), &curveSM2
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
	if err := NewVerifier(VerifierConfig{}).Verify(t.Context(), &key.PublicKey, message, sig.der()); !errors.Is(err, ErrSignature) {
		t.Error(err)
	}
}

// TestEqualSummands: with s = t·d, sG and tP are the same point and adding them
// takes the formula for doubling. It is valid; tjfoc/gmsm rejects it. So it is
// accepted as long as the first implementation does, and no longer.
func TestEqualSummands(t *testing.T) {
	key, c := newSM2(t), &curveSM2
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
	if err := NewVerifier(VerifierConfig{}).verifyDigest(t.Context(), &key.PublicKey, digest, sig.der()); err != nil {
		t.Error(err)
	}
	err := NewVerifier(VerifierConfig{}).decide(t.Context(), &key.PublicKey, sig, opinions{
		first:     func() bool { return false },
		second:    func() bool { return secondVerifyDigest(&key.PublicKey, digest, sig) },
		reference: func() bool { return referenceVerify(&key.PublicKey, digest, sig) },
	})
	if !errors.Is(err, ErrSignature) {
		t.Errorf("accepted against the first and the second: %v", err)
	}
}

func TestVerifyRefuses(t *testing.T) {
	key, message := newSM2(t), []byte("yizheng")
	pub := &key.PublicKey
	good, err := parseSignature(mustSign(t, key, message))
	if err != nil {
		t.Fatal(err)
	}
	n := curveSM2.n
	r, s := new(big.Int).SetBytes(good.r[:]), new(big.Int).SetBytes(good.s[:])
	otherID, err := key.Sign(rand.Reader, message, sm2.NewSM2SignerOption(true, []byte("ALICE123@YAHOO.COM")))
	if err != nil {
		t.Fatal(err)
	}
	q := referencePoint(pub)
	keyAt := func(x, y *big.Int) *ecdsa.PublicKey {
		return &ecdsa.PublicKey{Curve: sm2.P256(), X: x, Y: y} //lint:ignore SA1019 that such a key can be made is the point
	}
	der := good.der()
	long := func(r, s []byte) []byte { // as the numbers stand, minimal or not
		body := append([]byte{0x02, byte(len(r))}, r...)
		body = append(append(body, 0x02, byte(len(s))), s...)
		return append([]byte{0x30, byte(len(body))}, body...)
	}
	padded := func(n [32]byte) []byte { return append([]byte{0, 0}, n[:]...) }
	tests := map[string]struct {
		pub crypto.PublicKey
		der []byte
	}{
		"r zero":              {pub, long([]byte{0}, s.Bytes())},
		"s zero":              {pub, long(r.Bytes(), []byte{0})},
		"r is n":              {pub, sigOf(n, s).der()},
		"s is n":              {pub, sigOf(r, n).der()},
		"r above n":           {pub, sigOf(new(big.Int).Sub(bigHex(strings.Repeat("F", 64)), big.NewInt(1)), s).der()},
		"r + n, 33 bytes":     {pub, long(new(big.Int).Add(new(big.Int).Lsh(big.NewInt(1), 256), r).Bytes(), s.Bytes())},
		"r + s is n":          {pub, sigOf(r, new(big.Int).Sub(n, r)).der()},
		"swapped":             {pub, sigOf(s, r).der()},
		"s negated":           {pub, sigOf(r, new(big.Int).Sub(n, s)).der()},
		"trailing byte":       {pub, append(bytes.Clone(der), 0)},
		"trailing in body":    {pub, append([]byte{0x30, der[1] + 2}, append(bytes.Clone(der[2:]), 5, 0)...)},
		"superfluous zeros":   {pub, long(padded(good.r), padded(good.s))},
		"negative":            {pub, long(append([]byte{0x80}, good.r[1:]...), padded(good.s)[1:])},
		"long length":         {pub, append([]byte{0x30, 0x81, der[1]}, der[2:]...)},
		"indefinite length":   {pub, append(append([]byte{0x30, 0x80}, der[2:]...), 0, 0)},
		"not a sequence":      {pub, append([]byte{0x31}, der[1:]...)},
		"raw":                 {pub, append(good.r[:], good.s[:]...)},
		"empty":               {pub, nil},
		"empty integers":      {pub, []byte{0x30, 4, 2, 0, 2, 0}},
		"cut":                 {pub, der[:len(der)-1]},
		"wrong user id":       {pub, otherID},
		"off the curve":       {keyAt(q.x, new(big.Int).Add(q.y, big.NewInt(1))), der},
		"x beyond the field":  {keyAt(new(big.Int).Add(q.x, curveSM2.p), q.y), der},
		"negative coordinate": {keyAt(q.x, new(big.Int).Neg(q.y)), der},
		"infinity as zeros":   {keyAt(new(big.Int), new(big.Int)), der},
		"infinity as nil":     {keyAt(nil, nil), der},
		"no curve":            {&ecdsa.PublicKey{}, der},
		"no key":              {nil, der},
		"nil key":             {(*ecdsa.PublicKey)(nil), der},
		"key of P-256":        {newES256(t).Public(), der},
		"another's key":       {newSM2(t).Public(), der},
	}
	for name, tt := range tests {
		t.Run(name, func(t *testing.T) {
			for which, c := range map[string]VerifierConfig{
				"as it is":           {},
				"first rejects all":  {First: rejects},
				"second accepts all": {Second: accepts},
			} {
				if err := NewVerifier(c).Verify(t.Context(), tt.pub, message, tt.der); !errors.Is(err, ErrSignature) {
					t.Errorf("%s: %v", which, err)
				}
			}
		})
	}
	if err := NewVerifier(VerifierConfig{}).Verify(t.Context(), pub, message, der); err != nil {
		t.Errorf("the signature itself: %v", err)
	}
}

// rejects and accepts are implementations that don't look.
func rejects(*ecdsa.PublicKey, []byte, []byte) bool { return false }
func accepts(*ecdsa.PublicKey, []byte, []byte) bool { return true }

func TestSecondOpinion(t *testing.T) {
	panics := func(*ecdsa.PublicKey, []byte, []byte) bool { panic("broken") }
	tests := map[string]struct {
		first, second   func(*ecdsa.PublicKey, []byte, []byte) bool
		genuine, forged error
	}{
		"first rejects all":             {rejects, nil, nil, ErrSignature},
		"second accepts all":            {nil, accepts, nil, ErrSignature},
		"first rejects, second accepts": {rejects, accepts, nil, ErrSignature},
		"both reject all":               {rejects, rejects, ErrSignature, ErrSignature},
		"second panics":                 {nil, panics, nil, ErrUndecided},
	}
	for name, tt := range tests {
		t.Run(name, func(t *testing.T) {
			v := NewVerifier(VerifierConfig{First: tt.first, Second: tt.second})
			key := newSM2(t)
			for i := range 4 {
				message := []byte{byte(i)}
				der := mustSign(t, key, message)
				if err := v.Verify(t.Context(), key.Public(), message, der); !errors.Is(err, tt.genuine) {
					t.Errorf("genuine: %v", err)
				}
				if err := v.Verify(t.Context(), key.Public(), []byte("x"), der); !errors.Is(err, tt.forged) {
					t.Errorf("forged: %v", err)
				}
			}
			if asked, _, _ := v.SecondOpinions(); asked < 4 {
				t.Errorf("only %d second opinions were asked for", asked)
			}
		})
	}
}

func TestES256(t *testing.T) {
	v, key, message := NewVerifier(VerifierConfig{}), newES256(t), []byte("yizheng")
	der := mustSign(t, key, message)
	raw, err := DERToRaw(der)
	if err != nil {
		t.Fatal(err)
	}
	if err := v.Verify(t.Context(), key.Public(), message, der); err != nil {
		t.Error(err)
	}
	if err := v.VerifyRaw(t.Context(), key.Public(), message, raw); err != nil {
		t.Error(err)
	}
	sig, _ := parseSignature(der)
	for name, bad := range map[string][]byte{
		"trailing": append(bytes.Clone(der), 0),
		"swapped":  signature{sig.s, sig.r}.der(),
		"r is n":   signature{orderP256, sig.s}.der(),
		"raw":      raw,
	} {
		if err := v.Verify(t.Context(), key.Public(), message, bad); !errors.Is(err, ErrSignature) {
			t.Errorf("%s: %v", name, err)
		}
	}
	if asked, _, _ := v.SecondOpinions(); asked != 0 {
		t.Error("ECDSA needs no second opinion")
	}
}

func TestVerifyRaw(t *testing.T) {
	v, key, message := NewVerifier(VerifierConfig{}), newSM2(t), []byte("yizheng")
	raw, err := DERToRaw(mustSign(t, key, message))
	if err != nil {
		t.Fatal(err)
	}
	if err := v.VerifyRaw(t.Context(), key.Public(), message, raw); err != nil {
		t.Error(err)
	}
	for name, bad := range map[string][]byte{
		"short": raw[:63], "long": append(bytes.Clone(raw), 0), "none": nil,
		"zero r": append(make([]byte, 32), raw[32:]...), "zeros": make([]byte, 64),
	} {
		if err := v.VerifyRaw(t.Context(), key.Public(), message, bad); !errors.Is(err, ErrSignature) {
			t.Errorf("%s: %v", name, err)
		}
	}
}

// TestForgedFlood sends 5,000 forged signatures at once and genuine ones among
// them: the work for the forged stays within slot and queue, and the genuine
// don't wait for it.
func TestForgedFlood(t *testing.T) {
	const forgeries, genuine = 5000, 50
	var running, most atomic.Int64
	v := NewVerifier(VerifierConfig{Second: func(pub *ecdsa.PublicKey, message, der []byte) bool {
		n := running.Add(1)
		defer running.Add(-1)
		for m := most.Load(); n > m && !most.CompareAndSwap(m, n); m = most.Load() {
		}
		return secondVerify(pub, message, der)
	}})
	key, message := newSM2(t), []byte("yizheng")
	der := mustSign(t, key, message)
	var rejected, undecided atomic.Int64
	start := make(chan struct{})
	var flood, honest sync.WaitGroup
	for range forgeries {
		flood.Go(func() {
			<-start
			switch err := v.Verify(t.Context(), key.Public(), []byte("forged"), der); {
			case errors.Is(err, ErrSignature):
				rejected.Add(1)
			case errors.Is(err, ErrUndecided):
				undecided.Add(1)
			default:
				t.Errorf("forged: %v", err)
			}
		})
	}
	var slowest atomic.Int64
	for range genuine {
		honest.Go(func() {
			<-start
			began := time.Now()
			if err := v.Verify(t.Context(), key.Public(), message, der); err != nil {
				t.Errorf("genuine: %v", err)
			}
			for took, m := int64(time.Since(began)), slowest.Load(); took > m && !slowest.CompareAndSwap(m, took); m = slowest.Load() {
			}
		})
	}
	close(start)
	honest.Wait()
	flood.Wait()
	if most.Load() != 1 {
		t.Errorf("%d second opinions ran at a time", most.Load())
	}
	if took := time.Duration(slowest.Load()); took > 2*time.Second {
		t.Errorf("a genuine signature took %v", took)
	}
	asked, overruled, given := v.SecondOpinions()
	if asked != forgeries || overruled != 0 || given != uint64(undecided.Load()) || rejected.Load()+undecided.Load() != forgeries {
		t.Errorf("asked %d, overruled %d, undecided %d; rejected %d, undecided %d", asked, overruled, given, rejected.Load(), undecided.Load())
	}
	t.Logf("rejected %d, undecided %d, slowest genuine %v", rejected.Load(), undecided.Load(), time.Duration(slowest.Load()))
}

// TestQueue holds the only slot and fills the queue.
func TestQueue(t *testing.T) {
	hold, held := make(chan struct{}), make(chan struct{}, 1)
	v := NewVerifier(VerifierConfig{Queue: 1, Wait: 50 * time.Millisecond, Second: func(*ecdsa.PublicKey, []byte, []byte) bool {
		held <- struct{}{}
		<-hold
		return false
	}})
	key := newSM2(t)
	der := mustSign(t, key, []byte("yizheng"))
	forged := func(ctx context.Context) error { return v.Verify(ctx, key.Public(), []byte("forged"), der) }
	var first sync.WaitGroup
	first.Go(func() {
		if err := forged(t.Context()); !errors.Is(err, ErrSignature) {
			t.Errorf("in the slot: %v", err)
		}
	})
	<-held
	canceled, cancel := context.WithCancel(t.Context())
	cancel()
	if err := forged(canceled); !errors.Is(err, ErrUndecided) || !errors.Is(err, context.Canceled) {
		t.Errorf("canceled: %v", err)
	}
	v.waiting.Add(1) // another one waits
	if err := forged(t.Context()); !errors.Is(err, ErrUndecided) || !strings.Contains(err.Error(), "full") {
		t.Errorf("beyond the queue: %v", err)
	}
	v.waiting.Add(-1)
	if err := forged(t.Context()); !errors.Is(err, ErrUndecided) || !strings.Contains(err.Error(), "waited") {
		t.Errorf("waiting: %v", err)
	}
	if err := v.Verify(t.Context(), key.Public(), []byte("yizheng"), der); err != nil {
		t.Errorf("genuine while the slot is held: %v", err)
	}
	close(hold)
	first.Wait()
	if _, _, undecided := v.SecondOpinions(); undecided != 3 || v.waiting.Load() != 0 || len(v.slots) != 0 {
		t.Errorf("undecided %d, waiting %d, running %d", undecided, v.waiting.Load(), len(v.slots))
	}
}

func FuzzSignatureDER(f *testing.F) {
	sig := signature{mustHex(vectorR), mustHex(vectorS)}
	f.Add(sig.der())
	f.Add([]byte{0x30, 6, 2, 1, 1, 2, 1, 1})
	f.Add([]byte{0x30, 7, 2, 2, 0, 1, 2, 1, 1})
	f.Add([]byte{0x30, 0x81, 6, 2, 1, 1, 2, 1, 1})
	f.Fuzz(func(t *testing.T, der []byte) {
		raw, err := DERToRaw(der)
		if err != nil {
			return
		}
		again, err := RawToDER(raw)
		if err != nil || !bytes.Equal(again, der) {
			t.Errorf("%x became %x: %v", der, again, err)
		}
	})
}

// BenchmarkVerify stands beside raw emmansun/gmsm, which it should not be much
// slower than.
func BenchmarkVerify(b *testing.B) {
	key, message := newSM2(b), bytes.Repeat([]byte("y"), 1200)
	der := mustSign(b, key, message)
	raw, _ := DERToRaw(der)
	v, pub := NewVerifier(VerifierConfig{}), &key.PublicKey
	b.Run("emmansun", func(b *testing.B) {
		for b.Loop() {
			if !sm2.VerifyASN1WithSM2(pub, nil, message, der) {
				b.Fatal("rejected")
			}
		}
	})
	b.Run("Verifier", func(b *testing.B) {
		for b.Loop() {
			if err := v.Verify(b.Context(), pub, message, der); err != nil {
				b.Fatal(err)
			}
		}
	})
	b.Run("VerifierRaw", func(b *testing.B) {
		for b.Loop() {
			if err := v.VerifyRaw(b.Context(), pub, message, raw); err != nil {
				b.Fatal(err)
			}
		}
	})
	b.Run("forged", func(b *testing.B) {
		for b.Loop() {
			if err := v.Verify(b.Context(), pub, message[1:], der); err == nil {
				b.Fatal("accepted")
			}
		}
	})
}
