package rest

import (
	"bytes"
	"context"
	"errors"
	"io"
	"mime"
	"net/http"
	"strconv"
	"strings"
	"time"

	"yizheng.internal/api/problem"
	"yizheng.internal/license/audit"
	"yizheng.internal/oidc"
	"yizheng.internal/oidc/identity"
	"yizheng.internal/oidc/token"
	"yizheng.internal/signing/strictjson"
)

// call is one request to an endpoint of the REST API.
type call struct {
	a      *API
	e      *endpoint
	w      http.ResponseWriter
	r      *http.Request
	size   int          // of the decoded body, in bytes
	access token.Access // zero for public endpoints, and until it is checked
}

func (c *call) ctx() context.Context { return c.r.Context() }

// actor is who the registry records as acting.
func (c *call) actor() audit.Actor {
	return audit.Actor{
		Client: c.access.Client, Participant: c.access.Participant.ID,
		USCC: string(c.access.Participant.USCC), RequestID: problem.RequestID(c.ctx()), Drafts: c.access.Subject == "",
	}
}

// admit checks the access token and its scope. A missing scope is recorded as
// a refusal.
func (c *call) admit() error {
	access, err := c.a.c.Authorize(c.r, c.e.Scope)
	c.access = access
	c.w.Header().Set("Cache-Control", "no-store")
	problem.KnowClient(c.ctx(), access.Client)
	if e, ok := errors.AsType[*oidc.Error](err); ok && e.Code == oidc.InsufficientScope {
		if rerr := c.refused(string(e.Code), ""); rerr != nil {
			return rerr
		}
	}
	if err == nil {
		c.a.c.Step("request.authorized")
	}
	return err
}

// limitReading counts a reading, because each leaves an event. A client by itself may read
// clientShare times as much as a person at a client.
func (c *call) limitReading() error {
	if !c.e.Reads() {
		return nil
	}
	who, share := c.access.Client, clientShare
	if c.access.Party != "" {
		who, share = who+" "+c.access.Party, 1
	}
	wait := c.a.c.Readers.WaitShare(who, share, time.Now())
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
func (c *call) record(err error) error {
	p, ok := errors.AsType[*problem.Problem](err)
	if !ok || p.Status >= 500 || c.access.Client == "" {
		return err
	}
	if rerr := c.refused(p.Reason, personIn(c.r)); rerr != nil {
		return rerr
	}
	return err
}

// refused records that the caller was refused something, about the person with that id; empty: about
// nobody. Refusals that repeat are merged.
func (c *call) refused(reason, person string) error {
	if c.e.Scope != oidc.ScopePeopleWrite {
		return c.a.c.Library.Refused(c.ctx(), c.actor(), c.e.Action, c.id(), reason)
	}
	return c.a.c.Refusals.Repeating(c.ctx(), identity.Did(c.access.Client, c.e.Action, person, problem.RequestID(c.ctx()), reason))
}

// decode reads the request's JSON body: strict JSON, of the expected members
// alone.
func (c *call) decode(v any) error {
	if err := c.checkQuery(); err != nil {
		return err
	}
	body, err := c.body()
	if err != nil {
		return err
	}
	c.size = len(body)
	if err := decodeJSON(body, v); err != nil {
		return err
	}
	c.a.c.Step("request.decoded")
	return nil
}

// noBody refuses a body where none is read. Otherwise it would be ignored in silence. An empty
// object is allowed.
func (c *call) noBody() error {
	body, err := c.read(emptyBody)
	if body = bytes.TrimSpace(body); err == nil && len(body) > 0 && string(body) != "{}" {
		err = problem.Refuse(http.StatusBadRequest, "body_unexpected", "This endpoint takes no body.")
	}
	return err
}

// body reads the request's body, as application/json, up to the endpoint's limit.
func (c *call) body() ([]byte, error) {
	media, params, err := mime.ParseMediaType(c.r.Header.Get("Content-Type"))
	if charset := params["charset"]; err != nil || media != "application/json" || charset != "" && !strings.EqualFold(charset, "utf-8") {
		return nil, problem.Refuse(http.StatusUnsupportedMediaType, "media_type", "Send the body as application/json in UTF-8.")
	}
	if c.r.Header.Get("Content-Encoding") != "" {
		return nil, problem.Refuse(http.StatusUnsupportedMediaType, "content_encoding", "Send the body without a Content-Encoding.")
	}
	return c.read(c.e.Most)
}

// read reads the request's body up to a limit, in bytes.
func (c *call) read(most int64) ([]byte, error) {
	body, err := io.ReadAll(http.MaxBytesReader(c.w, c.r.Body, most))
	if _, ok := errors.AsType[*http.MaxBytesError](err); ok {
		return nil, problem.Refuse(http.StatusRequestEntityTooLarge, "body_too_large", "The body is larger than this endpoint takes.")
	} else if err != nil {
		return nil, problem.Refuse(http.StatusBadRequest, "body_unreadable", "The body could not be read to its end.")
	}
	return body, nil
}

// maxDepth bounds how deep a body's JSON may be nested. The decoder follows the type that it
// decodes into. So only raw members (fields, schema, layout) can be deep, and these have
// tighter limits of their own.
const maxDepth = 64

// decodeJSON decodes strict JSON: no duplicate or unknown members, no invalid
// UTF-8, nothing behind it. Its errors name the place, never a value.
func decodeJSON(body []byte, v any) error {
	err := strictjson.DecodeShallow(body, v, maxDepth)
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

// reply answers with JSON and the endpoint's status.
func (c *call) reply(v any) error { return c.replyAs(c.e.Status, v) }

// replyAs answers with JSON.
func (c *call) replyAs(status int, v any) error {
	body, err := strictjson.Marshal(v)
	if err != nil {
		return err
	}
	c.w.Header().Set("Content-Type", c.e.Media)
	return c.sendAs(status, body)
}

// send answers with the endpoint's status and a body whose type is set.
func (c *call) send(body []byte) error { return c.sendAs(c.e.Status, body) }

func (c *call) sendAs(status int, body []byte) error {
	c.a.c.Step("reply.writing")
	c.w.Header().Set("Content-Length", strconv.Itoa(len(body)))
	c.w.WriteHeader(status)
	if _, err := c.w.Write(body); err != nil {
		return nil // the client is gone: nobody is left to be told
	}
	c.a.c.Step("reply.written")
	return nil
}
