package pki

import (
	"errors"
	"testing"
	"time"

	"yizheng.internal/signing/jose"
	"yizheng.internal/signing/signingtest"
	"yizheng.internal/signing/sm2"
)

func TestCheckedLists(t *testing.T) {
	ctx, v, now := t.Context(), jose.NewVerifier(sm2.Config{}), testStart.AddDate(0, 1, 0)
	ca, other, day := newCA(t), newCA(t), testStart.AddDate(0, 0, 3)
	bad, good := certify(t, ca, signingtest.NewSM2(t).Public()), certify(t, ca, signingtest.NewSM2(t).Public())
	list := func(number int64, entries []Revocation) []byte {
		der, err := ca.RevocationList(entries, number, now.Add(-time.Hour), now.Add(time.Hour))
		if err != nil {
			t.Fatal(err)
		}
		return der
	}
	entries, err := ca.AddRevoked(nil, bad, day, KeyCompromise)
	if err != nil {
		t.Fatal(err)
	}
	empty, full := list(1, nil), list(2, entries)
	within, anchors := now.Add(time.Minute), mustAnchors(t, ca.Certificate.Raw)

	lists, err := anchors.RevocationLists(ctx, v, within, full)
	if err != nil {
		t.Fatal(err)
	}
	if reason, from, revoked, err := lists.Revoked(ctx, bad); err != nil || !revoked || reason != KeyCompromise || !from.Equal(day) {
		t.Errorf("%q, %v, %v, %v", reason, from, revoked, err)
	}
	if _, _, revoked, err := lists.Revoked(ctx, good); revoked || err != nil {
		t.Errorf("a good one: %v, %v", revoked, err)
	}
	// The one with the higher number counts, in whatever order they come.
	for _, two := range [][][]byte{{empty, full}, {full, empty}} {
		both, err := anchors.RevocationLists(ctx, v, within, two...)
		if err != nil {
			t.Fatal(err)
		}
		if _, _, revoked, _ := both.Revoked(ctx, bad); !revoked {
			t.Error("the older list won")
		}
	}
	// Another's certificate is on no list at hand, and gets onto none.
	foreign := certify(t, other, signingtest.NewSM2(t).Public())
	if _, _, _, err := lists.Revoked(ctx, foreign); !errors.Is(err, ErrNotListed) {
		t.Errorf("another's: %v", err)
	}
	if same, err := ca.AddRevoked(entries, foreign, day, KeyCompromise); err != nil || len(same) != 1 {
		t.Errorf("another's was added: %v, %v", same, err)
	}
	none, err := anchors.RevocationLists(ctx, v, within)
	if err != nil {
		t.Fatal(err)
	}
	if _, _, _, err := none.Revoked(ctx, good); !errors.Is(err, ErrNotListed) {
		t.Errorf("no list: %v", err)
	}
	for name, tt := range map[string]struct {
		list []byte
		at   time.Time
	}{
		"out of date": {full, now.Add(time.Hour)}, "of the future": {full, now.Add(-2 * time.Hour)},
		"another's": {mustList(t, other), testNow}, "no list": {[]byte("x"), now},
	} {
		if _, err := anchors.RevocationLists(ctx, v, tt.at, tt.list); err == nil {
			t.Errorf("%s: taken", name)
		}
	}
}
