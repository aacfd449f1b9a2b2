package signing_test

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"yizheng.internal/signing"
	"yizheng.internal/signing/keystest"
	"yizheng.internal/signing/pki"
)

func TestNewKeyrings(t *testing.T) {
	keys, _ := keystest.NewKeystore(t)
	for name, c := range map[string]signing.KeyringsConfig{
		"nothing": {}, "no module": {Records: keystest.NewRecords()}, "no records": {Module: keys},
		"negative": {Records: keystest.NewRecords(), Module: keys, Fresh: -1},
	} {
		if _, err := signing.NewKeyrings(c); err == nil {
			t.Errorf("%s: accepted", name)
		}
	}
}

func TestKeyLife(t *testing.T) {
	r, records, keys := keystest.NewKeyrings(t)
	ctx := t.Context()
	if _, err := r.Active(ctx, signing.PurposeAccessToken, ""); !errors.Is(err, signing.ErrNoKey) {
		t.Errorf("an empty ring's active key: %v", err)
	}
	if ring, err := r.Ring(ctx, signing.PurposeAccessToken, ""); err != nil || len(ring) != 0 {
		t.Errorf("an empty ring: %v, %v", ring, err)
	}
	first := keystest.AddKey(t, r, keys, signing.PurposeAccessToken, signing.KeyActive)
	if first.Serial != 1 || first.Revision != 1 || !first.Created.Equal(keystest.Day) || !first.Activated.Equal(keystest.Day) {
		t.Errorf("added as %+v", first)
	}
	second := keystest.AddKey(t, r, keys, signing.PurposeAccessToken, "")
	if second.Serial != 2 || second.State != signing.KeyNext || !second.Activated.IsZero() {
		t.Errorf("added as %+v", second)
	}
	active, err := r.Active(ctx, signing.PurposeAccessToken, "")
	if err != nil || active.ID != first.ID || active.Signer == nil || !signing.SamePublicKey(active.Signer.Public(), active.Public) {
		t.Fatalf("active is %v, %v", active, err)
	}
	later := keystest.Day.Add(time.Hour)
	if err := r.Activate(ctx, second.ID, later); err != nil {
		t.Fatal(err)
	}
	if active, err := r.Active(ctx, signing.PurposeAccessToken, ""); err != nil || active.ID != second.ID || active.Signer == nil || !active.Activated.Equal(later) {
		t.Errorf("after the rotation, active is %v, %v", active, err)
	}
	old, err := r.ByID(ctx, first.ID)
	if err != nil || old.State != signing.KeyRetired || !old.Retired.Equal(later) || old.Public == nil {
		t.Errorf("the retired key is %v, %v", old, err)
	}
	if old.Signer != nil {
		t.Error("a retired key can sign")
	}
	ring, err := r.Ring(ctx, signing.PurposeAccessToken, "")
	if err != nil || len(ring) != 2 || ring[0].ID != first.ID || ring[1].ID != second.ID {
		t.Errorf("the ring is %v, %v", ring, err)
	}
	if err := r.Revoke(ctx, first.ID, "superseded", later, later.Add(time.Hour)); err != nil {
		t.Fatal(err)
	}
	if err := r.Retire(ctx, second.ID, later); err != nil {
		t.Fatal(err)
	}
	if _, err := r.Active(ctx, signing.PurposeAccessToken, ""); !errors.Is(err, signing.ErrNoKey) {
		t.Errorf("active after it was retired: %v", err)
	}
	if got := records.Keys[first.ID]; got.State != signing.KeyRevoked || got.Reason != "superseded" || !got.Revoked.Equal(later) || got.Revision != 3 {
		t.Errorf("revoked as %+v", got)
	}
}

func TestKeyTransitions(t *testing.T) {
	const next, active, retired, revoked = signing.KeyID("status-3"), signing.KeyID("status-2"), signing.KeyID("status-1"), signing.KeyID("status-4")
	type change func(*signing.Keyrings, signing.KeyID) error
	activate := func(r *signing.Keyrings, id signing.KeyID) error { return r.Activate(t.Context(), id, keystest.Day) }
	retire := func(r *signing.Keyrings, id signing.KeyID) error { return r.Retire(t.Context(), id, keystest.Day) }
	revoke := func(reason string, from time.Time) change {
		return func(r *signing.Keyrings, id signing.KeyID) error {
			return r.Revoke(t.Context(), id, reason, from, keystest.Day)
		}
	}
	anyError := errors.New("any")
	for _, test := range []struct {
		name string
		id   signing.KeyID
		do   change
		want error
	}{
		{"activate next", next, activate, nil},
		{"activate active", active, activate, signing.ErrKeyState},
		{"activate retired", retired, activate, signing.ErrKeyState},
		{"activate revoked", revoked, activate, signing.ErrKeyState},
		{"activate unknown", "status-9", activate, signing.ErrNoKey},
		{"retire next", next, retire, nil},
		{"retire active", active, retire, nil},
		{"retire retired", retired, retire, signing.ErrKeyState},
		{"retire revoked", revoked, retire, signing.ErrKeyState},
		{"retire unknown", "status-9", retire, signing.ErrNoKey},
		{"revoke next", next, revoke("superseded", keystest.Day), nil},
		{"revoke active", active, revoke("keyCompromise", keystest.Day), nil},
		{"revoke retired", retired, revoke("cessationOfOperation", keystest.Day.Add(-time.Hour)), nil},
		{"revoke revoked", revoked, revoke("superseded", keystest.Day), signing.ErrKeyState},
		{"revoke revoked as compromised", revoked, revoke("keyCompromise", keystest.Day), nil},
		{"revoke for certificateHold", active, revoke("certificateHold", keystest.Day), anyError},
		{"revoke for nothing", active, revoke("", keystest.Day), anyError},
		{"revoke from the future", active, revoke("superseded", keystest.Day.Add(time.Second)), anyError},
		{"revoke from never", active, revoke("superseded", time.Time{}), anyError},
		{"revoke unknown", "status-9", revoke("superseded", keystest.Day), signing.ErrNoKey},
		{"retire the master key", "master-1", retire, signing.ErrKeyState},
		{"revoke the master key", "master-1", revoke("keyCompromise", keystest.Day), signing.ErrKeyState},
		{"revoke a next master key", "master-2", revoke("superseded", keystest.Day), nil},
	} {
		t.Run(test.name, func(t *testing.T) {
			r, records, keys := keystest.NewKeyrings(t)
			for range 2 {
				keystest.AddKey(t, r, keys, signing.PurposeStatus, "")
			}
			for _, id := range []signing.KeyID{retired, active} {
				if err := activate(r, id); err != nil {
					t.Fatal(err)
				}
			}
			for range 2 {
				keystest.AddKey(t, r, keys, signing.PurposeStatus, "")
			}
			if err := r.Revoke(t.Context(), revoked, "superseded", keystest.Day, keystest.Day); err != nil {
				t.Fatal(err)
			}
			keystest.AddKey(t, r, keys, signing.PurposeMaster, signing.KeyActive)
			keystest.AddKey(t, r, keys, signing.PurposeMaster, signing.KeyNext)
			before := fmt.Sprint(records.All(t))
			err := test.do(r, test.id)
			if test.want == anyError && err != nil && !errors.Is(err, signing.ErrKeyState) && !errors.Is(err, signing.ErrNoKey) {
				err = anyError
			}
			if !errors.Is(err, test.want) {
				t.Errorf("%v, want %v", err, test.want)
			}
			if after := fmt.Sprint(records.All(t)); (after == before) != (test.want != nil) {
				t.Errorf("records before: %s\nafter: %s", before, after)
			}
		})
	}
}

func TestRevokedTwice(t *testing.T) {
	r, records, keys := keystest.NewKeyrings(t)
	keystest.AddKey(t, r, keys, signing.PurposeStatus, signing.KeyActive)
	early, late := keystest.Day, keystest.Day.Add(time.Hour)
	if err := r.Revoke(t.Context(), "status-1", "superseded", early, late); err != nil {
		t.Fatal(err)
	}
	if err := r.Revoke(t.Context(), "status-1", pki.KeyCompromise, late, late); err != nil {
		t.Fatal(err)
	}
	if k := records.Keys["status-1"]; !k.Revoked.Equal(early) || k.Reason != pki.KeyCompromise {
		t.Errorf("revoked from %v as %s: the earlier time must stay", k.Revoked, k.Reason)
	}
	if err := r.Revoke(t.Context(), "status-1", pki.KeyCompromise, early, late); !errors.Is(err, signing.ErrKeyState) {
		t.Errorf("a third time: %v", err)
	}
}

func TestRevokeMasterInUse(t *testing.T) {
	_, r, _, keys := keystest.NewVault(t)
	next := keystest.AddKey(t, r, keys, signing.PurposeMaster, signing.KeyNext)
	if err := r.Activate(t.Context(), next.ID, keystest.Day); err != nil {
		t.Fatal(err)
	}
	err := r.Revoke(t.Context(), "master-1", "superseded", keystest.Day, keystest.Day)
	if !errors.Is(err, signing.ErrKeyState) || !strings.Contains(err.Error(), "data-1") {
		t.Errorf("revoked a master key that still wraps: %v", err)
	}
	if err := r.RewrapData(t.Context()); err != nil {
		t.Fatal(err)
	}
	if err := r.Revoke(t.Context(), "master-1", "superseded", keystest.Day, keystest.Day); err != nil {
		t.Error(err)
	}
}

// TestAddRace lets many add to one ring at once, half of them as its first,
// active key.
func TestAddRace(t *testing.T) {
	r, records, keys := keystest.NewKeyrings(t)
	const n = 16
	var wait sync.WaitGroup
	for i := range n {
		wait.Go(func() {
			other, err := signing.NewKeyrings(signing.KeyringsConfig{Records: records, Module: keys})
			if err != nil {
				t.Error(err)
				return
			}
			k := signing.KeyRecord{ID: signing.KeyID(fmt.Sprintf("key-%d", i)), Purpose: signing.PurposeLookup, Algorithm: signing.AlgorithmMAC, State: signing.KeyActive}
			_, err = other.Add(t.Context(), k, keystest.Day)
			if errors.Is(err, signing.ErrConflict) {
				k.State = signing.KeyNext
				_, err = other.Add(t.Context(), k, keystest.Day)
			}
			if err != nil {
				t.Error(err)
			}
		})
	}
	wait.Wait()
	ring, err := r.Ring(t.Context(), signing.PurposeLookup, "")
	if err != nil || len(ring) != n {
		t.Fatalf("%d keys, %v", len(ring), err)
	}
	active := 0
	for i, k := range ring {
		if k.Serial != int32(i+1) {
			t.Errorf("key %d has serial %d", i, k.Serial)
		}
		if k.State == signing.KeyActive {
			active++
		}
	}
	if active != 1 {
		t.Errorf("%d active keys", active)
	}
	if _, err := r.Add(t.Context(), signing.KeyRecord{ID: "key-3", Purpose: signing.PurposeLookup, Algorithm: signing.AlgorithmMAC}, keystest.Day); !errors.Is(err, signing.ErrExists) {
		t.Errorf("an id twice: %v", err)
	}
}

func TestActivateRace(t *testing.T) {
	r, records, keys := keystest.NewKeyrings(t)
	keystest.AddKey(t, r, keys, signing.PurposeLookup, signing.KeyActive)
	var ids []signing.KeyID
	for range 8 {
		ids = append(ids, keystest.AddKey(t, r, keys, signing.PurposeLookup, signing.KeyNext).ID)
	}
	var wait sync.WaitGroup
	for _, id := range ids {
		wait.Go(func() {
			if err := r.Activate(t.Context(), id, keystest.Day); err != nil && !errors.Is(err, signing.ErrConflict) {
				t.Error(err)
			}
		})
	}
	wait.Wait()
	active := 0
	for _, k := range records.All(t) {
		if k.State == signing.KeyActive {
			active++
		}
	}
	if active != 1 {
		t.Errorf("%d active keys", active)
	}
}

func TestAddRefuses(t *testing.T) {
	r, _, _ := keystest.NewKeyrings(t)
	for _, k := range []signing.KeyRecord{
		{}, {ID: "A", Purpose: signing.PurposeData, Algorithm: "x"}, {ID: "a", Algorithm: "x"}, {ID: "a", Purpose: signing.PurposeData},
		{ID: "a", Purpose: signing.PurposeData, Algorithm: "x", State: signing.KeyRetired}, {ID: "a", Purpose: signing.PurposeData, Algorithm: "x", State: "odd"},
	} {
		if _, err := r.Add(t.Context(), k, keystest.Day); err == nil {
			t.Errorf("added %+v", k)
		}
	}
}

// TestFresh counts the readings, on a bubble's clock.
func TestFresh(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		r, records, keys := keystest.NewKeyrings(t)
		keystest.AddKey(t, r, keys, signing.PurposeStatus, signing.KeyActive)
		ask := func() {
			t.Helper()
			if _, err := r.Active(t.Context(), signing.PurposeStatus, ""); err != nil {
				t.Error(err)
			}
		}
		ask()
		n := records.Lists
		for range 100 {
			ask()
		}
		time.Sleep(signing.DefaultFresh - time.Millisecond)
		ask()
		if records.Lists != n {
			t.Errorf("read %d times while fresh", records.Lists-n)
		}
		time.Sleep(2 * time.Millisecond)
		for range 100 {
			ask()
		}
		if records.Lists != n+1 {
			t.Errorf("read %d times when no longer fresh", records.Lists-n)
		}
	})
}

// TestMissesAreBounded asks for made-up keys from many goroutines for ten
// seconds, and for a real one that another process adds meanwhile.
func TestMissesAreBounded(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		r, records, keys := keystest.NewKeyrings(t)
		keystest.AddKey(t, r, keys, signing.PurposeStatus, signing.KeyActive)
		if _, err := r.Active(t.Context(), signing.PurposeStatus, ""); err != nil {
			t.Fatal(err)
		}
		n := records.Lists
		ctx, cancel := context.WithTimeout(t.Context(), 10*time.Second)
		defer cancel()
		var wait sync.WaitGroup
		for i := range 100 {
			wait.Go(func() {
				for n := 0; ctx.Err() == nil; n++ {
					_, err := r.ByID(ctx, signing.KeyID(fmt.Sprintf("made-up-%d-%d", i, n)))
					if i%2 == 0 {
						_, err = r.ByCertificate(ctx, []byte{byte(i), byte(n)})
					}
					if !errors.Is(err, signing.ErrNoKey) && !errors.Is(err, context.DeadlineExceeded) {
						t.Error(err)
					}
					time.Sleep(time.Millisecond) // a bubble's clock stands still while anyone runs
				}
			})
		}
		time.Sleep(5050 * time.Millisecond)
		other, err := signing.NewKeyrings(signing.KeyringsConfig{Records: records, Module: keys})
		if err != nil {
			t.Fatal(err)
		}
		keystest.AddKey(t, other, keys, signing.PurposeLookup, signing.KeyActive)
		asked := time.Now()
		if _, err := r.ByID(ctx, "lookup-1"); err != nil {
			t.Errorf("a key added just now: %v", err)
		}
		if took := time.Since(asked); took > signing.MissGap {
			t.Errorf("it was found after %v", took)
		}
		wait.Wait()
		synctest.Wait() // for a reading that nobody waits for any more
		if got, most := records.Lists-n, int(10*time.Second/signing.MissGap)+5; got > most {
			t.Errorf("misses caused %d readings, more than %d", got, most)
		}
	})
}

// TestReadingIsShared lets many callers wait for one slow reading; the first of
// them gives up, which must not end it for the others.
func TestReadingIsShared(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		r, records, keys := keystest.NewKeyrings(t)
		keystest.AddKey(t, r, keys, signing.PurposeStatus, signing.KeyActive)
		records.Before = func(string) error { time.Sleep(time.Second); return nil }
		n := records.Lists
		first, cancel := context.WithCancel(t.Context())
		var wait sync.WaitGroup
		for i := range 20 {
			ctx := first
			if i > 0 {
				ctx = t.Context()
			}
			wait.Go(func() {
				if _, err := r.Active(ctx, signing.PurposeStatus, ""); err != nil && i > 0 {
					t.Error(err)
				}
			})
			synctest.Wait()
		}
		cancel()
		wait.Wait()
		if records.Lists != n+1 {
			t.Errorf("%d readings", records.Lists-n)
		}
	})
}

func TestReadingFails(t *testing.T) {
	r, records, keys := keystest.NewKeyrings(t)
	keystest.AddKey(t, r, keys, signing.PurposeStatus, signing.KeyActive)
	down := errors.New("database is down")
	records.Before = func(string) error { return down }
	if _, err := r.Active(t.Context(), signing.PurposeStatus, ""); !errors.Is(err, down) {
		t.Errorf("%v, want the database's error", err)
	}
	records.Before = nil
	if _, err := r.Active(t.Context(), signing.PurposeStatus, ""); err != nil {
		t.Errorf("when it is up again: %v", err)
	}
}

func BenchmarkActive(b *testing.B) {
	_, r, _, _ := keystest.NewVault(b)
	b.ReportAllocs()
	for b.Loop() {
		if _, err := r.Active(b.Context(), signing.PurposeStatus, ""); err != nil {
			b.Fatal(err)
		}
	}
}
