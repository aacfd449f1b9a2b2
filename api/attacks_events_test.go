package api

import (
	"context"
	"net/http"
	"net/http/httptest"
	"net/url"
	"strings"
	"sync"
	"testing"
	"time"

	"yizheng.internal/api/oauth"
	"yizheng.internal/signing/journal"
)

// rows returns how many events there are, in all logs.
func (s *stage) rows(t testing.TB) (n int) {
	t.Helper()
	must := mustOf(t)
	db := s.nodes[0].db
	const page = 100_000
	apart, err := db.Journal().ListEvents(t.Context(), journal.Stream{Log: journal.Registry}, 0, page)
	must(err)
	history, err := db.Journal().ListEvents(t.Context(), journal.Stream{Log: journal.License, License: s.alicesLicense}, 0, page)
	must(err)
	provider, err := db.Journal().ListEvents(t.Context(), journal.Stream{Log: journal.Provider}, 0, page)
	must(err)
	return len(apart) + len(history) + len(provider)
}

// again sends a request so many times, by several hands, and returns how often each
// status came.
func (s *stage) again(t *testing.T, times int, r func() *http.Request) map[int]int {
	t.Helper()
	var mu sync.Mutex
	answers := map[int]int{}
	var all sync.WaitGroup
	const hands = 8
	for range hands {
		all.Go(func() {
			for range times / hands {
				w := httptest.NewRecorder()
				s.nodes[0].handler.ServeHTTP(w, r())
				mu.Lock()
				answers[w.Code]++
				mu.Unlock()
			}
		})
	}
	all.Wait()
	return answers
}

// Whoever has one token, one code or one session fills no disk: of what they ask for
// again and again some events are left, and not one of each.
func TestAttackEventFlood(t *testing.T) {
	t.Parallel()
	s := newStage(t, stageConfig{})
	s.floodEvents(t)
}

// The same on PostgreSQL.
func TestAttackEventFloodOnPostgreSQL(t *testing.T) {
	t.Parallel()
	s := newStage(t, stageConfig{Database: postgresURL(t)})
	s.floodEvents(t)
}

func (s *stage) floodEvents(t *testing.T) {
	t.Helper()
	k := s.clinic.licensed().loggedIn(t, s.browser(t), s.alice)
	f, b := s.clinic.licensed(), s.browser(t)
	code := f.through(t, b, s.alice)
	redeem := `{"use_code":"` + strings.Repeat("a", 26) + "." + strings.Repeat("A", 43) + `","request_id":"1","nonce":"12345678"}`
	mine := `{"use_code":"` + k.useCode(t) + `","request_id":"1","nonce":"12345678"}`
	bearer := func(method, path, body string) func() *http.Request {
		return func() *http.Request {
			r := httptest.NewRequestWithContext(t.Context(), method, path, strings.NewReader(body))
			r.Header.Set("Authorization", "Bearer "+k.AccessToken)
			r.Header.Set("Content-Type", "application/json")
			return r
		}
	}
	for _, test := range []struct {
		name    string
		times   int
		request func() *http.Request
		status  int // that nearly all get
		rows    int // at the most
	}{
		{"no scope", 2000, bearer("GET", "/v1/licenses/"+s.alicesLicense, ""), http.StatusForbidden, 20},
		{"no such use code", 2000, bearer("POST", "/v1/use-codes/redeem", redeem), http.StatusNotFound, 20},
		{"no JSON", 2000, bearer("POST", "/v1/use-codes/redeem", "x"), http.StatusBadRequest, 20},
		{"the same reading", 2000, bearer("POST", "/v1/use-codes/redeem", mine), http.StatusOK, 1},
		{"the catalog", 2000, bearer("GET", "/v1/license-types", ""), http.StatusTooManyRequests, 40},
		{"a wrong verifier", 2000, func() *http.Request {
			form := f.redemption(code, "code_verifier", strings.Repeat("x", 43))
			r := httptest.NewRequestWithContext(t.Context(), "POST", pathToken, strings.NewReader(form.Encode()))
			r.Header.Set("Content-Type", oauth.FormMedia)
			r.SetBasicAuth(url.QueryEscape(f.c.id), url.QueryEscape(f.c.secret))
			return r
		}, http.StatusBadRequest, 40},
		{"one's own license", 200, func() *http.Request { return s.page(t, b, "/licenses/"+s.alicesLicense) }, http.StatusOK, 8},
		{"one's own list", 200, func() *http.Request { return s.page(t, b, "/licenses") }, http.StatusOK, 8},
		{"somebody else's", 200, func() *http.Request { return s.page(t, b, "/licenses/nobodys") }, http.StatusNotFound, 20},
	} {
		before, began := s.rows(t), time.Now()
		answers := s.again(t, test.times, test.request)
		most := test.times / 10                        // of another status
		if test.status == http.StatusTooManyRequests { // the slower the machine, the more the limit lets through: 600 a minute
			most += 10 * int(time.Since(began)/time.Second)
		}
		if answers[test.status] < test.times-most {
			t.Errorf("%s: %v: it isn't what it is meant to be", test.name, answers)
		}
		s.writeRepeats(t)
		rows := s.rows(t) - before
		t.Logf("%s: %d rows of %d requests, %v", test.name, rows, test.times, answers)
		if rowsMost := test.rows * (1 + int(time.Since(began)/time.Minute)); rows > rowsMost { // it is so many a minute
			t.Errorf("%s: %d rows of %d requests, want %d at the most", test.name, rows, test.times, rowsMost)
		}
	}
}

// page is a browser's request for a page.
func (s *stage) page(t *testing.T, b interface {
	Cookies(string) []*http.Cookie
}, path string) *http.Request {
	r := httptest.NewRequestWithContext(t.Context(), http.MethodGet, path, nil)
	r.Header.Set("Accept", "text/html")
	for _, c := range b.Cookies(s.url) {
		r.AddCookie(c)
	}
	return r
}

// writeRepeats has what was merged written, as at the end of a process.
func (s *stage) writeRepeats(t *testing.T) {
	t.Helper()
	ended, stop := context.WithCancel(t.Context())
	stop()
	for _, n := range s.nodes {
		n.library.Run(ended)
		n.rules.Journal.Run(ended)
	}
}

// A client reads as fast as it may, and is told when to come again; another client, and
// another person at the same client, read on.
func TestReadingIsLimited(t *testing.T) {
	t.Parallel()
	s := newStage(t, stageConfig{Limits: Limits{ReadPerMinute: 1, ReadBurst: 2}})
	types := func(token string) answer { return s.bearer(t, "GET", "/v1/license-types", token, nil) }
	alice := s.clinic.licensed().loggedIn(t, s.browser(t), s.alice)
	bob := s.clinic.request().loggedIn(t, s.browser(t), s.bob)
	for range 2 {
		types(alice.AccessToken).want(t, 200, "")
	}
	limited := types(alice.AccessToken).want(t, 429, "readings_limited")
	if wait := limited.Header.Get("Retry-After"); wait == "" || wait == "0" {
		t.Errorf("Retry-After %q", wait)
	}
	s.bearer(t, "GET", "/v1/shared/licenses", alice.AccessToken, nil).want(t, 429, "readings_limited")
	types(bob.AccessToken).want(t, 200, "") // another person
	s.read(t, alice.AccessToken, alice.useCode(t)).want(t, 200, "")
	limit := func(read func() answer) {
		t.Helper()
		for range 500 { // a client may read fifty times what a person may
			if a := read(); a.StatusCode != 200 {
				a.want(t, 429, "readings_limited")
				return
			}
		}
		t.Error("a client reads without a limit")
	}
	limit(func() answer { return types(s.reader.token) })
	limit(func() answer {
		return s.call(t, s.reader, "POST", "/v1/licenses/search", object{"type_code": sampleType})
	})
	types(s.department.token).want(t, 200, "")
	s.call(t, s.department, "POST", "/v1/licenses/"+s.alicesLicense+"/suspend", suspendBody()).want(t, 200, "")
}
