package storagetest

import (
	"context"
	"fmt"
	"testing"

	"yizheng.internal/oidc"
)

// ProviderEvents tests [oidc.Events].
func ProviderEvents(t *testing.T, open Open) {
	s := open(t).Provider
	ctx := t.Context()
	fresh := func() oidc.EventRecord {
		return oidc.EventRecord{
			ID: newText(), At: at(0), Action: "client.create", Actor: "cli", Object: newText(),
			RequestID: newText(), Result: "ok", Hash: newHash(),
		}
	}
	list := func(size int) []oidc.EventRecord {
		return paged(t, size, func(last *oidc.EventRecord) ([]oidc.EventRecord, error) {
			var after int64
			if last != nil {
				after = last.Seq
			}
			return s.ListEvents(ctx, after, size)
		})
	}
	var want []oidc.EventRecord
	for i := range 5 {
		a, b := fresh(), fresh()
		a.At, b.At = finer, at(10-i)
		must(t, "AppendEvents", s.AppendEvents(ctx, a, b))
		a.At = kept
		want = append(want, a, b)
	}
	must(t, "AppendEvents of none", s.AppendEvents(ctx))
	for _, size := range []int{1, 3, 10, 100} {
		got := list(size)
		if len(got) != len(want) {
			t.Fatalf("%d events, want %d", len(got), len(want))
		}
		for i, e := range got {
			if i > 0 && e.Seq <= got[i-1].Seq {
				t.Errorf("event %d follows event %d", e.Seq, got[i-1].Seq)
			}
			e.Seq = 0
			same(t, fmt.Sprint("event ", i), e, want[i])
		}
	}
	for _, err := range race(Writers, func(int) error { return s.AppendEvents(ctx, fresh(), fresh()) }) {
		must(t, "AppendEvents", err)
	}
	same(t, "events after a race", len(list(7)), len(want)+2*Writers)

	is(t, "AppendEvents", s.AppendEvents(ended(), fresh()), context.Canceled)
	_, err := s.ListEvents(ended(), 0, 1)
	is(t, "ListEvents", err, context.Canceled)
	same(t, "events after that", len(list(100)), len(want)+2*Writers)
	none, err := s.ListEvents(ctx, 0, 0)
	must(t, "ListEvents", err)
	same(t, "events up to limit 0", len(none), 0)
}
