// Package certificate checks that somebody holds the key of an SM2 certificate, such as one in a USB key, that a
// CA issued which the operator trusts: by a challenge that they sign, or by the connection that they opened with
// it. It knows the CAs and keeps their revocation lists. It knows nothing of logins and their limits: whoever
// calls it finds the account and stores it.
package certificate

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"net/url"
	"slices"
	"sync"
	"time"

	"github.com/emmansun/gmsm/sm3"

	"yizheng.internal/oidc/identity"
	"yizheng.internal/signing/jose"
	"yizheng.internal/signing/pki"
	"yizheng.internal/signing/sm2"
	"yizheng.internal/signing/vault"
)

// Reason says why a certificate isn't taken. An outsider may read those that depend on the certificate alone.
type Reason = identity.Reason

// What depends on the certificate, the authorities and their lists, and not on accounts.
const (
	ReasonFormat    Reason = "certificate_format"    // it can't be read, or isn't of SM2
	ReasonUsage     Reason = "certificate_usage"     // it isn't for signing: the encryption certificate of a pair, or a CA's
	ReasonUntrusted Reason = "certificate_untrusted" // no authority that is trusted issued it
	ReasonPeriod    Reason = "certificate_expired"   // or it isn't valid yet
	ReasonRevoked   Reason = "certificate_revoked"
	ReasonUnlisted  Reason = "certificate_unlisted" // whether it is revoked isn't known: no list, or one that is too old
	ReasonStale     Reason = "certificate_stale"    // the challenge is too old, or was answered before
	ReasonUnsigned  Reason = "certificate_unsigned" // the connection's isn't enough: a login of just now is asked for
)

// What an outsider isn't told: see [ReasonRefused].
const (
	ReasonWrong   Reason = "certificate_wrong"   // its key didn't sign what this login was asked
	ReasonUnknown Reason = "certificate_unknown" // no account has it, or this one doesn't
	ReasonRefused Reason = "certificate_refused" // one of these
)

// unavailable is the refusal for what may pass: a signature that can't be called right or wrong now, or a store that
// doesn't answer.
func unavailable(err error) error {
	if _, refused := errors.AsType[*identity.Error](err); err == nil || refused {
		return err
	}
	return &identity.Error{Reason: identity.ReasonUnavailable, Detail: "Certificates can't be checked just now. Try again in a minute.", Err: err, Retry: time.Minute}
}

// Told reports whether people are told a reason that a login with a certificate was refused for.
func Told(r Reason) bool {
	return slices.Contains([]Reason{ReasonFormat, ReasonUsage, ReasonUntrusted, ReasonPeriod, ReasonRevoked, ReasonUnlisted, ReasonStale, ReasonUnsigned, ReasonRefused}, r)
}

// Refuse refuses a certificate for a reason.
func Refuse(r Reason) *identity.Error { return &identity.Error{Reason: r, Detail: details[r]} }

func refuse(r Reason, cause error) error {
	e := Refuse(r)
	e.Err = cause
	return e
}

var details = map[Reason]string{
	ReasonFormat:    "This isn't an SM2 certificate with a signature, or it can't be read. Take the signing certificate of your key.",
	ReasonUsage:     "This certificate isn't for signing. Take the signing certificate of your key, not the encryption certificate.",
	ReasonUntrusted: "The certificate's issuer isn't accepted here.",
	ReasonPeriod:    "The certificate has expired or isn't valid yet. Have it renewed by its issuer.",
	ReasonRevoked:   "The certificate was revoked by its issuer.",
	ReasonUnlisted:  "Whether the certificate was revoked can't be checked just now. Try again later, or log in in another way.",
	ReasonStale:     "The text was signed too late, or was used before. Sign the new one.",
	ReasonUnsigned:  "Your identity is to be confirmed anew here: sign the text with your key, or log in in another way.",
	ReasonWrong:     "The signature isn't that of this certificate over the text of this page.",
	ReasonUnknown:   "No account has this certificate.",
	ReasonRefused:   "This certificate can't be used. Log in in another way.",
}

// Config says what a Service works with. All of it is required but Fetch and Log.
type Config struct {
	URL         string // the public URL: its host stands in what is signed
	Authorities []Authority
	// Fetch reads a revocation list from an address; private: that may be in a private network. Nil: lists come from
	// files alone.
	Fetch func(ctx context.Context, address string, private bool) ([]byte, error)
	// Spend marks a hash as spent, at least until keep, and reports whether it wasn't before. Of any number of
	// callers, on any nodes, one is the first.
	Spend    func(ctx context.Context, hash [32]byte, keep time.Time) (first bool, err error)
	Vault    *vault.Vault
	Verifier *jose.Verifier
	Log      *slog.Logger // default: discards
}

// Service checks certificates. Safe for concurrent use.
type Service struct {
	c    Config
	host string

	mu    sync.RWMutex // guards the lists of all authorities
	lists map[*pki.Certificate]*list
	read  map[*source]*reading
}

// New checks c and returns a Service. Until [Service.Refresh] has read the lists, no certificate is taken.
func New(c Config) (*Service, error) {
	if len(c.Authorities) == 0 || c.Spend == nil || c.Vault == nil || c.Verifier == nil {
		return nil, errors.New("certificates need Authorities, Spend, a Vault and a Verifier")
	}
	u, err := url.Parse(c.URL)
	if err != nil || u.Host == "" {
		return nil, fmt.Errorf("certificates need the public URL, and %q is none", c.URL)
	}
	if c.Log == nil {
		c.Log = slog.New(slog.DiscardHandler)
	}
	for i := range c.Authorities {
		if a := &c.Authorities[i]; c.Fetch == nil && slices.ContainsFunc(a.sources, func(f source) bool { return f.remote() }) {
			return nil, fmt.Errorf("authority %q: its revocation list has an address, and nothing can be fetched", a.ID)
		}
	}
	s := newService(c)
	s.host = u.Host
	return s, nil
}

// newService returns a Service that knows no list yet.
func newService(c Config) *Service {
	s := &Service{c: c, lists: map[*pki.Certificate]*list{}, read: map[*source]*reading{}}
	for i := range c.Authorities {
		for j := range c.Authorities[i].sources {
			s.read[&c.Authorities[i].sources[j]] = &reading{}
		}
	}
	return s
}

// Checked is a certificate that passed every check at a time. Only this package makes one.
type Checked struct {
	Certificate
	leaf      *pki.Certificate
	authority *Authority
}

// Certificate is what an account keeps of a certificate.
type Certificate struct {
	Key       []byte    `json:"key"`       // SM3 of the public key's point: it stays when the certificate is renewed for it
	Authority string    `json:"authority"` // the id of who issued it
	Subject   string    `json:"subject"`   // its common name
	Issuer    string    `json:"issuer"`    // that of its issuer
	Serial    string    `json:"serial"`    // hexadecimal
	NotBefore time.Time `json:"not_before"`
	NotAfter  time.Time `json:"not_after"`
	Strength  int       `json:"strength"`      // of what a signature by it proves: 1, or 2 if its key is in hardware
	Used      time.Time `json:"used,omitzero"` // when somebody logged in with it last
}

// keyOf names a public key.
func keyOf(c *pki.Certificate) ([]byte, error) {
	key, err := sm2.PublicKey(c.PublicKey)
	if err != nil {
		return nil, err
	}
	sum := sm3.Sum(sm2.MarshalPoint(key))
	return sum[:], nil
}
