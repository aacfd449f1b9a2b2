package pages

import (
	"io"
	"mime"
	"net/http"
	"net/url"
	"slices"
	"unicode/utf8"

	"yizheng.internal/api/oauth"
	"yizheng.internal/api/problem"
	"yizheng.internal/api/web"
	"yizheng.internal/license/party"
	"yizheng.internal/oidc/identity/phonecode"
)

const (
	maxForm   = 64 << 10  // bytes of a form's body
	maxFields = 2000      // fields of a form
	maxAgreed = 512 << 10 // bytes of a consent's form: it names each part of what is offered
	MaxPasted = 200 << 10 // bytes of a form's body with a credential in it: with some of it percent-encoded
)

// readPosted reads a form's body.
func readPosted(w http.ResponseWriter, r *http.Request, most int64) (url.Values, error) {
	media, _, err := mime.ParseMediaType(r.Header.Get("Content-Type"))
	if err != nil || media != oauth.FormMedia || r.Header.Get("Content-Encoding") != "" {
		return nil, problem.Refuse(http.StatusUnsupportedMediaType, "input", "")
	}
	body, err := io.ReadAll(http.MaxBytesReader(w, r.Body, most))
	if err != nil {
		return nil, problem.Refuse(http.StatusRequestEntityTooLarge, "input", "")
	}
	return parseForm(string(body))
}

// parseForm reads the fields of a form, or of a query.
func parseForm(body string) (url.Values, error) {
	form, err := url.ParseQuery(body)
	if err != nil {
		return nil, ErrInput()
	}
	n := 0
	for name, values := range form {
		if n += len(values); n > maxFields || !utf8.ValidString(name) {
			return nil, ErrInput()
		}
		for _, v := range values {
			if !utf8.ValidString(v) {
				return nil, ErrInput()
			}
		}
	}
	return form, nil
}

// ErrInput refuses what can't be read.
func ErrInput() error { return problem.Refuse(http.StatusBadRequest, "input", "") }

// Form reads a form of ours. It refuses forms that come from another site, as far as the
// browser says so. Only the fields that are lists may come more than once, and no parameter of
// the address: of two values nobody could say which one was meant.
func (v *Visit) Form(lists ...string) (url.Values, error) { return v.FormOf(maxForm, lists...) }

// FormOf is Form for a body of at most so many bytes.
func (v *Visit) FormOf(most int64, lists ...string) (url.Values, error) {
	if !v.s.sameOrigin(v.R) {
		return nil, ErrForm()
	}
	form, err := readPosted(v.w, v.R, most)
	if err != nil {
		return nil, err
	}
	if repeated(v.R.URL.Query()) || repeated(form, lists...) {
		return nil, ErrInput()
	}
	return form, nil
}

// repeated reports whether a field comes twice and is no list.
func repeated(form url.Values, lists ...string) bool {
	for name, values := range form {
		if len(values) > 1 && !slices.Contains(lists, name) {
			return true
		}
	}
	return false
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
const (
	purposeLogout = "logout"
	purposeSetup  = "setup"
)

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
