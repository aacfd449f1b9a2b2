package installation

import (
	"bytes"
	"errors"
	"fmt"
	"io/fs"
	"log/slog"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"testing"

	"yizheng.internal/signing"
	"yizheng.internal/signing/durable"
	"yizheng.internal/signing/jose"
	"yizheng.internal/signing/keystest"
	"yizheng.internal/signing/keystore"
	"yizheng.internal/signing/pki"
	"yizheng.internal/signing/sm2"
	"yizheng.internal/signing/vault"
)

// marketDepartment is one of the made-up departments of the samples.
var marketDepartment = pki.Subject{Name: "青禾市市场监督管理局（样例）", USCC: "11100000000013338W"}

const registryUSCC = "11990000MB0000000X"

func installationConfig(dir string, records signing.Records) Config {
	lists, _ := records.(signing.RevocationLists)
	return Config{Dir: dir, Records: records, RegistryName: "样例证照库", RegistryUSCC: registryUSCC,
		Lists: lists, PublicURL: "https://license.example.gov"}
}

func newInstallation(t testing.TB) (*Installation, *keystest.Records) {
	t.Helper()
	records := keystest.NewRecords()
	i, err := Open(t.Context(), installationConfig(filepath.Join(t.TempDir(), "data"), records), keystest.Day)
	if err != nil {
		t.Fatal(err)
	}
	return i, records
}

// files returns the names of all files below a directory, sorted.
func files(t testing.TB, dir string) (names []string) {
	t.Helper()
	err := fs.WalkDir(os.DirFS(dir), ".", func(path string, d fs.DirEntry, err error) error {
		if err == nil && !d.IsDir() {
			names = append(names, path)
		}
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
	slices.Sort(names)
	return names
}

// finished are the files of a whole installation.
var finished = []string{
	"anchors.pem", "keys.pass", "keys/access-token-1.key", "keys/attestation-1.key", "keys/id-token-1.key",
	"keys/id-token-rs256-1.key", "keys/keystore.json",
	"keys/lookup-1.key", "keys/master-1.key", "keys/records-1.key", "keys/status-1.key", "lock", "root.pass", "root/keystore.json",
	"root/root-1.key", "root/root-1.pem",
}

// checkWhole checks everything that a first start is to leave behind.
func checkWhole(t *testing.T, i *Installation, records *keystest.Records) {
	t.Helper()
	ctx := t.Context()
	if got := files(t, i.c.Dir); !slices.Equal(got, finished) {
		t.Errorf("the directory holds %q", got)
	}
	var ids []string
	for _, k := range records.All(t) {
		ids = append(ids, string(k.ID))
		if k.State != signing.KeyActive || k.Serial != 1 || k.Owner != "" || !k.Created.Equal(keystest.Day) {
			t.Errorf("%s is recorded as %+v", k.ID, k)
		}
	}
	if got := strings.Join(ids, " "); got != "access-token-1 attestation-1 data-1 id-token-1 id-token-rs256-1 lookup-1 master-1 root-1 status-1" {
		t.Errorf("the database holds %s", got)
	}
	verifier := jose.NewVerifier(sm2.Config{})
	for p, profile := range map[signing.Purpose]pki.Profile{
		signing.PurposeStatus: pki.ProfileStatus, signing.PurposeAttestation: pki.ProfileAttestation,
		signing.PurposeAccessToken: "", signing.PurposeIDToken: "", signing.PurposeIDTokenRSA: "",
	} {
		k, err := i.Keyrings().Active(ctx, p, "")
		if err != nil || k.Signer == nil {
			t.Errorf("%s: %v, %v", p, k, err)
			continue
		}
		if a, err := jose.AlgorithmOf(k.Public); err != nil || a != p.Algorithm() || k.Algorithm != string(a) {
			t.Errorf("%s: a key of %s, recorded as %s, %v", p, a, k.Algorithm, err)
		}
		if profile == "" {
			continue
		}
		leaf, err := i.Anchors().Verify(ctx, verifier, k.Chain, keystest.Day)
		if err != nil || leaf.Profile != profile || leaf.Subject != (pki.Subject{Name: "样例证照库", USCC: registryUSCC}) {
			t.Errorf("%s: certificate %+v, %v", p, leaf, err)
			continue
		}
		if want := keystest.Day.AddDate(5, 0, 0); !leaf.NotAfter.Equal(want) {
			t.Errorf("%s: certificate ends %v, want %v", p, leaf.NotAfter, want)
		}
	}
	root, err := i.Keyrings().Active(ctx, signing.PurposeRoot, "")
	if err != nil || root.Signer != nil || !root.Certificates[0].NotAfter.Equal(keystest.Day.AddDate(20, 0, 0)) {
		t.Errorf("root: %v, %v", root, err)
	}
	place := vault.Place{Table: "t", Row: "r", Column: "c"}
	if got, err := i.Vault().Open(ctx, place, keystest.MustSeal(t, i.Vault(), place, []byte("x"))); err != nil || string(got) != "x" {
		t.Errorf("the vault opens %q, %v", got, err)
	}
}

func TestFirstStart(t *testing.T) {
	var log bytes.Buffer
	dir := filepath.Join(t.TempDir(), "data")
	records := keystest.NewRecords()
	c := installationConfig(dir, records)
	c.Log = slog.New(slog.NewTextHandler(&log, nil))
	i, err := Open(t.Context(), c, keystest.Day)
	if err != nil {
		t.Fatal(err)
	}
	checkWhole(t, i, records)
	for _, want := range []string{"level=WARN", filepath.Join(dir, "root"), filepath.Join(dir, "root.pass"), "move_away", "FIRST START"} {
		if !strings.Contains(log.String(), want) {
			t.Errorf("the log does not say %q:\n%s", want, &log)
		}
	}
	for _, name := range files(t, dir) {
		if info, err := os.Stat(filepath.Join(dir, name)); err != nil || info.Mode().Perm() != 0o600 {
			t.Errorf("%s has mode %v, %v", name, info.Mode(), err)
		}
	}
	place := vault.Place{Table: "t", Row: "r", Column: "c"}
	sealed := keystest.MustSeal(t, i.Vault(), place, []byte("kept"))

	// A second start, a year later, without the root, from a disk that can only be read.
	log.Reset()
	before := fmt.Sprint(records.All(t))
	for _, name := range []string{"root", "root.pass", "lock"} {
		if err := os.Rename(filepath.Join(dir, name), filepath.Join(t.TempDir(), name)); err != nil {
			t.Fatal(err)
		}
	}
	left := files(t, dir)
	if err := os.Chmod(dir, 0o500); err != nil {
		t.Fatal(err)
	}
	defer func() { _ = os.Chmod(dir, 0o700) }()
	i, err = Open(t.Context(), c, keystest.Day.AddDate(1, 0, 0))
	if err != nil {
		t.Fatal(err)
	}
	if got, err := i.Vault().Open(t.Context(), place, sealed); err != nil || string(got) != "kept" {
		t.Errorf("opened %q, %v", got, err)
	}
	if got := files(t, dir); !slices.Equal(got, left) { // matters where root runs the test
		t.Errorf("a second start made files: %q, then %q", left, got)
	}
	if after := fmt.Sprint(records.All(t)); after != before || log.Len() > 0 {
		t.Errorf("a second start changed records or has something to say: %s", &log)
	}
}

// TestInterruptedFirstStart lets the first start fail at each of its calls to
// the database, before and after the call did its work, and starts again.
func TestInterruptedFirstStart(t *testing.T) {
	interrupt(t, 10, func() (Config, *keystest.Records) {
		records := keystest.NewRecords()
		return installationConfig(filepath.Join(t.TempDir(), "data"), records), records
	})
}

var errCut = errors.New("cut off")

// interrupt opens a new installation again and again, and lets each of its calls to the
// database fail in turn, once before and once after the call did its work; the one that is
// opened after that must be whole. Opening makes so many calls at least. Errors are
// errCut, or one of those that may stand for it.
func interrupt(t *testing.T, least int, newConfig func() (Config, *keystest.Records), or ...error) {
	t.Helper()
	for _, when := range []string{"before", "after"} {
		for n := 1; ; n++ {
			c, records := newConfig()
			calls := 0
			hook := func(string) error {
				if calls++; calls >= n { // everything after it fails too: the process is gone
					return errCut
				}
				return nil
			}
			if when == "before" {
				records.Before = hook
			} else {
				records.After = hook
			}
			_, err := Open(t.Context(), c, keystest.Day)
			records.Before, records.After = nil, nil
			if err == nil {
				if n < least {
					t.Errorf("opening took only %d calls", n)
				}
				break
			}
			if !slices.ContainsFunc(append(or, errCut), func(e error) bool { return errors.Is(err, e) }) {
				t.Fatalf("%s call %d: %v", when, n, err)
			}
			i, err := Open(t.Context(), c, keystest.Day)
			if err != nil {
				t.Fatalf("opened again after a cut %s call %d: %v", when, n, err)
			}
			checkWhole(t, i, records)
			if t.Failed() {
				t.Fatalf("after a cut %s call %d", when, n)
			}
		}
	}
}

// TestInterruptedFiles starts from every state of the disk that a kill can
// leave behind before the first record is written.
func TestInterruptedFiles(t *testing.T) {
	steps := []string{
		"unfinished", "root.pass", "root/keystore.json", "root/root-1.key", "root/root-1.pem", "anchors.pem",
		"keys.pass", "keys/keystore.json", "keys/records-1.key",
	}
	down := errors.New("down")
	records := keystest.NewRecords()
	records.Before = func(call string) error {
		if call == "create root-1" {
			return down
		}
		return nil
	}
	source := filepath.Join(t.TempDir(), "data")
	if _, err := Open(t.Context(), installationConfig(source, records), keystest.Day); !errors.Is(err, down) {
		t.Fatal(err)
	}
	if got, want := files(t, source), slices.Sorted(slices.Values(append([]string{"lock"}, steps...))); !slices.Equal(got, want) {
		t.Fatalf("the first half makes %q, want %q", got, want)
	}
	for n := range len(steps) + 1 {
		dir := filepath.Join(t.TempDir(), "data")
		for _, name := range steps[:n] {
			b, err := os.ReadFile(filepath.Join(source, name))
			if err != nil {
				t.Fatal(err)
			}
			if err := os.MkdirAll(filepath.Dir(filepath.Join(dir, name)), 0o700); err != nil {
				t.Fatal(err)
			}
			if err := os.WriteFile(filepath.Join(dir, name), b, 0o600); err != nil {
				t.Fatal(err)
			}
		}
		records := keystest.NewRecords()
		i, err := Open(t.Context(), installationConfig(dir, records), keystest.Day)
		if err != nil {
			t.Fatalf("after %d files: %v", n, err)
		}
		checkWhole(t, i, records)
	}
}

func TestLeftoverFile(t *testing.T) {
	i, records := newInstallation(t)
	for _, dir := range []string{i.c.Dir, i.keys.Dir()} {
		if err := os.WriteFile(filepath.Join(dir, ".new-123"), []byte("half a fi"), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	if _, err := Open(t.Context(), installationConfig(i.c.Dir, records), keystest.Day); err != nil {
		t.Error(err)
	}
}

// TestStartedTogether starts many at once on one directory and one database.
func TestStartedTogether(t *testing.T) {
	records := keystest.NewRecords()
	dir := filepath.Join(t.TempDir(), "data")
	var wait sync.WaitGroup
	for range 8 {
		wait.Go(func() {
			i, err := Open(t.Context(), installationConfig(dir, records), keystest.Day)
			if err != nil {
				t.Error(err)
				return
			}
			if _, err := i.Vault().Lookups(t.Context(), "d", "v"); err != nil {
				t.Error(err)
			}
		})
	}
	wait.Wait()
	i, err := Open(t.Context(), installationConfig(dir, records), keystest.Day)
	if err != nil {
		t.Fatal(err)
	}
	checkWhole(t, i, records)
}

// TestTwoDirectories starts two empty directories on one database.
func TestTwoDirectories(t *testing.T) {
	records := keystest.NewRecords()
	var first *Installation
	cut := errors.New("cut off")
	records.Before = func(call string) error {
		if call == "create data-1" {
			return cut
		}
		return nil
	}
	ca, cb := installationConfig(filepath.Join(t.TempDir(), "a"), records), installationConfig(filepath.Join(t.TempDir(), "b"), records)
	if _, err := Open(t.Context(), ca, keystest.Day); !errors.Is(err, cut) {
		t.Fatal(err)
	}
	records.Before = nil
	if _, err := Open(t.Context(), cb, keystest.Day); !errors.Is(err, ErrNotWhole) {
		t.Errorf("the second one: %v, want ErrNotWhole", err)
	}
	first, err := Open(t.Context(), ca, keystest.Day)
	if err != nil {
		t.Fatal(err)
	}
	checkWhole(t, first, records)

	// Both had begun before either reached the database.
	records = keystest.NewRecords()
	ca.Records, cb.Records = records, records
	ca.Dir, cb.Dir = filepath.Join(t.TempDir(), "a"), filepath.Join(t.TempDir(), "b")
	records.Before = func(call string) error {
		if call == "create root-1" {
			return cut
		}
		return nil
	}
	for _, c := range []Config{ca, cb} {
		if _, err := Open(t.Context(), c, keystest.Day); !errors.Is(err, cut) {
			t.Fatal(err)
		}
	}
	records.Before = nil
	if first, err = Open(t.Context(), ca, keystest.Day); err != nil {
		t.Fatal(err)
	}
	if _, err := Open(t.Context(), cb, keystest.Day); !errors.Is(err, ErrNotWhole) || !strings.Contains(err.Error(), "anchors.pem") {
		t.Errorf("the slower one: %v, want ErrNotWhole", err)
	}
	checkWhole(t, first, records)
}

func TestNotOneInstallation(t *testing.T) {
	whole, records := newInstallation(t)
	remove := func(names ...string) func(dir string) error {
		return func(dir string) error {
			var errs []error
			for _, name := range names {
				errs = append(errs, os.RemoveAll(filepath.Join(dir, name)))
			}
			return errors.Join(errs...)
		}
	}
	other, _ := newInstallation(t)
	for _, test := range []struct {
		name    string
		records signing.Records
		spoil   func(dir string) error
		want    error
		say     string
	}{
		{"whole", records, remove(), nil, ""},
		{"a second node", records, remove("root", "root.pass", "lock"), nil, ""},
		{"empty directory", records, remove("root", "root.pass", "keys", "keys.pass", "anchors.pem", "lock"), ErrNotWhole, "copy keys/, keys.pass and anchors.pem"},
		{"no keys", records, remove("keys"), ErrNotWhole, "copy keys/"},
		{"no anchors", records, remove("anchors.pem"), ErrNotWhole, "copy keys/"},
		{"no passphrase", records, remove("keys.pass"), fs.ErrNotExist, "keys.pass"},
		{"no master key", records, remove("keys/master-1.key"), signing.ErrNoKey, "master-1"},
		{"no lookup key", records, remove("keys/lookup-1.key"), signing.ErrNoKey, "lookup-1"},
		{"empty database", keystest.NewRecords(), remove(), ErrNotWhole, "restore its backup"},
		{"another database", other.c.Records, remove(), ErrNotWhole, "is this the database of these keys?"},
		{"another passphrase", records, func(dir string) error {
			return os.WriteFile(filepath.Join(dir, "keys.pass"), keystore.GeneratePassphrase(), 0o600)
		}, keystore.ErrPassphrase, "wrong passphrase"},
		{"open passphrase", records, func(dir string) error { return os.Chmod(filepath.Join(dir, "keys.pass"), 0o644) }, nil, "chmod 600"},
		{"broken anchors", records, func(dir string) error {
			return os.WriteFile(filepath.Join(dir, "anchors.pem"), []byte("x"), 0o600)
		}, nil, "anchors.pem"},
	} {
		t.Run(test.name, func(t *testing.T) {
			dir := filepath.Join(t.TempDir(), "data")
			if err := os.CopyFS(dir, os.DirFS(whole.c.Dir)); err != nil {
				t.Fatal(err)
			}
			if err := os.Chmod(filepath.Join(dir, "keys.pass"), 0o600); err != nil {
				t.Fatal(err)
			}
			if err := test.spoil(dir); err != nil {
				t.Fatal(err)
			}
			before := slices.DeleteFunc(files(t, dir), func(name string) bool { return name == "lock" })
			_, err := Open(t.Context(), installationConfig(dir, test.records), keystest.Day)
			if !errors.Is(err, test.want) && test.want != nil || (err == nil) != (test.say == "") || err != nil && !strings.Contains(err.Error(), test.say) {
				t.Errorf("%v; want %v, %q", err, test.want, test.say)
			}
			after := slices.DeleteFunc(files(t, dir), func(name string) bool { return name == "lock" })
			if !slices.Equal(before, after) {
				t.Errorf("files were made or removed: %q, then %q", before, after)
			}
		})
	}
	for _, c := range []Config{{}, {Dir: t.TempDir(), Records: records}, {Dir: t.TempDir(), RegistryName: "x", RegistryUSCC: "y"}} {
		if _, err := Open(t.Context(), c, keystest.Day); err == nil {
			t.Errorf("opened %+v", c)
		}
	}
}

// TestOwnPassphrases starts with passphrases that the operator typed, one of
// them in a place of its own.
func TestOwnPassphrases(t *testing.T) {
	records := keystest.NewRecords()
	c := installationConfig(filepath.Join(t.TempDir(), "data"), records)
	c.RootPassphraseFile = filepath.Join(t.TempDir(), "my words")
	if _, err := Open(t.Context(), c, keystest.Day); !errors.Is(err, fs.ErrNotExist) {
		t.Errorf("without the file that the operator names: %v", err)
	}
	if err := os.WriteFile(c.RootPassphraseFile, []byte("correct horse battery staple\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	if _, err := Open(t.Context(), c, keystest.Day); err != nil {
		t.Fatal(err)
	}
	if there, err := durable.Exists(filepath.Join(c.Dir, "root.pass")); there || err != nil {
		t.Errorf("made a root.pass all the same (%v)", err)
	}
	if _, err := OpenRoot(filepath.Join(c.Dir, "root"), c.RootPassphraseFile); err != nil {
		t.Error(err)
	}
}
