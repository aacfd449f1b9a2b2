package api

import (
	"context"
	"crypto/rand"
	"encoding/hex"
	"fmt"
	"log/slog"
	"net/http"
	"net/netip"
	"runtime"
	"runtime/debug"
	"slices"
	"strings"
	"time"

	"yizheng.internal/api/oauth"
	"yizheng.internal/api/pages"
	"yizheng.internal/api/problem"
	"yizheng.internal/api/web"
)

// Longest request targets, in bytes. All of our own are far shorter than maxURL. maxLongURL is
// for endpoints that take a client's parameters in the query: the longest documented ones fit,
// also if each byte is percent-encoded.
const (
	maxURL     = 4 << 10
	maxLongURL = 24 << 10 // together with cookies below the server's limit on headers, 32 KiB
)

// maxTarget returns how long the request target of a path may be.
func maxTarget(path string) int {
	switch path {
	case oauth.AuthorizePath, oauth.EndSessionPath, web.PreferencesPath:
		return maxLongURL
	}
	return maxURL
}

const strictTransport = "max-age=63072000"

// around adds to the routes what every request needs: facts, a deadline, headers, the checks
// before anything else, the log.
func (s *Server) around(next http.Handler) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		s.step("request.received")
		begin := time.Now()
		f := &problem.Facts{ID: s.newRequestID(r)}
		ctx, cancel := context.WithTimeout(problem.WithFacts(r.Context(), f), s.c.Limits.Request)
		defer cancel()
		r = r.WithContext(ctx)
		out := &recorder{ResponseWriter: w}
		h := out.Header()
		h.Set("X-Request-Id", f.ID)
		h.Set("X-Content-Type-Options", "nosniff")
		h.Set("Referrer-Policy", "no-referrer")
		h.Set("Content-Security-Policy", "default-src 'none'; frame-ancestors 'none'")
		if strings.HasPrefix(s.c.Issuer, "https:") {
			h.Set("Strict-Transport-Security", strictTransport)
		}
		defer s.finish(out, r, begin)
		refused := s.refusal()
		switch {
		case len(r.RequestURI) > maxTarget(r.URL.Path):
			s.problems.Answer(out, r, problem.Refuse(http.StatusRequestURITooLong, "url_too_long", "The URL is too long."))
		case !pages.CleanPath(r.URL.EscapedPath()):
			s.problems.Answer(out, r, problem.Nowhere())
		case refused != nil && !strings.HasPrefix(r.URL.Path, web.StaticPath): // what a page saying so needs
			s.problems.Answer(out, r, refused)
		default:
			next.ServeHTTP(out, r)
		}
	})
}

// refusal returns why nothing may be decided here, or nil.
func (s *Server) refusal() error {
	if s.c.Refusal == nil {
		return nil
	}
	return s.c.Refusal()
}

// finish recovers from a panic, logs the request and measures it. The log has
// the route's pattern, not the URL: that is as much as anyone needs.
func (s *Server) finish(out *recorder, r *http.Request, begin time.Time) {
	if p := recover(); p != nil {
		if p == http.ErrAbortHandler {
			panic(p)
		}
		s.c.Log.LogAttrs(r.Context(), slog.LevelError, "panic", slog.String("request_id", problem.RequestID(r.Context())),
			slog.String("route", r.Pattern), slog.String("panic", panicText(p)), slog.String("stack", string(debug.Stack())))
		if out.status != 0 {
			panic(http.ErrAbortHandler) // half an answer must not look like a whole one
		}
		s.problems.Answer(out, r, problem.ErrPanic)
	}
	took := time.Since(begin)
	route := r.Pattern
	if route == "/" || route == "" {
		route = "none"
	}
	s.metrics.requests.WithLabelValues(route, class(out.status)).Observe(took.Seconds())
	s.c.Log.LogAttrs(r.Context(), slog.LevelInfo, "request",
		slog.String("request_id", problem.RequestID(r.Context())), slog.String("method", method(r.Method)), slog.String("route", route),
		slog.Int("status", out.status), slog.Duration("took", took), slog.String("client", problem.ClientOf(r.Context())))
}

// panicText returns the text of a panic of the runtime's, and of any other
// only the type: its text may hold what the request said.
func panicText(p any) string {
	if e, ok := p.(runtime.Error); ok {
		return e.Error()
	}
	return fmt.Sprintf("%T", p)
}

func class(status int) string {
	return string([]byte{byte('0' + min(status/100, 9)), 'x', 'x'})
}

// method returns a request's method if it is one that HTTP knows: others may
// be anything.
func method(m string) string {
	known := []string{"GET", "HEAD", "POST", "PUT", "DELETE", "OPTIONS", "PATCH"}
	if slices.Contains(known, m) {
		return m
	}
	return "other"
}

// recorder remembers the status.
type recorder struct {
	http.ResponseWriter
	status int
}

// WriteHeader implements [http.ResponseWriter].
func (a *recorder) WriteHeader(status int) {
	if a.status == 0 {
		a.status = status
	}
	a.ResponseWriter.WriteHeader(status)
}

func (a *recorder) Write(b []byte) (int, error) {
	if a.status == 0 {
		a.status = http.StatusOK
	}
	return a.ResponseWriter.Write(b)
}

// Unwrap is for [http.ResponseController].
func (a *recorder) Unwrap() http.ResponseWriter { return a.ResponseWriter }

// newRequestID returns the id that a trusted proxy gave, or a new one.
func (s *Server) newRequestID(r *http.Request) string {
	if id := r.Header.Get("X-Request-Id"); id != "" && s.trusted(peer(r)) && plainID(id) {
		return id
	}
	var b [8]byte
	rand.Read(b[:])
	return hex.EncodeToString(b[:])
}

func plainID(s string) bool {
	for _, c := range []byte(s) {
		if (c < 'a' || c > 'z') && (c < 'A' || c > 'Z') && (c < '0' || c > '9') && c != '-' && c != '_' {
			return false
		}
	}
	return len(s) <= 64
}

// peer returns the address at the other end of the connection.
func peer(r *http.Request) netip.Addr {
	a, err := netip.ParseAddrPort(r.RemoteAddr)
	if err != nil {
		return netip.Addr{}
	}
	return a.Addr().Unmap()
}

func (s *Server) trusted(a netip.Addr) bool {
	return slices.ContainsFunc(s.c.TrustedProxies, func(p netip.Prefix) bool { return p.Contains(a) })
}

// address returns the client's address: the peer's, or, while that is a trusted
// proxy, the one it names, from the right of X-Forwarded-For.
func (s *Server) address(r *http.Request) netip.Addr {
	a := peer(r)
	if !s.trusted(a) {
		if r.Header.Get("X-Forwarded-For") != "" && (a.IsLoopback() || a.IsPrivate()) {
			s.unnamed.Do(func() {
				s.c.Log.LogAttrs(r.Context(), slog.LevelWarn, "a proxy names clients' addresses and isn't trusted: all its clients share one address's limits; name it in --trusted-proxy",
					slog.String("peer", a.String()))
			})
		}
		return a
	}
	hops := strings.Split(strings.Join(r.Header.Values("X-Forwarded-For"), ","), ",")
	for i := len(hops) - 1; i >= 0 && s.trusted(a); i-- {
		hop, err := netip.ParseAddr(strings.TrimSpace(hops[i]))
		if err != nil {
			break
		}
		a = hop.Unmap()
	}
	return a
}
