package storagetest

import (
	"cmp"
	"context"
	"fmt"
	"slices"
	"strings"
	"testing"
	"time"

	"yizheng.internal/signing"
	"yizheng.internal/signing/jose"
)

// Keys tests [signing.Records].
func Keys(t *testing.T, open Open) {
	s := open(t).Keys
	t.Run("RoundTrip", func(t *testing.T) { keysRoundTrip(t, s) })
	t.Run("Exists", func(t *testing.T) { keysExist(t, s) })
	t.Run("Update", func(t *testing.T) { keysUpdate(t, s) })
	t.Run("OneActive", func(t *testing.T) { keysOneActive(t, s) })
	t.Run("Race", func(t *testing.T) { keysRace(t, s) })
	t.Run("List", func(t *testing.T) { keysList(t, open(t).Keys) })
	t.Run("Ended", func(t *testing.T) {
		k := newKeyRecord("ended", 1)
		is(t, "CreateKey", s.CreateKey(ended(), k), context.Canceled)
		_, err := s.LoadKey(t.Context(), k.ID)
		is(t, "LoadKey after that", err, signing.ErrNoKey)
		_, err = s.LoadKey(ended(), k.ID)
		is(t, "LoadKey", err, context.Canceled)
		_, err = s.ListKeys(ended(), "")
		is(t, "ListKeys", err, context.Canceled)
		is(t, "UpdateKeys", s.UpdateKeys(ended(), k), context.Canceled)
	})
}

// newKeyRecord makes the record of a key that isn't stored, next in its ring.
func newKeyRecord(owner string, serial int32) signing.KeyRecord {
	return signing.KeyRecord{
		ID: signing.KeyID(newText()), Purpose: signing.PurposeAuthority, Owner: owner, Serial: serial,
		Algorithm: string(jose.SM2), State: signing.KeyNext,
		PublicKey: []byte("public key"), Chain: [][]byte{[]byte("leaf"), []byte("middle")},
		Created: at(0),
	}
}

func createKey(t *testing.T, s signing.Records, k signing.KeyRecord) signing.KeyRecord {
	t.Helper()
	must(t, "CreateKey", s.CreateKey(t.Context(), k))
	k.Revision = 1
	return k
}

func sameKey(t *testing.T, s signing.Records, what string, want signing.KeyRecord) {
	t.Helper()
	got, err := s.LoadKey(t.Context(), want.ID)
	must(t, "LoadKey", err)
	same(t, what, got, want)
}

func keysRoundTrip(t *testing.T, s signing.Records) {
	full := newKeyRecord("a", 1)
	full.Wrapped, full.WrappedBy = []byte("wrapped"), signing.KeyID(newText())
	full.Created, full.Activated, full.Retired, full.Revoked = finer, at(1), at(2), at(3)
	full.State, full.Reason, full.Thumbprint = signing.KeyRevoked, "keyCompromise", "0ZcOCORZNYy-DWpqq30jZyJGHTN0d2HglBV3uiguA4I"
	full.Revision = 77 // is not read
	full = createKey(t, s, full)
	full.Created = kept
	sameKey(t, s, "a key with everything", full)

	bare := newKeyRecord("", 1)
	bare.Purpose, bare.Algorithm, bare.PublicKey, bare.Chain = signing.PurposeLookup, "HMAC-SM3", nil, nil
	sameKey(t, s, "a key with nothing optional", createKey(t, s, bare))
	_, err := s.LoadKey(t.Context(), "unknown")
	is(t, "LoadKey", err, signing.ErrNoKey)
}

func keysExist(t *testing.T, s signing.Records) {
	k := createKey(t, s, newKeyRecord("b", 1))
	again := newKeyRecord("b", 2)
	again.ID = k.ID
	is(t, "an ID again", s.CreateKey(t.Context(), again), signing.ErrExists)
	is(t, "a serial again", s.CreateKey(t.Context(), newKeyRecord("b", 1)), signing.ErrExists)
	sameKey(t, s, "the key that is there", k)
	other := newKeyRecord("b", 1)
	other.Purpose = signing.PurposeAttestation
	createKey(t, s, other) // another ring numbers its own
	createKey(t, s, newKeyRecord("b2", 1))
}

func keysUpdate(t *testing.T, s signing.Records) {
	ctx := t.Context()
	k, other := createKey(t, s, newKeyRecord("c", 1)), createKey(t, s, newKeyRecord("c", 2))
	k.State, k.Activated, k.Chain = signing.KeyActive, at(5), [][]byte{[]byte("another leaf")}
	must(t, "UpdateKeys", s.UpdateKeys(ctx, k))
	k.Revision = 2
	sameKey(t, s, "an updated key", k)
	k.State, k.Revoked, k.Reason = signing.KeyRevoked, finer, "superseded"
	k.Wrapped, k.WrappedBy, k.Retired = []byte("wrapped anew"), "master-2", at(6)
	must(t, "UpdateKeys", s.UpdateKeys(ctx, k))
	k.Revision, k.Revoked = 3, kept
	sameKey(t, s, "a key updated twice", k)

	stale, good, unknown := k, other, newKeyRecord("c", 3)
	stale.Revision, stale.Reason, good.Reason, unknown.Revision = 1, "stale", "good", 1
	for name, wrong := range map[string]signing.KeyRecord{"a stale revision": stale, "an unknown key": unknown} {
		is(t, name, s.UpdateKeys(ctx, good, wrong), signing.ErrConflict)
		is(t, name+", first", s.UpdateKeys(ctx, wrong, good), signing.ErrConflict)
	}
	sameKey(t, s, "the key", k)
	sameKey(t, s, "the key beside it", other)
	must(t, "UpdateKeys of none", s.UpdateKeys(ctx))
}

// keysOneActive tests that a ring never has two active keys.
func keysOneActive(t *testing.T, s signing.Records) {
	ctx := t.Context()
	first := newKeyRecord("d", 1)
	first.State = signing.KeyActive
	first = createKey(t, s, first)
	second := newKeyRecord("d", 2)
	second.State = signing.KeyActive
	is(t, "creating a second active key", s.CreateKey(ctx, second), signing.ErrConflict)
	_, err := s.LoadKey(ctx, second.ID)
	is(t, "LoadKey", err, signing.ErrNoKey)
	second.State = signing.KeyNext
	second = createKey(t, s, second)
	elsewhere := newKeyRecord("d2", 1)
	elsewhere.State = signing.KeyActive
	createKey(t, s, elsewhere)

	activated, retired := second, first
	activated.State, retired.State = signing.KeyActive, signing.KeyRetired
	is(t, "activating a second key", s.UpdateKeys(ctx, activated), signing.ErrConflict)
	sameKey(t, s, "the key that stays next", second)
	must(t, "retiring one and activating the other", s.UpdateKeys(ctx, retired, activated))
	activated.Revision, retired.Revision = 2, 2
	sameKey(t, s, "the active key", activated)
	sameKey(t, s, "the retired key", retired)
}

func keysRace(t *testing.T, s signing.Records) {
	errs := race(Writers, func(int) error { return s.CreateKey(t.Context(), newKeyRecord("e", 1)) })
	oneWins(t, "a serial", errs, signing.ErrExists)
	errs = race(Writers, func(i int) error {
		k := newKeyRecord("e", int32(i+2))
		k.State = signing.KeyActive
		return s.CreateKey(t.Context(), k)
	})
	oneWins(t, "an active key", errs, signing.ErrConflict)
	k := createKey(t, s, newKeyRecord("f", 1))
	errs = race(Writers, func(i int) error {
		k := k
		k.Reason = fmt.Sprint(i)
		return s.UpdateKeys(t.Context(), k)
	})
	k.Reason, k.Revision = fmt.Sprint(oneWins(t, "an update", errs, signing.ErrConflict)), 2
	sameKey(t, s, "the winner's", k)
}

func keysList(t *testing.T, s signing.Records) {
	var all []signing.KeyRecord
	for i := range 12 {
		k := newKeyRecord([]string{"", "B", "A"}[i%3], int32(12-i))
		k.Purpose = []signing.Purpose{signing.PurposeStatus, signing.PurposeAuthority}[i%2]
		k.Created = at(i).In(time.Local)
		k = createKey(t, s, k)
		k.Created = at(i)
		all = append(all, k)
	}
	slices.SortFunc(all, func(a, b signing.KeyRecord) int {
		return cmp.Or(strings.Compare(string(a.Purpose), string(b.Purpose)), strings.Compare(a.Owner, b.Owner), cmp.Compare(a.Serial, b.Serial))
	})
	for purpose, want := range map[signing.Purpose][]signing.KeyRecord{
		"": all, signing.PurposeAuthority: all[:6], signing.PurposeStatus: all[6:], signing.PurposeMaster: nil,
	} {
		got, err := s.ListKeys(t.Context(), purpose)
		must(t, "ListKeys", err)
		if len(got)+len(want) > 0 {
			same(t, fmt.Sprintf("keys of purpose %q", purpose), got, want)
		}
	}
}
