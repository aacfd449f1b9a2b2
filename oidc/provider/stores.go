package provider

import (
	"yizheng.internal/oidc/client"
	"yizheng.internal/oidc/consent"
	"yizheng.internal/oidc/identity"
	"yizheng.internal/oidc/identity/intake"
	"yizheng.internal/oidc/identity/registrar"
	"yizheng.internal/oidc/identity/representation"
	"yizheng.internal/oidc/identity/trail"
	"yizheng.internal/oidc/session"
	"yizheng.internal/oidc/token"
)

// Stores are all stores that a database has for the provider's packages and for package
// identity. A [Config] takes them one by one.
type Stores interface {
	client.Store
	session.Store
	token.FamilyStore
	token.Spent
	token.Settings
	consent.Store
	OldRecords

	identity.Participants
	identity.Parties
	identity.Accounts
	intake.Sources
	intake.Links
	registrar.Store
	representation.Store
	trail.Events
}
