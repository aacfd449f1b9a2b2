// Package vault seals columns of the database, and makes the lookup keys by which sealed values are found. A value
// is sealed with SM4-GCM under a data key and bound to its table, row and column. The data key stands in its record,
// wrapped by a master key of the keystore.
package vault

import (
	"context"
	"crypto/cipher"
	"encoding/binary"
	"errors"
	"fmt"
	"io"
	"sync"

	"yizheng.internal/signing"
	"yizheng.internal/signing/gcm"
)

// Vault seals what lies in the database and makes the lookup keys by which
// sealed things are found. Safe for concurrent use.
type Vault struct {
	rings  *signing.Keyrings
	module signing.Module
	data   sync.Map // KeyID → cipher.AEAD: data keys, unwrapped
	warned sync.Map // KeyID of next lookup keys that are not in the keystore here, logged once

	messages sync.Pool // of *[]byte: buffers for the messages of MACs
}

// Open returns a vault over the rings of data keys and lookup keys. It unwraps data
// keys with the module's master key. It tries every key that
// it may need, so that a missing or foreign one is known at the start.
func Open(ctx context.Context, r *signing.Keyrings, m signing.Module) (*Vault, error) {
	if r == nil || m == nil {
		return nil, errors.New("a vault needs keyrings and a module")
	}
	v := &Vault{rings: r, module: m}
	data, err := r.Ring(ctx, signing.PurposeData, "")
	if err != nil {
		return nil, fmt.Errorf("opening the vault: %w", err)
	}
	for _, k := range data {
		if k.State == signing.KeyRevoked {
			continue
		}
		if _, err := v.cipher(k); err != nil {
			return nil, fmt.Errorf("opening the vault: %w", err)
		}
	}
	if _, err := r.Active(ctx, signing.PurposeData, ""); err != nil {
		return nil, fmt.Errorf("opening the vault: %w", err)
	}
	if _, err := v.Lookups(ctx, "open"); err != nil {
		return nil, fmt.Errorf("opening the vault: %w", err)
	}
	return v, nil
}

// Auth returns the authenticator of records that goes with the vault.
func (v *Vault) Auth() *signing.Authenticator { return v.rings.Auth() }

// Format implements [fmt.Formatter]: the keys inside are not to be printed.
func (v *Vault) Format(s fmt.State, _ rune) { _, _ = io.WriteString(s, "vault") }

// Place says where a sealed value lies. It is bound into the value: a value
// moved to another place does not open. No part may be empty.
type Place struct{ Table, Row, Column string }

// sealedFormat is the first byte of a sealed value: see [signing.SealedHeader].
const sealedFormat = 1

// Seal encrypts with SM4-GCM under the active data key. The result begins with
// a format byte and the key's serial, and is 33 bytes longer than plain.
func (v *Vault) Seal(ctx context.Context, p Place, plain []byte) ([]byte, error) {
	return v.AppendSealed(ctx, make([]byte, 0, signing.SealedExtra+len(plain)), p, plain)
}

// AppendSealed is [Vault.Seal] for several values in one piece of memory: it
// appends the sealed value to dst.
func (v *Vault) AppendSealed(ctx context.Context, dst []byte, p Place, plain []byte) ([]byte, error) {
	if err := p.check(); err != nil {
		return nil, err
	}
	k, err := v.rings.Active(ctx, signing.PurposeData, "")
	if err != nil {
		return nil, fmt.Errorf("sealing %s.%s: %w", p.Table, p.Column, err)
	}
	aead, err := v.cipher(k)
	if err != nil {
		return nil, fmt.Errorf("sealing %s.%s: %w", p.Table, p.Column, err)
	}
	from := len(dst)
	dst = append(dst, sealedFormat)
	dst = binary.BigEndian.AppendUint32(dst, uint32(k.Serial))
	return gcm.Seal(aead, dst, plain, p.bind(dst[from:])), nil
}

// Open reverses Seal, also for values sealed under next and retired keys. What
// doesn't open is [signing.ErrSealed], a value under an unknown or purged key
// [signing.ErrNoKey] (both wrapped); neither error says anything of the contents.
func (v *Vault) Open(ctx context.Context, p Place, sealed []byte) ([]byte, error) {
	if err := p.check(); err != nil {
		return nil, err
	}
	if len(sealed) < signing.SealedExtra || sealed[0] != sealedFormat {
		return nil, fmt.Errorf("opening %s.%s: not a sealed value: %w", p.Table, p.Column, signing.ErrSealed)
	}
	header := sealed[:signing.SealedHeader:signing.SealedHeader]
	k, err := v.rings.BySerial(ctx, signing.PurposeData, binary.BigEndian.Uint32(header[1:]))
	if err != nil {
		return nil, fmt.Errorf("opening %s.%s: %w", p.Table, p.Column, err)
	}
	aead, err := v.cipher(k)
	if err != nil {
		return nil, fmt.Errorf("opening %s.%s: %w", p.Table, p.Column, err)
	}
	plain, ok := gcm.Open(aead, sealed[signing.SealedHeader:], p.bind(header))
	if !ok {
		return nil, fmt.Errorf("opening %s.%s: %w", p.Table, p.Column, signing.ErrSealed)
	}
	return plain, nil
}

// CheckKey returns the error of [Vault.Open] if a value's data key is unknown or purged. It
// is for callers that cache what they have opened.
func (v *Vault) CheckKey(ctx context.Context, sealed []byte) error {
	_, err := v.rings.BySerial(ctx, signing.PurposeData, uint32(SealedSerial(sealed)))
	return err
}

// SealedSerial returns the serial of the data key under which a value was sealed, or 0 if it
// isn't a sealed value. Jobs that seal values under a new key call it.
func SealedSerial(sealed []byte) int32 {
	if len(sealed) < signing.SealedExtra || sealed[0] != sealedFormat {
		return 0
	}
	return int32(binary.BigEndian.Uint32(sealed[1:]))
}

func (p Place) check() error {
	if p.Table == "" || p.Row == "" || p.Column == "" {
		return errors.New("sealed value has no place: table, row or column is empty")
	}
	return nil
}

// bind returns the associated data of a value: its header and its place.
func (p Place) bind(header []byte) []byte {
	ad := make([]byte, 0, 128)
	ad = append(ad, "yizheng sealed column\x00"...)
	ad = append(ad, header...)
	return gcm.AppendParts(ad, p.Table, p.Row, p.Column)
}

// cipher returns a data key's cipher, unwrapped once.
func (v *Vault) cipher(k *signing.Key) (cipher.AEAD, error) {
	if aead, ok := v.data.Load(k.ID); ok {
		return aead.(cipher.AEAD), nil
	}
	secret, err := v.module.Unwrap(k.WrappedBy, k.Wrapped, signing.WrapPlace(k.ID))
	if errors.Is(err, signing.ErrNoKey) {
		return nil, fmt.Errorf("data key %s is wrapped by %s, which is not in the keystore here: %w", k.ID, k.WrappedBy, err)
	}
	if err != nil {
		return nil, fmt.Errorf("data key %s: %w", k.ID, err)
	}
	aead, err := gcm.New(secret)
	if err != nil {
		return nil, fmt.Errorf("data key %s: %w", k.ID, err)
	}
	v.data.Store(k.ID, aead)
	return aead, nil
}
