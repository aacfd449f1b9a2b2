package keystore

import (
	"bytes"
	"errors"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"yizheng.internal/signing/durable"
)

// TestTypedCost makes one keystore with the cost of real ones.
func TestTypedCost(t *testing.T) {
	dir := filepath.Join(t.TempDir(), "keys")
	if _, err := Create(dir, []byte("correct horse battery staple")); err != nil {
		t.Fatal(err)
	}
	b, err := os.ReadFile(filepath.Join(dir, ManifestName))
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
			if _, err := create(dir, test.right, cheap); err != nil {
				t.Fatal(err)
			}
			if _, err := Open(dir, test.used); !errors.Is(err, ErrPassphrase) {
				t.Errorf("opened with %v, want ErrPassphrase", err)
			} else if len(test.used) > 0 && strings.Contains(err.Error(), string(test.used)) {
				t.Errorf("the error shows the passphrase: %v", err)
			}
			if _, err := Open(dir, test.right); err != nil {
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
		if _, err := create(dir, []byte(p), cheap); err == nil {
			t.Errorf("%s: accepted", name)
		}
		if there, err := durable.Exists(dir); there || err != nil {
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
