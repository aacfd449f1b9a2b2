// Package suite is what the suites of storagetest share: the stores of one database, values that aren't
// stored yet, and checks.
package suite

import (
	"context"
	"crypto/rand"
	"encoding/base32"
	"errors"
	"reflect"
	"strings"
	"sync"
	"testing"
	"time"

	"yizheng.internal/license/audit"
	"yizheng.internal/license/library"
	"yizheng.internal/license/party"
	"yizheng.internal/oidc/provider"
	"yizheng.internal/signing"
	"yizheng.internal/signing/highwater"
	"yizheng.internal/signing/journal"
	"yizheng.internal/storage/retention"
)

// Writers is how many goroutines race in the suites.
const Writers = 32

// Database is the stores of one database.
type Database struct {
	Licenses library.Stores
	Provider provider.Stores
	Journal  journal.Store
	Keys     signing.Records
	Lists    signing.RevocationLists
	Auth     signing.AuthStore
	Sweeper  retention.Sweeper
	// HighWater is of the same database.
	HighWater highwater.Store
	Months    retention.Months
}

// Licensing is what the suites of package license's stores use: those, and the store
// that keeps the events of what they change.
type Licensing struct {
	library.Stores
	journal.Store
}

// Licensing returns the stores of licenses, and that of their events.
func (d Database) Licensing() Licensing { return Licensing{d.Licenses, d.Journal} }

// Open opens a new database: migrated, empty, nobody else's, and closed when
// the test ends.
type Open func(t *testing.T) Database

// Epoch is when the suites' records were made, unless they say otherwise.
var Epoch = time.Date(2026, 3, 1, 9, 30, 0, 0, time.UTC)

// At returns a time some seconds after Epoch.
func At(seconds int) time.Time { return Epoch.Add(time.Duration(seconds) * time.Second) }

// Finer is a time that no database keeps as it is: finer than a microsecond, in
// another zone and before 1970, where cutting off and rounding toward zero
// differ. Kept is what comes back.
var (
	Finer = time.Date(1966, 5, 16, 23, 59, 59, 999_999_999, time.FixedZone("UTC+8", 8*60*60))
	Kept  = time.Date(1966, 5, 16, 15, 59, 59, 999_999_000, time.UTC)
)

// NewText returns a random text of 26 letters and digits.
func NewText() string {
	var b [17]byte
	rand.Read(b[:])
	return strings.ToLower(base32.StdEncoding.EncodeToString(b[:]))[:26]
}

// NewID returns the ID of a license that isn't stored.
func NewID() audit.ID { return audit.ID(NewText()) }

// NewKey returns a lookup key that isn't stored.
func NewKey() signing.Lookup { return NewKeyOf(1) }

// NewKeyOf is NewKey with a key of that serial.
func NewKeyOf(serial int32) signing.Lookup {
	l := signing.Lookup{Serial: serial}
	rand.Read(l.Sum[:])
	return l
}

// NewHash returns random bytes, as of an event's hash.
func NewHash() (h [32]byte) {
	rand.Read(h[:])
	return h
}

// Day returns a date written as 2006-01-02.
func Day(t *testing.T, text string) party.Date {
	t.Helper()
	d, err := party.ParseDate(text)
	if err != nil {
		t.Fatal(err)
	}
	return d
}

// Is checks that an error is the one that is wanted, or none.
func Is(t *testing.T, what string, got, want error) {
	t.Helper()
	if !errors.Is(got, want) {
		t.Errorf("%s: got %v, want %v", what, got, want)
	}
}

// Must ends the test if there is an error.
func Must(t *testing.T, what string, err error) {
	t.Helper()
	if err != nil {
		t.Fatalf("%s: %v", what, err)
	}
}

// Same checks that two values are equal, down to nil or empty slices.
func Same[T any](t *testing.T, what string, got, want T) {
	t.Helper()
	if !reflect.DeepEqual(got, want) {
		t.Errorf("%s:\n got %+v\nwant %+v", what, got, want)
	}
}

// Race runs f that many times at once, and returns each one's error.
func Race(n int, f func(i int) error) []error {
	errs := make([]error, n)
	start := make(chan struct{})
	var wg sync.WaitGroup
	for i := range n {
		wg.Go(func() {
			<-start
			errs[i] = f(i)
		})
	}
	close(start)
	wg.Wait()
	return errs
}

// OneWins checks that of racing callers one had no error and all the others
// had want, and returns the winner.
func OneWins(t *testing.T, what string, errs []error, want error) int {
	t.Helper()
	winner := -1
	for i, err := range errs {
		switch {
		case err == nil && winner >= 0:
			t.Errorf("%s: both %d and %d won", what, winner, i)
		case err == nil:
			winner = i
		case !errors.Is(err, want):
			t.Errorf("%s: a loser got %v, want %v", what, err, want)
		}
	}
	if winner < 0 {
		t.Fatalf("%s: nobody won; the first error is %v", what, errs[0])
	}
	return winner
}

// Ended is a context that has ended.
func Ended() context.Context {
	ctx, cancel := context.WithCancel(context.Background())
	cancel()
	return ctx
}

// Paged collects what pages of a size hold, from the first to the last one,
// which is the first that is not full.
func Paged[T any](t *testing.T, size int, page func(last *T) ([]T, error)) []T {
	t.Helper()
	var all []T
	var last *T
	for {
		rows, err := page(last)
		Must(t, "a page", err)
		if len(rows) > size {
			t.Fatalf("a page of %d has %d rows", size, len(rows))
		}
		all = append(all, rows...)
		if len(rows) < size {
			return all
		}
		last = &rows[len(rows)-1]
		if len(all) > 100_000 {
			t.Fatal("the pages don't end")
		}
	}
}
