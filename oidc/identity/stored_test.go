package identity

import (
	"testing"

	"github.com/go-json-experiment/json"
)

// TestAccountOfBefore: accounts that were stored before they had a list of authenticators are read, and
// stored again as they were, to the byte.
func TestAccountOfBefore(t *testing.T) {
	const before = `{"login_name":"wang.xiaoming","phone":"+8613800000000","proofing":{"level":2,"method":"register_match","source":"demo",` +
		`"at":"2026-11-01T08:00:00Z"},"password":{"alg":"argon2id","m":19456,"t":2,"p":1,"salt":"AAECAwQFBgcICQoLDA0ODw==",` +
		`"sum":"AAECAwQFBgcICQoLDA0ODxAREhMUFRYXGBkaGxwdHh8=","set":"2026-11-01T08:00:00Z"},` +
		`"setup":{"sum":"AAECAwQFBgcICQoLDA0ODxAREhMUFRYXGBkaGxwdHh8=","expires":"2026-11-01T08:15:00Z"},"party":"abcdefghijklmnopqrstuvwxyz"}`
	var b accountBody
	if err := json.Unmarshal([]byte(before), &b); err != nil {
		t.Fatal(err)
	}
	if b.Phone != "+8613800000000" || b.Password.Memory != 19456 || len(b.Setup.Sum) != 32 || b.Authenticators != nil {
		t.Errorf("read as %+v", b)
	}
	after, err := json.Marshal(b)
	if err != nil || string(after) != before {
		t.Errorf("stored as\n%s\nnot\n%s (%v)", after, before, err)
	}
}
