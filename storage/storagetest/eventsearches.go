package storagetest

import (
	"context"
	"slices"
	"testing"
	"time"

	"yizheng.internal/signing/journal"
)

// EventSearches tests [journal.Store].
func EventSearches(t *testing.T, open Open) {
	db := open(t)
	a, b := newID(), newID()
	for _, log := range journal.Logs {
		t.Run(string(log), func(t *testing.T) {
			a, b := string(a), string(b)
			if log == journal.Registry {
				a, b = "", ""
			}
			searchLog(t, searched[journal.Event]{
				add: db.Journal.AppendEvents,
				event: func(when time.Time, action, actor, subject, result string) journal.Event {
					e := recorded(journal.Stream{Log: log})
					e.At, e.Action, e.Actor.ID, e.Subject, e.Result = when, journal.Action(action), actor, subject, result
					return e
				},
				search: func(ctx context.Context, f journal.Filter) ([]journal.Event, error) {
					return db.Journal.SearchEvents(ctx, log, f)
				},
				seq: func(e journal.Event) int64 { return e.Seq }, when: func(e journal.Event) time.Time { return e.At },
				id: func(e journal.Event) string { return e.ID },
			}, a, b)
		})
	}
}

// searched is a log that is searched.
type searched[E any] struct {
	add    func(context.Context, ...E) error
	event  func(when time.Time, action, actor, subject, result string) E
	search func(context.Context, journal.Filter) ([]E, error)
	seq    func(E) int64
	when   func(E) time.Time
	id     func(E) string
}

// searchLog tests a log with two subjects, which may be none.
func searchLog[E any](t *testing.T, s searched[E], a, b string) {
	ctx, actor := t.Context(), newText()
	cli := "cli:" + newText()
	made := []E{ // appended in another order than that of their times
		s.event(at(3), "thing.update", actor, a, "ok"),
		s.event(at(1), "thing.create", actor, b, "begun"),
		s.event(at(2), "thing.update", actor, b, "refused"),
		s.event(at(3), "thing_update", actor, a, "ok"),
		s.event(at(9), "other.update", actor, a, "ok"),
		s.event(at(4), "thing.update", cli, b, "ok"),
		s.event(at(4), "thing.update", "clip", b, "ok"),
	}
	for _, e := range made {
		must(t, "AppendEvents", s.add(ctx, e))
	}
	find := func(f journal.Filter) (found []int) {
		t.Helper()
		if f.Limit == 0 {
			f.Limit = 100
		}
		es, err := s.search(ctx, f)
		must(t, "search", err)
		for _, e := range es {
			found = append(found, slices.IndexFunc(made, func(m E) bool { return s.id(m) == s.id(e) }))
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
		{"from included, until not", journal.Filter{Actor: actor, From: at(2), Until: at(9)}, []int{2, 0, 3}},
		{"action", journal.Filter{Actor: actor, Actions: []string{"thing.update"}}, []int{2, 0}},
		{"actions that begin so", journal.Filter{Actor: actor, Actions: []string{"thing.*", "other.update"}}, []int{1, 2, 0, 4}},
		{"result", journal.Filter{Actor: actor, Result: "begun"}, []int{1}},
		{"a beginning is no pattern", journal.Filter{Actor: actor, Actions: []string{"thing%*"}}, nil},
		{"nobody", journal.Filter{Actor: newText()}, nil},
		{"one operator", journal.Filter{Actor: cli}, []int{5}},
	} {
		if got := find(c.f); !slices.Equal(got, c.want) {
			t.Errorf("%s: %v, want %v", c.name, got, c.want)
		}
	}
	if a != "" {
		same(t, "subject", find(journal.Filter{Actor: actor, Subject: a}), []int{0, 3, 4})
	} else {
		same(t, "subject", find(journal.Filter{Actor: actor, Subject: newText()}), []int(nil))
	}
	operators := find(journal.Filter{Actor: "cli", Actions: []string{"thing.update"}, From: at(4), Until: at(5)})
	same(t, "all operators", operators, []int{5})
	for _, newest := range []bool{false, true} {
		f := journal.Filter{Actor: actor, Newest: newest, Limit: 1}
		all := find(journal.Filter{Actor: actor, Newest: newest})
		for _, want := range all {
			es, err := s.search(ctx, f)
			must(t, "search", err)
			if len(es) != 1 || s.id(es[0]) != s.id(made[want]) {
				t.Fatalf("one after the other, newest %t: %v", newest, es)
			}
			f.After = journal.Position{At: s.when(es[0]), Seq: s.seq(es[0])}
		}
		es, err := s.search(ctx, f)
		if must(t, "search", err); len(es) != 0 {
			t.Errorf("after all of them: %v", es)
		}
	}
	_, err := s.search(ended(), journal.Filter{Limit: 1})
	is(t, "search", err, context.Canceled)
}
