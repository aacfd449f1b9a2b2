package api

import (
	"net/http"
	"strings"

	"yizheng.internal/api/problem"
	"yizheng.internal/api/rest"
	"yizheng.internal/api/web"
	"yizheng.internal/license/credential"
	"yizheng.internal/license/refusal"
)

// verifyPage checks a license for anybody.
func (s *Server) verifyPage(v *visit) error {
	v.bind()
	return v.show(http.StatusOK, web.Verify{Form: v.token(purposeVerify)})
}

// verifyLicense takes that page's forms.
func (s *Server) verifyLicense(v *visit) error {
	form, err := v.formOf(maxPasted)
	if err != nil {
		return err
	}
	view := web.Verify{Credential: form.Get("credential"), Identifier: strings.TrimSpace(form.Get("identifier")), Code: strings.TrimSpace(form.Get("code"))}
	again := func(status int, wrong string, wait int) error {
		v.bind()
		view.Form, view.Problem, view.Wait = v.token(purposeVerify), wrong, wait
		return v.show(status, view)
	}
	if !v.checked(form, purposeVerify) {
		return again(http.StatusForbidden, "stale", 0)
	}
	q := rest.VerifyRequest{Identifier: view.Identifier, VerificationCode: view.Code}
	if form.Get("act") == "credential" {
		q = rest.VerifyRequest{Credential: compact(view.Credential)}
	}
	if q.Credential == "" && (q.Identifier == "" || q.VerificationCode == "") {
		return again(http.StatusUnprocessableEntity, "empty", 0)
	}
	err = s.rest.Verification.Limit(v.r)
	var result credential.Verification
	if err == nil {
		result, err = s.rest.Verification.Verify(v.r, q, len(view.Credential))
	}
	if err != nil {
		p := problem.Of(err)
		switch p.Reason {
		case "busy", "rate_limited", "verification_limited", refusal.ReasonIdentifierForm, refusal.ReasonIdentifierCheckDigit, refusal.ReasonVerificationCodeForm:
			return again(p.Status, p.Reason, p.RetryAfter)
		}
		return err
	}
	if q.Credential == "" && result.Checks[0].Reason == credential.ReasonNotFound {
		return again(http.StatusOK, "not_found", 0) // perhaps mistyped: what was typed stays
	}
	view.Form, view.Result = v.token(purposeVerify), s.views.Words(v.r.Context(), v.lang).Verdict(&result, q.Credential == "")
	return v.show(http.StatusOK, view)
}

// compact takes out the white space that pasting brings.
func compact(s string) string { return strings.Join(strings.Fields(s), "") }
