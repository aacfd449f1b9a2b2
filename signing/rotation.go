package signing

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"time"

	"yizheng.internal/signing/pki"
)

// rotateTries is how often a change is tried again that lost a race.
const rotateTries = 10

// AddAuthority makes a signing key for an authority, has the root certify it,
// for five years at most, and records it: as active if it is the authority's
// first, else as next. Its id is authority-USCC-SERIAL in lower case. Safe
// beside a running server, which finds the key at once.
func (i *Installation) AddAuthority(ctx context.Context, ca *pki.CA, s pki.Subject, now time.Time) (KeyRecord, error) {
	k, err := i.add(ctx, ca, PurposeAuthority, s, now)
	if err != nil {
		return KeyRecord{}, fmt.Errorf("adding a key for authority %s: %w", s.USCC, err)
	}
	return k, nil
}

// AddKey makes a key of the registry's own and records it as next. ca may be
// nil but for the purposes status and attestation, whose keys need a certificate.
func (i *Installation) AddKey(ctx context.Context, ca *pki.CA, p Purpose, now time.Time) (KeyRecord, error) {
	if !slices.Contains(signingPurposes, p) && !(KeyRecord{Purpose: p}).guardsStorage() {
		return KeyRecord{}, fmt.Errorf("the registry makes no %q keys of its own", p)
	}
	k, err := i.add(ctx, ca, p, pki.Subject{Name: i.c.RegistryName, USCC: i.c.RegistryUSCC}, now)
	if err != nil {
		return KeyRecord{}, fmt.Errorf("adding a %s key: %w", p, err)
	}
	return k, nil
}

func (i *Installation) add(ctx context.Context, ca *pki.CA, p Purpose, s pki.Subject, now time.Time) (KeyRecord, error) {
	if s.Name == "" || !looksLikeUSCC(s.USCC) {
		return KeyRecord{}, fmt.Errorf("name is missing, or %q is no unified social credit code", s.USCC)
	}
	unlock, err := i.lock(ctx)
	if err != nil {
		return KeyRecord{}, err
	}
	defer unlock()
	for range rotateTries {
		k, err := i.tryAdd(ctx, ca, p, s, now)
		// Another node was faster: there is a new serial to take, or a ring
		// that isn't empty any more.
		if !errors.Is(err, ErrExists) && !errors.Is(err, ErrConflict) {
			return k, err
		}
	}
	return KeyRecord{}, fmt.Errorf("other nodes keep adding keys: %w", ErrConflict)
}

func (i *Installation) tryAdd(ctx context.Context, ca *pki.CA, p Purpose, s pki.Subject, now time.Time) (KeyRecord, error) {
	set, err := i.keyrings.read(ctx, time.Now())
	if err != nil {
		return KeyRecord{}, err
	}
	name := ringName{purpose: p}
	if p == PurposeAuthority {
		name.owner = s.USCC
	}
	serial := int32(1)
	for _, k := range set.rings[name] {
		serial = max(serial, k.Serial+1)
	}
	id := registryKeyID(p, serial)
	if p == PurposeAuthority {
		id = KeyID(fmt.Sprintf("%s-%s-%d", p, strings.ToLower(s.USCC), serial))
	}
	var master KeyID
	if k := set.active[ringName{purpose: PurposeMaster}]; k != nil {
		master = k.ID
	}
	maker := keyMaker{keys: i.keys, ca: ca}
	k, err := maker.key(id, p, master)
	if err != nil {
		return KeyRecord{}, err
	}
	if err := maker.certify(&k, s, now); err != nil {
		return KeyRecord{}, err
	}
	k.Owner, k.State = name.owner, KeyNext
	if len(set.rings[name]) == 0 {
		k.State = KeyActive
	}
	return i.keyrings.Add(ctx, k, now)
}

// looksLikeUSCC reports whether a code has the form of GB 32100: what it is
// needed for here is to be safe in a key id. Its check digit is checked where
// it comes in.
func looksLikeUSCC(code string) bool {
	odd := func(r rune) bool { return (r < 'A' || r > 'Z') && (r < '0' || r > '9') }
	return len(code) == 18 && !strings.ContainsFunc(code, odd)
}

// Rotate takes a ring one step on. If it has no next key, Rotate makes one; if
// it has, Rotate activates it and the active key retires. Between the steps
// lies the time of [Settle], and, with several nodes, the copying of its file.
// ca is as for AddKey; owner is empty for the registry's own keys.
//
// After a lookup key was activated, the rows of old lookup keys are to be
// written anew before the retired key is revoked. After a master key was, all
// data keys are wrapped by it when Rotate returns.
func (i *Installation) Rotate(ctx context.Context, ca *pki.CA, p Purpose, owner string, now time.Time) (KeyRecord, error) {
	set, err := i.keyrings.read(ctx, time.Now())
	if err != nil {
		return KeyRecord{}, err
	}
	name := ringName{p, owner}
	next := set.next(name)
	switch {
	case next != nil:
		return i.activate(ctx, set, next.KeyRecord, now)
	case p != PurposeAuthority:
		return i.AddKey(ctx, ca, p, now)
	}
	ring := set.rings[name]
	if len(ring) == 0 || len(ring[len(ring)-1].Certificates) == 0 {
		return KeyRecord{}, fmt.Errorf("rotating the %s: it has no certified key to succeed: %w", name, ErrNoKey)
	}
	return i.AddAuthority(ctx, ca, ring[len(ring)-1].Certificates[0].Subject, now)
}

func (s *keySet) next(name ringName) *Key {
	for _, k := range s.rings[name] {
		if k.State == KeyNext {
			return k
		}
	}
	return nil
}

// KeySetAge is how long others may keep the published keys that ID tokens are
// verified with.
const KeySetAge = 5 * time.Minute

// Settle is how long a next key of a purpose is to be known before it is
// activated, so that every node has read of it, and whoever verifies ID tokens
// has a key set with it in. Where no key is active, nodes alone are waited for.
func Settle(p Purpose) time.Duration {
	if p == PurposeIDToken || p == PurposeIDTokenRSA {
		return KeySetAge + settleNodes
	}
	return settleNodes
}

// settleNodes is twice the time that a reading of the records serves.
const settleNodes = 2 * defaultFresh

func (i *Installation) activate(ctx context.Context, set *keySet, k KeyRecord, now time.Time) (KeyRecord, error) {
	settle := Settle(k.Purpose)
	if set.active[ringName{k.Purpose, k.Owner}] == nil {
		settle = settleNodes // nothing is signed meanwhile
	}
	if age := now.Sub(k.Created); age < settle {
		return KeyRecord{}, fmt.Errorf("rotating: key %s was published %v ago; activate it after %v, when every node knows it: %w",
			k.ID, age.Round(time.Second), settle, ErrKeyState)
	}
	if err := i.keyrings.Activate(ctx, k.ID, now); err != nil {
		return KeyRecord{}, err
	}
	if k.Purpose == PurposeMaster {
		if err := i.RewrapData(ctx); err != nil {
			return KeyRecord{}, err
		}
	}
	return i.c.Records.LoadKey(ctx, k.ID)
}

// RewrapData wraps every data key by the active master key. What the data keys
// sealed stays as it is. It can be cut off and run again.
func (i *Installation) RewrapData(ctx context.Context) error {
	for range rotateTries {
		err := i.tryRewrap(ctx)
		if !errors.Is(err, ErrConflict) {
			return err
		}
	}
	return fmt.Errorf("wrapping data keys anew: other nodes keep changing them: %w", ErrConflict)
}

func (i *Installation) tryRewrap(ctx context.Context) error {
	set, err := i.keyrings.read(ctx, time.Now())
	if err != nil {
		return err
	}
	master := set.active[ringName{purpose: PurposeMaster}]
	if master == nil {
		return fmt.Errorf("wrapping data keys anew: no master key is active: %w", ErrNoKey)
	}
	var changed []KeyRecord
	for _, k := range set.rings[ringName{purpose: PurposeData}] {
		if k.WrappedBy == master.ID || k.State == KeyRevoked {
			continue
		}
		secret, err := i.keys.Unwrap(k.WrappedBy, k.Wrapped, wrapPlace(k.ID))
		if err != nil {
			return fmt.Errorf("wrapping data key %s anew: %w", k.ID, err)
		}
		record := k.KeyRecord
		record.WrappedBy = master.ID
		if record.Wrapped, err = i.keys.Wrap(master.ID, secret, wrapPlace(k.ID)); err != nil {
			return fmt.Errorf("wrapping data key %s anew: %w", k.ID, err)
		}
		changed = append(changed, record)
	}
	if len(changed) == 0 {
		return nil
	}
	return i.keyrings.update(ctx, changed...)
}
