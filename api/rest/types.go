package rest

import (
	"net/http"
	"reflect"

	"yizheng.internal/api/openapi"
	"yizheng.internal/api/problem"
	"yizheng.internal/api/rest/call"
	"yizheng.internal/license/catalog"
	"yizheng.internal/license/credential"
	"yizheng.internal/oidc"
	"yizheng.internal/signing/journal"
)

// licenseTypes serves license types.
type licenseTypes = entries[credential.TypeCode, catalog.Definition, catalog.Type]

func newLicenseTypes(c *catalog.Catalog) *licenseTypes {
	return &licenseTypes{of: c.Types().Entries, path: "code", after: afterType, page: pageOfTypes}
}

func typeEndpoints(x *licenseTypes) []call.Endpoint {
	return []call.Endpoint{
		{Endpoint: openapi.Endpoint{Method: "GET", Path: "/v1/license-types", ID: "list-types", Tag: "Catalog", Summary: "List license types",
			Text: "The newest version of each type, in order of code. Any client may read the catalog. Drafts are there for clients of their own participant, with a token of client_credentials; for all others, and for tokens of people, the last version that was published counts. A page ends before its limit where definitions are large: go on while there is next.", Action: journal.ActionTypeRead,
			Query: []openapi.Parameter{{Name: "after", Text: "only codes greater than this one", Kind: "string"}, limitParameter},
			Out:   reflect.TypeFor[typeList]()}, Serve: x.list},
		{Endpoint: openapi.Endpoint{Method: "GET", Path: "/v1/license-types/{code}", ID: "read-type", Tag: "Catalog", Summary: "Read a license type",
			Text: "Drafts are there for clients of their own participant, with a token of client_credentials; for all others, and for tokens of people, the last version that was published counts.", Action: journal.ActionTypeRead,
			Query: []openapi.Parameter{{Name: "version", Text: "of the type's definition; without it the published one, else the newest", Kind: "integer"}},
			Out:   reflect.TypeFor[catalog.Type]()}, Serve: x.read},
		{Endpoint: openapi.Endpoint{Method: "PUT", Path: "/v1/license-types/{code}", ID: "put-type", Tag: "Catalog", Summary: "Write the draft of a license type",
			Text: "The first version, or the one after the newest; a draft that is there is replaced. The code begins with your participant's unified social credit code, or with one that the operator delegated to it. " +
				"Only the participant that defined a type may change it. " +
				"`schema` is a JSON Schema (2020-12) of the face fields 照面信息: an object without additional properties.",
			Scope: oidc.ScopeCatalogWrite, Action: journal.ActionTypePut, Created: true,
			In: reflect.TypeFor[catalog.Definition](), Most: call.LargeBody, Out: reflect.TypeFor[catalog.Type]()}, Serve: x.put},
		{Endpoint: openapi.Endpoint{Method: "POST", Path: "/v1/license-types/{code}/publish", ID: "publish-type", Tag: "Catalog", Summary: "Publish the draft",
			Text:  "Licenses are issued under it from now on; the version published before is retired. Licenses stay bound to the version they were issued under.",
			Scope: oidc.ScopeCatalogWrite, Action: journal.ActionTypePublish, Out: reflect.TypeFor[catalog.Type]()}, Serve: x.publish},
		{Endpoint: openapi.Endpoint{Method: "POST", Path: "/v1/license-types/{code}/retire", ID: "retire-type", Tag: "Catalog", Summary: "End issuing under a type",
			Scope: oidc.ScopeCatalogWrite, Action: journal.ActionTypeRetire, Out: reflect.TypeFor[catalog.Type]()}, Serve: x.retire},
	}
}

var limitParameter = openapi.Parameter{Name: "limit", Text: "how many at the most, 1 to 100; default 20", Kind: "integer"}

// typeList is one page of the catalog.
type typeList struct {
	Types []catalog.Type      `json:"types" doc:"the newest version of each, by code"`
	Next  credential.TypeCode `json:"next,omitempty" doc:"the after of the next page; absent on the last"`
}

func pageOfTypes(types []catalog.Type, more bool) any {
	list := typeList{Types: types}
	if more {
		list.Next = types[len(types)-1].Code
	}
	return list
}

func afterType(code credential.TypeCode) error {
	if _, err := credential.ParseTypeCode(string(code)); err != nil {
		return problem.Refuse(http.StatusBadRequest, "query_parameter", "The query parameter after must be a type code, as next names it.")
	}
	return nil
}
