package pki

import (
	"bytes"
	"context"
	"encoding/pem"
	"errors"
	"fmt"
	"slices"
	"time"

	"yizheng.internal/signing/jose"
)

// AddRevoked adds a certificate (DER) to the entries of a list if the CA issued it, with the
// reason and the time from which on it is revoked. If the certificate is there already, its
// entry keeps the earlier date and the worse reason of the two.
func (ca *CA) AddRevoked(entries []Revocation, der []byte, from time.Time, reason string) ([]Revocation, error) {
	leaf, err := ParseCertificate(der)
	if err != nil {
		return nil, err
	}
	if !mayHaveIssued(ca.Certificate, leaf) {
		return entries, nil
	}
	at := slices.IndexFunc(entries, func(e Revocation) bool { return e.Serial.Cmp(leaf.SerialNumber) == 0 })
	if at < 0 {
		return append(entries, Revocation{leaf.SerialNumber, from, reason}), nil
	}
	e := &entries[at]
	if reason == KeyCompromise {
		e.Reason = reason
	}
	if from.Before(e.At) {
		e.At = from
	}
	return entries, nil
}

// mayHaveIssued reports whether a certificate names another one as its issuer. A certificate
// without an authority key identifier names its issuer by the subject alone.
func mayHaveIssued(issuer, c *Certificate) bool {
	return bytes.Equal(issuer.RawSubject, c.RawIssuer) &&
		(len(c.AuthorityKeyId) == 0 || len(issuer.SubjectKeyId) == 0 || bytes.Equal(c.AuthorityKeyId, issuer.SubjectKeyId))
}

// CheckedLists are revocation lists whose signatures were verified, by the anchor
// that issued each.
type CheckedLists struct {
	anchors *Anchors
	lists   map[*Certificate]*RevocationList
}

// RevocationLists verifies lists (DER or PEM) at a time: each must be signed by one of the
// anchors and must not be out of date. If an anchor has two, the one with the higher number
// counts.
func (a *Anchors) RevocationLists(ctx context.Context, v *jose.Verifier, at time.Time, lists ...[]byte) (*CheckedLists, error) {
	out := &CheckedLists{a, map[*Certificate]*RevocationList{}}
	for _, der := range lists {
		if block, _ := pem.Decode(der); block != nil && block.Type == "X509 CRL" {
			der = block.Bytes
		}
		issuer, list, err := a.revocationList(ctx, v, der)
		switch {
		case err != nil:
			return nil, err
		case list.ThisUpdate.After(at.Add(ClockSkew)):
			return nil, errors.New("revocation list is not in force yet: is the clock right?")
		case !list.NextUpdate.After(at):
			return nil, fmt.Errorf("revocation list is out of date since %s: fetch a new one", list.NextUpdate.Format(time.RFC3339))
		}
		if known := out.lists[issuer]; known == nil || known.Number.Cmp(list.Number) < 0 {
			out.lists[issuer] = list
		}
	}
	return out, nil
}

// RevocationList verifies the signature of one list (DER), which may be out of date.
func (a *Anchors) RevocationList(ctx context.Context, v *jose.Verifier, der []byte) (*RevocationList, error) {
	_, list, err := a.revocationList(ctx, v, der)
	return list, err
}

func (a *Anchors) revocationList(ctx context.Context, v *jose.Verifier, der []byte) (*Certificate, *RevocationList, error) {
	err := errors.New("there is no anchor that could have signed the revocation list")
	for _, anchor := range a.certificates {
		list, refused := ParseRevocationList(ctx, der, anchor, v)
		if refused == nil {
			return anchor, list, nil
		}
		err = refused
	}
	return nil, nil, err
}

// ErrNotListed says that the list of a certificate's issuer is not at hand.
var ErrNotListed = errors.New("no revocation list at hand is of the certificate's issuer")

// Revoked reports whether a certificate (DER) is on the list of its issuer, since when, and
// why (RFC 5280 section 5.3.1). Unless the lists of all anchors that may have issued it are at
// hand, it returns ErrNotListed: then it isn't known.
func (l *CheckedLists) Revoked(_ context.Context, der []byte) (reason string, from time.Time, revoked bool, err error) {
	c, err := ParseCertificate(der)
	if err != nil {
		return "", time.Time{}, false, err
	}
	found := false
	for _, anchor := range l.anchors.certificates {
		if !mayHaveIssued(anchor, c) {
			continue
		}
		list := l.lists[anchor]
		if list == nil {
			return "", time.Time{}, false, ErrNotListed
		}
		found = true
		for _, e := range list.Entries {
			if e.Serial.Cmp(c.SerialNumber) == 0 {
				return e.Reason, e.At, true, nil
			}
		}
	}
	if !found {
		return "", time.Time{}, false, ErrNotListed
	}
	return "", time.Time{}, false, nil
}
