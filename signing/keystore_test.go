package signing

import (
	"bytes"
	"crypto"
	"crypto/ecdsa"
	"crypto/hmac"
	"encoding/hex"
	"encoding/pem"
	"errors"
	"fmt"
	"log/slog"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"

	"github.com/emmansun/gmsm/sm2"
	"github.com/emmansun/gmsm/sm3"
	"github.com/emmansun/gmsm/sm4"
	"github.com/go-json-experiment/json"
)

// cheap is a scrypt cost for tests that are not about its cost.
var cheap = kdf{Name: kdfTyped, N: 1 << 4, R: 8, P: 1}

func newKeystore(t testing.TB) (*Keystore, Passphrase) {
	t.Helper()
	passphrase := GeneratePassphrase()
	k, err := CreateKeystore(filepath.Join(t.TempDir(), "keys"), passphrase)
	if err != nil {
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
			made, err := createKeystore(dir, test.passphrase, cheap)
			if err != nil {
				t.Fatal(err)
			}
			public, err := made.GenerateSigner("status-1", SM2)
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

			b, err := os.ReadFile(filepath.Join(dir, manifestName))
			if err != nil {
				t.Fatal(err)
			}
			if m, err := parseManifest(b); err != nil || m.KDF.Name != test.kdf {
				t.Errorf("manifest says %q, %v; want %q", m.KDF.Name, err, test.kdf)
			}
			if _, err := CreateKeystore(dir, GeneratePassphrase()); !errors.Is(err, ErrExists) {
				t.Errorf("a second keystore in the same place: %v, want ErrExists", err)
			}

			opened, err := OpenKeystore(dir, test.passphrase)
			if err != nil {
				t.Fatal(err)
			}
			signer, err := opened.Signer("status-1")
			if err != nil {
				t.Fatal(err)
			}
			if !samePublicKey(signer.Public(), public) {
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

// TestTypedCost makes one keystore with the cost of real ones.
func TestTypedCost(t *testing.T) {
	if testing.Short() {
		t.Skip("takes 128 MiB and half a second")
	}
	dir := filepath.Join(t.TempDir(), "keys")
	if _, err := CreateKeystore(dir, []byte("correct horse battery staple")); err != nil {
		t.Fatal(err)
	}
	b, err := os.ReadFile(filepath.Join(dir, manifestName))
	if err != nil {
		t.Fatal(err)
	}
	m, err := parseManifest(b)
	if err != nil || m.KDF.N != 1<<17 || m.KDF.R != 8 || m.KDF.P != 1 {
		t.Errorf("manifest says %+v, %v", m.KDF, err)
	}
}

func TestWrongPassphrase(t *testing.T) {
	generated := GeneratePassphrase()
	typed := Passphrase("correct horse battery staple")
	for _, test := range []struct {
		name        string
		right, used Passphrase
	}{
		{"another generated", generated, GeneratePassphrase()},
		{"typed for generated", generated, typed},
		{"generated, cut off", generated, generated[:40]},
		{"generated, in capitals", generated, Passphrase(generatedPrefix + strings.ToUpper(string(generated[5:])))},
		{"generated, with a line break", generated, append(bytes.Clone(generated), '\n')},
		{"another typed", typed, Passphrase("correct horse battery stable")},
		{"generated for typed", typed, generated},
		{"nothing", typed, nil},
	} {
		t.Run(test.name, func(t *testing.T) {
			dir := t.TempDir()
			if _, err := createKeystore(dir, test.right, cheap); err != nil {
				t.Fatal(err)
			}
			if _, err := OpenKeystore(dir, test.used); !errors.Is(err, ErrPassphrase) {
				t.Errorf("opened with %v, want ErrPassphrase", err)
			} else if len(test.used) > 0 && strings.Contains(err.Error(), string(test.used)) {
				t.Errorf("the error shows the passphrase: %v", err)
			}
			if _, err := OpenKeystore(dir, test.right); err != nil {
				t.Errorf("opened with the right one: %v", err)
			}
		})
	}
}

func TestPassphraseRefused(t *testing.T) {
	for name, p := range map[string]string{
		"empty":             "",
		"short":             "elevenchars",
		"damaged generated": "yzk1-abcdefgh",
		"too long":          strings.Repeat("x", maxPassphrase+1),
	} {
		dir := filepath.Join(t.TempDir(), "keys")
		if _, err := createKeystore(dir, []byte(p), cheap); err == nil {
			t.Errorf("%s: accepted", name)
		}
		if there, err := exists(dir); there || err != nil {
			t.Errorf("%s: left a directory (%v)", name, err)
		}
	}
}

func TestReadPassphraseFile(t *testing.T) {
	for _, test := range []struct {
		name, contents string
		mode           os.FileMode
		want, err      string
	}{
		{"plain", "secret words", 0o600, "secret words", ""},
		{"line break", "secret words\n", 0o600, "secret words", ""},
		{"line break of Windows", "secret words\r\n", 0o400, "secret words", ""},
		{"one line break only", "secret\n\n", 0o600, "secret\n", ""},
		{"longest", strings.Repeat("x", 1024) + "\n", 0o600, strings.Repeat("x", 1024), ""},
		{"too long", strings.Repeat("x", 1025), 0o600, "", "more than 1024 bytes"},
		{"far too long", strings.Repeat("x", 1<<20), 0o600, "", "more than 1024 bytes"},
		{"empty", "", 0o600, "", "is empty"},
		{"empty line", "\n", 0o600, "", "is empty"},
		{"open to the group", "secret words", 0o640, "", "chmod 600"},
		{"open to all", "secret words", 0o604, "", "chmod 600"},
	} {
		t.Run(test.name, func(t *testing.T) {
			path := filepath.Join(t.TempDir(), "pass")
			if err := os.WriteFile(path, []byte(test.contents), 0o600); err != nil {
				t.Fatal(err)
			}
			if err := os.Chmod(path, test.mode); err != nil {
				t.Fatal(err)
			}
			p, err := ReadPassphraseFile(path)
			if string(p) != test.want || (err == nil) != (test.err == "") || err != nil && !strings.Contains(err.Error(), test.err) {
				t.Errorf("read %d bytes, %v; want %d bytes, %q", len(p), err, len(test.want), test.err)
			}
			if err != nil && strings.Contains(err.Error(), "secret words") {
				t.Error("the error shows the passphrase")
			}
		})
	}
	if _, err := ReadPassphraseFile(t.TempDir()); err == nil {
		t.Error("read a directory")
	}
	if _, err := ReadPassphraseFile(filepath.Join(t.TempDir(), "none")); !errors.Is(err, os.ErrNotExist) {
		t.Errorf("a missing file: %v", err)
	}
}

func TestKeystoreModes(t *testing.T) {
	k, _ := newKeystore(t)
	if _, err := k.GenerateSigner("status-1", SM2); err != nil {
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
	if got := fmt.Sprint(names); got != "[keystore.json master-1.key status-1.key]" {
		t.Errorf("the keystore holds %s", got)
	}
	if info, err := os.Stat(k.dir); err != nil || info.Mode().Perm() != 0o700 {
		t.Errorf("the directory has mode %v, %v", info.Mode(), err)
	}
}

func TestKeyIDs(t *testing.T) {
	k, _ := newKeystore(t)
	for _, id := range []KeyID{"", "A", "a.b", "../x", "a/b", "a\x00", "é", "a b", KeyID(strings.Repeat("a", 65))} {
		if err := k.GenerateSecret(id); !errors.Is(err, ErrNoKey) {
			t.Errorf("GenerateSecret(%q): %v", id, err)
		}
		if _, err := k.GenerateSigner(id, SM2); err == nil {
			t.Errorf("GenerateSigner(%q) worked", id)
		}
		if _, err := k.Signer(id); !errors.Is(err, ErrNoKey) {
			t.Errorf("Signer(%q): %v", id, err)
		}
	}
	if err := k.GenerateSecret(KeyID(strings.Repeat("a", 64))); err != nil {
		t.Error(err)
	}
}

func TestModuleErrors(t *testing.T) {
	k, _ := newKeystore(t)
	if err := k.GenerateSecret("secret"); err != nil {
		t.Fatal(err)
	}
	if _, err := k.GenerateSigner("signer", SM2); err != nil {
		t.Fatal(err)
	}
	if _, err := k.GenerateSigner("other", "RS256"); err == nil {
		t.Error("made a key of an unknown algorithm")
	}
	for _, id := range []KeyID{"secret", "signer"} {
		if err := k.GenerateSecret(id); !errors.Is(err, ErrExists) {
			t.Errorf("GenerateSecret(%s) again: %v", id, err)
		}
		if _, err := k.GenerateSigner(id, ES256); !errors.Is(err, ErrExists) {
			t.Errorf("GenerateSigner(%s) again: %v", id, err)
		}
	}
	noKey := func(what string, err error) {
		t.Helper()
		if !errors.Is(err, ErrNoKey) {
			t.Errorf("%s: %v, want ErrNoKey", what, err)
		}
	}
	_, err := k.Signer("secret")
	noKey("a secret's signer", err)
	for _, id := range []KeyID{"signer", "none"} {
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
	for _, id := range []KeyID{"a", "b"} {
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
	sealed := func(what string, id KeyID, wrapped, ad []byte) {
		t.Helper()
		if s, err := k.Unwrap(id, wrapped, ad); !errors.Is(err, ErrSealed) || s != nil {
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
	if _, err := k.GenerateSigner("signer", SM2); err != nil {
		t.Fatal(err)
	}
	if err := k.GenerateSecret("secret"); err != nil {
		t.Fatal(err)
	}
	load := func(id KeyID) error {
		opened, err := OpenKeystore(k.dir, passphrase)
		if err != nil {
			t.Fatal(err)
		}
		_, err = opened.load(id)
		return err
	}
	for _, id := range []KeyID{"signer", "secret"} {
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
	other, err := OpenKeystore(k.dir, passphrase)
	if err != nil {
		t.Fatal(err)
	}
	if _, err := k.Signer("new"); !errors.Is(err, ErrNoKey) {
		t.Fatalf("before: %v", err)
	}
	public, err := other.GenerateSigner("new", ES256)
	if err != nil {
		t.Fatal(err)
	}
	if s, err := k.Signer("new"); err != nil || !samePublicKey(s.Public(), public) {
		t.Errorf("after: %v", err)
	}
}

func TestGenerateRace(t *testing.T) {
	k, passphrase := newKeystore(t)
	var wins sync.Map
	var wait sync.WaitGroup
	for range 16 {
		wait.Go(func() {
			other, err := OpenKeystore(k.dir, passphrase)
			if err != nil {
				t.Error(err)
				return
			}
			public, err := other.GenerateSigner("raced", SM2)
			if err == nil {
				wins.Store(public, true)
			} else if !errors.Is(err, ErrExists) {
				t.Error(err)
			}
		})
	}
	wait.Wait()
	n := 0
	for public := range wins.Range {
		n++
		if s, err := k.Signer("raced"); err != nil || !samePublicKey(s.Public(), public) {
			t.Errorf("what lies on disk is not the winner's key (%v)", err)
		}
	}
	if n != 1 {
		t.Errorf("%d callers made the key", n)
	}
}

func TestSigners(t *testing.T) {
	k, _ := newKeystore(t)
	message := []byte("message digest")
	for _, a := range []Algorithm{SM2, ES256} {
		id := KeyID("es256")
		if a == SM2 {
			id = "sm2"
		}
		public, err := k.GenerateSigner(id, a)
		if err != nil {
			t.Fatal(err)
		}
		signer, err := k.Signer(id)
		if err != nil {
			t.Fatal(err)
		}
		sig, err := crypto.SignMessage(signer, nil, message, nil)
		if err != nil {
			t.Fatal(err)
		}
		if err := NewVerifier(VerifierConfig{}).Verify(t.Context(), public, message, sig); err != nil {
			t.Errorf("%s: %v", a, err)
		}
		again, err := signer.SignMessage(nil, message, nil)
		if err != nil || bytes.Equal(sig, again) {
			t.Errorf("%s: without a reader, signing is not random (%v)", a, err)
		}
		if _, err := signer.Sign(nil, make([]byte, 32), crypto.Hash(0)); !errors.Is(err, errDigest) {
			t.Errorf("%s signs a digest: %v", a, err)
		}
		if _, err := signer.SignMessage(nil, message, crypto.SHA512); !errors.Is(err, errOptions) {
			t.Errorf("%s signs with SHA-512: %v", a, err)
		}
	}
	signer, _ := k.Signer("sm2")
	if _, err := signer.SignMessage(nil, message, sm2.NewSM2SignerOption(true, []byte("other"))); !errors.Is(err, errOptions) {
		t.Errorf("SM2 signs for another user id: %v", err)
	}
	if _, err := signer.SignMessage(nil, nil, nil); !errors.Is(err, errEmpty) {
		t.Errorf("SM2 signs nothing: %v", err)
	}
	sig, err := signer.SignMessage(nil, message, sm2.DefaultSM2SignerOpts)
	if err != nil || !sm2.VerifyASN1WithSM2(signer.Public().(*ecdsa.PublicKey), []byte(UserID), message, sig) {
		t.Errorf("SM2 with smx509's options: %v", err)
	}
}

// TestSM4GCM is the vector of RFC 8998 appendix A.1.
func TestSM4GCM(t *testing.T) {
	unhex := func(s string) []byte {
		b, err := hex.DecodeString(strings.ReplaceAll(s, " ", ""))
		if err != nil {
			t.Fatal(err)
		}
		return b
	}
	aead, err := newSM4GCM(unhex("0123456789ABCDEFFEDCBA9876543210"))
	if err != nil {
		t.Fatal(err)
	}
	got := aead.Seal(nil, unhex("00001234567800000000ABCD"),
		unhex("AAAAAAAAAAAAAAAABBBBBBBBBBBBBBBBCCCCCCCCCCCCCCCCDDDDDDDDDDDDDDDDEEEEEEEEEEEEEEEEFFFFFFFFFFFFFFFFEEEEEEEEEEEEEEEEAAAAAAAAAAAAAAAA"),
		unhex("FEEDFACEDEADBEEFFEEDFACEDEADBEEFABADDAD2"))
	want := unhex("17F399F08C67D5EE19D0DC9969C4BB7D5FD46FD3756489069157B282BB200735D82710CA5C22F0CCFA7CBF93D496AC15A56834CBCF98C397B4024A2691233B8D" +
		"83DE3541E4C2B58177E065A9BF7B62EC")
	if !bytes.Equal(got, want) {
		t.Errorf("sealed %x, want %x", got, want)
	}
	if aead.NonceSize() != gcmNonce || aead.Overhead() != gcmTag || sm4.BlockSize != 16 {
		t.Error("sizes differ from what the format says")
	}
}

// TestMAC checks that MAC is HMAC-SM3 under the stored secret (GB/T 15852.2),
// by the two hashes of RFC 2104's definition, and that states don't mix.
func TestMAC(t *testing.T) {
	secret := bytes.Repeat([]byte{0x5c, 0x01}, 16)
	s, err := newSecretKey(secret)
	if err != nil {
		t.Fatal(err)
	}
	var inner, outer [sm3.BlockSize]byte
	copy(inner[:], secret)
	copy(outer[:], secret)
	for i := range inner {
		inner[i] ^= 0x36
		outer[i] ^= 0x5c
	}
	var wait sync.WaitGroup
	for i := range 8 {
		wait.Go(func() {
			for j := range 200 {
				message := bytes.Repeat([]byte{byte(i)}, j)
				in := sm3.Sum(append(inner[:len(inner):len(inner)], message...))
				want := sm3.Sum(append(outer[:len(outer):len(outer)], in[:]...))
				if got := s.mac(message); !hmac.Equal(got, want[:]) {
					t.Errorf("message of %d bytes: %x, want %x", j, got, want)
				}
			}
		})
	}
	wait.Wait()
}

// TestSecretsDontPrint prints everything that holds a secret in every way and
// looks for the secret.
func TestSecretsDontPrint(t *testing.T) {
	v, keys := newVault(t)
	signer, err := keys.Signer("status-1")
	if err != nil {
		t.Fatal(err)
	}
	passphrase := GeneratePassphrase()
	d := signer.(*sm2Signer).key.D
	hidden := []string{
		string(passphrase), fmt.Sprint([]byte(passphrase)), fmt.Sprintf("%x", []byte(passphrase)),
		d.String(), d.Text(16), fmt.Sprint(keys.key), fmt.Sprintf("%x", keys.key), fmt.Sprintf("%#v", keys.key),
	}
	key, err := v.rings.Active(t.Context(), PurposeStatus, "")
	if err != nil || key.Signer == nil {
		t.Fatalf("the status key has no signer (%v)", err)
	}
	held, _ := keys.load("lookup-1")
	for _, value := range []any{
		passphrase, struct{ P Passphrase }{passphrase}, map[string]any{"p": passphrase}, []Passphrase{passphrase},
		keys, signer, held.secret, key, *key, v, v.rings, []any{keys, v, key}, &CA{Signer: signer}, CA{Signer: signer},
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

func TestManifestRefused(t *testing.T) {
	good := `{"format":1,"kdf":{"name":"scrypt","salt":"AAAAAAAAAAAAAAAAAAAAAA==","n":16,"r":8,"p":1},"check":"AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA="}`
	if _, err := parseManifest([]byte(good)); err != nil {
		t.Fatal(err)
	}
	for _, edit := range [][2]string{
		{`"format":1`, `"format":2`}, {`"format":1,`, `"format":1,"format":1,`}, {`"format":1,`, `"format":1,"more":1,`},
		{`"scrypt"`, `"pbkdf2"`}, {`"scrypt"`, `"hkdf-sm3"`}, {`"n":16`, `"n":15`}, {`"n":16`, `"n":1`}, {`"n":16`, `"n":2097152`},
		{`"n":16`, `"n":-16`}, {`"r":8`, `"r":0`}, {`"r":8`, `"r":17`}, {`"p":1`, `"p":0`}, {`"p":1`, `"p":99`},
		{`AAAAAAAAAAAAAAAAAAAAAA==`, `AAAA`}, {`AAAAAAAAAAA=`, `AAA=`}, {`{"format"`, `[{"format"`}, {`="}`, `="}x`},
	} {
		if m, err := parseManifest([]byte(strings.Replace(good, edit[0], edit[1], 1))); err == nil {
			t.Errorf("%s for %s: accepted as %+v", edit[1], edit[0], m)
		}
	}
	if _, err := parseManifest([]byte(good + strings.Repeat(" ", maxManifest))); err == nil {
		t.Error("a manifest of 4 KiB and more was accepted")
	}
}

func FuzzKeyFile(f *testing.F) {
	key := bytes.Repeat([]byte{7}, 32)
	private, err := sm2.NewPrivateKey(bytes.Repeat([]byte{1}, 32))
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
	if _, err := k.GenerateSigner("status-1", SM2); err != nil {
		b.Fatal(err)
	}
	for b.Loop() {
		k.keys.Clear()
		if _, err := k.Signer("status-1"); err != nil {
			b.Fatal(err)
		}
	}
}
