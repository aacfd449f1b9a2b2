package sm2

import (
	"crypto/ecdsa"
	"math/big"

	"github.com/emmansun/gmsm/sm3"
)

// This file verifies SM2 signatures a third time: by the formulas of GB/T
// 32918, in affine coordinates, with nothing clever. It is slow (milliseconds)
// and not constant-time, and needs to be neither: it sees public values only,
// and only those that one fast implementation refused and another accepted.

// point is a point of the SM2 curve. At infinity x is nil.
type point struct{ x, y *big.Int }

// curveSM2 is the curve of GB/T 32918.5: y² = x³ + ax + b over p, with base
// point g of order n.
var curveSM2 = struct {
	p, a, b, n *big.Int
	g          point
}{
	p: bigHex("FFFFFFFEFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFF00000000FFFFFFFFFFFFFFFF"),
	a: bigHex("FFFFFFFEFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFF00000000FFFFFFFFFFFFFFFC"),
	b: bigHex("28E9FA9E9D9F5E344D5A9E4BCF6509A7F39789F515AB8F92DDBCBD414D940E93"),
	n: bigHex("FFFFFFFEFFFFFFFFFFFFFFFFFFFFFFFF7203DF6B21C6052B53BBF40939D54123"),
	g: point{
		bigHex("32C4AE2C1F1981195F9904466A39C9948FE30BBFF2660BE1715A4589334C74C7"),
		bigHex("BC3736A2F4F6779C59BDCEE36B692153D0A9877CC62A474002DF32E52139F0A0"),
	},
}

func bigHex(text string) *big.Int {
	b := mustHex(text)
	return new(big.Int).SetBytes(b[:])
}

// onCurve reports whether q is a point of the curve, other than infinity.
func (q point) onCurve() bool {
	c := &curveSM2
	if q.x == nil || q.x.Sign() < 0 || q.y.Sign() < 0 || q.x.Cmp(c.p) >= 0 || q.y.Cmp(c.p) >= 0 {
		return false
	}
	right := new(big.Int).Mul(q.x, q.x)
	right.Add(right, c.a).Mul(right, q.x).Add(right, c.b).Mod(right, c.p)
	left := new(big.Int).Mul(q.y, q.y)
	return left.Mod(left, c.p).Cmp(right) == 0
}

// add returns q + o (GB/T 32918.1 section 3.2.3.1), with each special case apart.
func (q point) add(o point) point {
	c := &curveSM2
	switch {
	case q.x == nil:
		return o
	case o.x == nil:
		return q
	}
	var slope *big.Int
	if q.x.Cmp(o.x) == 0 {
		if q.y.Cmp(o.y) != 0 || q.y.Sign() == 0 {
			return point{} // opposite points
		}
		// (3x² + a) / 2y
		slope = new(big.Int).Mul(q.x, q.x)
		slope.Mul(slope, big.NewInt(3)).Add(slope, c.a)
		slope.Mul(slope, new(big.Int).ModInverse(new(big.Int).Lsh(q.y, 1), c.p))
	} else {
		// (y₂ − y₁) / (x₂ − x₁)
		slope = new(big.Int).Sub(o.y, q.y)
		run := new(big.Int).Sub(o.x, q.x)
		slope.Mul(slope, run.ModInverse(run.Mod(run, c.p), c.p))
	}
	slope.Mod(slope, c.p)
	x := new(big.Int).Mul(slope, slope)
	x.Sub(x, q.x).Sub(x, o.x).Mod(x, c.p)
	y := new(big.Int).Sub(q.x, x)
	y.Mul(y, slope).Sub(y, q.y).Mod(y, c.p)
	return point{x, y}
}

// times returns k·q by doubling and adding.
func (q point) times(k *big.Int) point {
	var sum point
	for i := k.BitLen() - 1; i >= 0; i-- {
		sum = sum.add(sum)
		if k.Bit(i) == 1 {
			sum = sum.add(q)
		}
	}
	return sum
}

// referencePoint returns a key as a point of the reference.
func referencePoint(pub *ecdsa.PublicKey) point {
	//lint:ignore SA1019 SM2 is not among the curves of ecdsa.PublicKey.Bytes
	return point{pub.X, pub.Y}
}

// referenceDigest returns e = SM3(ZA ‖ message) with the default user id
// (GB/T 32918.2 section 5.5).
func referenceDigest(pub *ecdsa.PublicKey, message []byte) []byte {
	c, q := &curveSM2, referencePoint(pub)
	h := sm3.New()
	h.Write([]byte{0, byte(8 * len(UserID))}) // ENTL: the id's length in bits
	h.Write([]byte(UserID))
	for _, n := range []*big.Int{c.a, c.b, c.g.x, c.g.y, q.x, q.y} {
		h.Write(n.FillBytes(make([]byte, 32)))
	}
	za := h.Sum(nil)
	h.Reset()
	h.Write(za)
	h.Write(message)
	return h.Sum(nil)
}

// referenceVerify verifies a signature of the digest e by GB/T 32918.2 section
// 7.1, and refuses, which the standard leaves open, a sum at infinity: it has
// no x to compare.
func referenceVerify(pub *ecdsa.PublicKey, e []byte, sig signature) bool {
	c, q := &curveSM2, referencePoint(pub)
	r, s := new(big.Int).SetBytes(sig.r[:]), new(big.Int).SetBytes(sig.s[:])
	if !q.onCurve() || r.Sign() == 0 || s.Sign() == 0 || r.Cmp(c.n) >= 0 || s.Cmp(c.n) >= 0 {
		return false
	}
	t := new(big.Int).Add(r, s)
	if t.Mod(t, c.n).Sign() == 0 {
		return false
	}
	sum := c.g.times(s).add(q.times(t))
	if sum.x == nil {
		return false
	}
	x := new(big.Int).SetBytes(e)
	x.Add(x, sum.x)
	return x.Mod(x, c.n).Cmp(r) == 0
}
