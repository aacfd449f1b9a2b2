package sm2

import (
	"bytes"
	"encoding/hex"
	"errors"
)

// errSignatureDER says that bytes are not the one DER form of a signature.
var errSignatureDER = errors.New("signature is not a minimal DER SEQUENCE of two positive INTEGERs")

// signature is a parsed signature. Its numbers are bytes, because the hot path only compares
// them. Only second opinions need big integers.
type signature struct{ r, s [32]byte }

// parseSignature reads SEQUENCE { r INTEGER, s INTEGER }: SM2Signature of
// GB/T 35276 (GM/T 0009) and Ecdsa-Sig-Value of RFC 3279. It accepts DER only,
// so that a signature has one encoding: nobody can change the bytes of something signed and
// leave it valid. Numbers have at most 256 bits, so lengths always have the short form.
func parseSignature(der []byte) (signature, error) {
	var sig signature
	if len(der) < 2 || der[0] != 0x30 || der[1] >= 0x80 || int(der[1]) != len(der)-2 {
		return sig, errSignatureDER
	}
	rest, ok := parseInteger(der[2:], &sig.r)
	if !ok {
		return signature{}, errSignatureDER
	}
	rest, ok = parseInteger(rest, &sig.s)
	if !ok || len(rest) != 0 {
		return signature{}, errSignatureDER
	}
	return sig, nil
}

// parseInteger reads one positive, minimal INTEGER of at most 256 bits and
// returns what follows it.
func parseInteger(der []byte, to *[32]byte) (rest []byte, ok bool) {
	if len(der) < 3 || der[0] != 0x02 || der[1] == 0 || der[1] >= 0x80 || int(der[1]) > len(der)-2 {
		return nil, false
	}
	value, rest := der[2:2+int(der[1])], der[2+int(der[1]):]
	if value[0] >= 0x80 {
		return nil, false // negative
	}
	if value[0] == 0 {
		// A leading zero is there only to keep the number positive; alone it is zero.
		if len(value) == 1 || value[1] < 0x80 {
			return nil, false
		}
		value = value[1:]
	}
	if len(value) > len(to) {
		return nil, false
	}
	copy(to[len(to)-len(value):], value)
	return rest, true
}

// der returns the DER form of the signature, whose numbers must not be zero.
func (sig signature) der() []byte {
	der := make([]byte, 2, 72)
	der[0] = 0x30
	for _, n := range [...][32]byte{sig.r, sig.s} {
		value := bytes.TrimLeft(n[:], "\x00")
		if value[0] >= 0x80 {
			der = append(der, 0x02, byte(len(value)+1), 0)
		} else {
			der = append(der, 0x02, byte(len(value)))
		}
		der = append(der, value...)
	}
	der[1] = byte(len(der) - 2)
	return der
}

// RawToDER turns r ‖ s, 64 bytes, as JWS has it (RFC 7518 section 3.4), into
// the DER that everything else uses; signatures of ECDSA with P-256 have the same
// two forms. It is an error if the length differs or either number is zero.
func RawToDER(raw []byte) ([]byte, error) {
	if len(raw) != 64 {
		return nil, errors.New("raw signature is not 64 bytes")
	}
	sig := signature{[32]byte(raw[:32]), [32]byte(raw[32:])}
	if sig.r == [32]byte{} || sig.s == [32]byte{} {
		return nil, errors.New("raw signature holds a zero")
	}
	return sig.der(), nil
}

// DERToRaw reverses [RawToDER]. It accepts DER only: no trailing bytes, no
// superfluous zeros.
func DERToRaw(der []byte) ([]byte, error) {
	sig, err := parseSignature(der)
	if err != nil {
		return nil, err
	}
	return append(sig.r[:], sig.s[:]...), nil
}

// order is n, the order of the curve of GB/T 32918.5.
var order = mustHex("FFFFFFFEFFFFFFFFFFFFFFFFFFFFFFFF7203DF6B21C6052B53BBF40939D54123")

// below reports whether 1 ≤ r, s < n.
func (sig signature) below(n [32]byte) bool {
	zero := [32]byte{}
	return sig.r != zero && sig.s != zero && bytes.Compare(sig.r[:], n[:]) < 0 && bytes.Compare(sig.s[:], n[:]) < 0
}

// sums reports whether r + s = n. With 1 ≤ r, s < n it is the only case of
// r + s ≡ 0 mod n, which GB/T 32918.2 section 7.1 B5 refuses.
func (sig signature) sums(n [32]byte) bool {
	carry := 0
	for i := len(n) - 1; i >= 0; i-- {
		carry += int(sig.r[i]) + int(sig.s[i])
		if byte(carry) != n[i] {
			return false
		}
		carry >>= 8
	}
	return carry == 0
}

// mustHex decodes a constant of 32 bytes.
func mustHex(text string) [32]byte {
	b, err := hex.DecodeString(text)
	if err != nil {
		panic(err)
	}
	return [32]byte(b)
}
