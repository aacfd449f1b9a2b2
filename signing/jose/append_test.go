package jose

import (
	"crypto"
	"strings"
	"testing"

	"github.com/go-json-experiment/json/jsontext"

	"yizheng.internal/signing/signingtest"
)

// TestAppendSigned checks that a token is appended, in the room there is, and
// that JSON is signed as it stands.
func TestAppendSigned(t *testing.T) {
	key := signingtest.NewSM2(t)
	const payload = ` {"b": "<", "a": 1}`
	h := Header{Typ: TypAccessToken, KeyID: `"kid"`, X5C: [][]byte{{1}, {}, {2, 3}}}
	token, err := AppendSigned([]byte("before "), 100, key, h, jsontext.Value(payload[1:]))
	if err != nil {
		t.Fatal(err)
	}
	if cap(token)-len(token) < 100 {
		t.Errorf("room for %d bytes, want 100", cap(token)-len(token))
	}
	text, ok := strings.CutPrefix(string(token), "before ")
	if !ok {
		t.Errorf("overwritten: %s", token)
	}
	e := expect(nil)
	e.Key = func(got Header, unverified []byte) (crypto.PublicKey, error) {
		if got.KeyID != h.KeyID || len(got.X5C) != 3 || string(got.X5C[2]) != "\x02\x03" || string(unverified) != payload[1:] {
			t.Errorf("Key saw %+v, %s", got, unverified)
		}
		return key.Public(), nil
	}
	if _, got, err := Verify(t.Context(), text, e); err != nil || string(got) != payload[1:] {
		t.Errorf("payload %s, %v", got, err)
	}
	// A space is no part of an object; what follows one isn't either.
	for _, bad := range []string{payload, payload[1:] + " x", `{"a":1,"a":1}`, `{"a":"` + "\xff" + `"}`, `[]`, ``} {
		if token, err := AppendSigned(nil, 0, key, h, jsontext.Value(bad)); err == nil {
			t.Errorf("signed %s: %s", bad, token)
		}
	}
}

// TestPreparedHeader: a header that was encoded before says the same.
func TestPreparedHeader(t *testing.T) {
	key := signingtest.NewSM2(t)
	h := Header{Typ: TypAccessToken, Algorithm: SM2, KeyID: `"kid"`, X5C: [][]byte{{1}, {2, 3}}}
	head := func(h Header) string {
		t.Helper()
		token, err := Sign(key, h, Object(`{"a":1}`))
		if err != nil {
			t.Fatal(err)
		}
		if got, payload, err := Verify(t.Context(), token, expect(key.Public())); err != nil || got.KeyID != h.KeyID || string(payload) != `{"a":1}` {
			t.Errorf("verified as %+v, %s, %v", got, payload, err)
		}
		return token[:strings.IndexByte(token, '.')]
	}
	if got, want := head(h.Prepared()), head(h); got != want {
		t.Errorf("begins with %s, want %s", got, want)
	}
	if token, err := Sign(signingtest.NewES256(t), h.Prepared(), Object(`{}`)); err == nil {
		t.Errorf("signed with a key of another algorithm: %s", token)
	}
	if token, err := Sign(key, Header{Algorithm: SM2}.Prepared(), Object(`{}`)); err == nil {
		t.Errorf("signed without a typ: %s", token)
	}
}
