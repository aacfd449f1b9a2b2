package api

import (
	"context"
	"crypto/rand"
	"net/http"
	"net/url"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/jackc/pgx/v5"

	"yizheng.internal/api/apitest"
	"yizheng.internal/storage/porttest"
)

// attempt is one request to one kind of endpoint, which is sent again and again
// as it is.
type attempt struct {
	name  string
	redis bool // it needs Redis
	send  func(t *testing.T) (status int, h http.Header, body string, back *url.URL)
}

// attempts prepares a request to each kind of endpoint, so that all it takes is
// there but for the store: codes, forms, tokens.
func attempts(t *testing.T, s *stage) []attempt {
	b := s.browser(t)
	offline := s.clinic.request("scope", "openid offline_access", "prompt", "consent").loggedIn(t, b, s.alice)
	withCode := s.clinic.request()
	code := withCode.through(t, b, s.alice)
	granted := s.clinic.licensed().loggedIn(t, b, s.alice)
	consent := agreeToAll(s.clinic.licensed().toConsent(t, b, s.alice))
	useCode := granted.useCode(t)
	stranger := s.browser(t)
	login := s.garage.request("authorization_details", "").open(t, stranger).Form("submit").With("username", s.bob.Login, "password", s.bob.Password)

	var as []attempt
	client := func(name string, redis bool, send func(t *testing.T) answer) {
		as = append(as, attempt{name, redis, func(t *testing.T) (int, http.Header, string, *url.URL) {
			a := send(t)
			return a.StatusCode, a.Header, a.body, nil
		}})
	}
	page := func(name string, redis bool, of *apitest.Browser, request func() *http.Request) {
		as = append(as, attempt{name, redis, func(t *testing.T) (int, http.Header, string, *url.URL) {
			one := of.Clone(s.url)
			one.Stop = of.Stop
			p, err := one.Try(request())
			if err != nil {
				t.Fatal(err)
			}
			return p.Status, p.Header, p.Body, p.To
		}})
	}
	get := func(path string) func() *http.Request {
		return func() *http.Request {
			r, err := http.NewRequestWithContext(t.Context(), "GET", s.url+path, nil)
			mustOf(t)(err)
			return r
		}
	}
	form := func(pairs ...string) url.Values {
		v := url.Values{}
		for i := 0; i < len(pairs); i += 2 {
			v.Set(pairs[i], pairs[i+1])
		}
		return v
	}
	client("token: code", true, func(t *testing.T) answer { return withCode.redeem(t, code) })
	client("token: refresh", false, func(t *testing.T) answer { return s.clinic.send(t, pathToken, refreshForm(offline.RefreshToken)) })
	client("PAR", true, func(t *testing.T) answer { return s.clinic.licensed().push(t) })
	page("consent", true, b, consent.Request) // before a license is issued that would be offered too
	client("introspect", false, func(t *testing.T) answer { return s.clinic.send(t, pathIntrospect, form("token", offline.AccessToken)) })
	client("revoke", false, func(t *testing.T) answer { return s.garage.send(t, pathRevoke, form("token", rand.Text())) })
	client("userinfo", false, func(t *testing.T) answer { return s.bearer(t, "GET", pathUserInfo, offline.AccessToken, nil) })
	client("issue", false, func(t *testing.T) answer {
		return s.call(t, s.department, "POST", "/v1/licenses", issueBody(rand.Text(), nil), idempotencyKey, rand.Text())
	})
	client("read", false, func(t *testing.T) answer { return s.call(t, s.reader, "GET", "/v1/licenses/"+s.alicesLicense, nil) })
	client("search", false, func(t *testing.T) answer { return s.call(t, s.reader, "POST", "/v1/licenses/search", object{}) })
	client("types", false, func(t *testing.T) answer { return s.call(t, s.reader, "GET", "/v1/license-types", nil) })
	client("use code", false, func(t *testing.T) answer { return s.read(t, granted.AccessToken, useCode) })
	client("certificate", false, func(t *testing.T) answer { return s.call(t, nil, "GET", "/v1/trust/status-lists/1", nil) })
	page("authorize", true, b, func() *http.Request {
		return get(pathAuthorize + "?" + s.clinic.request("prompt", "login").params.Encode())()
	})
	page("login", true, stranger, login.Request)
	page("licenses", false, b, get("/licenses"))
	page("sessions", false, b, get("/sessions"))
	page("logout", false, b, get(pathEndSession+"?client_id="+s.clinic.id))
	return as
}

// TestPassingFailures breaks the way to each store in every way that passes: every
// endpoint answers with 503 and Retry-After, the pages with a page, all within the
// time that is promised. Nothing is used up by it: afterwards the same requests work.
func TestPassingFailures(t *testing.T) {
	t.Parallel()
	direct, must := postgresURL(t), mustOf(t)
	u, err := url.Parse(direct)
	must(err)
	database, kept := newGate(t, u.Host), newGate(t, startRedis(t, porttest.FreeAddress(t)).address)
	u.Host = database.address()
	u.RawQuery += "&pool_max_conns=4"
	name := strings.TrimPrefix(u.Path, "/")
	const most = 3 * time.Second
	s := newStage(t, stageConfig{Database: u.String(), Redis: "redis://" + kept.address() + "/0", Limits: Limits{Request: most}})
	all := attempts(t, s)

	// Somebody holds what everything needs: statements run into the server's
	// timeouts, and the pool of connections is exhausted.
	holder, err := pgx.Connect(t.Context(), direct)
	must(err)
	defer holder.Close(context.Background())
	lock := func(statements ...string) {
		t.Helper()
		for _, sql := range statements {
			_, err := holder.Exec(t.Context(), sql)
			must(err)
		}
	}
	// set changes what sessions begin with, and begins new ones.
	set := func(what string) {
		t.Helper()
		lock("SET default_transaction_read_only = off", "ALTER DATABASE "+name+" "+what)
		database.set(gateShut)
		database.set(gateOpen)
	}
	rows, err := holder.Query(t.Context(), `SELECT relname::text FROM pg_class WHERE relnamespace = 'public'::regnamespace
		AND relkind IN ('r', 'p') AND NOT relispartition AND relname NOT LIKE 'goose%'`)
	must(err)
	tables, err := pgx.CollectRows(rows, pgx.RowTo[string])
	must(err)
	locked := "LOCK TABLE " + strings.Join(tables, ", ") + " IN ACCESS EXCLUSIVE MODE"
	for _, f := range []struct {
		name    string
		redis   bool
		fail    func()
		recover func()
	}{
		{"no connection", false, func() { database.set(gateShut) }, func() { database.set(gateOpen) }},
		{"no answer", false, func() { database.set(gateMute) }, func() { database.set(gateOpen) }},
		{"locked", false, func() { lock("BEGIN", locked) }, func() { lock("ROLLBACK") }},
		{"locked for too long", false, func() { set("SET lock_timeout = 300"); lock("BEGIN", locked) }, func() { lock("ROLLBACK"); set("RESET lock_timeout") }},
		{"statements too slow", false, func() { set("SET statement_timeout = 300"); lock("BEGIN", locked) }, func() { lock("ROLLBACK"); set("RESET statement_timeout") }},
		{"read only", false, func() { set("SET default_transaction_read_only = on") }, func() { set("RESET default_transaction_read_only") }},
		{"Redis refuses", true, func() { kept.set(gateShut) }, func() { kept.set(gateOpen) }},
		{"Redis is mute", true, func() { kept.set(gateMute) }, func() { kept.set(gateOpen) }},
	} {
		t.Run(f.name, func(t *testing.T) {
			time.Sleep(2200 * time.Millisecond) // what was read is believed for 2 s
			f.fail()
			defer f.recover()
			var wg sync.WaitGroup
			for _, a := range all {
				if f.redis && !a.redis || f.name == "read only" {
					continue
				}
				wg.Go(func() { a.passes(t, most+2*time.Second) })
			}
			wg.Wait()
			if f.name == "read only" { // what only reads goes on; nothing is a fault of ours
				for _, a := range all {
					if status, _, body, _ := a.send(t); status >= 500 && status != http.StatusServiceUnavailable {
						t.Errorf("%s: %d %s", a.name, status, body)
					}
				}
				all[0].passes(t, most)
			}
		})
	}
	if lines := strings.Count(s.log.String(), `"msg":"request failed"`) + strings.Count(s.log.String(), `"msg":"client request failed"`); lines > 12 {
		t.Errorf("%d lines say that a request failed", lines)
	}
	time.Sleep(200 * time.Millisecond)
	for _, a := range all {
		if status, _, body, back := a.send(t); status >= 400 || back != nil && back.Query().Get("error") != "" {
			t.Errorf("%s, when all is well again: %d to %v\n%s", a.name, status, back, body)
		}
	}
}

// passes checks that an attempt is told to come again soon.
func (a attempt) passes(t *testing.T, within time.Duration) {
	t.Helper()
	began := time.Now()
	status, h, body, back := a.send(t)
	if took := time.Since(began); took > within {
		t.Errorf("%s: answered after %v", a.name, took)
	}
	if back != nil && back.Query().Get("error") == "temporarily_unavailable" {
		return // the client was told
	}
	if status != http.StatusServiceUnavailable || h.Get("Retry-After") == "" {
		t.Errorf("%s: %d to %v, %v\n%s", a.name, status, back, h, body)
		return
	}
	isPage := strings.HasPrefix(h.Get("Content-Type"), "text/html")
	switch a.name {
	case "authorize", "login", "consent", "licenses", "sessions", "logout":
		if !isPage {
			t.Errorf("%s: %s instead of a page", a.name, h.Get("Content-Type"))
		}
	default:
		if isPage {
			t.Errorf("%s: a page instead of JSON", a.name)
		}
	}
}
