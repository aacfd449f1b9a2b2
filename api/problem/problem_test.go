package problem

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"go/ast"
	"go/parser"
	"go/token"
	"io/fs"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"path/filepath"
	"strconv"
	"strings"
	"testing"
	"time"

	"yizheng.internal/api/limit"
	"yizheng.internal/license"
	"yizheng.internal/license/refusal"
	"yizheng.internal/oidc"
	"yizheng.internal/oidc/ephemeral"
	"yizheng.internal/oidc/identity"
	"yizheng.internal/signing/highwater"
)

// Each kind of error has its status, its reason and its Retry-After, however it is wrapped.
func TestOf(t *testing.T) {
	t.Parallel()
	request := func(code oidc.Code, reason string) error {
		return &oidc.RequestError{Refusal: &oidc.Error{Code: code, Reason: oidc.Reason(reason)}}
	}
	bearer := func(code oidc.Code) error { return &Bearer{Err: &oidc.Error{Code: code, Description: "no"}} }
	for _, tt := range []struct {
		err        error
		status     int
		reason     string
		retryAfter int
	}{
		{Refuse(404, "not_found", "x"), 404, "not_found", 0}, {Later(429, "rate_limited", "x", 7), 429, "rate_limited", 7},
		{&refusal.Error{Kind: refusal.KindInvalid, Reason: "x"}, 422, "x", 0}, {&refusal.Error{Kind: refusal.KindForbidden, Reason: "x"}, 403, "x", 0},
		{&refusal.Error{Kind: refusal.KindMissing, Reason: "x"}, 404, "x", 0}, {&refusal.Error{Kind: refusal.KindConflict, Reason: "x"}, 409, "x", 0},
		{&refusal.Error{Kind: refusal.KindLimited, Reason: "x"}, 429, "x", 3600}, {&refusal.Error{Kind: refusal.KindChanged, Reason: "x"}, 412, "x", 0},
		{&refusal.Error{Kind: refusal.KindUnconditional, Reason: "x"}, 428, "x", 0}, {&refusal.Error{}, 500, "", 0},
		{bearer(oidc.InvalidRequest), 400, "invalid_request", 0}, {bearer(oidc.InvalidToken), 401, "invalid_token", 0},
		{bearer(oidc.InsufficientScope), 403, "insufficient_scope", 0}, {bearer(oidc.TemporarilyUnavailable), 503, "temporarily_unavailable", RetrySoon},
		{oidc.ErrRequestGone, 410, "gone", 0}, {oidc.ErrNoSession, 410, "gone", 0}, {request(oidc.InvalidRequestURI, "request_uri_gone"), 410, "gone", 0},
		{request(oidc.InvalidRequest, "redirect_uri_invalid"), 400, "redirect_uri", 0}, {request(oidc.InvalidRequest, "redirect_uri_unregistered"), 400, "redirect_uri", 0},
		{request(oidc.UnmetAuthenticationRequirements, "no_second_factor"), 403, "no_second_factor", 0}, {request(oidc.InvalidScope, "scope_unknown"), 400, "request", 0},
		{request(oidc.UnmetAuthenticationRequirements, ""), 403, "unmet_authentication_requirements", 0}, {request(oidc.ServerError, ""), 500, "server_error", 0},
		{request(oidc.TemporarilyUnavailable, ""), 503, "temporarily_unavailable", 0}, {&oidc.Error{Code: oidc.TemporarilyUnavailable}, 503, "unavailable", RetrySoon},
		{&identity.Error{Reason: identity.ReasonUnavailable, Retry: time.Minute}, 503, "unavailable", 60}, {&identity.Error{Reason: identity.ReasonBusy}, 503, "unavailable", RetrySoon},
		{limit.ErrBusy, 503, "unavailable", RetrySoon}, {license.ErrUnavailable, 503, "storage_unavailable", RetrySoon}, {ephemeral.ErrFull, 503, "storage_unavailable", RetrySoon},
		{context.DeadlineExceeded, 503, "storage_unavailable", RetrySoon}, {context.Canceled, 503, "cancelled", 1}, {highwater.ErrLost, 503, "records_lost", 60},
		{errors.Join(context.Canceled, license.ErrUnavailable), 503, "storage_unavailable", RetrySoon},
		{&identity.Error{Reason: identity.ReasonWrongPassword}, 500, "internal", 0}, {&oidc.Error{Code: oidc.InvalidGrant}, 500, "internal", 0}, {errors.New("x"), 500, "internal", 0},
	} {
		p := Of(fmt.Errorf("doing something: %w", tt.err))
		if p.Status != tt.status || p.Reason != tt.reason || p.RetryAfter != tt.retryAfter {
			t.Errorf("%v: %d %s after %d s, want %d %s after %d s", tt.err, p.Status, p.Reason, p.RetryAfter, tt.status, tt.reason, tt.retryAfter)
		}
		if Passes(tt.err) && p.Status != http.StatusServiceUnavailable {
			t.Errorf("%v passes, and has the status %d", tt.err, p.Status)
		}
	}
}

// One code of OAuth has the status that each of those who are told it expects.
func TestCodeStatus(t *testing.T) {
	t.Parallel()
	for code, want := range map[oidc.Code][3]int{ // clients, bearers, people
		oidc.InvalidRequest: {400, 400, 400}, oidc.InvalidClient: {401, 401, 400}, oidc.InvalidToken: {400, 401, 400}, oidc.InsufficientScope: {400, 403, 400},
		oidc.TemporarilyUnavailable: {503, 503, 503}, oidc.UnmetAuthenticationRequirements: {400, 401, 403}, oidc.ServerError: {400, 401, 500}, oidc.InvalidGrant: {400, 401, 400},
	} {
		if got := [3]int{CodeStatus(code, Clients), CodeStatus(code, Bearers), CodeStatus(code, People)}; got != want {
			t.Errorf("%s: %v, want %v", code, got, want)
		}
	}
}

func TestLoginStatus(t *testing.T) {
	t.Parallel()
	for reason, want := range map[identity.Reason][2]int{ // status, seconds
		identity.ReasonTooManyTries: {429, 2}, identity.ReasonTooManyCodes: {429, 2}, identity.ReasonUnavailable: {503, 0}, identity.ReasonBusy: {503, 0}, identity.ReasonWrongPassword: {403, 0}, identity.ReasonLoginRefused: {403, 0}, "password_short": {422, 0},
	} {
		status, wait := LoginStatus(&identity.Error{Reason: reason, Retry: 1500 * time.Millisecond})
		if got := [2]int{status, wait}; got != want {
			t.Errorf("%s: %v, want %v", reason, got, want)
		}
	}
	if _, wait := LoginStatus(&identity.Error{Reason: identity.ReasonTooManyTries}); wait != 1 {
		t.Errorf("without a time to wait: %d s", wait)
	}
}

// The reasons that have a status of their own are ones that the provider gives.
func TestReasonsAreGiven(t *testing.T) {
	t.Parallel()
	given, values := map[string]bool{}, map[string]string{} // what is given, as it is written: a literal, or the name of a constant
	name := func(e ast.Expr) string {
		switch e := e.(type) {
		case *ast.BasicLit:
			text, _ := strconv.Unquote(e.Value)
			return text
		case *ast.Ident:
			return e.Name
		case *ast.SelectorExpr:
			return e.Sel.Name
		}
		return ""
	}
	err := filepath.WalkDir("../../oidc", func(path string, d fs.DirEntry, err error) error {
		if err != nil || !strings.HasSuffix(path, ".go") || strings.HasSuffix(path, "_test.go") {
			return err
		}
		file, err := parser.ParseFile(token.NewFileSet(), path, nil, parser.SkipObjectResolution)
		if err != nil {
			return err
		}
		ast.Inspect(file, func(n ast.Node) bool {
			switch n := n.(type) {
			case *ast.KeyValueExpr:
				if name(n.Key) == "Reason" {
					given[name(n.Value)] = true
				}
			case *ast.ValueSpec:
				if n.Type != nil && name(n.Type) == "Reason" {
					values[n.Names[0].Name] = name(n.Values[0])
				}
			}
			return true
		})
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
	for constant, value := range values {
		given[value] = given[value] || given[constant]
	}
	for reason := range ofRequests {
		if !given[string(reason)] {
			t.Errorf("nothing in oidc gives %s", reason)
		}
	}
	for _, reason := range []identity.Reason{identity.ReasonUnavailable, identity.ReasonBusy, identity.ReasonTooManyTries, identity.ReasonTooManyCodes, identity.ReasonWrongPassword, identity.ReasonLoginRefused} {
		if !given[string(reason)] {
			t.Errorf("nothing in oidc gives %s", reason)
		}
	}
}

func TestWriter(t *testing.T) {
	t.Parallel()
	var log strings.Builder
	var refused []string
	page := false
	x, err := NewWriter(Config{
		Log: NewLog(slog.New(slog.NewJSONHandler(&log, nil))), Refused: func(reason string) { refused = append(refused, reason) },
		Page: func(w http.ResponseWriter, _ *http.Request, p Problem, _ error) bool {
			if page {
				w.WriteHeader(p.Status)
			}
			return page
		},
	})
	if err != nil {
		t.Fatal(err)
	}
	answer := func(f Facts, err error) (*httptest.ResponseRecorder, Problem) {
		w, r := httptest.NewRecorder(), httptest.NewRequest("GET", "/x", nil)
		x.Handle(func(http.ResponseWriter, *http.Request) error { return err }).ServeHTTP(w, r.WithContext(WithFacts(r.Context(), &f)))
		var p Problem
		if json.Unmarshal(w.Body.Bytes(), &p) != nil && !page {
			t.Errorf("%v: %s", err, w.Body)
		}
		return w, p
	}
	w, p := answer(Facts{ID: "r1"}, &Bearer{Err: &oidc.Error{Code: oidc.TemporarilyUnavailable, Description: "not now"}})
	if w.Code != 503 || w.Header().Get("Retry-After") != "5" || w.Header().Get("Content-Type") != Media || w.Header().Get("Cache-Control") != "no-store" ||
		p.Detail != "Not now." || p.RequestID != "r1" || p.Title != "Service Unavailable" || p.Status != 503 {
		t.Errorf("unavailable: %v %s", w.Header(), w.Body)
	}
	w, _ = answer(Facts{Client: "c"}, &Bearer{Err: &oidc.Error{Code: oidc.InsufficientScope, Description: "no"}, Scope: oidc.ScopeLicenseRead})
	if got := w.Header().Get("WWW-Authenticate"); got != `Bearer realm="yizheng", error="insufficient_scope", error_description="no", scope="license:read"` {
		t.Errorf("challenge: %s", got)
	}
	secret := errors.New("a secret")
	if w, _ = answer(Facts{}, secret); w.Code != 500 || strings.Contains(w.Body.String(), secret.Error()) || !strings.Contains(log.String(), secret.Error()) {
		t.Errorf("unknown: %d %s; log: %s", w.Code, w.Body, log.String())
	}
	log.Reset()
	answer(Facts{}, context.Canceled)
	answer(Facts{}, ErrPanic)
	if log.Len() > 0 {
		t.Errorf("logged: %s", log.String())
	}
	page = true
	if w, _ = answer(Facts{}, Refuse(404, "not_found", "x")); w.Code != 404 || w.Body.Len() > 0 {
		t.Errorf("a page: %d %s", w.Code, w.Body)
	}
	if got := strings.Join(refused, " "); got != "temporarily_unavailable internal cancelled internal not_found" {
		t.Errorf("counted: %s", got)
	}
}

// What is away is logged once a minute, by what it is.
func TestLog(t *testing.T) {
	t.Parallel()
	var out strings.Builder
	l := NewLog(slog.New(slog.NewJSONHandler(&out, nil)))
	for range 3 {
		l.Error(t.Context(), "x", license.ErrUnavailable)
		l.Warn(t.Context(), "x", &identity.Error{Reason: identity.ReasonUnavailable, Err: ephemeral.ErrAway})
	}
	l.Error(t.Context(), "x", errors.New("something else"))
	l.Error(t.Context(), "x", errors.New("something else"))
	if n := strings.Count(out.String(), "\n"); n != 4 {
		t.Errorf("%d lines:\n%s", n, out.String())
	}
	now := time.Now()
	if skipped, say := l.turn("database", now.Add(passingEvery)); !say || skipped != 2 {
		t.Errorf("a minute later: %d, %v", skipped, say)
	}
}
