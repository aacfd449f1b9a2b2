package sm2

import (
	"bytes"
	"context"
	"crypto"
	"crypto/ecdsa"
	"crypto/rand"
	"errors"
	"math/big"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/emmansun/gmsm/sm2"

	"yizheng.internal/signing/signingtest"
)

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

func TestVerifyRefuses(t *testing.T) {
	key, message := signingtest.NewSM2(t), []byte("yizheng")
	pub := &key.PublicKey
	good, err := parseSignature(signingtest.MustSign(t, key, message))
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
		"key of P-256":        {signingtest.NewES256(t).Public(), der},
		"another's key":       {signingtest.NewSM2(t).Public(), der},
	}
	for name, tt := range tests {
		t.Run(name, func(t *testing.T) {
			for which, c := range map[string]Config{
				"as it is":           {},
				"first rejects all":  {First: signingtest.Rejects},
				"second accepts all": {Second: signingtest.Accepts},
			} {
				if err := New(c).Verify(t.Context(), tt.pub, message, tt.der); !errors.Is(err, ErrSignature) {
					t.Errorf("%s: %v", which, err)
				}
			}
		})
	}
	if err := New(Config{}).Verify(t.Context(), pub, message, der); err != nil {
		t.Errorf("the signature itself: %v", err)
	}
}

func TestSecondOpinion(t *testing.T) {
	panics := func(*ecdsa.PublicKey, []byte, []byte) bool { panic("broken") }
	tests := map[string]struct {
		first, second   func(*ecdsa.PublicKey, []byte, []byte) bool
		genuine, forged error
	}{
		"first rejects all":             {signingtest.Rejects, nil, nil, ErrSignature},
		"second accepts all":            {nil, signingtest.Accepts, nil, ErrSignature},
		"first rejects, second accepts": {signingtest.Rejects, signingtest.Accepts, nil, ErrSignature},
		"both reject all":               {signingtest.Rejects, signingtest.Rejects, ErrSignature, ErrSignature},
		"second panics":                 {nil, panics, nil, ErrUndecided},
	}
	for name, tt := range tests {
		t.Run(name, func(t *testing.T) {
			v := New(Config{First: tt.first, Second: tt.second})
			key := signingtest.NewSM2(t)
			for i := range 4 {
				message := []byte{byte(i)}
				der := signingtest.MustSign(t, key, message)
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

// TestForgedFlood sends 5,000 forged signatures at once and genuine ones among
// them: the work for the forged stays within slot and queue, and the genuine
// don't wait for it.
func TestForgedFlood(t *testing.T) {
	const forgeries, genuine = 5000, 50
	var running, most atomic.Int64
	v := New(Config{Second: func(pub *ecdsa.PublicKey, message, der []byte) bool {
		n := running.Add(1)
		defer running.Add(-1)
		for m := most.Load(); n > m && !most.CompareAndSwap(m, n); m = most.Load() {
		}
		return secondVerify(pub, message, der)
	}})
	key, message := signingtest.NewSM2(t), []byte("yizheng")
	der := signingtest.MustSign(t, key, message)
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
	// How long a genuine one took says how busy the machine is; that it waits for no
	// forgery is TestQueue's to show.
	asked, overruled, given := v.SecondOpinions()
	if asked != forgeries || overruled != 0 || given != uint64(undecided.Load()) || rejected.Load()+undecided.Load() != forgeries {
		t.Errorf("asked %d, overruled %d, undecided %d; rejected %d, undecided %d", asked, overruled, given, rejected.Load(), undecided.Load())
	}
	t.Logf("rejected %d, undecided %d, slowest genuine %v", rejected.Load(), undecided.Load(), time.Duration(slowest.Load()))
}

// TestQueue holds the only slot and fills the queue.
func TestQueue(t *testing.T) {
	hold, held := make(chan struct{}), make(chan struct{}, 1)
	v := New(Config{Queue: 1, Wait: 50 * time.Millisecond, Second: func(*ecdsa.PublicKey, []byte, []byte) bool {
		held <- struct{}{}
		<-hold
		return false
	}})
	key := signingtest.NewSM2(t)
	der := signingtest.MustSign(t, key, []byte("yizheng"))
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
	key, message := signingtest.NewSM2(b), bytes.Repeat([]byte("y"), 1200)
	der := signingtest.MustSign(b, key, message)
	raw, _ := DERToRaw(der)
	v, pub := New(Config{}), &key.PublicKey
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
			der, err := RawToDER(raw)
			if err == nil {
				err = v.Verify(b.Context(), pub, message, der)
			}
			if err != nil {
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
