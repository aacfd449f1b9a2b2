package verify_test

import (
	"context"
	"slices"
	"testing"
	"time"

	"yizheng.internal/license/credential"
	"yizheng.internal/license/library"
	"yizheng.internal/signing"
)

// without are key records of which somebody deleted one.
type without struct {
	signing.Records
	id signing.KeyID
}

func (s without) ListKeys(ctx context.Context, p signing.Purpose) ([]signing.KeyRecord, error) {
	all, err := s.Records.ListKeys(ctx, p)
	return slices.DeleteFunc(all, func(k signing.KeyRecord) bool { return k.ID == s.id }), err
}

// Whoever deletes the record of a revoked key doesn't make what it signed valid: a
// certificate of our own root without a record can't be judged.
func TestDeletedKeyRecord(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	issued := w.IssueOne(t, "1")
	key, err := w.In.Keyrings().Active(t.Context(), signing.PurposeAuthority, authority)
	if err != nil {
		t.Fatal(err)
	}
	verdict := func(r *library.Library) (credential.Verdict, credential.Check) {
		t.Helper()
		v := r.Verifications.Verify(t.Context(), issued.Credential)
		i := slices.IndexFunc(v.Checks, func(c credential.Check) bool { return c.Name == credential.CheckChain })
		return v.Verdict, v.Checks[i]
	}
	if got, _ := verdict(w.Library); got != credential.Valid {
		t.Fatalf("before: %s", got)
	}
	if err := w.In.Keyrings().Revoke(t.Context(), key.ID, "keyCompromise", time.Now(), time.Now()); err != nil {
		t.Fatal(err)
	}
	if got, c := verdict(w.Library); got != credential.Invalid || c.Reason != "key_compromised" {
		t.Errorf("revoked: %s %s", got, c.Reason)
	}
	c := config(w.DB.Licenses(), w.DB.Journal(), w.In)
	c.Keyrings, err = signing.NewKeyrings(signing.KeyringsConfig{
		Records: without{w.DB.Keys(), key.ID}, Module: w.In.Module(), Auth: w.In.Keyrings().Auth(),
	})
	if err != nil {
		t.Fatal(err)
	}
	r, err := library.New(t.Context(), c)
	if err != nil {
		t.Fatal(err)
	}
	if got, c := verdict(r); got != credential.Indeterminate || c.Result != credential.Unknown || c.Reason != "revocation_unavailable" {
		t.Errorf("its record deleted: %s %s %s", got, c.Result, c.Reason)
	}
}
