package credential

import (
	"crypto"
	"encoding/base64"
	"errors"
	"fmt"
	"slices"
	"strings"

	"yizheng.internal/signing/jose"
	"yizheng.internal/signing/sdjwt"
)

// ErrTooLarge says that a credential would be longer than 128 KiB, or have more than
// 1024 parts that can be withheld.
var ErrTooLarge = errors.New("the credential would be too large")

// Packer packs and signs one credential after another in the same memory. The zero
// Packer is ready; it is not safe for concurrent use.
type Packer struct {
	packer sdjwt.Packer
	claims sdjwt.Members
	out    []byte
}

// Pack makes a credential of contents, and the presentation key that its cnf names. It signs the credential with
// a key whose header has the type [jose.TypCredential]. The next call overwrites the credential. An error is
// [ErrTooLarge], or one of [jose.Sign].
func (p *Packer) Pack(c *Contents, signer crypto.MessageSigner, h jose.Header) (credential, holderKey []byte, err error) {
	cnf, holderKey, err := jose.NewHolderKey()
	if err != nil {
		return nil, nil, fmt.Errorf("making a presentation key: %w", err)
	}
	p.claims = c.claims(slices.Grow(p.claims[:0], 24), cnf)
	packed, err := p.packer.Pack(p.claims, sdjwt.PackOptions{Hash: sdjwt.SM3})
	if e, ok := errors.AsType[*sdjwt.Error](err); ok && e.Reason == sdjwt.ReasonTooLarge {
		return nil, nil, ErrTooLarge
	} else if err != nil {
		return nil, nil, fmt.Errorf("packing a credential: %w", err)
	}
	out, err := packed.Issue(p.out[:0], signer, h)
	if err != nil {
		return nil, nil, fmt.Errorf("signing a credential: %w", err)
	}
	if p.out = out; len(out) > maxCredential {
		return nil, nil, ErrTooLarge
	}
	return out, holderKey, nil
}

// Present withholds all parts of a credential except the given ones, such as holders or fields/NAME, and of these
// the parts below them that are withheld, such as holders/1/code. It verifies nothing, because the credential is
// our own.
func Present(credential string, parts, withheld []string) (*sdjwt.Token, error) {
	token, err := sdjwt.Parse(credential, credentialLimits)
	if err != nil {
		return nil, err
	}
	_, rest, _ := strings.Cut(token.JWS, ".")
	part, _, _ := strings.Cut(rest, ".")
	payload, err := base64.RawURLEncoding.DecodeString(part)
	if err != nil {
		return nil, err
	}
	return token.Present(payload, func(pointer string) bool {
		if slices.ContainsFunc(withheld, func(p string) bool { return pointer == "/"+p || strings.HasPrefix(pointer, "/"+p+"/") }) {
			return false
		}
		for _, p := range parts {
			if below, ok := strings.CutPrefix(pointer, "/"+p); ok && (below == "" || below[0] == '/') {
				return true
			}
		}
		return false
	})
}
