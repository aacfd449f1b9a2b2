package sdjwt

import (
	"crypto"
	"maps"
	"os"
	"slices"
	"testing"
	"time"

	"github.com/go-json-experiment/json"
	"github.com/go-json-experiment/json/jsontext"

	"yizheng.internal/signing/jose"
	"yizheng.internal/signing/sm2"
)

// rfc9901 is testdata/rfc9901.json: the examples of RFC 9901; see its source.
type rfc9901 struct {
	Source   string   `json:"source"`
	Issuer   jose.Key `json:"issuer"`
	Examples []struct {
		Section     string `json:"section"`
		Title       string `json:"title"`
		Disclosures []struct {
			Digest     string `json:"digest"`
			Disclosure string `json:"disclosure"`
		} `json:"disclosures"`
		Claims       jsontext.Value `json:"claims"`  // what the issuer packed
		Payload      jsontext.Value `json:"payload"` // of the JWS
		Issued       string         `json:"issued"`
		Presentation string         `json:"presentation"`
		Binding      jsontext.Value `json:"binding"` // payload of the key binding JWT
		Processed    jsontext.Value `json:"processed"`
	} `json:"examples"`
}

func readRFC9901(t testing.TB) rfc9901 {
	t.Helper()
	data, err := os.ReadFile("testdata/rfc9901.json")
	if err != nil {
		t.Fatal(err)
	}
	var v rfc9901
	if err := json.Unmarshal(data, &v, json.RejectUnknownMembers(true)); err != nil {
		t.Fatal(err)
	}
	return v
}

// canonical returns v as canonical JSON (RFC 8785), for comparing.
func canonical(t testing.TB, v any) string {
	t.Helper()
	data, err := json.Marshal(v)
	if err != nil {
		t.Fatal(err)
	}
	text := jsontext.Value(data)
	if err := text.Canonicalize(); err != nil {
		t.Fatal(err)
	}
	return string(text)
}

// verified returns the payload of a token the RFC's issuer signed.
func (v *rfc9901) verified(t *testing.T, section string, token *Token) []byte {
	t.Helper()
	typ := "example+sd-jwt"
	if section == "A.3" {
		typ = jose.TypCredential
	}
	_, payload, err := jose.Verify(t.Context(), token.JWS, jose.Expectation{
		Typ:      typ,
		Key:      func(jose.Header, []byte) (crypto.PublicKey, error) { return v.Issuer.PublicKey() },
		Verifier: jose.NewVerifier(sm2.Config{}),
	})
	if err != nil {
		t.Fatal(err)
	}
	return payload
}

func TestRFC9901Digests(t *testing.T) {
	v, n := readRFC9901(t), 0
	for _, e := range v.Examples {
		for _, d := range e.Disclosures {
			if got := SHA256.digest([]byte(d.Disclosure)); got != d.Digest {
				t.Errorf("section %s: digest of %s is %s, want %s", e.Section, d.Disclosure, got, d.Digest)
			}
			n++
		}
	}
	if n != 87 {
		t.Errorf("%d disclosures, want 87", n)
	}
	// Sections 4.2.3 and 4.2.4.2.
	for disclosure, digest := range map[string]string{
		"WyJfMjZiYzRMVC1hYzZxMktJNmNCVzVlcyIsICJmYW1pbHlfbmFtZSIsICJNw7ZiaXVzIl0": "X9yH0Ajrdm1Oij4tWso9UzzKJvPoDxwmuEcO3XAdRC0",
		"WyJsa2x4RjVqTVlsR1RQVW92TU5JdkNBIiwgIkZSIl0":                             "w0I8EKcdCtUPkGCNUrfwVp2xEgNjtoIDlOxc9-PlOhs",
	} {
		if got := SHA256.digest([]byte(disclosure)); got != digest {
			t.Errorf("digest of %s is %s, want %s", disclosure, got, digest)
		}
	}
}

// TestRFC9901Variations resolves the four spellings of one disclosure in
// section 4.2.1: spaces, escapes, none and line feeds.
func TestRFC9901Variations(t *testing.T) {
	for _, d := range []string{
		"WyJfMjZiYzRMVC1hYzZxMktJNmNCVzVlcyIsICJmYW1pbHlfbmFtZSIsICJNw7ZiaXVzIl0",
		"WyJfMjZiYzRMVC1hYzZxMktJNmNCVzVlcyIsICJmYW1pbHlfbmFtZSIsICJNXHUwMGY2Yml1cyJd",
		"WyJfMjZiYzRMVC1hYzZxMktJNmNCVzVlcyIsImZhbWlseV9uYW1lIiwiTcO2Yml1cyJd",
		"WwoiXzI2YmM0TFQtYWM2cTJLSTZjQlc1ZXMiLAoiZmFtaWx5X25hbWUiLAoiTcO2Yml1cyIKXQ",
	} {
		token := Token{Disclosures: []string{d}}
		r, err := token.Resolve([]byte(`{"given_name":"Alice","_sd":["` + SHA256.digest([]byte(d)) + `"]}`))
		if err != nil {
			t.Error(err)
			continue
		}
		if got := r.Claims["family_name"]; got != "Möbius" {
			t.Errorf("family_name is %q", got)
		}
	}
}

// TestRFC9901Pack makes disclosures with the RFC's salts: those that its text
// writes without spaces, as Pack does, must come out to the byte.
func TestRFC9901Pack(t *testing.T) {
	pack := func(claims map[string]any, salts ...string) (map[string]any, []string) {
		t.Helper()
		payload, disclosures, err := Pack(claims, PackOptions{salt: func() string {
			salt := salts[0]
			salts = salts[1:]
			return salt
		}})
		if err != nil {
			t.Fatal(err)
		}
		return payload, disclosures
	}
	_, d := pack(map[string]any{"family_name": Selective{"Möbius"}}, "_26bc4LT-ac6q2KI6cBW5es")
	want := "WyJfMjZiYzRMVC1hYzZxMktJNmNCVzVlcyIsImZhbWlseV9uYW1lIiwiTcO2Yml1cyJd" // section 4.2.1, no white space
	if !slices.Equal(d, []string{want}) {
		t.Errorf("disclosures are %q, want %s", d, want)
	}
	// Section 4.2.6, before the array becomes selective itself.
	payload, _ := pack(map[string]any{"nationalities": []any{Selective{"DE"}, Selective{"FR"}, Selective{"UK"}}},
		"16_mAd0GiwaZokU26_0i0h", "fn9fN0rD-fFs2n303ZI-0c", "YIKesqOkXXNzMQtsX_-_lw")
	got := canonical(t, payload["nationalities"])
	if want := `[{"...":"PmnlrRjhLcwf8zTDdK15HVGwHtPYjddvD362WjBLwro"},` +
		`{"...":"r823HFN6Ba_lpSANYtXqqCBAH-TsQlIzfOK0lRAFLCM"},` +
		`{"...":"nP5GYjwhFm6ESlAeC4NCaIliW4tz0hTrUeoJB3lb5TA"}]`; got != want {
		t.Errorf("nationalities are %s, want %s", got, want)
	}
}

// TestRFC9901Issued resolves each example with all its disclosures.
func TestRFC9901Issued(t *testing.T) {
	for _, e := range readRFC9901(t).Examples {
		t.Run(e.Section+" "+e.Title, func(t *testing.T) {
			token := new(Token)
			for _, d := range e.Disclosures {
				token.Disclosures = append(token.Disclosures, d.Disclosure)
			}
			r, err := token.Resolve(e.Payload)
			if err != nil {
				t.Fatal(err)
			}
			if want := map[string]int{"A.1": 6}[e.Section]; r.Withheld != want {
				t.Errorf("%d digests withheld, want %d decoys", r.Withheld, want)
			}
			claims := e.Claims
			if claims == nil { // section 6 has one for all its examples
				claims = jsontext.Value(`{"sub":"6c5c0a49-b589-431d-bae7-219122a9ec2c","address":{"street_address":
					"Schulstr. 12","locality":"Schulpforta","region":"Sachsen-Anhalt","country":"DE"}}`)
			}
			var want map[string]any
			if err := json.Unmarshal(claims, &want); err != nil {
				t.Fatal(err)
			}
			for _, name := range []string{"iss", "iat", "exp", "cnf"} { // the issuer added these
				if v, ok := r.Claims[name]; ok {
					want[name] = v
				}
			}
			if got, want := canonical(t, r.Claims), canonical(t, want); got != want {
				t.Errorf("claims are\n%s, want\n%s", got, want)
			}
		})
	}
}

// TestRFC9901Presented verifies each example's presentation with the issuer's
// key, and its key binding with the holder's; and Present makes the same
// selection from the issued token.
func TestRFC9901Presented(t *testing.T) {
	v, presentations, bindings := readRFC9901(t), 0, 0
	for _, e := range v.Examples {
		if e.Presentation == "" {
			continue
		}
		presentations++
		t.Run(e.Section+" "+e.Title, func(t *testing.T) {
			token, err := Parse(e.Presentation, Limits{})
			if err != nil {
				t.Fatal(err)
			}
			if token.String() != e.Presentation {
				t.Error("String returns another token")
			}
			payload := v.verified(t, e.Section, token)
			if got, want := canonical(t, jsontext.Value(payload)), canonical(t, e.Payload); got != want {
				t.Errorf("payload is\n%s, want\n%s", got, want)
			}
			r, err := token.Resolve(payload)
			if err != nil {
				t.Fatal(err)
			}
			if got, want := canonical(t, r.Claims), canonical(t, e.Processed); got != want {
				t.Errorf("claims are\n%s, want\n%s", got, want)
			}
			if token.KeyBinding != "" {
				bindings++
				expect := Binding{
					Audience: "https://verifier.example.org", Nonce: "1234567890", Now: time.Unix(1748536865, 0),
				}
				verifier := jose.NewVerifier(sm2.Config{})
				if err := token.CheckBinding(t.Context(), r.Claims, expect, verifier); err != nil {
					t.Error(err)
				}
			}
			if e.Issued == "" {
				return
			}
			issued, err := Parse(e.Issued, Limits{})
			if err != nil {
				t.Fatal(err)
			}
			disclosed := slices.DeleteFunc(slices.Clone(r.Disclosed()), func(p string) bool { return p == "/age_equal_or_over" })
			got, err := issued.Present(payload, func(p string) bool { return slices.Contains(disclosed, p) })
			if err != nil {
				t.Fatal(err)
			}
			if got, want := slices.Sorted(slices.Values(got.Disclosures)), slices.Sorted(slices.Values(token.Disclosures)); !slices.Equal(got, want) {
				t.Errorf("Present kept %q, want %q", got, want)
			}
		})
	}
	if presentations != 5 || bindings != 3 {
		t.Errorf("%d presentations and %d bindings, want 5 and 3", presentations, bindings)
	}
}

// TestRFC9901Recursive withholds in section 6.3's example, where a member is
// out of reach without the object it is in.
func TestRFC9901Recursive(t *testing.T) {
	e := readRFC9901(t).Examples[3]
	if e.Section != "6.3" {
		t.Fatalf("section %s", e.Section)
	}
	token := new(Token)
	for _, d := range e.Disclosures {
		token.Disclosures = append(token.Disclosures, d.Disclosure)
	}
	got, err := token.Present(e.Payload, func(p string) bool { return p == "/address/region" })
	if err != nil {
		t.Fatal(err)
	}
	r, err := got.Resolve(e.Payload)
	if err != nil {
		t.Fatal(err)
	}
	if want := map[string]any{"region": "Sachsen-Anhalt"}; !maps.Equal(r.Claims["address"].(map[string]any), want) {
		t.Errorf("address is %v, want %v", r.Claims["address"], want)
	}
	if r.Withheld != 3 {
		t.Errorf("%d withheld, want 3", r.Withheld)
	}
	got.Disclosures = got.Disclosures[:1] // the region without the address
	_, err = got.Resolve(e.Payload)
	wantReason(t, err, "disclosure_unreferenced")
}
