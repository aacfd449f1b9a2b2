package api

import (
	"cmp"
	"fmt"
	"net/http"
	"slices"
	"strings"

	"yizheng.internal/api/problem"
	"yizheng.internal/license"
	"yizheng.internal/oidc"
)

// reasonCode is a reason code that the API answers by itself, before, after or
// instead of the registry. The table below is the only place that says which there
// are; a test reads the source and compares.
type reasonCode struct {
	status  int
	reason  string
	meaning string // what is wrong, and what the caller can do
	of      func(e *endpoint) bool
	first   bool // the registry's own refusal for that is never reached
}

// ownReasons is what the endpoints of the REST API are refused for, beside what the
// registry refuses.
var ownReasons = []reasonCode{
	{status: http.StatusBadRequest, reason: "query_parameter", of: always,
		meaning: "The query has a parameter that this endpoint doesn't know, has one twice, or one is out of its bounds: mend the URL."},
	{status: http.StatusBadRequest, reason: string(oidc.InvalidRequest), of: forClients,
		meaning: "The access token stands in the URL, or there are two Authorization headers: send it once, in the header."},
	{status: http.StatusBadRequest, reason: "idempotency_key", of: takesKey,
		meaning: "There are two Idempotency-Key headers: send one."},
	{status: http.StatusBadRequest, reason: "idempotency_key_missing", of: needsKey, first: true,
		meaning: "An Idempotency-Key is needed: make one for each new request, and send it again with each repetition."},
	{status: http.StatusBadRequest, reason: "if_match", of: takesKey,
		meaning: "If-Match is not the ETag of a license in its quotes, or there is no license yet: send the ETag that you read, or leave it out where you issue."},
	{status: http.StatusBadRequest, reason: "body_unreadable", of: writes,
		meaning: "The body ended before its length was reached: send the request again."},
	{status: http.StatusBadRequest, reason: "body_unexpected", of: writesNothing,
		meaning: "This endpoint takes no body: send none, or an empty object."},
	{status: http.StatusBadRequest, reason: "body_empty", of: takesBody, meaning: "The request has no body: send the JSON that is described."},
	{status: http.StatusBadRequest, reason: "json_syntax", of: takesBody, meaning: "The body is not well-formed JSON: mend what writes it."},
	{status: http.StatusBadRequest, reason: "json_utf8", of: takesBody, meaning: "The body is not UTF-8: mend your encoding."},
	{status: http.StatusBadRequest, reason: "json_depth", of: takesBody, meaning: "The body is nested deeper than 64 levels: flatten it."},
	{status: http.StatusBadRequest, reason: "json_trailing", of: takesBody, meaning: "There is something behind the body's JSON value: send one value."},
	{status: http.StatusBadRequest, reason: "json_duplicate_name", of: takesBody, meaning: "The body names a member twice: leave one out."},
	{status: http.StatusBadRequest, reason: "json_unknown_member", of: takesBody,
		meaning: "The body has a member that this endpoint doesn't know: violations names it; leave it out, or mend its name."},
	{status: http.StatusBadRequest, reason: "json_type", of: takesBody,
		meaning: "A member is not of the type or form that it must have: violations names it."},
	{status: http.StatusUnauthorized, reason: string(oidc.InvalidToken), of: forClients,
		meaning: "There is no access token, or it is no longer good, or the client or its participant is disabled: get a new one."},
	{status: http.StatusForbidden, reason: string(oidc.InsufficientScope), of: func(e *endpoint) bool { return e.scope != "" },
		meaning: "The access token lacks the scope that this needs: ask for a token with it, or the operator to register it."},
	{status: http.StatusForbidden, reason: "grant_missing", of: ofOperation("list-shared"),
		meaning: "The access token carries no grant of licenses: send that of a login for which licenses were granted."},
	{status: http.StatusNotFound, reason: "certificate_unknown", of: ofOperation("certificate"),
		meaning: "There is no certificate of a key with this id: take the kid from what the key signed."},
	{status: http.StatusNotFound, reason: "revocation_list_unknown", of: ofOperation("revocation-list"),
		meaning: "There is no root with this id, or it has published no list: take the address from the certificate."},
	{status: http.StatusRequestEntityTooLarge, reason: "body_too_large", of: writes, meaning: "The body is larger than this endpoint takes: send less."},
	{status: http.StatusRequestURITooLong, reason: "url_too_long", of: always, meaning: "The URL has more than 4 KiB: send what is long in the body."},
	{status: http.StatusUnsupportedMediaType, reason: "media_type", of: takesBody, meaning: "Send the body as application/json in UTF-8."},
	{status: http.StatusUnsupportedMediaType, reason: "content_encoding", of: takesBody, meaning: "Send the body as it is, without a Content-Encoding."},
	{status: http.StatusUnprocessableEntity, reason: "verify_request", of: ofOperation("verify"),
		meaning: "Send either a credential, or an identifier with its verification_code."},
	{status: http.StatusUnprocessableEntity, reason: "verify_binding", of: ofOperation("verify"),
		meaning: "Send audience and nonce together, and with a credential."},
	{status: http.StatusTooManyRequests, reason: "rate_limited", of: ofOperation("verify"),
		meaning: "There were too many verifications from your address: wait for Retry-After."},
	{status: http.StatusTooManyRequests, reason: "readings_limited", of: (*endpoint).reads,
		meaning: "There were too many readings by your client, 30,000 a minute, or with tokens of one person, 600 a minute: wait for Retry-After."},
	{status: http.StatusInternalServerError, reason: "internal", of: always,
		meaning: "Something went wrong on our side: tell the operator the request_id."},
	{status: http.StatusNotImplemented, reason: "status_list_historical", of: ofOperation("status-list"),
		meaning: "Only the present status list is served: leave time out."},
	{status: http.StatusServiceUnavailable, reason: "storage_unavailable", of: always,
		meaning: "The service can't read or store at the moment: wait for Retry-After, then repeat."},
	{status: http.StatusServiceUnavailable, reason: "records_lost", of: always,
		meaning: "The service decides nothing until its operator has looked at its database: repeat later."},
	{status: http.StatusServiceUnavailable, reason: "cancelled", of: always,
		meaning: "The request was given up before it was answered: repeat it, with the same Idempotency-Key it takes effect once."},
	{status: http.StatusServiceUnavailable, reason: string(oidc.TemporarilyUnavailable), of: forClients,
		meaning: "The access token can't be checked at the moment: wait for Retry-After, then repeat."},
	{status: http.StatusServiceUnavailable, reason: "busy", of: ofOperation("verify"),
		meaning: "Too many verifications are under way: wait for Retry-After, then repeat."},
}

func always(*endpoint) bool          { return true }
func forClients(e *endpoint) bool    { return !e.public }
func takesBody(e *endpoint) bool     { return e.in != nil }
func writes(e *endpoint) bool        { return e.in != nil || e.method != http.MethodGet }
func writesNothing(e *endpoint) bool { return e.in == nil && e.method != http.MethodGet }
func takesKey(e *endpoint) bool      { return e.header(idempotencyKey) != nil }
func needsKey(e *endpoint) bool      { h := e.header(idempotencyKey); return h != nil && h.required }

// ofOperation returns what says yes to one endpoint.
func ofOperation(id string) func(*endpoint) bool { return func(e *endpoint) bool { return e.id == id } }

// header returns a header that the endpoint takes, or nil.
func (e *endpoint) header(name string) *parameter {
	i := slices.IndexFunc(e.headers, func(p parameter) bool { return p.name == name })
	if i < 0 {
		return nil
	}
	return &e.headers[i]
}

// reasons returns all that the endpoint can be refused for, by status and reason.
func (e *endpoint) reasons() []reasonCode {
	var all []reasonCode
	first := map[string]bool{}
	for _, f := range ownReasons {
		if f.of(e) {
			all = append(all, f)
			first[f.reason] = f.first
		}
	}
	for _, f := range license.RefusalsOf(e.action) {
		if !first[f.Reason] {
			all = append(all, reasonCode{status: problem.KindStatus(f.Kind), reason: f.Reason, meaning: f.Meaning})
		}
	}
	slices.SortFunc(all, func(a, b reasonCode) int { return cmp.Or(a.status-b.status, strings.Compare(a.reason, b.reason)) })
	return all
}

// statusText says in general what a status means at this endpoint.
func (e *endpoint) statusText(status int) string {
	switch status {
	case http.StatusBadRequest:
		return "The query, a header or the JSON is malformed."
	case http.StatusUnauthorized:
		return "There is no access token, or it is no longer good: get a new one."
	case http.StatusForbidden:
		return "The token lacks the scope, or the participant may not do this."
	case http.StatusNotFound:
		return "It isn't there, or isn't yours."
	case http.StatusConflict:
		return "It doesn't fit the present state, or the Idempotency-Key was used for another request."
	case http.StatusPreconditionFailed:
		return "It was changed since it was read: read again."
	case http.StatusRequestEntityTooLarge:
		return fmt.Sprintf("The body is larger than %d KiB.", max(e.most, 1<<10)>>10)
	case http.StatusRequestURITooLong:
		return "The URL is too long."
	case http.StatusUnsupportedMediaType:
		return "The body is not application/json in UTF-8, or is compressed."
	case http.StatusUnprocessableEntity:
		return "It is well-formed, and not acceptable: see violations. A lone violation gives its keyword as the reason."
	case http.StatusPreconditionRequired:
		return "Send If-Match with the ETag that you read."
	case http.StatusTooManyRequests:
		return "Too many: wait for Retry-After."
	case http.StatusInternalServerError:
		return "Failed; it was recorded."
	case http.StatusServiceUnavailable:
		return "Not now: wait for Retry-After, then repeat with the same Idempotency-Key."
	}
	return http.StatusText(status) + "."
}
