package doctor

import (
	"bytes"
	"context"
	"errors"
	"strings"
	"time"

	"yizheng.internal/cmd/yizheng/internal/install"
	"yizheng.internal/signing"
	"yizheng.internal/signing/pki"
)

// listSoon is how long before its end a revocation list is to be followed by the next.
const listSoon = 7 * 24 * time.Hour

// trust looks at what verifiers without a network go by: the revocation lists, and
// what the certificates say to lead to them.
func (e *examination) trust(ctx context.Context, in *install.Installation) {
	const about = "revocation"
	roots, err := in.Keys.Keyrings().Ring(ctx, signing.PurposeRoot, "")
	if err != nil {
		e.fail(about, "doctor.check_database.todo", "%v", err)
		return
	}
	for _, root := range roots {
		e.list(ctx, in, root)
	}
	e.olderCertificates(ctx, in)
}

func (e *examination) list(ctx context.Context, in *install.Installation, root *signing.Key) {
	const (
		about = "revocation"
		todo  = "doctor.crl.todo"
	)
	der, err := in.DB.Keys().LoadRevocationList(ctx, root.ID)
	if errors.Is(err, signing.ErrNoList) {
		e.warn(about, todo, "doctor.no_crl", root.ID)
		return
	} else if err != nil {
		e.fail(about, "doctor.check_database.todo", "%v", err)
		return
	}
	list, err := in.Keys.Anchors().RevocationList(ctx, in.Verifier, der)
	if err != nil {
		e.fail(about, todo, "doctor.crl_useless", root.ID, err)
		return
	}
	missing, err := unlisted(ctx, in, list)
	until := list.NextUpdate
	switch {
	case err != nil:
		e.fail(about, "doctor.check_database.todo", "%v", err)
	case len(missing) > 0:
		e.fail(about, todo, "doctor.crl_lacks", root.ID, strings.Join(missing, ", "))
	case !list.NextUpdate.After(e.now):
		e.fail(about, todo, "doctor.crl_old", root.ID, until)
	case list.NextUpdate.Sub(e.now) < listSoon:
		e.warn(about, todo, "doctor.crl_until", root.ID, until)
	default:
		e.ok(about, "doctor.crl", list.Number, root.ID, until)
	}
}

// unlisted returns the revoked keys whose certificates are missing from a list, or stand there
// with less than is known of them now.
func unlisted(ctx context.Context, in *install.Installation, list *pki.RevocationList) (ids []string, err error) {
	records, err := in.DB.Keys().ListKeys(ctx, "")
	if err != nil {
		return nil, err
	}
	for _, k := range records {
		if k.State != signing.KeyRevoked || len(k.Chain) == 0 {
			continue
		}
		c, err := pki.ParseCertificate(k.Chain[0])
		if err != nil {
			return nil, err
		}
		listed := false
		for _, entry := range list.Entries {
			listed = listed || entry.Serial.Cmp(c.SerialNumber) == 0 && (entry.Reason == k.Reason || k.Reason != pki.KeyCompromise)
		}
		if !listed {
			ids = append(ids, string(k.ID))
		}
	}
	return ids, nil
}

// olderCertificates names the certificates that earlier versions made. They verify here, but
// some of them don't verify elsewhere.
func (e *examination) olderCertificates(ctx context.Context, in *install.Installation) {
	const about = "certificates"
	records, err := in.DB.Keys().ListKeys(ctx, "")
	if err != nil {
		e.fail(about, "doctor.check_database.todo", "%v", err)
		return
	}
	for _, k := range records {
		if k.State != signing.KeyActive || len(k.Chain) == 0 {
			continue
		}
		c, err := pki.ParseCertificate(k.Chain[0])
		if err != nil {
			e.fail(about, "", "doctor.key_error", k.ID, err)
			continue
		}
		todo := "yizheng key rotate " + string(k.Purpose)
		if k.Owner != "" {
			todo += " --owner " + k.Owner
		}
		switch {
		case k.Purpose == signing.PurposeRoot:
			if c.Certificate.Subject.CommonName == c.Subject.Name {
				e.ok(about, "doctor.root_name", k.ID)
			}
		case len(c.AuthorityKeyId) == 0 && bytes.Equal(c.RawSubject, c.RawIssuer):
			e.warn(about, e.words.Say("doctor.self_signed.todo", todo), "doctor.self_signed", k.ID)
		case len(c.CRLDistributionPoints) == 0:
			e.ok(about, "doctor.no_crl_place", k.ID)
		}
	}
}
