package call

import (
	"crypto/sha256"
	"encoding/base64"
	"net/http"
	"strconv"

	"yizheng.internal/api/oauth"
	"yizheng.internal/signing/strictjson"
)

// Header returns the answer's header.
func (c *Call) Header() http.Header { return c.w.Header() }

// Revised names the revision of what is answered with; 0: it has none.
func (c *Call) Revised(revision int64) {
	if revision > 0 {
		c.Header().Set("ETag", `"`+strconv.FormatInt(revision, 10)+`"`)
	}
}

// Reply answers with JSON and the endpoint's status.
func (c *Call) Reply(v any) error { return c.ReplyAs(c.Endpoint.Status, v) }

// ReplyAs answers with JSON.
func (c *Call) ReplyAs(status int, v any) error {
	body, err := strictjson.Marshal(v)
	if err != nil {
		return err
	}
	c.Header().Set("Content-Type", c.Endpoint.Media)
	return c.sendAs(status, body)
}

// Send answers with the endpoint's status and a body whose type is set.
func (c *Call) Send(body []byte) error { return c.sendAs(c.Endpoint.Status, body) }

func (c *Call) sendAs(status int, body []byte) error {
	c.s.c.Step("reply.writing")
	c.Header().Set("Content-Length", strconv.Itoa(len(body)))
	c.w.WriteHeader(status)
	if _, err := c.w.Write(body); err != nil {
		return nil // the client is gone: nobody is left to be told
	}
	c.s.c.Step("reply.written")
	return nil
}

// Public answers with what everyone may read and cache, from pages of other origins too (Token
// Status List, section 8.1).
func (c *Call) Public(body []byte, cache string) error {
	if err := c.CheckQuery(); err != nil {
		return err
	}
	sum := sha256.Sum256(body)
	tag := `"` + base64.RawURLEncoding.EncodeToString(sum[:12]) + `"`
	h := c.Header()
	h.Set("Access-Control-Allow-Origin", "*")
	h.Set("Cache-Control", cache)
	h.Set("ETag", tag)
	if oauth.NoneMatch(c.Request.Header.Values("If-None-Match"), tag) {
		c.w.WriteHeader(http.StatusNotModified)
		return nil
	}
	h.Set("Content-Type", c.Endpoint.Media)
	return c.Send(body)
}
