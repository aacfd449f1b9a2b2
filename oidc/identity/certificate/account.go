package certificate

import (
	"bytes"
	"encoding/hex"
	"errors"
	"fmt"
	"strings"
	"time"
	"unicode"

	"github.com/go-json-experiment/json"

	"yizheng.internal/license/party"
	"yizheng.internal/oidc/identity"
)

// Factor is what an account's list of authenticators calls certificates. Never change it: sealed
// records contain it.
const Factor = "certificate"

// linkPrefix begins the links of certificates. No provider's id has capitals, so that no link of another kind is the same.
const linkPrefix = "SM2 "

// Link returns what leads from the certificate's key to the account; see [identity.Authenticator].
func (c *Certificate) Link() string { return linkPrefix + hex.EncodeToString(c.Key) }

// Of returns an account's certificates.
func Of(a *identity.Account) (all []Certificate) {
	for i := range a.Authenticators {
		if c, err := Open(&a.Authenticators[i]); err == nil {
			all = append(all, c)
		}
	}
	return all
}

var errOther = errors.New("it is another authenticator")

// Open returns the certificate that an authenticator is, or an error if it is another one.
func Open(x *identity.Authenticator) (c Certificate, err error) {
	if x.Factor != Factor {
		return Certificate{}, errOther
	}
	if err := json.Unmarshal(x.Data, &c); err != nil {
		return Certificate{}, fmt.Errorf("authenticator %s: %w", x.ID, err)
	}
	return c, nil
}

// Authenticator returns the authenticator that an account keeps of a certificate, under a name of its owner's.
func (c *Checked) Authenticator(name string) (identity.Authenticator, error) {
	kept, err := json.Marshal(c.Certificate)
	return identity.Authenticator{
		ID: identity.NewID(), Factor: Factor, Name: name, Added: time.Now().UTC().Truncate(time.Second), Data: kept, Link: c.Link(),
	}, err
}

// Take notes in an account that one of its certificates was used now: of the same key, perhaps renewed, by the same
// authority. *Error: certificate_unknown.
func (c *Checked) Take(a *identity.Account) error {
	for i := range a.Authenticators {
		x := &a.Authenticators[i]
		kept, err := Open(x)
		if errors.Is(err, errOther) || err == nil && (!bytes.Equal(kept.Key, c.Key) || kept.Authority != c.Certificate.Authority) {
			continue
		}
		if err != nil {
			return err
		}
		now := c.Certificate
		now.Used = time.Now().UTC().Truncate(time.Second)
		x.Data, err = json.Marshal(now)
		return err
	}
	return refuse(ReasonUnknown, nil)
}

// MaskSubject returns the name of a certificate's subject as its owner is shown it, where others may look on: names
// of people and rows of digits are masked, such as *小䶮 or 990***********35. Names of organizations stay.
func MaskSubject(name string) string {
	kind := func(r rune) int {
		switch {
		case unicode.IsDigit(r):
			return 1
		case unicode.Is(unicode.Han, r) || r == '·':
			return 2
		case unicode.IsLetter(r):
			return 3
		}
		return 0
	}
	var b strings.Builder
	rs := []rune(name)
	for i := 0; i < len(rs); {
		k, end := kind(rs[i]), i+1
		for end < len(rs) && (kind(rs[end]) == k || k == 1 && (rs[end] == 'X' || rs[end] == 'x')) {
			end++
		}
		run := rs[i:end]
		switch {
		case k == 1 && len(run) >= 6:
			b.WriteString(string(run[:3]) + strings.Repeat("*", len(run)-5) + string(run[len(run)-2:]))
		case k == 2 && len(run) <= 6, k == 3 && len(run) > 1:
			b.WriteString(party.MaskName(string(run)))
		default:
			b.WriteString(string(run))
		}
		i = end
	}
	return b.String()
}
