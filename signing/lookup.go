package signing

import (
	"context"
	"crypto/subtle"
	"encoding/binary"
	"errors"
	"fmt"
)

// Lookup is a lookup key: what stands in the database in place of a value that
// must be found but not read.
type Lookup struct {
	Serial int32    // of the lookup key that made it
	Sum    [32]byte // HMAC-SM3 over domain and values, each with its length
}

// Two uses of the same key that never yield the same sum.
const (
	useLookup = "yizheng lookup\x00"
	useMAC    = "yizheng mac\x00"
)

// Lookups returns the lookup keys of a value under every lookup key not yet
// purged, the active one's first. While a rotation is under way there are two:
// write both, read either. Domain keeps equal values of unequal meaning apart.
//
// A next key counts from the day it is published, so that before it becomes
// active every node writes under it; a retired one counts until it is revoked,
// which is to wait for the job that writes all rows under the active key.
func (v *Vault) Lookups(ctx context.Context, domain string, values ...string) ([]Lookup, error) {
	active, err := v.rings.Active(ctx, PurposeLookup, "")
	if err != nil {
		return nil, fmt.Errorf("making a lookup key: %w", err)
	}
	m := v.message(useLookup, domain, values)
	defer v.messages.Put(m)
	first, err := v.sum(active, *m)
	if err != nil {
		return nil, fmt.Errorf("making a lookup key: %w", err)
	}
	s, err := v.rings.fresh(ctx)
	if err != nil {
		return nil, fmt.Errorf("making a lookup key: %w", err)
	}
	ring := s.rings[ringName{PurposeLookup, ""}]
	lookups := append(make([]Lookup, 0, len(ring)), first)
	for _, k := range ring {
		if k.ID == active.ID || k.State == KeyRevoked {
			continue
		}
		l, err := v.sum(k, *m)
		if k.State == KeyNext && errors.Is(err, ErrNoKey) {
			// Not copied to this node yet. Until it is active, that is no fault.
			if _, logged := v.warned.LoadOrStore(k.ID, true); !logged {
				v.rings.c.Log.Warn("next lookup key is not in the keystore here; copy it before it is activated", "key", k.ID)
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
func (v *Vault) MAC(ctx context.Context, domain string, values ...string) (Lookup, error) {
	k, err := v.rings.Active(ctx, PurposeLookup, "")
	if err != nil {
		return Lookup{}, fmt.Errorf("making a MAC: %w", err)
	}
	m := v.message(useMAC, domain, values)
	defer v.messages.Put(m)
	sum, err := v.sum(k, *m)
	if err != nil {
		return Lookup{}, fmt.Errorf("making a MAC: %w", err)
	}
	return sum, nil
}

// CheckMAC reports, in constant time, whether sum is the MAC of those values,
// under the key that it names. An unknown or purged key is ErrNoKey (wrapped).
func (v *Vault) CheckMAC(ctx context.Context, sum Lookup, domain string, values ...string) (bool, error) {
	k, err := v.bySerial(ctx, PurposeLookup, uint32(sum.Serial))
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

func (v *Vault) sum(k *Key, message []byte) (Lookup, error) {
	sum, err := v.module.MAC(k.ID, message)
	if err != nil {
		return Lookup{}, err
	}
	l := Lookup{Serial: k.Serial}
	if len(sum) != len(l.Sum) {
		return Lookup{}, fmt.Errorf("key %s made a MAC of %d bytes, not %d", k.ID, len(sum), len(l.Sum))
	}
	copy(l.Sum[:], sum)
	return l, nil
}

// message encodes use, domain and values so that no other ones encode alike. It is
// to be put back into messages.
func (v *Vault) message(use, domain string, values []string) *[]byte {
	m, ok := v.messages.Get().(*[]byte)
	if !ok {
		m = new([]byte)
	}
	b := append((*m)[:0], use...)
	b = appendParts(b, domain)
	b = binary.BigEndian.AppendUint32(b, uint32(len(values)))
	*m = appendParts(b, values...)
	return m
}
