package api

import (
	"net/http"
	"strings"

	"yizheng.internal/api/problem"
	"yizheng.internal/api/rest"
	"yizheng.internal/api/web"
	"yizheng.internal/license"
	"yizheng.internal/license/credential"
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
		case "busy", "rate_limited", "verification_limited", license.ReasonIdentifierForm, license.ReasonIdentifierCheckDigit, license.ReasonVerificationCodeForm:
			return again(p.Status, p.Reason, p.RetryAfter)
		}
		return err
	}
	if q.Credential == "" && result.Checks[0].Reason == credential.ReasonNotFound {
		return again(http.StatusOK, "not_found", 0) // perhaps mistyped: what was typed stays
	}
	view.Form, view.Result = v.token(purposeVerify), verdictOf(s.newWords(v.r.Context(), v.lang), &result, q.Credential == "")
	return v.show(http.StatusOK, view)
}

// compact takes out the white space that pasting brings.
func compact(s string) string { return strings.Join(strings.Fields(s), "") }

// verdictOf shows how a verification came out.
func verdictOf(w *words, r *credential.Verification, byCode bool) *web.Verdict {
	out := &web.Verdict{Verdict: string(r.Verdict), At: r.CheckedAt}
	for _, c := range r.Checks {
		out.Checks = append(out.Checks, web.Check{Name: string(c.Name), Result: string(c.Result), Reason: c.Reason})
	}
	p := r.License
	if p == nil {
		return out
	}
	out.Masked, out.Origin, out.Grade = byCode, string(p.Origin), string(p.TrustGrade)
	c := web.Card{Band: "slate", Type: p.TypeName, Number: p.Number, Authority: p.Authority.Name, AuthorityCode: string(p.Authority.Code), From: p.ValidFrom.String()}
	if !p.ValidUntil.IsZero() {
		c.Until = p.ValidUntil.String()
	}
	t, err := w.typ(p.TypeCode, p.TypeVersion)
	if err == nil {
		c.Band = t.band
		if t.signed == p.TypeName {
			c.Type = t.name
		}
	}
	if w.lang != web.Chinese { // what is signed is Chinese
		c.Authority = w.signedAuthority(p.Authority.Code, p.Authority.Name)
	}
	for _, h := range p.Holders {
		c.Holders = append(c.Holders, web.CardHolder{Role: t.roles[h.Role], Name: h.Name, CodeType: w.codeType(h.CodeType), Code: h.Code})
	}
	for _, f := range t.fields {
		if value, ok := p.Fields[f.Name]; ok {
			c.Fields = append(c.Fields, web.Part{Name: f.Name, Title: t.says.Member(f.Name).TitleIn(string(w.lang), f.Name), Value: w.text(t.says.Member(f.Name), value)})
		}
	}
	out.Card = &c
	return out
}
