// Package call has what every call of the REST API needs, whatever it is about: who may make it, how
// often, how its query, headers and body are read, how it is answered, and that a refusal leaves
// an event. It knows no resource.
package call

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"mime"
	"net/http"
	"net/url"
	"slices"
	"strconv"
	"strings"

	"yizheng.internal/api/limit"
	"yizheng.internal/api/openapi"
	"yizheng.internal/api/problem"
	"yizheng.internal/license/audit"
	"yizheng.internal/oidc"
	"yizheng.internal/oidc/identity"
	"yizheng.internal/oidc/token"
	"yizheng.internal/signing/journal"
	"yizheng.internal/signing/strictjson"
)

// Config says what a Server works with.
type Config struct {
	Problems *problem.Writer
	// Authorize checks a request's access token and that it carries the scope; an empty
	// one asks for none. Its errors are *problem.Bearer, or unknown ones.
	Authorize func(r *http.Request, scope oidc.Scope) (token.Access, error)
	Readers   *limit.Rate // of readings, by client and person
	// Refused records a refusal, as *library.Library does. Refusals records those of requests about
	// people; nil: there are none.
	Refused  func(ctx context.Context, a audit.Actor, action journal.Action, id audit.ID, reason string) error
	Refusals *journal.Recorder
	Step     func(name string) // failpoints of tests
}

// Server serves the calls of endpoints. Its zero value describes them and serves none. Safe for
// concurrent use.
type Server struct {
	c Config
}

// New returns a server of calls.
func New(c Config) Server { return Server{c} }

// Call is one request to an endpoint. It belongs to one goroutine.
type Call struct {
	Request  *http.Request
	Endpoint *openapi.Endpoint
	Access   token.Access // zero for public endpoints

	s    *Server
	w    http.ResponseWriter
	size int // of the decoded body, in bytes
}

// Context returns the request's context.
func (c *Call) Context() context.Context { return c.Request.Context() }

// License returns the license in the path, or nothing.
func (c *Call) License() audit.ID { return audit.ID(c.Request.PathValue("id")) }

// Person returns the person in the path, or nothing if there is no id.
func (c *Call) Person() string {
	if id := c.Request.PathValue("person"); identity.ValidID(id) {
		return id
	}
	return ""
}

// Integer returns an integer query parameter between least and most, or the
// default if it is not given.
func (c *Call) Integer(name string, least, most, otherwise int64) (int64, error) {
	text := c.Request.URL.Query().Get(name)
	if text == "" {
		return otherwise, nil
	}
	n, err := strconv.ParseInt(text, 10, 64)
	if err != nil || n < least || n > most {
		return 0, problem.Refuse(http.StatusBadRequest, "query_parameter", fmt.Sprintf("The query parameter %s must be a number from %d to %d.", name, least, most))
	}
	return n, nil
}

// CheckQuery refuses query parameters that the endpoint doesn't have. Otherwise a misspelt one
// would be ignored in silence.
func (c *Call) CheckQuery() error {
	given, err := url.ParseQuery(c.Request.URL.RawQuery)
	if err != nil {
		return problem.Refuse(http.StatusBadRequest, "query_parameter", "The query is not well-formed.")
	}
	for name, values := range given {
		known := slices.ContainsFunc(c.Endpoint.Query, func(p openapi.Parameter) bool { return p.Name == name })
		if !known || len(values) > 1 {
			names := make([]string, len(c.Endpoint.Query))
			for i, p := range c.Endpoint.Query {
				names[i] = p.Name
			}
			return problem.Refuse(http.StatusBadRequest, "query_parameter", "The query may have these parameters, once each: "+strings.Join(names, ", ")+".")
		}
	}
	return nil
}

// Decode reads the request's JSON body into v, as [Decode] does, and refuses query parameters that
// the endpoint doesn't have.
func (c *Call) Decode(v any) error {
	if err := c.CheckQuery(); err != nil {
		return err
	}
	body, err := c.body()
	if err != nil {
		return err
	}
	c.size = len(body)
	if err := Decode(body, v); err != nil {
		return err
	}
	c.s.c.Step("request.decoded")
	return nil
}

// Size returns how many bytes the decoded body had.
func (c *Call) Size() int { return c.size }

// NoBody refuses a body where none is read. Otherwise it would be ignored in silence. An empty
// object is allowed.
func (c *Call) NoBody() error {
	body, err := c.read(emptyBody)
	if body = bytes.TrimSpace(body); err == nil && len(body) > 0 && string(body) != "{}" {
		err = problem.Refuse(http.StatusBadRequest, "body_unexpected", "This endpoint takes no body.")
	}
	return err
}

// body reads the request's body, as application/json, up to the endpoint's limit.
func (c *Call) body() ([]byte, error) {
	media, params, err := mime.ParseMediaType(c.Request.Header.Get("Content-Type"))
	if charset := params["charset"]; err != nil || media != "application/json" || charset != "" && !strings.EqualFold(charset, "utf-8") {
		return nil, problem.Refuse(http.StatusUnsupportedMediaType, "media_type", "Send the body as application/json in UTF-8.")
	}
	if c.Request.Header.Get("Content-Encoding") != "" {
		return nil, problem.Refuse(http.StatusUnsupportedMediaType, "content_encoding", "Send the body without a Content-Encoding.")
	}
	return c.read(c.Endpoint.Most)
}

// read reads the request's body up to a limit, in bytes.
func (c *Call) read(most int64) ([]byte, error) {
	body, err := io.ReadAll(http.MaxBytesReader(c.w, c.Request.Body, most))
	if _, ok := errors.AsType[*http.MaxBytesError](err); ok {
		return nil, problem.Refuse(http.StatusRequestEntityTooLarge, "body_too_large", "The body is larger than this endpoint takes.")
	} else if err != nil {
		return nil, problem.Refuse(http.StatusBadRequest, "body_unreadable", "The body could not be read to its end.")
	}
	return body, nil
}

// MaxDepth bounds how deep a body's JSON may be nested. The decoder follows the type that it
// decodes into. So only raw members (fields, schema, layout) can be deep, and these have
// tighter limits of their own.
const MaxDepth = 64

// Decode decodes strict JSON: no duplicate or unknown members, no invalid
// UTF-8, nothing behind it. Its errors name the place, never a value.
func Decode(body []byte, v any) error {
	err := strictjson.DecodeShallow(body, v, MaxDepth)
	if err == nil {
		return nil
	}
	bad, ok := errors.AsType[*strictjson.Error](err)
	if !ok {
		return problem.Refuse(http.StatusBadRequest, "json_syntax", "The body is not usable JSON.")
	}
	switch bad.Kind {
	case strictjson.Empty:
		return problem.Refuse(http.StatusBadRequest, "body_empty", "The request needs a JSON body.")
	case strictjson.Depth:
		return problem.Refuse(http.StatusBadRequest, "json_depth", "The body's JSON is nested deeper than 64 levels.")
	}
	reason, detail := "json_syntax", "The body is not well-formed JSON."
	switch bad.Kind {
	case strictjson.DuplicateName:
		reason, detail = "json_duplicate_name", "The body's JSON names a member twice."
	case strictjson.UTF8:
		reason, detail = "json_utf8", "The body's JSON is not valid UTF-8."
	case strictjson.Trailing:
		reason, detail = "json_trailing", "There is something behind the body's JSON value."
	case strictjson.Type:
		reason, detail = "json_type", "A member is not of the type or form that it must have."
	case strictjson.UnknownMember:
		reason, detail = "json_unknown_member", "The body has a member that this endpoint doesn't know."
	}
	return problem.RefuseAt(http.StatusBadRequest, reason, detail, bad.Pointer)
}
