package factor

import (
	"context"
	"errors"
	"time"

	"yizheng.internal/oidc/identity"
	"yizheng.internal/oidc/identity/certificate"
	"yizheng.internal/oidc/identity/guessing"
	"yizheng.internal/oidc/identity/tries"
	"yizheng.internal/signing/journal"
)

// Certificate is an SM2 certificate of a CA that the operator trusts, such as one in a USB key.
const Certificate Name = certificate.Factor

// byCertificate counts for what its authority's configuration says: for two factors if the key lies in hardware that
// asks for a PIN. The connection's certificate counts for no more: a TLS session that is resumed, or kept open, has it
// without any use of the key. Its method is pop (RFC 8176): of a key, in hardware or not.
var byCertificate = Definition{
	Name: Certificate, Methods: []string{"pop"}, Kind: Held, Strength: oneFactor,
	Best: func(a identity.Account) Proof {
		best := Proof{Factor: Certificate}
		for _, c := range certificate.Of(&a) {
			best.Strength = max(best.Strength, min(Assurance(c.Strength), twoFactors)) // whether there is a proxy isn't known
		}
		return best
	},
	Tries:  map[journal.Action]string{journal.ActionCertificateCheck: "certificate"},
	prover: func(t *tools) Factor { return &certificates{t} },
}

// The limits of certificates that were refused, as of passkeys.
var (
	ofCertificate        = []tries.Limit{{Name: "certificate", Most: 20, Window: time.Hour}}
	ofCertificateAddress = tries.Limit{Name: "certificate-address", Most: guessing.MostOfAddress, Window: time.Hour}
	ofCertificateNetwork = tries.Limit{Name: "certificate-network", Most: guessing.MostOfNetwork, Window: time.Hour}
)

// certificates proves that somebody has the key of a certificate of the account's. See [Service.CheckAlone], too.
type certificates struct{ *tools }

// Begin implements [Factor]: it returns the text that the person's key signs. It stores nothing.
func (p *certificates) Begin(ctx context.Context, l Login) (Begun, error) {
	if _, err := p.usable(ctx, l.Account, p.Certificates != nil); err != nil {
		return Begun{}, err
	}
	text, err := p.Certificates.Challenge(ctx, certificate.ToConfirm, l.passkeyBinding())
	return Begun{Options: text}, err
}

// Finish implements [Factor]: answer is a [certificate.Answer]; empty: the connection's certificate counts. *Error: as
// of [Service.CheckAlone]; too_many_tries after twenty wrong ones in an hour.
func (p *certificates) Finish(ctx context.Context, l Login, answer string) (proof Proof, err error) {
	var c certificate.Checked
	err = p.spend(ctx, ofCertificate, l.Account, func(a *identity.Account) (err error) {
		if proof.Factor == "" { // not when another change came first: the challenge is used up
			if c, err = p.checked(ctx, certificate.ToConfirm, l.passkeyBinding(), answer, l.Certificate); err != nil {
				return err
			}
			proof = proofOf(&c, answer == "")
		}
		return c.Take(a)
	})
	if err := p.proved(ctx, l, journal.ActionCertificateCheck, err); err != nil {
		return Proof{}, outside(err, certificate.Refuse(certificate.ReasonRefused))
	}
	return proof, nil
}

// checked checks an answer or, if it is empty, the certificate of the connection.
func (t *tools) checked(ctx context.Context, u certificate.Use, binding, answer, channel string) (certificate.Checked, error) {
	switch {
	case t.Certificates == nil:
		return certificate.Checked{}, notHere()
	case answer == "":
		return t.Certificates.Channel(ctx, channel)
	}
	return t.Certificates.Signed(ctx, u, binding, certificate.ReadAnswer(answer))
}

// proofOf returns what a certificate proved; channel says that the connection was opened with it.
func proofOf(c *certificate.Checked, channel bool) Proof {
	return Proof{Factor: Certificate, Strength: Assurance(c.Strength), Channel: channel}
}

// options implements [alone].
func (p *certificates) options(ctx context.Context, binding string) (string, error) {
	if p.Certificates == nil {
		return "", nil
	}
	return p.Certificates.Challenge(ctx, certificate.ToLogIn, binding)
}

// begin implements [alone].
func (p *certificates) begin(a AloneAttempt) lone {
	var c certificate.Checked
	return lone{
		action: journal.ActionCertificateCheck, ofAddress: ofCertificateAddress, ofNetwork: ofCertificateNetwork, stale: certificate.ReasonStale,
		find: func(ctx context.Context) (found identity.Account, err error) {
			if c, err = p.checked(ctx, certificate.ToLogIn, browserBinding(a.Binding), a.Answer, a.Channel); err != nil {
				return identity.Account{}, err
			}
			found, err = identity.NewRoster(p.People).OfLink(ctx, c.Link())
			if errors.Is(err, identity.ErrNotFound) {
				err = certificate.Refuse(certificate.ReasonUnknown)
			}
			return found, err
		},
		take:    func(a *identity.Account) error { return c.Take(a) },
		proof:   func() Proof { return proofOf(&c, a.Answer == "") },
		refused: certificate.Refuse(certificate.ReasonRefused),
	}
}
