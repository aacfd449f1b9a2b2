package signing

import (
	"bytes"
	"context"
	"encoding/pem"
	"errors"
	"fmt"
	"maps"
	"slices"
	"time"

	"yizheng.internal/signing/jose"
	"yizheng.internal/signing/sm2"
)

// RevocationLists keeps the newest revocation list of each root. Every driver
// passes storagetest.RevocationLists.
type RevocationLists interface {
	// SaveRevocationList saves a list (DER) in the place of an older one of the
	// same root. It returns ErrConflict if the one there has this number or a
	// higher one. When it returns nil, the list is on disk.
	SaveRevocationList(ctx context.Context, root KeyID, number int64, der []byte) error
	// LoadRevocationList returns the newest list of a root, or ErrNoList.
	LoadRevocationList(ctx context.Context, root KeyID) (der []byte, err error)
}

// ErrNoList says that a root has published no revocation list yet.
var ErrNoList = errors.New("no revocation list was published")

// RevocationListLife is how long a revocation list is good for if nobody says otherwise.
const RevocationListLife = 30 * 24 * time.Hour

// revocationListPath is where revocation lists are served below the public URL.
const revocationListPath = "/v1/trust/crl/"

// RevocationListPath returns the path, below the public URL, of a root's list.
func RevocationListPath(root KeyID) string { return revocationListPath + string(root) + ".crl" }

// PublishRevocationList makes a root's next revocation list, of all certificates
// of revoked keys and of all that the list before it had, and saves it for the
// service to publish. It never takes an entry out: licenses outlive the
// certificates that they were signed with, and a revocation is final.
func (i *Installation) PublishRevocationList(ctx context.Context, ca *CA, life time.Duration, now time.Time) (*RevocationList, error) {
	set, err := i.keyrings.read(ctx, time.Now())
	if err != nil {
		return nil, fmt.Errorf("publishing a revocation list: %w", err)
	}
	var records []KeyRecord
	for _, id := range slices.Sorted(maps.Keys(set.byID)) {
		records = append(records, set.byID[id].KeyRecord)
	}
	list, err := i.c.publishRevocationList(ctx, ca, records, life, now)
	if err != nil {
		return nil, fmt.Errorf("publishing a revocation list: %w", err)
	}
	return list, nil
}

func (c InstallationConfig) publishRevocationList(ctx context.Context, ca *CA, records []KeyRecord, life time.Duration, now time.Time) (*RevocationList, error) {
	if c.Lists == nil {
		return nil, errors.New("this installation keeps no revocation lists")
	}
	root := slices.IndexFunc(records, func(k KeyRecord) bool {
		return k.Purpose == PurposeRoot && len(k.Chain) == 1 && bytes.Equal(k.Chain[0], ca.Certificate.Raw)
	})
	if root < 0 {
		return nil, errors.New("the root opened is none of this installation")
	}
	id, number, entries := records[root].ID, now.Unix(), []Revocation(nil)
	der, err := c.Lists.LoadRevocationList(ctx, id)
	switch {
	case err == nil:
		before, err := ParseRevocationList(ctx, der, ca.Certificate, jose.NewVerifier(sm2.Config{}))
		if err != nil {
			return nil, fmt.Errorf("the list before it: %w", err)
		}
		// The number is a time, so that it also rises after a database was put back.
		number, entries = max(number, before.Number.Int64()+1), before.Entries
	case !errors.Is(err, ErrNoList):
		return nil, err
	}
	for _, k := range records {
		if entries, err = ca.addRevoked(entries, k); err != nil {
			return nil, err
		}
	}
	// An hour back, for verifiers whose clocks lag.
	der, err = ca.RevocationList(entries, number, now.Add(-time.Hour), now.Add(life))
	if err != nil {
		return nil, err
	}
	if err := c.Lists.SaveRevocationList(ctx, id, number, der); err != nil {
		return nil, err
	}
	return ParseRevocationList(ctx, der, ca.Certificate, jose.NewVerifier(sm2.Config{}))
}

// addRevoked adds the certificate of a revoked key, if the CA issued it. One that
// is there gets the worse reason and the earlier date of the two.
func (ca *CA) addRevoked(entries []Revocation, k KeyRecord) ([]Revocation, error) {
	if k.State != KeyRevoked || len(k.Chain) == 0 {
		return entries, nil
	}
	leaf, err := ParseCertificate(k.Chain[0])
	if err != nil {
		return nil, fmt.Errorf("key %s: %w", k.ID, err)
	}
	if !mayHaveIssued(ca.Certificate, leaf) {
		return entries, nil
	}
	at := slices.IndexFunc(entries, func(e Revocation) bool { return e.Serial.Cmp(leaf.SerialNumber) == 0 })
	if at < 0 {
		return append(entries, Revocation{leaf.SerialNumber, k.Revoked, k.Reason}), nil
	}
	e := &entries[at]
	if k.Reason == keyCompromise {
		e.Reason = k.Reason
	}
	if k.Revoked.Before(e.At) {
		e.At = k.Revoked
	}
	return entries, nil
}

// mayHaveIssued reports whether a certificate names another one as its issuer.
// Those without an authority key identifier name one by its subject alone.
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

// RevocationLists verifies lists (DER, or PEM) as of a time: each must be signed
// by one of the anchors and must not be out of date. Of two of one anchor the one
// with the higher number counts.
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
		case list.ThisUpdate.After(at.Add(clockSkew)):
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

// ErrNotListed says that no list at hand is of a certificate's issuer.
var ErrNotListed = errors.New("no revocation list at hand is of the certificate's issuer")

// Revoked reports whether a certificate (DER) is on the list of its issuer, why
// (RFC 5280 section 5.3.1) and from when. Without the list of every anchor that
// may have issued it, it is ErrNotListed: what isn't known is not a no.
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
