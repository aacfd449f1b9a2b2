package main

import (
	"yizheng.internal/oidc"
	"yizheng.internal/oidc/identity"
)

// peopleStores are what logins need stored beside the rest.
type peopleStores interface {
	oidc.Sessions
	oidc.Families
	oidc.Spent
	oidc.Settings
	identity.Parties
	identity.Accounts
}

// logins adds to the provider's configuration what people log in with.
func (in *installation) logins(c *oidc.Config) (err error) {
	stores, ok := in.db.Provider().(peopleStores)
	if !ok || in.kept == nil {
		return nil
	}
	in.people, err = identity.NewService(identity.Config{
		Parties: stores, Accounts: stores, Ephemeral: in.kept, Vault: in.keys.Vault(),
		Sender: in.sender, Proofer: in.proofer, Record: oidc.Recorder(in.db.Provider()), Log: in.log,
	})
	if err != nil {
		return err
	}
	c.Sessions, c.Families, c.Spent, c.Settings = stores, stores, stores, stores
	c.Ephemeral, c.Identity, c.Vault = in.kept, in.people, in.keys.Vault()
	return nil
}
