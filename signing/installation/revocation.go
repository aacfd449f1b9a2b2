package installation

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"slices"
	"time"

	"yizheng.internal/signing"
	"yizheng.internal/signing/jose"
	"yizheng.internal/signing/pki"
	"yizheng.internal/signing/sm2"
)

// RevocationListLife is how long a revocation list is valid by default.
const RevocationListLife = 30 * 24 * time.Hour

// revocationListPath is where revocation lists are served below the public URL.
const revocationListPath = "/v1/trust/crl/"

// RevocationListPath returns the path, below the public URL, of a root's list.
func RevocationListPath(root signing.KeyID) string { return revocationListPath + string(root) + ".crl" }

// PublishRevocationList makes a root's next revocation list and saves it for the service to
// publish. The list has the certificates of all revoked keys, and all entries of the list
// before it. No entry is ever removed: licenses outlive the certificates that they were
// signed with, and a revocation is final.
func (i *Installation) PublishRevocationList(ctx context.Context, ca *pki.CA, life time.Duration, now time.Time) (*pki.RevocationList, error) {
	set, err := i.keyrings.Read(ctx)
	if err != nil {
		return nil, fmt.Errorf("publishing a revocation list: %w", err)
	}
	list, err := i.c.publishRevocationList(ctx, ca, set.Records(), life, now)
	if err != nil {
		return nil, fmt.Errorf("publishing a revocation list: %w", err)
	}
	return list, nil
}

func (c Config) publishRevocationList(ctx context.Context, ca *pki.CA, records []signing.KeyRecord, life time.Duration, now time.Time) (*pki.RevocationList, error) {
	if c.Lists == nil {
		return nil, errors.New("this installation keeps no revocation lists")
	}
	root := slices.IndexFunc(records, func(k signing.KeyRecord) bool {
		return k.Purpose == signing.PurposeRoot && len(k.Chain) == 1 && bytes.Equal(k.Chain[0], ca.Certificate.Raw)
	})
	if root < 0 {
		return nil, errors.New("the root opened is none of this installation")
	}
	id, number, entries := records[root].ID, now.Unix(), []pki.Revocation(nil)
	der, err := c.Lists.LoadRevocationList(ctx, id)
	switch {
	case err == nil:
		before, err := pki.ParseRevocationList(ctx, der, ca.Certificate, jose.NewVerifier(sm2.Config{}))
		if err != nil {
			return nil, fmt.Errorf("the list before it: %w", err)
		}
		// The number is a time, so that it rises even after an earlier database was restored.
		number, entries = max(number, before.Number.Int64()+1), before.Entries
	case !errors.Is(err, signing.ErrNoList):
		return nil, err
	}
	for _, k := range records {
		if entries, err = addRevoked(ca, entries, k); err != nil {
			return nil, err
		}
	}
	// It is valid from an hour ago, for verifiers whose clocks lag.
	der, err = ca.RevocationList(entries, number, now.Add(-time.Hour), now.Add(life))
	if err != nil {
		return nil, err
	}
	if err := c.Lists.SaveRevocationList(ctx, id, number, der); err != nil {
		return nil, err
	}
	return pki.ParseRevocationList(ctx, der, ca.Certificate, jose.NewVerifier(sm2.Config{}))
}

// addRevoked adds the certificate of a revoked key, if the CA issued it.
func addRevoked(ca *pki.CA, entries []pki.Revocation, k signing.KeyRecord) ([]pki.Revocation, error) {
	if k.State != signing.KeyRevoked || len(k.Chain) == 0 {
		return entries, nil
	}
	entries, err := ca.AddRevoked(entries, k.Chain[0], k.Revoked, k.Reason)
	if err != nil {
		return nil, fmt.Errorf("key %s: %w", k.ID, err)
	}
	return entries, nil
}
