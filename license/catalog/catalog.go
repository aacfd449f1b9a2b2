// Package catalog has what can be issued and what can be asked for: license types 证照类型
// and service items 事项, each with versions that are drafted, published and retired, and
// the delegations that say who may define entries under another body's code.
package catalog

import (
	"context"
	"errors"

	"yizheng.internal/license/audit"
	"yizheng.internal/signing"
	"yizheng.internal/signing/journal"
)

// Config says what a [Catalog] works with. All of it is required.
type Config struct {
	Store     Stores
	Auth      *signing.Authenticator
	Journal   Journal
	PublicURL string // absolute, without a slash at the end: type metadata's addresses build on it
}

// Journal records what is done with the catalog.
type Journal interface {
	// Audit, deferred, leaves an event of a refusal, if the error is one. If the event
	// can't be stored, that is the error.
	Audit(ctx context.Context, err *error, a audit.Actor, act journal.Action)
	// Event makes the event of a change, which is stored with it.
	Event(ctx context.Context, a audit.Actor, act journal.Action, detail map[string]string) (journal.Event, error)
	// Reading leaves an event of a reading; those that repeat are merged.
	Reading(ctx context.Context, a audit.Actor, act journal.Action, detail map[string]string) error
}

// Catalog is the types, the service items and the delegations.
type Catalog struct {
	store       Stores // authentic
	auth        *signing.Authenticator
	types       *Types
	items       *Items
	delegations *Delegations
}

// New checks c and returns the catalog. It reads nothing yet.
func New(c Config) (*Catalog, error) {
	if c.Store == nil || c.Auth == nil || c.Journal == nil || c.PublicURL == "" {
		return nil, errors.New("catalog: Config needs Store, Auth, Journal and PublicURL")
	}
	store := AuthenticStores(c.Store, c.Auth)
	delegations := &Delegations{store: store, journal: c.Journal}
	types := newTypes(store, delegations, c.Journal, c.PublicURL)
	items := newItems(store, types, delegations, c.Journal)
	return &Catalog{store, c.Auth, types, items, delegations}, nil
}

// Types returns the license types.
func (c *Catalog) Types() *Types { return c.types }

// Items returns the service items.
func (c *Catalog) Items() *Items { return c.items }

// Delegations returns who may define entries under others' codes.
func (c *Catalog) Delegations() *Delegations { return c.delegations }
