package api

import (
	"context"
	"encoding/json"
	"errors"
	"net/http"
	"strconv"
	"time"

	zoidc "github.com/zitadel/oidc/v3/pkg/oidc"
	"github.com/zitadel/oidc/v3/pkg/op"

	"yizheng.internal/oidc"
	"yizheng.internal/oidc/identity"
)

// refusal is an OAuth error that has a status of its own.
type refusal struct {
	status int
	err    *oidc.Error
}

func (e *refusal) Error() string { return e.err.Error() }
func (e *refusal) Unwrap() error { return e.err }

// explainOAuth maps an error to the status and the two members of RFC 6749
// section 5.2. Of an error it doesn't know it tells the client nothing.
func explainOAuth(err error) (status int, code oidc.Code, description string) {
	e, ok := errors.AsType[*oidc.Error](err)
	if !ok && passes(err) {
		return http.StatusServiceUnavailable, oidc.TemporarilyUnavailable, "the service can not answer now; try again shortly"
	}
	if !ok {
		return http.StatusInternalServerError, oidc.ServerError, "" // the authorization endpoint's code, but clients know it
	}
	if r, ok := errors.AsType[*refusal](err); ok {
		return r.status, e.Code, e.Description
	}
	switch e.Code {
	case oidc.InvalidClient:
		status = http.StatusUnauthorized
	case oidc.TemporarilyUnavailable:
		status = http.StatusServiceUnavailable
	default:
		status = http.StatusBadRequest
	}
	return status, e.Code, e.Description
}

// refuse writes an error before the library has seen the request.
func (o *oauth) refuse(w http.ResponseWriter, r *http.Request, x *exchange, err error) {
	status, code, description := explainOAuth(err)
	o.log(r.Context(), x, status, code, err)
	if x == nil {
		x = new(exchange)
	}
	if status == http.StatusServiceUnavailable && x.retryAfter == 0 {
		x.retryAfter = retrySoon * time.Second
	}
	w = &challenger{w, x}
	w.Header().Set("Content-Type", "application/json")
	w.WriteHeader(status)
	// An error here is the connection's, and there is nobody left to tell.
	_ = json.NewEncoder(w).Encode(struct {
		Error       oidc.Code `json:"error"`
		Description string    `json:"error_description,omitempty"`
	}{code, description})
}

// libraryError returns an error as the library is to write it. The cause stays
// here: the library would log it through the process's default logger.
func (o *oauth) libraryError(ctx context.Context, x *exchange, err error) error {
	status, code, description := explainOAuth(err)
	o.log(ctx, x, status, code, err)
	if status == http.StatusServiceUnavailable && x != nil && x.retryAfter == 0 {
		x.retryAfter = retrySoon * time.Second
	}
	return op.NewStatusError(libraryCode(code).WithDescription("%s", description), status)
}

// log says what was refused and why, what isn't the client's fault as an
// error, and counts what was refused to nobody known.
func (o *oauth) log(ctx context.Context, x *exchange, status int, code oidc.Code, err error) {
	args := []any{"status", status, "error_code", string(code), "request_id", o.c.RequestID(ctx)}
	if x != nil && identity.ValidID(x.credentials.ID) { // else it may be anything, also a misplaced secret
		args = append(args, "client_claimed", x.credentials.ID)
	}
	if clientOf(ctx) == "" || x != nil && x.credentials.Method == oidc.AuthNone {
		o.c.Refused(string(code))
	}
	if status >= 500 && !cancelled(ctx, err) {
		o.c.Failing.error(ctx, "client request failed", err, args...)
		return
	}
	o.c.Log.InfoContext(ctx, "client request refused", append(args, "error", err)...)
}

// libraryCode returns the library's error of that code.
func libraryCode(code oidc.Code) *zoidc.Error {
	e := zoidc.ErrServerError()
	set(&e.ErrorType, code)
	return e
}

// set writes a text into a variable of a type that can't be named.
func set[T ~string](to *T, text oidc.Code) { *to = T(text) }

// challenger adds to an answer the headers that go with its status, whoever
// writes it.
type challenger struct {
	http.ResponseWriter
	x *exchange
}

// WriteHeader implements http.ResponseWriter.
func (c *challenger) WriteHeader(status int) {
	h := c.Header()
	if status == http.StatusUnauthorized {
		h.Set("WWW-Authenticate", `Basic realm="yizheng", charset="UTF-8"`) // RFC 6749 section 5.2
	}
	if status >= 400 {
		h.Set("Cache-Control", "no-store")
	}
	if c.x.retryAfter > 0 {
		h.Set("Retry-After", strconv.Itoa(int((c.x.retryAfter+time.Second-1)/time.Second)))
	}
	c.ResponseWriter.WriteHeader(status)
}
