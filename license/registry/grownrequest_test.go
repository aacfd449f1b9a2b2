package registry_test

import (
	"testing"

	"yizheng.internal/license/registry"
)

// TestRepeatsAcrossAnAddedMember repeats requests across an update of the program that
// gives a request a member more: what was sent before is answered as it was, by nodes of
// both programs; what differs in the new member is another request.
func TestRepeatsAcrossAnAddedMember(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	ctx := t.Context()
	out := w.IssueOne(t, "A-1")
	suspend := func() {
		t.Helper()
		if _, err := w.Registry.Suspend(ctx, issuer, out.ID, suspension(), registry.Terms{}); err != nil {
			t.Fatal(err)
		}
	}
	before := func(key, reason string) (registry.Changed, error) {
		return w.Registry.Resume(ctx, issuer, out.ID, registry.ResumeRequest{Reason: reason}, registry.Terms{Key: key})
	}
	after := func(key, reason, note string) (registry.Changed, error) {
		q := registry.GrownResume{ResumeRequest: registry.ResumeRequest{Reason: reason}, Note: note}
		return w.Registry.ResumeGrown(ctx, issuer, out.ID, q, registry.Terms{Key: key})
	}
	same := func(what string, first, c registry.Changed, err error) {
		t.Helper()
		if err != nil || !c.Replayed || first.Replayed || text(t, c.License) != text(t, first.License) {
			t.Errorf("%s: %+v, %v", what, c, err)
		}
	}
	other := func(what string, _ registry.Changed, err error) {
		t.Helper()
		if reason(t, err) != "idempotency_key_reused" {
			t.Errorf("%s: %v", what, err)
		}
	}

	suspend()
	old, err := before("old", "发还")
	if err != nil {
		t.Fatal(err)
	}
	again, err := after("old", "发还", "")
	same("sent before the update, repeated after it", old, again, err)
	again, err = after("old", "发还", "附注")
	other("the same key, and the new member", again, err)
	again, err = after("old", "其他", "")
	other("the same key, and another reason", again, err)

	suspend()
	plain, err := after("plain", "发还", "")
	if err != nil {
		t.Fatal(err)
	}
	again, err = after("plain", "发还", "")
	same("repeated after the update", plain, again, err)
	again, err = before("plain", "发还")
	same("repeated at a node of the program before", plain, again, err)

	suspend()
	noted, err := after("noted", "发还", "附注")
	if err != nil {
		t.Fatal(err)
	}
	again, err = after("noted", "发还", "附注")
	same("repeated with the new member", noted, again, err)
	again, err = after("noted", "发还", "")
	other("without the new member", again, err)
	again, err = after("noted", "发还", "另注")
	other("with another in it", again, err)
}
