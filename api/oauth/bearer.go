package oauth

import (
	"errors"
	"net/http"
	"strings"

	"yizheng.internal/api/problem"
	"yizheng.internal/oidc"
	"yizheng.internal/oidc/token"
	"yizheng.internal/signing/journal"
)

// Authorize checks the request's access token and that it carries the scope;
// an empty one asks for none.
// Errors are *problem.Bearer, or unknown ones. With insufficient_scope it returns the Access
// too, so that the caller can record the refusal. If the client is disabled, the refusal is
// recorded here.
func (o *Endpoints) Authorize(r *http.Request, scope oidc.Scope) (token.Access, error) {
	bearer, refused := bearerToken(r)
	if refused != nil {
		return token.Access{}, refused
	}
	access, err := o.c.Tokens.CheckAccessToken(r.Context(), bearer)
	if e, ok := errors.AsType[*oidc.Error](err); ok {
		if access.Client != "" { // genuine, but of a client that is disabled
			a := oidc.Actor{ID: access.Client, RequestID: problem.RequestID(r.Context())}
			if err := o.c.Refusals.Repeating(r.Context(), a.Did(journal.ActionTokenRefuse, access.Client, string(e.Reason))); err != nil {
				o.c.Failing.Error(r.Context(), "a refusal could not be recorded", err, "client", access.Client)
			}
		}
		return token.Access{}, &problem.Bearer{Err: e}
	}
	if err != nil {
		return token.Access{}, err
	}
	if scope != "" && !access.Has(scope) {
		e := &oidc.Error{Code: oidc.InsufficientScope, Description: "the access token does not carry the scope that this needs"}
		return access, &problem.Bearer{Err: e, Scope: scope}
	}
	return access, nil
}

// bearerToken finds the request's token in the Authorization header, and nowhere else (RFC
// 6750 section 2.1). A token in the URL would end up in logs, so it is refused and not just
// ignored. Bodies are never looked at.
func bearerToken(r *http.Request) (string, *problem.Bearer) {
	if strings.Contains(r.URL.RawQuery, "access_token") && r.URL.Query().Has("access_token") {
		return "", &problem.Bearer{Err: invalidRequest("token_in_url", "the access token belongs into the Authorization header, not into the URL")}
	}
	headers := r.Header.Values("Authorization")
	if len(headers) > 1 {
		return "", &problem.Bearer{Err: invalidRequest("authorization_repeated", "there are two Authorization headers")}
	}
	nothing := &problem.Bearer{Err: &oidc.Error{Code: oidc.InvalidToken, Description: "an access token is needed", Reason: "token_missing"}, Nothing: true}
	if len(headers) == 0 {
		return "", nothing
	}
	scheme, token, _ := strings.Cut(headers[0], " ")
	if !strings.EqualFold(scheme, "Bearer") {
		return "", nothing
	}
	token = strings.TrimLeft(token, " ")
	if !isToken68(token) {
		return "", &problem.Bearer{Err: &oidc.Error{Code: oidc.InvalidToken, Description: "the access token is not well-formed", Reason: "token_malformed"}}
	}
	return token, nil
}

// isToken68 checks the characters of a b64token (RFC 6750 section 2.1).
func isToken68(s string) bool {
	body := strings.TrimRight(s, "=")
	for _, c := range []byte(body) {
		if (c < 'a' || c > 'z') && (c < 'A' || c > 'Z') && (c < '0' || c > '9') && !strings.ContainsRune("-._~+/", rune(c)) {
			return false
		}
	}
	return body != ""
}
