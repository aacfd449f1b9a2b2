package attacks

import (
	"testing"

	"yizheng.internal/license"
	"yizheng.internal/oidc"
	"yizheng.internal/oidc/client"
	"yizheng.internal/storage/storagetest/suite"
)

// Lists alters one of several records: lists leave it out, count it, and go on.
func Lists(t *testing.T, open func(t *testing.T) *Attacked) {
	v := newVictims(t, open(t))
	ctx, auth := t.Context(), v.in.Keyrings().Auth()
	clients := client.Authentic(v.Provider, auth)
	var ids []string
	for range 3 {
		c, _, err := v.p.Clients.CreateClient(ctx, oidc.Actor{ID: "cli"}, client.Spec{Name: "样例系统", Participant: v.client.Participant, Scopes: []oidc.Scope{oidc.ScopeLicenseRead}})
		suite.Must(t, "a client", err)
		ids = append(ids, c.ID)
	}
	all, err := clients.ListClients(ctx, v.client.Participant, "", 10)
	suite.Must(t, "ListClients", err)
	before := len(all)
	// The second one by id, so that a page of one is filled up from beyond it.
	v.sql(t, all[1].ID, "UPDATE clients SET disabled = NOT disabled WHERE id = @id")
	all, err = clients.ListClients(ctx, v.client.Participant, all[0].ID, 1)
	suite.Must(t, "ListClients with an altered one", err)
	if len(all) != 1 || before != len(ids)+1 {
		t.Errorf("a page of one after the first has %d clients, of %d", len(all), before)
	}
	all, err = clients.ListClients(ctx, v.client.Participant, "", 10)
	suite.Must(t, "ListClients, all", err)
	suite.Same(t, "clients beside the altered one", len(all), before-1)
	if auth.Refusals()["clients"] == 0 || len(auth.Refused()) != 1 {
		t.Errorf("refused: %v, %q", auth.Refusals(), auth.Refused())
	}

	found, err := v.stores.Search(ctx, license.Query{Limit: 5})
	suite.Must(t, "Search", err)
	suite.Same(t, "licenses", len(found), 1)
	v.sql(t, string(v.out.ID), "UPDATE licenses SET authority = 'another' WHERE id = @id")
	found, err = v.stores.Search(ctx, license.Query{Limit: 5})
	suite.Must(t, "Search with an altered one", err)
	suite.Same(t, "licenses beside the altered one", len(found), 0)
}
