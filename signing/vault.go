package signing

import (
	"context"
	"crypto/cipher"
	"encoding/binary"
	"errors"
	"fmt"
	"io"
	"sync"
	"time"
)

// ErrSealed says that a sealed value does not open: it was changed, moved to
// another place, or sealed under another key.
var ErrSealed = errors.New("sealed value does not open")

// Vault seals what lies in the database and makes the lookup keys by which
// sealed things are found. Safe for concurrent use.
type Vault struct {
	rings  *Keyrings
	module Module
	data   sync.Map // KeyID → cipher.AEAD: data keys, unwrapped
	warned sync.Map // KeyID of next lookup keys not held here, logged once

	messages sync.Pool // of *[]byte: of messages that MACs are made of
}

// OpenVault returns a vault over the rings of PurposeData and PurposeLookup,
// whose keys it unwraps with the module's master key. It tries every key that
// it may need, so that a missing or foreign one is known at the start.
func OpenVault(ctx context.Context, r *Keyrings, m Module) (*Vault, error) {
	if r == nil || m == nil {
		return nil, errors.New("a vault needs keyrings and a module")
	}
	v := &Vault{rings: r, module: m}
	data, err := r.Ring(ctx, PurposeData, "")
	if err != nil {
		return nil, fmt.Errorf("opening the vault: %w", err)
	}
	for _, k := range data {
		if k.State == KeyRevoked {
			continue
		}
		if _, err := v.cipher(k); err != nil {
			return nil, fmt.Errorf("opening the vault: %w", err)
		}
	}
	if _, err := r.Active(ctx, PurposeData, ""); err != nil {
		return nil, fmt.Errorf("opening the vault: %w", err)
	}
	if _, err := v.Lookups(ctx, "open"); err != nil {
		return nil, fmt.Errorf("opening the vault: %w", err)
	}
	return v, nil
}

// Auth returns the authenticator of records that goes with the vault.
func (v *Vault) Auth() *Authenticator { return v.rings.auth }

// Format implements [fmt.Formatter]: the keys inside are not to be printed.
func (v *Vault) Format(s fmt.State, _ rune) { _, _ = io.WriteString(s, "vault") }

// Place says where a sealed value lies. It is bound into the value: a value
// moved to another place does not open. No part may be empty.
type Place struct{ Table, Row, Column string }

// A sealed value is
//
//	format (1 byte) ‖ serial of the data key (4, big-endian) ‖ nonce (12) ‖ ciphertext ‖ tag (16)
//
// with SM4-GCM. The header and the place are its associated data.
const (
	sealedFormat = 1
	sealedHeader = 1 + 4
	// SealedExtra is how much longer than its contents a sealed value is, in bytes.
	SealedExtra = sealedHeader + gcmNonce + gcmTag
)

// Seal encrypts with SM4-GCM under the active data key. The result begins with
// a format byte and the key's serial, and is 33 bytes longer than plain.
func (v *Vault) Seal(ctx context.Context, p Place, plain []byte) ([]byte, error) {
	return v.AppendSealed(ctx, make([]byte, 0, SealedExtra+len(plain)), p, plain)
}

// AppendSealed is [Vault.Seal] for several values in one piece of memory: it
// appends the sealed value to dst.
func (v *Vault) AppendSealed(ctx context.Context, dst []byte, p Place, plain []byte) ([]byte, error) {
	if err := p.check(); err != nil {
		return nil, err
	}
	k, err := v.rings.Active(ctx, PurposeData, "")
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
	return sealGCM(aead, dst, plain, p.bind(dst[from:])), nil
}

// Open reverses Seal, also for values sealed under next and retired keys. What
// doesn't open is ErrSealed, a value under an unknown or purged key ErrNoKey
// (both wrapped); neither error says anything of the contents.
func (v *Vault) Open(ctx context.Context, p Place, sealed []byte) ([]byte, error) {
	if err := p.check(); err != nil {
		return nil, err
	}
	if len(sealed) < SealedExtra || sealed[0] != sealedFormat {
		return nil, fmt.Errorf("opening %s.%s: not a sealed value: %w", p.Table, p.Column, ErrSealed)
	}
	header := sealed[:sealedHeader:sealedHeader]
	k, err := v.bySerial(ctx, PurposeData, binary.BigEndian.Uint32(header[1:]))
	if err != nil {
		return nil, fmt.Errorf("opening %s.%s: %w", p.Table, p.Column, err)
	}
	aead, err := v.cipher(k)
	if err != nil {
		return nil, fmt.Errorf("opening %s.%s: %w", p.Table, p.Column, err)
	}
	plain, err := openGCM(aead, sealed[sealedHeader:], p.bind(header))
	if err != nil {
		return nil, fmt.Errorf("opening %s.%s: %w", p.Table, p.Column, err)
	}
	return plain, nil
}

// CheckKey returns the error of [Vault.Open] for a value whose data key is unknown or
// purged, for whoever remembers what opened.
func (v *Vault) CheckKey(ctx context.Context, sealed []byte) error {
	_, err := v.bySerial(ctx, PurposeData, uint32(SealedSerial(sealed)))
	return err
}

// SealedSerial returns the serial of the data key under which a value was
// sealed, for jobs that seal anew what lies under an old one. It is 0 for what
// isn't a sealed value.
func SealedSerial(sealed []byte) int32 {
	if len(sealed) < SealedExtra || sealed[0] != sealedFormat {
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
	return appendParts(ad, p.Table, p.Row, p.Column)
}

// cipher returns a data key's cipher, unwrapped once.
func (v *Vault) cipher(k *Key) (cipher.AEAD, error) {
	if aead, ok := v.data.Load(k.ID); ok {
		return aead.(cipher.AEAD), nil
	}
	secret, err := v.module.Unwrap(k.WrappedBy, k.Wrapped, wrapPlace(k.ID))
	if errors.Is(err, ErrNoKey) {
		return nil, fmt.Errorf("data key %s is wrapped by %s, which is not in the keystore here: %w", k.ID, k.WrappedBy, err)
	}
	if err != nil {
		return nil, fmt.Errorf("data key %s: %w", k.ID, err)
	}
	aead, err := newSM4GCM(secret)
	if err != nil {
		return nil, fmt.Errorf("data key %s: %w", k.ID, err)
	}
	v.data.Store(k.ID, aead)
	return aead, nil
}

// wrapPlace binds a wrapped data key to its id.
func wrapPlace(id KeyID) []byte { return []byte("yizheng data key\x00" + string(id)) }

// bySerial finds a key that is not revoked by its number within its ring. An
// unknown one is looked for again: another node may have made it just now.
func (v *Vault) bySerial(ctx context.Context, p Purpose, serial uint32) (*Key, error) {
	called := time.Now()
	s, err := v.rings.fresh(ctx)
	if err != nil {
		return nil, err
	}
	k := s.serial(p, serial)
	if k == nil {
		if s, err = v.rings.since(ctx, called); err != nil {
			return nil, err
		}
		k = s.serial(p, serial)
	}
	switch {
	case k == nil:
		return nil, fmt.Errorf("%s key number %d: %w", p, serial, ErrNoKey)
	case k.State == KeyRevoked:
		return nil, fmt.Errorf("%s key number %d was purged: %w", p, serial, ErrNoKey)
	}
	return k, nil
}

func (s *keySet) serial(p Purpose, serial uint32) *Key {
	for _, k := range s.rings[ringName{p, ""}] {
		if uint32(k.Serial) == serial {
			return k
		}
	}
	return nil
}
