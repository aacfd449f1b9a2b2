package call

import (
	"errors"
	"net/http"
	"time"

	"yizheng.internal/api/openapi"
	"yizheng.internal/api/problem"
	"yizheng.internal/license/audit"
	"yizheng.internal/oidc"
	"yizheng.internal/oidc/identity"
)

// Endpoint is one operation of the REST API: what the OpenAPI document says of it, and
// how it is served.
type Endpoint struct {
	openapi.Endpoint
	Serve func(c *Call) error
}

// Sizes of bodies, in bytes, for [openapi.Endpoint].Most.
const (
	emptyBody = 64
	SmallBody = 16 << 10
	LargeBody = 256 << 10
)

// Mount serves an endpoint by mount, and adds it to the document.
func (s *Server) Mount(e Endpoint, mount func(pattern string, h http.Handler), to *openapi.Document) {
	if e.Status == 0 {
		e.Status = http.StatusOK
	}
	if e.Media == "" {
		e.Media = "application/json"
	}
	mount(e.Method+" "+e.Path, s.c.Problems.Handle(func(w http.ResponseWriter, r *http.Request) error {
		c := &Call{Request: r, Endpoint: &e.Endpoint, s: s, w: w}
		if !e.Public {
			if err := c.admit(); err != nil {
				return err
			}
			if err := c.limitReading(); err != nil {
				return c.record(err)
			}
		}
		return c.record(e.Serve(c))
	}))
	to.Add(e.Endpoint)
}

// admit checks the access token and its scope. A missing scope is recorded as
// a refusal.
func (c *Call) admit() error {
	access, err := c.s.c.Authorize(c.Request, c.Endpoint.Scope)
	c.Access = access
	c.Header().Set("Cache-Control", "no-store")
	problem.KnowClient(c.Context(), access.Client)
	if e, ok := errors.AsType[*oidc.Error](err); ok && e.Code == oidc.InsufficientScope {
		if rerr := c.refused(string(e.Code), ""); rerr != nil {
			return rerr
		}
	}
	if err == nil {
		c.s.c.Step("request.authorized")
	}
	return err
}

// limitReading counts a reading, because each leaves an event. A client by itself may read
// clientShare times as much as a person at a client.
func (c *Call) limitReading() error {
	if !c.Endpoint.Reads() {
		return nil
	}
	who, share := c.Access.Client, clientShare
	if c.Access.Party != "" {
		who, share = who+" "+c.Access.Party, 1
	}
	wait := c.s.c.Readers.WaitShare(who, share, time.Now())
	if wait <= 0 {
		return nil
	}
	return problem.Later(http.StatusTooManyRequests, "readings_limited", "Too many readings by this client, or for this person. Try again after Retry-After.", problem.Seconds(wait))
}

// clientShare is how many times as much as a person at a client the client itself may read.
const clientShare = 50

// record leaves an event of a refusal that the registry doesn't see, such as that of a body
// that isn't JSON, or of a wrong parameter. Refusals of anonymous callers are only counted. It
// returns the error to answer with.
func (c *Call) record(err error) error {
	p, ok := errors.AsType[*problem.Problem](err)
	if !ok || p.Status >= 500 || c.Access.Client == "" {
		return err
	}
	if rerr := c.refused(p.Reason, c.Person()); rerr != nil {
		return rerr
	}
	return err
}

// refused records that the caller was refused something, about the person with that id; empty: about
// nobody. Refusals that repeat are merged.
func (c *Call) refused(reason, person string) error {
	if c.Endpoint.Scope != oidc.ScopePeopleWrite {
		return c.s.c.Refused(c.Context(), c.Actor(), c.Endpoint.Action, c.License(), reason)
	}
	return c.s.c.Refusals.Repeating(c.Context(), identity.Did(c.Access.Client, c.Endpoint.Action, person, problem.RequestID(c.Context()), reason))
}

// Actor is who the registry records as acting.
func (c *Call) Actor() audit.Actor {
	return audit.Actor{
		Client: c.Access.Client, Participant: c.Access.Participant.ID,
		USCC: string(c.Access.Participant.USCC), RequestID: problem.RequestID(c.Context()), Drafts: c.Access.Subject == "",
	}
}
