package installation

import (
	"context"
	"encoding/pem"
	"errors"
	"fmt"
	"io/fs"
	"path/filepath"
	"time"

	"github.com/emmansun/gmsm/smx509"

	"yizheng.internal/signing"
	"yizheng.internal/signing/durable"
	"yizheng.internal/signing/jose"
	"yizheng.internal/signing/keystore"
	"yizheng.internal/signing/pki"
)

const (
	rootYears = 20
	leafYears = 5

	rootID signing.KeyID = "root-1"
)

// signingPurposes are the purposes of the keys with which the registry itself signs.
var signingPurposes = []signing.Purpose{signing.PurposeStatus, signing.PurposeAttestation, signing.PurposeAccessToken, signing.PurposeIDToken, signing.PurposeIDTokenRSA}

// registryKeyID names a key of the registry's own.
func registryKeyID(p signing.Purpose, serial int32) signing.KeyID {
	return signing.KeyID(fmt.Sprintf("%s-%d", p, serial))
}

// bootstrap makes what is missing of a new installation. Each step first looks
// whether it was done already, so bootstrap can be cut off anywhere and run again.
func (c Config) bootstrap(ctx context.Context, now time.Time) error {
	ca, err := c.makeRoot(now)
	if err != nil {
		return fmt.Errorf("making the root: %w", err)
	}
	keys, err := ensureKeystore(c.path(keysName), c.PassphraseFile)
	if err != nil {
		return fmt.Errorf("making the keystore: %w", err)
	}
	// This key comes first, because every record is authenticated under it.
	if err := keys.GenerateSecret(signing.AuthenticatorKey); err != nil && !errors.Is(err, signing.ErrExists) {
		return fmt.Errorf("making the key of records: %w", err)
	}
	c.Records = signing.AuthenticRecords(c.Records, signing.NewAuthenticator(keys, c.Log))
	// The root's record comes first. If two directories start with one database, the second
	// fails here, before it has written anything.
	if err := c.recordRoot(ctx, ca, now); err != nil {
		return fmt.Errorf("recording the root: %w", err)
	}
	if c.PublicURL != "" {
		ca.ListURL = c.PublicURL + RevocationListPath(rootID)
	}
	registry := pki.Subject{Name: c.RegistryName, USCC: c.RegistryUSCC}
	for _, p := range append([]signing.Purpose{signing.PurposeMaster, signing.PurposeData, signing.PurposeLookup}, signingPurposes...) {
		if err := c.ensureKey(ctx, keys, ca, p, registry, now); err != nil {
			return fmt.Errorf("making the first %s key: %w", p, err)
		}
	}
	if err := c.firstRevocationList(ctx, ca, now); err != nil {
		return err
	}
	if err := durable.Remove(c.path(unfinishedName)); err != nil {
		return err
	}
	c.Log.Warn("FIRST START: the registry's keys were made. For production, move the root and its passphrase to a place "+
		"apart, off this machine: whoever has both can certify any authority. Back up the others, and keep the passphrase "+
		"apart from database backups: what is sealed can't be read without them.",
		"move_away", []string{c.path(rootName), c.RootPassphraseFile},
		"back_up", []string{c.path(keysName), c.PassphraseFile, c.path(anchorsName)})
	return nil
}

// makeRoot makes the root's keystore, key and certificate, and anchors.pem.
func (c Config) makeRoot(now time.Time) (*pki.CA, error) {
	dir := c.path(rootName)
	keys, err := ensureKeystore(dir, c.RootPassphraseFile)
	if err != nil {
		return nil, err
	}
	if _, err := keys.EnsureSigner(rootID, jose.SM2); err != nil {
		return nil, err
	}
	signer, err := keys.Signer(rootID)
	if err != nil {
		return nil, err
	}
	certificate := rootCertificatePath(dir)
	made, err := durable.Exists(certificate)
	if err != nil {
		return nil, err
	}
	if !made {
		subject := pki.Subject{Name: c.RegistryName, USCC: c.RegistryUSCC}
		der, err := pki.NewRoot(signer, subject, now.Add(-pki.ClockSkew), now.AddDate(rootYears, 0, 0))
		if err != nil {
			return nil, err
		}
		if err := durable.Create(certificate, pem.EncodeToMemory(&pem.Block{Type: pki.PEMType, Bytes: der})); err != nil {
			return nil, err
		}
	}
	ca, err := loadRoot(keys)
	if err != nil {
		return nil, err
	}
	err = durable.Create(c.path(anchorsName), pem.EncodeToMemory(&pem.Block{Type: pki.PEMType, Bytes: ca.Certificate.Raw}))
	if err != nil && !errors.Is(err, fs.ErrExist) {
		return nil, err
	}
	return ca, nil
}

// firstRevocationList publishes a list while the root is at hand, unless there is one.
func (c Config) firstRevocationList(ctx context.Context, ca *pki.CA, now time.Time) error {
	if c.Lists == nil {
		return nil
	}
	_, err := c.Lists.LoadRevocationList(ctx, rootID)
	if !errors.Is(err, signing.ErrNoList) {
		return err
	}
	records, err := c.Records.ListKeys(ctx, signing.PurposeRoot)
	if err != nil {
		return err
	}
	_, err = c.publishRevocationList(ctx, ca, records, RevocationListLife, now)
	return err
}

func (c Config) recordRoot(ctx context.Context, ca *pki.CA, now time.Time) error {
	return ensureRecord(ctx, c.Records, signing.KeyRecord{
		ID: rootID, Purpose: signing.PurposeRoot, Serial: 1, Algorithm: string(jose.SM2), State: signing.KeyActive,
		PublicKey: ca.Certificate.RawSubjectPublicKeyInfo, Chain: [][]byte{ca.Certificate.Raw},
		Created: now, Activated: now,
	})
}

// ensureKey makes the registry's first key for a purpose, unless it is there.
func (c Config) ensureKey(ctx context.Context, keys *keystore.Keystore, ca *pki.CA, p signing.Purpose, registry pki.Subject, now time.Time) error {
	id := registryKeyID(p, 1)
	// The key is made first: an earlier try may have left it. The record is made only if there
	// is none: its certificate is signed anew each time.
	k, err := keys.Make(id, p, registryKeyID(signing.PurposeMaster, 1))
	if err != nil {
		return err
	}
	there, err := c.Records.LoadKey(ctx, id)
	switch {
	case err == nil && p == signing.PurposeData:
		_, err := keys.Unwrap(there.WrappedBy, there.Wrapped, signing.WrapPlace(id))
		return err
	case err == nil:
		return sameKey(there, k)
	case !errors.Is(err, signing.ErrNoKey):
		return err
	}
	if err := certify(ca, &k, registry, now); err != nil {
		return err
	}
	k.Serial, k.State, k.Created, k.Activated = 1, signing.KeyActive, now, now
	return ensureRecord(ctx, c.Records, k)
}

// ensureRecord saves a record. If there is one, it checks that it is of the same key.
func ensureRecord(ctx context.Context, records signing.Records, k signing.KeyRecord) error {
	err := records.CreateKey(ctx, k)
	if err == nil || !errors.Is(err, signing.ErrExists) && !errors.Is(err, signing.ErrConflict) {
		return err
	}
	there, err := records.LoadKey(ctx, k.ID)
	if err != nil && !errors.Is(err, signing.ErrAltered) { // a record that another directory wrote counts as altered here
		return err
	}
	return sameKey(there, k)
}

func sameKey(there, k signing.KeyRecord) error {
	if there.Purpose != k.Purpose || string(there.PublicKey) != string(k.PublicKey) {
		return fmt.Errorf("the database holds another key %s: another directory was started with it first. Copy %s/, %s "+
			"and %s from there into an empty directory: %w", k.ID, keysName, keysName+passSuffix, anchorsName, ErrNotWhole)
	}
	return nil
}

// ensureKeystore opens a keystore or makes it, with its passphrase.
func ensureKeystore(dir, passphraseFile string) (*keystore.Keystore, error) {
	made, err := durable.Exists(filepath.Join(dir, keystore.ManifestName))
	if err != nil {
		return nil, err
	}
	// A passphrase is made only in its usual place. If the operator named another place,
	// there should be one, and its absence must be noticed: perhaps a disk isn't mounted.
	if !made && passphraseFile == dir+passSuffix {
		err := durable.Create(passphraseFile, []byte(string(keystore.GeneratePassphrase())+"\n"))
		if err != nil && !errors.Is(err, fs.ErrExist) {
			return nil, err
		}
	}
	passphrase, err := keystore.ReadPassphraseFile(passphraseFile)
	if err != nil {
		return nil, err
	}
	if made {
		return keystore.Open(dir, passphrase)
	}
	return keystore.Create(dir, passphrase)
}

// profiles are the purposes whose keys need a certificate.
var profiles = map[signing.Purpose]pki.Profile{
	signing.PurposeAuthority:   pki.ProfileAuthority,
	signing.PurposeAttestation: pki.ProfileAttestation,
	signing.PurposeStatus:      pki.ProfileStatus,
}

// certify adds a certificate if a key of this purpose needs one. It is valid for five years,
// but never longer than the root's own. ca may be nil for keys that need no certificate.
func certify(ca *pki.CA, k *signing.KeyRecord, s pki.Subject, now time.Time) error {
	profile, ok := profiles[k.Purpose]
	if !ok {
		return nil
	}
	if ca == nil {
		return fmt.Errorf("a %s key needs the root to certify it", k.Purpose)
	}
	root := ca.Certificate
	from, until := now.Add(-pki.ClockSkew), now.AddDate(leafYears, 0, 0)
	if from.Before(root.NotBefore) {
		from = root.NotBefore
	}
	if until.After(root.NotAfter) {
		until = root.NotAfter
	}
	if !now.Before(until) || now.Before(from) {
		return fmt.Errorf("the root certificate is valid from %s to %s and can't certify now", root.NotBefore.Format(time.DateOnly), root.NotAfter.Format(time.DateOnly))
	}
	pub, err := smx509.ParsePKIXPublicKey(k.PublicKey)
	if err != nil {
		return err
	}
	der, err := ca.Certify(pub, s, profile, from, until)
	if err != nil {
		return err
	}
	k.Chain = [][]byte{der}
	return nil
}
