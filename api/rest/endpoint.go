package rest

import (
	"fmt"
	"net/http"
	"net/url"
	"slices"
	"strconv"
	"strings"

	"yizheng.internal/api/openapi"
	"yizheng.internal/api/problem"
)

// endpoint is one operation of the REST API: what the OpenAPI document says of it, and
// how it is served.
type endpoint struct {
	openapi.Endpoint
	serve func(c *call) error
}

// Sizes of bodies, in bytes.
const (
	emptyBody = 64
	smallBody = 16 << 10
	largeBody = 256 << 10
)

// register serves an endpoint and adds it to the OpenAPI document.
func (a *API) register(e endpoint, mount func(pattern string, h http.Handler), to *openapi.Document) {
	if e.Status == 0 {
		e.Status = http.StatusOK
	}
	if e.Media == "" {
		e.Media = "application/json"
	}
	mount(e.Method+" "+e.Path, a.c.Problems.Handle(func(w http.ResponseWriter, r *http.Request) error {
		c := &call{a: a, e: &e, w: w, r: r}
		if !e.Public {
			if err := c.admit(); err != nil {
				return err
			}
			if err := c.limitReading(); err != nil {
				return c.record(err)
			}
		}
		return c.record(e.serve(c))
	}))
	to.Add(e.Endpoint)
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

// checkQuery refuses query parameters that the endpoint doesn't have. Otherwise a misspelt one
// would be ignored in silence.
func (c *call) checkQuery() error {
	given, err := url.ParseQuery(c.r.URL.RawQuery)
	if err != nil {
		return problem.Refuse(http.StatusBadRequest, "query_parameter", "The query is not well-formed.")
	}
	for name, values := range given {
		known := slices.ContainsFunc(c.e.Query, func(p openapi.Parameter) bool { return p.Name == name })
		if !known || len(values) > 1 {
			names := make([]string, len(c.e.Query))
			for i, p := range c.e.Query {
				names[i] = p.Name
			}
			return problem.Refuse(http.StatusBadRequest, "query_parameter", "The query may have these parameters, once each: "+strings.Join(names, ", ")+".")
		}
	}
	return nil
}
