package sdjwt

import (
	"bytes"
	"crypto"
	"math/rand/v2"
	"slices"
	"strings"
	"testing"

	"github.com/go-json-experiment/json/jsontext"

	"yizheng.internal/signing/jose"
	"yizheng.internal/signing/sm2"
)

// TestPackJSON checks the payload to the byte, and that with the same
// randomness Pack makes the same.
func TestPackJSON(t *testing.T) {
	claims := map[string]any{
		"b": []any{"x", Selective{"y"}}, "a": map[string]any{"z": Selective{1}, "y": "<&>"},
		"c": nil, "d": Selective{map[string]any{"e": Selective{true}, "f": []string{"g"}}}, "n": int64(-5),
	}
	members := Members{
		{"n", int64(-5), false}, {"d", Members{{"f", []string{"g"}, false}, {"e", true, true}}, true}, {"c", nil, false},
		{"b", []any{"x", Selective{"y"}}, false}, {"a", Members{{"z", Selective{1}.Value, true}, {"y", "<&>", false}}, false},
	}
	options := func() PackOptions {
		return PackOptions{Hash: SM3, Decoys: 1, Rand: rand.NewChaCha8([32]byte{9, 9, 0, 1})}
	}
	packed, err := PackJSON(members, options())
	if err != nil {
		t.Fatal(err)
	}
	text, disclosures := jsontext.Value(packed.Payload), packed.Disclosures()
	if members[0].Name != "n" {
		t.Error("PackJSON sorted its argument")
	}
	if !text.IsValid() {
		t.Errorf("not strict JSON: %s", text)
	}
	tree, same, err := Pack(claims, options())
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
	if got, want := canonical(t, r.Claims), canonical(t, bare(claims)); got != want {
		t.Errorf("claims are %s, want %s", got, want)
	}
	// Nothing selective: no digest, and no decoy where there is none to hide.
	packed, err = PackJSON(Members{{"b", []any{}, false}, {"a", Members{}, false}}, options())
	if err != nil {
		t.Fatal(err)
	}
	if want := `{"a":{},"b":[],"_sd_alg":"sm3"}`; string(packed.Payload) != want {
		t.Errorf("payload is %s, want %s", packed.Payload, want)
	}
	for name, members := range map[string]Members{
		"twice":            {{"a", 1, false}, {"b", 2, false}, {"a", 3, true}},
		"twice, inside":    {{"a", []any{Members{{"b", 1, true}, {"b", 1, true}}}, false}},
		"not UTF-8":        {{"\xff", 1, true}},
		"doubly selective": {{"a", Selective{1}, true}},
	} {
		t.Run(name, func(t *testing.T) {
			_, err := PackJSON(members, options())
			wantReason(t, err, "claim_malformed")
		})
	}
	_, err = PackJSON(Members{{"_sd", 1, true}}, options())
	wantReason(t, err, "claim_reserved")
}

// TestIssue checks that a payload is signed as it stands, and that what is
// issued holds it and all disclosures.
func TestIssue(t *testing.T) {
	key, _ := newKey(t, jose.SM2)
	packed, err := PackJSON(Members{{"a", "<&>", false}, {"b", Members{{"c", 1, true}, {"d", 2, true}}, true}}, PackOptions{Hash: SM3})
	if err != nil {
		t.Fatal(err)
	}
	issued, err := packed.Issue(nil, key, jose.Header{Typ: jose.TypCredential})
	if err != nil {
		t.Fatal(err)
	}
	token, err := Parse(string(issued), Limits{})
	if err != nil {
		t.Fatal(err)
	}
	_, payload, err := jose.Verify(t.Context(), token.JWS, jose.Expectation{
		Typ: jose.TypCredential, Verifier: jose.NewVerifier(sm2.Config{}),
		Key: func(jose.Header, []byte) (crypto.PublicKey, error) { return key.Public(), nil },
	})
	if err != nil || !bytes.Equal(payload, packed.Payload) {
		t.Errorf("signed is %s, %v, not %s", payload, err, packed.Payload)
	}
	r, err := token.Resolve(payload)
	if err != nil {
		t.Fatal(err)
	}
	if got, want := canonical(t, r.Claims), `{"a":"<&>","b":{"c":1,"d":2}}`; got != want || !slices.Equal(token.Disclosures, packed.Disclosures()) {
		t.Errorf("claims are %s, want %s", got, want)
	}
	if _, err := packed.Issue(nil, key, jose.Header{}); err == nil {
		t.Error("issued without a typ")
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
		packed, err := PackJSON(Members{{"a", nested(levels, Selective{1}), false}}, PackOptions{})
		if reason != "" {
			wantReason(t, err, reason)
			continue
		}
		if err != nil {
			t.Fatal(err)
		}
		if _, err := (&Token{Disclosures: packed.Disclosures()}).Resolve(packed.Payload); err != nil {
			t.Errorf("%d levels: %v", levels, err)
		}
	}
	if _, err := PackJSON(Members{{"a", nested(15, jsontext.Value("1")), false}}, PackOptions{}); err != nil {
		t.Errorf("15 arrays and nothing selective: %v", err)
	}
}

// TestPacker checks that a packer's runs don't show in one another, errors among
// them.
func TestPacker(t *testing.T) {
	options := func(h Hash) PackOptions { return PackOptions{Hash: h, Rand: rand.NewChaCha8([32]byte{1})} }
	small := Members{{"a", Members{{"b", 1, true}}, true}, {"c", "d", false}}
	large := Members{{"a", strings.Repeat("x", 10000), true}, {"b", strings.Repeat("y", 10000), false}}
	var packer Packer
	for i, claims := range []Members{small, large, {{"a", Members{{"b", "\xff", true}}, true}}, small, {{"_sd", 1, false}}, large, {}} {
		h := []Hash{SHA256, SM3}[i%2]
		want, werr := PackJSON(claims, options(h))
		got, err := packer.Pack(claims, options(h))
		if (err == nil) != (werr == nil) {
			t.Errorf("run %d: %v, want %v", i, err, werr)
		}
		if err == nil && (!bytes.Equal(got.Payload, want.Payload) || !slices.Equal(got.Disclosures(), want.Disclosures())) {
			t.Errorf("run %d: %s, want %s", i, got.Payload, want.Payload)
		}
	}
}
