// Package passkey leads the two ceremonies of passkeys 通行密钥 (Web Authentication Level 3): it
// says what a browser shall ask an authenticator for, and checks what comes back. It knows nothing of
// logins and their limits: whoever calls it finds the account and stores it.
package passkey

import (
	"encoding/json"
	"errors"
	"fmt"
	"net/url"
	"strings"
	"time"

	"github.com/go-webauthn/webauthn/protocol"
	"github.com/go-webauthn/webauthn/protocol/webauthncose"

	"yizheng.internal/oidc/ephemeral"
	"yizheng.internal/signing/vault"
)

// Passkey is what an account keeps of a passkey: a credential record (WebAuthn section 4). All of
// it but Used comes from the authenticator.
type Passkey struct {
	ID         []byte    `json:"id"`  // the credential's id
	Key        []byte    `json:"key"` // the public key, as COSE writes it (RFC 9052 section 7)
	Count      uint32    `json:"count,omitempty"`
	Eligible   bool      `json:"backup_eligible,omitempty"` // it may be copied to other devices of its owner
	BackedUp   bool      `json:"backed_up,omitempty"`       // it was
	Transports []string  `json:"transports,omitempty"`
	AAGUID     []byte    `json:"aaguid,omitempty"` // the model of the authenticator; zeros, for most
	Used       time.Time `json:"used,omitzero"`    // when somebody logged in with it last
}

// What went wrong. Errors of the vault come as they are.
var (
	// ErrExpired says that the challenge is older than [ChallengeLife], or was answered before.
	ErrExpired = errors.New("the challenge has expired or was answered")
	// ErrRefused says that what the browser sent isn't an answer to the challenge by that passkey.
	ErrRefused = errors.New("the answer is refused")
	// ErrUnknown says that the account has no such passkey.
	ErrUnknown = errors.New("no such passkey")
	// ErrCount says that the sign count went back: somebody may have a copy of the
	// authenticator (WebAuthn section 6.1.1).
	ErrCount = errors.New("the sign count went back")
	// ErrAway says that the store doesn't answer in which answered challenges are counted.
	ErrAway = errors.New("answers can't be counted")
)

// Config says what a Service works with. All of it is required but Name.
type Config struct {
	URL       string // the public URL: its origin is the only one from which answers come
	Name      string // what authenticators call this service; default: 一证
	Vault     *vault.Vault
	Ephemeral ephemeral.Store
}

// Service is the relying party (WebAuthn section 4). Safe for concurrent use.
type Service struct {
	c      Config
	id     string // the RP ID: the public URL's host
	origin string
}

// New checks c and returns a Service.
func New(c Config) (*Service, error) {
	if c.Vault == nil || c.Ephemeral == nil {
		return nil, errors.New("passkeys need a Vault and an Ephemeral")
	}
	u, err := url.Parse(c.URL)
	if err != nil || u.Hostname() == "" || u.Scheme != "https" && u.Scheme != "http" {
		return nil, fmt.Errorf("passkeys need the public URL, and %q is none", c.URL)
	}
	if c.Name == "" {
		c.Name = "一证"
	}
	return &Service{c, strings.ToLower(u.Hostname()), u.Scheme + "://" + u.Host}, nil
}

// Limits of what browsers send, and for how long they are asked.
const (
	mostAnswer = 16 << 10 // bytes of JSON
	mostID     = 1023     // bytes of a credential's id (WebAuthn section 4)
	mostKey    = 1100     // bytes of a public key: RSA with 8192 bits
	patience   = 5 * time.Minute
)

// parameters are the algorithms that we accept, the preferred one first.
func parameters() []protocol.CredentialParameter {
	var all []protocol.CredentialParameter
	for _, a := range []webauthncose.COSEAlgorithmIdentifier{webauthncose.AlgES256, webauthncose.AlgEdDSA, webauthncose.AlgRS256} {
		all = append(all, protocol.CredentialParameter{Type: protocol.PublicKeyCredentialType, Algorithm: a})
	}
	return all
}

// Owner is who gets a passkey, as the authenticator shows and keeps them.
type Owner struct {
	Handle []byte // the user handle (WebAuthn section 5.4.3): random, it says nothing of the person
	Name   string // how people tell their accounts apart
}

// CreationJSON returns the options with which a page asks an authenticator for a passkey of the
// owner's, as a PublicKeyCredentialCreationOptionsJSON (WebAuthn section 5.1.8): one that is found
// without a login name, and that asks for the person's finger, face or PIN each time. No
// attestation is asked for. An authenticator that has one of those in has makes no second one.
func (s *Service) CreationJSON(challenge []byte, o Owner, has []Passkey) (string, error) {
	resident := true
	return written(protocol.PublicKeyCredentialCreationOptions{
		RelyingParty: protocol.RelyingPartyEntity{ID: s.id, CredentialEntity: protocol.CredentialEntity{Name: s.c.Name}},
		User:         protocol.UserEntity{ID: protocol.URLEncodedBase64(o.Handle), DisplayName: o.Name, CredentialEntity: protocol.CredentialEntity{Name: o.Name}},
		Challenge:    challenge, Parameters: parameters(), Timeout: int(patience / time.Millisecond),
		CredentialExcludeList: descriptors(has), Attestation: protocol.PreferNoAttestation,
		AuthenticatorSelection: protocol.AuthenticatorSelection{
			ResidentKey: protocol.ResidentKeyRequirementRequired, RequireResidentKey: &resident, UserVerification: protocol.VerificationRequired,
		},
	})
}

// RequestJSON returns the options with which a page asks for one of some passkeys, or for any if
// there are none, as a PublicKeyCredentialRequestOptionsJSON (WebAuthn section 5.1.8).
func (s *Service) RequestJSON(challenge []byte, allowed []Passkey) (string, error) {
	return written(protocol.PublicKeyCredentialRequestOptions{
		Challenge: challenge, RelyingPartyID: s.id, Timeout: int(patience / time.Millisecond),
		AllowedCredentials: descriptors(allowed), UserVerification: protocol.VerificationRequired,
	})
}

func descriptors(all []Passkey) []protocol.CredentialDescriptor {
	var ds []protocol.CredentialDescriptor
	for _, k := range all {
		d := protocol.CredentialDescriptor{Type: protocol.PublicKeyCredentialType, CredentialID: k.ID}
		for _, t := range k.Transports {
			d.Transport = append(d.Transport, protocol.AuthenticatorTransport(t))
		}
		ds = append(ds, d)
	}
	return ds
}

// written writes the library's types with the package for which it gave them their tags.
func written(options any) (string, error) {
	text, err := json.Marshal(options)
	if err != nil {
		return "", fmt.Errorf("writing the options of a passkey: %w", err)
	}
	return string(text), nil
}
