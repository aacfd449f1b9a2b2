package signing_test

import (
	"errors"
	"testing"

	"yizheng.internal/signing"
	"yizheng.internal/signing/jose"
	"yizheng.internal/signing/keystest"
	"yizheng.internal/signing/pki"
)

// TestForeignPrivateKey puts a keystore beside records that are another's.
func TestForeignPrivateKey(t *testing.T) {
	r, records, keys := keystest.NewKeyrings(t)
	keystest.AddKey(t, r, keys, signing.PurposeStatus, signing.KeyActive)
	other, _ := keystest.NewKeystore(t)
	if _, err := other.GenerateSigner("status-1", jose.SM2); err != nil {
		t.Fatal(err)
	}
	r, err := signing.NewKeyrings(signing.KeyringsConfig{Records: records, Module: other, Auth: r.Auth()})
	if err != nil {
		t.Fatal(err)
	}
	if k, err := r.Active(t.Context(), signing.PurposeStatus, ""); err != nil || k.Signer != nil {
		t.Errorf("a key whose public key is another one signs (%v)", err)
	}
}

// TestBadRecord has one record that doesn't parse among good ones.
func TestBadRecord(t *testing.T) {
	r, records, keys := keystest.NewKeyrings(t)
	keystest.AddKey(t, r, keys, signing.PurposeStatus, signing.KeyActive)
	bad := signing.KeyRecord{ID: "bad", Purpose: signing.PurposeAuthority, Owner: "X", Algorithm: string(jose.SM2), State: signing.KeyActive, Serial: 1,
		PublicKey: []byte{1, 2, 3}, Chain: [][]byte{{4, 5, 6}}}
	if err := signing.AuthenticRecords(records, r.Auth()).CreateKey(t.Context(), bad); err != nil {
		t.Fatal(err)
	}
	if k, err := r.ByID(t.Context(), "status-1"); err != nil || k.Signer == nil {
		t.Errorf("the good key: %v, %v", k, err)
	}
	if k, err := r.ByID(t.Context(), "bad"); err != nil || k.Signer != nil || k.Public != nil || k.Certificates != nil {
		t.Errorf("the bad key: %+v, %v", k, err)
	}
	if k, err := r.ByCertificate(t.Context(), []byte{4, 5, 6}); err != nil || k.ID != "bad" {
		t.Errorf("by its certificate: %v, %v", k, err)
	}
}

// TestForgedRecords has records that somebody wrote into the database without a
// keystore: each is refused, and the others go on.
func TestForgedRecords(t *testing.T) {
	r, records, keys := keystest.NewKeyrings(t)
	keystest.AddKey(t, r, keys, signing.PurposeStatus, signing.KeyActive)
	keystest.AddKey(t, r, keys, signing.PurposeAccessToken, signing.KeyActive)
	keystest.AddKey(t, r, keys, signing.PurposeAccessToken, signing.KeyNext)
	good := records.Keys["access-token-1"]
	for name, forge := range map[string]func(k *signing.KeyRecord){
		"no authenticator": func(k *signing.KeyRecord) { k.Auth = nil },
		"purpose":          func(k *signing.KeyRecord) { k.Purpose = signing.PurposeIDToken },
		"public key":       func(k *signing.KeyRecord) { k.PublicKey = records.Keys["access-token-2"].PublicKey },
		"state":            func(k *signing.KeyRecord) { k.State = signing.KeyNext },
		"owner":            func(k *signing.KeyRecord) { k.Owner = "11430000006122244L" },
		"revision":         func(k *signing.KeyRecord) { k.Revision++ },
		"another's":        func(k *signing.KeyRecord) { k.Auth = records.Keys["access-token-2"].Auth },
		"revoked":          func(k *signing.KeyRecord) { k.Revoked = keystest.Day },
		"thumbprint":       func(k *signing.KeyRecord) { k.Thumbprint = records.Keys["access-token-2"].Thumbprint + "x" },
		"chain":            func(k *signing.KeyRecord) { k.Chain = [][]byte{{1}} },
	} {
		k := good
		forge(&k)
		records.Keys["access-token-1"] = k
		r.Changed()
		if _, err := r.ByID(t.Context(), "access-token-1"); !errors.Is(err, signing.ErrNoKey) {
			t.Errorf("%s: %v", name, err)
		}
		if k, err := r.ByID(t.Context(), "status-1"); err != nil || k.Signer == nil {
			t.Errorf("%s: the key beside it: %v", name, err)
		}
		if _, err := r.ByCertificate(t.Context(), []byte("a revoked key's")); !errors.Is(err, signing.ErrAltered) {
			t.Errorf("%s: a certificate that may be its: %v", name, err)
		}
		if err := r.Activate(t.Context(), "access-token-1", keystest.Day); !errors.Is(err, signing.ErrAltered) {
			t.Errorf("%s: activated: %v", name, err)
		}
	}
	if n := r.Auth().Refusals()["keys"]; n < 9 {
		t.Errorf("%d refusals counted", n)
	}
	// An earlier state is authentic, but behind its register.
	records.Keys["access-token-1"] = good
	if err := r.Revoke(t.Context(), "access-token-1", pki.KeyCompromise, keystest.Day, keystest.Day); err != nil {
		t.Fatal(err)
	}
	revoked := records.Keys["access-token-1"]
	back := good
	for name, mark := range map[string][]byte{"the row put back": revoked.Mark, "an altered register": append([]byte{0, 0, 0, 0, 0, 0, 0, 1}, revoked.Mark[8:]...)} {
		back.Mark = mark
		records.Keys["access-token-1"] = back
		r.Changed()
		if _, err := r.ByID(t.Context(), "access-token-1"); !errors.Is(err, signing.ErrNoKey) {
			t.Errorf("%s: %v", name, err)
		}
	}
	revoked.Mark = nil
	records.Keys["access-token-1"] = revoked
	r.Changed()
	if _, err := r.ByID(t.Context(), "access-token-1"); !errors.Is(err, signing.ErrNoKey) {
		t.Errorf("without its register: %v", err)
	}
}
