package keystest

import (
	"fmt"
	"path/filepath"
	"testing"
	"time"

	"yizheng.internal/signing"
	"yizheng.internal/signing/keystore"
	"yizheng.internal/signing/vault"
)

// Day is when the tests' keys are made.
var Day = time.Date(2026, 3, 1, 0, 0, 0, 0, time.UTC)

// NewKeystore makes a keystore that holds the key of authenticators alone.
func NewKeystore(t testing.TB) (*keystore.Keystore, keystore.Passphrase) {
	t.Helper()
	passphrase := keystore.GeneratePassphrase()
	k, err := keystore.Create(filepath.Join(t.TempDir(), "keys"), passphrase)
	if err != nil {
		t.Fatal(err)
	}
	if err := k.GenerateSecret(signing.AuthenticatorKey); err != nil {
		t.Fatal(err)
	}
	return k, passphrase
}

// NewKeyrings makes keyrings of no keys yet.
func NewKeyrings(t testing.TB) (*signing.Keyrings, *Records, *keystore.Keystore) {
	t.Helper()
	keys, _ := NewKeystore(t)
	records := NewRecords()
	r, err := signing.NewKeyrings(signing.KeyringsConfig{Records: records, Module: keys})
	if err != nil {
		t.Fatal(err)
	}
	return r, records, keys
}

// NewVault makes a vault with one key each of what it needs, and a status key.
func NewVault(t testing.TB) (*vault.Vault, *signing.Keyrings, *Records, *keystore.Keystore) {
	t.Helper()
	r, records, keys := NewKeyrings(t)
	for _, p := range []signing.Purpose{signing.PurposeMaster, signing.PurposeData, signing.PurposeLookup, signing.PurposeStatus} {
		AddKey(t, r, keys, p, signing.KeyActive)
	}
	v, err := vault.Open(t.Context(), r, keys)
	if err != nil {
		t.Fatal(err)
	}
	return v, r, records, keys
}

// AddKey adds a key without a certificate to a ring of the registry's own.
func AddKey(t testing.TB, r *signing.Keyrings, keys *keystore.Keystore, p signing.Purpose, state signing.KeyState) signing.KeyRecord {
	t.Helper()
	ring, err := r.Ring(t.Context(), p, "")
	if err != nil {
		t.Fatal(err)
	}
	var master signing.KeyID
	if p == signing.PurposeData {
		k, err := r.Active(t.Context(), signing.PurposeMaster, "")
		if err != nil {
			t.Fatal(err)
		}
		master = k.ID
	}
	k, err := keys.Make(signing.KeyID(fmt.Sprintf("%s-%d", p, len(ring)+1)), p, master)
	if err != nil {
		t.Fatal(err)
	}
	k.State = state
	if k, err = r.Add(t.Context(), k, Day); err != nil {
		t.Fatal(err)
	}
	return k
}

// MustSeal seals a value.
func MustSeal(t testing.TB, v *vault.Vault, p vault.Place, plain []byte) []byte {
	t.Helper()
	sealed, err := v.Seal(t.Context(), p, plain)
	if err != nil {
		t.Fatal(err)
	}
	return sealed
}
