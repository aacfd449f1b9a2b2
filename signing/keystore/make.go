package keystore

import (
	"crypto"
	"crypto/rand"
	"errors"

	"github.com/emmansun/gmsm/smx509"

	"yizheng.internal/signing"
	"yizheng.internal/signing/durable"
	"yizheng.internal/signing/jose"
)

// Make makes the secret part of a key, or takes the one that an earlier try left. It returns
// the key's record as far as it is known. A data key has no file: its record holds it, wrapped
// by the key master.
func (k *Keystore) Make(id signing.KeyID, p signing.Purpose, master signing.KeyID) (signing.KeyRecord, error) {
	r := signing.KeyRecord{ID: id, Purpose: p}
	switch p {
	case signing.PurposeMaster, signing.PurposeLookup:
		if r.Algorithm = signing.AlgorithmSeal; p == signing.PurposeLookup {
			r.Algorithm = signing.AlgorithmMAC
		}
		if err := k.GenerateSecret(id); err != nil && !errors.Is(err, signing.ErrExists) {
			return r, err
		}
		_, err := k.secret(id) // one that was there must open, and must be a secret
		return r, err
	case signing.PurposeData:
		r.Algorithm, r.WrappedBy = signing.AlgorithmSeal, master
		secret := make([]byte, 16)
		_, _ = rand.Read(secret)
		var err error
		r.Wrapped, err = k.Wrap(master, secret, signing.WrapPlace(id))
		return r, err
	}
	r.Algorithm = string(p.Algorithm())
	pub, err := k.EnsureSigner(id, p.Algorithm())
	if err != nil {
		return r, err
	}
	if r.PublicKey, err = smx509.MarshalPKIXPublicKey(pub); err != nil {
		return r, err
	}
	jwk, err := jose.NewKey(pub)
	if err != nil {
		return r, err
	}
	r.Thumbprint, err = jwk.Thumbprint()
	return r, err
}

// EnsureSigner makes a private key, or takes the one that an earlier try left.
func (k *Keystore) EnsureSigner(id signing.KeyID, a jose.Algorithm) (crypto.PublicKey, error) {
	pub, err := k.GenerateSigner(id, a)
	if !errors.Is(err, signing.ErrExists) {
		return pub, err
	}
	signer, err := k.Signer(id)
	if err != nil {
		return nil, err
	}
	return signer.Public(), nil
}

// Holds reports whether a key's file is there, without opening it.
func (k *Keystore) Holds(id signing.KeyID) (bool, error) {
	if err := id.Check(); err != nil {
		return false, err
	}
	return durable.Exists(k.path(id))
}

// Dir returns the keystore's directory.
func (k *Keystore) Dir() string { return k.dir }

// Discard removes a key that was made just now and is not needed.
func (k *Keystore) Discard(id signing.KeyID) error {
	if err := id.Check(); err != nil {
		return err
	}
	k.keys.Delete(id)
	return durable.Remove(k.path(id))
}
