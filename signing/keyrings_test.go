package signing

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"yizheng.internal/signing/jose"
	"yizheng.internal/signing/pki"
)

func newKeyrings(t testing.TB) (*Keyrings, *memoryRecords, *Keystore) {
	t.Helper()
	keys, _ := newKeystore(t)
	records := newMemoryRecords()
	r, err := NewKeyrings(KeyringsConfig{Records: records, Module: keys})
	if err != nil {
		t.Fatal(err)
	}
	return r, records, keys
}

func TestNewKeyrings(t *testing.T) {
	keys, _ := newKeystore(t)
	for name, c := range map[string]KeyringsConfig{
		"nothing": {}, "no module": {Records: newMemoryRecords()}, "no records": {Module: keys},
		"negative": {Records: newMemoryRecords(), Module: keys, Fresh: -1},
	} {
		if _, err := NewKeyrings(c); err == nil {
			t.Errorf("%s: accepted", name)
		}
	}
}

func TestKeyLife(t *testing.T) {
	r, records, keys := newKeyrings(t)
	ctx := t.Context()
	if _, err := r.Active(ctx, PurposeAccessToken, ""); !errors.Is(err, ErrNoKey) {
		t.Errorf("an empty ring's active key: %v", err)
	}
	if ring, err := r.Ring(ctx, PurposeAccessToken, ""); err != nil || len(ring) != 0 {
		t.Errorf("an empty ring: %v, %v", ring, err)
	}
	first := addKey(t, r, keys, PurposeAccessToken, KeyActive)
	if first.Serial != 1 || first.Revision != 1 || !first.Created.Equal(day) || !first.Activated.Equal(day) {
		t.Errorf("added as %+v", first)
	}
	second := addKey(t, r, keys, PurposeAccessToken, "")
	if second.Serial != 2 || second.State != KeyNext || !second.Activated.IsZero() {
		t.Errorf("added as %+v", second)
	}
	active, err := r.Active(ctx, PurposeAccessToken, "")
	if err != nil || active.ID != first.ID || active.Signer == nil || !samePublicKey(active.Signer.Public(), active.Public) {
		t.Fatalf("active is %v, %v", active, err)
	}
	later := day.Add(time.Hour)
	if err := r.Activate(ctx, second.ID, later); err != nil {
		t.Fatal(err)
	}
	if active, err := r.Active(ctx, PurposeAccessToken, ""); err != nil || active.ID != second.ID || active.Signer == nil || !active.Activated.Equal(later) {
		t.Errorf("after the rotation, active is %v, %v", active, err)
	}
	old, err := r.ByID(ctx, first.ID)
	if err != nil || old.State != KeyRetired || !old.Retired.Equal(later) || old.Public == nil {
		t.Errorf("the retired key is %v, %v", old, err)
	}
	if old.Signer != nil {
		t.Error("a retired key can sign")
	}
	ring, err := r.Ring(ctx, PurposeAccessToken, "")
	if err != nil || len(ring) != 2 || ring[0].ID != first.ID || ring[1].ID != second.ID {
		t.Errorf("the ring is %v, %v", ring, err)
	}
	if err := r.Revoke(ctx, first.ID, "superseded", later, later.Add(time.Hour)); err != nil {
		t.Fatal(err)
	}
	if err := r.Retire(ctx, second.ID, later); err != nil {
		t.Fatal(err)
	}
	if _, err := r.Active(ctx, PurposeAccessToken, ""); !errors.Is(err, ErrNoKey) {
		t.Errorf("active after it was retired: %v", err)
	}
	if got := records.keys[first.ID]; got.State != KeyRevoked || got.Reason != "superseded" || !got.Revoked.Equal(later) || got.Revision != 3 {
		t.Errorf("revoked as %+v", got)
	}
}

func TestKeyTransitions(t *testing.T) {
	const next, active, retired, revoked = KeyID("status-3"), KeyID("status-2"), KeyID("status-1"), KeyID("status-4")
	type change func(*Keyrings, KeyID) error
	activate := func(r *Keyrings, id KeyID) error { return r.Activate(t.Context(), id, day) }
	retire := func(r *Keyrings, id KeyID) error { return r.Retire(t.Context(), id, day) }
	revoke := func(reason string, from time.Time) change {
		return func(r *Keyrings, id KeyID) error { return r.Revoke(t.Context(), id, reason, from, day) }
	}
	anyError := errors.New("any")
	for _, test := range []struct {
		name string
		id   KeyID
		do   change
		want error
	}{
		{"activate next", next, activate, nil},
		{"activate active", active, activate, ErrKeyState},
		{"activate retired", retired, activate, ErrKeyState},
		{"activate revoked", revoked, activate, ErrKeyState},
		{"activate unknown", "status-9", activate, ErrNoKey},
		{"retire next", next, retire, nil},
		{"retire active", active, retire, nil},
		{"retire retired", retired, retire, ErrKeyState},
		{"retire revoked", revoked, retire, ErrKeyState},
		{"retire unknown", "status-9", retire, ErrNoKey},
		{"revoke next", next, revoke("superseded", day), nil},
		{"revoke active", active, revoke("keyCompromise", day), nil},
		{"revoke retired", retired, revoke("cessationOfOperation", day.Add(-time.Hour)), nil},
		{"revoke revoked", revoked, revoke("superseded", day), ErrKeyState},
		{"revoke revoked as compromised", revoked, revoke("keyCompromise", day), nil},
		{"revoke for certificateHold", active, revoke("certificateHold", day), anyError},
		{"revoke for nothing", active, revoke("", day), anyError},
		{"revoke from the future", active, revoke("superseded", day.Add(time.Second)), anyError},
		{"revoke from never", active, revoke("superseded", time.Time{}), anyError},
		{"revoke unknown", "status-9", revoke("superseded", day), ErrNoKey},
		{"retire the master key", "master-1", retire, ErrKeyState},
		{"revoke the master key", "master-1", revoke("keyCompromise", day), ErrKeyState},
		{"revoke a next master key", "master-2", revoke("superseded", day), nil},
	} {
		t.Run(test.name, func(t *testing.T) {
			r, records, keys := newKeyrings(t)
			for range 2 {
				addKey(t, r, keys, PurposeStatus, "")
			}
			for _, id := range []KeyID{retired, active} {
				if err := activate(r, id); err != nil {
					t.Fatal(err)
				}
			}
			for range 2 {
				addKey(t, r, keys, PurposeStatus, "")
			}
			if err := r.Revoke(t.Context(), revoked, "superseded", day, day); err != nil {
				t.Fatal(err)
			}
			addKey(t, r, keys, PurposeMaster, KeyActive)
			addKey(t, r, keys, PurposeMaster, KeyNext)
			before := fmt.Sprint(records.all(t))
			err := test.do(r, test.id)
			if test.want == anyError && err != nil && !errors.Is(err, ErrKeyState) && !errors.Is(err, ErrNoKey) {
				err = anyError
			}
			if !errors.Is(err, test.want) {
				t.Errorf("%v, want %v", err, test.want)
			}
			if after := fmt.Sprint(records.all(t)); (after == before) != (test.want != nil) {
				t.Errorf("records before: %s\nafter: %s", before, after)
			}
		})
	}
}

func TestRevokedTwice(t *testing.T) {
	r, records, keys := newKeyrings(t)
	addKey(t, r, keys, PurposeStatus, KeyActive)
	early, late := day, day.Add(time.Hour)
	if err := r.Revoke(t.Context(), "status-1", "superseded", early, late); err != nil {
		t.Fatal(err)
	}
	if err := r.Revoke(t.Context(), "status-1", pki.KeyCompromise, late, late); err != nil {
		t.Fatal(err)
	}
	if k := records.keys["status-1"]; !k.Revoked.Equal(early) || k.Reason != pki.KeyCompromise {
		t.Errorf("revoked from %v as %s: the earlier time must stay", k.Revoked, k.Reason)
	}
	if err := r.Revoke(t.Context(), "status-1", pki.KeyCompromise, early, late); !errors.Is(err, ErrKeyState) {
		t.Errorf("a third time: %v", err)
	}
}

func TestRevokeMasterInUse(t *testing.T) {
	v, keys := newVault(t)
	r := v.rings
	next := addKey(t, r, keys, PurposeMaster, KeyNext)
	if err := r.Activate(t.Context(), next.ID, day); err != nil {
		t.Fatal(err)
	}
	err := r.Revoke(t.Context(), "master-1", "superseded", day, day)
	if !errors.Is(err, ErrKeyState) || !strings.Contains(err.Error(), "data-1") {
		t.Errorf("revoked a master key that still wraps: %v", err)
	}
	i := &Installation{c: InstallationConfig{Records: r.c.Records}, keys: keys, keyrings: r}
	if err := i.RewrapData(t.Context()); err != nil {
		t.Fatal(err)
	}
	if err := r.Revoke(t.Context(), "master-1", "superseded", day, day); err != nil {
		t.Error(err)
	}
}

// TestAddRace lets many add to one ring at once, half of them as its first,
// active key.
func TestAddRace(t *testing.T) {
	r, records, keys := newKeyrings(t)
	const n = 16
	var wait sync.WaitGroup
	for i := range n {
		wait.Go(func() {
			other, err := NewKeyrings(KeyringsConfig{Records: records, Module: keys})
			if err != nil {
				t.Error(err)
				return
			}
			k := KeyRecord{ID: KeyID(fmt.Sprintf("key-%d", i)), Purpose: PurposeLookup, Algorithm: algorithmMAC, State: KeyActive}
			_, err = other.Add(t.Context(), k, day)
			if errors.Is(err, ErrConflict) {
				k.State = KeyNext
				_, err = other.Add(t.Context(), k, day)
			}
			if err != nil {
				t.Error(err)
			}
		})
	}
	wait.Wait()
	ring, err := r.Ring(t.Context(), PurposeLookup, "")
	if err != nil || len(ring) != n {
		t.Fatalf("%d keys, %v", len(ring), err)
	}
	active := 0
	for i, k := range ring {
		if k.Serial != int32(i+1) {
			t.Errorf("key %d has serial %d", i, k.Serial)
		}
		if k.State == KeyActive {
			active++
		}
	}
	if active != 1 {
		t.Errorf("%d active keys", active)
	}
	if _, err := r.Add(t.Context(), KeyRecord{ID: "key-3", Purpose: PurposeLookup, Algorithm: algorithmMAC}, day); !errors.Is(err, ErrExists) {
		t.Errorf("an id twice: %v", err)
	}
}

func TestActivateRace(t *testing.T) {
	r, records, keys := newKeyrings(t)
	addKey(t, r, keys, PurposeLookup, KeyActive)
	var ids []KeyID
	for range 8 {
		ids = append(ids, addKey(t, r, keys, PurposeLookup, KeyNext).ID)
	}
	var wait sync.WaitGroup
	for _, id := range ids {
		wait.Go(func() {
			if err := r.Activate(t.Context(), id, day); err != nil && !errors.Is(err, ErrConflict) {
				t.Error(err)
			}
		})
	}
	wait.Wait()
	active := 0
	for _, k := range records.all(t) {
		if k.State == KeyActive {
			active++
		}
	}
	if active != 1 {
		t.Errorf("%d active keys", active)
	}
}

func TestAddRefuses(t *testing.T) {
	r, _, _ := newKeyrings(t)
	for _, k := range []KeyRecord{
		{}, {ID: "A", Purpose: PurposeData, Algorithm: "x"}, {ID: "a", Algorithm: "x"}, {ID: "a", Purpose: PurposeData},
		{ID: "a", Purpose: PurposeData, Algorithm: "x", State: KeyRetired}, {ID: "a", Purpose: PurposeData, Algorithm: "x", State: "odd"},
	} {
		if _, err := r.Add(t.Context(), k, day); err == nil {
			t.Errorf("added %+v", k)
		}
	}
}

// TestFresh counts the readings, on a bubble's clock.
func TestFresh(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		r, records, keys := newKeyrings(t)
		addKey(t, r, keys, PurposeStatus, KeyActive)
		ask := func() {
			t.Helper()
			if _, err := r.Active(t.Context(), PurposeStatus, ""); err != nil {
				t.Error(err)
			}
		}
		ask()
		n := records.lists
		for range 100 {
			ask()
		}
		time.Sleep(defaultFresh - time.Millisecond)
		ask()
		if records.lists != n {
			t.Errorf("read %d times while fresh", records.lists-n)
		}
		time.Sleep(2 * time.Millisecond)
		for range 100 {
			ask()
		}
		if records.lists != n+1 {
			t.Errorf("read %d times when no longer fresh", records.lists-n)
		}
	})
}

// TestMissesAreBounded asks for made-up keys from many goroutines for ten
// seconds, and for a real one that another process adds meanwhile.
func TestMissesAreBounded(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		r, records, keys := newKeyrings(t)
		addKey(t, r, keys, PurposeStatus, KeyActive)
		if _, err := r.Active(t.Context(), PurposeStatus, ""); err != nil {
			t.Fatal(err)
		}
		n := records.lists
		ctx, cancel := context.WithTimeout(t.Context(), 10*time.Second)
		defer cancel()
		var wait sync.WaitGroup
		for i := range 100 {
			wait.Go(func() {
				for n := 0; ctx.Err() == nil; n++ {
					_, err := r.ByID(ctx, KeyID(fmt.Sprintf("made-up-%d-%d", i, n)))
					if i%2 == 0 {
						_, err = r.ByCertificate(ctx, []byte{byte(i), byte(n)})
					}
					if !errors.Is(err, ErrNoKey) && !errors.Is(err, context.DeadlineExceeded) {
						t.Error(err)
					}
					time.Sleep(time.Millisecond) // a bubble's clock stands still while anyone runs
				}
			})
		}
		time.Sleep(5050 * time.Millisecond)
		other, err := NewKeyrings(KeyringsConfig{Records: records, Module: keys})
		if err != nil {
			t.Fatal(err)
		}
		addKey(t, other, keys, PurposeLookup, KeyActive)
		asked := time.Now()
		if _, err := r.ByID(ctx, "lookup-1"); err != nil {
			t.Errorf("a key added just now: %v", err)
		}
		if took := time.Since(asked); took > missGap {
			t.Errorf("it was found after %v", took)
		}
		wait.Wait()
		synctest.Wait() // for a reading that nobody waits for any more
		if got, most := records.lists-n, int(10*time.Second/missGap)+5; got > most {
			t.Errorf("misses caused %d readings, more than %d", got, most)
		}
	})
}

// TestReadingIsShared lets many callers wait for one slow reading; the first of
// them gives up, which must not end it for the others.
func TestReadingIsShared(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		r, records, keys := newKeyrings(t)
		addKey(t, r, keys, PurposeStatus, KeyActive)
		records.before = func(string) error { time.Sleep(time.Second); return nil }
		n := records.lists
		first, cancel := context.WithCancel(t.Context())
		var wait sync.WaitGroup
		for i := range 20 {
			ctx := first
			if i > 0 {
				ctx = t.Context()
			}
			wait.Go(func() {
				if _, err := r.Active(ctx, PurposeStatus, ""); err != nil && i > 0 {
					t.Error(err)
				}
			})
			synctest.Wait()
		}
		cancel()
		wait.Wait()
		if records.lists != n+1 {
			t.Errorf("%d readings", records.lists-n)
		}
	})
}

func TestReadingFails(t *testing.T) {
	r, records, keys := newKeyrings(t)
	addKey(t, r, keys, PurposeStatus, KeyActive)
	down := errors.New("database is down")
	records.before = func(string) error { return down }
	if _, err := r.Active(t.Context(), PurposeStatus, ""); !errors.Is(err, down) {
		t.Errorf("%v, want the database's error", err)
	}
	records.before = nil
	if _, err := r.Active(t.Context(), PurposeStatus, ""); err != nil {
		t.Errorf("when it is up again: %v", err)
	}
}

// TestForeignPrivateKey puts a keystore beside records that are another's.
func TestForeignPrivateKey(t *testing.T) {
	r, records, keys := newKeyrings(t)
	addKey(t, r, keys, PurposeStatus, KeyActive)
	other, _ := newKeystore(t)
	if _, err := other.GenerateSigner("status-1", jose.SM2); err != nil {
		t.Fatal(err)
	}
	r, err := NewKeyrings(KeyringsConfig{Records: records, Module: other, Auth: r.auth})
	if err != nil {
		t.Fatal(err)
	}
	if k, err := r.Active(t.Context(), PurposeStatus, ""); err != nil || k.Signer != nil {
		t.Errorf("a key whose public key is another one signs (%v)", err)
	}
}

// TestBadRecord has one record that doesn't parse among good ones.
func TestBadRecord(t *testing.T) {
	r, _, keys := newKeyrings(t)
	addKey(t, r, keys, PurposeStatus, KeyActive)
	bad := KeyRecord{ID: "bad", Purpose: PurposeAuthority, Owner: "X", Algorithm: string(jose.SM2), State: KeyActive, Serial: 1,
		PublicKey: []byte{1, 2, 3}, Chain: [][]byte{{4, 5, 6}}}
	if err := r.c.Records.CreateKey(t.Context(), bad); err != nil {
		t.Fatal(err)
	}
	if k, err := r.ByID(t.Context(), "status-1"); err != nil || k.Signer == nil {
		t.Errorf("the good key: %v, %v", k, err)
	}
	if k, err := r.ByID(t.Context(), "bad"); err != nil || k.Signer != nil || k.Public != nil || k.Certificates != nil {
		t.Errorf("the bad key: %+v, %v", k, err)
	}
	if k, err := r.ByCertificate(t.Context(), []byte{4, 5, 6}); err != nil || k.ID != "bad" {
		t.Errorf("by its certificate: %v, %v", k, err)
	}
}

// TestForgedRecords has records that somebody wrote into the database without a
// keystore: each is refused, and the others go on.
func TestForgedRecords(t *testing.T) {
	r, records, keys := newKeyrings(t)
	addKey(t, r, keys, PurposeStatus, KeyActive)
	addKey(t, r, keys, PurposeAccessToken, KeyActive)
	addKey(t, r, keys, PurposeAccessToken, KeyNext)
	good := records.keys["access-token-1"]
	for name, forge := range map[string]func(k *KeyRecord){
		"no authenticator": func(k *KeyRecord) { k.Auth = nil },
		"purpose":          func(k *KeyRecord) { k.Purpose = PurposeIDToken },
		"public key":       func(k *KeyRecord) { k.PublicKey = records.keys["access-token-2"].PublicKey },
		"state":            func(k *KeyRecord) { k.State = KeyNext },
		"owner":            func(k *KeyRecord) { k.Owner = "11430000006122244L" },
		"revision":         func(k *KeyRecord) { k.Revision++ },
		"another's":        func(k *KeyRecord) { k.Auth = records.keys["access-token-2"].Auth },
		"revoked":          func(k *KeyRecord) { k.Revoked = day },
		"thumbprint":       func(k *KeyRecord) { k.Thumbprint = records.keys["access-token-2"].Thumbprint + "x" },
		"chain":            func(k *KeyRecord) { k.Chain = [][]byte{{1}} },
	} {
		k := good
		forge(&k)
		records.keys["access-token-1"] = k
		r.changes.Add(1)
		if _, err := r.ByID(t.Context(), "access-token-1"); !errors.Is(err, ErrNoKey) {
			t.Errorf("%s: %v", name, err)
		}
		if k, err := r.ByID(t.Context(), "status-1"); err != nil || k.Signer == nil {
			t.Errorf("%s: the key beside it: %v", name, err)
		}
		if _, err := r.ByCertificate(t.Context(), []byte("a revoked key's")); !errors.Is(err, ErrAltered) {
			t.Errorf("%s: a certificate that may be its: %v", name, err)
		}
		if err := r.Activate(t.Context(), "access-token-1", day); !errors.Is(err, ErrAltered) {
			t.Errorf("%s: activated: %v", name, err)
		}
	}
	if n := r.auth.Refusals()["keys"]; n < 9 {
		t.Errorf("%d refusals counted", n)
	}
	// An earlier state is authentic, but behind its register.
	records.keys["access-token-1"] = good
	if err := r.Revoke(t.Context(), "access-token-1", pki.KeyCompromise, day, day); err != nil {
		t.Fatal(err)
	}
	revoked := records.keys["access-token-1"]
	back := good
	for name, mark := range map[string][]byte{"the row put back": revoked.Mark, "an altered register": append([]byte{0, 0, 0, 0, 0, 0, 0, 1}, revoked.Mark[8:]...)} {
		back.Mark = mark
		records.keys["access-token-1"] = back
		r.changes.Add(1)
		if _, err := r.ByID(t.Context(), "access-token-1"); !errors.Is(err, ErrNoKey) {
			t.Errorf("%s: %v", name, err)
		}
	}
	revoked.Mark = nil
	records.keys["access-token-1"] = revoked
	r.changes.Add(1)
	if _, err := r.ByID(t.Context(), "access-token-1"); !errors.Is(err, ErrNoKey) {
		t.Errorf("without its register: %v", err)
	}
}

func BenchmarkActive(b *testing.B) {
	v, _ := newVault(b)
	b.ReportAllocs()
	for b.Loop() {
		if _, err := v.rings.Active(b.Context(), PurposeStatus, ""); err != nil {
			b.Fatal(err)
		}
	}
}
