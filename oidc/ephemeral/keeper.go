// Package ephemeral keeps what may be lost, sealed: authorization requests under way,
// pushed requests, and what authorization codes yield. Nothing that it keeps decides.
package ephemeral

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"time"

	"yizheng.internal/oidc"
	"yizheng.internal/oidc/identity"
	"yizheng.internal/signing"
	"yizheng.internal/signing/vault"
)

// Keeper keeps values sealed in [identity.Ephemeral]. Nothing that it keeps decides: it
// may be lost.
type Keeper struct {
	store identity.Ephemeral
	vault *vault.Vault
	log   *slog.Logger
}

// New returns a keeper of what lies in a store, sealed with the vault.
func New(store identity.Ephemeral, vault *vault.Vault, log *slog.Logger) *Keeper {
	return &Keeper{store, vault, log}
}

// KeyOf returns the key under which a value of a kind lies in the store, by the text of a
// handle's hash.
func KeyOf(kind, hash string) string { return "oidc." + kind + "." + hash }

func keptPlace(kind string, h oidc.HandleHash) vault.Place {
	return vault.Place{Table: "ephemeral", Row: h.String(), Column: kind}
}

// Keep seals a value and keeps it under a handle's hash.
func (k *Keeper) Keep(ctx context.Context, kind string, h oidc.HandleHash, value any, how identity.Keeping) error {
	sealed, err := k.vault.SealJSON(ctx, keptPlace(kind, h), value)
	if err != nil {
		return err
	}
	if err := k.store.Put(ctx, KeyOf(kind, h.String()), sealed, how, time.Now()); err != nil {
		return oidc.Unavailable(fmt.Errorf("keeping a %s: %w", kind, err))
	}
	return nil
}

// Find opens what is kept under a handle's hash, and returns it sealed too, for
// a Swap. identity.ErrGone.
func (k *Keeper) Find(ctx context.Context, kind string, h oidc.HandleHash, value any) (sealed []byte, err error) {
	sealed, err = k.store.Load(ctx, KeyOf(kind, h.String()), time.Now())
	if errors.Is(err, identity.ErrGone) {
		return nil, identity.ErrGone
	}
	if err != nil {
		return nil, oidc.Unavailable(fmt.Errorf("finding a %s: %w", kind, err))
	}
	err = k.vault.OpenJSON(ctx, keptPlace(kind, h), sealed, value)
	if errors.Is(err, signing.ErrSealed) {
		return nil, identity.ErrGone // not ours: whoever shares the store can do no more than lose it
	}
	return sealed, err
}

// Swap puts a new value in the place of a sealed one, and returns it sealed, for another
// Swap. identity.ErrGone, ErrChanged.
func (k *Keeper) Swap(ctx context.Context, kind string, h oidc.HandleHash, old []byte, value any, how identity.Keeping) (sealed []byte, err error) {
	if sealed, err = k.vault.SealJSON(ctx, keptPlace(kind, h), value); err != nil {
		return nil, err
	}
	err = k.store.Swap(ctx, KeyOf(kind, h.String()), old, sealed, how, time.Now())
	if err == nil || errors.Is(err, identity.ErrGone) || errors.Is(err, identity.ErrChanged) {
		return sealed, err
	}
	return nil, oidc.Unavailable(fmt.Errorf("changing a kept %s: %w", kind, err))
}

// Forget drops what is kept under a handle's hash, once it was spent in the
// database. That decides: should the store not answer, the rest is only kept
// until it expires.
func (k *Keeper) Forget(ctx context.Context, kind string, h oidc.HandleHash) {
	if err := k.store.Delete(ctx, KeyOf(kind, h.String())); err != nil {
		k.log.WarnContext(ctx, "forgetting what was spent; it expires by itself", "kind", kind, "error", err)
	}
}
