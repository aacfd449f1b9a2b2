package main

import (
	"context"

	"yizheng.internal/api"
	"yizheng.internal/oidc"
	"yizheng.internal/oidc/identity"
	"yizheng.internal/storage"
)

// outside is what an installation needs of the world for people's logins. The
// zero outside has none of it: then nobody gets a code, and nobody is proofed.
type outside struct {
	sender  identity.Sender
	proofer identity.IdentityProofer
}

// openEphemeral opens the store for what may be lost: a Redis, or without a URL
// the process's own memory. With patience, a Redis that doesn't answer yet is no error.
func (in *installation) openEphemeral(ctx context.Context, url string, patient bool) (err error) {
	if in.kept, err = storage.OpenEphemeral(ctx, url, storage.Options{Log: in.log, Patient: patient}); err != nil {
		return refuse("usage.of", "--redis-url", err)
	}
	return nil
}

// logins adds to the provider's configuration what people log in with.
func (in *installation) logins(c *oidc.Config) (err error) {
	stores := in.db.Provider()
	in.people, err = identity.NewService(identity.Config{
		Parties: stores, Accounts: stores, Ephemeral: in.kept, Vault: in.keys.Vault(),
		Sender: in.outside.sender, Proofer: in.outside.proofer, Record: oidc.Recorder(stores), Log: in.log,
	})
	if err != nil {
		return err
	}
	c.Sessions, c.Families, c.Consents, c.Spent, c.Settings = stores, stores, stores, stores, stores
	c.Ephemeral, c.Identity, c.Vault, c.Resolver = in.kept, in.people, in.keys.Vault(), api.NewResolver(in.registry)
	return nil
}
