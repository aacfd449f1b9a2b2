package sdjwt

import (
	"bytes"
	"math/rand/v2"
	"strings"
	"testing"

	"github.com/go-json-experiment/json/jsontext"

	"yizheng.internal/signing"
)

// TestPackJSON checks the payload to the byte, and that with the same
// randomness Pack makes the same.
func TestPackJSON(t *testing.T) {
	claims := func() map[string]any {
		return map[string]any{
			"b": []any{"x", Selective{"y"}}, "a": map[string]any{"z": Selective{1}, "y": "<&>"},
			"c": nil, "d": Selective{map[string]any{"e": Selective{true}, "f": []string{"g"}}}, "n": int64(-5),
		}
	}
	options := func() PackOptions {
		return PackOptions{Hash: SM3, Decoys: 1, Rand: rand.NewChaCha8([32]byte{9, 9, 0, 1})}
	}
	text, disclosures, err := PackJSON(claims(), options())
	if err != nil {
		t.Fatal(err)
	}
	if !text.IsValid() {
		t.Errorf("not strict JSON: %s", text)
	}
	tree, same, err := Pack(claims(), options())
	if err != nil || strings.Join(same, " ") != strings.Join(disclosures, " ") {
		t.Errorf("Pack: %v, disclosures %q, not %q", err, same, disclosures)
	}
	if got, want := canonical(t, text), canonical(t, tree); got != want {
		t.Errorf("Pack makes %s, not %s", want, got)
	}
	token := &Token{Disclosures: disclosures}
	r, err := token.Resolve(text)
	if err != nil {
		t.Fatalf("%v: %s", err, text)
	}
	if got, want := canonical(t, r.Claims), canonical(t, bare(claims())); got != want {
		t.Errorf("claims are %s, want %s", got, want)
	}
	// Nothing selective: no digest, and no decoy where there is none to hide.
	text, _, err = PackJSON(map[string]any{"b": []any{}, "a": map[string]any{}}, options())
	if want := `{"a":{},"b":[],"_sd_alg":"sm3"}`; err != nil || string(text) != want {
		t.Errorf("payload is %s, %v, want %s", text, err, want)
	}
}

// TestPackJSONSigned checks that a payload is signed as it stands.
func TestPackJSONSigned(t *testing.T) {
	key, _ := newKey(t, signing.SM2)
	text, _, err := PackJSON(license(), PackOptions{Hash: SM3})
	if err != nil {
		t.Fatal(err)
	}
	jws, err := signing.Sign(key, signing.Header{Typ: signing.TypCredential}, text)
	if err != nil {
		t.Fatal(err)
	}
	part := strings.Split(jws, ".")[1]
	if payload, err := encoding.DecodeString(part); err != nil || !bytes.Equal(payload, text) {
		t.Errorf("signed is %s, %v, not %s", payload, err, text)
	}
}

// TestPackJSONDepth checks that what is packed at the limit also resolves: the
// object around an element's digest is a level of its own.
func TestPackJSONDepth(t *testing.T) {
	nested := func(levels int, v any) any {
		for range levels {
			v = []any{v}
		}
		return v
	}
	for levels, reason := range map[int]string{14: "", 15: "sdjwt_depth"} { // the payload is one more
		text, disclosures, err := PackJSON(map[string]any{"a": nested(levels, Selective{1})}, PackOptions{})
		if reason != "" {
			wantReason(t, err, reason)
			continue
		}
		if err != nil {
			t.Fatal(err)
		}
		if _, err := (&Token{Disclosures: disclosures}).Resolve(text); err != nil {
			t.Errorf("%d levels: %v", levels, err)
		}
	}
	if _, _, err := PackJSON(map[string]any{"a": nested(15, jsontext.Value("1"))}, PackOptions{}); err != nil {
		t.Errorf("15 arrays and nothing selective: %v", err)
	}
}
