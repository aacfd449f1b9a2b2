package jose

import (
	"bytes"
	"crypto/elliptic"
	"errors"
	"slices"
	"testing"

	"yizheng.internal/signing/signingtest"
	"yizheng.internal/signing/sm2"
)

func TestES256(t *testing.T) {
	v, key, message := NewVerifier(sm2.Config{}), signingtest.NewES256(t), []byte("yizheng")
	der := signingtest.MustSign(t, key, message)
	raw, err := sm2.DERToRaw(der)
	if err != nil {
		t.Fatal(err)
	}
	if err := v.Verify(t.Context(), key.Public(), message, der); err != nil {
		t.Error(err)
	}
	if err := v.verifyRaw(t.Context(), key.Public(), message, raw); err != nil {
		t.Error(err)
	}
	asDER := func(parts ...[]byte) []byte {
		der, err := sm2.RawToDER(slices.Concat(parts...))
		if err != nil {
			t.Fatal(err)
		}
		return der
	}
	order := elliptic.P256().Params().N.Bytes()
	for name, bad := range map[string][]byte{
		"trailing": append(bytes.Clone(der), 0),
		"swapped":  asDER(raw[32:], raw[:32]),
		"r is n":   asDER(order, raw[32:]),
		"s is n":   asDER(raw[:32], order),
		"raw":      raw,
	} {
		if err := v.Verify(t.Context(), key.Public(), message, bad); !errors.Is(err, sm2.ErrSignature) {
			t.Errorf("%s: %v", name, err)
		}
	}
	if asked, _, _ := v.SecondOpinions(); asked != 0 {
		t.Error("ECDSA needs no second opinion")
	}
}

func TestVerifyRaw(t *testing.T) {
	v, key, message := NewVerifier(sm2.Config{}), signingtest.NewSM2(t), []byte("yizheng")
	raw, err := sm2.DERToRaw(signingtest.MustSign(t, key, message))
	if err != nil {
		t.Fatal(err)
	}
	if err := v.verifyRaw(t.Context(), key.Public(), message, raw); err != nil {
		t.Error(err)
	}
	for name, bad := range map[string][]byte{
		"short": raw[:63], "long": append(bytes.Clone(raw), 0), "none": nil,
		"zero r": append(make([]byte, 32), raw[32:]...), "zeros": make([]byte, 64),
	} {
		if err := v.verifyRaw(t.Context(), key.Public(), message, bad); !errors.Is(err, sm2.ErrSignature) {
			t.Errorf("%s: %v", name, err)
		}
	}
}
