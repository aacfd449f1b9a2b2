package problem

import (
	"net/http"
	"time"

	"yizheng.internal/license/refusal"
	"yizheng.internal/oidc"
	"yizheng.internal/oidc/identity"
)

// KindStatus returns the status of what the license library refuses.
func KindStatus(k refusal.Kind) int {
	switch k {
	case refusal.KindInvalid:
		return http.StatusUnprocessableEntity
	case refusal.KindForbidden:
		return http.StatusForbidden
	case refusal.KindMissing:
		return http.StatusNotFound
	case refusal.KindConflict:
		return http.StatusConflict
	case refusal.KindLimited:
		return http.StatusTooManyRequests
	case refusal.KindChanged:
		return http.StatusPreconditionFailed
	case refusal.KindUnconditional:
		return http.StatusPreconditionRequired
	}
	return http.StatusInternalServerError
}

// An Audience is who is told an error code of OAuth: the same code has different
// statuses.
type Audience int

const (
	// Clients authenticate at the endpoint (RFC 6749 section 5.2).
	Clients Audience = iota
	// Bearers show an access token (RFC 6750 section 3.1).
	Bearers
	// People are in the middle of a login.
	People
)

// CodeStatus returns the status of an error code of OAuth.
func CodeStatus(code oidc.Code, to Audience) int {
	if code == oidc.TemporarilyUnavailable {
		return http.StatusServiceUnavailable
	}
	switch to {
	case Bearers:
		switch code {
		case oidc.InvalidRequest:
			return http.StatusBadRequest
		case oidc.InsufficientScope:
			return http.StatusForbidden
		}
		return http.StatusUnauthorized
	case People:
		switch code {
		case oidc.UnmetAuthenticationRequirements:
			return http.StatusForbidden
		case oidc.ServerError:
			return http.StatusInternalServerError
		}
	default:
		if code == oidc.InvalidClient {
			return http.StatusUnauthorized
		}
	}
	return http.StatusBadRequest
}

// LoginStatus returns the status of what the identity service refuses, and the seconds
// to wait where waiting helps, else 0.
func LoginStatus(e *identity.Error) (status, wait int) {
	switch e.Reason {
	case identity.ReasonTooManyTries, identity.ReasonTooManyCodes:
		return http.StatusTooManyRequests, max(Seconds(e.Retry), 1)
	case identity.ReasonUnavailable, identity.ReasonBusy:
		return http.StatusServiceUnavailable, 0
	case identity.ReasonWrongPassword, identity.ReasonLoginRefused:
		return http.StatusForbidden, 0
	}
	return http.StatusUnprocessableEntity, 0
}

// Seconds rounds up to whole seconds.
func Seconds(d time.Duration) int { return int((d + time.Second - 1) / time.Second) }
