package registry_test

import (
	"context"
	"errors"
	"fmt"
	"sync/atomic"
	"testing"
	"time"

	"yizheng.internal/license"
	"yizheng.internal/license/audit"
	"yizheng.internal/license/library"
	"yizheng.internal/license/registry"
)

// reserving counts how often entries of status lists are reserved, and loses the answers
// of changes if it is told to.
type reserving struct {
	library.Stores
	n    atomic.Int64
	lose atomic.Bool
}

func (s *reserving) Reserve(ctx context.Context, indexes []int, most int, now time.Time) (int64, []int, error) {
	s.n.Add(1)
	return s.Stores.Reserve(ctx, indexes, most, now)
}

func (s *reserving) Save(ctx context.Context, q license.SaveRequest) error {
	if err := s.Stores.Save(ctx, q); err != nil || !s.lose.Load() {
		return err
	}
	return license.ErrUnavailable // it is stored all the same
}

// slotsWorld is a registry that counts, with two licenses.
func slotsWorld(t *testing.T) (w *world, stores *reserving, r *library.Library, first, other registry.Issued) {
	w = newWorld(t)
	stores = &reserving{Stores: w.DB.Licenses()}
	r = w.OpenOn(t, stores, nil)
	q := request("A-1")
	q.Serial = "1"
	first, err := r.Registry.Issue(t.Context(), issuer, q, "first")
	if err != nil {
		t.Fatal(err)
	}
	if other, err = r.Registry.Issue(t.Context(), issuer, request("A-2"), "other"); err != nil {
		t.Fatal(err)
	}
	return w, stores, r, first, other
}

// Whoever is refused takes no entry of a status list, however often.
func TestRefusedTakeNoEntries(t *testing.T) {
	_, stores, r, _, other := slotsWorld(t)
	ctx := t.Context()
	const loops = 50 // each of them more than a first block has entries
	for n := range loops {
		key := func(what string) string { return fmt.Sprint(what, n) }
		if _, err := r.Registry.Issue(ctx, issuer, request("A-1"), key("number")); reason(t, err) != "number_taken" {
			t.Fatalf("a number that is taken: %v", err)
		}
		q := request(key("serial"))
		q.Serial = "1"
		if _, err := r.Registry.Issue(ctx, issuer, q, key("serial")); reason(t, err) != "serial_taken" {
			t.Fatalf("a serial that is taken: %v", err)
		}
		q = request(key("schema"))
		q.Fields = []byte(`{"grade": 9}`)
		if _, err := r.Registry.Issue(ctx, issuer, q, key("schema")); reason(t, err) != "schema_violation" {
			t.Fatalf("fields that don't fit: %v", err)
		}
		if _, err := r.Registry.Replace(ctx, issuer, other.ID, replacing(license.Correction, "A-1"), seen(1)); reason(t, err) != "number_taken" {
			t.Fatalf("a replacement with a number that is taken: %v", err)
		}
	}
	if n := stores.n.Load(); n != 1 {
		t.Errorf("%d refused requests had entries reserved %d times, want once", 4*loops, n)
	}
}

// An entry comes back unless a version that has it was stored, or may have been.
func TestNoEntryIsGivenOutTwice(t *testing.T) {
	w, stores, r, first, other := slotsWorld(t)
	ctx := t.Context()
	taken := map[string]bool{}
	take := func(id audit.ID) {
		t.Helper()
		_, v, err := w.DB.Licenses().Load(ctx, id, 0)
		if err != nil {
			t.Fatal(err)
		}
		at := fmt.Sprint(v.StatusList, "/", v.StatusIndex)
		if taken[at] {
			t.Errorf("entry %s was given out twice", at)
		}
		taken[at] = true
	}
	take(first.ID)
	take(other.ID)
	for n := range 40 {
		stores.lose.Store(true)
		if _, err := r.Registry.Issue(ctx, issuer, request(fmt.Sprint("L-", n)), fmt.Sprint("lost-", n)); !errors.Is(err, license.ErrUnavailable) {
			t.Fatalf("an answer that is lost: %v", err)
		}
		stores.lose.Store(false)
		if _, err := r.Registry.Issue(ctx, issuer, request("A-1"), fmt.Sprint("again-", n)); reason(t, err) != "number_taken" {
			t.Fatal(err)
		}
		out, err := r.Registry.Issue(ctx, issuer, request(fmt.Sprint("L-", n)), fmt.Sprint("lost-", n)) // which was stored
		if err != nil || !out.Replayed {
			t.Fatalf("what was stored: %v, %v", out.Replayed, err)
		}
		take(out.ID)
	}
}
