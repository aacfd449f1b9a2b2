package sqlite

import (
	"yizheng.internal/storage/sqlite/grants"
	"yizheng.internal/storage/sqlite/identities"
	"yizheng.internal/storage/sqlite/ledger"
	"yizheng.internal/storage/sqlite/licenses"
	"yizheng.internal/storage/sqlite/provider"
)

// Licenses has the stores of the license library: a receiver an aggregate.
type Licenses struct {
	*licenses.Records
	*ledger.Settings
	*licenses.Status
	*licenses.Catalog
	*licenses.Delegations
	*grants.Grants
	*grants.Readings
}

// Licenses returns the stores of the license library.
func (db *DB) Licenses() *Licenses {
	e := db.engine
	return &Licenses{
		&licenses.Records{DB: e}, &ledger.Settings{DB: e}, &licenses.Status{DB: e}, &licenses.Catalog{DB: e}, &licenses.Delegations{DB: e},
		&grants.Grants{DB: e}, &grants.Readings{DB: e},
	}
}

// Provider has the stores of the OpenID provider, and of who logs in there: a receiver
// an aggregate.
type Provider struct {
	*provider.Clients
	*provider.Sessions
	*provider.Families
	*provider.Consents
	*provider.Spent
	*ledger.Settings
	*ledger.Trails
	*identities.Participants
	*identities.Parties
	*identities.Accounts
	*identities.Sources
	*identities.Links
	*identities.Changes
	*identities.Representations
}

// Provider returns the stores of the OpenID provider, and of who logs in there.
func (db *DB) Provider() *Provider {
	e := db.engine
	return &Provider{
		&provider.Clients{DB: e}, &provider.Sessions{DB: e}, &provider.Families{DB: e}, &provider.Consents{DB: e}, &provider.Spent{DB: e}, &ledger.Settings{DB: e}, &ledger.Trails{DB: e},
		&identities.Participants{DB: e}, &identities.Parties{DB: e}, &identities.Accounts{DB: e}, &identities.Sources{DB: e}, &identities.Links{DB: e}, &identities.Changes{DB: e}, &identities.Representations{DB: e},
	}
}

// Keys returns the store of keys and their revocation lists.
func (db *DB) Keys() *ledger.Keys { return &ledger.Keys{DB: db.engine} }

// Journal returns the store of events.
func (db *DB) Journal() *ledger.Journal { return &ledger.Journal{DB: db.engine} }

// HighWater returns what is compared with what a node saw.
func (db *DB) HighWater() *ledger.HighWater { return &ledger.HighWater{DB: db.engine} }
