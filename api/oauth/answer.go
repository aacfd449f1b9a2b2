package oauth

import (
	"context"
	"encoding/json"
	"errors"
	"net/http"
	"strconv"
	"time"

	"yizheng.internal/api/problem"
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

// answer is an error as the client sees it: the two members of RFC 6749 section
// 5.2, and the finer reason beside them, which that section permits.
type answer struct {
	status      int
	Code        oidc.Code `json:"error"`
	Description string    `json:"error_description,omitempty"`
	Reason      string    `json:"reason,omitempty"`
}

// explain maps an error to what the client sees. Of an error it doesn't know it
// tells the client nothing.
func explain(err error) answer {
	e, ok := errors.AsType[*oidc.Error](err)
	if !ok && problem.Passes(err) {
		return answer{http.StatusServiceUnavailable, oidc.TemporarilyUnavailable, "the service can not answer now; try again shortly", ""}
	}
	if !ok {
		return answer{status: http.StatusInternalServerError, Code: oidc.ServerError} // the authorization endpoint's code, but clients know it
	}
	a := answer{problem.CodeStatus(e.Code, problem.Clients), e.Code, e.Description, string(e.ReasonShown())}
	if r, ok := errors.AsType[*refusal](err); ok {
		a.status = r.status
		return a
	}
	return a
}

// explained logs an error and returns what the client sees of it. With 503 it sets how long the
// client waits, unless that is set already.
func (o *Endpoints) explained(ctx context.Context, x *exchange, err error) answer {
	a := explain(err)
	o.log(ctx, x, a, err)
	if x != nil && a.status == http.StatusServiceUnavailable && x.retryAfter == 0 {
		x.retryAfter = problem.RetrySoon * time.Second
	}
	return a
}

// refuse writes an error before the library has seen the request.
func (o *Endpoints) refuse(w http.ResponseWriter, r *http.Request, x *exchange, err error) {
	if x == nil {
		x = new(exchange)
	}
	a := o.explained(r.Context(), x, err)
	c := &challenger{ResponseWriter: w, x: x}
	c.Header().Set("Content-Type", "application/json")
	c.WriteHeader(a.status)
	c.answer(a)
}

// log says what was refused and why, what isn't the client's fault as an
// error, and counts what was refused to nobody known.
func (o *Endpoints) log(ctx context.Context, x *exchange, a answer, err error) {
	args := []any{"status", a.status, "error_code", string(a.Code), "request_id", problem.RequestID(ctx)}
	if x != nil && identity.ValidID(x.credentials.ID) { // else it may be anything, also a misplaced secret
		args = append(args, "client_claimed", x.credentials.ID)
	}
	if problem.ClientOf(ctx) == "" || x != nil && x.credentials.Method == oidc.AuthNone {
		o.c.Counted(string(a.Code))
	}
	if a.status >= 500 && !problem.Cancelled(ctx, err) {
		o.c.Failing.Error(ctx, "client request failed", err, args...)
		return
	}
	o.c.Log.InfoContext(ctx, "client request refused", append(args, "error", err)...)
}

// challenger adds to an answer the headers that go with its status, whoever
// writes it. In place of the library's account of a refusal it writes ours.
type challenger struct {
	http.ResponseWriter
	x        *exchange
	bad      bool // the status is 400
	answered bool
}

// Write implements http.ResponseWriter.
func (c *challenger) Write(b []byte) (int, error) {
	switch {
	case c.x.refused != nil:
		c.answer(*c.x.refused)
	case c.bad: // the library looks itself whether code and token are there
		var a answer
		if json.Unmarshal(b, &a) != nil || a.Code != oidc.InvalidRequest {
			return c.ResponseWriter.Write(b)
		}
		a.Reason = reasonMissing
		c.answer(a)
	default:
		return c.ResponseWriter.Write(b)
	}
	return len(b), nil
}

// reasonMissing is the reason of what the library refuses by itself.
const reasonMissing = "parameter_missing"

// answer writes an error, once.
func (c *challenger) answer(a answer) {
	if !c.answered {
		c.answered = true
		// An error here is the connection's, and there is nobody left to tell.
		_ = json.NewEncoder(c.ResponseWriter).Encode(a)
	}
}

// WriteHeader implements http.ResponseWriter.
func (c *challenger) WriteHeader(status int) {
	h := c.Header()
	c.bad = status == http.StatusBadRequest
	if status == http.StatusUnauthorized {
		h.Set("WWW-Authenticate", `Basic realm="yizheng", charset="UTF-8"`) // RFC 6749 section 5.2
	}
	if status >= 400 {
		h.Set("Cache-Control", "no-store")
	}
	if c.x.retryAfter > 0 {
		h.Set("Retry-After", strconv.Itoa(problem.Seconds(c.x.retryAfter)))
	}
	c.ResponseWriter.WriteHeader(status)
}
