package views

import (
	"net/url"
	"strings"

	"yizheng.internal/api/web"
	"yizheng.internal/oidc"
	"yizheng.internal/oidc/identity/certificate"
)

// Signing returns what every page with a certificate shows: the text to sign, and what was sent; form is nil if
// nothing was. s is nil where nobody uses certificates.
func Signing(s *certificate.Service, l web.Language, b oidc.Browser, text string, form url.Values) web.Signing {
	all := web.Signing{Text: text, Channel: b.Certificate != "", Certificate: SignedBy(form).Certificate}
	if s != nil {
		all.Authorities = s.Titles(string(l))
	}
	return all
}

// SignedBy returns what a form says of a certificate and a signature: typed in, or as files. It is zero if the form
// says that the connection's certificate is meant.
func SignedBy(form url.Values) certificate.Answer {
	if form.Get("act") == "channel" {
		return certificate.Answer{}
	}
	of := func(name string) string {
		if typed := strings.TrimSpace(form.Get(name)); typed != "" {
			return typed
		}
		return form.Get(name + "_file")
	}
	return certificate.Answer{Challenge: form.Get("challenge"), Certificate: of("certificate"), Signature: of("signature")}
}

// CertificateAnswer returns what SignedBy does as [factor.AloneAttempt] has it; empty: the connection's certificate is meant.
func CertificateAnswer(form url.Values) string {
	if form.Get("act") == "channel" {
		return ""
	}
	return SignedBy(form).Text()
}
