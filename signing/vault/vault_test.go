package vault_test

import (
	"bytes"
	"encoding/binary"
	"errors"
	"fmt"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"yizheng.internal/signing"
	"yizheng.internal/signing/keystest"
	"yizheng.internal/signing/keystore"
	"yizheng.internal/signing/vault"
)

func TestVaultSeal(t *testing.T) {
	v, _, _, _ := keystest.NewVault(t)
	place := vault.Place{"licenses", "42", "body"}
	for _, n := range []int{0, 1, 15, 16, 17, 4096, 1 << 20} {
		plain := bytes.Repeat([]byte("张三"), n/6+1)[:n]
		sealed := keystest.MustSeal(t, v, place, plain)
		if len(sealed) != n+signing.SealedExtra || vault.SealedSerial(sealed) != 1 {
			t.Errorf("%d bytes: sealed has %d bytes and serial %d", n, len(sealed), vault.SealedSerial(sealed))
		}
		if n >= 16 && bytes.Contains(sealed, plain[:16]) {
			t.Errorf("%d bytes: the plain value shows", n)
		}
		if bytes.Equal(sealed, keystest.MustSeal(t, v, place, plain)) {
			t.Errorf("%d bytes: sealing twice gives the same", n)
		}
		if got, err := v.Open(t.Context(), place, sealed); err != nil || !bytes.Equal(got, plain) {
			t.Errorf("%d bytes: opened %d bytes, %v", n, len(got), err)
		}
	}
	for _, p := range []vault.Place{{}, {"", "42", "body"}, {"licenses", "", "body"}, {"licenses", "42", ""}} {
		if _, err := v.Seal(t.Context(), p, nil); err == nil {
			t.Errorf("sealed at %+v", p)
		}
		if _, err := v.Open(t.Context(), p, keystest.MustSeal(t, v, place, nil)); err == nil {
			t.Errorf("opened at %+v", p)
		}
	}
}

func TestVaultTampered(t *testing.T) {
	v, r, _, keys := keystest.NewVault(t)
	place := vault.Place{"licenses", "row-7", "body"}
	sealed := keystest.MustSeal(t, v, place, []byte("a secret of 王五"))
	refuse := func(what string, p vault.Place, sealed []byte, want error) {
		t.Helper()
		plain, err := v.Open(t.Context(), p, sealed)
		if !errors.Is(err, want) || plain != nil {
			t.Errorf("%s: %q, %v; want %v", what, plain, err, want)
		}
		if err != nil && (strings.Contains(err.Error(), "secret") || strings.Contains(err.Error(), "row-7")) {
			t.Errorf("%s: the error says too much: %v", what, err)
		}
	}
	for _, p := range []vault.Place{
		{"licenses", "row-8", "body"}, {"files", "row-7", "body"}, {"licenses", "row-7", "face"},
		{"license", "srow-7", "body"}, {"licensesr", "ow-7", "body"}, {"licenses", "row-7b", "ody"}, {"body", "row-7", "licenses"},
	} {
		refuse(fmt.Sprintf("moved to %v", p), p, sealed, signing.ErrSealed)
	}
	for i := range sealed {
		refuse(fmt.Sprintf("cut to %d bytes", i), place, sealed[:i], signing.ErrSealed)
		if i >= 1 && i < signing.SealedHeader {
			continue // another serial: below
		}
		changed := bytes.Clone(sealed)
		changed[i] ^= 1
		refuse(fmt.Sprintf("byte %d changed", i), place, changed, signing.ErrSealed)
	}
	refuse("one byte more", place, append(bytes.Clone(sealed), 0), signing.ErrSealed)
	keystest.AddKey(t, r, keys, signing.PurposeData, signing.KeyNext)
	for serial, want := range map[uint32]error{0: signing.ErrNoKey, 2: signing.ErrSealed, 3: signing.ErrNoKey, 1<<32 - 1: signing.ErrNoKey} {
		changed := bytes.Clone(sealed)
		binary.BigEndian.PutUint32(changed[1:], serial)
		refuse(fmt.Sprintf("serial %d", serial), place, changed, want)
	}
	if vault.SealedSerial(sealed[:10]) != 0 || vault.SealedSerial(nil) != 0 || vault.SealedSerial(bytes.Repeat([]byte{9}, 99)) != 0 {
		t.Error("SealedSerial finds a serial in what isn't sealed")
	}
}

func TestVaultDataRotation(t *testing.T) {
	v, r, _, keys := keystest.NewVault(t)
	place := vault.Place{"licenses", "42", "body"}
	old := keystest.MustSeal(t, v, place, []byte("old"))
	next := keystest.AddKey(t, r, keys, signing.PurposeData, signing.KeyNext)
	if s := vault.SealedSerial(keystest.MustSeal(t, v, place, nil)); s != 1 {
		t.Errorf("with a next key, sealed under %d", s)
	}
	if err := r.Activate(t.Context(), next.ID, keystest.Day); err != nil {
		t.Fatal(err)
	}
	young := keystest.MustSeal(t, v, place, []byte("young"))
	if s := vault.SealedSerial(young); s != 2 {
		t.Errorf("after the rotation, sealed under %d", s)
	}
	// Another process, which starts with both.
	fresh, err := vault.Open(t.Context(), r, keys)
	if err != nil {
		t.Fatal(err)
	}
	for _, v := range []*vault.Vault{v, fresh} {
		for want, sealed := range map[string][]byte{"old": old, "young": young} {
			if got, err := v.Open(t.Context(), place, sealed); err != nil || string(got) != want {
				t.Errorf("opened %q, %v; want %q", got, err, want)
			}
		}
	}
	if err := r.Revoke(t.Context(), "data-1", "superseded", keystest.Day, keystest.Day); err != nil {
		t.Fatal(err)
	}
	if _, err := v.Open(t.Context(), place, old); !errors.Is(err, signing.ErrNoKey) {
		t.Errorf("opened under a purged key: %v", err)
	}
	if _, err := v.Open(t.Context(), place, young); err != nil {
		t.Error(err)
	}
}

func serials(ls []signing.Lookup) (s []int32) {
	for _, l := range ls {
		s = append(s, l.Serial)
	}
	return s
}

func TestLookupRotation(t *testing.T) {
	v, r, _, keys := keystest.NewVault(t)
	look := func(want ...int32) []signing.Lookup {
		t.Helper()
		ls, err := v.Lookups(t.Context(), "code", "110101199003070134")
		if err != nil || !slices.Equal(serials(ls), want) {
			t.Errorf("lookup keys under %d, %v; want %d", serials(ls), err, want)
		}
		return ls
	}
	first := look(1)
	mac, err := v.MAC(t.Context(), "code", "x")
	if err != nil {
		t.Fatal(err)
	}
	next := keystest.AddKey(t, r, keys, signing.PurposeLookup, signing.KeyNext)
	both := look(1, 2)
	if both[0] != first[0] || both[1].Sum == both[0].Sum {
		t.Error("publishing a next key changed the first, or made an equal one")
	}
	if err := r.Activate(t.Context(), next.ID, keystest.Day); err != nil {
		t.Fatal(err)
	}
	swapped := look(2, 1)
	if swapped[0] != both[1] || swapped[1] != both[0] {
		t.Error("activating changed the lookup keys themselves")
	}
	if ok, err := v.CheckMAC(t.Context(), mac, "code", "x"); !ok || err != nil {
		t.Errorf("a MAC under the retired key: %v, %v", ok, err)
	}
	if err := r.Revoke(t.Context(), "lookup-1", "superseded", keystest.Day, keystest.Day); err != nil {
		t.Fatal(err)
	}
	look(2)
	if _, err := v.CheckMAC(t.Context(), mac, "code", "x"); !errors.Is(err, signing.ErrNoKey) {
		t.Errorf("a MAC under a purged key: %v", err)
	}
}

// TestLookupNotHeld rotates on another node, whose new key file isn't here yet.
func TestLookupNotHeld(t *testing.T) {
	v, r, _, _ := keystest.NewVault(t)
	elsewhere := signing.KeyRecord{ID: "lookup-2", Purpose: signing.PurposeLookup, Algorithm: signing.AlgorithmMAC}
	if _, err := r.Add(t.Context(), elsewhere, keystest.Day); err != nil {
		t.Fatal(err)
	}
	if ls, err := v.Lookups(t.Context(), "d", "v"); err != nil || !slices.Equal(serials(ls), []int32{1}) {
		t.Errorf("while it is next: %d, %v", serials(ls), err)
	}
	if err := r.Activate(t.Context(), "lookup-2", keystest.Day); err != nil {
		t.Fatal(err)
	}
	if _, err := v.Lookups(t.Context(), "d", "v"); !errors.Is(err, signing.ErrNoKey) {
		t.Errorf("when it is active: %v, want ErrNoKey", err)
	}
}

func TestLookupsKeepApart(t *testing.T) {
	v, _, _, _ := keystest.NewVault(t)
	seen := map[[32]byte]string{}
	for _, c := range []struct {
		domain string
		values []string
	}{
		{"d", nil}, {"d", []string{""}}, {"d", []string{"", ""}}, {"d", []string{"a"}}, {"d", []string{"a", ""}},
		{"d", []string{"", "a"}}, {"d", []string{"ab"}}, {"d", []string{"a", "b"}}, {"da", nil}, {"da", []string{"b"}},
		{"", []string{"d", "a"}}, {"", nil}, {"d\x00", []string{"a"}}, {"d", []string{"\x00\x00\x00\x01a"}},
	} {
		ls, err := v.Lookups(t.Context(), c.domain, c.values...)
		if err != nil {
			t.Fatal(err)
		}
		m, err := v.MAC(t.Context(), c.domain, c.values...)
		if err != nil {
			t.Fatal(err)
		}
		for use, sum := range map[string][32]byte{"lookup": ls[0].Sum, "mac": m.Sum} {
			name := fmt.Sprintf("%s %q %q", use, c.domain, c.values)
			if other, ok := seen[sum]; ok {
				t.Errorf("%s and %s have the same sum", name, other)
			}
			seen[sum] = name
		}
		if ok, err := v.CheckMAC(t.Context(), m, c.domain, c.values...); !ok || err != nil {
			t.Errorf("%q %q does not check: %v, %v", c.domain, c.values, ok, err)
		}
		if ok, err := v.CheckMAC(t.Context(), ls[0], c.domain, c.values...); ok || err != nil {
			t.Errorf("%q %q: a lookup key checks as a MAC (%v)", c.domain, c.values, err)
		}
		m.Sum[31] ^= 1
		if ok, err := v.CheckMAC(t.Context(), m, c.domain, c.values...); ok || err != nil {
			t.Errorf("%q %q: a changed MAC checks (%v)", c.domain, c.values, err)
		}
	}
}

func TestOpenVaultForeign(t *testing.T) {
	_, r, _, _ := keystest.NewVault(t)
	empty, _ := keystest.NewKeystore(t)
	if _, err := vault.Open(t.Context(), r, empty); !errors.Is(err, signing.ErrNoKey) {
		t.Errorf("without the master key: %v, want ErrNoKey", err)
	}
	other, _ := keystest.NewKeystore(t)
	for _, id := range []signing.KeyID{"master-1", "lookup-1"} {
		if err := other.GenerateSecret(id); err != nil {
			t.Fatal(err)
		}
	}
	if _, err := vault.Open(t.Context(), r, other); !errors.Is(err, signing.ErrSealed) {
		t.Errorf("with another master key: %v, want ErrSealed", err)
	}
}

// TestVaultOtherProcess opens what another process sealed under a key that it
// has just made and activated.
func TestVaultOtherProcess(t *testing.T) {
	v, r, records, keys := keystest.NewVault(t)
	place := vault.Place{"licenses", "42", "body"}
	other, err := signing.NewKeyrings(signing.KeyringsConfig{Records: records, Module: keys, Fresh: time.Hour})
	if err != nil {
		t.Fatal(err)
	}
	here, err := vault.Open(t.Context(), other, keys)
	if err != nil {
		t.Fatal(err)
	}
	next := keystest.AddKey(t, r, keys, signing.PurposeData, signing.KeyNext)
	if err := r.Activate(t.Context(), next.ID, keystest.Day); err != nil {
		t.Fatal(err)
	}
	sealed := keystest.MustSeal(t, v, place, []byte("new"))
	if got, err := here.Open(t.Context(), place, sealed); err != nil || string(got) != "new" {
		t.Errorf("opened %q, %v", got, err)
	}
}

func TestVaultConcurrent(t *testing.T) {
	v, r, _, keys := keystest.NewVault(t)
	var wait sync.WaitGroup
	stop := make(chan struct{})
	for i := range 8 {
		wait.Go(func() {
			for n := 0; ; n++ {
				select {
				case <-stop:
					return
				default:
				}
				place := vault.Place{"t", fmt.Sprint(i, n), "c"}
				sealed, err := v.Seal(t.Context(), place, []byte(place.Row))
				if err != nil {
					t.Error(err)
					return
				}
				if got, err := v.Open(t.Context(), place, sealed); err != nil || string(got) != place.Row {
					t.Errorf("opened %q, %v", got, err)
				}
				if ls, err := v.Lookups(t.Context(), "d", place.Row); err != nil || len(ls) == 0 {
					t.Errorf("lookups: %v, %v", ls, err)
				}
			}
		})
	}
	for range 5 {
		for _, p := range []signing.Purpose{signing.PurposeData, signing.PurposeLookup} {
			next := keystest.AddKey(t, r, keys, p, signing.KeyNext)
			if err := r.Activate(t.Context(), next.ID, keystest.Day); err != nil {
				t.Error(err)
			}
		}
	}
	close(stop)
	wait.Wait()
}

func FuzzVaultOpen(f *testing.F) {
	v, _, _, _ := keystest.NewVault(f)
	place := vault.Place{"licenses", "42", "body"}
	sealed := keystest.MustSeal(f, v, place, []byte("plain"))
	f.Add(sealed)
	f.Add(sealed[:signing.SealedExtra])
	f.Add([]byte{1, 0, 0, 0, 1})
	f.Fuzz(func(t *testing.T, b []byte) {
		if vault.SealedSerial(b) != 1 && vault.SealedSerial(b) != 0 {
			return // an unknown serial waits for a reading: too slow to fuzz
		}
		plain, err := v.Open(t.Context(), place, b)
		if err == nil && !bytes.Equal(b, sealed) {
			t.Errorf("a forged value opens as %q", plain)
		}
		if err != nil && !errors.Is(err, signing.ErrSealed) && !errors.Is(err, signing.ErrNoKey) {
			t.Errorf("error without a reason: %v", err)
		}
	})
}

func BenchmarkVault(b *testing.B) {
	v, _, _, _ := keystest.NewVault(b)
	place := vault.Place{"licenses", "0197f3c2-7a41-7d0e-b8a5-5b1f1c5f3a10", "body"}
	plain := make([]byte, 4096)
	sealed := keystest.MustSeal(b, v, place, plain)
	b.Run("Seal4K", func(b *testing.B) {
		b.SetBytes(4096)
		b.ReportAllocs()
		for b.Loop() {
			keystest.MustSeal(b, v, place, plain)
		}
	})
	b.Run("Open4K", func(b *testing.B) {
		b.SetBytes(4096)
		b.ReportAllocs()
		for b.Loop() {
			if _, err := v.Open(b.Context(), place, sealed); err != nil {
				b.Fatal(err)
			}
		}
	})
	b.Run("Lookups", func(b *testing.B) {
		b.ReportAllocs()
		for b.Loop() {
			if _, err := v.Lookups(b.Context(), "code", "110101199003070134"); err != nil {
				b.Fatal(err)
			}
		}
	})
}

// TestKeystoreIsEnough reads a vault's values after a restart, from disk alone.
func TestKeystoreIsEnough(t *testing.T) {
	keys, passphrase := keystest.NewKeystore(t)
	records := keystest.NewRecords()
	open := func(keys *keystore.Keystore) *signing.Keyrings {
		r, err := signing.NewKeyrings(signing.KeyringsConfig{Records: records, Module: keys})
		if err != nil {
			t.Fatal(err)
		}
		return r
	}
	r := open(keys)
	for _, p := range []signing.Purpose{signing.PurposeMaster, signing.PurposeData, signing.PurposeLookup} {
		keystest.AddKey(t, r, keys, p, signing.KeyActive)
	}
	v, err := vault.Open(t.Context(), r, keys)
	if err != nil {
		t.Fatal(err)
	}
	place := vault.Place{"t", "r", "c"}
	sealed := keystest.MustSeal(t, v, place, []byte("kept"))
	before, err := v.Lookups(t.Context(), "d", "v")
	if err != nil {
		t.Fatal(err)
	}
	again, err := keystore.Open(filepath.Clean(keys.Dir()), passphrase)
	if err != nil {
		t.Fatal(err)
	}
	if v, err = vault.Open(t.Context(), open(again), again); err != nil {
		t.Fatal(err)
	}
	if got, err := v.Open(t.Context(), place, sealed); err != nil || string(got) != "kept" {
		t.Errorf("opened %q, %v", got, err)
	}
	if after, err := v.Lookups(t.Context(), "d", "v"); err != nil || !slices.Equal(before, after) {
		t.Errorf("lookup keys changed (%v)", err)
	}
}
