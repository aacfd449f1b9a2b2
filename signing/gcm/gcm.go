// Package gcm encrypts with SM4-GCM (RFC 8998) under random nonces, and joins the parts that associated data
// is made of. Sealed columns, wrapped keys and key files are all made with it.
package gcm

import (
	"crypto/cipher"
	"crypto/rand"
	"encoding/binary"

	"github.com/emmansun/gmsm/sm4"
)

// The lengths of the nonce and of the tag, in bytes. They are fixed by the stored formats.
const (
	Nonce = 12
	Tag   = 16
)

// New returns SM4-GCM under a key of 16 bytes.
func New(key []byte) (cipher.AEAD, error) {
	block, err := sm4.NewCipher(key)
	if err != nil {
		return nil, err
	}
	return cipher.NewGCM(block)
}

// Seal appends nonce ‖ ciphertext ‖ tag to dst. The nonce is random: of 2³²
// values under one key, the chance that two share a nonce is 2⁻³³ (NIST SP
// 800-38D section 8.3), and a key is rotated long before.
func Seal(aead cipher.AEAD, dst, plain, ad []byte) []byte {
	nonce := len(dst)
	dst = append(dst, make([]byte, Nonce)...)
	_, _ = rand.Read(dst[nonce:])
	return aead.Seal(dst, dst[nonce:nonce+Nonce], plain, ad)
}

// Open reverses Seal, and reports whether the value opened. It doesn't say why one did not.
func Open(aead cipher.AEAD, sealed, ad []byte) (plain []byte, ok bool) {
	if len(sealed) < Nonce+Tag {
		return nil, false
	}
	plain, err := aead.Open(nil, sealed[:Nonce], sealed[Nonce:], ad)
	if err != nil {
		return nil, false
	}
	return plain, true
}

// AppendParts appends each part with its length before it (4 bytes, big-endian),
// so that no two lists of parts yield the same bytes.
func AppendParts[T ~string | ~[]byte](dst []byte, parts ...T) []byte {
	for _, p := range parts {
		dst = binary.BigEndian.AppendUint32(dst, uint32(len(p)))
		dst = append(dst, p...)
	}
	return dst
}
