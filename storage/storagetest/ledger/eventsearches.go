package ledger

import (
	"context"
	"slices"
	"testing"
	"time"

	"yizheng.internal/signing/journal"
	"yizheng.internal/storage/storagetest/suite"
)

// EventSearches tests [journal.Store].
func EventSearches(t *testing.T, open suite.Open) {
	db := open(t)
	a, b := string(suite.NewID()), string(suite.NewID())
	for _, log := range journal.Logs {
		t.Run(string(log), func(t *testing.T) {
			if log == journal.Registry {
				searchLog(t, db.Journal, log, "", "")
			} else {
				searchLog(t, db.Journal, log, a, b)
			}
		})
	}
}

// searchLog tests a log with two subjects, which may be none.
func searchLog(t *testing.T, s journal.Store, log journal.Log, a, b string) {
	ctx, actor, cli := t.Context(), suite.NewText(), "cli:"+suite.NewText()
	made := []journal.Event{ // appended in another order than that of their times
		searched(log, suite.At(3), "thing.update", actor, a, "ok"),
		searched(log, suite.At(1), "thing.create", actor, b, "begun"),
		searched(log, suite.At(2), "thing.update", actor, b, "refused"),
		searched(log, suite.At(3), "thing_update", actor, a, "ok"),
		searched(log, suite.At(9), "other.update", actor, a, "ok"),
		searched(log, suite.At(4), "thing.update", cli, b, "ok"),
		searched(log, suite.At(4), "thing.update", "clip", b, "ok"),
	}
	suite.Must(t, "AppendEvents", s.AppendEvents(ctx, made...))
	find := func(f journal.Filter) (found []int) {
		t.Helper()
		if f.Limit == 0 {
			f.Limit = 100
		}
		es, err := s.SearchEvents(ctx, log, f)
		suite.Must(t, "search", err)
		for _, e := range es {
			found = append(found, slices.IndexFunc(made, func(m journal.Event) bool { return m.ID == e.ID }))
		}
		return found
	}
	for _, c := range []struct {
		name string
		f    journal.Filter
		want []int
	}{
		{"by time, then by number", journal.Filter{Actor: actor}, []int{1, 2, 0, 3, 4}},
		{"newest first", journal.Filter{Actor: actor, Newest: true}, []int{4, 3, 0, 2, 1}},
		{"limit", journal.Filter{Actor: actor, Limit: 2}, []int{1, 2}},
		{"from included, until not", journal.Filter{Actor: actor, From: suite.At(2), Until: suite.At(9)}, []int{2, 0, 3}},
		{"action", journal.Filter{Actor: actor, Actions: []string{"thing.update"}}, []int{2, 0}},
		{"actions that begin so", journal.Filter{Actor: actor, Actions: []string{"thing.*", "other.update"}}, []int{1, 2, 0, 4}},
		{"result", journal.Filter{Actor: actor, Result: "begun"}, []int{1}},
		{"a beginning is no pattern", journal.Filter{Actor: actor, Actions: []string{"thing%*"}}, nil},
		{"nobody", journal.Filter{Actor: suite.NewText()}, nil},
		{"one operator", journal.Filter{Actor: cli}, []int{5}},
		{"all operators", journal.Filter{Actor: "cli", Actions: []string{"thing.update"}, From: suite.At(4), Until: suite.At(5)}, []int{5}},
	} {
		if got := find(c.f); !slices.Equal(got, c.want) {
			t.Errorf("%s: %v, want %v", c.name, got, c.want)
		}
	}
	if a != "" {
		suite.Same(t, "subject", find(journal.Filter{Actor: actor, Subject: a}), []int{0, 3, 4})
	} else {
		suite.Same(t, "subject", find(journal.Filter{Actor: actor, Subject: suite.NewText()}), []int(nil))
	}
	for _, newest := range []bool{false, true} {
		var want []journal.Event
		for _, i := range find(journal.Filter{Actor: actor, Newest: newest}) {
			want = append(want, made[i])
		}
		followLog(t, s, log, journal.Filter{Actor: actor, Newest: newest, Limit: 1}, want)
	}
	_, err := s.SearchEvents(suite.Ended(), log, journal.Filter{Limit: 1})
	suite.Is(t, "search", err, context.Canceled)
}

// followLog finds one event after the other.
func followLog(t *testing.T, s journal.Store, log journal.Log, f journal.Filter, want []journal.Event) {
	t.Helper()
	for _, w := range want {
		es, err := s.SearchEvents(t.Context(), log, f)
		suite.Must(t, "search", err)
		if len(es) != 1 || es[0].ID != w.ID {
			t.Fatalf("one after the other, newest %t: %v", f.Newest, es)
		}
		f.After = journal.Position{At: es[0].At, Seq: es[0].Seq}
	}
	es, err := s.SearchEvents(t.Context(), log, f)
	if suite.Must(t, "search", err); len(es) != 0 {
		t.Errorf("after all of them: %v", es)
	}
}

// searched returns an event to look for.
func searched(log journal.Log, when time.Time, action journal.Action, actor, subject, result string) journal.Event {
	e := recorded(journal.Stream{Log: log})
	e.At, e.Action, e.Actor.ID, e.Subject, e.Result = when, action, actor, subject, result
	return e
}
