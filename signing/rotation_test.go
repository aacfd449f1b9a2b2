package signing

import (
	"errors"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"yizheng.internal/signing/jose"
	"yizheng.internal/signing/pki"
	"yizheng.internal/signing/sm2"
)

var bureau = pki.Subject{Name: "青禾市市场监督管理局", USCC: "11990100MB00000017"}

func openRoot(t testing.TB, i *Installation) *pki.CA {
	t.Helper()
	ca, err := OpenRoot(filepath.Join(i.c.Dir, "root"), "")
	if err != nil {
		t.Fatal(err)
	}
	return ca
}

func TestAddAuthority(t *testing.T) {
	i, records := newInstallation(t)
	ctx := t.Context()
	// The server is another process, which has read the keyrings before.
	server, err := OpenInstallation(ctx, i.c, day)
	if err != nil {
		t.Fatal(err)
	}
	if _, err := server.Keyrings().Active(ctx, PurposeAuthority, bureau.USCC); !errors.Is(err, ErrNoKey) {
		t.Fatal(err)
	}
	ca := openRoot(t, i)
	k, err := i.AddAuthority(ctx, ca, bureau, day)
	if err != nil {
		t.Fatal(err)
	}
	if k.ID != "authority-11990100mb00000017-1" || k.State != KeyActive || k.Owner != bureau.USCC || k.Serial != 1 {
		t.Errorf("added as %+v", k)
	}
	key, err := server.Keyrings().Active(ctx, PurposeAuthority, bureau.USCC)
	if err != nil || key.ID != k.ID || key.Signer == nil {
		t.Fatalf("the server sees %v, %v", key, err)
	}
	leaf, err := server.Anchors().Verify(ctx, jose.NewVerifier(sm2.Config{}), key.Chain, day)
	if err != nil || leaf.Subject != bureau || leaf.Profile != pki.ProfileAuthority || !leaf.NotAfter.Equal(day.AddDate(5, 0, 0)) {
		t.Errorf("certificate %+v, %v", leaf, err)
	}
	if !samePublicKey(key.Signer.Public(), leaf.PublicKey) {
		t.Error("the certificate is of another key")
	}
	if byLeaf, err := server.Keyrings().ByCertificate(ctx, leaf.Raw); err != nil || byLeaf.ID != k.ID {
		t.Errorf("by certificate: %v, %v", byLeaf, err)
	}
	second, err := i.AddAuthority(ctx, ca, bureau, day)
	if err != nil || second.ID != "authority-11990100mb00000017-2" || second.State != KeyNext {
		t.Errorf("the second one: %+v, %v", second, err)
	}
	if n := len(records.all(t)); n != 11 {
		t.Errorf("%d records", n)
	}
}

func TestAddAuthorityRefuses(t *testing.T) {
	i, records := newInstallation(t)
	ca := openRoot(t, i)
	before := len(records.all(t))
	for name, add := range map[string]func() error{
		"no name": func() error {
			_, err := i.AddAuthority(t.Context(), ca, pki.Subject{USCC: bureau.USCC}, day)
			return err
		},
		"no code": func() error { _, err := i.AddAuthority(t.Context(), ca, pki.Subject{Name: "x"}, day); return err },
		"path as code": func() error {
			_, err := i.AddAuthority(t.Context(), ca, pki.Subject{Name: "x", USCC: "../../../../../etc"}, day)
			return err
		},
		"lower case": func() error {
			_, err := i.AddAuthority(t.Context(), ca, pki.Subject{Name: "x", USCC: "11990100mb00000017"}, day)
			return err
		},
		"no root": func() error { _, err := i.AddAuthority(t.Context(), nil, bureau, day); return err },
		"root is over": func() error {
			_, err := i.AddAuthority(t.Context(), ca, bureau, day.AddDate(21, 0, 0))
			return err
		},
		"root not yet": func() error {
			_, err := i.AddAuthority(t.Context(), ca, bureau, day.AddDate(-1, 0, 0))
			return err
		},
		"status alone": func() error { _, err := i.AddKey(t.Context(), nil, PurposeStatus, day); return err },
		"a root":       func() error { _, err := i.AddKey(t.Context(), ca, PurposeRoot, day); return err },
		"nothing there": func() error {
			_, err := i.Rotate(t.Context(), ca, PurposeAuthority, bureau.USCC, day)
			return err
		},
	} {
		if err := add(); err == nil {
			t.Errorf("%s: added", name)
		}
	}
	if after := len(records.all(t)); after != before {
		t.Errorf("%d records were left behind", after-before)
	}
	late, err := i.AddAuthority(t.Context(), ca, bureau, day.AddDate(19, 0, 0))
	if err != nil {
		t.Fatal(err)
	}
	if leaf, err := pki.ParseCertificate(late.Chain[0]); err != nil || !leaf.NotAfter.Equal(ca.Certificate.NotAfter) {
		t.Errorf("certified until %v, %v; the root's end is %v", leaf.NotAfter, err, ca.Certificate.NotAfter)
	}
}

func TestAddAuthorityRace(t *testing.T) {
	i, records := newInstallation(t)
	ca := openRoot(t, i)
	// A second node: the same database, a directory of its own.
	dir := filepath.Join(t.TempDir(), "data")
	if err := os.CopyFS(dir, os.DirFS(i.c.Dir)); err != nil {
		t.Fatal(err)
	}
	if err := os.Chmod(filepath.Join(dir, "keys.pass"), 0o600); err != nil {
		t.Fatal(err)
	}
	far, err := OpenInstallation(t.Context(), installationConfig(dir, records), day)
	if err != nil {
		t.Fatal(err)
	}
	var wait sync.WaitGroup
	for n := range 8 {
		wait.Go(func() {
			if _, err := []*Installation{i, far}[n%2].AddAuthority(t.Context(), ca, bureau, day); err != nil {
				t.Error(err)
			}
		})
	}
	wait.Wait()
	ring, err := i.Keyrings().Ring(t.Context(), PurposeAuthority, bureau.USCC)
	if err != nil || len(ring) != 8 {
		t.Fatalf("%d keys, %v", len(ring), err)
	}
	active := 0
	for n, k := range ring {
		if k.Serial != int32(n+1) || !strings.HasSuffix(string(k.ID), "-"+string(rune('1'+n))) {
			t.Errorf("key %d is %s, serial %d", n, k.ID, k.Serial)
		}
		if k.State == KeyActive {
			active++
		}
	}
	if active != 1 {
		t.Errorf("%d active keys", active)
	}
}

func TestRotate(t *testing.T) {
	i, _ := newInstallation(t)
	ctx := t.Context()
	ca := openRoot(t, i)
	if _, err := i.AddAuthority(ctx, ca, bureau, day); err != nil {
		t.Fatal(err)
	}
	place := Place{"t", "r", "c"}
	sealed := mustSeal(t, i.Vault(), place, []byte("kept"))
	for _, test := range []struct {
		p     Purpose
		owner string
		id    KeyID
	}{
		{PurposeData, "", "data-2"}, {PurposeMaster, "", "master-2"}, {PurposeLookup, "", "lookup-2"},
		{PurposeStatus, "", "status-2"}, {PurposeAttestation, "", "attestation-2"}, {PurposeAccessToken, "", "access-token-2"},
		{PurposeAuthority, bureau.USCC, "authority-11990100mb00000017-2"},
	} {
		published := day.Add(time.Hour)
		k, err := i.Rotate(ctx, ca, test.p, test.owner, published)
		if err != nil || k.ID != test.id || k.State != KeyNext {
			t.Fatalf("%s: first step %+v, %v", test.p, k, err)
		}
		if _, err := i.Rotate(ctx, ca, test.p, test.owner, published.Add(9*time.Second)); !errors.Is(err, ErrKeyState) {
			t.Errorf("%s: second step after 9 s: %v, want ErrKeyState", test.p, err)
		}
		k, err = i.Rotate(ctx, ca, test.p, test.owner, published.Add(10*time.Second))
		if err != nil || k.ID != test.id || k.State != KeyActive {
			t.Fatalf("%s: second step %+v, %v", test.p, k, err)
		}
		if active, err := i.Keyrings().Active(ctx, test.p, test.owner); err != nil || active.ID != test.id || (active.PublicKey != nil) != (active.Signer != nil) {
			t.Errorf("%s: active is %v, %v", test.p, active, err)
		}
		if _, ok := profiles[test.p]; ok != (len(k.Chain) == 1) {
			t.Errorf("%s: %d certificates", test.p, len(k.Chain))
		}
	}
	ring, err := i.Keyrings().Ring(ctx, PurposeData, "")
	if err != nil || len(ring) != 2 || ring[0].WrappedBy != "master-2" || ring[1].WrappedBy != "master-2" {
		t.Errorf("after the master key's rotation: %v, %v", ring, err)
	}
	// Without the old master key, in a new process, everything still opens.
	if err := i.Keyrings().Revoke(ctx, "master-1", "superseded", day, day.Add(time.Hour)); err != nil {
		t.Fatal(err)
	}
	if err := os.Remove(filepath.Join(i.c.Dir, "keys", "master-1.key")); err != nil {
		t.Fatal(err)
	}
	again, err := OpenInstallation(ctx, i.c, day)
	if err != nil {
		t.Fatal(err)
	}
	if got, err := again.Vault().Open(ctx, place, sealed); err != nil || string(got) != "kept" {
		t.Errorf("opened %q, %v", got, err)
	}
	if ls, err := again.Vault().Lookups(ctx, "d", "v"); err != nil || !slices.Equal(serials(ls), []int32{2, 1}) {
		t.Errorf("lookup keys under %d, %v", serials(ls), err)
	}
}

func TestOpenRoot(t *testing.T) {
	i, _ := newInstallation(t)
	elsewhere := filepath.Join(t.TempDir(), "stick")
	if err := os.Rename(filepath.Join(i.c.Dir, "root"), elsewhere); err != nil {
		t.Fatal(err)
	}
	if _, err := OpenRoot(filepath.Join(i.c.Dir, "root"), ""); !errors.Is(err, fs.ErrNotExist) || !strings.Contains(err.Error(), "moved away") {
		t.Errorf("moved away: %v", err)
	}
	if _, err := OpenRoot(elsewhere, filepath.Join(i.c.Dir, "root.pass")); err != nil {
		t.Errorf("where it was moved to: %v", err)
	}
	if _, err := OpenRoot(elsewhere, filepath.Join(i.c.Dir, "keys.pass")); !errors.Is(err, ErrPassphrase) {
		t.Errorf("with the other passphrase: %v", err)
	}
	other, _ := newInstallation(t)
	b, err := os.ReadFile(filepath.Join(other.c.Dir, "root", "root-1.pem"))
	if err != nil {
		t.Fatal(err)
	}
	for name, file := range map[string][]byte{"another root's": b, "two": append(b, b...), "none": nil, "broken": b[:200]} {
		if err := os.WriteFile(filepath.Join(elsewhere, "root-1.pem"), file, 0o600); err != nil {
			t.Fatal(err)
		}
		if _, err := OpenRoot(elsewhere, filepath.Join(i.c.Dir, "root.pass")); err == nil {
			t.Errorf("%s certificate: opened", name)
		}
	}
}
