package problem

import (
	"context"
	"errors"
	"net/http"
	"strings"

	"yizheng.internal/api/limit"
	"yizheng.internal/license"
	"yizheng.internal/license/refusal"
	"yizheng.internal/oidc"
	"yizheng.internal/oidc/identity"
	"yizheng.internal/signing/highwater"
)

// Of returns what a client sees of an error. Of what it doesn't know it tells nothing.
func Of(err error) Problem {
	if p, ok := errors.AsType[*Problem](err); ok {
		return *p
	}
	if e, ok := errors.AsType[*Bearer](err); ok {
		return e.problem()
	}
	if p, ok := ofLogin(err); ok {
		return p
	}
	if e, ok := errors.AsType[*refusal.Error](err); ok {
		p := Problem{Status: KindStatus(e.Kind), Reason: string(e.Reason), Detail: e.Detail, Violations: e.Violations}
		if e.Kind == refusal.KindLimited {
			p.RetryAfter = 3600
		}
		return p
	}
	switch {
	case errors.Is(err, context.Canceled) && !errors.Is(err, license.ErrUnavailable):
		// The client is gone, most likely; but the service may be shutting
		// down, and then an empty 200 would pass for success.
		return Problem{Status: http.StatusServiceUnavailable, Reason: reasonCancelled,
			Detail: "The request was given up before it was answered. Repeat it; with the same Idempotency-Key it takes effect once.", RetryAfter: 1}
	case errors.Is(err, highwater.ErrLost):
		return Problem{Status: http.StatusServiceUnavailable, Reason: "records_lost",
			Detail: "The service decides nothing until its operator has looked at its database. Repeat the request later; with the same Idempotency-Key it takes effect once.", RetryAfter: 60}
	case Passes(err):
		return Problem{Status: http.StatusServiceUnavailable, Reason: "storage_unavailable",
			Detail: "The service can't store anything at the moment. Repeat the request later; with the same Idempotency-Key it takes effect once.", RetryAfter: RetrySoon}
	}
	return Problem{Status: http.StatusInternalServerError, Reason: "internal",
		Detail: "Something went wrong on our side. It was recorded under the request id."}
}

// reasonCancelled is the reason of a request that was given up: it is no failure of ours.
const reasonCancelled = "cancelled"

// Reasons of what only pages meet: keys of their texts.
const (
	reasonGone        = "gone"         // the login is over
	reasonRequest     = "request"      // the authorization request is wrong
	reasonRedirectURI = "redirect_uri" // and nobody may be sent back
	reasonUnavailable = "unavailable"  // nobody can log in at the moment
)

// ofRequests says how a page shows a wrong authorization request whose reason matters
// more than its code.
var ofRequests = map[oidc.Reason]Problem{
	oidc.ReasonRedirectURIUnregistered: {Status: http.StatusBadRequest, Reason: reasonRedirectURI},
	oidc.ReasonRedirectURIInvalid:      {Status: http.StatusBadRequest, Reason: reasonRedirectURI},
	oidc.ReasonNoSecondFactor:          {Status: http.StatusForbidden, Reason: string(oidc.ReasonNoSecondFactor)},
	oidc.ReasonPhoneWaits:              {Status: http.StatusForbidden, Reason: string(oidc.ReasonPhoneWaits)},
	oidc.ReasonRequestURIGone:          {Status: http.StatusGone, Reason: reasonGone},
}

// ofLogin returns what a client would see of an error that only pages of a login meet.
func ofLogin(err error) (Problem, bool) {
	if errors.Is(err, oidc.ErrRequestGone) || errors.Is(err, oidc.ErrNoSession) { // logged out meanwhile, in another tab
		return Problem{Status: http.StatusGone, Reason: reasonGone}, true
	}
	if errors.Is(err, limit.ErrBusy) { // too many look for licenses
		return Problem{Status: http.StatusServiceUnavailable, Reason: reasonUnavailable, RetryAfter: RetrySoon, Again: true}, true
	}
	if e, ok := errors.AsType[*oidc.RequestError](err); ok {
		if p, ok := ofRequests[e.Refusal.Reason]; ok {
			return p, true
		}
		p := Problem{Status: CodeStatus(e.Refusal.Code, People), Reason: reasonRequest}
		if p.Status != http.StatusBadRequest {
			p.Reason = string(e.Refusal.Code)
		}
		return p, true
	}
	wait := RetrySoon
	i, ok := errors.AsType[*identity.Error](err)
	if ok {
		wait = max(wait, Seconds(i.Retry))
	}
	if _, o := errors.AsType[*oidc.Error](err); (ok || o) && Passes(err) {
		return Problem{Status: http.StatusServiceUnavailable, Reason: reasonUnavailable, RetryAfter: wait}, true
	}
	return Problem{}, false
}

// sentence makes a sentence of an OAuth error description.
func sentence(s string) string {
	if s == "" {
		return s
	}
	return strings.ToUpper(s[:1]) + s[1:] + "."
}
