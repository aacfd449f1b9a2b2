package api

import (
	"fmt"
	"net/http"
	"net/url"
	"reflect"
	"slices"
	"strconv"
	"strings"

	"yizheng.internal/api/problem"
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
	action       license.Action // says what it can be refused for; recorded when the scope is missing
	query        []parameter
	headers      []parameter
	in           reflect.Type // of the JSON body; nil for none
	most         int64        // bytes of the body
	out          reflect.Type // of the JSON answer; nil if media says something else
	media        string       // default application/json
	status       int          // of success; default 200
	created      bool         // success may be 201 as well
	replays      bool         // the answer may be that to an earlier request
	cached       bool         // served with an ETag
	revised      bool         // the answer's ETag is the license's revision
	serve        func(c *call) error
}

// reads reports whether the endpoint changes nothing, and is for clients.
func (e *endpoint) reads() bool { return !e.public && (e.method == http.MethodGet || e.id == "search") }

// router is a mux that knows its patterns.
type router struct {
	*http.ServeMux
	patterns []string
}

func newRouter() *router { return &router{ServeMux: http.NewServeMux()} }

// Handle shadows that of the mux.
func (r *router) Handle(pattern string, h http.Handler) {
	r.patterns = append(r.patterns, pattern)
	r.ServeMux.Handle(pattern, h)
}

// HandleFunc shadows that of the mux.
func (r *router) HandleFunc(pattern string, h func(http.ResponseWriter, *http.Request)) {
	r.Handle(pattern, http.HandlerFunc(h))
}

// parameter is a query parameter or a header.
type parameter struct {
	name, text string
	kind       string // "string" or "integer"
	required   bool
}

// Sizes of bodies, in bytes.
const (
	emptyBody = 64
	smallBody = 16 << 10
	largeBody = 256 << 10
)

// register serves an endpoint and adds it to the OpenAPI document.
func (s *Server) register(e endpoint) {
	if e.status == 0 {
		e.status = http.StatusOK
	}
	if e.media == "" {
		e.media = "application/json"
	}
	s.mux.Handle(e.method+" "+e.path, s.problems.Handle(func(w http.ResponseWriter, r *http.Request) error {
		c := &call{s: s, e: &e, w: w, r: r}
		if !e.public {
			if err := c.admit(); err != nil {
				return err
			}
			if err := c.limitReading(); err != nil {
				return c.record(err)
			}
		}
		return c.record(e.serve(c))
	}))
	s.openapi.AddOperation(s.operation(e))
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
		return 0, problem.Refuse(http.StatusBadRequest, "query_parameter", fmt.Sprintf("The query parameter %s must be a number from %d to %d.", name, least, most))
	}
	return n, nil
}

// checkQuery refuses query parameters that the endpoint doesn't have: one that
// was misspelt would else be ignored in silence.
func (c *call) checkQuery() error {
	given, err := url.ParseQuery(c.r.URL.RawQuery)
	if err != nil {
		return problem.Refuse(http.StatusBadRequest, "query_parameter", "The query is not well-formed.")
	}
	for name, values := range given {
		known := slices.ContainsFunc(c.e.query, func(p parameter) bool { return p.name == name })
		if !known || len(values) > 1 {
			names := make([]string, len(c.e.query))
			for i, p := range c.e.query {
				names[i] = p.name
			}
			return problem.Refuse(http.StatusBadRequest, "query_parameter", "The query may have these parameters, once each: "+strings.Join(names, ", ")+".")
		}
	}
	return nil
}
