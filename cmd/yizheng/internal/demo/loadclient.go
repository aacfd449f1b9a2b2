package demo

import (
	"context"

	"yizheng.internal/cmd/yizheng/internal/install"
	"yizheng.internal/cmd/yizheng/internal/texts"
	"yizheng.internal/oidc"
	"yizheng.internal/oidc/client"
	"yizheng.internal/signing/jose"
)

// loadRedirect is where the answers go of the client that yizheng-load speaks for, by
// which it knows that client: nothing listens there.
const loadRedirect = "http://127.0.0.1:9/load"

// addLoadClient registers a client at which people log in without pushing their
// requests first.
func (f *demoFacts) addLoadClient(ctx context.Context, in *install.Installation) error {
	owners, err := in.Provider.Clients.ListParticipants(ctx, "", 1)
	if err != nil {
		return err
	}
	if len(owners) == 0 {
		return texts.Refuse("demo.no_participant")
	}
	c, secret, err := in.Provider.Clients.CreateClient(ctx, oidc.Actor{ID: install.Operator, RequestID: "demo"}, client.Spec{
		Name: "样例负载", Participant: owners[0].ID, MinAssurance: new(int), Scopes: []oidc.Scope{oidc.ScopeOpenID, oidc.ScopeProfile, oidc.ScopePhone, oidc.ScopeIdentity}, IDTokenAlgorithm: jose.ES256,
		GrantTypes: []oidc.GrantType{oidc.GrantCode, oidc.GrantRefresh}, RedirectURIs: []string{loadRedirect},
	})
	if err != nil {
		return err
	}
	f.Clients = append(f.Clients, demoClient{
		ClientID: c.ID, ClientSecret: secret.Reveal(), Participant: owners[0].Name, Scopes: c.Scopes, RedirectURIs: c.RedirectURIs,
	})
	return nil
}
