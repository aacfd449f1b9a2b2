package api

import (
	"context"
	"errors"
	"net/http"
	"strconv"
	"strings"

	"github.com/go-json-experiment/json"

	"yizheng.internal/license"
	"yizheng.internal/license/schema"
	"yizheng.internal/signing/highwater"
)

const problemMedia = "application/problem+json"

// problem is what a client sees of an error (RFC 9457). It echoes no value of
// the request and tells nothing of the inside.
type problem struct {
	Type       string             `json:"type" doc:"about:blank: status and reason say it all"`
	Title      string             `json:"title" doc:"the status in words"`
	Status     int                `json:"status" doc:"the HTTP status"`
	Reason     string             `json:"reason" doc:"a stable code in snake_case: test for this"`
	Detail     string             `json:"detail" doc:"what is wrong and what to do, for people"`
	RequestID  string             `json:"request_id" doc:"finds this request in the service's log"`
	Violations []schema.Violation `json:"violations,omitempty" doc:"each thing that is wrong, by JSON Pointer into the body"`

	challenge  string // WWW-Authenticate
	retryAfter int    // seconds; 0: none
}

func (p *problem) Error() string { return p.Reason }

// refuse returns the error for a request that is refused before it reaches the domain.
func refuse(status int, reason, detail string) error {
	return &problem{Status: status, Reason: reason, Detail: detail}
}

// refuseAt is refuse for what is wrong at a place of the body.
func refuseAt(status int, reason, detail, pointer string) error {
	p := &problem{Status: status, Reason: reason, Detail: detail}
	if pointer != "" {
		p.Violations = []schema.Violation{{Pointer: schema.PrintablePointer(pointer), Keyword: reason, Message: detail}}
	}
	return p
}

// explain answers an error. It alone decides what of it a client sees, and logs
// what it does not know.
func (s *Server) explain(w http.ResponseWriter, r *http.Request, err error) {
	p := explained(err)
	if p.Status >= 500 && p.Reason != "cancelled" && !errors.Is(err, errPanic) {
		s.failing.error(r.Context(), "request failed", err, "request_id", requestID(r.Context()), "route", r.Pattern)
	}
	if clientOf(r.Context()) == "" {
		s.metrics.refused.WithLabelValues(p.Reason).Inc()
	}
	if wantsPage(r) {
		s.showError(w, r, p, err)
		return
	}
	p.Type, p.Title, p.RequestID = "about:blank", http.StatusText(p.Status), requestID(r.Context())
	h := w.Header()
	h.Set("Content-Type", problemMedia)
	h.Set("Cache-Control", "no-store")
	if p.challenge != "" {
		h.Set("WWW-Authenticate", p.challenge)
	}
	if p.retryAfter > 0 {
		h.Set("Retry-After", strconv.Itoa(p.retryAfter))
	}
	body, merr := json.Marshal(p)
	if merr != nil { // only if a text of ours is not UTF-8
		body = []byte(`{"status":500}`)
	}
	w.WriteHeader(p.Status)
	w.Write(body)
}

// explained returns what a client sees of an error.
func explained(err error) problem {
	if p, ok := errors.AsType[*problem](err); ok {
		return *p
	}
	if e, ok := errors.AsType[*bearerError](err); ok {
		p := problem{Status: e.status(), Reason: string(e.err.Code), Detail: sentence(e.err.Description), challenge: e.challenge()}
		if p.Status == http.StatusServiceUnavailable {
			p.retryAfter = retrySoon
		}
		return p
	}
	if p, ok := explainedPage(err); ok {
		return p
	}
	if e, ok := errors.AsType[*license.Error](err); ok {
		p := problem{Status: statusOf(e.Kind), Reason: e.Reason, Detail: e.Detail, Violations: e.Violations}
		if e.Kind == license.KindLimited {
			p.retryAfter = 3600
		}
		return p
	}
	switch {
	case errors.Is(err, context.Canceled) && !errors.Is(err, license.ErrUnavailable):
		// The client is gone, most likely; but the service may be shutting
		// down, and then an empty 200 would pass for success.
		return problem{Status: http.StatusServiceUnavailable, Reason: "cancelled",
			Detail: "The request was given up before it was answered. Repeat it; with the same Idempotency-Key it takes effect once.", retryAfter: 1}
	case errors.Is(err, highwater.ErrLost):
		return problem{Status: http.StatusServiceUnavailable, Reason: "records_lost",
			Detail: "The service decides nothing until its operator has looked at its database. Repeat the request later; with the same Idempotency-Key it takes effect once.", retryAfter: 60}
	case passes(err):
		return problem{Status: http.StatusServiceUnavailable, Reason: "storage_unavailable",
			Detail: "The service can't store anything at the moment. Repeat the request later; with the same Idempotency-Key it takes effect once.", retryAfter: retrySoon}
	}
	return problem{Status: http.StatusInternalServerError, Reason: "internal",
		Detail: "Something went wrong on our side. It was recorded under the request id."}
}

func statusOf(k license.ErrorKind) int {
	switch k {
	case license.KindInvalid:
		return http.StatusUnprocessableEntity
	case license.KindForbidden:
		return http.StatusForbidden
	case license.KindMissing:
		return http.StatusNotFound
	case license.KindConflict:
		return http.StatusConflict
	case license.KindLimited:
		return http.StatusTooManyRequests
	case license.KindChanged:
		return http.StatusPreconditionFailed
	case license.KindUnconditional:
		return http.StatusPreconditionRequired
	}
	return http.StatusInternalServerError
}

// sentence makes a sentence of an OAuth error description.
func sentence(s string) string {
	if s == "" {
		return s
	}
	return strings.ToUpper(s[:1]) + s[1:] + "."
}
