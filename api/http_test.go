package api

import (
	"bufio"
	"context"
	"errors"
	"io"
	"log/slog"
	"net"
	"net/http"
	"net/http/httptest"
	"net/netip"
	"strconv"
	"strings"
	"testing"
	"time"

	"yizheng.internal/api/oauth"
	"yizheng.internal/signing/journal"
)

func TestMethods(t *testing.T) {
	t.Parallel()
	s := newService(t, serviceConfig{})
	for path, allow := range map[string]string{
		"/v1/licenses": "POST", "/v1/licenses/search": "GET, HEAD, POST", "/v1/verify": "POST",
		"/v1/license-types/" + sampleType: "GET, HEAD, PUT", "/v1/trust/anchors": "GET, HEAD", "/": "GET, HEAD", "/docs": "GET, HEAD",
	} {
		for _, method := range []string{"DELETE", "PATCH", "OPTIONS", "TRACE", "BREW", "get"} {
			a := s.call(t, s.department, method, path, nil).want(t, 405, "method_not_allowed")
			if a.Header.Get("Allow") != allow {
				t.Errorf("%s %s: Allow is %q, want %q", method, path, a.Header.Get("Allow"), allow)
			}
			if a.Header.Get("Access-Control-Allow-Origin") != "" {
				t.Errorf("%s %s answers a preflight", method, path)
			}
		}
	}
	s.call(t, nil, "GET", "/v1/verify", nil).want(t, 405, "method_not_allowed")
	s.call(t, nil, "POST", "/v1/trust/anchors", nil).want(t, 405, "method_not_allowed")
}

// Every GET answers HEAD likewise, without the body.
func TestHead(t *testing.T) {
	t.Parallel()
	s := newService(t, serviceConfig{})
	for _, path := range []string{"/", "/docs", "/verify", textsOf(t).URL("style.css"), "/v1/openapi.json", "/v1/trust/anchors", "/v1/license-types/" + sampleType} {
		get := s.call(t, s.reader, "GET", path, nil).want(t, 200, "")
		head := s.call(t, s.reader, "HEAD", path, nil).want(t, 200, "")
		if head.body != "" || head.Header.Get("Content-Type") != get.Header.Get("Content-Type") {
			t.Errorf("HEAD %s: %v", path, head.Header)
		}
	}
}

// Nothing is redirected: answers would repeat the URL, and a POST become a GET.
func TestPaths(t *testing.T) {
	t.Parallel()
	s := newService(t, serviceConfig{})
	for _, path := range []string{
		"//v1/licenses", "/v1//licenses", "/v1/./licenses", "/v1/x/../licenses", "/v1/licenses/", "/v1/licenses/a/b", "/v1", "/V1/licenses",
		"/healthz", "/ready", "/livez", "/readyz", "/metrics", "/web/docs.html", "/v1/licenses/%2e%2e/x", "//evil.example/" + sampleCitizen + "/..",
	} {
		r := s.request(t, "POST", "/", "{}")
		r.URL.Opaque = path
		if strings.HasPrefix(path, "//") {
			r.URL.Opaque = s.url + path
		}
		a := s.do(t, r).want(t, 404, "not_found")
		if a.Header.Get("Location") != "" || strings.Contains(a.body, sampleCitizen) {
			t.Errorf("%s: %v %s", path, a.Header, a.body)
		}
	}
	s.call(t, nil, "GET", "/v1/licenses/"+strings.Repeat("a", maxURL), nil).want(t, 414, "url_too_long")
	if log := s.log.String(); strings.Contains(log, sampleCitizen) || !strings.Contains(log, `"route":"none"`) {
		t.Error("the log has the URL, or no route")
	}
}

func TestSecurityHeaders(t *testing.T) {
	t.Parallel()
	s := newService(t, serviceConfig{})
	for _, path := range []string{"/", "/docs", "/v1/openapi.json", "/v1/nothing", "/v1/trust/anchors", oauth.MetadataPath} {
		h := s.call(t, nil, "GET", path, nil).Header
		csp, referrer := h.Get("Content-Security-Policy"), "no-referrer"
		if path == "/" {
			referrer = "same-origin" // or else browsers send "Origin: null" with our own forms
		}
		if h.Get("X-Content-Type-Options") != "nosniff" || h.Get("Referrer-Policy") != referrer || h.Get("X-Request-Id") == "" ||
			!strings.Contains(csp, "default-src 'none'") || strings.Contains(csp, "unsafe") || !strings.Contains(csp, "frame-ancestors 'none'") {
			t.Errorf("%s: %v", path, h)
		}
		if h.Get("Strict-Transport-Security") != "" {
			t.Errorf("%s: plain HTTP promises HTTPS", path)
		}
	}
	for _, path := range []string{"/", "/docs"} {
		body := s.call(t, nil, "GET", path, nil).body
		for _, load := range []string{"<script>", "<script nonce", "style=", "<style", "http://cdn", `"https://`} {
			if strings.Contains(body, load) {
				t.Errorf("%s has %q", path, load)
			}
		}
	}
}

// raw sends bytes as they are and returns the answer.
func raw(t *testing.T, s *service, request string) *http.Response {
	t.Helper()
	c, err := net.Dial("tcp", strings.TrimPrefix(s.url, "http://"))
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { c.Close() })
	if err := c.SetDeadline(time.Now().Add(10 * time.Second)); err != nil {
		t.Fatal(err)
	}
	if _, err := io.WriteString(c, request); err != nil {
		t.Fatal(err)
	}
	a, err := http.ReadResponse(bufio.NewReader(c), nil)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { a.Body.Close() })
	return a
}

// What a caller sends never becomes a header of the answer, or a line of the log.
func TestHeaderInjection(t *testing.T) {
	t.Parallel()
	s := newService(t, serviceConfig{Proxies: []netip.Prefix{netip.MustParsePrefix("127.0.0.0/8")}})
	for name, request := range map[string]string{
		"path":       "GET /v1/licenses/a%0d%0aSet-Cookie:%20evil=1 HTTP/1.1\r\nHost: x\r\n\r\n",
		"query":      "GET /v1/trust/anchors?a%0d%0aSet-Cookie:%20evil=1 HTTP/1.1\r\nHost: x\r\n\r\n",
		"request id": "GET / HTTP/1.1\r\nHost: x\r\nX-Request-Id: a\r\n Set-Cookie: evil=1\r\n\r\n",
		"host":       "GET //x HTTP/1.1\r\nHost: evil.example\r\n\r\n",
		"none match": "GET /v1/trust/anchors HTTP/1.1\r\nHost: x\r\nIf-None-Match: \"\r\n Set-Cookie: evil=1\r\n\r\n",
		"absolute":   "GET http://evil.example/v1/x/.. HTTP/1.1\r\nHost: evil.example\r\n\r\n",
		"asterisk":   "GET * HTTP/1.1\r\nHost: x\r\n\r\n",
	} {
		a := raw(t, s, request)
		for n, vs := range a.Header {
			if strings.Contains(n+strings.Join(vs, ""), "evil") {
				t.Errorf("%s: %s: %q", name, n, vs)
			}
		}
	}
	if strings.Contains(s.log.String(), "evil") {
		t.Error("the log repeats what callers sent")
	}
}

// Two ways to say how long a body is are one too many: behind a proxy, one
// request could hide in another.
func TestRequestSmuggling(t *testing.T) {
	t.Parallel()
	s := newService(t, serviceConfig{})
	for name, request := range map[string]string{
		"two lengths":      "POST /v1/verify HTTP/1.1\r\nHost: x\r\nContent-Length: 2\r\nContent-Length: 3\r\n\r\n{}",
		"length with sign": "POST /v1/verify HTTP/1.1\r\nHost: x\r\nContent-Length: +2\r\n\r\n{}",
		"no host":          "POST /v1/verify HTTP/1.1\r\nContent-Length: 2\r\n\r\n{}",
		"odd encoding":     "POST /v1/verify HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: xchunked\r\n\r\n{}",
	} {
		if a := raw(t, s, request); a.StatusCode != 400 && a.StatusCode != 501 {
			t.Errorf("%s: %d", name, a.StatusCode)
		}
	}
}

func TestRequestID(t *testing.T) {
	t.Parallel()
	long := strings.Repeat("a", 65)
	for name, test := range map[string]struct {
		proxies string
		given   string
		kept    bool
	}{
		"of a proxy": {"127.0.0.0/8", "abc-DEF_1", true}, "of a stranger": {"10.0.0.0/8", "abc", false},
		"with a space": {"127.0.0.0/8", "a b", false}, "with a quote": {"127.0.0.0/8", `a"b`, false}, "too long": {"127.0.0.0/8", long, false},
	} {
		t.Run(name, func(t *testing.T) {
			s := newService(t, serviceConfig{Proxies: []netip.Prefix{netip.MustParsePrefix(test.proxies)}, Empty: true})
			got := s.call(t, nil, "GET", "/", nil, "X-Request-Id", test.given).Header.Get("X-Request-Id")
			if (got == test.given) != test.kept || got == "" {
				t.Errorf("the id is %q", got)
			}
		})
	}
}

func TestAddress(t *testing.T) {
	t.Parallel()
	s := &Server{c: Config{Log: slog.New(slog.DiscardHandler), TrustedProxies: []netip.Prefix{netip.MustParsePrefix("10.0.0.0/8"), netip.MustParsePrefix("::1/128")}}}
	for _, test := range []struct {
		peer  string
		hops  []string
		wants string
	}{
		{"203.0.113.9:1", []string{"1.2.3.4"}, "203.0.113.9"},
		{"10.0.0.1:1", nil, "10.0.0.1"},
		{"10.0.0.1:1", []string{"1.2.3.4"}, "1.2.3.4"},
		{"10.0.0.1:1", []string{"6.6.6.6, 1.2.3.4"}, "1.2.3.4"},
		{"10.0.0.1:1", []string{"6.6.6.6", "1.2.3.4"}, "1.2.3.4"},
		{"10.0.0.1:1", []string{"1.2.3.4, 10.0.0.2"}, "1.2.3.4"},
		{"[::1]:1", []string{"1.2.3.4,10.0.0.2"}, "1.2.3.4"},
		{"10.0.0.1:1", []string{"1.2.3.4, nonsense, 10.0.0.2"}, "10.0.0.2"},
		{"[::ffff:10.0.0.1]:1", []string{"::ffff:1.2.3.4"}, "1.2.3.4"},
		{"10.0.0.1:1", []string{""}, "10.0.0.1"},
		{"@", []string{"1.2.3.4"}, "invalid IP"},
	} {
		r := httptest.NewRequest("GET", "/", nil)
		r.RemoteAddr = test.peer
		r.Header["X-Forwarded-For"] = test.hops
		if got := s.address(r).String(); got != test.wants {
			t.Errorf("%s, %q: %s, want %s", test.peer, test.hops, got, test.wants)
		}
	}
}

func TestVerifyIsLimited(t *testing.T) {
	t.Parallel()
	s := newService(t, serviceConfig{
		Limits: Limits{VerifyPerMinute: 1, VerifyBurst: 3}, Proxies: []netip.Prefix{netip.MustParsePrefix("127.0.0.0/8")}, Empty: true,
	})
	ask := func(from string) answer {
		return s.call(t, nil, "POST", "/v1/verify", object{"credential": "x"}, "X-Forwarded-For", from)
	}
	for range 3 {
		ask("192.0.2.1").want(t, 200, "")
	}
	a := ask("192.0.2.1").want(t, 429, "rate_limited")
	if after, err := strconv.Atoi(a.Header.Get("Retry-After")); err != nil || after < 1 || after > 61 {
		t.Errorf("Retry-After is %q", a.Header.Get("Retry-After"))
	}
	ask("192.0.2.2").want(t, 200, "") // another address isn't limited
	for range 3 {
		ask("2001:db8::1").want(t, 200, "")
	}
	ask("2001:db8::2").want(t, 429, "rate_limited") // the same subscriber
	ask("2001:db8:0:1::1").want(t, 200, "")
}

// Without a trusted proxy nobody gets around the limit by naming addresses.
func TestForwardedForOfStrangers(t *testing.T) {
	t.Parallel()
	s := newService(t, serviceConfig{Limits: Limits{VerifyPerMinute: 1, VerifyBurst: 2}, Empty: true})
	last := 0
	for i := range 4 {
		last = s.call(t, nil, "POST", "/v1/verify", object{"credential": "x"}, "X-Forwarded-For", "192.0.2."+strconv.Itoa(i)).StatusCode
	}
	if last != 429 {
		t.Errorf("got %d, want 429", last)
	}
}

// A disabled client's tokens end, and its tries are events.
func TestDisabledClient(t *testing.T) {
	t.Parallel()
	s := newService(t, serviceConfig{})
	out := s.issue(t, "1")
	if _, err := s.rules.Clients.DisableClient(t.Context(), operator, s.reader.id); err != nil {
		t.Fatal(err)
	}
	a := s.call(t, s.reader, "GET", "/v1/licenses/"+out.ID, nil).want(t, 401, "invalid_token")
	if !strings.HasPrefix(a.Header.Get("WWW-Authenticate"), "Bearer ") {
		t.Errorf("headers %v", a.Header)
	}
	es, err := s.db.Journal().ListEvents(t.Context(), journal.Stream{Log: journal.Provider}, 0, 1000)
	mustOf(t)(err)
	for _, e := range es {
		if e.Action == journal.ActionTokenRefuse && e.Subject == s.reader.id && e.RequestID == a.Header.Get("X-Request-Id") {
			return
		}
	}
	t.Error("the refusal left no event")
}

// A panic is one 500 that tells nothing, and one line in the log.
func TestPanic(t *testing.T) {
	t.Parallel()
	s := newService(t, serviceConfig{Empty: true, Step: func(name string) {
		if name == "request.decoded" {
			panic(errors.New("about " + sampleCitizen))
		}
	}})
	a := s.call(t, nil, "POST", "/v1/verify", object{"credential": "x"}).want(t, 500, "internal")
	if strings.Contains(a.body+s.log.String(), sampleCitizen) || strings.Count(s.log.String(), `"level":"ERROR"`) != 1 {
		t.Errorf("%s\n%s", a.body, s.log)
	}
	s.call(t, nil, "GET", "/", nil).want(t, 200, "")
}

// What panics when the answer has begun breaks it off: half of it must not
// look whole.
func TestPanicInAnAnswer(t *testing.T) {
	t.Parallel()
	s := newService(t, serviceConfig{Empty: true, Step: func(name string) {
		if name == "reply.written" {
			panic("late")
		}
	}})
	r := s.request(t, "POST", "/v1/verify", `{"credential":"x"}`)
	if a, err := s.client.Do(r); err == nil {
		defer a.Body.Close()
		if _, err := io.ReadAll(a.Body); err == nil {
			t.Error("the answer looks whole")
		}
	}
}

// A request that is given up, as at the end of a shutdown, is never answered
// with success.
func TestCancelled(t *testing.T) {
	t.Parallel()
	s := newService(t, serviceConfig{})
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	r := httptest.NewRequestWithContext(ctx, "GET", "/v1/license-types", nil)
	r.Header.Set("Authorization", "Bearer "+s.reader.token)
	w := httptest.NewRecorder()
	s.Handler().ServeHTTP(w, r)
	if w.Code != 503 {
		t.Errorf("got %d %s", w.Code, w.Body)
	}
}

func TestAdmin(t *testing.T) {
	t.Parallel()
	s := newService(t, serviceConfig{})
	s.call(t, nil, "GET", "/v1/licenses/"+sampleCitizen, nil).want(t, 401, "")
	ops := httptest.NewServer(s.Ops())
	defer ops.Close()
	get := func(path string) (int, string) {
		a, err := http.Get(ops.URL + path)
		if err != nil {
			t.Fatal(err)
		}
		defer a.Body.Close()
		b, err := io.ReadAll(a.Body)
		if err != nil {
			t.Fatal(err)
		}
		return a.StatusCode, string(b)
	}
	for _, path := range []string{"/livez", "/readyz"} {
		if status, _ := get(path); status != 200 {
			t.Errorf("%s: %d", path, status)
		}
	}
	_, text := get("/metrics")
	for _, metric := range []string{
		`yizheng_request_seconds_count{route="GET /v1/licenses/{id}",status="4xx"} 1`, `yizheng_anonymous_refusals_total{reason="invalid_token"} 1`,
		"yizheng_second_opinions_asked_total", "go_goroutines",
	} {
		if !strings.Contains(text, metric) {
			t.Errorf("no %s", metric)
		}
	}
	if strings.Contains(text, sampleCitizen) {
		t.Error("metrics hold what callers sent")
	}
}
