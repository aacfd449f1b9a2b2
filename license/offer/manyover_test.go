package offer_test

import (
	"context"
	"fmt"
	"slices"
	"testing"
	"time"

	"yizheng.internal/license"
	offers "yizheng.internal/license/offer"
	"yizheng.internal/license/party"
	"yizheng.internal/license/registry"
)

// However many licenses of a type somebody has that are over, the one that is good is
// offered: a list of the newest alone would hide it.
func TestManyOver(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	w.PublishItem(t, itemCode, item())
	good := w.IssueOne(t, "good")
	for i := range 101 {
		if _, err := w.Registry.End(t.Context(), issuer, w.IssueOne(t, fmt.Sprint("over-", i)).ID, ending(), registry.Terms{}); err != nil {
			t.Fatal(err)
		}
	}
	o := offer(t, w.Library, subject())
	m := o.Materials[0]
	if m.Outcome != offers.OutcomeFound || len(m.Licenses) != 1 || m.Licenses[0].ID != good.ID {
		t.Errorf("with one that is good: %s, %d licenses", m.Outcome, len(m.Licenses))
	}
	w.Suspend(t, good.ID)
	if m := offer(t, w.Library, subject()).Materials[0]; m.Outcome != offers.OutcomeSuspended {
		t.Errorf("with one that is suspended: %s", m.Outcome)
	}
}

// copies are stores in which somebody's active licenses are so many copies of one.
type copies struct {
	stores
	left *int
}

func (s copies) Search(ctx context.Context, q license.Query) ([]license.Record, error) {
	all, err := s.stores.Search(ctx, license.Query{Kind: q.Kind, Keys: q.Keys, Type: q.Type, State: q.State, Limit: 1})
	if err != nil || q.State != license.Active || len(all) == 0 {
		return all, err
	}
	n := min(q.Limit, *s.left)
	*s.left -= n
	return slices.Repeat(all, n), nil
}

// Of more active licenses than are looked at it isn't said that none is good.
func TestMoreThanLookedAt(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	w.PublishItem(t, itemCode, item())
	w.IssueOne(t, "expired")
	yesterday := party.DateOf(time.Now()).AddDays(-1)
	over := stores{Stores: w.DB.Licenses(), OnLoad: func(v *license.VersionRecord) { v.ValidUntil = yesterday; w.Restamp(v) }}
	for many, want := range map[int]offers.Outcome{
		1: offers.OutcomeExpired, 250: offers.OutcomeExpired, 499: offers.OutcomeExpired, 600: offers.OutcomeUnavailable,
	} {
		left := many
		r := w.OpenOn(t, copies{over, &left}, nil)
		if got := offer(t, r, subject()).Materials[0].Outcome; got != want {
			t.Errorf("%d: %s, want %s", many, got, want)
		}
	}
}
