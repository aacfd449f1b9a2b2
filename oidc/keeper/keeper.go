// Package keeper stores sealed values that may be lost: authorization requests under way,
// pushed requests, and what authorization codes yield. Its values never decide anything.
package keeper

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"time"

	"yizheng.internal/oidc"
	"yizheng.internal/oidc/ephemeral"
	"yizheng.internal/signing"
	"yizheng.internal/signing/vault"
)

// Keeper stores sealed values in [ephemeral.Store]. They may be lost, so they never
// decide anything.
type Keeper struct {
	store ephemeral.Store
	vault *vault.Vault
	log   *slog.Logger
}

// New returns a keeper that stores values in store, sealed with vault.
func New(store ephemeral.Store, vault *vault.Vault, log *slog.Logger) *Keeper {
	return &Keeper{store, vault, log}
}

// KeyOf returns the store's key for a value of a kind; hash is the text of a handle's hash.
func KeyOf(kind, hash string) string { return "oidc." + kind + "." + hash }

func keptPlace(kind string, h oidc.HandleHash) vault.Place {
	return vault.Place{Table: "ephemeral", Row: h.String(), Column: kind}
}

// Keep seals a value and stores it under a handle's hash.
func (k *Keeper) Keep(ctx context.Context, kind string, h oidc.HandleHash, value any, how ephemeral.Keeping) error {
	sealed, err := k.vault.SealJSON(ctx, keptPlace(kind, h), value)
	if err != nil {
		return err
	}
	if err := k.store.Put(ctx, KeyOf(kind, h.String()), sealed, how, time.Now()); err != nil {
		return oidc.Unavailable(fmt.Errorf("keeping a %s: %w", kind, err))
	}
	return nil
}

// Find reads the value under a handle's hash into value. It also returns the sealed value,
// for a Swap. It returns ephemeral.ErrGone if there is none.
func (k *Keeper) Find(ctx context.Context, kind string, h oidc.HandleHash, value any) (sealed []byte, err error) {
	sealed, err = k.store.Load(ctx, KeyOf(kind, h.String()), time.Now())
	if errors.Is(err, ephemeral.ErrGone) {
		return nil, ephemeral.ErrGone
	}
	if err != nil {
		return nil, oidc.Unavailable(fmt.Errorf("finding a %s: %w", kind, err))
	}
	err = k.vault.OpenJSON(ctx, keptPlace(kind, h), sealed, value)
	if errors.Is(err, signing.ErrSealed) {
		return nil, ephemeral.ErrGone // somebody else who uses the store wrote this: ours counts as lost
	}
	return sealed, err
}

// Swap replaces old, a sealed value, by a new value. It returns the new value sealed, for
// another Swap. Errors: ephemeral.ErrGone, ephemeral.ErrChanged.
func (k *Keeper) Swap(ctx context.Context, kind string, h oidc.HandleHash, old []byte, value any, how ephemeral.Keeping) (sealed []byte, err error) {
	if sealed, err = k.vault.SealJSON(ctx, keptPlace(kind, h), value); err != nil {
		return nil, err
	}
	err = k.store.Swap(ctx, KeyOf(kind, h.String()), old, sealed, how, time.Now())
	if err == nil || errors.Is(err, ephemeral.ErrGone) || errors.Is(err, ephemeral.ErrChanged) {
		return sealed, err
	}
	return nil, oidc.Unavailable(fmt.Errorf("changing a kept %s: %w", kind, err))
}

// Forget deletes the value under a handle's hash, after the handle was spent in the
// database. The database decides: if the store doesn't answer, the value merely stays
// until it expires.
func (k *Keeper) Forget(ctx context.Context, kind string, h oidc.HandleHash) {
	if err := k.store.Delete(ctx, KeyOf(kind, h.String())); err != nil {
		k.log.WarnContext(ctx, "forgetting what was spent; it expires by itself", "kind", kind, "error", err)
	}
}
