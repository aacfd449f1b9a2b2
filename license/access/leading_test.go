package access_test

import (
	"context"
	"errors"
	"strings"
	"testing"

	"yizheng.internal/license"
	"yizheng.internal/license/access"
	"yizheng.internal/license/audit"
	"yizheng.internal/license/grant"
	"yizheng.internal/license/library"
	offers "yizheng.internal/license/offer"
	"yizheng.internal/license/party"
	"yizheng.internal/signing"
)

// The row that leads from a request id to an earlier reading decides nothing: with
// another's reading in its place nothing is released, and no part more.
func TestAnothersReading(t *testing.T) {
	t.Parallel()
	w, _, d := newDelivery(t)
	q := redeem(d, "1")
	if _, err := w.Readings.Redeem(t.Context(), consumer, q); err != nil {
		t.Fatal(err)
	}
	again := func(alter func(*access.Record)) error {
		r := w.OpenOn(t, stores{Stores: w.DB.Licenses(), OnLoadUse: func(u *access.Used) { alter(u.Earlier) }}, nil)
		_, err := r.Readings.Redeem(t.Context(), consumer, q)
		return err
	}
	if err := again(func(*access.Record) {}); err != nil {
		t.Errorf("the same request again: %v", err)
	}
	for name, alter := range map[string]func(*access.Record){
		"of another license": func(a *access.Record) { a.License = "another" },
		"of another version": func(a *access.Record) { a.Version++ },
		"by another grant":   func(a *access.Record) { a.Grant = "another" },
		"by another client":  func(a *access.Record) { a.Client = "another" },
		"a refused one":      func(a *access.Record) { a.Result = "window_over" },
	} {
		if err := again(alter); !errors.Is(err, signing.ErrAltered) {
			t.Errorf("a reading %s: %v, want it refused as altered", name, err)
		}
	}
}

// A use code that leads to another license's row, or is of another grant, releases nothing:
// each of the rows is as it was written, but they don't belong together.
func TestCodeOfAnother(t *testing.T) {
	t.Parallel()
	w, _, d := newDelivery(t)
	other := w.IssueTo(t, "JY-2", nil)
	rec, v, err := w.DB.Licenses().Load(t.Context(), other.ID, 0)
	if err != nil {
		t.Fatal(err)
	}
	read := func(request string, alter func(*access.Used)) error {
		r := w.OpenOn(t, stores{Stores: w.DB.Licenses(), OnLoadUse: alter}, nil)
		_, err := r.Readings.Redeem(t.Context(), consumer, redeem(d, request))
		return err
	}
	for name, alter := range map[string]func(*access.Used){
		"another license": func(u *access.Used) { u.License, u.Version = rec, v },
		"another grant":   func(u *access.Used) { u.Grant.ID = "another" },
		"another code":    func(u *access.Used) { u.Code.Hash[0] ^= 1 },
	} {
		if err := read(strings.ReplaceAll(name, " ", "-"), alter); !errors.Is(err, signing.ErrAltered) {
			t.Errorf("%s: %v, want it refused as altered", name, err)
		}
	}
	if err := read("1", func(*access.Used) {}); err != nil {
		t.Errorf("the code itself: %v", err)
	}
}

// Of a version, somebody altered the middle of a sealed column, where its authenticator does
// not reach: nothing is released, and the version is refused as altered, whichever column it is.
func TestColumnsThatDoNotOpen(t *testing.T) {
	t.Parallel()
	w, _, d := newDelivery(t)
	for name, column := range map[string]func(*license.VersionRecord) []byte{
		"body":             func(v *license.VersionRecord) []byte { return v.Body },
		"credential":       func(v *license.VersionRecord) []byte { return v.Credential },
		"presentation-key": func(v *license.VersionRecord) []byte { return v.HolderKey },
	} {
		r := w.OpenOn(t, stores{Stores: w.DB.Licenses(), OnLoadUse: func(u *access.Used) {
			sealed := column(&u.Version)
			sealed[len(sealed)-17] ^= 1 // the tag has 16 bytes
		}}, nil)
		if out, err := r.Readings.Redeem(t.Context(), consumer, redeem(d, name)); !errors.Is(err, signing.ErrAltered) || out.Credential != "" {
			t.Errorf("%s: %v, want it refused as altered", name, err)
		}
	}
}

// leading are stores whose rows that lead from a party lead everybody to the first's.
type leading struct {
	library.Stores
	readings, grants []signing.Lookup
}

func (s *leading) AccessRecords(ctx context.Context, keys []signing.Lookup, before int64, limit int) ([]access.Record, error) {
	if s.readings == nil {
		s.readings = keys
	}
	return s.Stores.AccessRecords(ctx, s.readings, before, limit)
}

func (s *leading) ListGrants(ctx context.Context, keys []signing.Lookup, before license.Cursor, limit int) ([]grant.Record, error) {
	if s.grants == nil {
		s.grants = keys
	}
	return s.Stores.ListGrants(ctx, s.grants, before, limit)
}

// Somebody to whom another's grants and readings lead is shown none of them.
func TestAnothersGrantsAndReadings(t *testing.T) {
	t.Parallel()
	w, out, d := newDelivery(t)
	if _, err := w.Readings.Redeem(t.Context(), consumer, redeem(d, "1")); err != nil {
		t.Fatal(err)
	}
	r := w.OpenOn(t, &leading{Stores: w.DB.Licenses()}, nil)
	stranger := offers.Subject{Party: "party-2", Codes: []party.Code{{Type: party.Citizen, Value: spouse}}, Assurance: 2}
	wantShown(t, r, "their own", subject(), 1, out.ID) // after which the stores lead there
	wantShown(t, r, "another's", stranger, 0, out.ID)
}

func wantShown(t *testing.T, r *library.Library, name string, s offers.Subject, want int, ids ...audit.ID) {
	t.Helper()
	readings, err := r.Readings.AccessRecords(t.Context(), s, 0, 10)
	if err != nil || len(readings.Records) != want {
		t.Errorf("%s: %d readings, %v, want %d", name, len(readings.Records), err, want)
	}
	for _, id := range ids {
		readings, err := r.Readings.LicenseRecords(t.Context(), s, id, 0, 10)
		if err != nil || len(readings.Records) != want || readings.Next != 0 {
			t.Errorf("%s: %d readings of one license, %v, want %d", name, len(readings.Records), err, want)
		}
	}
	grants, err := r.Grants.List(t.Context(), s, "", 10)
	if err != nil || len(grants.Grants) != want {
		t.Errorf("%s: %d grants, %v, want %d", name, len(grants.Grants), err, want)
	}
}
