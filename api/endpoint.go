package api

import (
	"fmt"
	"net/http"
	"reflect"
	"regexp"
	"slices"
	"strconv"
	"strings"

	"github.com/danielgtaylor/huma/v2"

	"yizheng.internal/license"
	"yizheng.internal/oidc"
)

// endpoint is one operation of the REST API: how it is served, and what the
// OpenAPI document says of it.
type endpoint struct {
	method, path string
	id           string // operationId
	tag          string
	summary      string // one line
	text         string // what a caller must know beyond it
	public       bool   // for everyone; else a client's access token is needed
	scope        oidc.Scope
	action       license.Action // recorded when the scope is missing
	query        []parameter
	headers      []parameter
	in           reflect.Type // of the JSON body; nil for none
	most         int64        // bytes of the body
	out          reflect.Type // of the JSON answer; nil if media says something else
	media        string       // default application/json
	status       int          // of success; default 200
	serve        func(c *call) error
}

// parameter is a query parameter or a header.
type parameter struct {
	name, text string
	kind       string // "string" or "integer"
	required   bool
}

// Sizes of bodies.
const (
	smallBody = 16 << 10
	largeBody = 256 << 10
)

// newOpenAPI returns the frame of the document.
func newOpenAPI(issuer string) *huma.OpenAPI {
	schemas := huma.NewMapRegistry("#/components/schemas/", huma.DefaultSchemaNamer)
	schemas.RegisterTypeAlias(typeOf[license.TypeCode](), typeOf[string]())
	return &huma.OpenAPI{
		OpenAPI: "3.1.0",
		Info: &huma.Info{
			Title: "Yizheng 一证", Version: "1",
			Description: "The license library 电子证照库: define license types, issue licenses signed with SM2, and verify them.\n\n" +
				"Departments' clients call with an access token (OAuth 2.0 client credentials, scopes below) and act for their own participant alone. " +
				"Verification and the trust documents are open to everyone.\n\n" +
				"Errors are application/problem+json (RFC 9457) with a stable `reason` code and the `request_id` that the log knows.",
		},
		Servers: []*huma.Server{{URL: issuer}},
		Components: &huma.Components{
			Schemas: schemas,
			SecuritySchemes: map[string]*huma.SecurityScheme{"client": {
				Type: "oauth2", Description: "Client credentials; the token goes into the Authorization header.",
				Flows: &huma.OAuthFlows{ClientCredentials: &huma.OAuthFlow{
					TokenURL: issuer + "/oauth/token",
					Scopes: map[string]string{
						string(oidc.ScopeCatalogWrite): "define, publish and retire license types",
						string(oidc.ScopeLicenseIssue): "issue, replace, suspend, resume and end licenses",
						string(oidc.ScopeLicenseRead):  "read and search licenses and their history",
					},
				}},
			}},
		},
	}
}

func typeOf[T any]() reflect.Type { return reflect.TypeFor[T]() }

var pathParameter = regexp.MustCompile(`\{([a-z]+)\}`)

// register serves an endpoint and adds it to the OpenAPI document.
func (s *Server) register(e endpoint) {
	if e.status == 0 {
		e.status = http.StatusOK
	}
	if e.media == "" {
		e.media = "application/json"
	}
	s.mux.Handle(e.method+" "+e.path, s.handle(func(w http.ResponseWriter, r *http.Request) error {
		c := &call{s: s, e: &e, w: w, r: r}
		if !e.public {
			if err := c.admit(); err != nil {
				return err
			}
		}
		return e.serve(c)
	}))
	s.openapi.AddOperation(s.operation(e))
}

func (s *Server) operation(e endpoint) *huma.Operation {
	op := &huma.Operation{
		Method: e.method, Path: e.path, OperationID: e.id, Summary: e.summary, Description: e.text,
		Tags: []string{e.tag}, Responses: map[string]*huma.Response{},
	}
	op.Security = []map[string][]string{}
	if !e.public {
		scopes := []string{}
		if e.scope != "" {
			scopes = append(scopes, string(e.scope))
		}
		op.Security = append(op.Security, map[string][]string{"client": scopes})
	}
	for _, m := range pathParameter.FindAllStringSubmatch(e.path, -1) {
		op.Parameters = append(op.Parameters, &huma.Param{Name: m[1], In: "path", Required: true, Schema: &huma.Schema{Type: "string"}})
	}
	for _, p := range e.query {
		op.Parameters = append(op.Parameters, p.describe("query"))
	}
	for _, p := range e.headers {
		op.Parameters = append(op.Parameters, p.describe("header"))
	}
	schemas := s.openapi.Components.Schemas
	if e.in != nil {
		op.RequestBody = &huma.RequestBody{Required: true, Content: map[string]*huma.MediaType{
			"application/json": {Schema: schemas.Schema(e.in, true, e.id+"-request")}}}
	}
	done := &huma.Response{Description: "Done.", Content: map[string]*huma.MediaType{e.media: {Schema: &huma.Schema{Type: "string"}}}}
	if e.out != nil {
		done.Content[e.media].Schema = schemas.Schema(e.out, true, e.id+"-answer")
	}
	op.Responses[strconv.Itoa(e.status)] = done
	op.Responses["default"] = &huma.Response{
		Description: "Refused, or failed.",
		Content:     map[string]*huma.MediaType{problemMedia: {Schema: schemas.Schema(typeOf[problem](), true, "problem")}},
	}
	return op
}

func (p parameter) describe(in string) *huma.Param {
	return &huma.Param{Name: p.name, In: in, Description: p.text, Required: p.required, Schema: &huma.Schema{Type: p.kind}}
}

// integer returns an integer query parameter between least and most, or the
// default if it is not given.
func (c *call) integer(name string, least, most, otherwise int64) (int64, error) {
	text := c.r.URL.Query().Get(name)
	if text == "" {
		return otherwise, nil
	}
	n, err := strconv.ParseInt(text, 10, 64)
	if err != nil || n < least || n > most {
		return 0, refuse(http.StatusBadRequest, "query_parameter", fmt.Sprintf("The query parameter %s must be a number from %d to %d.", name, least, most))
	}
	return n, nil
}

// checkQuery refuses query parameters that the endpoint doesn't have: one that
// was misspelt would else be ignored in silence.
func (c *call) checkQuery() error {
	for name, values := range c.r.URL.Query() {
		known := slices.ContainsFunc(c.e.query, func(p parameter) bool { return p.name == name })
		if !known || len(values) > 1 {
			names := make([]string, len(c.e.query))
			for i, p := range c.e.query {
				names[i] = p.name
			}
			return refuse(http.StatusBadRequest, "query_parameter", "The query may have these parameters, once each: "+strings.Join(names, ", ")+".")
		}
	}
	return nil
}
