package web

import "time"

// Signing is what every page shows that asks for a certificate and a signature.
type Signing struct {
	Text        string   // to be signed
	Certificate string   // as it was sent, when the page comes again
	Authorities []string // whose certificates are accepted
	Channel     bool     // the browser opened its connection with a certificate: a button is enough
}

// CertificateLogin logs somebody in with a certificate.
type CertificateLogin struct {
	Form
	Signing Signing
	Asker   *Asker // nil: our own pages are to be seen
	Back    string // the login page
	Problem string // key, without "certificate.problem." or "login.problem."
	Wait    int    // seconds until the next try
}

// CertificateAdd adds a certificate to somebody's account.
type CertificateAdd struct {
	Form
	Signing Signing
	Name    string
	Problem string // key, without "certificate.problem." or "security.problem."
}

// CertificateShown is a certificate of somebody's account.
type CertificateShown struct {
	Authenticator
	Subject string // masked
	Issuer  string
	From    time.Time
	Until   time.Time
	Over    bool // it has expired
	Gone    bool // its authority isn't accepted any more
}

func (CertificateLogin) template() string { return "certificate-login" }
func (CertificateAdd) template() string   { return "certificate-add" }
