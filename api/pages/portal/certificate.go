package portal

import (
	"errors"
	"net/http"
	"net/url"
	"time"

	"yizheng.internal/api/pages"
	"yizheng.internal/api/problem"
	"yizheng.internal/api/views"
	"yizheng.internal/api/web"
	"yizheng.internal/oidc"
	"yizheng.internal/oidc/identity"
	"yizheng.internal/oidc/identity/authenticator"
	"yizheng.internal/oidc/identity/certificate"
)

// certificatePage asks for a certificate and a signature.
func (s security) certificatePage(v *pages.Visit, who oidc.Session) error {
	return s.showCertificate(v, who, http.StatusOK, nil, "")
}

// showCertificate shows the page, with a new text to sign each time; form is what was sent, or nil.
func (s security) showCertificate(v *pages.Visit, who oidc.Session, status int, form url.Values, wrong string) error {
	text, err := s.p.c.Authenticators.PrepareCertificate(v.R.Context(), owner(v, who))
	if e, ok := errors.AsType[*identity.Error](err); ok {
		return s.refused(v, who, e)
	} else if err != nil {
		return err
	}
	v.Bind()
	return v.Show(status, web.CertificateAdd{Form: v.Token(purposeSecurity), Signing: views.Signing(s.p.c.Certificates, v.Lang, v.Browser, text, form), Name: form.Get("name"), Problem: wrong})
}

// addCertificate takes the form of that page.
func (s security) addCertificate(v *pages.Visit, who oidc.Session) error {
	form, err := pages.FormWithFiles(v)
	if err != nil {
		return err
	}
	if !v.Checked(form, purposeSecurity) {
		return s.showCertificate(v, who, http.StatusForbidden, form, "stale")
	}
	if wait := s.p.c.People.WaitAddress(v.Browser.Address, 0, time.Now()); wait > 0 {
		return problem.Later(http.StatusTooManyRequests, "too_many", "", problem.Seconds(wait))
	}
	err = s.p.c.Authenticators.AddCertificate(v.R.Context(), owner(v, who), authenticator.CertificateForm{
		Name: form.Get("name"), Answer: views.SignedBy(form), Channel: v.Browser.Certificate,
	})
	if e, ok := errors.AsType[*identity.Error](err); ok && e.Reason != authenticator.ReasonSessionOver {
		status, key := s.problem(e)
		if s.p.c.Web.Has("certificate.problem." + string(e.Reason)) {
			key = string(e.Reason)
		}
		return s.showCertificate(v, who, status, form, key)
	} else if err != nil {
		return s.refused(v, who, err)
	}
	v.Notify("authenticator_added")
	return v.Redirect(securityPath)
}

// certificateShown returns what the account's page shows of a certificate.
func (s security) certificateShown(v *pages.Visit, x *identity.Authenticator, one web.Authenticator) web.CertificateShown {
	shown := web.CertificateShown{Authenticator: one, Gone: true}
	c, err := certificate.Open(x)
	if err != nil {
		return shown
	}
	shown.Used, shown.Subject, shown.Issuer, shown.From, shown.Until = c.Used, certificate.MaskSubject(c.Subject), c.Issuer, c.NotBefore, c.NotAfter
	shown.Over = time.Now().After(c.NotAfter)
	if all := s.p.c.Certificates; all != nil {
		if title := all.Title(c.Authority, string(v.Lang)); title != "" {
			shown.Issuer, shown.Gone = title, false
		}
	}
	return shown
}
