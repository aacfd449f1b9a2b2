package installation

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"time"

	"yizheng.internal/signing"
	"yizheng.internal/signing/pki"
)

// rotateTries is how often a key is added anew when another node was faster.
const rotateTries = 10

// AddAuthority makes a signing key for an authority, has the root certify it for at most
// five years, and records it: as active if it is the authority's first key, else as next.
// Its id is authority-USCC-SERIAL in lower case. A running server finds the key at once.
func (i *Installation) AddAuthority(ctx context.Context, ca *pki.CA, s pki.Subject, now time.Time) (signing.KeyRecord, error) {
	k, err := i.add(ctx, ca, signing.PurposeAuthority, s, now)
	if err != nil {
		return signing.KeyRecord{}, fmt.Errorf("adding a key for authority %s: %w", s.USCC, err)
	}
	return k, nil
}

// AddKey makes a key of the registry's own and records it as next. Keys for the purposes
// status and attestation need a certificate; for others ca may be nil.
func (i *Installation) AddKey(ctx context.Context, ca *pki.CA, p signing.Purpose, now time.Time) (signing.KeyRecord, error) {
	if !slices.Contains(signingPurposes, p) && !p.GuardsStorage() {
		return signing.KeyRecord{}, fmt.Errorf("the registry makes no %q keys of its own", p)
	}
	k, err := i.add(ctx, ca, p, pki.Subject{Name: i.c.RegistryName, USCC: i.c.RegistryUSCC}, now)
	if err != nil {
		return signing.KeyRecord{}, fmt.Errorf("adding a %s key: %w", p, err)
	}
	return k, nil
}

func (i *Installation) add(ctx context.Context, ca *pki.CA, p signing.Purpose, s pki.Subject, now time.Time) (signing.KeyRecord, error) {
	if s.Name == "" || !looksLikeUSCC(s.USCC) {
		return signing.KeyRecord{}, fmt.Errorf("name is missing, or %q is no unified social credit code", s.USCC)
	}
	unlock, err := i.lock(ctx)
	if err != nil {
		return signing.KeyRecord{}, err
	}
	defer unlock()
	for range rotateTries {
		k, err := i.tryAdd(ctx, ca, p, s, now)
		// Another node was faster: the serial is taken, or the ring isn't empty any more.
		if !errors.Is(err, signing.ErrExists) && !errors.Is(err, signing.ErrConflict) {
			return k, err
		}
	}
	return signing.KeyRecord{}, fmt.Errorf("other nodes keep adding keys: %w", signing.ErrConflict)
}

func (i *Installation) tryAdd(ctx context.Context, ca *pki.CA, p signing.Purpose, s pki.Subject, now time.Time) (signing.KeyRecord, error) {
	set, err := i.keyrings.Read(ctx)
	if err != nil {
		return signing.KeyRecord{}, err
	}
	owner := ""
	if p == signing.PurposeAuthority {
		owner = s.USCC
	}
	ring, serial := set.Ring(p, owner), int32(1)
	for _, k := range ring {
		serial = max(serial, k.Serial+1)
	}
	id := registryKeyID(p, serial)
	if p == signing.PurposeAuthority {
		id = signing.KeyID(fmt.Sprintf("%s-%s-%d", p, strings.ToLower(s.USCC), serial))
	}
	var master signing.KeyID
	if k := set.Active(signing.PurposeMaster, ""); k != nil {
		master = k.ID
	}
	k, err := i.keys.Make(id, p, master)
	if err != nil {
		return signing.KeyRecord{}, err
	}
	if err := certify(ca, &k, s, now); err != nil {
		return signing.KeyRecord{}, err
	}
	k.Owner, k.State = owner, signing.KeyNext
	if len(ring) == 0 {
		k.State = signing.KeyActive
	}
	return i.keyrings.Add(ctx, k, now)
}

// looksLikeUSCC reports whether a code has the form of GB 32100, so that it is safe in a key
// id. Its check digit is checked where the code is entered.
func looksLikeUSCC(code string) bool {
	odd := func(r rune) bool { return (r < 'A' || r > 'Z') && (r < '0' || r > '9') }
	return len(code) == 18 && !strings.ContainsFunc(code, odd)
}

// Rotate does one step of a ring's rotation. If the ring has no next key, Rotate makes one.
// If it has one, Rotate activates it and retires the active key. Between the two steps
// [signing.Settle] must pass, and with several nodes the key's file must be copied to them.
// ca is as for AddKey; owner is empty for the registry's own keys.
//
// After a lookup key was activated, all rows must be written anew under it before the
// retired one is revoked. When Rotate has activated a master key, it has wrapped all data
// keys by it.
func (i *Installation) Rotate(ctx context.Context, ca *pki.CA, p signing.Purpose, owner string, now time.Time) (signing.KeyRecord, error) {
	set, err := i.keyrings.Read(ctx)
	if err != nil {
		return signing.KeyRecord{}, err
	}
	next := set.Next(p, owner)
	switch {
	case next != nil:
		return i.activate(ctx, set, next.KeyRecord, now)
	case p != signing.PurposeAuthority:
		return i.AddKey(ctx, ca, p, now)
	}
	ring := set.Ring(p, owner)
	if len(ring) == 0 || len(ring[len(ring)-1].Certificates) == 0 {
		return signing.KeyRecord{}, fmt.Errorf("rotating the %s key of %s: it has no certified key to succeed: %w", p, owner, signing.ErrNoKey)
	}
	return i.AddAuthority(ctx, ca, ring[len(ring)-1].Certificates[0].Subject, now)
}

func (i *Installation) activate(ctx context.Context, set *signing.KeySet, k signing.KeyRecord, now time.Time) (signing.KeyRecord, error) {
	settle := signing.Settle(k.Purpose)
	if set.Active(k.Purpose, k.Owner) == nil {
		settle = signing.SettleNodes // nothing is signed meanwhile
	}
	if age := now.Sub(k.Created); age < settle {
		return signing.KeyRecord{}, fmt.Errorf("rotating: key %s was published %v ago; activate it after %v, when every node knows it: %w",
			k.ID, age.Round(time.Second), settle, signing.ErrKeyState)
	}
	if err := i.keyrings.Activate(ctx, k.ID, now); err != nil {
		return signing.KeyRecord{}, err
	}
	if k.Purpose == signing.PurposeMaster {
		if err := i.keyrings.RewrapData(ctx); err != nil {
			return signing.KeyRecord{}, err
		}
	}
	return i.c.Records.LoadKey(ctx, k.ID)
}
