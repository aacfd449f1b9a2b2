// Package catalog has what can be issued and what can be asked for: license types 证照类型
// and service items 事项, each with versions that are drafted, published and retired, and
// the delegations that say who may define entries under another body's code.
package catalog

import (
	"context"
	"errors"

	"yizheng.internal/license/catalog/entry"
	"yizheng.internal/signing"
	"yizheng.internal/signing/journal"
)

// Config says what a [Catalog] works with. All of it is required.
type Config struct {
	Store     entry.Stores // see entry.AuthenticStores
	Auth      *signing.Authenticator
	Journal   *journal.Recorder
	PublicURL string // absolute, without a slash at the end: type metadata's addresses build on it
}

// Catalog is the types, the service items and the delegations.
type Catalog struct {
	store       entry.Stores
	auth        *signing.Authenticator
	types       *Types
	items       *Items
	delegations *entry.Delegations
}

// New checks c and returns the catalog. It reads nothing yet.
func New(c Config) (*Catalog, error) {
	if c.Store == nil || c.Auth == nil || c.Journal == nil || c.PublicURL == "" {
		return nil, errors.New("catalog: Config needs Store, Auth, Journal and PublicURL")
	}
	with := entry.Config{Store: c.Store, Delegations: entry.NewDelegations(c.Store, c.Journal), Journal: c.Journal}
	types := newTypes(with, c.PublicURL)
	return &Catalog{c.Store, c.Auth, types, newItems(with, types), with.Delegations}, nil
}

// Types returns the license types.
func (c *Catalog) Types() *Types { return c.types }

// Items returns the service items.
func (c *Catalog) Items() *Items { return c.items }

// Delegations returns who may define entries under others' codes.
func (c *Catalog) Delegations() *entry.Delegations { return c.delegations }

// Upgrade is [entry.Upgrade] for the catalog.
func (c *Catalog) Upgrade(ctx context.Context, s signing.AuthStore) error {
	return entry.Upgrade(ctx, c.store, c.auth, s)
}
