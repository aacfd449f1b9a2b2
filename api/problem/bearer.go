package problem

import (
	"net/http"

	"yizheng.internal/oidc"
)

// Bearer is a refusal where an access token is needed (RFC 6750 section 3). It unwraps to
// the *oidc.Error.
type Bearer struct {
	Err     *oidc.Error
	Scope   oidc.Scope // that is needed; empty unless the code is insufficient_scope
	Nothing bool       // no token was presented
}

// Error returns what the *oidc.Error says.
func (e *Bearer) Error() string { return e.Err.Error() }

// Unwrap returns the *oidc.Error.
func (e *Bearer) Unwrap() error { return e.Err }

// problem returns what the caller sees.
func (e *Bearer) problem() Problem {
	p := Problem{Status: CodeStatus(e.Err.Code, Bearers), Reason: string(e.Err.Code), Detail: sentence(e.Err.Description), Challenge: e.challenge()}
	if p.Status == http.StatusServiceUnavailable {
		p.RetryAfter = RetrySoon
	}
	return p
}

// challenge returns the WWW-Authenticate header, or "" if there is to be none.
// A caller without a token isn't told of an error (RFC 6750 section 3.1).
func (e *Bearer) challenge() string {
	if e.Err.Code == oidc.TemporarilyUnavailable {
		return ""
	}
	c := `Bearer realm="yizheng"`
	if e.Nothing {
		return c
	}
	c += `, error="` + string(e.Err.Code) + `", error_description="` + e.Err.Description + `"`
	if e.Scope != "" {
		c += `, scope="` + string(e.Scope) + `"`
	}
	return c
}
