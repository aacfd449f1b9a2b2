package keystore

import (
	"crypto"
	"math/big"

	"yizheng.internal/signing"
)

// StoreKey returns the key that the keystore's files are encrypted under.
func (k *Keystore) StoreKey() []byte { return k.key }

// Scalar returns the private key of an SM2 signer.
func Scalar(signer crypto.MessageSigner) *big.Int { return signer.(*sm2Signer).key.D }

// Secret returns what holds a secret in memory.
func (k *Keystore) Secret(id signing.KeyID) any {
	held, _ := k.load(id)
	return held.secret
}
