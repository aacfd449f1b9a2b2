package upkeep

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"yizheng.internal/license"
	"yizheng.internal/signing"
	"yizheng.internal/signing/journal"
	"yizheng.internal/storage/retention"
	"yizheng.internal/storage/storagetest/grants"
	"yizheng.internal/storage/storagetest/ledger"
	"yizheng.internal/storage/storagetest/suite"
)

// Months tests [retention.Months].
func Months(t *testing.T, open suite.Open) {
	for _, table := range retention.Tables {
		t.Run(string(table), func(t *testing.T) { monthsOf(t, open(t), table) })
	}
	t.Run("Records", func(t *testing.T) { monthsOfRecords(t, open(t)) })
	t.Run("Terms", func(t *testing.T) { monthsByTerms(t, open(t)) })
	t.Run("Unknown", func(t *testing.T) {
		d := open(t)
		_, err := d.Months.ListMonths(t.Context(), "licenses", march)
		_, rerr := d.Months.MonthRows(t.Context(), "licenses", march, 0, retention.Place{}, 1)
		_, _, derr := d.Months.DropMonth(t.Context(), "licenses", march, true, suite.At(0))
		if err == nil || rerr == nil || derr == nil {
			t.Errorf("of a table that isn't kept by month: %v, %v, %v", err, rerr, derr)
		}
	})
}

// march is the month of epoch.
var march = retention.MonthOf(suite.Epoch)

// log appends a row to a table then, and returns its id.
func log(t *testing.T, d suite.Database, table retention.Table, when time.Time) string {
	t.Helper()
	switch table {
	case retention.Events:
		e := ledger.Event("", journal.ActionLicenseSearch)
		e.At = when
		suite.Must(t, "AppendEvents", d.Journal.AppendEvents(t.Context(), e))
		return e.ID
	case retention.ProviderEvents:
		e := journal.Event{Log: journal.Provider, ID: suite.NewText(), At: when, Action: "login.password", Actor: journal.Actor{ID: "a"}, Subject: "o", RequestID: "r", Result: "ok", Hash: suite.NewHash()}
		suite.Must(t, "AppendEvents", d.Journal.AppendEvents(t.Context(), e))
		return e.ID
	}
	u := grants.Usable(t, d.Licensing())
	r := u.Reading("r")
	r.Record.At = when
	suite.Must(t, "SaveUse", d.Licenses.SaveUse(t.Context(), r))
	return r.Record.ID
}

// rows reads a month in pages of two, and returns the rows' ids and highest number.
func rows(t *testing.T, d suite.Database, table retention.Table, m retention.Month, above int64) (ids map[string]bool, last int64) {
	t.Helper()
	ids = map[string]bool{}
	for _, r := range suite.Paged(t, 2, func(last *retention.Row) ([]retention.Row, error) {
		var after retention.Place
		if last != nil {
			after = last.Place()
		}
		return d.Months.MonthRows(t.Context(), table, m, above, after, 2)
	}) {
		if len(r) != len(table.Columns()) {
			t.Fatalf("a row of %s has %d values", table, len(r))
		}
		for i, c := range table.Columns() {
			ok := false
			switch c.Kind {
			case retention.Number, retention.Form:
				_, ok = r[i].(int64)
			case retention.Text:
				_, ok = r[i].(string)
			case retention.Time:
				var at time.Time
				at, ok = r[i].(time.Time)
				ok = ok && at.Location() == time.UTC
			case retention.Bytes:
				_, ok = r[i].([]byte)
			}
			if !ok {
				t.Errorf("%s of %s is a %T", c.Name, table, r[i])
			}
		}
		ids[r[2].(string)] = true
		last = max(last, r.Place().Seq)
	}
	return ids, last
}

// drop deletes a month, and reports whether it went.
func drop(t *testing.T, d suite.Database, table retention.Table, m retention.Month, unarchived bool) (bool, error) {
	t.Helper()
	for range 100 {
		n, done, err := d.Months.DropMonth(t.Context(), table, m, unarchived, suite.At(0))
		if err != nil || done || n == 0 {
			return done, err
		}
	}
	t.Fatal("a month never goes")
	return false, nil
}

func states(t *testing.T, d suite.Database, table retention.Table, until retention.Month) string {
	t.Helper()
	all, err := d.Months.ListMonths(t.Context(), table, until)
	suite.Must(t, "ListMonths", err)
	var text strings.Builder
	for _, s := range all {
		text.WriteString(fmt.Sprintf("%s rows=%v parts=%d gone=%v; ", s.Month, s.Rows, s.Archive.Parts, !s.Dropped.IsZero()))
	}
	return text.String()
}

// monthsOf archives and deletes months, with rows at both ends of one, and some
// that come after their month was archived, and after it was deleted.
func monthsOf(t *testing.T, d suite.Database, table retention.Table) {
	ctx := t.Context()
	begin, end := march.Begin(), march.End()
	want := map[string]bool{log(t, d, table, begin): true, log(t, d, table, end.Add(-tick)): true, log(t, d, table, suite.Epoch): true}
	before, after := log(t, d, table, begin.Add(-tick)), log(t, d, table, end)

	got, last := rows(t, d, table, march, 0)
	suite.Same(t, "the month's rows", got, want)
	got, _ = rows(t, d, table, march, last)
	suite.Same(t, "rows above the last number", len(got), 0)
	suite.Same(t, "months", states(t, d, table, march), "2026-02 rows=true parts=0 gone=false; 2026-03 rows=true parts=0 gone=false; ")

	_, err := drop(t, d, table, march, false)
	suite.Is(t, "DropMonth of what isn't archived", err, retention.ErrUnarchived)
	a := retention.Archive{Parts: 1, Rows: 3, Last: last, Digest: suite.NewHash(), At: suite.At(5)}
	suite.Must(t, "MarkArchived", d.Months.MarkArchived(ctx, table, march, a))
	all, err := d.Months.ListMonths(ctx, table, march)
	suite.Must(t, "ListMonths", err)
	suite.Same(t, "the archive", all[1].Archive, a)

	// A row that comes too late isn't archived.
	late := log(t, d, table, suite.Epoch)
	_, err = drop(t, d, table, march, false)
	suite.Is(t, "DropMonth with a row that came later", err, retention.ErrUnarchived)
	got, last = rows(t, d, table, march, last)
	suite.Same(t, "rows that came later", got, map[string]bool{late: true})
	a.Parts, a.Rows, a.Last = 2, 4, last
	newest := log(t, d, table, end)
	suite.Must(t, "MarkArchived", d.Months.MarkArchived(ctx, table, march, a))
	done, err := drop(t, d, table, march, false)
	suite.Must(t, "DropMonth", err)
	suite.Same(t, "whether it is gone", done, true)
	got, _ = rows(t, d, table, march, 0)
	suite.Same(t, "how many rows it has", len(got), 0)
	got, _ = rows(t, d, table, march-1, 0)
	suite.Same(t, "the month before", got, map[string]bool{before: true})
	got, _ = rows(t, d, table, march+1, 0)
	suite.Same(t, "the month after", got, map[string]bool{after: true, newest: true})
	suite.Same(t, "months", states(t, d, table, march), "2026-02 rows=true parts=0 gone=false; 2026-03 rows=false parts=2 gone=true; ")

	// Numbers go on, and what comes now isn't taken for archived.
	again := log(t, d, table, suite.Epoch)
	got, seq := rows(t, d, table, march, last)
	suite.Same(t, "what came after the month was gone", got, map[string]bool{again: true})
	if seq <= last {
		t.Errorf("number %d follows number %d", seq, last)
	}
	suite.Same(t, "months", states(t, d, table, march), "2026-02 rows=true parts=0 gone=false; 2026-03 rows=true parts=2 gone=true; ")
	_, err = drop(t, d, table, march, false)
	suite.Is(t, "DropMonth with a row that came after", err, retention.ErrUnarchived)

	// Told so, it goes unarchived.
	log(t, d, table, end)
	done, err = drop(t, d, table, march-1, true)
	suite.Must(t, "DropMonth", err)
	suite.Same(t, "whether it is gone", done, true)
	suite.Same(t, "months", states(t, d, table, march-1), "2026-02 rows=false parts=0 gone=true; ")
	got, _ = rows(t, d, table, march, 0)
	suite.Same(t, "another month", got, map[string]bool{again: true})

	// A month of which nothing is left is no error.
	done, err = drop(t, d, table, march-1, false)
	suite.Must(t, "DropMonth again", err)
	suite.Same(t, "whether it went now", done, false)
}

// monthsOfRecords deletes access records with what leads to them.
func monthsOfRecords(t *testing.T, d suite.Database) {
	s := d.Licensing()
	party := []signing.Lookup{suite.NewKey()}
	u := grants.Usable(t, s)
	r := u.Reading("r")
	r.Record.At, r.Record.Party = suite.Epoch, party
	suite.Must(t, "SaveUse", s.SaveUse(t.Context(), r))
	next := u.Reading("r2")
	next.First, next.Record.At, next.Record.Party = r.Record.At, march.End(), party
	suite.Must(t, "SaveUse", s.SaveUse(t.Context(), next))
	grants.SameRecords(t, s, "records", party, next.Record, r.Record)
	got, _ := rows(t, d, retention.AccessRecords, march, 0)
	suite.Same(t, "the month's rows", got, map[string]bool{r.Record.ID: true})
	all, err := d.Months.MonthRows(t.Context(), retention.AccessRecords, march, 0, retention.Place{}, 1)
	suite.Must(t, "MonthRows", err)
	if body := all[0][13].([]byte); !bytes.Equal(body, r.Record.Body) {
		t.Errorf("the body is %q", body)
	}
	done, err := drop(t, d, retention.AccessRecords, march, true)
	suite.Must(t, "DropMonth", err)
	suite.Same(t, "whether it is gone", done, true)
	grants.SameRecords(t, s, "records of later months", party, next.Record)
	if used := grants.LoadUse(t, s, u, "r"); used.Earlier != nil {
		t.Error("a record that is gone is found by its request id")
	}
	if used := grants.LoadUse(t, s, u, "r2"); used.Earlier == nil {
		t.Error("a record that is left isn't found by its request id")
	}
	sweep(t, d, suite.At(0).Add(100*time.Hour)) // the keys of what is gone
	grants.SameRecords(t, s, "records after a sweep", party, next.Record)
}

// monthsByTerms lets months go by an operator's terms: the last that may, and not
// the next.
func monthsByTerms(t *testing.T, d suite.Database) {
	now := (march + 13).Begin()                               // march ended twelve months ago
	for _, table := range slices.Backward(retention.Tables) { // readings leave events, too
		for m := march - 1; m <= march+1; m++ {
			log(t, d, table, m.Begin().Add(time.Hour))
		}
	}
	terms := retention.Terms{EventMonths: 12, RecordMonths: 13}
	var c retention.Counters
	kept := func(terms retention.Terms, now time.Time) (waiting, gone []string) {
		t.Helper()
		suite.Must(t, "Drop", retention.Drop(t.Context(), d.Months, terms, now, 10, &c, func(table retention.Table, m retention.Month, err error) {
			if what := fmt.Sprint(table, " ", m); errors.Is(err, retention.ErrUnarchived) {
				waiting = append(waiting, what)
			} else {
				gone = append(gone, what)
			}
		}))
		return waiting, gone
	}
	waiting, gone := kept(terms, now)
	suite.Same(t, "what waits", waiting, []string{"events 2026-02", "events 2026-03", "provider_events 2026-02", "provider_events 2026-03", "access_records 2026-02"})
	suite.Same(t, "what went", gone, nil)
	suite.Same(t, "how many wait", c.Waiting.Load(), 5)
	_, last := rows(t, d, retention.Events, march-1, 0)
	suite.Must(t, "MarkArchived", d.Months.MarkArchived(t.Context(), retention.Events, march-1, retention.Archive{Parts: 1, Rows: 1, Last: last, At: now}))
	waiting, gone = kept(terms, now)
	suite.Same(t, "how many wait", len(waiting), 4)
	suite.Same(t, "what went", gone, []string{"events 2026-02"})
	terms.Unarchived = true
	waiting, gone = kept(terms, now.Add(-tick))
	suite.Same(t, "what waits", waiting, nil)
	suite.Same(t, "what went", gone, []string{"provider_events 2026-02"})
	_, gone = kept(terms, now)
	suite.Same(t, "what went then", gone, []string{"events 2026-03", "provider_events 2026-03", "access_records 2026-02"})
	_, gone = kept(retention.Terms{Unarchived: true}, now.AddDate(50, 0, 0))
	suite.Same(t, "what goes without terms", gone, nil)
	suite.Same(t, "how many went", c.Months.Load(), 5)
	suite.Same(t, "how many wait", c.Waiting.Load(), 0)
}

// MonthsTogether lets several stores of one database, as nodes have them, delete the
// same months side by side: each month goes once, and is counted and told of once.
func MonthsTogether(t *testing.T, stores ...suite.Database) {
	const months = 4
	for _, table := range slices.Backward(retention.Tables) { // readings leave events, too
		for m := march; m < march+months; m++ {
			log(t, stores[0], table, m.Begin())
			log(t, stores[0], table, m.Begin())
		}
		log(t, stores[0], table, (march + 20).Begin()) // the newest stays with SQLite
	}
	var mu sync.Mutex
	told := map[string]int{}
	counters := make([]retention.Counters, len(stores))
	var listed, all sync.WaitGroup // all have listed the months before one goes
	listed.Add(len(stores))
	for i, d := range stores {
		all.Go(func() {
			terms := retention.Terms{EventMonths: 12, RecordMonths: 12, Unarchived: true}
			db := &listedFirst{Months: d.Months, wait: sync.OnceFunc(func() { listed.Done(); listed.Wait() })}
			for {
				err := retention.Drop(t.Context(), db, terms, (march + 12 + months).Begin(), 100, &counters[i], func(table retention.Table, m retention.Month, err error) {
					mu.Lock()
					defer mu.Unlock()
					told[fmt.Sprint(table, " ", m, " ", err)]++
				})
				if err == nil {
					return
				}
				if !errors.Is(err, license.ErrUnavailable) { // that waited for another for too long
					t.Errorf("node %d: %v", i, err)
					return
				}
			}
		})
	}
	all.Wait()
	counted := int64(0)
	for i := range counters {
		counted += counters[i].Months.Load()
	}
	suite.Same(t, "how many months were counted", counted, int64(months*len(retention.Tables)))
	suite.Same(t, "how many were told of", len(told), months*len(retention.Tables))
	for what, n := range told {
		if n != 1 {
			t.Errorf("%s was told %d times", what, n)
		}
	}
}

// listedFirst has the first list of months wait.
type listedFirst struct {
	retention.Months
	wait func()
}

func (l *listedFirst) ListMonths(ctx context.Context, table retention.Table, until retention.Month) ([]retention.State, error) {
	found, err := l.Months.ListMonths(ctx, table, until)
	l.wait()
	return found, err
}
