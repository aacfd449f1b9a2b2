package signing

import (
	"context"
	"crypto"
	"crypto/rand"
	"encoding/pem"
	"errors"
	"fmt"
	"io/fs"
	"path/filepath"
	"time"

	"github.com/emmansun/gmsm/smx509"

	"yizheng.internal/signing/jose"
	"yizheng.internal/signing/pki"
)

const (
	rootYears = 20
	leafYears = 5

	rootID KeyID = "root-1"
)

// Algorithms of secret keys, as KeyRecord.Algorithm has them.
const (
	algorithmSeal = "SM4-GCM"
	algorithmMAC  = "HMAC-SM3"
)

// signingPurposes are those of the keys with which the registry itself signs.
var signingPurposes = []Purpose{PurposeStatus, PurposeAttestation, PurposeAccessToken, PurposeIDToken, PurposeIDTokenRSA}

// registryKeyID names a key of the registry's own.
func registryKeyID(p Purpose, serial int32) KeyID {
	return KeyID(fmt.Sprintf("%s-%d", p, serial))
}

// bootstrap makes what is missing of a new installation. Each step looks first
// whether it was done, so that it can be cut off anywhere and run again.
func (c InstallationConfig) bootstrap(ctx context.Context, now time.Time) error {
	ca, err := c.makeRoot(now)
	if err != nil {
		return fmt.Errorf("making the root: %w", err)
	}
	keys, err := ensureKeystore(c.path(keysName), c.PassphraseFile)
	if err != nil {
		return fmt.Errorf("making the keystore: %w", err)
	}
	// The first of all, for every record is authenticated under it.
	if err := keys.GenerateSecret(AuthenticatorKey); err != nil && !errors.Is(err, ErrExists) {
		return fmt.Errorf("making the key of records: %w", err)
	}
	c.Records = &authenticRecords{c.Records, NewAuthenticator(keys, c.Log)}
	// The root's record is the first: of two directories that start with one
	// database, the second fails here and has put nothing into it.
	if err := c.recordRoot(ctx, ca, now); err != nil {
		return fmt.Errorf("recording the root: %w", err)
	}
	if c.PublicURL != "" {
		ca.ListURL = c.PublicURL + RevocationListPath(rootID)
	}
	maker := keyMaker{keys: keys, ca: ca}
	registry := pki.Subject{Name: c.RegistryName, USCC: c.RegistryUSCC}
	for _, p := range append([]Purpose{PurposeMaster, PurposeData, PurposeLookup}, signingPurposes...) {
		if err := c.ensureKey(ctx, maker, p, registry, now); err != nil {
			return fmt.Errorf("making the first %s key: %w", p, err)
		}
	}
	if err := c.firstRevocationList(ctx, ca, now); err != nil {
		return err
	}
	if err := removeFile(c.path(unfinishedName)); err != nil {
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
func (c InstallationConfig) makeRoot(now time.Time) (*pki.CA, error) {
	dir := c.path(rootName)
	keys, err := ensureKeystore(dir, c.RootPassphraseFile)
	if err != nil {
		return nil, err
	}
	if _, err := ensureSigner(keys, rootID, jose.SM2); err != nil {
		return nil, err
	}
	signer, err := keys.Signer(rootID)
	if err != nil {
		return nil, err
	}
	certificate := rootCertificatePath(dir)
	made, err := exists(certificate)
	if err != nil {
		return nil, err
	}
	if !made {
		subject := pki.Subject{Name: c.RegistryName, USCC: c.RegistryUSCC}
		der, err := pki.NewRoot(signer, subject, now.Add(-pki.ClockSkew), now.AddDate(rootYears, 0, 0))
		if err != nil {
			return nil, err
		}
		if err := createFile(certificate, pem.EncodeToMemory(&pem.Block{Type: pki.PEMType, Bytes: der})); err != nil {
			return nil, err
		}
	}
	ca, err := loadRoot(keys)
	if err != nil {
		return nil, err
	}
	err = createFile(c.path(anchorsName), pem.EncodeToMemory(&pem.Block{Type: pki.PEMType, Bytes: ca.Certificate.Raw}))
	if err != nil && !errors.Is(err, fs.ErrExist) {
		return nil, err
	}
	return ca, nil
}

// firstRevocationList publishes a list while the root is at hand, unless one is there.
func (c InstallationConfig) firstRevocationList(ctx context.Context, ca *pki.CA, now time.Time) error {
	if c.Lists == nil {
		return nil
	}
	_, err := c.Lists.LoadRevocationList(ctx, rootID)
	if !errors.Is(err, ErrNoList) {
		return err
	}
	records, err := c.Records.ListKeys(ctx, PurposeRoot)
	if err != nil {
		return err
	}
	_, err = c.publishRevocationList(ctx, ca, records, RevocationListLife, now)
	return err
}

func (c InstallationConfig) recordRoot(ctx context.Context, ca *pki.CA, now time.Time) error {
	return ensureRecord(ctx, c.Records, KeyRecord{
		ID: rootID, Purpose: PurposeRoot, Serial: 1, Algorithm: string(jose.SM2), State: KeyActive,
		PublicKey: ca.Certificate.RawSubjectPublicKeyInfo, Chain: [][]byte{ca.Certificate.Raw},
		Created: now, Activated: now,
	})
}

// ensureKey makes the registry's first key for a purpose, unless it is there.
func (c InstallationConfig) ensureKey(ctx context.Context, m keyMaker, p Purpose, registry pki.Subject, now time.Time) error {
	id := registryKeyID(p, 1)
	// The key first, as it may be held already; a record, as its certificate is
	// signed anew each time, only if there is none.
	k, err := m.key(id, p, registryKeyID(PurposeMaster, 1))
	if err != nil {
		return err
	}
	there, err := c.Records.LoadKey(ctx, id)
	switch {
	case err == nil && p == PurposeData:
		_, err := m.keys.Unwrap(there.WrappedBy, there.Wrapped, wrapPlace(id))
		return err
	case err == nil:
		return sameKey(there, k)
	case !errors.Is(err, ErrNoKey):
		return err
	}
	if err := m.certify(&k, registry, now); err != nil {
		return err
	}
	k.Serial, k.State, k.Created, k.Activated = 1, KeyActive, now, now
	return ensureRecord(ctx, c.Records, k)
}

// ensureRecord saves a record, or sees that the one there is of the same key.
func ensureRecord(ctx context.Context, records Records, k KeyRecord) error {
	err := records.CreateKey(ctx, k)
	if err == nil || !errors.Is(err, ErrExists) && !errors.Is(err, ErrConflict) {
		return err
	}
	there, err := records.LoadKey(ctx, k.ID)
	if err != nil && !errors.Is(err, ErrAltered) { // to another directory's keystore, this one's record is altered
		return err
	}
	return sameKey(there, k)
}

func sameKey(there, k KeyRecord) error {
	if there.Purpose != k.Purpose || string(there.PublicKey) != string(k.PublicKey) {
		return fmt.Errorf("the database holds another key %s: another directory was started with it first. Copy %s/, %s "+
			"and %s from there into an empty directory: %w", k.ID, keysName, keysName+passSuffix, anchorsName, ErrInstallation)
	}
	return nil
}

// ensureKeystore opens a keystore or makes it, with its passphrase.
func ensureKeystore(dir, passphraseFile string) (*Keystore, error) {
	made, err := exists(filepath.Join(dir, manifestName))
	if err != nil {
		return nil, err
	}
	// A passphrase is made only in its usual place: elsewhere the operator meant
	// to bring one, and a missing mount must not be papered over.
	if !made && passphraseFile == dir+passSuffix {
		err := createFile(passphraseFile, []byte(string(GeneratePassphrase())+"\n"))
		if err != nil && !errors.Is(err, fs.ErrExist) {
			return nil, err
		}
	}
	passphrase, err := ReadPassphraseFile(passphraseFile)
	if err != nil {
		return nil, err
	}
	if made {
		return OpenKeystore(dir, passphrase)
	}
	return CreateKeystore(dir, passphrase)
}

// ensureSigner makes a private key, or takes the one that a try before this one left.
func ensureSigner(keys *Keystore, id KeyID, a jose.Algorithm) (crypto.PublicKey, error) {
	pub, err := keys.GenerateSigner(id, a)
	if !errors.Is(err, ErrExists) {
		return pub, err
	}
	signer, err := keys.Signer(id)
	if err != nil {
		return nil, err
	}
	return signer.Public(), nil
}

// keyMaker makes keys and what their records say.
type keyMaker struct {
	keys *Keystore
	ca   *pki.CA // nil if no key that needs a certificate is to be made
}

// key makes the secret part of a key, or finds it, and returns its record as
// far as it is known. Data keys are wrapped by master.
func (m keyMaker) key(id KeyID, p Purpose, master KeyID) (KeyRecord, error) {
	k := KeyRecord{ID: id, Purpose: p}
	switch p {
	case PurposeMaster, PurposeLookup:
		if k.Algorithm = algorithmSeal; p == PurposeLookup {
			k.Algorithm = algorithmMAC
		}
		if err := m.keys.GenerateSecret(id); err != nil && !errors.Is(err, ErrExists) {
			return k, err
		}
		_, err := m.keys.secret(id) // one found must open, and be a secret
		return k, err
	case PurposeData:
		k.Algorithm, k.WrappedBy = algorithmSeal, master
		secret := make([]byte, 16)
		_, _ = rand.Read(secret)
		var err error
		k.Wrapped, err = m.keys.Wrap(master, secret, wrapPlace(id))
		return k, err
	}
	k.Algorithm = string(p.Algorithm())
	pub, err := ensureSigner(m.keys, id, p.Algorithm())
	if err != nil {
		return k, err
	}
	if k.PublicKey, err = smx509.MarshalPKIXPublicKey(pub); err != nil {
		return k, err
	}
	jwk, err := jose.NewKey(pub)
	if err != nil {
		return k, err
	}
	k.Thumbprint, err = jwk.Thumbprint()
	return k, err
}

// profiles are the purposes whose keys need a certificate.
var profiles = map[Purpose]pki.Profile{
	PurposeAuthority:   pki.ProfileAuthority,
	PurposeAttestation: pki.ProfileAttestation,
	PurposeStatus:      pki.ProfileStatus,
}

// certify adds the certificate that a key of this purpose needs, if any: for
// five years, and never past the root's own end.
func (m keyMaker) certify(k *KeyRecord, s pki.Subject, now time.Time) error {
	profile, ok := profiles[k.Purpose]
	if !ok {
		return nil
	}
	if m.ca == nil {
		return fmt.Errorf("a %s key needs the root to certify it", k.Purpose)
	}
	root := m.ca.Certificate
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
	der, err := m.ca.Certify(pub, s, profile, from, until)
	if err != nil {
		return err
	}
	k.Chain = [][]byte{der}
	return nil
}
