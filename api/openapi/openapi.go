// Package openapi is what the service says of its API: each endpoint as it is described, the
// reasons for which it refuses (those of HTTP itself are listed here, the registry's in
// license/refusal, the provider's in api/oauth), the OpenAPI document of both, and the
// documentation's page made of that.
package openapi

import (
	"encoding/json"
	"fmt"
	"maps"
	"net/http"
	"reflect"
	"regexp"
	"slices"
	"strconv"
	"strings"

	"github.com/danielgtaylor/huma/v2"

	"yizheng.internal/api/oauth"
	"yizheng.internal/api/problem"
	"yizheng.internal/license/audit"
	"yizheng.internal/license/catalog"
	"yizheng.internal/license/credential"
	"yizheng.internal/license/grant"
	"yizheng.internal/license/party"
	"yizheng.internal/oidc"
)

// Names in the document: of a group, and of the ways to authenticate.
const (
	TagSignOn    = "Sign-on"
	schemeToken  = "client"
	schemeSecret = "secret"
)

func typeOf[T any]() reflect.Type { return reflect.TypeFor[T]() }

// Types that are described otherwise than huma would by their Go type.
type (
	civilDate   struct{} // party.Date
	typeCode    struct{} // credential.TypeCode
	creditCode  struct{} // party.USCC
	licenseID   struct{} // license.ID
	itemCode    struct{} // catalog.ItemCode
	partyCoding struct{} // party.CodeType
)

// Schema implements [huma.SchemaProvider].
func (civilDate) Schema(huma.Registry) *huma.Schema {
	return &huma.Schema{Type: "string", Format: "date"}
}

// Schema implements [huma.SchemaProvider].
func (typeCode) Schema(huma.Registry) *huma.Schema {
	return &huma.Schema{Type: "string", Pattern: "^[0-9A-Z]{18}[0-9]{3}$", Examples: []any{"11100000000013338W032"}}
}

// Schema implements [huma.SchemaProvider].
func (creditCode) Schema(huma.Registry) *huma.Schema {
	return &huma.Schema{Type: "string", Pattern: "^[0-9A-Z]{18}$"}
}

// Schema implements [huma.SchemaProvider].
func (licenseID) Schema(huma.Registry) *huma.Schema {
	return &huma.Schema{Type: "string", Pattern: "^[a-z2-7]{26}$"}
}

// Schema implements [huma.SchemaProvider].
func (itemCode) Schema(huma.Registry) *huma.Schema {
	return &huma.Schema{Type: "string", Pattern: "^[A-Za-z0-9_-]{1,64}$"}
}

// Schema implements [huma.SchemaProvider].
func (partyCoding) Schema(huma.Registry) *huma.Schema {
	return &huma.Schema{Type: "string", Pattern: "^[0-9]{3}$", Examples: []any{"111"}}
}

// schemaName names the schema of a type after the type.
func schemaName(t reflect.Type, hint string) string {
	if t == typeOf[legalDocument]() {
		return "Document" // which is another type here
	}
	return huma.DefaultSchemaNamer(t, hint)
}

// newOpenAPI returns the frame of the document.
func newOpenAPI(issuer string, people bool) *huma.OpenAPI {
	schemas := huma.NewMapRegistry("#/components/schemas/", schemaName)
	for of, by := range described() {
		schemas.RegisterTypeAlias(of, by)
	}
	schemas.RegisterTypeAlias(typeOf[party.Date](), typeOf[civilDate]())
	schemas.RegisterTypeAlias(typeOf[party.USCC](), typeOf[creditCode]())
	schemas.RegisterTypeAlias(typeOf[party.CodeType](), typeOf[partyCoding]())
	schemas.RegisterTypeAlias(typeOf[credential.TypeCode](), typeOf[typeCode]())
	schemas.RegisterTypeAlias(typeOf[audit.ID](), typeOf[licenseID]())
	schemas.RegisterTypeAlias(typeOf[grant.ID](), typeOf[licenseID]())
	schemas.RegisterTypeAlias(typeOf[catalog.ItemCode](), typeOf[itemCode]())
	flows := &huma.OAuthFlows{ClientCredentials: &huma.OAuthFlow{
		TokenURL: issuer + oauth.TokenPath,
		Scopes: map[string]string{
			string(oidc.ScopeCatalogWrite): "define, publish and retire license types",
			string(oidc.ScopeItemWrite):    "define, publish and retire service items",
			string(oidc.ScopePeopleWrite):  "bring people in, and change who they are: those of the client's sources",
			string(oidc.ScopeLicenseIssue): "issue, replace, suspend, resume and end licenses",
			string(oidc.ScopeLicenseRead):  "read and search licenses and their history",
		},
	}}
	if people {
		flows.AuthorizationCode = &huma.OAuthFlow{
			AuthorizationURL: issuer + oauth.AuthorizePath, TokenURL: issuer + oauth.TokenPath, RefreshURL: issuer + oauth.TokenPath,
			Scopes: map[string]string{string(oidc.ScopeOpenID): "a person's login; its grant of licenses, if there is one, is part of the token"},
		}
	}
	return &huma.OpenAPI{
		OpenAPI: "3.1.0",
		Info: &huma.Info{
			Title: "Yizheng 一证", Version: "1",
			License: &huma.License{Name: "Apache-2.0", Identifier: "Apache-2.0"},
			Description: "The license library 电子证照库: define license types, issue licenses signed with SM2, and verify them.\n\n" +
				"Departments' clients call with an access token (OAuth 2.0 client credentials, or of a person's login) and act for their own participant alone. " +
				"Verification and the trust documents are open to everyone.\n\n" +
				"Errors are application/problem+json (RFC 9457) with a stable `reason` code and the `request_id` that the log knows. " +
				"`x-reasons` of each answer lists the codes that it can have, and its description says what they mean; later versions may add some.\n\n" +
				"Bodies are strict JSON: members that an endpoint doesn't know, or that stand twice, are refused. Answers may gain members.",
		},
		Servers: []*huma.Server{{URL: issuer}},
		Tags:    tags(),
		Components: &huma.Components{
			Schemas: schemas,
			SecuritySchemes: map[string]*huma.SecurityScheme{
				schemeToken: {
					Type: "oauth2", Description: "Client credentials, or a person's login; the token goes into the Authorization header.",
					Flows: flows,
				},
				schemeSecret: {Type: "http", Scheme: "basic", Description: "The client's id and secret; or both in the form, as client_id and client_secret. Public clients send client_id alone."},
			},
		},
	}
}

// tags are the groups of endpoints.
func tags() []*huma.Tag {
	return []*huma.Tag{
		{Name: TagSignOn, Description: "Single sign-on by OAuth 2.0 and OpenID Connect. Errors are JSON with error, error_description and a finer reason, or go back to the client with these as parameters."},
		{Name: "Catalog", Description: "License types 证照类型, with versions."},
		{Name: "Licenses", Description: "Licenses of your own participant."},
		{Name: "Sharing", Description: "Licenses of others, which their holders let you read for a service item."},
		{Name: "People", Description: "People of the sources for which the operator registered your client, and nobody else."},
		{Name: "Representations", Description: "Who may act for whom 代理关系, of which a clerk checked the evidence."},
		{Name: "Verification", Description: "For everyone who is shown a license."},
		{Name: "Trust", Description: "What verifying offline takes."},
	}
}

// Document is the OpenAPI document of the service. It is made by one goroutine, and then
// read by all.
type Document struct {
	issuer    string
	people    bool // there are logins
	api       *huma.OpenAPI
	endpoints []Endpoint
	body      []byte
}

// New returns a document that describes the provider, with logins or without, and no
// endpoint yet.
func New(issuer string, people bool) *Document {
	o := &Document{issuer: issuer, people: people, api: newOpenAPI(issuer, people)}
	o.addSignOn()
	return o
}

// Add describes an endpoint.
func (o *Document) Add(e Endpoint) {
	o.endpoints = append(o.endpoints, e)
	o.api.AddOperation(o.operation(e))
}

// JSON returns the document, once it is finished.
func (o *Document) JSON() []byte { return o.body }

// Paths returns what is described, by path.
func (o *Document) Paths() map[string]*huma.PathItem { return o.api.Paths }

// operation describes an endpoint.
func (o *Document) operation(e Endpoint) *huma.Operation {
	op := &huma.Operation{
		Method: e.Method, Path: e.Path, OperationID: e.ID, Summary: e.Summary, Description: e.Text,
		Tags: []string{e.Tag}, Security: []map[string][]string{}, Responses: map[string]*huma.Response{},
	}
	if !e.Public {
		scopes := []string{}
		if e.Scope != "" {
			scopes = append(scopes, string(e.Scope))
		}
		op.Security = append(op.Security, map[string][]string{schemeToken: scopes})
	}
	op.Parameters = o.pathParameters(e.Path)
	for _, p := range e.Query {
		op.Parameters = append(op.Parameters, p.describe("query"))
	}
	for _, p := range e.Headers {
		op.Parameters = append(op.Parameters, p.describe("header"))
	}
	schemas := o.api.Components.Schemas
	if e.In != nil {
		op.RequestBody = &huma.RequestBody{Required: true, Content: map[string]*huma.MediaType{
			"application/json": {Schema: schemas.Schema(e.In, true, e.ID+"-request")}}}
	}
	o.describeResponses(e, op.Responses)
	return op
}

// describeResponses says what an endpoint answers: what it does when all is
// well, and the one form of everything else.
func (o *Document) describeResponses(e Endpoint, to map[string]*huma.Response) {
	schemas := o.api.Components.Schemas
	header := func(text, kind string) *huma.Param {
		return &huma.Param{Description: text, Schema: &huma.Schema{Type: kind}}
	}
	done := &huma.Response{
		Description: "Done.", Headers: map[string]*huma.Param{},
		Content: map[string]*huma.MediaType{e.Media: {Schema: &huma.Schema{Type: "string"}}},
	}
	if e.Out != nil {
		done.Content[e.Media].Schema = schemas.Schema(e.Out, true, e.ID+"-answer")
	}
	if e.Replays {
		done.Headers["Idempotency-Replayed"] = header("true: this is the answer to an earlier request with the same key", "string")
	}
	to[strconv.Itoa(e.Status)] = done
	if e.Revised {
		done.Headers["ETag"] = header("the revision, for If-Match", "string")
	}
	if e.Created {
		made := *done
		made.Description = "Done; it is new."
		to[strconv.Itoa(http.StatusCreated)] = &made
	}
	if e.Cached {
		done.Headers["ETag"] = header("of the answer, for If-None-Match", "string")
		to[strconv.Itoa(http.StatusNotModified)] = &huma.Response{Description: "The caller has it already."}
	}
	wrong := map[string]*huma.MediaType{problem.Media: {Schema: schemas.Schema(typeOf[problem.Problem](), true, "problem")}}
	retry := map[string]*huma.Param{"Retry-After": header("seconds; with 429 and 503", "integer")}
	for _, f := range e.Reasons() {
		at := strconv.Itoa(f.Status)
		if to[at] == nil {
			to[at] = &huma.Response{Description: e.statusText(f.Status), Headers: retry, Content: wrong}
		}
		addReason(to[at], f)
	}
}

// addReason lists a reason among those that an answer can have.
func addReason(to *huma.Response, f Reason) {
	if to.Extensions == nil {
		to.Extensions = map[string]any{}
		to.Description += "\n"
	}
	to.Description += "\n- `" + f.Reason + "`: " + f.Meaning
	reasons, _ := to.Extensions[ReasonsExtension].([]string)
	to.Extensions[ReasonsExtension] = append(reasons, f.Reason)
}

// ReasonsExtension is the member of a documented answer that lists the reason
// codes that it can have.
const ReasonsExtension = "x-reasons"

func (p Parameter) describe(in string) *huma.Param {
	return &huma.Param{Name: p.Name, In: in, Description: p.Text, Required: p.Required, Schema: &huma.Schema{Type: p.Kind}}
}

var pathParameter = regexp.MustCompile(`\{([a-z]+)\}`)

// pathParameters describes the parts of a path that are in braces.
func (o *Document) pathParameters(path string) []*huma.Param {
	one := 1.0
	all := map[string]*huma.Param{
		"code":           {Description: "of the license type", Schema: typeCode{}.Schema(nil)},
		"id":             {Description: "of the license", Schema: licenseID{}.Schema(nil)},
		"person":         {Description: "of the person", Schema: licenseID{}.Schema(nil)},
		"representation": {Description: "of the representation", Schema: licenseID{}.Schema(nil)},
		"item":           {Description: "code of the service item 事项编码", Schema: itemCode{}.Schema(nil)},
		"kid":            {Description: "name of the key: the `kid` of what it signed", Schema: &huma.Schema{Type: "string"}},
		"file":           {Description: "the key id of the root and `.crl`", Schema: &huma.Schema{Type: "string"}},
		"version":        {Description: "of the type", Schema: &huma.Schema{Type: "integer", Minimum: &one}},
		"n":              {Description: "number of the list", Schema: &huma.Schema{Type: "integer", Minimum: &one}},
	}
	var ps []*huma.Param
	for _, m := range pathParameter.FindAllStringSubmatch(path, -1) {
		p := all[m[1]]
		p.Name, p.In, p.Required = m[1], "path", true
		ps = append(ps, p)
	}
	return ps
}

// Finish makes the document of what was added: it doesn't change from then on.
func (o *Document) Finish() error {
	o.correctSchemas()
	var err error
	if o.body, err = json.Marshal(o.api); err != nil {
		return fmt.Errorf("encoding the OpenAPI document: %w", err)
	}
	return nil
}

// correctSchemas adds what huma can't know: raw members are objects, lists are never null, and
// answers may gain members while requests may not.
func (o *Document) correctSchemas() {
	all := o.api.Components.Schemas.Map()
	for _, schema := range all {
		for _, p := range schema.Properties {
			switch {
			case p.Type == "" && p.Ref == "":
				p.Type, p.AdditionalProperties = "object", true
			case p.Type == "array":
				p.Nullable = false
			}
		}
	}
	asked := map[string]bool{}
	var ask func(*huma.Schema)
	ask = func(schema *huma.Schema) {
		if schema == nil {
			return
		}
		if name := strings.TrimPrefix(schema.Ref, "#/components/schemas/"); name != "" && !asked[name] {
			asked[name] = true
			ask(all[name])
		}
		for _, p := range schema.Properties {
			ask(p)
		}
		ask(schema.Items)
	}
	for _, item := range o.api.Paths {
		for _, op := range operations(item) {
			if op.RequestBody != nil && op.RequestBody.Content["application/json"] != nil { // else it is a form
				ask(op.RequestBody.Content["application/json"].Schema)
			}
		}
	}
	for name, schema := range all {
		if !asked[name] {
			schema.AdditionalProperties = nil
		}
	}
}

// operations returns a path's operations, in the order in which they are shown.
func operations(item *huma.PathItem) []*huma.Operation {
	return slices.DeleteFunc([]*huma.Operation{item.Get, item.Put, item.Post}, func(op *huma.Operation) bool { return op == nil })
}

// sortedKeys returns a map's keys in order.
func sortedKeys[V any](m map[string]V) []string { return slices.Sorted(maps.Keys(m)) }
