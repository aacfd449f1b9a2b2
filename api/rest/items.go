package rest

import (
	"context"
	"net/http"

	"yizheng.internal/api/openapi"
	"yizheng.internal/api/problem"
	"yizheng.internal/license/audit"
	"yizheng.internal/license/catalog"
	"yizheng.internal/oidc"
	"yizheng.internal/signing/journal"
)

func (x *entries) itemEndpoints() []endpoint {
	return []endpoint{
		{openapi.Endpoint{Method: "GET", Path: "/v1/service-items", ID: "list-items", Tag: "Catalog", Summary: "List service items",
			Text: "The newest version of each, in order of code. Any client may read the catalog. Drafts are there for clients of their own participant, with a token of client_credentials; for all others, and for tokens of people, the last version that was published counts. A page ends before its limit where definitions are large: go on while there is next.", Action: journal.ActionItemRead,
			Query: []openapi.Parameter{{Name: "after", Text: "only codes greater than this one", Kind: "string"}, limitParameter},
			Out:   typeOf[itemList]()}, x.listItems},
		{openapi.Endpoint{Method: "GET", Path: "/v1/service-items/{item}", ID: "read-item", Tag: "Catalog", Summary: "Read a service item",
			Text: "Drafts are there for clients of their own participant, with a token of client_credentials; for all others, and for tokens of people, the last version that was published counts.", Action: journal.ActionItemRead,
			Query: []openapi.Parameter{{Name: "version", Text: "of the item's definition; without it the published one, else the newest", Kind: "integer"}},
			Out:   typeOf[catalog.ServiceItem]()}, x.readItem},
		{openapi.Endpoint{Method: "PUT", Path: "/v1/service-items/{item}", ID: "put-item", Tag: "Catalog", Summary: "Write the draft of a service item",
			Text: "The first version, or the one after the newest; a draft that is there is replaced. The code begins with your participant's unified social credit code, or with one that the operator delegated to it. " +
				"Only the participant that defined an item may change it. " +
				"Each material 材料 names the license types that can serve, whose license it is, and the parts that are needed; a sensitive field needs a reason, which the holder reads.",
			Scope: oidc.ScopeItemWrite, Action: journal.ActionItemPut, Created: true,
			In: typeOf[catalog.ItemDefinition](), Most: largeBody, Out: typeOf[catalog.ServiceItem]()}, x.putItem},
		{openapi.Endpoint{Method: "POST", Path: "/v1/service-items/{item}/publish", ID: "publish-item", Tag: "Catalog", Summary: "Publish the draft",
			Text:  "Licenses are asked for by it from now on; the version published before is retired. Grants stay bound to the version that was agreed to.",
			Scope: oidc.ScopeItemWrite, Action: journal.ActionItemPublish, Out: typeOf[catalog.ServiceItem]()}, x.publishItem},
		{openapi.Endpoint{Method: "POST", Path: "/v1/service-items/{item}/retire", ID: "retire-item", Tag: "Catalog", Summary: "End asking for licenses by an item",
			Scope: oidc.ScopeItemWrite, Action: journal.ActionItemRetire, Out: typeOf[catalog.ServiceItem]()}, x.retireItem},
	}
}

// itemList is one page of the service items.
type itemList struct {
	Items []catalog.ServiceItem `json:"items" doc:"the newest version of each, by code"`
	Next  catalog.ItemCode      `json:"next,omitempty" doc:"the after of the next page; absent on the last"`
}

// item is the service item in the path.
func (c *call) item() catalog.ItemCode { return catalog.ItemCode(c.r.PathValue("item")) }

func (x *entries) listItems(c *call) error {
	if err := c.checkQuery(); err != nil {
		return err
	}
	limit, err := c.integer("limit", 1, 100, 20)
	if err != nil {
		return err
	}
	after := catalog.ItemCode(c.r.URL.Query().Get("after"))
	if after != "" && !after.Valid() {
		return problem.Refuse(http.StatusBadRequest, "query_parameter", "The query parameter after must be an item's code, as next names it.")
	}
	items, more, err := x.catalog.Items().ReadPage(c.ctx(), c.actor(), after, int(limit))
	if err != nil {
		return err
	}
	list := itemList{Items: items}
	if n := len(items); more && n > 0 {
		list.Next = items[n-1].Code
	}
	return c.reply(list)
}

func (x *entries) readItem(c *call) error {
	if err := c.checkQuery(); err != nil {
		return err
	}
	version, err := c.integer("version", 1, 1<<31-1, 0)
	if err != nil {
		return err
	}
	i, err := x.catalog.Items().Read(c.ctx(), c.actor(), c.item(), int(version))
	if err != nil {
		return err
	}
	return c.reply(i)
}

func (x *entries) putItem(c *call) error {
	var d catalog.ItemDefinition
	if err := c.decode(&d); err != nil {
		return err
	}
	i, created, err := x.catalog.Items().Put(c.ctx(), c.actor(), c.item(), d)
	if err != nil {
		return err
	}
	if created {
		return c.replyAs(http.StatusCreated, i)
	}
	return c.reply(i)
}

func (x *entries) publishItem(c *call) error { return changeItem(c, x.catalog.Items().Publish) }
func (x *entries) retireItem(c *call) error  { return changeItem(c, x.catalog.Items().Retire) }

// changeItem serves a change of a service item's state.
func changeItem(c *call, change func(context.Context, audit.Actor, catalog.ItemCode) (catalog.ServiceItem, error)) error {
	if err := c.checkQuery(); err != nil {
		return err
	}
	if err := c.noBody(); err != nil {
		return err
	}
	i, err := change(c.ctx(), c.actor(), c.item())
	if err != nil {
		return err
	}
	return c.reply(i)
}
