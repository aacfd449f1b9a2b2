package pages

import (
	"net/http"
	"net/url"

	"yizheng.internal/api/posted"
	"yizheng.internal/api/problem"
	"yizheng.internal/api/web"
	"yizheng.internal/license/party"
	"yizheng.internal/oidc/identity/phonecode"
)

const (
	maxForm   = 64 << 10  // bytes of a form's body
	maxAgreed = 512 << 10 // bytes of a consent's form: it names each part of what is offered
	MaxPasted = 200 << 10 // bytes of a form's body with a credential in it: with some of it percent-encoded
)

// ErrInput refuses what can't be read.
func ErrInput() error { return posted.ErrForm }

// Form reads a form of ours. It refuses forms that come from another site, as far as the
// browser says so. Only the fields that are lists may come more than once, and no parameter of
// the address: of two values nobody could say which one was meant.
func (v *Visit) Form(lists ...string) (url.Values, error) { return v.FormOf(maxForm, lists...) }

// FormOf is Form for a body of at most so many bytes.
func (v *Visit) FormOf(most int64, lists ...string) (url.Values, error) {
	return formOf(v, most, false, lists...)
}

// FormWithFiles is [Visit.Form] for a form that may have files in it: see [posted.Read].
func FormWithFiles(v *Visit) (url.Values, error) { return formOf(v, maxForm, true) }

func formOf(v *Visit, most int64, files bool, lists ...string) (url.Values, error) {
	if !v.s.sameOrigin(v.R) {
		return nil, ErrForm()
	}
	form, err := posted.Read(v.w, v.R, most, files)
	if err != nil {
		return nil, err
	}
	if posted.Repeated(v.R.URL.Query()) || posted.Repeated(form, lists...) {
		return nil, ErrInput()
	}
	return form, nil
}

// sameOrigin reports whether a form comes from a page of ours, as far as the browser says. It
// says so by Sec-Fetch-Site, or by Origin if it is older than 2023. If it says neither, only
// the form's token is checked.
func (s *Site) sameOrigin(r *http.Request) bool {
	switch r.Header.Get("Sec-Fetch-Site") {
	case "same-origin", "none": // none: by the person's own hand, such as a reload
		return true
	case "":
		from := r.Header.Get("Origin")
		return from == "" || from == origin(s.c.Issuer)
	}
	return false
}

// Checked reports whether a form's token is that of this browser, session and purpose.
func (v *Visit) Checked(form url.Values, purpose string) bool {
	return v.Browser.CheckForm(purpose, form.Get("token"))
}

// ErrForm refuses a form without a good token.
func ErrForm() error { return problem.Refuse(http.StatusForbidden, "form", "") }

// Purposes of forms' tokens, apart from those of a login's steps, see [oidc.StepKind].Purpose,
// and of the portal.
const purposeLogout = "logout"

// Token returns a form's fields that every form has.
func (v *Visit) Token(purpose string) web.Form {
	return web.Form{Action: v.R.URL.RequestURI(), Token: v.Browser.FormToken(purpose)}
}

// CodeTypes are those of the numbers by which people are proofed online. Others are a counter's.
var CodeTypes = []string{string(party.Citizen), string(party.HongKongMacaoPermit), string(party.TaiwanPermit), string(party.Passport)}

// AttemptOf is what a visit tells of who asks for a code to a phone, or gives one.
func AttemptOf(v *Visit, phone string) phonecode.Attempt {
	return phonecode.Attempt{
		Phone: phone, Device: v.Browser.Device, Address: v.Browser.Address, Binding: v.Browser.ID.Reveal(), Language: string(v.Lang), RequestID: v.Browser.RequestID,
	}
}
