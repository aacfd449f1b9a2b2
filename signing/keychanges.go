package signing

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"time"

	"yizheng.internal/signing/pki"
)

// ErrKeyState says that a key's state, or its ring's, does not allow a change.
var ErrKeyState = errors.New("the key's state does not allow that")

// revocationReasons are the reasons of RFC 5280 section 5.3.1 that end a key
// for good. certificateHold and removeFromCRL don't, and aren't taken.
var revocationReasons = []string{
	"unspecified", pki.KeyCompromise, "cACompromise", "affiliationChanged",
	"superseded", "cessationOfOperation", "privilegeWithdrawn", "aACompromise",
}

// addTries is how often Add looks for a free serial when others add to the same ring.
const addTries = 20

// Add saves a new record as the ring's next serial; the first of a ring may be
// active at once. The state is next unless the record says active. Errors,
// wrapped: ErrExists if the id is taken, ErrConflict if the ring got an active
// key meanwhile, ErrKeyState.
func (r *Keyrings) Add(ctx context.Context, k KeyRecord, now time.Time) (KeyRecord, error) {
	if err := k.ID.Check(); err != nil {
		return KeyRecord{}, fmt.Errorf("adding a key: %w", err)
	}
	if k.Purpose == "" || k.Algorithm == "" {
		return KeyRecord{}, fmt.Errorf("adding key %s: purpose or algorithm is missing", k.ID)
	}
	switch k.State {
	case "", KeyNext:
		k.State = KeyNext
	case KeyActive:
		k.Activated = now
	default:
		return KeyRecord{}, fmt.Errorf("adding key %s as %s: %w", k.ID, k.State, ErrKeyState)
	}
	k.Created = now
	for range addTries {
		ring, err := r.records.ListKeys(ctx, k.Purpose)
		if err != nil {
			return KeyRecord{}, fmt.Errorf("adding key %s: %w", k.ID, err)
		}
		k.Serial = 1
		for _, other := range ring {
			if other.Owner == k.Owner {
				k.Serial = max(k.Serial, other.Serial+1)
			}
		}
		err = r.records.CreateKey(ctx, k)
		if err == nil {
			r.readings.changes.Add(1)
			k.Revision = 1
			return k, nil
		}
		if !errors.Is(err, ErrExists) {
			return KeyRecord{}, fmt.Errorf("adding key %s: %w", k.ID, err)
		}
		// The id or the serial was taken. Only the serial can be had anew.
		if _, err := r.records.LoadKey(ctx, k.ID); err == nil {
			return KeyRecord{}, fmt.Errorf("adding key %s: %w", k.ID, ErrExists)
		} else if !errors.Is(err, ErrNoKey) {
			return KeyRecord{}, fmt.Errorf("adding key %s: %w", k.ID, err)
		}
	}
	return KeyRecord{}, fmt.Errorf("adding key %s: every serial was taken by others: %w", k.ID, ErrConflict)
}

// Activate makes a next key the active one and retires the one before it, in
// one step. Errors, wrapped: ErrNoKey, ErrKeyState, and ErrConflict if the ring
// changed meanwhile.
func (r *Keyrings) Activate(ctx context.Context, id KeyID, now time.Time) error {
	k, err := r.records.LoadKey(ctx, id)
	if err != nil {
		return fmt.Errorf("activating key %s: %w", id, err)
	}
	if k.State != KeyNext {
		return fmt.Errorf("activating key %s, which is %s: %w", id, k.State, ErrKeyState)
	}
	records, err := r.records.ListKeys(ctx, k.Purpose)
	if err != nil {
		return fmt.Errorf("activating key %s: %w", id, err)
	}
	var changes []KeyRecord
	for _, other := range records {
		if other.Owner == k.Owner && other.State == KeyActive {
			other.State, other.Retired = KeyRetired, now
			changes = append(changes, other) // before the new one, so that there are never two
		}
	}
	k.State, k.Activated = KeyActive, now
	if err := r.update(ctx, append(changes, k)...); err != nil {
		return fmt.Errorf("activating key %s: %w", id, err)
	}
	return nil
}

// Retire ends a key's use for new signatures; what it signed stays valid. The
// active master, data or lookup key can't be retired before another is active.
func (r *Keyrings) Retire(ctx context.Context, id KeyID, now time.Time) error {
	k, err := r.records.LoadKey(ctx, id)
	if err != nil {
		return fmt.Errorf("retiring key %s: %w", id, err)
	}
	if k.State != KeyActive && k.State != KeyNext {
		return fmt.Errorf("retiring key %s, which is %s: %w", id, k.State, ErrKeyState)
	}
	if k.State == KeyActive && k.Purpose.GuardsStorage() {
		return fmt.Errorf("retiring key %s: activate another %s key instead: %w", id, k.Purpose, ErrKeyState)
	}
	k.State, k.Retired = KeyRetired, now
	if err := r.update(ctx, k); err != nil {
		return fmt.Errorf("retiring key %s: %w", id, err)
	}
	return nil
}

// Revoke ends a key from the time "from" on, for a reason of RFC 5280 5.3.1. A
// revoked key can be revoked once more as compromised, which is worse. Master,
// data and lookup keys must be retired first, and a master key must no longer
// wrap anything: after it, what they sealed or found is lost.
func (r *Keyrings) Revoke(ctx context.Context, id KeyID, reason string, from, now time.Time) error {
	k, err := r.records.LoadKey(ctx, id)
	if err != nil {
		return fmt.Errorf("revoking key %s: %w", id, err)
	}
	if err := r.mayRevoke(ctx, k, reason, from, now); err != nil {
		return fmt.Errorf("revoking key %s: %w", id, err)
	}
	if k.Revoked.IsZero() || from.Before(k.Revoked) {
		k.Revoked = from
	}
	k.State, k.Reason = KeyRevoked, reason
	if err := r.update(ctx, k); err != nil {
		return fmt.Errorf("revoking key %s: %w", id, err)
	}
	return nil
}

func (r *Keyrings) mayRevoke(ctx context.Context, k KeyRecord, reason string, from, now time.Time) error {
	switch {
	case !slices.Contains(revocationReasons, reason):
		return fmt.Errorf("reason %q is none of %q", reason, revocationReasons)
	case from.IsZero() || from.After(now):
		return errors.New("a key is revoked from a time that has come, or from now on")
	case k.State == KeyRevoked && (reason != pki.KeyCompromise || k.Reason == pki.KeyCompromise):
		return fmt.Errorf("it is revoked already, as %s: %w", k.Reason, ErrKeyState)
	case k.State == KeyActive && k.Purpose.GuardsStorage():
		return fmt.Errorf("activate another %s key first: %w", k.Purpose, ErrKeyState)
	case k.Purpose != PurposeMaster:
		return nil
	}
	records, err := r.records.ListKeys(ctx, PurposeData)
	if err != nil {
		return err
	}
	for _, data := range records {
		if data.WrappedBy == k.ID && data.State != KeyRevoked {
			return fmt.Errorf("it still wraps key %s: %w", data.ID, ErrKeyState)
		}
	}
	return nil
}

func (r *Keyrings) update(ctx context.Context, ks ...KeyRecord) error {
	err := r.records.UpdateKeys(ctx, ks...)
	r.readings.changes.Add(1) // also on an error: a conflict says that what was read is old
	return err
}

// rewrapTries is how often RewrapData tries when other nodes change data keys meanwhile.
const rewrapTries = 10

// RewrapData wraps every data key by the active master key. What was sealed under the data
// keys stays as it is. It can be cut off and run again.
func (r *Keyrings) RewrapData(ctx context.Context) error {
	for range rewrapTries {
		err := r.tryRewrap(ctx)
		if !errors.Is(err, ErrConflict) {
			return err
		}
	}
	return fmt.Errorf("wrapping data keys anew: other nodes keep changing them: %w", ErrConflict)
}

func (r *Keyrings) tryRewrap(ctx context.Context) error {
	set, err := r.Read(ctx)
	if err != nil {
		return err
	}
	master := set.Active(PurposeMaster, "")
	if master == nil {
		return fmt.Errorf("wrapping data keys anew: no master key is active: %w", ErrNoKey)
	}
	var changed []KeyRecord
	for _, k := range set.Ring(PurposeData, "") {
		if k.WrappedBy == master.ID || k.State == KeyRevoked {
			continue
		}
		secret, err := r.c.Module.Unwrap(k.WrappedBy, k.Wrapped, WrapPlace(k.ID))
		if err != nil {
			return fmt.Errorf("wrapping data key %s anew: %w", k.ID, err)
		}
		record := k.KeyRecord
		record.WrappedBy = master.ID
		if record.Wrapped, err = r.c.Module.Wrap(master.ID, secret, WrapPlace(k.ID)); err != nil {
			return fmt.Errorf("wrapping data key %s anew: %w", k.ID, err)
		}
		changed = append(changed, record)
	}
	if len(changed) == 0 {
		return nil
	}
	return r.update(ctx, changed...)
}
