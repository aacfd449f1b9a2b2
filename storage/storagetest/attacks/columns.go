package attacks

import (
	"errors"
	"slices"
	"strings"
	"testing"
	"time"

	"yizheng.internal/license"
	"yizheng.internal/license/party"
	"yizheng.internal/license/registry"
	"yizheng.internal/signing"
)

// Columns alters one plain column after the other of a license, also to what no column of
// ours can be: each change of the license's state is refused as of an altered record, and
// the record is named; nothing is answered that says something else.
func Columns(t *testing.T, open func(t *testing.T) *Attacked) {
	for _, sql := range []string{
		"UPDATE licenses SET type = 'another' WHERE id = @id",
		"UPDATE licenses SET authority = '99990101MA00000002' WHERE id = @id",
		"UPDATE licenses SET revision = revision + 1 WHERE id = @id",
		"UPDATE licenses SET version = version + 1 WHERE id = @id",
		"UPDATE licenses SET version = -1 WHERE id = @id",
		"UPDATE licenses SET state = 'ended' WHERE id = @id",
		"UPDATE licenses SET created = updated, updated = created, auth = NULL WHERE id = @id",
		"UPDATE licenses SET updated = {bad time} WHERE id = @id",
		"UPDATE license_versions SET state = 'x' WHERE license = @id",
		"UPDATE license_versions SET type_version = type_version + 1 WHERE license = @id",
		"UPDATE license_versions SET origin = 'x' WHERE license = @id",
		"UPDATE license_versions SET trust_grade = 'x' WHERE license = @id",
		"UPDATE license_versions SET valid_from = {bad date} WHERE license = @id",
		"UPDATE license_versions SET valid_until = {bad date} WHERE license = @id",
		"UPDATE license_versions SET status_list = status_list + 1 WHERE license = @id",
		"UPDATE license_versions SET status_list = -1 WHERE license = @id",
		"UPDATE license_versions SET status_index = status_index + 1 WHERE license = @id",
		"UPDATE license_versions SET status_index = 2000000000 WHERE license = @id",
		"UPDATE license_versions SET issued = {bad time} WHERE license = @id",
		"UPDATE license_versions SET body = credential WHERE license = @id",
		"UPDATE license_versions SET body = {inside body} WHERE license = @id",
		"UPDATE license_versions SET holder_key = auth WHERE license = @id",
		"UPDATE license_versions SET auth = NULL WHERE license = @id",
		"UPDATE license_versions SET auth = body WHERE license = @id",
		"DELETE FROM status_entries",
	} {
		t.Run(strings.TrimSuffix(sql, " = @id"), func(t *testing.T) { t.Parallel(); columnAltered(t, newVictims(t, open(t)), sql) })
	}
}

func columnAltered(t *testing.T, v *victims, sql string) {
	ctx := t.Context()
	v.sql(t, string(v.out.ID), strings.NewReplacer("{bad date}", v.BadDate, "{bad time}", v.BadTime, "{inside body}", v.Inside).Replace(sql))
	today := party.DateOf(time.Now())
	document := license.Document{Number: "样例〔2026〕1号", Date: today, Basis: "a basis"}
	for what, change := range map[string]func() error{
		"end": func() error {
			_, err := v.reg.Registry.End(ctx, v.officer, v.out.ID, registry.EndRequest{Kind: "revoked", EffectiveFrom: today, Reason: "a reason", Document: document}, registry.Terms{})
			return err
		},
		"replace": func() error {
			q := v.request("N-1", "样例甲", "11010519491231002X")
			_, err := v.reg.Registry.Replace(ctx, v.officer, v.out.ID, registry.ReplaceRequest{Kind: license.Correction, Reason: "a reason", Number: q.Number,
				Holders: q.Holders, ValidFrom: q.ValidFrom, ValidUntil: q.ValidUntil, Fields: q.Fields}, registry.Terms{Revisions: []int64{1, 2}})
			return err
		},
		"suspend": func() error {
			if strings.Contains(sql, "{inside body}") {
				return signing.ErrAltered // which needs nothing of the body until it answers
			}
			_, err := v.reg.Registry.Suspend(ctx, v.officer, v.out.ID, registry.SuspendRequest{Reason: "a reason", Document: document}, registry.Terms{})
			return err
		},
	} {
		if err := change(); !errors.Is(err, signing.ErrAltered) {
			t.Errorf("%s: %v, want it refused as altered", what, err)
		}
	}
	named := func(all []string) bool {
		return slices.ContainsFunc(all, func(one string) bool {
			return strings.HasPrefix(one, "licenses "+string(v.out.ID)) || strings.HasPrefix(one, "license_versions "+string(v.out.ID)) ||
				strings.HasPrefix(one, "status_entries 1/")
		})
	}
	if all := v.in.Keyrings().Auth().Refused(); !named(all) {
		t.Errorf("refused are %q, and not the license", all)
	}
}
