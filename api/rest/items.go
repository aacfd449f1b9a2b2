package rest

import (
	"net/http"
	"reflect"

	"yizheng.internal/api/openapi"
	"yizheng.internal/api/problem"
	"yizheng.internal/api/rest/call"
	"yizheng.internal/license/catalog"
	"yizheng.internal/oidc"
	"yizheng.internal/signing/journal"
)

// serviceItems serves service items.
type serviceItems = entries[catalog.ItemCode, catalog.ItemDefinition, catalog.ServiceItem]

func newServiceItems(c *catalog.Catalog) *serviceItems {
	return &serviceItems{of: c.Items().Entries, path: "item", after: afterItem, page: pageOfItems}
}

func itemEndpoints(x *serviceItems) []call.Endpoint {
	return []call.Endpoint{
		{Endpoint: openapi.Endpoint{Method: "GET", Path: "/v1/service-items", ID: "list-items", Tag: "Catalog", Summary: "List service items",
			Text: "The newest version of each, in order of code. Any client may read the catalog. Drafts are there for clients of their own participant, with a token of client_credentials; for all others, and for tokens of people, the last version that was published counts. A page ends before its limit where definitions are large: go on while there is next.", Action: journal.ActionItemRead,
			Query: []openapi.Parameter{{Name: "after", Text: "only codes greater than this one", Kind: "string"}, limitParameter},
			Out:   reflect.TypeFor[itemList]()}, Serve: x.list},
		{Endpoint: openapi.Endpoint{Method: "GET", Path: "/v1/service-items/{item}", ID: "read-item", Tag: "Catalog", Summary: "Read a service item",
			Text: "Drafts are there for clients of their own participant, with a token of client_credentials; for all others, and for tokens of people, the last version that was published counts.", Action: journal.ActionItemRead,
			Query: []openapi.Parameter{{Name: "version", Text: "of the item's definition; without it the published one, else the newest", Kind: "integer"}},
			Out:   reflect.TypeFor[catalog.ServiceItem]()}, Serve: x.read},
		{Endpoint: openapi.Endpoint{Method: "PUT", Path: "/v1/service-items/{item}", ID: "put-item", Tag: "Catalog", Summary: "Write the draft of a service item",
			Text: "The first version, or the one after the newest; a draft that is there is replaced. The code begins with your participant's unified social credit code, or with one that the operator delegated to it. " +
				"Only the participant that defined an item may change it. " +
				"Each material 材料 names the license types that can serve, whose license it is, and the parts that are needed; a sensitive field needs a reason, which the holder reads.",
			Scope: oidc.ScopeItemWrite, Action: journal.ActionItemPut, Created: true,
			In: reflect.TypeFor[catalog.ItemDefinition](), Most: call.LargeBody, Out: reflect.TypeFor[catalog.ServiceItem]()}, Serve: x.put},
		{Endpoint: openapi.Endpoint{Method: "POST", Path: "/v1/service-items/{item}/publish", ID: "publish-item", Tag: "Catalog", Summary: "Publish the draft",
			Text:  "Licenses are asked for by it from now on; the version published before is retired. Grants stay bound to the version that was agreed to.",
			Scope: oidc.ScopeItemWrite, Action: journal.ActionItemPublish, Out: reflect.TypeFor[catalog.ServiceItem]()}, Serve: x.publish},
		{Endpoint: openapi.Endpoint{Method: "POST", Path: "/v1/service-items/{item}/retire", ID: "retire-item", Tag: "Catalog", Summary: "End asking for licenses by an item",
			Scope: oidc.ScopeItemWrite, Action: journal.ActionItemRetire, Out: reflect.TypeFor[catalog.ServiceItem]()}, Serve: x.retire},
	}
}

// itemList is one page of the service items.
type itemList struct {
	Items []catalog.ServiceItem `json:"items" doc:"the newest version of each, by code"`
	Next  catalog.ItemCode      `json:"next,omitempty" doc:"the after of the next page; absent on the last"`
}

func pageOfItems(items []catalog.ServiceItem, more bool) any {
	list := itemList{Items: items}
	if more {
		list.Next = items[len(items)-1].Code
	}
	return list
}

func afterItem(code catalog.ItemCode) error {
	if !code.Valid() {
		return problem.Refuse(http.StatusBadRequest, "query_parameter", "The query parameter after must be an item's code, as next names it.")
	}
	return nil
}
