package vault

import (
	"context"
	"crypto/subtle"
	"encoding/binary"
	"errors"
	"fmt"

	"yizheng.internal/signing"
	"yizheng.internal/signing/gcm"
)

// What a sum is for is part of its message, so that no lookup key equals a MAC.
const (
	useLookup = "yizheng lookup\x00"
	useMAC    = "yizheng mac\x00"
)

// Lookups returns the lookup keys of a value under every lookup key not yet
// purged, the active one's first. While a rotation is under way there are two:
// write both, read either. Domain keeps equal values of unequal meaning apart.
//
// A next key is used from the day on which it is published, so that every node writes under
// it before it becomes active. A retired key is used until it is revoked; before that, a
// job must have written all rows under the active key.
func (v *Vault) Lookups(ctx context.Context, domain string, values ...string) ([]signing.Lookup, error) {
	active, err := v.rings.Active(ctx, signing.PurposeLookup, "")
	if err != nil {
		return nil, fmt.Errorf("making a lookup key: %w", err)
	}
	m := v.message(useLookup, domain, values)
	defer v.messages.Put(m)
	first, err := v.sum(active, *m)
	if err != nil {
		return nil, fmt.Errorf("making a lookup key: %w", err)
	}
	s, err := v.rings.Current(ctx)
	if err != nil {
		return nil, fmt.Errorf("making a lookup key: %w", err)
	}
	ring := s.Ring(signing.PurposeLookup, "")
	lookups := append(make([]signing.Lookup, 0, len(ring)), first)
	for _, k := range ring {
		if k.ID == active.ID || k.State == signing.KeyRevoked {
			continue
		}
		l, err := v.sum(k, *m)
		if k.State == signing.KeyNext && errors.Is(err, signing.ErrNoKey) {
			// Not copied to this node yet. Until it is active, that is no fault.
			if _, logged := v.warned.LoadOrStore(k.ID, true); !logged {
				v.rings.Log().Warn("next lookup key is not in the keystore here; copy it before it is activated", "key", k.ID)
			}
			continue
		}
		if err != nil {
			return nil, fmt.Errorf("making a lookup key: %w", err)
		}
		lookups = append(lookups, l)
	}
	return lookups, nil
}

// MAC returns a keyed hash under the active lookup key, for fingerprints and
// comparisons that need no index. It never equals a Lookup of the same values.
func (v *Vault) MAC(ctx context.Context, domain string, values ...string) (signing.Lookup, error) {
	k, err := v.rings.Active(ctx, signing.PurposeLookup, "")
	if err != nil {
		return signing.Lookup{}, fmt.Errorf("making a MAC: %w", err)
	}
	m := v.message(useMAC, domain, values)
	defer v.messages.Put(m)
	sum, err := v.sum(k, *m)
	if err != nil {
		return signing.Lookup{}, fmt.Errorf("making a MAC: %w", err)
	}
	return sum, nil
}

// CheckMAC reports, in constant time, whether sum is the MAC of those values under the key
// that it names. It returns ErrNoKey (wrapped) if that key is unknown or purged.
func (v *Vault) CheckMAC(ctx context.Context, sum signing.Lookup, domain string, values ...string) (bool, error) {
	k, err := v.rings.BySerial(ctx, signing.PurposeLookup, uint32(sum.Serial))
	if err != nil {
		return false, fmt.Errorf("checking a MAC: %w", err)
	}
	m := v.message(useMAC, domain, values)
	defer v.messages.Put(m)
	want, err := v.sum(k, *m)
	if err != nil {
		return false, fmt.Errorf("checking a MAC: %w", err)
	}
	return subtle.ConstantTimeCompare(sum.Sum[:], want.Sum[:]) == 1, nil
}

func (v *Vault) sum(k *signing.Key, message []byte) (signing.Lookup, error) {
	sum, err := v.module.MAC(k.ID, message)
	if err != nil {
		return signing.Lookup{}, err
	}
	l := signing.Lookup{Serial: k.Serial}
	if len(sum) != len(l.Sum) {
		return signing.Lookup{}, fmt.Errorf("key %s made a MAC of %d bytes, not %d", k.ID, len(sum), len(l.Sum))
	}
	copy(l.Sum[:], sum)
	return l, nil
}

// message encodes use, domain and values, so that no other ones have the same encoding. The
// caller puts it back into messages.
func (v *Vault) message(use, domain string, values []string) *[]byte {
	m, ok := v.messages.Get().(*[]byte)
	if !ok {
		m = new([]byte)
	}
	b := append((*m)[:0], use...)
	b = gcm.AppendParts(b, domain)
	b = binary.BigEndian.AppendUint32(b, uint32(len(values)))
	*m = gcm.AppendParts(b, values...)
	return m
}
