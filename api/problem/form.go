package problem

import (
	"net/http"

	"yizheng.internal/oidc"
	"yizheng.internal/oidc/identity"
	"yizheng.internal/oidc/identity/certificate"
)

// OfForm says how a page shows why its form was not taken: the key of a text, the seconds
// to wait, 0 if no waiting helps, and the status.
func OfForm(p oidc.Problem) (key string, wait, status int) {
	key, status = string(p.Kind), http.StatusUnprocessableEntity
	switch p.Kind {
	case "":
		return "", 0, http.StatusOK
	case oidc.ProblemStale, oidc.ProblemConfirm:
		return key, 0, http.StatusForbidden
	case oidc.ProblemChanged:
		return key, 0, http.StatusConflict
	case oidc.ProblemLimited:
		return key, Seconds(p.Wait), http.StatusTooManyRequests
	case oidc.ProblemLogin:
		return loginProblem(p.Refused)
	case oidc.ProblemPhone:
		return phoneProblem(p.Refused)
	case oidc.ProblemCode, oidc.ProblemNotSent:
		if p.Refused == nil {
			return key, 0, http.StatusServiceUnavailable
		}
		return codeProblem(p.Refused, key)
	}
	return key, 0, status
}

// loginProblem is OfForm for a password that was refused.
func loginProblem(e *identity.Error) (key string, wait, status int) {
	switch status, wait := LoginStatus(e); status {
	case http.StatusTooManyRequests:
		return string(e.Reason), wait, status
	case http.StatusServiceUnavailable:
		return "busy", 0, status
	}
	if e.Reason == identity.ReasonPasskeyRefused || e.Reason == identity.ReasonPasskeyExpired {
		return string(e.Reason), 0, http.StatusForbidden
	}
	if certificate.Told(e.Reason) {
		return string(e.Reason), 0, http.StatusForbidden
	}
	return "login_refused", 0, http.StatusForbidden
}

// phoneProblem is OfForm for a login with a phone.
func phoneProblem(e *identity.Error) (key string, wait, status int) {
	status, wait = LoginStatus(e)
	if status == http.StatusServiceUnavailable {
		return "busy", 0, status
	}
	return string(e.Reason), wait, status
}

// codeProblem is OfForm for a code that was refused, or couldn't be sent.
func codeProblem(e *identity.Error, otherwise string) (key string, wait, status int) {
	if certificate.Told(e.Reason) {
		return string(e.Reason), 0, http.StatusUnprocessableEntity
	}
	switch e.Reason {
	case identity.ReasonWrongPassword:
		return string(identity.ReasonCodeWrong), 0, http.StatusUnprocessableEntity
	case identity.ReasonCodeWrong, identity.ReasonCodeExpired, identity.ReasonNoPhone, identity.ReasonNoSecondFactor, identity.ReasonTooManyTries,
		identity.ReasonPasskeyRefused, identity.ReasonPasskeyExpired: // with another code it may be right
		return string(e.Reason), 0, http.StatusUnprocessableEntity
	case identity.ReasonUnavailable, identity.ReasonBusy:
		status, wait = LoginStatus(e)
		return "not_sent", wait, status
	case identity.ReasonTooManyCodes:
		status, wait = LoginStatus(e)
		return string(e.Reason), wait, status
	}
	return otherwise, 0, http.StatusUnprocessableEntity
}
