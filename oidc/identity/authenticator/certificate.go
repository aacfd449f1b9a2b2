package authenticator

import (
	"context"
	"errors"
	"slices"
	"time"

	"yizheng.internal/license/party"
	"yizheng.internal/oidc/identity"
	"yizheng.internal/oidc/identity/certificate"
	"yizheng.internal/oidc/identity/factor"
)

// ReasonCertificateTaken refuses a certificate with which somebody logs in to another account, and
// ReasonCertificateOther one that is somebody else's by the number in it.
const (
	ReasonCertificateTaken identity.Reason = "certificate_taken"
	ReasonCertificateOther identity.Reason = "certificate_other"
)

// certificateBinding binds challenges to the owner's session.
func (o *Owner) certificateBinding() string { return "session." + o.Account + "." + o.Session }

// PrepareCertificate returns the text that the certificate's key signs. Nothing is stored of it. *Error:
// certificate_unsupported, authenticator_limit.
func (s *Service) PrepareCertificate(ctx context.Context, o Owner) (string, error) {
	if s.c.Certificates == nil {
		return "", noCertificates()
	}
	a, err := s.c.People.Account(ctx, o.Account)
	if err != nil {
		return "", err
	}
	if err := CheckRoom(&a, factor.Certificate); err != nil {
		return "", err
	}
	return s.c.Certificates.Challenge(ctx, certificate.ToAdd, o.certificateBinding())
}

// CertificateForm is what somebody adds a certificate with.
type CertificateForm struct {
	Name    string             // the owner's, for the certificate
	Answer  certificate.Answer // to [Service.PrepareCertificate]
	Channel string             // or, if Answer is zero: the certificate of the connection, DER
}

// AddCertificate adds a certificate whose key the owner has. The form sent twice adds it once. The owner is told;
// nothing that is logged in ends. *Error: what is wrong with the certificate or its signature, certificate_taken,
// certificate_other, certificate_unsupported, name_invalid, authenticator_limit, session_over, stronger_login,
// too_many_tries, unavailable.
func (s *Service) AddCertificate(ctx context.Context, o Owner, f CertificateForm) error {
	if s.c.Certificates == nil {
		return noCertificates()
	}
	name, err := checkName(f.Name)
	if err != nil {
		return err
	}
	c, err := s.checkCertificate(ctx, o, f)
	if err != nil {
		return err
	}
	x, err := c.Authenticator(name)
	if err != nil {
		return err
	}
	err = s.Link(ctx, o, x, kind(factor.Certificate, o.Language))
	if errors.Is(err, identity.ErrExists) {
		return &identity.Error{Reason: ReasonCertificateTaken, Detail: "This certificate belongs to another account. Remove it there first.", Err: err}
	}
	return err
}

// checkCertificate checks a certificate that is to be added, and that it is the owner's as far as it says.
func (s *Service) checkCertificate(ctx context.Context, o Owner, f CertificateForm) (c certificate.Checked, err error) {
	if f.Answer == (certificate.Answer{}) {
		c, err = s.c.Certificates.Channel(ctx, f.Channel)
	} else {
		c, err = s.c.Certificates.Signed(ctx, certificate.ToAdd, o.certificateBinding(), f.Answer)
	}
	if err != nil {
		return c, err
	}
	code, says, err := c.Owner()
	if !says {
		return c, nil
	}
	other := &identity.Error{Reason: ReasonCertificateOther, Detail: "The certificate is somebody else's, or doesn't say whose it is.", Err: err}
	if err != nil {
		return c, other
	}
	someone, err := identity.NewRoster(s.c.People).Someone(ctx, o.Account)
	if err != nil {
		return c, err
	}
	today := party.DateOf(time.Now())
	if !slices.ContainsFunc(someone.Party.Codes, func(p identity.PartyCode) bool { return p.Code == code && p.Held(today) }) {
		return c, other
	}
	return c, nil
}

func noCertificates() error {
	return &identity.Error{Reason: "certificate_unsupported", Detail: "Certificates can't be used here."}
}
