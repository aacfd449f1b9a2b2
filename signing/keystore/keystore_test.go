package keystore

import (
	"bytes"
	"crypto/rsa"
	"encoding/pem"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"

	gmsm "github.com/emmansun/gmsm/sm2"

	"yizheng.internal/signing"
	"yizheng.internal/signing/jose"
	"yizheng.internal/signing/signingtest"
	"yizheng.internal/signing/sm2"
)

// cheap is a scrypt cost for tests that are not about its cost.
var cheap = kdf{Name: kdfTyped, N: 1 << 4, R: 8, P: 1}

func newKeystore(t testing.TB) (*Keystore, Passphrase) {
	t.Helper()
	passphrase := GeneratePassphrase()
	k, err := Create(filepath.Join(t.TempDir(), "keys"), passphrase)
	if err != nil {
		t.Fatal(err)
	}
	if err := k.GenerateSecret(signing.AuthenticatorKey); err != nil {
		t.Fatal(err)
	}
	return k, passphrase
}

func TestKeystore(t *testing.T) {
	typed := []byte("correct horse battery staple")
	for _, test := range []struct {
		name       string
		passphrase []byte
		kdf        string
	}{
		{"generated", GeneratePassphrase(), kdfGenerated},
		{"typed", typed, kdfTyped},
	} {
		t.Run(test.name, func(t *testing.T) {
			dir := filepath.Join(t.TempDir(), "a", "keys")
			made, err := create(dir, test.passphrase, cheap)
			if err != nil {
				t.Fatal(err)
			}
			public, err := made.GenerateSigner("status-1", jose.SM2)
			if err != nil {
				t.Fatal(err)
			}
			if err := made.GenerateSecret("lookup-1"); err != nil {
				t.Fatal(err)
			}
			wrapped, err := made.Wrap("lookup-1", []byte("a data key"), []byte("ad"))
			if err != nil {
				t.Fatal(err)
			}
			mac, err := made.MAC("lookup-1", []byte("m"))
			if err != nil {
				t.Fatal(err)
			}

			b, err := os.ReadFile(filepath.Join(dir, ManifestName))
			if err != nil {
				t.Fatal(err)
			}
			if m, err := parseManifest(b); err != nil || m.KDF.Name != test.kdf {
				t.Errorf("manifest says %q, %v; want %q", m.KDF.Name, err, test.kdf)
			}
			if _, err := Create(dir, GeneratePassphrase()); !errors.Is(err, signing.ErrExists) {
				t.Errorf("a second keystore in the same place: %v, want ErrExists", err)
			}

			opened, err := Open(dir, test.passphrase)
			if err != nil {
				t.Fatal(err)
			}
			signer, err := opened.Signer("status-1")
			if err != nil {
				t.Fatal(err)
			}
			if !signing.SamePublicKey(signer.Public(), public) {
				t.Error("opened again, the key is another one")
			}
			if secret, err := opened.Unwrap("lookup-1", wrapped, []byte("ad")); err != nil || string(secret) != "a data key" {
				t.Errorf("unwrapped %q, %v", secret, err)
			}
			if again, err := opened.MAC("lookup-1", []byte("m")); err != nil || !bytes.Equal(again, mac) {
				t.Errorf("opened again, the MAC is another one (%v)", err)
			}
		})
	}
}

func TestKeystoreModes(t *testing.T) {
	k, _ := newKeystore(t)
	if _, err := k.GenerateSigner("status-1", jose.SM2); err != nil {
		t.Fatal(err)
	}
	if err := k.GenerateSecret("master-1"); err != nil {
		t.Fatal(err)
	}
	entries, err := os.ReadDir(k.dir)
	if err != nil {
		t.Fatal(err)
	}
	var names []string
	for _, e := range entries {
		names = append(names, e.Name())
		if info, err := e.Info(); err != nil || info.Mode() != 0o600 {
			t.Errorf("%s has mode %v, %v", e.Name(), info.Mode(), err)
		}
	}
	if got := fmt.Sprint(names); got != "[keystore.json master-1.key records-1.key status-1.key]" {
		t.Errorf("the keystore holds %s", got)
	}
	if info, err := os.Stat(k.dir); err != nil || info.Mode().Perm() != 0o700 {
		t.Errorf("the directory has mode %v, %v", info.Mode(), err)
	}
}

func TestKeyIDs(t *testing.T) {
	k, _ := newKeystore(t)
	for _, id := range []signing.KeyID{"", "A", "a.b", "../x", "a/b", "a\x00", "é", "a b", signing.KeyID(strings.Repeat("a", 65))} {
		if err := k.GenerateSecret(id); !errors.Is(err, signing.ErrNoKey) {
			t.Errorf("GenerateSecret(%q): %v", id, err)
		}
		if _, err := k.GenerateSigner(id, jose.SM2); err == nil {
			t.Errorf("GenerateSigner(%q) worked", id)
		}
		if _, err := k.Signer(id); !errors.Is(err, signing.ErrNoKey) {
			t.Errorf("Signer(%q): %v", id, err)
		}
	}
	if err := k.GenerateSecret(signing.KeyID(strings.Repeat("a", 64))); err != nil {
		t.Error(err)
	}
}

func TestModuleErrors(t *testing.T) {
	k, _ := newKeystore(t)
	if err := k.GenerateSecret("secret"); err != nil {
		t.Fatal(err)
	}
	if _, err := k.GenerateSigner("signer", jose.SM2); err != nil {
		t.Fatal(err)
	}
	if _, err := k.GenerateSigner("other", "PS256"); err == nil {
		t.Error("made a key of an unknown algorithm")
	}
	for _, id := range []signing.KeyID{"secret", "signer"} {
		if err := k.GenerateSecret(id); !errors.Is(err, signing.ErrExists) {
			t.Errorf("GenerateSecret(%s) again: %v", id, err)
		}
		if _, err := k.GenerateSigner(id, jose.ES256); !errors.Is(err, signing.ErrExists) {
			t.Errorf("GenerateSigner(%s) again: %v", id, err)
		}
	}
	noKey := func(what string, err error) {
		t.Helper()
		if !errors.Is(err, signing.ErrNoKey) {
			t.Errorf("%s: %v, want ErrNoKey", what, err)
		}
	}
	_, err := k.Signer("secret")
	noKey("a secret's signer", err)
	for _, id := range []signing.KeyID{"signer", "none"} {
		_, err = k.Wrap(id, nil, nil)
		noKey("Wrap", err)
		_, err = k.Unwrap(id, nil, nil)
		noKey("Unwrap", err)
		_, err = k.MAC(id, nil)
		noKey("MAC", err)
	}
}

func TestUnwrapRefuses(t *testing.T) {
	k, _ := newKeystore(t)
	for _, id := range []signing.KeyID{"a", "b"} {
		if err := k.GenerateSecret(id); err != nil {
			t.Fatal(err)
		}
	}
	wrapped, err := k.Wrap("a", []byte("sixteen bytes ok"), []byte("data-1"))
	if err != nil {
		t.Fatal(err)
	}
	if bytes.Contains(wrapped, []byte("sixteen")) {
		t.Error("the wrapped secret shows")
	}
	sealed := func(what string, id signing.KeyID, wrapped, ad []byte) {
		t.Helper()
		if s, err := k.Unwrap(id, wrapped, ad); !errors.Is(err, signing.ErrSealed) || s != nil {
			t.Errorf("%s: %x, %v; want ErrSealed", what, s, err)
		}
	}
	sealed("another key", "b", wrapped, []byte("data-1"))
	sealed("other data", "a", wrapped, []byte("data-2"))
	sealed("nothing", "a", nil, []byte("data-1"))
	sealed("format alone", "a", []byte{wrapFormat}, []byte("data-1"))
	for i := range wrapped {
		changed := bytes.Clone(wrapped)
		changed[i] ^= 1
		sealed(fmt.Sprintf("byte %d changed", i), "a", changed, []byte("data-1"))
		sealed(fmt.Sprintf("cut to %d bytes", i), "a", wrapped[:i], []byte("data-1"))
	}
}

func TestTamperedKeyFile(t *testing.T) {
	k, passphrase := newKeystore(t)
	if _, err := k.GenerateSigner("signer", jose.SM2); err != nil {
		t.Fatal(err)
	}
	if err := k.GenerateSecret("secret"); err != nil {
		t.Fatal(err)
	}
	load := func(id signing.KeyID) error {
		opened, err := Open(k.dir, passphrase)
		if err != nil {
			t.Fatal(err)
		}
		_, err = opened.load(id)
		return err
	}
	for _, id := range []signing.KeyID{"signer", "secret"} {
		file, err := os.ReadFile(k.path(id))
		if err != nil {
			t.Fatal(err)
		}
		block, _ := pem.Decode(file)
		for i := range block.Bytes {
			block.Bytes[i] ^= 0x10
			if err := os.WriteFile(k.path(id), pem.EncodeToMemory(block), 0o600); err != nil {
				t.Fatal(err)
			}
			if err := load(id); err == nil {
				t.Errorf("%s loads with byte %d of %d changed", id, i, len(block.Bytes))
			}
			block.Bytes[i] ^= 0x10
		}
		// Moved to another id.
		if err := os.WriteFile(k.path("moved-"+id), file, 0o600); err != nil {
			t.Fatal(err)
		}
		if err := load("moved-" + id); !errors.Is(err, errKeyFile) {
			t.Errorf("%s under another id: %v", id, err)
		}
		// Moved to another keystore.
		other, _ := newKeystore(t)
		if err := os.WriteFile(other.path(id), file, 0o600); err != nil {
			t.Fatal(err)
		}
		if _, err := other.load(id); !errors.Is(err, errKeyFile) {
			t.Errorf("%s in another keystore: %v", id, err)
		}
		if err := os.WriteFile(k.path(id), bytes.Repeat(file, 40), 0o600); err != nil {
			t.Fatal(err)
		}
		if err := load(id); err == nil {
			t.Errorf("%s loads forty times over", id)
		}
	}
}

func TestAddedByAnotherProcess(t *testing.T) {
	k, passphrase := newKeystore(t)
	other, err := Open(k.dir, passphrase)
	if err != nil {
		t.Fatal(err)
	}
	if _, err := k.Signer("new"); !errors.Is(err, signing.ErrNoKey) {
		t.Fatalf("before: %v", err)
	}
	public, err := other.GenerateSigner("new", jose.ES256)
	if err != nil {
		t.Fatal(err)
	}
	if s, err := k.Signer("new"); err != nil || !signing.SamePublicKey(s.Public(), public) {
		t.Errorf("after: %v", err)
	}
}

func TestGenerateRace(t *testing.T) {
	k, passphrase := newKeystore(t)
	var wins sync.Map
	var wait sync.WaitGroup
	for range 16 {
		wait.Go(func() {
			other, err := Open(k.dir, passphrase)
			if err != nil {
				t.Error(err)
				return
			}
			public, err := other.GenerateSigner("raced", jose.SM2)
			if err == nil {
				wins.Store(public, true)
			} else if !errors.Is(err, signing.ErrExists) {
				t.Error(err)
			}
		})
	}
	wait.Wait()
	n := 0
	for public := range wins.Range {
		n++
		if s, err := k.Signer("raced"); err != nil || !signing.SamePublicKey(s.Public(), public) {
			t.Errorf("what lies on disk is not the winner's key (%v)", err)
		}
	}
	if n != 1 {
		t.Errorf("%d callers made the key", n)
	}
}

func FuzzKeyFile(f *testing.F) {
	key := bytes.Repeat([]byte{7}, 32)
	private, err := gmsm.NewPrivateKey(bytes.Repeat([]byte{1}, 32))
	if err != nil {
		f.Fatal(err)
	}
	file, err := encodePrivateKey(key, "a", private)
	if err != nil {
		f.Fatal(err)
	}
	secret, err := encodeSecret(key, "a", make([]byte, 32))
	if err != nil {
		f.Fatal(err)
	}
	for _, file := range [][]byte{file, secret} {
		block, _ := pem.Decode(file)
		f.Add(block.Type == pemSecret, block.Bytes)
	}
	f.Fuzz(func(t *testing.T, isSecret bool, der []byte) {
		block := &pem.Block{Type: pemPrivateKey, Bytes: der}
		if isSecret {
			block.Type = pemSecret
		}
		held, err := decodeKeyFile(key, "a", pem.EncodeToMemory(block))
		if (err == nil) == (held.signer == nil && held.secret == nil) {
			t.Errorf("decoded as %v, %v", held, err)
		}
		_, _ = decodeKeyFile(key, "a", der) // whatever it is, no panic
		_, _ = parseManifest(der)
	})
}

func BenchmarkMAC(b *testing.B) {
	k, _ := newKeystore(b)
	if err := k.GenerateSecret("lookup-1"); err != nil {
		b.Fatal(err)
	}
	message := make([]byte, 64)
	b.ReportAllocs()
	for b.Loop() {
		if _, err := k.MAC("lookup-1", message); err != nil {
			b.Fatal(err)
		}
	}
}

func BenchmarkLoadSigner(b *testing.B) {
	k, _ := newKeystore(b)
	if _, err := k.GenerateSigner("status-1", jose.SM2); err != nil {
		b.Fatal(err)
	}
	for b.Loop() {
		k.keys.Clear()
		if _, err := k.Signer("status-1"); err != nil {
			b.Fatal(err)
		}
	}
}

// TestRSAKeyFile: an RSA key comes back from its file; one of another size does not.
func TestRSAKeyFile(t *testing.T) {
	k, passphrase := newKeystore(t)
	public, err := k.GenerateSigner("id-token-rs256-1", jose.RS256)
	if err != nil {
		t.Fatal(err)
	}
	if bits := public.(*rsa.PublicKey).N.BitLen(); bits != 2048 {
		t.Errorf("made a key of %d bits", bits)
	}
	opened, err := Open(k.dir, passphrase)
	if err != nil {
		t.Fatal(err)
	}
	signer, err := opened.Signer("id-token-rs256-1")
	if err != nil {
		t.Fatal(err)
	}
	if !signing.SamePublicKey(signer.Public(), public) {
		t.Error("opened again, the key is another one")
	}
	if err := jose.NewVerifier(sm2.Config{}).Verify(t.Context(), public, []byte("m"), signingtest.MustSign(t, signer, []byte("m"))); err != nil {
		t.Error(err)
	}
	file, err := os.ReadFile(k.path("id-token-rs256-1"))
	if err != nil || len(file) > maxKeyFile/2 || bytes.Contains(file, []byte("RSA")) {
		t.Errorf("the key file: %d bytes, %v", len(file), err)
	}
	if file, err = encodePrivateKey(k.key, "small", signingtest.NewRSA(t, 1024).PrivateKey); err != nil {
		t.Fatal(err)
	}
	if held, err := decodeKeyFile(k.key, "small", file); err == nil {
		t.Errorf("loaded %v of 1024 bits", held.signer)
	}
}

// TestOddIDs: an id that is none leads to no file, neither in the keystore nor outside.
func TestOddIDs(t *testing.T) {
	k, _ := newKeystore(t)
	outside := filepath.Join(filepath.Dir(k.Dir()), "outside.key")
	if err := os.WriteFile(outside, nil, 0o600); err != nil {
		t.Fatal(err)
	}
	for _, id := range []signing.KeyID{"../outside", "", "A", "a/b", signing.KeyID(strings.Repeat("a", 1000))} {
		if there, err := k.Holds(id); there || !errors.Is(err, signing.ErrNoKey) {
			t.Errorf("%.20q: %v, %v", id, there, err)
		}
		if err := k.Discard(id); !errors.Is(err, signing.ErrNoKey) {
			t.Errorf("%.20q is discarded: %v", id, err)
		}
	}
	if _, err := os.Stat(outside); err != nil {
		t.Error(err)
	}
}
