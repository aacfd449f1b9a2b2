package backup

import (
	"bytes"
	"crypto/hmac"
	"crypto/sha256"
	"errors"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"
)

func macOf(key string) MAC {
	return func(message []byte) ([]byte, error) {
		h := hmac.New(sha256.New, []byte(key))
		h.Write(message)
		return h.Sum(nil), nil
	}
}

func describe(part Part) Manifest {
	return Manifest{Backup: "b1", Part: part, Made: time.Date(2026, 3, 1, 9, 0, 0, 0, time.UTC), Program: "test", Driver: "sqlite", Schema: 10, Key: "lookup-1"}
}

// newBackup makes a folder with two files.
func newBackup(t *testing.T, part Part) string {
	t.Helper()
	dir := filepath.Join(t.TempDir(), string(part))
	if err := Begin(dir); err != nil {
		t.Fatal(err)
	}
	must(t, os.Mkdir(filepath.Join(dir, "keys"), 0o700))
	must(t, os.WriteFile(filepath.Join(dir, "keys", "a-1.key"), []byte("first"), 0o600))
	must(t, os.WriteFile(filepath.Join(dir, "rows.copy"), bytes.Repeat([]byte("second"), 1<<18), 0o600))
	must(t, Finish(t.Context(), dir, describe(part), macOf("k")))
	return dir
}

func must(t *testing.T, err error) {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
}

// TestVerify alters a backup in each way that it can be: all are found.
func TestVerify(t *testing.T) {
	for name, alter := range map[string]func(dir string) error{
		"as it was": nil,
		"a byte changed": func(dir string) error {
			f, err := os.OpenFile(filepath.Join(dir, "rows.copy"), os.O_RDWR, 0)
			if err != nil {
				return err
			}
			_, err = f.WriteAt([]byte("x"), 1<<20)
			return errors.Join(err, f.Close())
		},
		"a file cut off":       func(dir string) error { return os.Truncate(filepath.Join(dir, "rows.copy"), 100) },
		"a file missing":       func(dir string) error { return os.Remove(filepath.Join(dir, "keys", "a-1.key")) },
		"a file more":          func(dir string) error { return os.WriteFile(filepath.Join(dir, "keys", "b-1.key"), nil, 0o600) },
		"the manifest missing": func(dir string) error { return os.Remove(filepath.Join(dir, manifestName)) },
		"the manifest changed": func(dir string) error { return replace(dir, `"schema":10`, `"schema":11`) },
		"the MAC cut off":      func(dir string) error { return replace(dir, `"mac":"`, `"mac":"AAAA`) },
		"another format":       func(dir string) error { return replace(dir, `"format":1`, `"format":2`) },
		"a way out":            func(dir string) error { return replace(dir, `"rows.copy"`, `"../rows.copy"`) },
	} {
		t.Run(name, func(t *testing.T) {
			dir := newBackup(t, Data)
			if alter != nil {
				must(t, alter(dir))
			}
			s, err := Read(dir, Data)
			if err == nil {
				err = errors.Join(s.Check(macOf("k")), s.Verify(t.Context(), dir, nil))
			}
			if alter == nil && err != nil || alter != nil && !errors.Is(err, ErrDamaged) {
				t.Errorf("got %v", err)
			}
		})
	}
}

func replace(dir, old, new string) error {
	name := filepath.Join(dir, manifestName)
	text, err := os.ReadFile(name)
	if err != nil {
		return err
	}
	changed := strings.Replace(string(text), old, new, 1)
	if changed == string(text) {
		return errors.New("nothing was replaced")
	}
	return os.WriteFile(name, []byte(changed), 0o600)
}

func TestRead(t *testing.T) {
	dir := newBackup(t, Data)
	s, err := Read(dir, Data)
	must(t, err)
	if len(s.Files) != 2 || s.Size() != 5+6<<18 || s.Files[0].Name != "keys/a-1.key" {
		t.Errorf("files %+v", s.Files)
	}
	if err := s.Check(macOf("another")); !errors.Is(err, ErrDamaged) {
		t.Errorf("with other keys: %v", err)
	}
	if _, err := Read(dir, Keys); !errors.Is(err, ErrDamaged) {
		t.Errorf("as the other part: %v", err)
	}
	if err := Begin(dir); err == nil {
		t.Error("a folder that isn't empty was taken")
	}
	other := s
	other.Backup = "b2"
	if err := s.Fits(&other); !errors.Is(err, ErrDamaged) {
		t.Errorf("parts of two backups: %v", err)
	}
	if err := os.Symlink("/etc/passwd", filepath.Join(dir, "link")); err != nil {
		t.Fatal(err)
	}
	if err := s.Verify(t.Context(), dir, nil); err == nil {
		t.Error("a link was taken for a file")
	}
}

// FuzzParse reads manifests from anywhere: what is accepted names only files below
// its folder, and is written and read again as the same.
func FuzzParse(f *testing.F) {
	m := describe(Data)
	m.Format, m.Files = format, []File{{"a/b.key", 1, strings.Repeat("0a", 32)}, {"c", 0, strings.Repeat("ff", 32)}}
	text, err := seal(m, macOf("k"))
	if err != nil {
		f.Fatal(err)
	}
	f.Add(text)
	f.Add([]byte(`{"manifest":{},"mac":""}`))
	f.Add([]byte(`{"manifest":{"format":2},"mac":"AA=="}`))
	f.Add(bytes.Replace(text, []byte(`"c"`), []byte(`"../c"`), 1))
	f.Fuzz(func(t *testing.T, text []byte) {
		s, err := Parse(text)
		if err != nil {
			if !errors.Is(err, ErrDamaged) {
				t.Errorf("got %v", err)
			}
			return
		}
		for _, file := range s.Files {
			p := filepath.Join("/below", filepath.FromSlash(file.Name))
			if !strings.HasPrefix(p, "/below/") || strings.Contains(file.Name, "..") && strings.Contains(file.Name, "/..") || file.Size < 0 {
				t.Errorf("accepted %q", file.Name)
			}
		}
		again, err := seal(s.Manifest, macOf("k"))
		if err != nil {
			t.Fatalf("an accepted manifest can't be written: %v", err)
		}
		if _, err := Parse(again); err != nil {
			t.Fatalf("written and not read: %v", err)
		}
	})
}
