package installation

import (
	"context"
	"errors"
	"fmt"
	"time"

	"yizheng.internal/signing"
)

// laterPurposes are the purposes of rings that older installations lack. Their keys need no
// certificate, so they can be made without the root.
var laterPurposes = []signing.Purpose{signing.PurposeIDToken, signing.PurposeIDTokenRSA}

// addMissing makes the first key of every later ring that has none. It makes one key a ring,
// also when several processes on this directory, or several nodes on this database, start
// together. If it is killed halfway, there may be a key file without a record, and the next
// start uses it. If files can't be written here, the ring stays empty, with a warning.
func (i *Installation) addMissing(ctx context.Context, now time.Time) error {
	missing, err := i.missing(ctx)
	if err != nil || len(missing) == 0 {
		return err
	}
	unlock, err := i.lock(ctx)
	switch {
	case ctx.Err() != nil:
		return err
	case err != nil:
		i.c.Log.Warn("the first keys of later versions' rings can't be made here", "purposes", missing, "error", err)
		return nil
	}
	defer unlock()
	if missing, err = i.missing(ctx); err != nil { // the process that held the lock may have made them
		return err
	}
	for _, p := range missing {
		if err := i.addFirst(ctx, p, now); err != nil {
			return fmt.Errorf("making the first %s key: %w", p, err)
		}
	}
	return nil
}

// missing returns the later purposes that have no key in any state.
func (i *Installation) missing(ctx context.Context) ([]signing.Purpose, error) {
	set, err := i.keyrings.Read(ctx)
	if err != nil {
		return nil, err
	}
	var missing []signing.Purpose
	for _, p := range laterPurposes {
		if len(set.Ring(p, "")) == 0 {
			missing = append(missing, p)
		}
	}
	return missing, nil
}

// addFirst makes the first key of an empty ring. The lock is held.
func (i *Installation) addFirst(ctx context.Context, p signing.Purpose, now time.Time) error {
	id := registryKeyID(p, 1)
	there, err := i.keys.Holds(id)
	if err != nil {
		return err
	}
	k, err := i.keys.Make(id, p, "")
	if err != nil {
		i.c.Log.Warn("the first key of a later version's ring can't be made here", "purpose", p, "error", err)
		return nil
	}
	k.State = signing.KeyActive
	_, err = i.keyrings.Add(ctx, k, now)
	switch {
	case err == nil:
		i.c.Log.Info("the first key of a ring was made; copy its file to the other nodes", "key", id, "dir", i.keys.Dir())
		return nil
	case !errors.Is(err, signing.ErrExists) && !errors.Is(err, signing.ErrConflict):
		return err
	}
	// Another node was faster, and its key counts. Ours was made just now and has signed
	// nothing. It must go, so that the other key's file can be copied here.
	winner, err := i.c.Records.LoadKey(ctx, id)
	switch {
	case err != nil && !errors.Is(err, signing.ErrNoKey):
		return err
	case there || string(winner.PublicKey) == string(k.PublicKey): // it was here before, or the nodes share a directory
		return nil
	}
	return i.keys.Discard(id)
}
