package installation

import (
	"path/filepath"
	"testing"
	"time"

	"yizheng.internal/signing"
	"yizheng.internal/signing/jose"
	"yizheng.internal/signing/keystest"
	"yizheng.internal/signing/pki"
	"yizheng.internal/signing/sm2"
)

// openedRoot returns an installation with a department, and its root opened.
func openedRoot(t *testing.T) (*Installation, *keystest.Records, *pki.CA, signing.KeyRecord) {
	t.Helper()
	i, records := newInstallation(t)
	ca, err := OpenRoot(filepath.Join(i.c.Dir, "root"), "")
	if err != nil {
		t.Fatal(err)
	}
	k, err := i.AddAuthority(t.Context(), ca, marketDepartment, keystest.Day)
	if err != nil {
		t.Fatal(err)
	}
	return i, records, ca, k
}

func publish(t *testing.T, i *Installation, ca *pki.CA, life time.Duration, now time.Time) *pki.RevocationList {
	t.Helper()
	list, err := i.PublishRevocationList(t.Context(), ca, life, now)
	if err != nil {
		t.Fatal(err)
	}
	return list
}

// TestFirstRevocationList: a new installation has a list before its root is moved
// away, and its certificates say where.
func TestFirstRevocationList(t *testing.T) {
	i, records := newInstallation(t)
	der, err := records.LoadRevocationList(t.Context(), "root-1")
	if err != nil {
		t.Fatal(err)
	}
	list, err := i.Anchors().RevocationList(t.Context(), jose.NewVerifier(sm2.Config{}), der)
	if err != nil || len(list.Entries) != 0 || !list.NextUpdate.Equal(keystest.Day.Add(RevocationListLife)) || !list.ThisUpdate.Before(keystest.Day) {
		t.Errorf("%+v, %v", list, err)
	}
	k, err := i.Keyrings().Active(t.Context(), signing.PurposeStatus, "")
	if err != nil {
		t.Fatal(err)
	}
	if at := k.Certificates[0].CRLDistributionPoints; len(at) != 1 || at[0] != "https://license.example.gov/v1/trust/crl/root-1.crl" {
		t.Errorf("the list is at %q", at)
	}
}

func TestPublishRevocationList(t *testing.T) {
	i, records, ca, k := openedRoot(t)
	ctx, v, now := t.Context(), jose.NewVerifier(sm2.Config{}), keystest.Day.AddDate(0, 1, 0)
	first, err := i.Anchors().RevocationList(ctx, v, records.Published["root-1"].DER)
	if err != nil {
		t.Fatal(err)
	}
	if err := i.Keyrings().Revoke(ctx, k.ID, "superseded", keystest.Day.AddDate(0, 0, 3), now); err != nil {
		t.Fatal(err)
	}
	second := publish(t, i, ca, time.Hour, now)
	leaf, err := pki.ParseCertificate(k.Chain[0])
	if err != nil {
		t.Fatal(err)
	}
	if len(second.Entries) != 1 || second.Entries[0].Serial.Cmp(leaf.SerialNumber) != 0 || second.Entries[0].Reason != "superseded" ||
		!second.Entries[0].At.Equal(keystest.Day.AddDate(0, 0, 3)) || second.Number.Cmp(first.Number) <= 0 || !second.NextUpdate.Equal(now.Add(time.Hour)) {
		t.Errorf("%+v after %v", second, first.Number)
	}

	// The clock put back: the number still rises.
	if third := publish(t, i, ca, time.Hour, keystest.Day.AddDate(0, 0, -1)); third.Number.Cmp(second.Number) <= 0 {
		t.Errorf("number %v after %v", third.Number, second.Number)
	}

	// A worse reason comes to it. What was revoked stays so, whatever the records say later.
	if err := i.Keyrings().Revoke(ctx, k.ID, pki.KeyCompromise, now, now); err != nil {
		t.Fatal(err)
	}
	fourth := publish(t, i, ca, time.Hour, now)
	if len(fourth.Entries) != 1 || fourth.Entries[0].Reason != pki.KeyCompromise || !fourth.Entries[0].At.Equal(keystest.Day.AddDate(0, 0, 3)) {
		t.Errorf("%+v", fourth.Entries)
	}
	back, err := records.LoadKey(ctx, k.ID)
	if err != nil {
		t.Fatal(err)
	}
	back.State, back.Revoked, back.Reason = signing.KeyActive, time.Time{}, ""
	if err := i.c.Records.UpdateKeys(ctx, back); err != nil {
		t.Fatal(err)
	}
	if fifth := publish(t, i, ca, time.Hour, now); len(fifth.Entries) != 1 || fifth.Entries[0].Reason != pki.KeyCompromise {
		t.Errorf("after the record was put back: %+v", fifth.Entries)
	}

	_, _, other, _ := openedRoot(t)
	if _, err := i.PublishRevocationList(ctx, other, time.Hour, now); err == nil {
		t.Error("another's root published here")
	}
	foreign, err := other.RevocationList(nil, 1, keystest.Day, keystest.Day.Add(time.Hour))
	if err != nil {
		t.Fatal(err)
	}
	records.Published["root-1"] = keystest.Published{Number: 1, DER: foreign}
	if _, err := i.PublishRevocationList(ctx, ca, time.Hour, now); err == nil {
		t.Error("a list that the root did not sign was carried on")
	}
}
