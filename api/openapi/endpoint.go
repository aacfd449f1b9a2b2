package openapi

import (
	"net/http"
	"reflect"
	"slices"

	"yizheng.internal/oidc"
	"yizheng.internal/signing/journal"
)

// Endpoint is what the OpenAPI document says of one operation of the REST API.
type Endpoint struct {
	Method, Path string
	ID           string // operationId
	Tag          string
	Summary      string // one line
	Text         string // what a caller must know beyond it
	Public       bool   // for everyone; else a client's access token is needed
	Scope        oidc.Scope
	Action       journal.Action // says what it can be refused for; recorded when the scope is missing
	Query        []Parameter
	Headers      []Parameter
	In           reflect.Type // of the JSON body; nil for none
	Most         int64        // bytes of the body
	Out          reflect.Type // of the JSON answer; nil if media says something else
	Media        string       // default application/json
	Status       int          // of success; default 200
	Created      bool         // success may be 201 as well
	Replays      bool         // the answer may be that to an earlier request
	Cached       bool         // served with an ETag
	Revised      bool         // the answer's ETag is the revision of the license or person
}

// Reads reports whether the endpoint changes nothing, and is for clients.
func (e *Endpoint) Reads() bool { return !e.Public && (e.Method == http.MethodGet || e.ID == "search") }

// Parameter is a query parameter or a header.
type Parameter struct {
	Name, Text string
	Kind       string // "string" or "integer"
	Required   bool
}

// header returns a header that the endpoint takes, or nil.
func (e *Endpoint) header(name string) *Parameter {
	i := slices.IndexFunc(e.Headers, func(p Parameter) bool { return p.Name == name })
	if i < 0 {
		return nil
	}
	return &e.Headers[i]
}

// IdempotencyKey is the header that makes a repeated request the same one.
const IdempotencyKey = "Idempotency-Key"
