package ledger

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
	"yizheng.internal/storage/storagetest/suite"
)

// Keys tests [signing.Records].
func Keys(t *testing.T, open suite.Open) {
	s := open(t).Keys
	t.Run("RoundTrip", func(t *testing.T) { keysRoundTrip(t, s) })
	t.Run("Exists", func(t *testing.T) { keysExist(t, s) })
	t.Run("Update", func(t *testing.T) { keysUpdate(t, s) })
	t.Run("OneActive", func(t *testing.T) { keysOneActive(t, s) })
	t.Run("Race", func(t *testing.T) { keysRace(t, s) })
	t.Run("List", func(t *testing.T) { keysList(t, open(t).Keys) })
	t.Run("Ended", func(t *testing.T) {
		k := newKeyRecord("ended", 1)
		suite.Is(t, "CreateKey", s.CreateKey(suite.Ended(), k), context.Canceled)
		_, err := s.LoadKey(t.Context(), k.ID)
		suite.Is(t, "LoadKey after that", err, signing.ErrNoKey)
		_, err = s.LoadKey(suite.Ended(), k.ID)
		suite.Is(t, "LoadKey", err, context.Canceled)
		_, err = s.ListKeys(suite.Ended(), "")
		suite.Is(t, "ListKeys", err, context.Canceled)
		suite.Is(t, "UpdateKeys", s.UpdateKeys(suite.Ended(), k), context.Canceled)
	})
}

// newKeyRecord makes the record of a key that isn't stored, next in its ring.
func newKeyRecord(owner string, serial int32) signing.KeyRecord {
	return signing.KeyRecord{
		ID: signing.KeyID(suite.NewText()), Purpose: signing.PurposeAuthority, Owner: owner, Serial: serial,
		Algorithm: string(jose.SM2), State: signing.KeyNext,
		PublicKey: []byte("public key"), Chain: [][]byte{[]byte("leaf"), []byte("middle")},
		Created: suite.At(0),
	}
}

func createKey(t *testing.T, s signing.Records, k signing.KeyRecord) signing.KeyRecord {
	t.Helper()
	suite.Must(t, "CreateKey", s.CreateKey(t.Context(), k))
	k.Revision = 1
	return k
}

func sameKey(t *testing.T, s signing.Records, what string, want signing.KeyRecord) {
	t.Helper()
	got, err := s.LoadKey(t.Context(), want.ID)
	suite.Must(t, "LoadKey", err)
	suite.Same(t, what, got, want)
}

func keysRoundTrip(t *testing.T, s signing.Records) {
	full := newKeyRecord("a", 1)
	full.Wrapped, full.WrappedBy = []byte("wrapped"), signing.KeyID(suite.NewText())
	full.Created, full.Activated, full.Retired, full.Revoked = suite.Finer, suite.At(1), suite.At(2), suite.At(3)
	full.State, full.Reason, full.Thumbprint = signing.KeyRevoked, "keyCompromise", "0ZcOCORZNYy-DWpqq30jZyJGHTN0d2HglBV3uiguA4I"
	full.Revision = 77 // is not read
	full = createKey(t, s, full)
	full.Created = suite.Kept
	sameKey(t, s, "a key with everything", full)

	bare := newKeyRecord("", 1)
	bare.Purpose, bare.Algorithm, bare.PublicKey, bare.Chain = signing.PurposeLookup, "HMAC-SM3", nil, nil
	sameKey(t, s, "a key with nothing optional", createKey(t, s, bare))
	_, err := s.LoadKey(t.Context(), "unknown")
	suite.Is(t, "LoadKey", err, signing.ErrNoKey)
}

func keysExist(t *testing.T, s signing.Records) {
	k := createKey(t, s, newKeyRecord("b", 1))
	again := newKeyRecord("b", 2)
	again.ID = k.ID
	suite.Is(t, "an ID again", s.CreateKey(t.Context(), again), signing.ErrExists)
	suite.Is(t, "a serial again", s.CreateKey(t.Context(), newKeyRecord("b", 1)), signing.ErrExists)
	sameKey(t, s, "the key that is there", k)
	other := newKeyRecord("b", 1)
	other.Purpose = signing.PurposeAttestation
	createKey(t, s, other) // another ring numbers its own
	createKey(t, s, newKeyRecord("b2", 1))
}

func keysUpdate(t *testing.T, s signing.Records) {
	ctx := t.Context()
	k, other := createKey(t, s, newKeyRecord("c", 1)), createKey(t, s, newKeyRecord("c", 2))
	k.State, k.Activated, k.Chain = signing.KeyActive, suite.At(5), [][]byte{[]byte("another leaf")}
	suite.Must(t, "UpdateKeys", s.UpdateKeys(ctx, k))
	k.Revision = 2
	sameKey(t, s, "an updated key", k)
	k.State, k.Revoked, k.Reason = signing.KeyRevoked, suite.Finer, "superseded"
	k.Wrapped, k.WrappedBy, k.Retired = []byte("wrapped anew"), "master-2", suite.At(6)
	suite.Must(t, "UpdateKeys", s.UpdateKeys(ctx, k))
	k.Revision, k.Revoked = 3, suite.Kept
	sameKey(t, s, "a key updated twice", k)

	stale, good, unknown := k, other, newKeyRecord("c", 3)
	stale.Revision, stale.Reason, good.Reason, unknown.Revision = 1, "stale", "good", 1
	for name, wrong := range map[string]signing.KeyRecord{"a stale revision": stale, "an unknown key": unknown} {
		suite.Is(t, name, s.UpdateKeys(ctx, good, wrong), signing.ErrConflict)
		suite.Is(t, name+", first", s.UpdateKeys(ctx, wrong, good), signing.ErrConflict)
	}
	sameKey(t, s, "the key", k)
	sameKey(t, s, "the key beside it", other)
	suite.Must(t, "UpdateKeys of none", s.UpdateKeys(ctx))
}

// keysOneActive tests that a ring never has two active keys.
func keysOneActive(t *testing.T, s signing.Records) {
	ctx := t.Context()
	first := newKeyRecord("d", 1)
	first.State = signing.KeyActive
	first = createKey(t, s, first)
	second := newKeyRecord("d", 2)
	second.State = signing.KeyActive
	suite.Is(t, "creating a second active key", s.CreateKey(ctx, second), signing.ErrConflict)
	_, err := s.LoadKey(ctx, second.ID)
	suite.Is(t, "LoadKey", err, signing.ErrNoKey)
	second.State = signing.KeyNext
	second = createKey(t, s, second)
	elsewhere := newKeyRecord("d2", 1)
	elsewhere.State = signing.KeyActive
	createKey(t, s, elsewhere)

	activated, retired := second, first
	activated.State, retired.State = signing.KeyActive, signing.KeyRetired
	suite.Is(t, "activating a second key", s.UpdateKeys(ctx, activated), signing.ErrConflict)
	sameKey(t, s, "the key that stays next", second)
	suite.Must(t, "retiring one and activating the other", s.UpdateKeys(ctx, retired, activated))
	activated.Revision, retired.Revision = 2, 2
	sameKey(t, s, "the active key", activated)
	sameKey(t, s, "the retired key", retired)
}

func keysRace(t *testing.T, s signing.Records) {
	errs := suite.Race(suite.Writers, func(int) error { return s.CreateKey(t.Context(), newKeyRecord("e", 1)) })
	suite.OneWins(t, "a serial", errs, signing.ErrExists)
	errs = suite.Race(suite.Writers, func(i int) error {
		k := newKeyRecord("e", int32(i+2))
		k.State = signing.KeyActive
		return s.CreateKey(t.Context(), k)
	})
	suite.OneWins(t, "an active key", errs, signing.ErrConflict)
	k := createKey(t, s, newKeyRecord("f", 1))
	errs = suite.Race(suite.Writers, func(i int) error {
		k := k
		k.Reason = fmt.Sprint(i)
		return s.UpdateKeys(t.Context(), k)
	})
	k.Reason, k.Revision = fmt.Sprint(suite.OneWins(t, "an update", errs, signing.ErrConflict)), 2
	sameKey(t, s, "the winner's", k)
}

func keysList(t *testing.T, s signing.Records) {
	var all []signing.KeyRecord
	for i := range 12 {
		k := newKeyRecord([]string{"", "B", "A"}[i%3], int32(12-i))
		k.Purpose = []signing.Purpose{signing.PurposeStatus, signing.PurposeAuthority}[i%2]
		k.Created = suite.At(i).In(time.Local)
		k = createKey(t, s, k)
		k.Created = suite.At(i)
		all = append(all, k)
	}
	slices.SortFunc(all, func(a, b signing.KeyRecord) int {
		return cmp.Or(strings.Compare(string(a.Purpose), string(b.Purpose)), strings.Compare(a.Owner, b.Owner), cmp.Compare(a.Serial, b.Serial))
	})
	for purpose, want := range map[signing.Purpose][]signing.KeyRecord{
		"": all, signing.PurposeAuthority: all[:6], signing.PurposeStatus: all[6:], signing.PurposeMaster: nil,
	} {
		got, err := s.ListKeys(t.Context(), purpose)
		suite.Must(t, "ListKeys", err)
		if len(got)+len(want) > 0 {
			suite.Same(t, fmt.Sprintf("keys of purpose %q", purpose), got, want)
		}
	}
}
