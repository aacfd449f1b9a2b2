package rest

import (
	"context"
	"net/http"

	"yizheng.internal/api/openapi"
	"yizheng.internal/api/problem"
	"yizheng.internal/license/audit"
	"yizheng.internal/license/catalog"
	"yizheng.internal/license/credential"
	"yizheng.internal/oidc"
	"yizheng.internal/signing/journal"
)

// entries serves license types and service items.
type entries struct{ catalog *catalog.Catalog }

func (x *entries) typeEndpoints() []endpoint {
	return []endpoint{
		{openapi.Endpoint{Method: "GET", Path: "/v1/license-types", ID: "list-types", Tag: "Catalog", Summary: "List license types",
			Text: "The newest version of each type, in order of code. Any client may read the catalog. Drafts are there for clients of their own participant, with a token of client_credentials; for all others, and for tokens of people, the last version that was published counts. A page ends before its limit where definitions are large: go on while there is next.", Action: journal.ActionTypeRead,
			Query: []openapi.Parameter{{Name: "after", Text: "only codes greater than this one", Kind: "string"}, limitParameter},
			Out:   typeOf[typeList]()}, x.listTypes},
		{openapi.Endpoint{Method: "GET", Path: "/v1/license-types/{code}", ID: "read-type", Tag: "Catalog", Summary: "Read a license type",
			Text: "Drafts are there for clients of their own participant, with a token of client_credentials; for all others, and for tokens of people, the last version that was published counts.", Action: journal.ActionTypeRead,
			Query: []openapi.Parameter{{Name: "version", Text: "of the type's definition; without it the published one, else the newest", Kind: "integer"}},
			Out:   typeOf[catalog.Type]()}, x.readType},
		{openapi.Endpoint{Method: "PUT", Path: "/v1/license-types/{code}", ID: "put-type", Tag: "Catalog", Summary: "Write the draft of a license type",
			Text: "The first version, or the one after the newest; a draft that is there is replaced. The code begins with your participant's unified social credit code, or with one that the operator delegated to it. " +
				"Only the participant that defined a type may change it. " +
				"`schema` is a JSON Schema (2020-12) of the face fields 照面信息: an object without additional properties.",
			Scope: oidc.ScopeCatalogWrite, Action: journal.ActionTypePut, Created: true,
			In: typeOf[catalog.Definition](), Most: largeBody, Out: typeOf[catalog.Type]()}, x.putType},
		{openapi.Endpoint{Method: "POST", Path: "/v1/license-types/{code}/publish", ID: "publish-type", Tag: "Catalog", Summary: "Publish the draft",
			Text:  "Licenses are issued under it from now on; the version published before is retired. Licenses stay bound to the version they were issued under.",
			Scope: oidc.ScopeCatalogWrite, Action: journal.ActionTypePublish, Out: typeOf[catalog.Type]()}, x.publishType},
		{openapi.Endpoint{Method: "POST", Path: "/v1/license-types/{code}/retire", ID: "retire-type", Tag: "Catalog", Summary: "End issuing under a type",
			Scope: oidc.ScopeCatalogWrite, Action: journal.ActionTypeRetire, Out: typeOf[catalog.Type]()}, x.retireType},
	}
}

var limitParameter = openapi.Parameter{Name: "limit", Text: "how many at the most, 1 to 100; default 20", Kind: "integer"}

// typeList is one page of the catalog.
type typeList struct {
	Types []catalog.Type      `json:"types" doc:"the newest version of each, by code"`
	Next  credential.TypeCode `json:"next,omitempty" doc:"the after of the next page; absent on the last"`
}

// code is the license type in the path.
func (c *call) code() credential.TypeCode { return credential.TypeCode(c.r.PathValue("code")) }

func (x *entries) listTypes(c *call) error {
	if err := c.checkQuery(); err != nil {
		return err
	}
	limit, err := c.integer("limit", 1, 100, 20)
	if err != nil {
		return err
	}
	after := credential.TypeCode(c.r.URL.Query().Get("after"))
	if after != "" {
		if _, err := credential.ParseTypeCode(string(after)); err != nil {
			return problem.Refuse(http.StatusBadRequest, "query_parameter", "The query parameter after must be a type code, as next names it.")
		}
	}
	types, more, err := x.catalog.Types().ReadPage(c.ctx(), c.actor(), after, int(limit))
	if err != nil {
		return err
	}
	list := typeList{Types: types}
	if n := len(types); more && n > 0 {
		list.Next = types[n-1].Code
	}
	return c.reply(list)
}

func (x *entries) readType(c *call) error {
	if err := c.checkQuery(); err != nil {
		return err
	}
	version, err := c.integer("version", 1, 1<<31-1, 0)
	if err != nil {
		return err
	}
	t, err := x.catalog.Types().Read(c.ctx(), c.actor(), c.code(), int(version))
	if err != nil {
		return err
	}
	return c.reply(t)
}

func (x *entries) putType(c *call) error {
	var d catalog.Definition
	if err := c.decode(&d); err != nil {
		return err
	}
	t, created, err := x.catalog.Types().Put(c.ctx(), c.actor(), c.code(), d)
	if err != nil {
		return err
	}
	if created {
		return c.replyAs(http.StatusCreated, t)
	}
	return c.reply(t)
}

func (x *entries) publishType(c *call) error { return changeType(c, x.catalog.Types().Publish) }
func (x *entries) retireType(c *call) error  { return changeType(c, x.catalog.Types().Retire) }

// changeType serves a change of a type's state.
func changeType(c *call, change func(context.Context, audit.Actor, credential.TypeCode) (catalog.Type, error)) error {
	if err := c.checkQuery(); err != nil {
		return err
	}
	if err := c.noBody(); err != nil {
		return err
	}
	t, err := change(c.ctx(), c.actor(), c.code())
	if err != nil {
		return err
	}
	return c.reply(t)
}
