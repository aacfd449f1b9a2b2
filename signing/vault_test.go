package signing

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
)

var day = time.Date(2026, 3, 1, 0, 0, 0, 0, time.UTC)

// newVault makes a vault with one key each of what it needs, and a status key.
func newVault(t testing.TB) (*Vault, *Keystore) {
	t.Helper()
	keys, _ := newKeystore(t)
	r, err := NewKeyrings(KeyringsConfig{Records: newMemoryRecords(), Module: keys})
	if err != nil {
		t.Fatal(err)
	}
	for _, p := range []Purpose{PurposeMaster, PurposeData, PurposeLookup, PurposeStatus} {
		addKey(t, r, keys, p, KeyActive)
	}
	v, err := OpenVault(t.Context(), r, keys)
	if err != nil {
		t.Fatal(err)
	}
	return v, keys
}

// addKey adds a key without a certificate to a ring of the registry's own.
func addKey(t testing.TB, r *Keyrings, keys *Keystore, p Purpose, state KeyState) KeyRecord {
	t.Helper()
	ring, err := r.Ring(t.Context(), p, "")
	if err != nil {
		t.Fatal(err)
	}
	var master KeyID
	if p == PurposeData {
		k, err := r.Active(t.Context(), PurposeMaster, "")
		if err != nil {
			t.Fatal(err)
		}
		master = k.ID
	}
	k, err := keyMaker{keys: keys}.key(registryKeyID(p, int32(len(ring)+1)), p, master)
	if err != nil {
		t.Fatal(err)
	}
	k.State = state
	if k, err = r.Add(t.Context(), k, day); err != nil {
		t.Fatal(err)
	}
	return k
}

func mustSeal(t testing.TB, v *Vault, p Place, plain []byte) []byte {
	t.Helper()
	sealed, err := v.Seal(t.Context(), p, plain)
	if err != nil {
		t.Fatal(err)
	}
	return sealed
}

func TestVaultSeal(t *testing.T) {
	v, _ := newVault(t)
	place := Place{"licenses", "42", "body"}
	for _, n := range []int{0, 1, 15, 16, 17, 4096, 1 << 20} {
		plain := bytes.Repeat([]byte("张三"), n/6+1)[:n]
		sealed := mustSeal(t, v, place, plain)
		if len(sealed) != n+SealedExtra || SealedSerial(sealed) != 1 {
			t.Errorf("%d bytes: sealed has %d bytes and serial %d", n, len(sealed), SealedSerial(sealed))
		}
		if n >= 16 && bytes.Contains(sealed, plain[:16]) {
			t.Errorf("%d bytes: the plain value shows", n)
		}
		if bytes.Equal(sealed, mustSeal(t, v, place, plain)) {
			t.Errorf("%d bytes: sealing twice gives the same", n)
		}
		if got, err := v.Open(t.Context(), place, sealed); err != nil || !bytes.Equal(got, plain) {
			t.Errorf("%d bytes: opened %d bytes, %v", n, len(got), err)
		}
	}
	for _, p := range []Place{{}, {"", "42", "body"}, {"licenses", "", "body"}, {"licenses", "42", ""}} {
		if _, err := v.Seal(t.Context(), p, nil); err == nil {
			t.Errorf("sealed at %+v", p)
		}
		if _, err := v.Open(t.Context(), p, mustSeal(t, v, place, nil)); err == nil {
			t.Errorf("opened at %+v", p)
		}
	}
}

func TestVaultTampered(t *testing.T) {
	v, keys := newVault(t)
	place := Place{"licenses", "row-7", "body"}
	sealed := mustSeal(t, v, place, []byte("a secret of 王五"))
	refuse := func(what string, p Place, sealed []byte, want error) {
		t.Helper()
		plain, err := v.Open(t.Context(), p, sealed)
		if !errors.Is(err, want) || plain != nil {
			t.Errorf("%s: %q, %v; want %v", what, plain, err, want)
		}
		if err != nil && (strings.Contains(err.Error(), "secret") || strings.Contains(err.Error(), "row-7")) {
			t.Errorf("%s: the error says too much: %v", what, err)
		}
	}
	for _, p := range []Place{
		{"licenses", "row-8", "body"}, {"files", "row-7", "body"}, {"licenses", "row-7", "face"},
		{"license", "srow-7", "body"}, {"licensesr", "ow-7", "body"}, {"licenses", "row-7b", "ody"}, {"body", "row-7", "licenses"},
	} {
		refuse(fmt.Sprintf("moved to %v", p), p, sealed, ErrSealed)
	}
	for i := range sealed {
		refuse(fmt.Sprintf("cut to %d bytes", i), place, sealed[:i], ErrSealed)
		if i >= 1 && i < sealedHeader {
			continue // another serial: below
		}
		changed := bytes.Clone(sealed)
		changed[i] ^= 1
		refuse(fmt.Sprintf("byte %d changed", i), place, changed, ErrSealed)
	}
	refuse("one byte more", place, append(bytes.Clone(sealed), 0), ErrSealed)
	addKey(t, v.rings, keys, PurposeData, KeyNext)
	for serial, want := range map[uint32]error{0: ErrNoKey, 2: ErrSealed, 3: ErrNoKey, 1<<32 - 1: ErrNoKey} {
		changed := bytes.Clone(sealed)
		binary.BigEndian.PutUint32(changed[1:], serial)
		refuse(fmt.Sprintf("serial %d", serial), place, changed, want)
	}
	if SealedSerial(sealed[:10]) != 0 || SealedSerial(nil) != 0 || SealedSerial(bytes.Repeat([]byte{9}, 99)) != 0 {
		t.Error("SealedSerial finds a serial in what isn't sealed")
	}
}

func TestVaultDataRotation(t *testing.T) {
	v, keys := newVault(t)
	place := Place{"licenses", "42", "body"}
	old := mustSeal(t, v, place, []byte("old"))
	next := addKey(t, v.rings, keys, PurposeData, KeyNext)
	if s := SealedSerial(mustSeal(t, v, place, nil)); s != 1 {
		t.Errorf("with a next key, sealed under %d", s)
	}
	if err := v.rings.Activate(t.Context(), next.ID, day); err != nil {
		t.Fatal(err)
	}
	young := mustSeal(t, v, place, []byte("young"))
	if s := SealedSerial(young); s != 2 {
		t.Errorf("after the rotation, sealed under %d", s)
	}
	// Another process, which starts with both.
	fresh, err := OpenVault(t.Context(), v.rings, keys)
	if err != nil {
		t.Fatal(err)
	}
	for _, v := range []*Vault{v, fresh} {
		for want, sealed := range map[string][]byte{"old": old, "young": young} {
			if got, err := v.Open(t.Context(), place, sealed); err != nil || string(got) != want {
				t.Errorf("opened %q, %v; want %q", got, err, want)
			}
		}
	}
	if err := v.rings.Revoke(t.Context(), "data-1", "superseded", day, day); err != nil {
		t.Fatal(err)
	}
	if _, err := v.Open(t.Context(), place, old); !errors.Is(err, ErrNoKey) {
		t.Errorf("opened under a purged key: %v", err)
	}
	if _, err := v.Open(t.Context(), place, young); err != nil {
		t.Error(err)
	}
}

func serials(ls []Lookup) (s []int32) {
	for _, l := range ls {
		s = append(s, l.Serial)
	}
	return s
}

func TestLookupRotation(t *testing.T) {
	v, keys := newVault(t)
	look := func(want ...int32) []Lookup {
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
	next := addKey(t, v.rings, keys, PurposeLookup, KeyNext)
	both := look(1, 2)
	if both[0] != first[0] || both[1].Sum == both[0].Sum {
		t.Error("publishing a next key changed the first, or made an equal one")
	}
	if err := v.rings.Activate(t.Context(), next.ID, day); err != nil {
		t.Fatal(err)
	}
	swapped := look(2, 1)
	if swapped[0] != both[1] || swapped[1] != both[0] {
		t.Error("activating changed the lookup keys themselves")
	}
	if ok, err := v.CheckMAC(t.Context(), mac, "code", "x"); !ok || err != nil {
		t.Errorf("a MAC under the retired key: %v, %v", ok, err)
	}
	if err := v.rings.Revoke(t.Context(), "lookup-1", "superseded", day, day); err != nil {
		t.Fatal(err)
	}
	look(2)
	if _, err := v.CheckMAC(t.Context(), mac, "code", "x"); !errors.Is(err, ErrNoKey) {
		t.Errorf("a MAC under a purged key: %v", err)
	}
}

// TestLookupNotHeld rotates on another node, whose new key file isn't here yet.
func TestLookupNotHeld(t *testing.T) {
	v, _ := newVault(t)
	elsewhere := KeyRecord{ID: "lookup-2", Purpose: PurposeLookup, Algorithm: algorithmMAC}
	if _, err := v.rings.Add(t.Context(), elsewhere, day); err != nil {
		t.Fatal(err)
	}
	if ls, err := v.Lookups(t.Context(), "d", "v"); err != nil || !slices.Equal(serials(ls), []int32{1}) {
		t.Errorf("while it is next: %d, %v", serials(ls), err)
	}
	if err := v.rings.Activate(t.Context(), "lookup-2", day); err != nil {
		t.Fatal(err)
	}
	if _, err := v.Lookups(t.Context(), "d", "v"); !errors.Is(err, ErrNoKey) {
		t.Errorf("when it is active: %v, want ErrNoKey", err)
	}
}

func TestLookupsKeepApart(t *testing.T) {
	v, _ := newVault(t)
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
	v, _ := newVault(t)
	empty, _ := newKeystore(t)
	if _, err := OpenVault(t.Context(), v.rings, empty); !errors.Is(err, ErrNoKey) {
		t.Errorf("without the master key: %v, want ErrNoKey", err)
	}
	other, _ := newKeystore(t)
	for _, id := range []KeyID{"master-1", "lookup-1"} {
		if err := other.GenerateSecret(id); err != nil {
			t.Fatal(err)
		}
	}
	if _, err := OpenVault(t.Context(), v.rings, other); !errors.Is(err, ErrSealed) {
		t.Errorf("with another master key: %v, want ErrSealed", err)
	}
}

// TestVaultOtherProcess opens what another process sealed under a key that it
// has just made and activated.
func TestVaultOtherProcess(t *testing.T) {
	v, keys := newVault(t)
	place := Place{"licenses", "42", "body"}
	other, err := NewKeyrings(KeyringsConfig{Records: v.rings.c.Records, Module: keys, Fresh: time.Hour})
	if err != nil {
		t.Fatal(err)
	}
	here, err := OpenVault(t.Context(), other, keys)
	if err != nil {
		t.Fatal(err)
	}
	next := addKey(t, v.rings, keys, PurposeData, KeyNext)
	if err := v.rings.Activate(t.Context(), next.ID, day); err != nil {
		t.Fatal(err)
	}
	sealed := mustSeal(t, v, place, []byte("new"))
	if got, err := here.Open(t.Context(), place, sealed); err != nil || string(got) != "new" {
		t.Errorf("opened %q, %v", got, err)
	}
}

func TestVaultConcurrent(t *testing.T) {
	v, keys := newVault(t)
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
				place := Place{"t", fmt.Sprint(i, n), "c"}
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
		for _, p := range []Purpose{PurposeData, PurposeLookup} {
			next := addKey(t, v.rings, keys, p, KeyNext)
			if err := v.rings.Activate(t.Context(), next.ID, day); err != nil {
				t.Error(err)
			}
		}
	}
	close(stop)
	wait.Wait()
}

func FuzzVaultOpen(f *testing.F) {
	v, _ := newVault(f)
	place := Place{"licenses", "42", "body"}
	sealed := mustSeal(f, v, place, []byte("plain"))
	f.Add(sealed)
	f.Add(sealed[:SealedExtra])
	f.Add([]byte{1, 0, 0, 0, 1})
	f.Fuzz(func(t *testing.T, b []byte) {
		if SealedSerial(b) != 1 && SealedSerial(b) != 0 {
			return // an unknown serial waits for a reading: too slow to fuzz
		}
		plain, err := v.Open(t.Context(), place, b)
		if err == nil && !bytes.Equal(b, sealed) {
			t.Errorf("a forged value opens as %q", plain)
		}
		if err != nil && !errors.Is(err, ErrSealed) && !errors.Is(err, ErrNoKey) {
			t.Errorf("error without a reason: %v", err)
		}
	})
}

func BenchmarkVault(b *testing.B) {
	v, _ := newVault(b)
	place := Place{"licenses", "0197f3c2-7a41-7d0e-b8a5-5b1f1c5f3a10", "body"}
	plain := make([]byte, 4096)
	sealed := mustSeal(b, v, place, plain)
	b.Run("Seal4K", func(b *testing.B) {
		b.SetBytes(4096)
		b.ReportAllocs()
		for b.Loop() {
			mustSeal(b, v, place, plain)
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
	keys, passphrase := newKeystore(t)
	records := newMemoryRecords()
	open := func(keys *Keystore) *Keyrings {
		r, err := NewKeyrings(KeyringsConfig{Records: records, Module: keys})
		if err != nil {
			t.Fatal(err)
		}
		return r
	}
	r := open(keys)
	for _, p := range []Purpose{PurposeMaster, PurposeData, PurposeLookup} {
		addKey(t, r, keys, p, KeyActive)
	}
	v, err := OpenVault(t.Context(), r, keys)
	if err != nil {
		t.Fatal(err)
	}
	place := Place{"t", "r", "c"}
	sealed := mustSeal(t, v, place, []byte("kept"))
	before, err := v.Lookups(t.Context(), "d", "v")
	if err != nil {
		t.Fatal(err)
	}
	again, err := OpenKeystore(filepath.Clean(keys.dir), passphrase)
	if err != nil {
		t.Fatal(err)
	}
	if v, err = OpenVault(t.Context(), open(again), again); err != nil {
		t.Fatal(err)
	}
	if got, err := v.Open(t.Context(), place, sealed); err != nil || string(got) != "kept" {
		t.Errorf("opened %q, %v", got, err)
	}
	if after, err := v.Lookups(t.Context(), "d", "v"); err != nil || !slices.Equal(before, after) {
		t.Errorf("lookup keys changed (%v)", err)
	}
}
