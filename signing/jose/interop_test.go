package jose

import (
	"bytes"
	"encoding/hex"
	"encoding/json"
	"errors"
	"os"
	"os/exec"
	"path/filepath"
	"testing"

	"yizheng.internal/signing/signingtest"
	"yizheng.internal/signing/sm2"
)

// TestInteropSMCrypto exchanges keys and signatures with npm's sm-crypto, which shares
// no code with ours. It fails where that is missing: a test that is skipped shows nothing.
func TestInteropSMCrypto(t *testing.T) {
	dir := filepath.Join(t.TempDir(), "sm-crypto")
	if err := os.CopyFS(dir, os.DirFS(filepath.Join("testdata", "sm-crypto"))); err != nil {
		t.Fatal(err)
	}
	install := exec.CommandContext(t.Context(), "npm", "ci", "--prefer-offline", "--ignore-scripts", "--no-audit", "--no-fund")
	install.Dir = dir
	if out, err := install.CombinedOutput(); err != nil {
		t.Fatalf("npm ci: %v\n%s", err, out)
	}

	const message = "电子证照 electronic license"
	key, v := signingtest.NewSM2(t), NewVerifier(sm2.Config{})
	der := signingtest.MustSign(t, key, []byte(message))
	raw, err := sm2.DERToRaw(der)
	if err != nil {
		t.Fatal(err)
	}
	input, err := json.Marshal(map[string]string{
		"message": message, "publicKey": hex.EncodeToString(sm2.MarshalPoint(&key.PublicKey)),
		"der": hex.EncodeToString(der), "raw": hex.EncodeToString(raw),
	})
	if err != nil {
		t.Fatal(err)
	}
	node := exec.CommandContext(t.Context(), "node", "exchange.js")
	node.Dir, node.Stdin, node.Stderr = dir, bytes.NewReader(input), os.Stderr
	out, err := node.Output()
	if err != nil {
		t.Fatalf("node: %v\n%s", err, out)
	}
	var result struct {
		DER, Raw, Forged          bool
		PublicKey, OwnDER, OwnRaw string
	}
	if err := json.Unmarshal(out, &result); err != nil {
		t.Fatalf("%v: %s", err, out)
	}
	if !result.DER || !result.Raw || result.Forged {
		t.Errorf("sm-crypto says %+v", result)
	}
	unhex := func(text string) []byte {
		b, err := hex.DecodeString(text)
		if err != nil {
			t.Fatal(err)
		}
		return b
	}
	pub, err := sm2.ParsePoint(unhex(result.PublicKey))
	if err != nil {
		t.Fatal(err)
	}
	if err := v.Verify(t.Context(), pub, []byte(message), unhex(result.OwnDER)); err != nil {
		t.Errorf("its DER: %v", err)
	}
	if err := v.verifyRaw(t.Context(), pub, []byte(message), unhex(result.OwnRaw)); err != nil {
		t.Errorf("its raw: %v", err)
	}
	if err := v.verifyRaw(t.Context(), pub, []byte("another"), unhex(result.OwnRaw)); !errors.Is(err, sm2.ErrSignature) {
		t.Errorf("another message: %v", err)
	}
}
