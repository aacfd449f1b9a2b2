// Package storagetest holds the contracts of the stores as tests: one suite a
// store, which every driver passes. A driver's test package has one function a
// suite, TestLicenses for [Licenses] and so on, each of one line:
//
//	func TestLicenses(t *testing.T) { storagetest.Licenses(t, open) }
//
// Beyond what the stores' own comments say, the suites hold drivers to this:
//
//   - Times are kept to the microsecond, what is finer is cut off (not
//     rounded), and come back in UTC. The zero time comes back as such.
//   - Bytes come back nil if they were nil, and empty if they were empty.
//   - A call whose context has ended before it began returns the context's
//     error, and does nothing.
//   - Limits of 0 return nothing. Lists without rows are no error.
package storagetest

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

// licensing is what the suites of package license's stores use: those, and the store
// that keeps the events of what they change.
type licensing struct {
	library.Stores
	journal.Store
}

func (d Database) licensing() licensing { return licensing{d.Licenses, d.Journal} }

// Open opens a new database: migrated, empty, nobody else's, and closed when
// the test ends.
type Open func(t *testing.T) Database

// epoch is when the suites' records were made, unless they say otherwise.
var epoch = time.Date(2026, 3, 1, 9, 30, 0, 0, time.UTC)

// at returns a time some seconds after epoch.
func at(seconds int) time.Time { return epoch.Add(time.Duration(seconds) * time.Second) }

// finer is a time that no database keeps as it is: finer than a microsecond, in
// another zone and before 1970, where cutting off and rounding toward zero
// differ. kept is what comes back.
var (
	finer = time.Date(1966, 5, 16, 23, 59, 59, 999_999_999, time.FixedZone("UTC+8", 8*60*60))
	kept  = time.Date(1966, 5, 16, 15, 59, 59, 999_999_000, time.UTC)
)

// newText returns a random text of 26 letters and digits.
func newText() string {
	var b [17]byte
	rand.Read(b[:])
	return strings.ToLower(base32.StdEncoding.EncodeToString(b[:]))[:26]
}

// newID returns the ID of a license that isn't stored.
func newID() audit.ID { return audit.ID(newText()) }

// newKey returns a lookup key that isn't stored.
func newKey() signing.Lookup { return newKeyOf(1) }

func newKeyOf(serial int32) signing.Lookup {
	l := signing.Lookup{Serial: serial}
	rand.Read(l.Sum[:])
	return l
}

// newHash returns random bytes, as of an event's hash.
func newHash() (h [32]byte) {
	rand.Read(h[:])
	return h
}

// day returns a date written as 2006-01-02.
func day(t *testing.T, text string) party.Date {
	t.Helper()
	d, err := party.ParseDate(text)
	if err != nil {
		t.Fatal(err)
	}
	return d
}

// is checks that an error is the one that is wanted, or none.
func is(t *testing.T, what string, got, want error) {
	t.Helper()
	if !errors.Is(got, want) {
		t.Errorf("%s: got %v, want %v", what, got, want)
	}
}

// must ends the test if there is an error.
func must(t *testing.T, what string, err error) {
	t.Helper()
	if err != nil {
		t.Fatalf("%s: %v", what, err)
	}
}

// same checks that two values are equal, down to nil or empty slices.
func same[T any](t *testing.T, what string, got, want T) {
	t.Helper()
	if !reflect.DeepEqual(got, want) {
		t.Errorf("%s:\n got %+v\nwant %+v", what, got, want)
	}
}

// race runs f that many times at once, and returns each one's error.
func race(n int, f func(i int) error) []error {
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

// oneWins checks that of racing callers one had no error and all the others
// had want, and returns the winner.
func oneWins(t *testing.T, what string, errs []error, want error) int {
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

// ended is a context that has ended.
func ended() context.Context {
	ctx, cancel := context.WithCancel(context.Background())
	cancel()
	return ctx
}

// paged collects what pages of a size hold, from the first to the last one,
// which is the first that is not full.
func paged[T any](t *testing.T, size int, page func(last *T) ([]T, error)) []T {
	t.Helper()
	var all []T
	var last *T
	for {
		rows, err := page(last)
		must(t, "a page", err)
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
