package installation

import (
	"bytes"
	"errors"
	"log/slog"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"testing"

	"yizheng.internal/signing"
	"yizheng.internal/signing/keystest"
	"yizheng.internal/signing/pki"
)

// newOlder makes an installation as versions without logins left it.
func newOlder(t testing.TB) (Config, *keystest.Records) {
	t.Helper()
	i, records := newInstallation(t)
	for _, p := range laterPurposes {
		id := registryKeyID(p, 1)
		delete(records.Keys, id)
		if err := os.Remove(keyFile(i, id)); err != nil {
			t.Fatal(err)
		}
	}
	return i.c, records
}

// keyFile is where an installation keeps a key.
func keyFile(i *Installation, id signing.KeyID) string {
	return filepath.Join(i.keys.Dir(), string(id)+".key")
}

func TestMissingKeys(t *testing.T) {
	c, records := newOlder(t)
	var log bytes.Buffer
	c.Log = slog.New(slog.NewTextHandler(&log, nil))
	i, err := Open(t.Context(), c, keystest.Day)
	if err != nil {
		t.Fatal(err)
	}
	checkWhole(t, i, records)
	if !strings.Contains(log.String(), "id-token-rs256-1") || strings.Contains(log.String(), "level=WARN") {
		t.Errorf("the log says %s", &log)
	}
	// Once: not again when opened again, nor when the key has retired.
	before := len(records.All(t))
	if err := i.Keyrings().Retire(t.Context(), "id-token-1", keystest.Day); err != nil {
		t.Fatal(err)
	}
	if _, err := Open(t.Context(), c, keystest.Day); err != nil || len(records.All(t)) != before {
		t.Errorf("opened again, there are %d records, then %d: %v", before, len(records.All(t)), err)
	}
}

// TestInterruptedMissingKeys is TestInterruptedFirstStart for an installation
// that gets its later rings.
func TestInterruptedMissingKeys(t *testing.T) {
	interrupt(t, 8, func() (Config, *keystest.Records) { return newOlder(t) }, ErrNotWhole) // cut off in the survey
}

// TestMissingKeysTogether opens one older installation many times at once.
func TestMissingKeysTogether(t *testing.T) {
	c, records := newOlder(t)
	var wait sync.WaitGroup
	for range 8 {
		wait.Go(func() {
			i, err := Open(t.Context(), c, keystest.Day)
			if err != nil {
				t.Error(err)
				return
			}
			if k, err := i.Keyrings().Active(t.Context(), signing.PurposeIDTokenRSA, ""); err != nil || k.Signer == nil {
				t.Errorf("%v, %v", k, err)
			}
		})
	}
	wait.Wait()
	i, err := Open(t.Context(), c, keystest.Day)
	if err != nil {
		t.Fatal(err)
	}
	checkWhole(t, i, records)
}

// TestMissingKeysOnNodes opens copies of one older installation at once: one
// node's keys count, and its files, copied, are taken up by the others as they run.
func TestMissingKeysOnNodes(t *testing.T) {
	c, records := newOlder(t)
	nodes := make([]*Installation, 4)
	logs := make([]bytes.Buffer, len(nodes))
	var wait sync.WaitGroup
	for n := range nodes {
		own := c
		own.Dir = filepath.Join(t.TempDir(), "data")
		own.PassphraseFile, own.RootPassphraseFile = "", ""
		own.Log = slog.New(slog.NewTextHandler(&logs[n], nil))
		if err := os.CopyFS(own.Dir, os.DirFS(c.Dir)); err != nil {
			t.Fatal(err)
		}
		for _, name := range files(t, own.Dir) {
			if err := os.Chmod(filepath.Join(own.Dir, name), 0o600); err != nil {
				t.Fatal(err)
			}
		}
		wait.Go(func() {
			var err error
			if nodes[n], err = Open(t.Context(), own, keystest.Day); err != nil {
				t.Error(err)
			}
		})
	}
	wait.Wait()
	if t.Failed() {
		t.FailNow()
	}
	for _, p := range laterPurposes {
		ring, err := nodes[0].Keyrings().Ring(t.Context(), p, "")
		if err != nil || len(ring) != 1 || ring[0].State != signing.KeyActive {
			t.Errorf("the ring of %s is %v, %v", p, ring, err)
		}
		id := registryKeyID(p, 1)
		holders := slices.DeleteFunc(slices.Clone(nodes), func(i *Installation) bool {
			there, err := i.keys.Holds(id)
			if err != nil {
				t.Error(err)
			}
			return !there
		})
		if len(holders) != 1 {
			t.Fatalf("%d nodes hold %s", len(holders), id)
		}
		file, err := os.ReadFile(keyFile(holders[0], id))
		if err != nil {
			t.Fatal(err)
		}
		for n, i := range nodes {
			if i == holders[0] {
				continue
			}
			if !strings.Contains(logs[n].String(), "copy its file") || strings.Contains(logs[n].String(), "level=ERROR") {
				t.Errorf("a node without %s says %s", id, &logs[n])
			}
			if err := os.WriteFile(keyFile(i, id), file, 0o600); err != nil {
				t.Fatal(err)
			}
			if set, err := i.Keyrings().Read(t.Context()); err != nil || set.ByID(id).Signer == nil {
				t.Errorf("%s was copied and can't sign: %v", id, err)
			}
		}
	}
	if n := len(records.All(t)); n != 9 {
		t.Errorf("%d records", n)
	}
}

// TestMissingKeysNotMade opens older installations where nothing can be written.
func TestMissingKeysNotMade(t *testing.T) {
	for name, spoil := range map[string]func(dir string) error{
		"no lock": func(dir string) error {
			return errors.Join(os.Remove(filepath.Join(dir, lockName)), os.Mkdir(filepath.Join(dir, lockName), 0o700))
		},
		"no key file": func(dir string) error {
			return errors.Join(os.Mkdir(filepath.Join(dir, keysName, "id-token-1.key"), 0o700), os.Mkdir(filepath.Join(dir, keysName, "id-token-rs256-1.key"), 0o700))
		},
	} {
		t.Run(name, func(t *testing.T) {
			c, records := newOlder(t)
			var log bytes.Buffer
			c.Log = slog.New(slog.NewTextHandler(&log, nil))
			if err := spoil(c.Dir); err != nil {
				t.Fatal(err)
			}
			i, err := Open(t.Context(), c, keystest.Day)
			if err != nil {
				t.Fatal(err)
			}
			if _, err := i.Keyrings().Active(t.Context(), signing.PurposeAccessToken, ""); err != nil {
				t.Error(err)
			}
			if n := len(records.All(t)); n != 7 {
				t.Errorf("%d records", n)
			}
			for _, want := range []string{"can't be made here", "purpose=id-token-rs256", "yizheng key rotate"} {
				if !strings.Contains(log.String(), want) {
					t.Errorf("the log does not say %q: %s", want, &log)
				}
			}
		})
	}
}

// TestRevokedRing: when the only key of a ring was revoked, the installation
// still opens, so that it can be given another one, and that one needs not wait
// for key sets to age.
func TestRevokedRing(t *testing.T) {
	i, _ := newInstallation(t)
	ctx := t.Context()
	if err := i.Keyrings().Revoke(ctx, "id-token-1", pki.KeyCompromise, keystest.Day, keystest.Day); err != nil {
		t.Fatal(err)
	}
	var log bytes.Buffer
	i.c.Log = slog.New(slog.NewTextHandler(&log, nil))
	i, err := Open(ctx, i.c, keystest.Day)
	if err != nil {
		t.Fatal(err)
	}
	if !strings.Contains(log.String(), "no key is active") {
		t.Errorf("the log says %s", &log)
	}
	if k, err := i.Rotate(ctx, nil, signing.PurposeIDToken, "", keystest.Day); err != nil || k.ID != "id-token-2" || k.State != signing.KeyNext {
		t.Errorf("made %+v, %v", k, err)
	}
	if k, err := i.Rotate(ctx, nil, signing.PurposeIDToken, "", keystest.Day.Add(signing.SettleNodes)); err != nil || k.State != signing.KeyActive {
		t.Errorf("activated %+v, %v", k, err)
	}
}

// TestIDTokenSettles: relying parties keep a key set for a while, so a key
// is published longer before it signs ID tokens.
func TestIDTokenSettles(t *testing.T) {
	i, _ := newInstallation(t)
	ctx := t.Context()
	for _, p := range laterPurposes {
		k, err := i.Rotate(ctx, nil, p, "", keystest.Day)
		if err != nil || k.State != signing.KeyNext || k.Algorithm != string(p.Algorithm()) {
			t.Fatalf("%s: %+v, %v", p, k, err)
		}
		if _, err := i.Rotate(ctx, nil, p, "", keystest.Day.Add(signing.KeySetAge+signing.SettleNodes-1)); !errors.Is(err, signing.ErrKeyState) || !strings.Contains(err.Error(), "5m10s") {
			t.Errorf("%s: activated too early: %v", p, err)
		}
		if k, err = i.Rotate(ctx, nil, p, "", keystest.Day.Add(signing.Settle(p))); err != nil || k.State != signing.KeyActive || k.Serial != 2 {
			t.Errorf("%s: %+v, %v", p, k, err)
		}
	}
}
