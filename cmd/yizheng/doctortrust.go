package main

import (
	"bytes"
	"context"
	"errors"
	"strings"
	"time"

	"yizheng.internal/signing"
)

// listSoon is how long before its end a revocation list is to be followed by the next.
const listSoon = 7 * 24 * time.Hour

// trust looks at what verifiers without a network go by: the revocation lists, and
// what the certificates say to lead to them.
func (e *examination) trust(ctx context.Context, in *installation) {
	const about = "revocation"
	roots, err := in.keys.Keyrings().Ring(ctx, signing.PurposeRoot, "")
	if err != nil {
		e.fail(about, "check the database", "%v", err)
		return
	}
	for _, root := range roots {
		e.list(ctx, in, root)
	}
	e.olderCertificates(ctx, in)
}

func (e *examination) list(ctx context.Context, in *installation, root *signing.Key) {
	const (
		about = "revocation"
		todo  = "bring the root and run yizheng crl publish"
	)
	der, err := in.db.Keys().LoadRevocationList(ctx, root.ID)
	if errors.Is(err, signing.ErrNoList) {
		e.warn(about, todo, "%s has published no revocation list: verifiers without a network call every license indeterminate", root.ID)
		return
	} else if err != nil {
		e.fail(about, "check the database", "%v", err)
		return
	}
	list, err := in.keys.Anchors().RevocationList(ctx, in.verifier, der)
	if err != nil {
		e.fail(about, todo, "the stored list of %s is of no use: %v", root.ID, err)
		return
	}
	missing, err := unlisted(ctx, in, list)
	until := list.NextUpdate.Format(time.RFC3339)
	switch {
	case err != nil:
		e.fail(about, "check the database", "%v", err)
	case len(missing) > 0:
		e.fail(about, todo, "revoked, and not on the list of %s: %s. Verifiers without a network believe them", root.ID, strings.Join(missing, ", "))
	case !list.NextUpdate.After(e.now):
		e.fail(about, todo, "the list of %s is out of date since %s: verifiers without a network call every license indeterminate", root.ID, until)
	case list.NextUpdate.Sub(e.now) < listSoon:
		e.warn(about, todo, "the list of %s is good until %s", root.ID, until)
	default:
		e.ok(about, "list %v of %s is good until %s", list.Number, root.ID, until)
	}
}

// unlisted returns the revoked keys whose certificates a list lacks, or has with
// less than what is known of them by now.
func unlisted(ctx context.Context, in *installation, list *signing.RevocationList) (ids []string, err error) {
	records, err := in.db.Keys().ListKeys(ctx, "")
	if err != nil {
		return nil, err
	}
	for _, k := range records {
		if k.State != signing.KeyRevoked || len(k.Chain) == 0 {
			continue
		}
		c, err := signing.ParseCertificate(k.Chain[0])
		if err != nil {
			return nil, err
		}
		listed := false
		for _, entry := range list.Entries {
			listed = listed || entry.Serial.Cmp(c.SerialNumber) == 0 && (entry.Reason == k.Reason || k.Reason != "keyCompromise")
		}
		if !listed {
			ids = append(ids, string(k.ID))
		}
	}
	return ids, nil
}

// olderCertificates names those that earlier versions made: they verify here, and
// not all of them do elsewhere.
func (e *examination) olderCertificates(ctx context.Context, in *installation) {
	const about = "certificates"
	records, err := in.db.Keys().ListKeys(ctx, "")
	if err != nil {
		e.fail(about, "check the database", "%v", err)
		return
	}
	for _, k := range records {
		if k.State != signing.KeyActive || len(k.Chain) == 0 {
			continue
		}
		c, err := signing.ParseCertificate(k.Chain[0])
		if err != nil {
			e.fail(about, "", "key %s: %v", k.ID, err)
			continue
		}
		todo := "yizheng key rotate " + string(k.Purpose)
		if k.Owner != "" {
			todo += " --owner " + k.Owner
		}
		switch {
		case k.Purpose == signing.PurposeRoot:
			if c.Certificate.Subject.CommonName == c.Subject.Name {
				e.ok(about, "%s has the registry's own name, as earlier versions gave it: it stays, and needs nothing", k.ID)
			}
		case len(c.AuthorityKeyId) == 0 && bytes.Equal(c.RawSubject, c.RawIssuer):
			e.warn(about, todo+", with the root; once more to activate it", "that of key %s looks self-signed to other software, such as OpenSSL: it was made by an earlier version", k.ID)
		case len(c.CRLDistributionPoints) == 0:
			e.ok(about, "that of key %s doesn't say where the revocation list is; the next one will, when the key is rotated in its time", k.ID)
		}
	}
}
