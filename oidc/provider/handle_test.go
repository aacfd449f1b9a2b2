package provider

import (
	"crypto/hmac"
	"crypto/sha256"
	"encoding/base64"
	"testing"

	"yizheng.internal/oidc"
)

// What is derived stays the same in all versions: subjects are.
func TestDerive(t *testing.T) {
	mac := hmac.New(sha256.New, []byte("key"))
	mac.Write([]byte("\x00\x00\x00\x07yizheng\x00\x00\x00\x07subject\x00\x00\x00\x00\x00\x00\x00\x05party"))
	want := base64.RawURLEncoding.EncodeToString(mac.Sum(nil))
	if got := oidc.Derive("key", "subject", "", "party"); got != want {
		t.Errorf("derived %s, not %s", got, want)
	}
	for range 2 {
		mac.Reset()
		if got := oidc.DeriveUnder(mac, "subject", "", "party"); got != want {
			t.Errorf("derived %s, not %s", got, want)
		}
	}
}
