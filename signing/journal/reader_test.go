package journal

import (
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"slices"
	"testing"
	"time"
)

var origin = time.Date(2026, 5, 1, 0, 0, 0, 0, time.UTC)

// source returns a log of entries that is searched as stores do it, and counts the questions.
func source(log Log, all []Entry, asked *int) Source {
	return func(_ context.Context, f Filter) (found []Entry, err error) {
		*asked++
		for _, e := range all {
			position := compare(e.Place(), Place{f.After.At, log, f.After.Seq})
			switch {
			case e.Log != log, e.At.Before(f.From), !e.At.Before(f.Until):
			case f.After.At.IsZero(), !f.Newest && position > 0, f.Newest && position < 0:
				found = append(found, e)
			}
		}
		slices.SortFunc(found, func(a, b Entry) int {
			if f.Newest {
				a, b = b, a
			}
			return compare(a.Place(), b.Place())
		})
		return found[:min(len(found), f.Limit)], nil
	}
}

// logs makes up logs: bursts in one second, many of the same moment, and months of nothing.
func logs(n int) (all []Entry) {
	at := origin
	for i := range n {
		switch rand.IntN(20) {
		case 0:
			at = at.Add(time.Duration(rand.IntN(40*24)) * time.Hour)
		case 1, 2, 3:
		default:
			at = at.Add(time.Duration(rand.IntN(5000)) * time.Microsecond)
		}
		all = append(all, Entry{Log: Logs[rand.IntN(3)], Seq: int64(i + 1), At: at})
	}
	return all
}

func reader(all []Entry, asked *int) Reader {
	r := Reader{Sources: map[Log]Source{}, Begin: origin, Now: all[len(all)-1].At.Add(time.Second), End: origin.AddDate(200, 0, 0)}
	for _, l := range Logs {
		r.Sources[l] = source(l, all, asked)
	}
	return r
}

// TestReader lists several logs in both orders, whole and in pieces by the cursor:
// every entry comes once, in order.
func TestReader(t *testing.T) {
	all := logs(700)
	all = append(all, Entry{Log: License, Seq: 9999, At: all[len(all)-1].At.AddDate(1, 0, 0)}) // of a clock that was wrong
	var asked int
	r := reader(all[:700], &asked)
	for _, l := range Logs {
		r.Sources[l] = source(l, all, &asked)
	}
	for _, newest := range []bool{false, true} {
		want := slices.Clone(all)
		slices.SortFunc(want, func(a, b Entry) int {
			if newest {
				a, b = b, a
			}
			return compare(a.Place(), b.Place())
		})
		for _, limit := range []int{0, 1, 7, 499, 500, 501, 701, 900} {
			if limit == 1 {
				want = want[:100]
			}
			t.Run(fmt.Sprint(newest, limit), func(t *testing.T) {
				var got []Entry
				var after Place
				for {
					n := 0
					err := r.List(t.Context(), Filter{Newest: newest, Limit: limit}, after, func(e Entry) error {
						got, n = append(got, e), n+1
						return nil
					})
					if err != nil {
						t.Fatal(err)
					}
					if limit == 0 || n < limit || len(got) >= len(want) {
						break
					}
					if after, err = ParsePlace(got[len(got)-1].Place().String()); err != nil {
						t.Fatal(err)
					}
				}
				got = got[:min(len(got), len(want))]
				if !slices.Equal(got, want) {
					t.Errorf("%d entries, and want %d, or another order", len(got), len(want))
				}
			})
			if limit == 1 {
				want = slices.Clone(all)
				slices.SortFunc(want, func(a, b Entry) int {
					if newest {
						a, b = b, a
					}
					return compare(a.Place(), b.Place())
				})
			}
		}
	}
}

// TestReaderAsksLittle lists the newest of a log that has nothing else for years.
func TestReaderAsksLittle(t *testing.T) {
	var asked int
	r := reader([]Entry{{Log: Provider, Seq: 1, At: origin.Add(time.Hour)}, {Log: License, Seq: 1, At: origin.AddDate(10, 0, 0)}}, &asked)
	n := 0
	err := r.List(t.Context(), Filter{Newest: true, Limit: 10}, Place{}, func(Entry) error { n++; return nil })
	if err != nil || n != 2 {
		t.Errorf("%d entries, %v", n, err)
	}
	if asked > 3*150 {
		t.Errorf("asked %d times", asked)
	}
	stop := errors.New("stop")
	if err := r.List(t.Context(), Filter{}, Place{}, func(Entry) error { return stop }); !errors.Is(err, stop) {
		t.Errorf("whoever shows can't stop: %v", err)
	}
}

// FuzzParsePlace looks for cursors that are read and not written so again.
func FuzzParsePlace(f *testing.F) {
	f.Add(Place{origin, License, 12}.String())
	f.Add("20260501T000000.000000Z_license_-1")
	f.Add("__")
	f.Fuzz(func(t *testing.T, text string) {
		p, err := ParsePlace(text)
		if err != nil {
			return
		}
		if again, err := ParsePlace(p.String()); err != nil || again != p {
			t.Errorf("%q is %+v, and again %+v, %v", text, p, again, err)
		}
	})
}
