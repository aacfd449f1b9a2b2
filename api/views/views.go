// Package views puts what the halves know of licenses, and of who deals with them, into what
// pages show: cards, parts, readings, grants, verdicts and the consent's form, in the page's
// language and cut to what a page may take. It also reads what that form says.
package views

import (
	"context"
	"errors"

	"yizheng.internal/api/problem"
	"yizheng.internal/api/web"
	"yizheng.internal/license/audit"
	"yizheng.internal/license/catalog"
	"yizheng.internal/license/credential"
	"yizheng.internal/license/party"
	"yizheng.internal/oidc"
	"yizheng.internal/oidc/identity"
)

// Types knows the versions of license types.
type Types interface {
	Version(ctx context.Context, code credential.TypeCode, version int) (catalog.Type, error)
}

// Items knows the versions of service items.
type Items interface {
	Version(ctx context.Context, code catalog.ItemCode, version int) (catalog.ServiceItem, error)
}

// Licenses knows under which types licenses were issued.
type Licenses interface {
	TypeOf(ctx context.Context, id audit.ID, version int) (catalog.Type, error)
}

// Parties knows participants.
type Parties interface {
	Participant(ctx context.Context, id string) (identity.Participant, error)
	FindParticipant(ctx context.Context, code party.USCC) (identity.Participant, error)
}

// Clients knows clients.
type Clients interface {
	Client(ctx context.Context, id string) (oidc.Client, error)
}

// Config says where names come from. All of it is needed.
type Config struct {
	Types    Types
	Items    Items
	Licenses Licenses
	Parties  Parties
	Clients  Clients
	Texts    *web.Pages
	Failing  *problem.Log
}

// Views makes views. Safe for concurrent use.
type Views struct{ c Config }

// New checks c and returns what makes views.
func New(c Config) (*Views, error) {
	if c.Types == nil || c.Items == nil || c.Licenses == nil || c.Parties == nil || c.Clients == nil || c.Texts == nil || c.Failing == nil {
		return nil, errors.New("views: something of Config is missing")
	}
	return &Views{c}, nil
}
