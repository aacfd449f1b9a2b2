package journal

import (
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"slices"
	"testing"
	"testing/synctest"
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
					reached, err := r.List(t.Context(), Filter{Newest: newest, Limit: limit}, after, func(e Entry) error {
						got, n = append(got, e), n+1
						return nil
					})
					if err != nil {
						t.Fatal(err)
					}
					if limit == 0 || n < limit || len(got) >= len(want) {
						break
					}
					if after, err = ParsePlace(reached.String()); err != nil || after != got[len(got)-1].Place() {
						t.Fatalf("a list that is full goes on after %v, %v", reached, err)
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
	_, err := r.List(t.Context(), Filter{Newest: true, Limit: 10}, Place{}, func(Entry) error { n++; return nil })
	if err != nil || n != 2 {
		t.Errorf("%d entries, %v", n, err)
	}
	if asked > 3*150 {
		t.Errorf("asked %d times", asked)
	}
	stop := errors.New("stop")
	if _, err := r.List(t.Context(), Filter{}, Place{}, func(Entry) error { return stop }); !errors.Is(err, stop) {
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

// TestReaderSlow looks for a few entries in a log of a year of which a source looks
// through some hours in its time: it is asked for less, and everything is found.
func TestReaderSlow(t *testing.T) {
	const within = 8 * time.Second
	errSlow := errors.New("slow")
	for _, newest := range []bool{false, true} {
		for _, quiet := range []bool{false, true} { // nothing at all but in its middle month
			synctest.Test(t, func(t *testing.T) {
				var all []Entry
				for day := range 365 {
					if day%90 == 7 || day == 190 {
						all = append(all, Entry{Log: Logs[day%3], Seq: int64(day), At: origin.AddDate(0, 0, day)})
					}
				}
				failed, asked := 0, 0
				r := reader(all, &asked)
				r.Now, r.End = origin.AddDate(1, 0, 0), origin.AddDate(1, 0, 0)
				r.Slow = func(err error) bool { return errors.Is(err, errSlow) }
				for log, source := range r.Sources {
					r.Sources[log] = func(ctx context.Context, f Filter) ([]Entry, error) {
						hours := f.Until.Sub(f.From).Hours()
						if busy := origin.AddDate(0, 6, 0); quiet { // only a month takes its time
							hours = max(0, min(hours, f.Until.Sub(busy).Hours(), busy.AddDate(0, 1, 0).Sub(f.From).Hours()))
						}
						took := time.Duration(hours * float64(within) / 6)
						if time.Sleep(min(took, within)); took > within {
							failed++
							return nil, errSlow
						}
						return source(ctx, f)
					}
				}
				var got []Entry
				last := time.Now()
				_, err := r.List(t.Context(), Filter{Newest: newest}, Place{}, func(e Entry) error { got = append(got, e); return nil })
				if newest {
					slices.Reverse(got)
				}
				if err != nil || !slices.Equal(got, all) {
					t.Errorf("found %v, want %v: %v", got, all, err)
				}
				if quiet != (failed > 0) || failed > 10 {
					t.Errorf("newest first %t, quiet %t: asked %d times in vain, of %d", newest, quiet, failed, asked)
				}
				// Three logs take 3¼ hours each when nothing is asked for in vain.
				if took := time.Since(last); took > 10*time.Hour+30*time.Minute {
					t.Errorf("it took %v", took)
				}
			})
		}
	}
}

// TestReaderGivesUp has a source fail in the middle of a list: what was found before
// is shown, and a list from the place that was reached finds the rest, and nothing twice.
func TestReaderGivesUp(t *testing.T) {
	all := logs(700)
	broken := errors.New("broken")
	for _, newest := range []bool{false, true} {
		var asked int
		r := reader(all, &asked)
		fail := 40
		for log, source := range r.Sources {
			r.Sources[log] = func(ctx context.Context, f Filter) ([]Entry, error) {
				if fail--; fail == 0 {
					return nil, broken
				}
				return source(ctx, f)
			}
		}
		var got []Entry
		show := func(e Entry) error { got = append(got, e); return nil }
		var reached Place
		failures := 0
		for {
			var err error
			if reached, err = r.List(t.Context(), Filter{Newest: newest}, reached, show); err == nil {
				break
			}
			if failures++; !errors.Is(err, broken) || failures > 1000 {
				t.Fatal(err)
			}
			if reached, err = ParsePlace(reached.String()); err != nil && len(got) > 0 {
				t.Fatal(err)
			}
			fail = 40
		}
		want := slices.Clone(all)
		slices.SortFunc(want, func(a, b Entry) int {
			if newest {
				a, b = b, a
			}
			return compare(a.Place(), b.Place())
		})
		if !slices.Equal(got, want) || failures < 2 {
			t.Errorf("newest first %t: %d entries, want %d, or others, after %d failures", newest, len(got), len(want), failures)
		}
	}
}

// TestAdmits has each condition of a filter admit an entry, and not another.
func TestAdmits(t *testing.T) {
	e := Entry{At: origin, Action: "client.update", Actor: "cli:w", Subject: "s", Result: "ok"}
	for _, c := range []struct {
		name    string
		yes, no Filter
	}{
		{"from", Filter{From: origin}, Filter{From: origin.Add(1)}},
		{"until", Filter{Until: origin.Add(1)}, Filter{Until: origin}},
		{"action", Filter{Actions: []string{"x", "client.update"}}, Filter{Actions: []string{"client.updat"}}},
		{"actions", Filter{Actions: []string{"client.*"}}, Filter{Actions: []string{"clients.*"}}},
		{"actor", Filter{Actor: "cli:w"}, Filter{Actor: "cli:v"}},
		{"operators", Filter{Actor: "cli"}, Filter{Actor: "cl"}},
		{"subject", Filter{Subject: "s"}, Filter{Subject: "t"}},
		{"result", Filter{Result: "ok"}, Filter{Result: "begun"}},
		{"all", Filter{Actions: []string{"*"}}, Filter{Actions: []string{"*"}, Subject: "t"}},
	} {
		if !c.yes.Admits(e) || c.no.Admits(e) {
			t.Errorf("%s: %t of what is admitted, %t of what isn't", c.name, c.yes.Admits(e), c.no.Admits(e))
		}
	}
	if (Filter{Actor: "cli"}).Admits(Entry{At: origin, Actor: "client"}) || !(Filter{}).Admits(Entry{}) {
		t.Error("a client is taken for an operator, or nothing narrows")
	}
}
