package installation

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

	"yizheng.internal/signing"
	"yizheng.internal/signing/jose"
	"yizheng.internal/signing/keystest"
	"yizheng.internal/signing/keystore"
	"yizheng.internal/signing/pki"
	"yizheng.internal/signing/sm2"
	"yizheng.internal/signing/vault"
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
	server, err := Open(ctx, i.c, keystest.Day)
	if err != nil {
		t.Fatal(err)
	}
	if _, err := server.Keyrings().Active(ctx, signing.PurposeAuthority, bureau.USCC); !errors.Is(err, signing.ErrNoKey) {
		t.Fatal(err)
	}
	ca := openRoot(t, i)
	k, err := i.AddAuthority(ctx, ca, bureau, keystest.Day)
	if err != nil {
		t.Fatal(err)
	}
	if k.ID != "authority-11990100mb00000017-1" || k.State != signing.KeyActive || k.Owner != bureau.USCC || k.Serial != 1 {
		t.Errorf("added as %+v", k)
	}
	key, err := server.Keyrings().Active(ctx, signing.PurposeAuthority, bureau.USCC)
	if err != nil || key.ID != k.ID || key.Signer == nil {
		t.Fatalf("the server sees %v, %v", key, err)
	}
	leaf, err := server.Anchors().Verify(ctx, jose.NewVerifier(sm2.Config{}), key.Chain, keystest.Day)
	if err != nil || leaf.Subject != bureau || leaf.Profile != pki.ProfileAuthority || !leaf.NotAfter.Equal(keystest.Day.AddDate(5, 0, 0)) {
		t.Errorf("certificate %+v, %v", leaf, err)
	}
	if !signing.SamePublicKey(key.Signer.Public(), leaf.PublicKey) {
		t.Error("the certificate is of another key")
	}
	if byLeaf, err := server.Keyrings().ByCertificate(ctx, leaf.Raw); err != nil || byLeaf.ID != k.ID {
		t.Errorf("by certificate: %v, %v", byLeaf, err)
	}
	second, err := i.AddAuthority(ctx, ca, bureau, keystest.Day)
	if err != nil || second.ID != "authority-11990100mb00000017-2" || second.State != signing.KeyNext {
		t.Errorf("the second one: %+v, %v", second, err)
	}
	if n := len(records.All(t)); n != 11 {
		t.Errorf("%d records", n)
	}
}

func TestAddAuthorityRefuses(t *testing.T) {
	i, records := newInstallation(t)
	ca := openRoot(t, i)
	before := len(records.All(t))
	for name, add := range map[string]func() error{
		"no name": func() error {
			_, err := i.AddAuthority(t.Context(), ca, pki.Subject{USCC: bureau.USCC}, keystest.Day)
			return err
		},
		"no code": func() error {
			_, err := i.AddAuthority(t.Context(), ca, pki.Subject{Name: "x"}, keystest.Day)
			return err
		},
		"path as code": func() error {
			_, err := i.AddAuthority(t.Context(), ca, pki.Subject{Name: "x", USCC: "../../../../../etc"}, keystest.Day)
			return err
		},
		"lower case": func() error {
			_, err := i.AddAuthority(t.Context(), ca, pki.Subject{Name: "x", USCC: "11990100mb00000017"}, keystest.Day)
			return err
		},
		"no root": func() error { _, err := i.AddAuthority(t.Context(), nil, bureau, keystest.Day); return err },
		"root is over": func() error {
			_, err := i.AddAuthority(t.Context(), ca, bureau, keystest.Day.AddDate(21, 0, 0))
			return err
		},
		"root not yet": func() error {
			_, err := i.AddAuthority(t.Context(), ca, bureau, keystest.Day.AddDate(-1, 0, 0))
			return err
		},
		"status alone": func() error { _, err := i.AddKey(t.Context(), nil, signing.PurposeStatus, keystest.Day); return err },
		"a root":       func() error { _, err := i.AddKey(t.Context(), ca, signing.PurposeRoot, keystest.Day); return err },
		"nothing there": func() error {
			_, err := i.Rotate(t.Context(), ca, signing.PurposeAuthority, bureau.USCC, keystest.Day)
			return err
		},
	} {
		if err := add(); err == nil {
			t.Errorf("%s: added", name)
		}
	}
	if after := len(records.All(t)); after != before {
		t.Errorf("%d records were left behind", after-before)
	}
	late, err := i.AddAuthority(t.Context(), ca, bureau, keystest.Day.AddDate(19, 0, 0))
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
	far, err := Open(t.Context(), installationConfig(dir, records), keystest.Day)
	if err != nil {
		t.Fatal(err)
	}
	var wait sync.WaitGroup
	for n := range 8 {
		wait.Go(func() {
			if _, err := []*Installation{i, far}[n%2].AddAuthority(t.Context(), ca, bureau, keystest.Day); err != nil {
				t.Error(err)
			}
		})
	}
	wait.Wait()
	ring, err := i.Keyrings().Ring(t.Context(), signing.PurposeAuthority, bureau.USCC)
	if err != nil || len(ring) != 8 {
		t.Fatalf("%d keys, %v", len(ring), err)
	}
	active := 0
	for n, k := range ring {
		if k.Serial != int32(n+1) || !strings.HasSuffix(string(k.ID), "-"+string(rune('1'+n))) {
			t.Errorf("key %d is %s, serial %d", n, k.ID, k.Serial)
		}
		if k.State == signing.KeyActive {
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
	if _, err := i.AddAuthority(ctx, ca, bureau, keystest.Day); err != nil {
		t.Fatal(err)
	}
	place := vault.Place{Table: "t", Row: "r", Column: "c"}
	sealed := keystest.MustSeal(t, i.Vault(), place, []byte("kept"))
	for _, test := range []struct {
		p     signing.Purpose
		owner string
		id    signing.KeyID
	}{
		{signing.PurposeData, "", "data-2"}, {signing.PurposeMaster, "", "master-2"}, {signing.PurposeLookup, "", "lookup-2"},
		{signing.PurposeStatus, "", "status-2"}, {signing.PurposeAttestation, "", "attestation-2"}, {signing.PurposeAccessToken, "", "access-token-2"},
		{signing.PurposeAuthority, bureau.USCC, "authority-11990100mb00000017-2"},
	} {
		published := keystest.Day.Add(time.Hour)
		k, err := i.Rotate(ctx, ca, test.p, test.owner, published)
		if err != nil || k.ID != test.id || k.State != signing.KeyNext {
			t.Fatalf("%s: first step %+v, %v", test.p, k, err)
		}
		if _, err := i.Rotate(ctx, ca, test.p, test.owner, published.Add(9*time.Second)); !errors.Is(err, signing.ErrKeyState) {
			t.Errorf("%s: second step after 9 s: %v, want ErrKeyState", test.p, err)
		}
		k, err = i.Rotate(ctx, ca, test.p, test.owner, published.Add(10*time.Second))
		if err != nil || k.ID != test.id || k.State != signing.KeyActive {
			t.Fatalf("%s: second step %+v, %v", test.p, k, err)
		}
		if active, err := i.Keyrings().Active(ctx, test.p, test.owner); err != nil || active.ID != test.id || (active.PublicKey != nil) != (active.Signer != nil) {
			t.Errorf("%s: active is %v, %v", test.p, active, err)
		}
		if _, ok := profiles[test.p]; ok != (len(k.Chain) == 1) {
			t.Errorf("%s: %d certificates", test.p, len(k.Chain))
		}
	}
	ring, err := i.Keyrings().Ring(ctx, signing.PurposeData, "")
	if err != nil || len(ring) != 2 || ring[0].WrappedBy != "master-2" || ring[1].WrappedBy != "master-2" {
		t.Errorf("after the master key's rotation: %v, %v", ring, err)
	}
	// Without the old master key, in a new process, everything still opens.
	if err := i.Keyrings().Revoke(ctx, "master-1", "superseded", keystest.Day, keystest.Day.Add(time.Hour)); err != nil {
		t.Fatal(err)
	}
	if err := os.Remove(filepath.Join(i.c.Dir, "keys", "master-1.key")); err != nil {
		t.Fatal(err)
	}
	again, err := Open(ctx, i.c, keystest.Day)
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
	if _, err := OpenRoot(elsewhere, filepath.Join(i.c.Dir, "keys.pass")); !errors.Is(err, keystore.ErrPassphrase) {
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

func serials(ls []signing.Lookup) (s []int32) {
	for _, l := range ls {
		s = append(s, l.Serial)
	}
	return s
}
