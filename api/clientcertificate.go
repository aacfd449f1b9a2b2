package api

import (
	"crypto/sha256"
	"crypto/subtle"
	"errors"
	"log/slog"
	"net/http"
	"net/url"
	"regexp"
	"strings"

	"yizheng.internal/oidc/identity/certificate"
)

// ClientCertificates says how a proxy that ends TLCP or TLS tells with which certificate a browser opened its
// connection. The zero ClientCertificates believe nobody.
//
// Whoever can write that header logs in as anybody whose certificate they have, and certificates aren't secret. So
// it counts only from a trusted proxy, and with a secret that the part of it sends that has checked the
// certificate: what another proxy, or another part of that one, passes on of a client's own headers lacks it.
type ClientCertificates struct {
	header string
	secret [32]byte // its hash
}

// Limits of what is set.
const leastSecret = 32

var headerName = regexp.MustCompile(`^[A-Za-z][A-Za-z0-9-]{2,63}$`)

// NewClientCertificates checks a header's name and a secret.
func NewClientCertificates(header, secret string) (ClientCertificates, error) {
	switch {
	case !headerName.MatchString(header):
		return ClientCertificates{}, errors.New("a header's name has 3 to 64 letters, digits and -, the first one a letter")
	case len(secret) < leastSecret || strings.ContainsFunc(secret, func(r rune) bool { return r <= ' ' || r > '~' }):
		return ClientCertificates{}, errors.New("the secret has at least 32 visible ASCII characters, without spaces")
	}
	return ClientCertificates{http.CanonicalHeaderKey(header), sha256.Sum256([]byte(secret))}, nil
}

// secretHeader is where the proxy's secret stands.
func (c ClientCertificates) secretHeader() string { return c.header + "-Secret" }

// certificate takes both headers from a request, and returns the certificate (DER) that they name; empty: there is
// none, or whoever names it isn't believed.
func (s *Server) certificate(r *http.Request) string {
	c := s.c.ClientCertificates
	if c.header == "" {
		return ""
	}
	named, secrets := r.Header.Values(c.header), r.Header.Values(c.secretHeader())
	r.Header.Del(c.header)
	r.Header.Del(c.secretHeader())
	if len(named) == 0 {
		return ""
	}
	der, why := c.read(named, secrets, s.trusted(peer(r)))
	if why != "" {
		s.metrics.refused.WithLabelValues("certificate_header").Inc()
		s.forged.Do(func() {
			s.c.Log.LogAttrs(r.Context(), slog.LevelWarn, "a header names a certificate and isn't believed; this is said once, and counted always", slog.String("peer", peer(r).String()), slog.String("problem", why))
		})
	}
	return der
}

// read returns the certificate that headers name, or why it isn't believed.
func (c ClientCertificates) read(named, secrets []string, trusted bool) (der, problem string) {
	switch {
	case !trusted:
		return "", "it comes from no trusted proxy"
	case len(secrets) != 1:
		return "", "the proxy's secret is missing, or comes twice"
	case len(named) != 1: // one of them may be the client's own
		return "", "it comes twice"
	}
	sum := sha256.Sum256([]byte(secrets[0]))
	if subtle.ConstantTimeCompare(sum[:], c.secret[:]) != 1 {
		return "", "the proxy's secret is another one"
	}
	text, err := url.PathUnescape(named[0]) // of base64, + stays
	if err != nil {
		return "", "it is badly encoded"
	}
	read, err := certificate.ReadCertificate(text)
	if err != nil {
		return "", "it is neither PEM nor base64"
	}
	return string(read), ""
}
