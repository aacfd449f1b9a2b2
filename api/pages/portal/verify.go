package portal

import (
	"net/http"
	"strings"

	"yizheng.internal/api/pages"
	"yizheng.internal/api/problem"
	"yizheng.internal/api/rest"
	"yizheng.internal/api/web"
	"yizheng.internal/license/credential"
)

// verifyPage checks a license for anybody.
func (p *Portal) verifyPage(v *pages.Visit) error {
	v.Bind()
	return v.Show(http.StatusOK, web.Verify{Form: v.Token(purposeVerify)})
}

// verifyLicense takes that page's forms.
func (p *Portal) verifyLicense(v *pages.Visit) error {
	form, err := v.FormOf(pages.MaxPasted)
	if err != nil {
		return err
	}
	view := web.Verify{Credential: form.Get("credential"), Identifier: strings.TrimSpace(form.Get("identifier")), Code: strings.TrimSpace(form.Get("code"))}
	again := func(status int, wrong string, wait int) error {
		v.Bind()
		view.Form, view.Problem, view.Wait = v.Token(purposeVerify), wrong, wait
		return v.Show(status, view)
	}
	if !v.Checked(form, purposeVerify) {
		return again(http.StatusForbidden, "stale", 0)
	}
	q := rest.VerifyRequest{Identifier: view.Identifier, VerificationCode: view.Code}
	if form.Get("act") == "credential" {
		q = rest.VerifyRequest{Credential: compact(view.Credential)}
	}
	if q.Credential == "" && (q.Identifier == "" || q.VerificationCode == "") {
		return again(http.StatusUnprocessableEntity, "empty", 0)
	}
	err = p.c.Verification.Limit(v.R)
	var result credential.Verification
	if err == nil {
		result, err = p.c.Verification.Verify(v.R, q, len(view.Credential))
	}
	if err != nil {
		refused := problem.Of(err)
		if p.c.Web.Has("verify.problem." + refused.Reason) {
			return again(refused.Status, refused.Reason, refused.RetryAfter)
		}
		return err
	}
	if q.Credential == "" && result.Checks[0].Reason == credential.ReasonNotFound {
		return again(http.StatusOK, "not_found", 0) // perhaps mistyped: what was typed stays
	}
	view.Form, view.Result = v.Token(purposeVerify), p.c.Views.Words(v.R.Context(), v.Lang).Verdict(&result, q.Credential == "")
	return v.Show(http.StatusOK, view)
}

// compact takes out the white space that pasting brings.
func compact(s string) string { return strings.Join(strings.Fields(s), "") }
