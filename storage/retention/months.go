package retention

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"maps"
	"slices"
	"sync"
	"sync/atomic"
	"time"
)

// Table is a log that is kept by month.
type Table string

// The logs that go by month. Licenses' own histories are part of the licenses, and stay.
const (
	Events         Table = "events"          // the registry's, of no one license
	ProviderEvents Table = "provider_events" // logins, tokens, administration
	AccessRecords  Table = "access_records"  // who read what of whose licenses
)

// Tables are all logs that go by month.
var Tables = []Table{Events, ProviderEvents, AccessRecords}

// Valid reports whether there is such a table.
func (t Table) Valid() bool {
	_, ok := columns[t]
	return ok
}

// Kind is what a column holds.
type Kind string

// Kinds of columns.
const (
	Number Kind = "number"
	Text   Kind = "text"
	Time   Kind = "time"
	Bytes  Kind = "bytes"
	// Form is a Number: in which form an event was hashed. FirstForm isn't written into
	// archives, so that a row of it is written as it was before there was another form.
	Form Kind = "form"
)

// FirstForm is the form of the events from before there was another one.
const FirstForm = int64(1)

// Column is a column of a log's rows.
type Column struct {
	Name string
	Kind Kind
}

// Columns returns a log's columns in their order, seq and at first.
func (t Table) Columns() []Column { return columns[t] }

var columns = map[Table][]Column{
	Events: {{"seq", Number}, {"at", Time}, {"id", Text}, {"action", Text}, {"client", Text}, {"participant", Text}, {"request_id", Text},
		{"version", Number}, {"result", Text}, {"detail", Bytes}, {"hash", Bytes}, {"form", Form}},
	ProviderEvents: {{"seq", Number}, {"at", Time}, {"id", Text}, {"action", Text}, {"actor", Text}, {"object", Text}, {"request_id", Text},
		{"result", Text}, {"hash", Bytes}, {"form", Form}},
	AccessRecords: {{"seq", Number}, {"at", Time}, {"id", Text}, {"grant_id", Text}, {"license", Text}, {"version", Number}, {"client", Text},
		{"participant", Text}, {"item", Text}, {"basis", Text}, {"channel", Text}, {"result", Text}, {"disclosure", Text}, {"body", Bytes}},
}

// Month is a month of UTC, counted from the year 0.
type Month int

// MonthOf returns the month of a time.
func MonthOf(t time.Time) Month {
	y, m, _ := t.UTC().Date()
	return Month(y*12 + int(m) - 1)
}

// ParseMonth reads a month written as 2026-01.
func ParseMonth(text string) (Month, error) {
	t, err := time.Parse("2006-01", text)
	if err != nil {
		return 0, fmt.Errorf("%.20q is no month such as 2026-01", text)
	}
	return MonthOf(t), nil
}

// Begin returns the month's first moment.
func (m Month) Begin() time.Time {
	return time.Date(int(m)/12, time.Month(int(m)%12+1), 1, 0, 0, 0, 0, time.UTC)
}

// End returns the next month's first moment.
func (m Month) End() time.Time { return (m + 1).Begin() }

// String returns the month as 2026-01.
func (m Month) String() string { return m.Begin().Format("2006-01") }

// Terms say how many whole months the logs are kept. The numbers are this
// project's choice, and no law's.
type Terms struct {
	EventMonths  int  // events of both kinds; 0: for ever
	RecordMonths int  // access records; 0: for ever
	Unarchived   bool // months go that were not archived, too
}

// What Terms are unless an operator says otherwise, and the least that they may be.
const (
	DefaultEventMonths  = 12
	DefaultRecordMonths = 36
	LeastMonths         = 6
)

// Check returns an error if a term is too short.
func (t Terms) Check() error {
	for name, n := range map[string]int{"events": t.EventMonths, "access records": t.RecordMonths} {
		if n != 0 && n < LeastMonths || n < 0 {
			return fmt.Errorf("%s are kept %d months at least (0: for ever), not %d", name, LeastMonths, n)
		}
	}
	return nil
}

// Last returns the newest month of a table that may be deleted at a time, if there is one: it
// ended as many months ago as the table is kept.
func (t Terms) Last(table Table, now time.Time) (m Month, ok bool) {
	kept := t.EventMonths
	if table == AccessRecords {
		kept = t.RecordMonths
	}
	return MonthOf(now) - Month(kept) - 1, kept > 0
}

// State is what is known of a month of a log.
type State struct {
	Month   Month
	Rows    bool      // it has rows
	Archive Archive   // zero: it was never archived
	Dropped time.Time // when it was last deleted; zero: never
}

// Archive is what was archived of a month: in one part, unless rows came later.
type Archive struct {
	Parts  int
	Rows   int64    // of all parts
	Last   int64    // the highest seq in them
	Digest [32]byte // SM3 of the last part
	At     time.Time
}

// Place is a row's place in a month.
type Place struct {
	At  time.Time
	Seq int64
}

// Row is a row of a log: int64, string, time.Time in UTC, or []byte (nil for
// none), by its table's columns.
type Row []any

// Place returns the row's place.
func (r Row) Place() Place { return Place{r[1].(time.Time), r[0].(int64)} }

// ErrUnarchived is the error of deleting a month that has rows which were not archived.
var ErrUnarchived = errors.New("the month has rows that were not archived")

// Months keeps logs by month. Every driver passes storagetest/upkeep.Months.
type Months interface {
	// ListMonths returns the months of a table, up to one, that have rows or are
	// remembered, oldest first.
	ListMonths(ctx context.Context, table Table, until Month) ([]State, error)
	// MonthRows returns up to limit rows of a month whose seq is greater than above,
	// that come after a place, in an order of the driver's. The zero Place is before all.
	MonthRows(ctx context.Context, table Table, m Month, above int64, after Place, limit int) ([]Row, error)
	// MarkArchived remembers what was archived of a month, in all.
	MarkArchived(ctx context.Context, table Table, m Month, a Archive) error
	// DropMonth deletes a month, or a bounded part of it; the lookup keys of its rows go sooner
	// or later. It reports how many rows went, if it counted them, and whether the month went
	// with this call. Of all callers, on any node, exactly one is told so; of a month without
	// rows, nobody is. Unless all rows were archived, or unarchived is set, it deletes nothing
	// and returns ErrUnarchived. Any caller may continue what another one began. The month with
	// the newest row of all may stay, without an error, because numbers go on from that row.
	DropMonth(ctx context.Context, table Table, m Month, unarchived bool, now time.Time) (gone int64, done bool, err error)
}

// Counters count what a process deleted, for its metrics.
type Counters struct {
	Rows    atomic.Int64 // by sweeps, and of months where they go row by row
	Months  atomic.Int64 // of logs
	Waiting atomic.Int64 // months that are over and wait for being archived, when last looked
}

// Drop deletes the months that are over, each in at most steps steps, and calls said for each:
// with nil if it was deleted, or with ErrUnarchived.
func Drop(ctx context.Context, db Months, t Terms, now time.Time, steps int, c *Counters, said func(Table, Month, error)) error {
	waiting := int64(0)
	var failed []error // what one log keeps up must not keep up the others
	for _, table := range Tables {
		last, ok := t.Last(table, now)
		if !ok {
			continue
		}
		months, err := db.ListMonths(ctx, table, last)
		if err != nil {
			failed = append(failed, err)
			continue
		}
		for _, s := range months {
			if !s.Rows {
				continue
			}
			switch gone, err := drop(ctx, db, t, table, s.Month, now, steps, c); {
			case errors.Is(err, ErrUnarchived):
				waiting++
				said(table, s.Month, ErrUnarchived)
			case err != nil:
				failed = append(failed, fmt.Errorf("deleting %s of %s: %w", table, s.Month, err))
			case gone:
				c.Months.Add(1)
				said(table, s.Month, nil)
			}
		}
	}
	c.Waiting.Store(waiting)
	return errors.Join(failed...)
}

func drop(ctx context.Context, db Months, t Terms, table Table, m Month, now time.Time, steps int, c *Counters) (bool, error) {
	for range steps {
		n, done, err := db.DropMonth(ctx, table, m, t.Unarchived, now)
		c.Rows.Add(n)
		if err != nil || done || n == 0 {
			return done, err
		}
	}
	return false, nil
}

// Keeper keeps a driver's months by an operator's terms.
type Keeper struct {
	Terms
	Counters
	told sync.Map // months of which the log has that they wait
}

// Drop deletes the months that are over at now. It logs each month that it deleted, and once
// each month that waits to be archived.
func (k *Keeper) Drop(ctx context.Context, db Months, now time.Time, steps int, log *slog.Logger) error {
	return Drop(ctx, db, k.Terms, now, steps, &k.Counters, func(table Table, m Month, err error) {
		if err == nil {
			log.InfoContext(ctx, "a month is over and was deleted", "log", string(table), "month", m.String())
		} else if _, told := k.told.LoadOrStore(string(table)+m.String(), true); !told {
			log.WarnContext(ctx, "a month is over and stays until it is archived: yizheng archive export", "log", string(table), "month", m.String())
		}
	})
}

// sweptAtOnce is how many parts of tables are swept at once, so that a large table
// takes no reader's turn, and in how many steps a month is deleted.
const sweptAtOnce = 256

// Clean deletes what is over for long enough at now, until little is left to do:
// first what purge deletes, up to limit rows at a time, then what sweeps find, then
// months.
func (k *Keeper) Clean(ctx context.Context, db interface {
	Months
	Sweeper
}, now time.Time, log *slog.Logger, limit int, purge func() (int, error)) error {
	for {
		n, err := purge()
		if err != nil {
			return err
		}
		k.Rows.Add(int64(n))
		if n < limit {
			break
		}
	}
	for range sweptAtOnce {
		gone, done, err := db.Sweep(ctx, now)
		k.Rows.Add(int64(gone))
		if err != nil {
			return err
		}
		if done {
			break
		}
	}
	return k.Drop(ctx, db, now, sweptAtOnce, log)
}

// InOrder returns the states of months, oldest first.
func InOrder(months map[Month]*State) []State {
	all := make([]State, 0, len(months))
	for _, m := range slices.Sorted(maps.Keys(months)) {
		all = append(all, *months[m])
	}
	return all
}
