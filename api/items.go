package api

import (
	"context"
	"net/http"

	"yizheng.internal/api/problem"
	"yizheng.internal/license"
	"yizheng.internal/oidc"
)

func (s *Server) itemEndpoints() []endpoint {
	return []endpoint{
		{method: "GET", path: "/v1/service-items", id: "list-items", tag: "Catalog", summary: "List service items",
			text: "The newest version of each, in order of code. Any client may read the catalog. Drafts are there for clients of their own participant, with a token of client_credentials; for all others, and for tokens of people, the last version that was published counts. A page ends before its limit where definitions are large: go on while there is next.", action: license.ActionItemRead,
			query: []parameter{{name: "after", text: "only codes greater than this one", kind: "string"}, limitParameter},
			out:   typeOf[itemList](), serve: s.listItems},
		{method: "GET", path: "/v1/service-items/{item}", id: "read-item", tag: "Catalog", summary: "Read a service item",
			text: "Drafts are there for clients of their own participant, with a token of client_credentials; for all others, and for tokens of people, the last version that was published counts.", action: license.ActionItemRead,
			query: []parameter{{name: "version", text: "of the item's definition; without it the published one, else the newest", kind: "integer"}},
			out:   typeOf[license.ServiceItem](), serve: s.readItem},
		{method: "PUT", path: "/v1/service-items/{item}", id: "put-item", tag: "Catalog", summary: "Write the draft of a service item",
			text: "The first version, or the one after the newest; a draft that is there is replaced. The code begins with your participant's unified social credit code, or with one that the operator delegated to it. " +
				"Only the participant that defined an item may change it. " +
				"Each material 材料 names the license types that can serve, whose license it is, and the parts that are needed; a sensitive field needs a reason, which the holder reads.",
			scope: oidc.ScopeItemWrite, action: license.ActionItemPut, created: true,
			in: typeOf[license.ItemDefinition](), most: largeBody, out: typeOf[license.ServiceItem](), serve: s.putItem},
		{method: "POST", path: "/v1/service-items/{item}/publish", id: "publish-item", tag: "Catalog", summary: "Publish the draft",
			text:  "Licenses are asked for by it from now on; the version published before is retired. Grants stay bound to the version that was agreed to.",
			scope: oidc.ScopeItemWrite, action: license.ActionItemPublish, out: typeOf[license.ServiceItem](), serve: s.publishItem},
		{method: "POST", path: "/v1/service-items/{item}/retire", id: "retire-item", tag: "Catalog", summary: "End asking for licenses by an item",
			scope: oidc.ScopeItemWrite, action: license.ActionItemRetire, out: typeOf[license.ServiceItem](), serve: s.retireItem},
	}
}

// itemList is one page of the service items.
type itemList struct {
	Items []license.ServiceItem `json:"items" doc:"the newest version of each, by code"`
	Next  license.ItemCode      `json:"next,omitempty" doc:"the after of the next page; absent on the last"`
}

// item is the service item in the path.
func (c *call) item() license.ItemCode { return license.ItemCode(c.r.PathValue("item")) }

func (s *Server) listItems(c *call) error {
	if err := c.checkQuery(); err != nil {
		return err
	}
	limit, err := c.integer("limit", 1, 100, 20)
	if err != nil {
		return err
	}
	after := license.ItemCode(c.r.URL.Query().Get("after"))
	if after != "" && !after.Valid() {
		return problem.Refuse(http.StatusBadRequest, "query_parameter", "The query parameter after must be an item's code, as next names it.")
	}
	items, more, err := s.c.Registry.ReadItems(c.ctx(), c.actor(), after, int(limit))
	if err != nil {
		return err
	}
	list := itemList{Items: items}
	if n := len(items); more && n > 0 {
		list.Next = items[n-1].Code
	}
	return c.reply(list)
}

func (s *Server) readItem(c *call) error {
	if err := c.checkQuery(); err != nil {
		return err
	}
	version, err := c.integer("version", 1, 1<<31-1, 0)
	if err != nil {
		return err
	}
	i, err := s.c.Registry.ReadItem(c.ctx(), c.actor(), c.item(), int(version))
	if err != nil {
		return err
	}
	return c.reply(i)
}

func (s *Server) putItem(c *call) error {
	var d license.ItemDefinition
	if err := c.decode(&d); err != nil {
		return err
	}
	i, created, err := s.c.Registry.PutItem(c.ctx(), c.actor(), c.item(), d)
	if err != nil {
		return err
	}
	if created {
		return c.replyAs(http.StatusCreated, i)
	}
	return c.reply(i)
}

func (s *Server) publishItem(c *call) error { return c.changeItem(s.c.Registry.PublishItem) }
func (s *Server) retireItem(c *call) error  { return c.changeItem(s.c.Registry.RetireItem) }

func (c *call) changeItem(change func(context.Context, license.Actor, license.ItemCode) (license.ServiceItem, error)) error {
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
