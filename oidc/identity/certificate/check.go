package certificate

import (
	"bytes"
	"context"
	"encoding/asn1"
	"encoding/hex"
	"errors"
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/emmansun/gmsm/smx509"

	"yizheng.internal/license/party"
	"yizheng.internal/signing/pki"
	"yizheng.internal/signing/sm2"
)

// check checks a certificate: form, key, use, chain, dates, revocation. *Error: also unavailable.
func (s *Service) check(ctx context.Context, der []byte, now time.Time) (Checked, error) {
	leaf, err := pki.ParseCertificate(der)
	if err != nil {
		return Checked{}, refuse(ReasonFormat, err)
	}
	key, err := keyOf(leaf)
	if err != nil || leaf.SignatureAlgorithm != smx509.SM2WithSM3 {
		return Checked{}, refuse(ReasonFormat, errors.New("its key, or its signature, is not of SM2"))
	}
	if err := checkUse(leaf); err != nil {
		return Checked{}, refuse(ReasonUsage, err)
	}
	for i := range s.c.Authorities {
		a := &s.c.Authorities[i]
		path := a.path(leaf)
		if path == nil {
			continue
		}
		if err := s.checkPath(ctx, a, path, now); err != nil {
			return Checked{}, unavailable(err)
		}
		c := Certificate{
			Key: key, Authority: a.ID, Subject: called(leaf.Certificate.Subject.CommonName), Issuer: called(leaf.Certificate.Issuer.CommonName),
			Serial: hex.EncodeToString(leaf.SerialNumber.Bytes()), NotBefore: leaf.NotBefore.UTC(), NotAfter: leaf.NotAfter.UTC(), Strength: 1,
		}
		if a.Hardware {
			c.Strength = 2
		}
		return Checked{c, leaf, a}, nil
	}
	return Checked{}, refuse(ReasonUntrusted, errors.New("no authority issued it"))
}

// checkUse checks that the certificate is its owner's, for signing, and if it says more, for logging in.
func checkUse(c *pki.Certificate) error {
	switch {
	case c.IsCA || c.KeyUsage&smx509.KeyUsageCertSign != 0:
		return errors.New("it is a CA's")
	case c.KeyUsage&smx509.KeyUsageDigitalSignature == 0:
		return errors.New("its key is not for digital signatures")
	case len(c.ExtKeyUsage)+len(c.UnknownExtKeyUsage) > 0 && !slices.Contains(c.ExtKeyUsage, smx509.ExtKeyUsageClientAuth) && !slices.Contains(c.ExtKeyUsage, smx509.ExtKeyUsageAny):
		return errors.New("its extended key usage is not client authentication")
	}
	return nil
}

// path returns the chain that leads by names from a certificate to an anchor of the authority's: without that,
// leaf first; nil: there is none. Only intermediates of the operator's stand in it.
func (a *Authority) path(leaf *pki.Certificate) []*pki.Certificate {
	path := []*pki.Certificate{leaf}
	for len(path) < 4 { // as many as pki takes
		last := path[len(path)-1]
		i := slices.IndexFunc(a.between, func(ca *pki.Certificate) bool { return issues(ca, last) && !slices.Contains(path, ca) })
		if i < 0 {
			break
		}
		path = append(path, a.between[i])
	}
	last := path[len(path)-1]
	if !slices.ContainsFunc(a.cas[:len(a.cas)-len(a.between)], func(anchor *pki.Certificate) bool { return issues(anchor, last) }) {
		return nil
	}
	return path
}

// issues reports whether a CA may have issued a certificate, by their names and key identifiers.
func issues(ca, c *pki.Certificate) bool {
	return bytes.Equal(ca.RawSubject, c.RawIssuer) &&
		(len(c.AuthorityKeyId) == 0 || len(ca.SubjectKeyId) == 0 || bytes.Equal(c.AuthorityKeyId, ca.SubjectKeyId))
}

// checkPath checks signatures, dates and revocation of a chain.
func (s *Service) checkPath(ctx context.Context, a *Authority, path []*pki.Certificate, now time.Time) error {
	var chain [][]byte
	for _, c := range path {
		chain = append(chain, c.Raw)
	}
	_, err := a.anchors.Verify(ctx, s.c.Verifier, chain, now)
	if e, ok := errors.AsType[*pki.ChainError](err); ok {
		switch e.Reason {
		case pki.ChainExpired, pki.ChainEarly:
			return refuse(ReasonPeriod, e)
		case pki.ChainUsage:
			return refuse(ReasonUsage, e)
		}
		return refuse(ReasonUntrusted, e)
	} else if err != nil {
		return err
	}
	anchor, err := s.anchorOf(ctx, a, path[len(path)-1])
	if err != nil {
		return err
	}
	return s.checkRevoked(a, path, append(slices.Clone(path[1:]), anchor), now)
}

// anchorOf returns the anchor whose key signed a certificate: several may have its issuer's name.
func (s *Service) anchorOf(ctx context.Context, a *Authority, c *pki.Certificate) (*pki.Certificate, error) {
	err := error(sm2.ErrSignature)
	for _, anchor := range a.cas[:len(a.cas)-len(a.between)] {
		if !issues(anchor, c) {
			continue
		}
		if err = s.c.Verifier.Verify(ctx, anchor.PublicKey, c.RawTBSCertificate, c.Signature); err == nil || errors.Is(err, sm2.ErrUndecided) {
			return anchor, err
		}
	}
	return nil, refuse(ReasonUntrusted, err)
}

// checkRevoked looks for a chain's certificates on the lists of their issuers: those of the keys that signed them,
// for another CA may have the same name. Without a list of the leaf's
// issuer that is new enough, nothing passes. An intermediate stands in the operator's file, so the list of its
// issuer counts only if it is there.
func (s *Service) checkRevoked(a *Authority, path, issuers []*pki.Certificate, now time.Time) error {
	s.mu.RLock()
	defer s.mu.RUnlock()
	for i, c := range path {
		found := false
		for _, ca := range a.cas {
			l := s.lists[ca]
			if l == nil || !bytes.Equal(ca.RawSubjectPublicKeyInfo, issuers[i].RawSubjectPublicKeyInfo) {
				continue
			}
			found = true
			if why, revoked := l.revoked[c.SerialNumber.Text(16)]; revoked {
				return refuse(ReasonRevoked, fmt.Errorf("certificate %d of its chain was revoked: %s", i, why))
			}
			if now.After(l.next.Add(a.grace)) {
				return refuse(ReasonUnlisted, fmt.Errorf("the list of authority %s is out of date since %s", a.ID, l.next.Format(time.RFC3339)))
			}
		}
		if !found && i == 0 {
			return refuse(ReasonUnlisted, fmt.Errorf("there is no list of authority %s", a.ID))
		}
	}
	return nil
}

// maxName is how many characters of a name are kept.
const maxName = 64

// called returns a name of a certificate's as it may be shown and stored.
func called(name string) string {
	name = strings.Map(func(r rune) rune {
		if r < ' ' || r == '�' || r >= 0x7f && r < 0xa0 || r >= 0x202a && r <= 0x202e || r >= 0x2066 && r <= 0x2069 {
			return -1
		}
		return r
	}, strings.ToValidUTF8(name, ""))
	if rs := []rune(name); len(rs) > maxName {
		name = string(rs[:maxName])
	}
	return name
}

// Owner returns the number of the person whose certificate it is, if its authority's certificates have one: then
// a certificate without it is an error. ok is false if they have none.
func (c *Checked) Owner() (code party.Code, ok bool, err error) {
	n := c.authority.Number
	if n == nil {
		return party.Code{}, false, nil
	}
	for _, text := range c.texts(n.OID) {
		if found := n.find.FindAllStringSubmatch(text, 2); len(found) == 1 {
			code, err := party.ParseCode(n.Type, found[0][1])
			return code, true, err
		}
	}
	return party.Code{}, true, errors.New("the certificate has no number where its authority's have one, or more than one")
}

// texts returns what stands under an object identifier in the certificate's subject and extensions.
func (c *Checked) texts(oid string) (all []string) {
	for _, name := range c.leaf.Certificate.Subject.Names {
		if text, ok := name.Value.(string); ok && name.Type.String() == oid {
			all = append(all, text)
		}
	}
	for _, e := range c.leaf.Extensions {
		if e.Id.String() != oid {
			continue
		}
		var raw asn1.RawValue
		if rest, err := asn1.Unmarshal(e.Value, &raw); err == nil && len(rest) == 0 && !raw.IsCompound {
			all = append(all, string(raw.Bytes))
		} else {
			all = append(all, string(e.Value)) // as some CAs write it
		}
	}
	return all
}

// verify checks the signature of a text by the certificate's key: of the text itself, or with an end of line,
// which editors and shells add. *Error; [sm2.ErrUndecided].
func (s *Service) verify(ctx context.Context, c *Checked, text string, der []byte) error {
	for _, end := range []string{"", "\n", "\r\n"} {
		err := s.c.Verifier.Verify(ctx, c.leaf.PublicKey, []byte(text+end), der)
		if err == nil || !errors.Is(err, sm2.ErrSignature) {
			return err
		}
	}
	return refuse(ReasonWrong, sm2.ErrSignature)
}
