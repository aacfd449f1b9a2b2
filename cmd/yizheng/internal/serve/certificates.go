package serve

import (
	"time"

	"yizheng.internal/api"
	"yizheng.internal/cmd/yizheng/internal/texts"
	"yizheng.internal/signing/keystore"
)

// CertificateProxy says which proxy is believed about the certificates of connections.
type CertificateProxy struct {
	CertificateHeader     string `help:"Header in which a proxy of --trusted-proxy, that ends TLCP or TLS, names the certificate of the connection: URL-encoded PEM, or DER in base64. Default: none is believed." env:"YIZHENG_CERTIFICATE_HEADER" placeholder:"NAME" group:"Settings:"`
	CertificateSecretFile string `help:"File with the secret of at least 32 characters that this proxy sends in the header NAME-Secret: so nobody else's word counts, whatever other proxies pass on." env:"YIZHENG_CERTIFICATE_SECRET_FILE" type:"path" placeholder:"FILE" group:"Settings:"`
}

// channel reads what is set; the zero ClientCertificates believe nobody. accepted says that any certificates are.
func (c CertificateProxy) channel(accepted bool) (api.ClientCertificates, error) {
	if c.CertificateHeader == "" && c.CertificateSecretFile == "" {
		return api.ClientCertificates{}, nil
	}
	if c.CertificateHeader == "" || c.CertificateSecretFile == "" || !accepted {
		return api.ClientCertificates{}, texts.Usage("settings.certificate_both")
	}
	secret, err := keystore.ReadPassphraseFile(c.CertificateSecretFile)
	if err != nil {
		return api.ClientCertificates{}, texts.Refuse("usage.of", "--certificate-secret-file", err)
	}
	found, err := api.NewClientCertificates(c.CertificateHeader, string(secret))
	if err != nil {
		return api.ClientCertificates{}, texts.Usage("usage.of", "--certificate-header", err)
	}
	return found, nil
}

// loginLists returns until when the lists count of CAs with whose certificates people log in, for the metrics.
func (s *Service) loginLists() (all []api.Sample) {
	if s.In.People.Certificates == nil {
		return nil
	}
	for _, l := range s.In.People.Certificates.Lists(time.Now()) {
		if l.Problem == "" {
			all = append(all, api.Sample{Labels: []string{l.Authority, l.Issuer}, Value: float64(l.Until.Unix())})
		}
	}
	return all
}
