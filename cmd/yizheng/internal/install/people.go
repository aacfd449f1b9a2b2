package install

import (
	"context"
	"errors"
	"time"

	"yizheng.internal/api/join"
	"yizheng.internal/api/outbound"
	"yizheng.internal/cmd/yizheng/internal/texts"
	"yizheng.internal/license/offer"
	"yizheng.internal/license/relation"
	"yizheng.internal/oidc"
	"yizheng.internal/oidc/identity"
	"yizheng.internal/oidc/identity/certificate"
	"yizheng.internal/oidc/identity/entry"
	"yizheng.internal/oidc/identity/factor"
	"yizheng.internal/oidc/identity/notice"
	"yizheng.internal/oidc/identity/people"
	"yizheng.internal/oidc/identity/upstream"
	"yizheng.internal/oidc/provider"
	"yizheng.internal/oidc/scan"
	"yizheng.internal/oidc/token"
	"yizheng.internal/storage"
)

// Outside is what an installation needs of the world for people's logins. The
// zero outside has none of it: then nobody gets a code, and nobody is proofed.
type Outside struct {
	Sender  notice.Sender
	PerDay  int64 // login codes a day; see [phonecode.Config]. 0: the default
	Proofer identity.IdentityProofer
	Proofs  int // the highest level that Proofer confirms
	// Unproofed lets people register whose number nobody confirmed as theirs.
	Unproofed bool
	// Networks are those that the operator has named, for logins by phone.
	Networks scan.Networks
	// Upstreams are other providers with which people log in.
	Upstreams []upstream.Provider
	// Believed are the license types whose licenses prove who may act for whom.
	Believed []relation.Believed
	// Lawful are the legal bases of items that count.
	Lawful []offer.Lawful
	// Authorities are the CAs with whose certificates people log in.
	Authorities []certificate.Authority
}

// OpenEphemeral opens the store for what may be lost: a Redis, or without a URL
// the process's own memory. With patience, a Redis that doesn't answer yet is no error.
func (in *Installation) OpenEphemeral(ctx context.Context, url string, patient bool) (err error) {
	if in.Kept, err = storage.OpenEphemeral(ctx, url, storage.Options{Log: in.Log, Patient: patient}); err != nil {
		return texts.Refuse("usage.of", "--redis-url", err)
	}
	return nil
}

// logins adds to the provider's configuration what people log in with.
func (in *Installation) logins(c *provider.Config) (err error) {
	stores := in.DB.Provider()
	spent := token.AuthenticSpent(stores, in.Keys.Vault().Auth())
	spend := func(ctx context.Context, hash [32]byte, keep time.Time) (first bool, err error) {
		err = spent.Spend(ctx, hash, keep)
		if errors.Is(err, token.ErrSpent) {
			return false, nil
		}
		return err == nil, err
	}
	registry, err := join.NewRegistry(in.Library.Relations)
	if err != nil {
		return err
	}
	in.People, err = people.New(people.Config{
		Parties: stores, Accounts: stores, Ephemeral: in.Kept, Vault: in.Keys.Vault(),
		Sender: in.Outside.Sender, Proofer: in.Outside.Proofer, Proofs: in.Outside.Proofs, Unproofed: in.Outside.Unproofed, URL: c.Issuer, Journal: oidc.NewRecorder(in.DB.Journal(), in.Log), Log: in.Log,
		Sources: stores, Links: stores, Changes: stores, Posts: stores, Acting: stores, Registry: registry, Participants: stores, Events: stores, SMSPerDay: in.Outside.PerDay,
		Upstreams:    upstream.Config{Providers: in.Outside.Upstreams, Outside: AskUpstream, Spend: spend},
		Certificates: certificate.Config{Authorities: in.Outside.Authorities, Fetch: outbound.FetchList, Spend: spend, Verifier: in.Verifier},
	})
	if err != nil {
		return err
	}
	c.Sessions, c.Families, c.Consents, c.Spent, c.Settings = stores, stores, stores, stores, stores
	c.Networks = in.Outside.Networks
	c.Ephemeral, c.Identity, c.Factors, c.Vault = in.Kept, in.People.Service, in.People.Factors, in.Keys.Vault()
	if in.People.Phones != nil {
		c.Phones = in.People.Phones
	}
	c.Raises = factor.Assurance(entry.NewRaising(in.People.Entry).Most())
	c.Acting = in.People.Acting
	if in.People.Upstreams != nil {
		c.Upstreams = in.People.Upstreams
	}
	if c.Resolver, err = join.New(join.Config{Asks: in.Library.Offers, Grants: in.Library.Grants}); err != nil {
		return err
	}
	return nil
}
