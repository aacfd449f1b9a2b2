package ledger

import (
	"context"
	"testing"

	"yizheng.internal/oidc/identity/trail"
	"yizheng.internal/signing/journal"
	"yizheng.internal/storage/storagetest/suite"
)

// Trails tests [trail.Events].
func Trails(t *testing.T, open suite.Open) {
	db := open(t)
	t.Run("Actions", func(t *testing.T) { trailActions(t, db) })
	t.Run("Order", func(t *testing.T) { trailOrder(t, db) })
}

// trailActions tests for every action and kind of result that its events are found for the
// account that they are about, and for no other.
func trailActions(t *testing.T, db suite.Database) {
	actor, subject := suite.NewText(), suite.NewText()
	type found struct {
		account string
		tries   bool
	}
	want := map[found][]string{}
	var es []journal.Event
	for _, known := range journal.Actions() {
		for _, result := range []string{journal.ResultOK, journal.ResultBegun, "wrong", "logout"} {
			e := searched(journal.Provider, suite.At(len(es)), known.Action, actor, subject, result)
			es = append(es, e)
			if account, tried, ok := trail.About(e); ok {
				of := found{account, tried}
				want[of] = append([]string{e.ID}, want[of]...)
			}
		}
	}
	suite.Must(t, "AppendEvents", db.Journal.AppendEvents(t.Context(), es...))
	if len(want) != 3 { // nobody tries anything in the place of the actor
		t.Fatalf("events are about %d things, and not three", len(want))
	}
	for _, account := range []string{actor, subject, suite.NewText()} {
		for _, tries := range []bool{false, true} {
			got, err := db.Provider.AccountEvents(t.Context(), trail.Query{Account: account, Tries: tries, From: suite.At(0), Limit: 1000})
			suite.Must(t, "AccountEvents", err)
			suite.Same(t, "events", idsOf(got), want[found{account, tries}])
		}
	}
}

// trailOrder tests the order, and all that bounds what is found.
func trailOrder(t *testing.T, db suite.Database) {
	ctx, a := t.Context(), suite.NewText()
	made := []journal.Event{ // in another order than that of their times
		searched(journal.Provider, suite.At(3), journal.ActionLogin, "", a, "ok"),
		searched(journal.Provider, suite.At(1), journal.ActionSessionBegin, a, suite.NewText(), "ok"),
		searched(journal.Provider, suite.At(3), journal.ActionCodeSend, a, a, "ok"),
		searched(journal.Provider, suite.At(2), journal.ActionPhoneChange, "cli:x", a, "ok"),
		searched(journal.Provider, suite.At(4), journal.ActionLogin, "", a, "wrong_password"),
		searched(journal.Provider, suite.At(5), journal.ActionLogin, "", a, "wrong_password"),
	}
	suite.Must(t, "AppendEvents", db.Journal.AppendEvents(ctx, made...))
	ids := func(of ...int) (ids []string) {
		for _, i := range of {
			ids = append(ids, made[i].ID)
		}
		return ids
	}
	ask := func(q trail.Query) []journal.Event {
		t.Helper()
		q.Account = a
		es, err := db.Provider.AccountEvents(ctx, q)
		suite.Must(t, "AccountEvents", err)
		return es
	}
	all := ask(trail.Query{From: suite.At(0), Limit: 10})
	suite.Same(t, "newest first", idsOf(all), ids(2, 0, 3, 1))
	SameEvents(t, "an event", all[1:2], made[0])
	suite.Same(t, "tries", idsOf(ask(trail.Query{Tries: true, From: suite.At(0), Limit: 10})), ids(5, 4))
	suite.Same(t, "from included", idsOf(ask(trail.Query{From: suite.At(2), Limit: 10})), ids(2, 0, 3))
	suite.Same(t, "limit", idsOf(ask(trail.Query{From: suite.At(0), Limit: 1})), ids(2))
	suite.Same(t, "limit of 0", idsOf(ask(trail.Query{From: suite.At(0)})), ids())
	suite.Same(t, "before", idsOf(ask(trail.Query{From: suite.At(0), Before: journal.Position{At: suite.At(3), Seq: all[0].Seq}, Limit: 10})), ids(0, 3, 1))
	suite.Same(t, "before a moment", idsOf(ask(trail.Query{From: suite.At(0), Before: journal.Position{At: suite.At(3)}, Limit: 10})), ids(3, 1))
	suite.Same(t, "tries before", idsOf(ask(trail.Query{Tries: true, From: suite.At(0), Before: journal.Position{At: suite.At(5)}, Limit: 10})), ids(4))
	got := suite.Paged(t, 1, func(last *journal.Event) ([]journal.Event, error) {
		q := trail.Query{Account: a, From: suite.At(0), Limit: 1}
		if last != nil {
			q.Before = journal.Position{At: last.At, Seq: last.Seq}
		}
		return db.Provider.AccountEvents(ctx, q)
	})
	suite.Same(t, "one after the other", idsOf(got), ids(2, 0, 3, 1))
	_, err := db.Provider.AccountEvents(suite.Ended(), trail.Query{Account: a, Limit: 1})
	suite.Is(t, "AccountEvents", err, context.Canceled)
}

func idsOf(es []journal.Event) (ids []string) {
	for _, e := range es {
		ids = append(ids, e.ID)
	}
	return ids
}
