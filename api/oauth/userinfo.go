package oauth

import (
	"errors"
	"net/http"

	"yizheng.internal/api/problem"
	"yizheng.internal/oidc"
)

// UserInfo serves the userinfo endpoint (OpenID Connect Core section 5.3), GET
// and POST. The access token stands in the Authorization header, or, with POST
// alone, as access_token in a form (RFC 6750 section 2.2).
func (o *Endpoints) UserInfo(w http.ResponseWriter, r *http.Request) error {
	noStore(w)
	if err := formToken(w, r); err != nil {
		return err
	}
	access, err := o.Authorize(r, "")
	if err != nil {
		return err
	}
	problem.KnowClient(r.Context(), access.Client)
	claims, err := o.c.Tokens.UserInfo(r.Context(), access)
	if e, ok := errors.AsType[*oidc.Error](err); ok {
		return &problem.Bearer{Err: e}
	}
	if err != nil {
		return err
	}
	w.Header().Set("Content-Type", "application/json")
	_, _ = w.Write(claims) // an error is the connection's
	return nil
}

// formToken moves the token of a form into the header, where everything else
// looks for it. Two tokens are refused, and so is a form that isn't one.
func formToken(w http.ResponseWriter, r *http.Request) error {
	if r.Method != http.MethodPost || !isForm(r.Header.Get("Content-Type")) {
		return nil
	}
	form, err := readForm(w, r)
	if e, ok := errors.AsType[*oidc.Error](err); ok {
		return &problem.Bearer{Err: e}
	} else if err != nil {
		return err
	}
	if !form.Has("access_token") {
		return nil
	}
	if r.Header.Get("Authorization") != "" {
		return &problem.Bearer{Err: invalidRequest("token_repeated", "there are two access tokens")}
	}
	r.Header.Set("Authorization", "Bearer "+form.Get("access_token"))
	return nil
}
