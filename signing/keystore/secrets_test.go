package keystore_test

import (
	"fmt"
	"log/slog"
	"strings"
	"testing"

	"github.com/go-json-experiment/json"

	"yizheng.internal/signing"
	"yizheng.internal/signing/keystest"
	"yizheng.internal/signing/keystore"
	"yizheng.internal/signing/pki"
)

// TestSecretsDontPrint prints everything that holds a secret in every way and
// looks for the secret.
func TestSecretsDontPrint(t *testing.T) {
	v, r, _, keys := keystest.NewVault(t)
	signer, err := keys.Signer("status-1")
	if err != nil {
		t.Fatal(err)
	}
	passphrase := keystore.GeneratePassphrase()
	d, key := keystore.Scalar(signer), keys.StoreKey()
	hidden := []string{
		string(passphrase), fmt.Sprint([]byte(passphrase)), fmt.Sprintf("%x", []byte(passphrase)),
		d.String(), d.Text(16), fmt.Sprint(key), fmt.Sprintf("%x", key), fmt.Sprintf("%#v", key),
	}
	status, err := r.Active(t.Context(), signing.PurposeStatus, "")
	if err != nil || status.Signer == nil {
		t.Fatalf("the status key has no signer (%v)", err)
	}
	for _, value := range []any{
		passphrase, struct{ P keystore.Passphrase }{passphrase}, map[string]any{"p": passphrase}, []keystore.Passphrase{passphrase},
		keys, signer, keys.Secret("lookup-1"), status, *status, v, r, []any{keys, v, status}, &pki.CA{Signer: signer}, pki.CA{Signer: signer},
	} {
		var out strings.Builder
		for _, verb := range []string{"%v", "%+v", "%#v", "%s", "%q", "%x", "%d"} {
			fmt.Fprintf(&out, verb+"\n", value)
		}
		slog.New(slog.NewJSONHandler(&out, nil)).Info("x", "value", value)
		slog.New(slog.NewTextHandler(&out, nil)).Info("x", "value", value)
		if b, err := json.Marshal(value); err == nil {
			out.Write(b)
		}
		for _, h := range hidden {
			if strings.Contains(out.String(), h) {
				t.Errorf("%T shows %.20s…", value, h)
			}
		}
	}
	if got := fmt.Sprintf("%v %+v %#v %s %x", passphrase, passphrase, passphrase, passphrase, passphrase); got != strings.Repeat("[secret] ", 4)+"[secret]" {
		t.Errorf("a passphrase prints as %s", got)
	}
}
