package openapi

import (
	"cmp"
	"fmt"
	"net/http"
	"slices"
	"strings"

	"yizheng.internal/api/problem"
	"yizheng.internal/license/refusal"
	"yizheng.internal/oidc"
)

// Reason is a reason code that the API answers by itself, before, after or
// instead of the registry. The table below is the only place that says which there
// are; a test reads the source and compares.
type Reason struct {
	Status  int
	Reason  string
	Meaning string // what is wrong, and what the caller can do
	of      func(e *Endpoint) bool
	first   bool // the endpoint refuses for this before the registry could
}

// ownReasons is what the endpoints of the REST API are refused for, beside what the
// registry refuses.
var ownReasons = []Reason{
	{Status: http.StatusBadRequest, Reason: "query_parameter", of: always,
		Meaning: "The query has a parameter that this endpoint doesn't know, has one twice, or one is out of its bounds: mend the URL."},
	{Status: http.StatusBadRequest, Reason: string(oidc.InvalidRequest), of: forClients,
		Meaning: "The access token stands in the URL, or there are two Authorization headers: send it once, in the header."},
	{Status: http.StatusBadRequest, Reason: "idempotency_key", of: takesKey,
		Meaning: "There are two Idempotency-Key headers: send one."},
	{Status: http.StatusBadRequest, Reason: "idempotency_key_missing", of: needsKey, first: true,
		Meaning: "An Idempotency-Key is needed: make one for each new request, and send it again with each repetition."},
	{Status: http.StatusBadRequest, Reason: "if_match", of: takesTag,
		Meaning: "If-Match is not an ETag in its quotes, or there is nothing yet of which it could be: send the ETag that you read, or leave it out where you issue."},
	{Status: http.StatusBadRequest, Reason: "body_unreadable", of: writes,
		Meaning: "The body ended before its length was reached: send the request again."},
	{Status: http.StatusBadRequest, Reason: "body_unexpected", of: writesNothing,
		Meaning: "This endpoint takes no body: send none, or an empty object."},
	{Status: http.StatusBadRequest, Reason: "body_empty", of: takesBody, Meaning: "The request has no body: send the JSON that is described."},
	{Status: http.StatusBadRequest, Reason: "json_syntax", of: takesBody, Meaning: "The body is not well-formed JSON: mend what writes it."},
	{Status: http.StatusBadRequest, Reason: "json_utf8", of: takesBody, Meaning: "The body is not UTF-8: mend your encoding."},
	{Status: http.StatusBadRequest, Reason: "json_depth", of: takesBody, Meaning: "The body is nested deeper than 64 levels: flatten it."},
	{Status: http.StatusBadRequest, Reason: "json_trailing", of: takesBody, Meaning: "There is something behind the body's JSON value: send one value."},
	{Status: http.StatusBadRequest, Reason: "json_duplicate_name", of: takesBody, Meaning: "The body names a member twice: leave one out."},
	{Status: http.StatusBadRequest, Reason: "json_unknown_member", of: takesBody,
		Meaning: "The body has a member that this endpoint doesn't know: violations names it; leave it out, or mend its name."},
	{Status: http.StatusBadRequest, Reason: "json_type", of: takesBody,
		Meaning: "A member is not of the type or form that it must have: violations names it."},
	{Status: http.StatusUnauthorized, Reason: string(oidc.InvalidToken), of: forClients,
		Meaning: "There is no access token, or it is no longer good, or the client or its participant is disabled: get a new one."},
	{Status: http.StatusForbidden, Reason: string(oidc.InsufficientScope), of: func(e *Endpoint) bool { return e.Scope != "" },
		Meaning: "The access token lacks the scope that this needs: ask for a token with it, or the operator to register it."},
	{Status: http.StatusForbidden, Reason: "grant_missing", of: ofOperation("list-shared"),
		Meaning: "The access token carries no grant of licenses: send that of a login for which licenses were granted."},
	{Status: http.StatusNotFound, Reason: "certificate_unknown", of: ofOperation("certificate"),
		Meaning: "There is no certificate of a key with this id: take the kid from what the key signed."},
	{Status: http.StatusNotFound, Reason: "revocation_list_unknown", of: ofOperation("revocation-list"),
		Meaning: "There is no root with this id, or it has published no list: take the address from the certificate."},
	{Status: http.StatusRequestEntityTooLarge, Reason: "body_too_large", of: writes, Meaning: "The body is larger than this endpoint takes: send less."},
	{Status: http.StatusRequestURITooLong, Reason: "url_too_long", of: always, Meaning: "The URL has more than 4 KiB: send what is long in the body."},
	{Status: http.StatusUnsupportedMediaType, Reason: "media_type", of: takesBody, Meaning: "Send the body as application/json in UTF-8."},
	{Status: http.StatusUnsupportedMediaType, Reason: "content_encoding", of: takesBody, Meaning: "Send the body as it is, without a Content-Encoding."},
	{Status: http.StatusUnprocessableEntity, Reason: "verify_request", of: ofOperation("verify"),
		Meaning: "Send either a credential, or an identifier with its verification_code."},
	{Status: http.StatusUnprocessableEntity, Reason: "verify_binding", of: ofOperation("verify"),
		Meaning: "Send audience and nonce together, and with a credential."},
	{Status: http.StatusTooManyRequests, Reason: "rate_limited", of: ofOperation("verify"),
		Meaning: "There were too many verifications from your address: wait for Retry-After."},
	{Status: http.StatusTooManyRequests, Reason: "readings_limited", of: (*Endpoint).Reads,
		Meaning: "There were too many readings by your client, 30,000 a minute, or with tokens of one person, 600 a minute: wait for Retry-After."},
	{Status: http.StatusInternalServerError, Reason: "internal", of: always,
		Meaning: "Something went wrong on our side: tell the operator the request_id."},
	{Status: http.StatusNotImplemented, Reason: "status_list_historical", of: ofOperation("status-list"),
		Meaning: "Only the present status list is served: leave time out."},
	{Status: http.StatusServiceUnavailable, Reason: "storage_unavailable", of: always,
		Meaning: "The service can't read or store at the moment: wait for Retry-After, then repeat."},
	{Status: http.StatusServiceUnavailable, Reason: "records_lost", of: always,
		Meaning: "The service decides nothing until its operator has looked at its database: repeat later."},
	{Status: http.StatusServiceUnavailable, Reason: "cancelled", of: always,
		Meaning: "The request was given up before it was answered: repeat it, with the same Idempotency-Key it takes effect once."},
	{Status: http.StatusServiceUnavailable, Reason: string(oidc.TemporarilyUnavailable), of: forClients,
		Meaning: "The access token can't be checked at the moment: wait for Retry-After, then repeat."},
	{Status: http.StatusServiceUnavailable, Reason: "busy", of: ofOperation("verify"),
		Meaning: "Too many verifications are under way: wait for Retry-After, then repeat."},
}

func always(*Endpoint) bool          { return true }
func forClients(e *Endpoint) bool    { return !e.Public }
func takesBody(e *Endpoint) bool     { return e.In != nil }
func writes(e *Endpoint) bool        { return e.In != nil || e.Method != http.MethodGet }
func writesNothing(e *Endpoint) bool { return e.In == nil && e.Method != http.MethodGet }
func takesKey(e *Endpoint) bool      { return e.header(IdempotencyKey) != nil }
func takesTag(e *Endpoint) bool      { return takesKey(e) || e.header("If-Match") != nil }
func needsKey(e *Endpoint) bool      { h := e.header(IdempotencyKey); return h != nil && h.Required }

// ofOperation returns what says yes to some endpoints.
func ofOperation(ids ...string) func(*Endpoint) bool {
	return func(e *Endpoint) bool { return slices.Contains(ids, e.ID) }
}

// OwnReasons returns what the API itself refuses at the endpoint.
func (e *Endpoint) OwnReasons() []Reason {
	return slices.DeleteFunc(slices.Concat(ownReasons, peopleReasons), func(f Reason) bool { return !f.of(e) })
}

// Reasons returns all that the endpoint can be refused for, by status and reason.
func (e *Endpoint) Reasons() []Reason {
	var all []Reason
	first := map[string]bool{}
	for _, f := range e.OwnReasons() {
		all = append(all, f)
		first[f.Reason] = f.first
	}
	for _, f := range refusal.Of(e.Action) {
		if !first[string(f.Reason)] {
			all = append(all, Reason{Status: problem.KindStatus(f.Kind), Reason: string(f.Reason), Meaning: f.Meaning})
		}
	}
	slices.SortFunc(all, func(a, b Reason) int { return cmp.Or(a.Status-b.Status, strings.Compare(a.Reason, b.Reason)) })
	return all
}

// statusText says in general what a status means at this endpoint.
func (e *Endpoint) statusText(status int) string {
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
		return fmt.Sprintf("The body is larger than %d KiB.", max(e.Most, 1<<10)>>10)
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
